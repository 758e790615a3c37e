/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/trust.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/trust/signature.h"
#include "core/trust/trust_int.h"

struct trust {
	size_t key_count;
	size_t key_capacity;
	struct public_key *keys;
};

static int
add_key(struct trust *trust, const struct public_key *key)
{
	if (trust->key_count == TRUST_KEYS_MAX)
		return DSP_ELIMIT;
	if (trust->key_count == trust->key_capacity) {
		size_t capacity = trust->key_capacity * 2 + 4;
		struct public_key *keys =
			realloc(trust->keys, capacity * sizeof *keys);

		if (keys == NULL)
			return DSP_ENOMEM;
		trust->keys = keys;
		trust->key_capacity = capacity;
	}
	trust->keys[trust->key_count++] = *key;
	return 0;
}

/* Add the keys of all lines; *ret_line is where it went wrong. */
static int
add_lines(struct trust *trust, const char *text, size_t size,
	  unsigned *ret_line)
{
	struct text_line line;
	int err = 0;

	*ret_line = 0;
	while (err == 0 && text_take_line(&text, &size, &line)) {
		struct public_key key;

		(*ret_line)++;
		text_trim(&line);
		if (line.size == 0 || text_begins(&line, TEXT_UNTRUSTED))
			continue;
		err = public_key_parse(line.bytes, line.size, &key);
		if (err == 0)
			err = add_key(trust, &key);
	}
	return err;
}

static void
complain(int err, const char *name, const char *text, size_t size,
	 unsigned line)
{
	if (err != DSP_EINVAL)
		report_error(err, name, "reading trusted keys");
	else if (text_is_secret_key(text, size))
		report_error(err, name,
			     "is a secret key: the public one, in the .pub "
			     "file, is to be trusted");
	else if (line == 0)
		report_error(err, name, "holds no public key");
	else
		report_error(err, name,
			     "line %u is no public key in minisign's form",
			     line);
}

int
trust_parse(const char *text, size_t size, const char *name,
	    struct trust **ret_trust)
{
	struct trust *trust = calloc(1, sizeof *trust);
	unsigned line = 0;
	int err = trust != NULL ? 0 : DSP_ENOMEM;

	if (err == 0)
		err = add_lines(trust, text, size, &line);
	if (err == 0 && trust->key_count == 0) {
		err = DSP_EINVAL;
		line = 0;
	}
	if (err < 0) {
		if (name != NULL)
			complain(err, name, text, size, line);
		trust_free(trust);
		return err;
	}
	*ret_trust = trust;
	return 0;
}

int
trust_read(const char *path, struct trust **ret_trust)
{
	struct buffer text = { 0 };
	int err = text_read(path, KEY_LIST_SIZE_MAX, &text);

	if (err < 0)
		return err;
	err = trust_parse((const char *)text.data, text.size, path, ret_trust);
	text_wipe(&text); /* it may have been the wrong file */
	return err;
}

static int
take_public(const struct secret_key *secret, const char *path,
	    struct trust **ret_trust)
{
	struct trust *trust = calloc(1, sizeof *trust);
	struct public_key public;
	int err = DSP_ENOMEM;

	secret_key_public(secret, &public);
	if (trust != NULL)
		err = add_key(trust, &public);
	if (err < 0) {
		trust_free(trust);
		return report_error(err, path, "reading the key");
	}
	*ret_trust = trust;
	return 0;
}

int
trust_read_any(const char *path, struct trust **ret_trust, bool *ret_is_secret)
{
	struct buffer text = { 0 };
	struct secret_key secret = { 0 };
	int err = text_read(path, KEY_LIST_SIZE_MAX, &text);

	if (err < 0)
		return err;
	*ret_is_secret = text_is_secret_key((const char *)text.data, text.size);
	if (*ret_is_secret) {
		err = secret_key_take(path, &text, &secret);
		if (err == 0)
			err = take_public(&secret, path, ret_trust);
		secret_key_wipe(&secret);
	} else {
		err = trust_parse((const char *)text.data, text.size, path,
				  ret_trust);
	}
	text_wipe(&text);
	return err;
}

void
trust_free(struct trust *trust)
{
	if (trust == NULL)
		return;
	free(trust->keys);
	free(trust);
}

size_t
trust_key_count(const struct trust *trust)
{
	return trust->key_count;
}

const struct public_key *
trust_key(const struct trust *trust, size_t index)
{
	return &trust->keys[index];
}

int
trust_check(const struct trust *trust, const char *name,
	    const struct buffer *root, const struct buffer *text,
	    uint64_t *ret_key_id)
{
	struct signature signature;
	char hex[KEY_ID_HEX_SIZE];
	bool is_known = false;
	int err;

	if (text->size == 0)
		return report_error(DSP_EUNTRUSTED, name, "has no signature");
	err = signature_parse(text->data, text->size, &signature);
	if (err < 0)
		return report_error(err, name,
				    "the signature is none in minisign's form");
	key_id_to_hex(signature.key_id, hex);

	/* Two keys may have one ID. */
	for (size_t i = 0; i < trust->key_count; i++) {
		if (trust->keys[i].id != signature.key_id)
			continue;
		is_known = true;
		err = signature_check(&signature, &trust->keys[i], root->data,
				      root->size);
		if (err == 0 && ret_key_id != NULL)
			*ret_key_id = signature.key_id;
		if (err != DSP_ECORRUPT)
			break;
	}
	if (!is_known)
		return report_error(DSP_EUNTRUSTED, name, "signed by key %s",
				    hex);
	return err < 0 ? report_error(err, name, "the signature by key %s", hex)
		       : 0;
}

int
trust_check_image(const struct trust *trust, const struct image *image,
		  uint64_t *ret_key_id)
{
	return trust_check(trust, image_name(image), image_root_raw(image),
			   image_signature(image), ret_key_id);
}

int
trust_sign_root(void *context, const struct buffer *root,
		struct buffer *ret_signature)
{
	const struct secret_key *key = context;
	struct root decoded;
	char comment[64];
	int err = root_decode(root->data, root->size, &decoded);

	if (err < 0)
		return err;
	snprintf(comment, sizeof comment, "package %s version %u",
		 decoded.package_id, decoded.version);
	root_release(&decoded);
	return signature_make(key, root->data, root->size, comment,
			      ret_signature);
}
