/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNATURE_H
#define SIGNATURE_H

/*
 * signature - says that the holder of a key has seen these bytes.
 *
 * It is the text of a .minisig file, four lines that end with a newline:
 *
 *     untrusted comment: ...
 *     base64 of the algorithm, the key's ID, the signature      74 bytes
 *     trusted comment: ...
 *     base64 of the global signature                            64 bytes
 *
 * Algorithm "ED": the signature is over the 64 bytes of BLAKE2b-512 of the
 * message; "Ed", as minisign made it once and makes it with -l: over the
 * message itself.  We make "ED" and accept both.  The global signature is over
 * the signature's 64 bytes and the trusted comment.
 *
 * So every bit counts but those of the untrusted comment, which is for people
 * only.  The text is read strictly: no other line ends, nothing behind it, no
 * second way to write the same bytes in base64.  Ed25519 signatures are
 * deterministic: the same key, message and comment give the same text, on any
 * machine and at any time.
 *
 * Errors     not reported.
 * Threads    Any; see key.h.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/image/image_format.h"
#include "core/trust/key.h"

enum {
	SIGNATURE_SIZE = 64,
	SIGNATURE_TEXT_MAX = IMAGE_SIGNATURE_MAX /* bytes */
};

/* A text that was read; nothing is proved yet. */
struct signature {
	bool is_prehashed; /* "ED" */
	uint64_t key_id;
	uint8_t bytes[SIGNATURE_SIZE];
	uint8_t global[SIGNATURE_SIZE];
	const char *comment; /* the trusted one; lent by the text, no NUL */
	size_t comment_size;
};

/*
 * Append the text of key's signature over the message.  The comment is one
 * line without its end.  DSP_ENOMEM.
 */
int signature_make(const struct secret_key *key, const void *message,
		   size_t size, const char *comment, struct buffer *text);

/* Read a text.  DSP_ECORRUPT: it is none, or longer than the limit. */
int signature_parse(const void *text, size_t size,
		    struct signature *ret_signature);

/*
 * Did this key make it over this message, and the global signature over it?
 * DSP_ECORRUPT: no, whatever the ID says.  DSP_ENOMEM.
 */
int signature_check(const struct signature *signature,
		    const struct public_key *key, const void *message,
		    size_t size);

#endif
