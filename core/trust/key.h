/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KEY_H
#define KEY_H

/*
 * key - the keys of publishers: Ed25519, in the files of minisign.
 *
 * A key pair has an ID of 64 random bits, shown as 16 hexadecimal digits.  It
 * says which key to try; it proves nothing, since anybody may make a key with
 * any ID.  The public key is 32 bytes.  The secret key is 64: the seed that it
 * was made from, then the public key.
 *
 *     NAME.pub   untrusted comment: ...
 *                base64 of "Ed", ID, public key                     42 bytes
 *     NAME.key   untrusted comment: ...
 *                base64 of "Ed", u16 0: not encrypted, "B2", 48
 *                bytes for a password, ID, secret key, checksum    158 bytes
 *
 * Both are what `minisign -G -W` writes; it uses ours, and we use its.  As it
 * does we write zeros for the checksum; one that is not zero must be right.
 * Secret keys that are encrypted with a password are refused.  A secret key
 * whose two halves do not belong together is, too: signing with it would give
 * the seed away.
 *
 * A file may end its lines as it likes, have empty lines, and lack the
 * comment.
 *
 * Errors     DSP_EINVAL for what is not a key; reported only where it says so.
 * Threads    Any; but a key must be made or read before there are several.
 * Ownership  Keys are plain values.  Who has a secret one ends it with
 *            secret_key_wipe(), so that no memory holds it longer than needed.
 *
 * References: https://jedisct1.github.io/minisign/; RFC 8032.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"

enum {
	KEY_ID_HEX_SIZE = 17, /* with the final NUL */
	KEY_PUBLIC_SIZE = 32, /* bytes */
	KEY_SECRET_SIZE = 64,
	KEY_SEED_SIZE = 32,
	KEY_TEXT_SIZE = 57,	    /* base64 of a public key, and a NUL */
	KEY_FILE_SIZE_MAX = 4096,   /* of a secret key */
	KEY_LIST_SIZE_MAX = 1 << 18 /* of public keys */
};

struct public_key {
	uint64_t id;
	uint8_t bytes[KEY_PUBLIC_SIZE];
};

struct secret_key {
	uint64_t id;
	uint8_t bytes[KEY_SECRET_SIZE];
};

/* Write 16 upper case hexadecimal digits and a NUL, as minisign shows it. */
void key_id_to_hex(uint64_t id, char ret_hex[KEY_ID_HEX_SIZE]);

/* Make a new key of random bits.  DSP_EIO: the system gives none. */
int secret_key_new(struct secret_key *ret_key);

/* The key that this seed always makes: for tests. */
void secret_key_of_seed(uint64_t id, const uint8_t seed[KEY_SEED_SIZE],
			struct secret_key *ret_key);

/* Overwrite it; the compiler does not leave this out. */
void secret_key_wipe(struct secret_key *key);

/* The public half, which may be shown to everybody. */
void secret_key_public(const struct secret_key *key,
		       struct public_key *ret_public);

/* The line of base64 in a .pub file, without its end. */
void public_key_to_text(const struct public_key *key,
			char ret_text[KEY_TEXT_SIZE]);

/* Append the whole .pub file. */
int public_key_add_file(const struct public_key *key, struct buffer *file);

/* Read such a line of exactly size bytes.  DSP_EINVAL. */
int public_key_parse(const char *line, size_t size, struct public_key *ret_key);

/*
 * Read the bytes of a .key file.
 *
 * DSP_EINVAL        no secret key, or not exactly one
 * DSP_EUNSUPPORTED  it is encrypted
 * DSP_ECORRUPT      its halves do not belong together, or the checksum is not
 *                   that of the key
 */
int secret_key_parse(const char *text, size_t size, struct secret_key *ret_key);

/*
 * Read the .key file at path; who else may read it is warned of.  Errors
 * reported: DSP_EINVAL, with what is wrong, or those of reading.
 */
int secret_key_read(const char *path, struct secret_key *ret_key);

/*
 * Make a new key pair in NAME.key, which its owner alone may read, and
 * NAME.pub.  Both are new files under their own names from the beginning: an
 * existing file is never replaced, and what a crash leaves is no key.  Errors
 * reported: DSP_EEXIST, and those of writing; there is then neither file.
 */
int key_make_files(const char *name, struct public_key *ret_public);

#endif
