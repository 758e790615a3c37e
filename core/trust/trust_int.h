/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRUST_INT_H
#define TRUST_INT_H

/*
 * trust_int - what the files of trust share: lines of text, base64 of a known
 * size, small files read in one piece, and the text of a secret key.
 *
 * Keys and signatures are short texts that people copy about.  Key files are
 * read as people leave them: lines may end in blanks or a carriage return.
 * Signatures are read as minisign writes them, so that there is one text of
 * each: nobody can change a signed image in a way that goes unnoticed, but for
 * the comment that says of itself that it is not to be trusted.
 *
 * Memory     What may hold a secret key is in one place, of a size known
 *            before, and is overwritten as soon as it was used.  Buffers that
 *            grow would leave copies behind.
 * Errors     reported only where it says so.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/trust/key.h"

#define TEXT_UNTRUSTED "untrusted comment:"
#define TEXT_TRUSTED   "trusted comment: "

/* A line of a text, without its end. */
struct text_line {
	const char *bytes;
	size_t size;
};

/*
 * Take the first line off *text, up to a newline or the end.  False: there is
 * nothing left.
 */
bool text_take_line(const char **text, size_t *size,
		    struct text_line *ret_line);

/* Leave out blanks and carriage returns at the end. */
void text_trim(struct text_line *line);

bool text_begins(const struct text_line *line, const char *with);

/* Is this the one way to write size bytes in base64?  Gives them. */
bool text_decode(const struct text_line *line, uint8_t *ret_bytes, size_t size);

/*
 * Read a file of at most size_max bytes into *ret_text, which then holds them
 * in one allocation and nowhere else.  Reported; DSP_ELIMIT: it is larger.
 */
int text_read(const char *path, size_t size_max, struct buffer *ret_text);

/* Overwrite and free. */
void text_wipe(struct buffer *text);

/* Is this a file of a secret key, whether or not it can be used? */
bool text_is_secret_key(const char *text, size_t size);

/* secret_key_parse(), reported as DSP_EINVAL with what is wrong. */
int secret_key_take(const char *path, const struct buffer *text,
		    struct secret_key *ret_key);

/* Write the whole .key file, a string; the caller wipes it. */
enum { SECRET_FILE_SIZE = 320 };
void secret_key_to_file(const struct secret_key *key,
			char ret_file[SECRET_FILE_SIZE]);

#endif
