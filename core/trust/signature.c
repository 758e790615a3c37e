/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/signature.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/trust/trust_int.h"

#define UNTRUSTED_COMMENT TEXT_UNTRUSTED " signature of a Despool image\n"

enum {
	HASH_SIZE = 64,
	AT_ID = 2,
	AT_SIGNATURE = 10,
	LINE_SIZE = AT_SIGNATURE + SIGNATURE_SIZE,
	LINE_TEXT_SIZE = (LINE_SIZE + 2) / 3 * 4,
	GLOBAL_TEXT_SIZE = (SIGNATURE_SIZE + 2) / 3 * 4
};

static void
hash_message(const void *message, size_t size, uint8_t ret_hash[HASH_SIZE])
{
	(void)crypto_generichash(ret_hash, HASH_SIZE, message, size, NULL, 0);
}

/* What the global signature is over.  free() it; NULL: out of memory. */
static uint8_t *
join_global(const uint8_t bytes[SIGNATURE_SIZE], const char *comment,
	    size_t comment_size)
{
	uint8_t *all = malloc(SIGNATURE_SIZE + comment_size);

	if (all == NULL)
		return NULL;
	memcpy(all, bytes, SIGNATURE_SIZE);
	memcpy(all + SIGNATURE_SIZE, comment, comment_size);
	return all;
}

static int
add_base64(struct buffer *text, const uint8_t *bytes, size_t size)
{
	char line[LINE_TEXT_SIZE + 1];

	sodium_bin2base64(line, sizeof line, bytes, size,
			  sodium_base64_VARIANT_ORIGINAL);
	return buffer_add(text, line, strlen(line));
}

int
signature_make(const struct secret_key *key, const void *message, size_t size,
	       const char *comment, struct buffer *text)
{
	size_t comment_size = strlen(comment);
	uint8_t hash[HASH_SIZE], line[LINE_SIZE] = "ED";
	uint8_t global[SIGNATURE_SIZE];
	uint8_t *all;
	int err = 0;

	assert(memchr(comment, '\n', comment_size) == NULL);
	assert(sizeof UNTRUSTED_COMMENT + LINE_TEXT_SIZE + sizeof TEXT_TRUSTED +
		       comment_size + GLOBAL_TEXT_SIZE + 3 <=
	       SIGNATURE_TEXT_MAX);
	hash_message(message, size, hash);
	le64_put(line + AT_ID, key->id);
	(void)crypto_sign_ed25519_detached(line + AT_SIGNATURE, NULL, hash,
					   sizeof hash, key->bytes);
	all = join_global(line + AT_SIGNATURE, comment, comment_size);
	if (all == NULL)
		return DSP_ENOMEM;
	(void)crypto_sign_ed25519_detached(
		global, NULL, all, SIGNATURE_SIZE + comment_size, key->bytes);
	free(all);
	err |= buffer_add(text, UNTRUSTED_COMMENT, strlen(UNTRUSTED_COMMENT));
	err |= add_base64(text, line, sizeof line);
	err |= buffer_add(text, "\n" TEXT_TRUSTED, 1 + strlen(TEXT_TRUSTED));
	err |= buffer_add(text, comment, comment_size);
	err |= buffer_add_u8(text, '\n');
	err |= add_base64(text, global, sizeof global);
	err |= buffer_add_u8(text, '\n');
	return err != 0 ? DSP_ENOMEM : 0;
}

int
signature_parse(const void *text, size_t size, struct signature *ret_signature)
{
	const char *rest = text;
	struct text_line untrusted, line, trusted, global;
	struct signature signature;
	uint8_t bytes[LINE_SIZE];

	if (size > SIGNATURE_TEXT_MAX || size == 0 || rest[size - 1] != '\n' ||
	    memchr(text, '\0', size) != NULL)
		return DSP_ECORRUPT;
	if (!text_take_line(&rest, &size, &untrusted) ||
	    !text_take_line(&rest, &size, &line) ||
	    !text_take_line(&rest, &size, &trusted) ||
	    !text_take_line(&rest, &size, &global) || size > 0)
		return DSP_ECORRUPT;
	if (!text_begins(&untrusted, TEXT_UNTRUSTED " ") ||
	    !text_begins(&trusted, TEXT_TRUSTED) ||
	    !text_decode(&line, bytes, sizeof bytes) ||
	    !text_decode(&global, signature.global, SIGNATURE_SIZE) ||
	    bytes[0] != 'E' || (bytes[1] != 'D' && bytes[1] != 'd'))
		return DSP_ECORRUPT;
	signature.is_prehashed = bytes[1] == 'D';
	signature.key_id = le64_get(bytes + AT_ID);
	memcpy(signature.bytes, bytes + AT_SIGNATURE, SIGNATURE_SIZE);
	signature.comment = trusted.bytes + strlen(TEXT_TRUSTED);
	signature.comment_size = trusted.size - strlen(TEXT_TRUSTED);
	*ret_signature = signature;
	return 0;
}

int
signature_check(const struct signature *signature, const struct public_key *key,
		const void *message, size_t size)
{
	uint8_t hash[HASH_SIZE];
	uint8_t *all;
	bool is_right;

	if (signature->is_prehashed) {
		hash_message(message, size, hash);
		message = hash;
		size = sizeof hash;
	}
	if (crypto_sign_ed25519_verify_detached(signature->bytes, message, size,
						key->bytes) != 0)
		return DSP_ECORRUPT;
	all = join_global(signature->bytes, signature->comment,
			  signature->comment_size);
	if (all == NULL)
		return DSP_ENOMEM;
	is_right = crypto_sign_ed25519_verify_detached(
			   signature->global, all,
			   SIGNATURE_SIZE + signature->comment_size,
			   key->bytes) == 0;
	free(all);
	return is_right ? 0 : DSP_ECORRUPT;
}
