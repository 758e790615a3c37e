/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/key.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/report.h"
#include "core/trust/trust_int.h"

/* Where things stand in the bytes of a line. */
enum {
	PUBLIC_AT_ID = 2,
	PUBLIC_AT_KEY = 10,
	PUBLIC_SIZE = 42,
	SECRET_AT_KDF = 2,
	SECRET_AT_CHECK_WITH = 4,
	SECRET_AT_ID = 54,
	SECRET_AT_KEY = 62,
	SECRET_AT_CHECK = 126,
	SECRET_SIZE = 158,
	CHECK_SIZE = 32,
	SECRET_LINE_SIZE = (SECRET_SIZE + 2) / 3 * 4
};

static_assert(PUBLIC_AT_KEY + KEY_PUBLIC_SIZE == PUBLIC_SIZE, "public key");
static_assert(SECRET_AT_CHECK + CHECK_SIZE == SECRET_SIZE, "secret key");
static_assert((PUBLIC_SIZE + 2) / 3 * 4 + 1 == KEY_TEXT_SIZE, "text");

/* Whoever signs or checks has a key, and so was here before. */
static void
start(void)
{
	int err = sodium_init();

	assert(err >= 0);
}

void
key_id_to_hex(uint64_t id, char ret_hex[KEY_ID_HEX_SIZE])
{
	snprintf(ret_hex, KEY_ID_HEX_SIZE, "%016llX", (unsigned long long)id);
}

void
secret_key_of_seed(uint64_t id, const uint8_t seed[KEY_SEED_SIZE],
		   struct secret_key *ret_key)
{
	uint8_t public[KEY_PUBLIC_SIZE];

	start();
	ret_key->id = id;
	(void)crypto_sign_ed25519_seed_keypair(public, ret_key->bytes, seed);
}

int
secret_key_new(struct secret_key *ret_key)
{
	uint8_t random[8 + KEY_SEED_SIZE];

	if (sodium_init() < 0)
		return DSP_EIO;
	randombytes_buf(random, sizeof random);
	secret_key_of_seed(le64_get(random), random + 8, ret_key);
	sodium_memzero(random, sizeof random);
	return 0;
}

void
secret_key_wipe(struct secret_key *key)
{
	sodium_memzero(key, sizeof *key);
}

void
secret_key_public(const struct secret_key *key, struct public_key *ret_public)
{
	ret_public->id = key->id;
	memcpy(ret_public->bytes, key->bytes + KEY_SEED_SIZE, KEY_PUBLIC_SIZE);
}

void
public_key_to_text(const struct public_key *key, char ret_text[KEY_TEXT_SIZE])
{
	uint8_t bytes[PUBLIC_SIZE] = "Ed";

	le64_put(bytes + PUBLIC_AT_ID, key->id);
	memcpy(bytes + PUBLIC_AT_KEY, key->bytes, KEY_PUBLIC_SIZE);
	sodium_bin2base64(ret_text, KEY_TEXT_SIZE, bytes, sizeof bytes,
			  sodium_base64_VARIANT_ORIGINAL);
}

int
public_key_add_file(const struct public_key *key, struct buffer *file)
{
	char hex[KEY_ID_HEX_SIZE], text[KEY_TEXT_SIZE], lines[160];
	int size;

	key_id_to_hex(key->id, hex);
	public_key_to_text(key, text);
	size = snprintf(lines, sizeof lines,
			TEXT_UNTRUSTED " minisign public key %s\n%s\n", hex,
			text);
	assert(size > 0 && (size_t)size < sizeof lines);
	return buffer_add(file, lines, (size_t)size);
}

int
public_key_parse(const char *line, size_t size, struct public_key *ret_key)
{
	struct text_line text = { line, size };
	uint8_t bytes[PUBLIC_SIZE];

	start();
	if (!text_decode(&text, bytes, sizeof bytes) ||
	    memcmp(bytes, "Ed", 2) != 0)
		return DSP_EINVAL;
	ret_key->id = le64_get(bytes + PUBLIC_AT_ID);
	memcpy(ret_key->bytes, bytes + PUBLIC_AT_KEY, KEY_PUBLIC_SIZE);
	return 0;
}

/* The one line that is neither empty nor a comment; size 0: not one. */
static struct text_line
find_key_line(const char *text, size_t size)
{
	struct text_line found = { NULL, 0 };
	struct text_line line;

	while (text_take_line(&text, &size, &line)) {
		text_trim(&line);
		if (line.size == 0 || text_begins(&line, TEXT_UNTRUSTED))
			continue;
		if (found.size > 0)
			return (struct text_line){ NULL, 0 };
		found = line;
	}
	return found;
}

/* Over algorithm, ID and key, when there is one at all. */
static bool
is_checked(const uint8_t bytes[SECRET_SIZE])
{
	crypto_generichash_state sum;
	uint8_t check[CHECK_SIZE];

	if (sodium_is_zero(bytes + SECRET_AT_CHECK, CHECK_SIZE))
		return true;
	crypto_generichash_init(&sum, NULL, 0, sizeof check);
	crypto_generichash_update(&sum, bytes, 2);
	crypto_generichash_update(&sum, bytes + SECRET_AT_ID,
				  SECRET_AT_CHECK - SECRET_AT_ID);
	crypto_generichash_final(&sum, check, sizeof check);
	sodium_memzero(&sum, sizeof sum);
	return sodium_memcmp(check, bytes + SECRET_AT_CHECK, sizeof check) == 0;
}

/* Take the key from the bytes of its line. */
static int
take_secret(const uint8_t bytes[SECRET_SIZE], struct secret_key *ret_key)
{
	struct secret_key key;
	int err = 0;

	if (memcmp(bytes, "Ed", 2) != 0 ||
	    memcmp(bytes + SECRET_AT_CHECK_WITH, "B2", 2) != 0)
		return DSP_EINVAL;
	if (le16_get(bytes + SECRET_AT_KDF) != 0)
		return DSP_EUNSUPPORTED;
	if (!is_checked(bytes))
		return DSP_ECORRUPT;

	/* Never sign with another public key than the seed's. */
	secret_key_of_seed(le64_get(bytes + SECRET_AT_ID),
			   bytes + SECRET_AT_KEY, &key);
	if (sodium_memcmp(key.bytes, bytes + SECRET_AT_KEY, KEY_SECRET_SIZE) !=
	    0)
		err = DSP_ECORRUPT;
	else
		*ret_key = key;
	secret_key_wipe(&key);
	return err;
}

int
secret_key_parse(const char *text, size_t size, struct secret_key *ret_key)
{
	struct text_line line = find_key_line(text, size);
	uint8_t bytes[SECRET_SIZE];
	int err = DSP_EINVAL;

	start();
	if (text_decode(&line, bytes, sizeof bytes))
		err = take_secret(bytes, ret_key);
	sodium_memzero(bytes, sizeof bytes);
	return err;
}

bool
text_is_secret_key(const char *text, size_t size)
{
	struct text_line line = find_key_line(text, size);
	uint8_t bytes[SECRET_SIZE];
	bool is_one;

	is_one = text_decode(&line, bytes, sizeof bytes);
	sodium_memzero(bytes, sizeof bytes);
	return is_one;
}

void
secret_key_to_file(const struct secret_key *key,
		   char ret_file[SECRET_FILE_SIZE])
{
	uint8_t bytes[SECRET_SIZE] = "Ed\0\0B2";
	char line[SECRET_LINE_SIZE + 1];
	int size;

	le64_put(bytes + SECRET_AT_ID, key->id);
	memcpy(bytes + SECRET_AT_KEY, key->bytes, KEY_SECRET_SIZE);
	sodium_bin2base64(line, sizeof line, bytes, sizeof bytes,
			  sodium_base64_VARIANT_ORIGINAL);
	size = snprintf(ret_file, SECRET_FILE_SIZE,
			TEXT_UNTRUSTED " secret key %016llX, not encrypted\n"
				       "%s\n",
			(unsigned long long)key->id, line);
	assert(size > 0 && size < SECRET_FILE_SIZE);
	sodium_memzero(bytes, sizeof bytes);
	sodium_memzero(line, sizeof line);
}
