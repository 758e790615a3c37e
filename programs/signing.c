/* SPDX-License-Identifier: Apache-2.0 */
#include "programs/signing.h"

#include <stdio.h>

#include "core/base/err.h"
#include "core/trust/signature.h"
#include "programs/talk.h"

int
signing_read_trust(const struct options *options, struct trust **ret_trust)
{
	return options->trust != NULL ? trust_read(options->trust, ret_trust)
				      : 0;
}

int
signing_check(const struct trust *trust, const struct image *image)
{
	return trust != NULL ? trust_check_image(trust, image, NULL) : 0;
}

static int
check_root(void *context, const struct buffer *root,
	   const struct buffer *signature, const char *package_id)
{
	return trust_check(context, package_id, root, signature, NULL);
}

void
signing_set_receive(struct trust *trust, struct receive_params *receive)
{
	if (trust == NULL)
		return;
	receive->check_root = check_root;
	receive->check_context = trust;
}

/* By which key does it say to be?  False: it says nothing. */
static bool
find_key(const struct image *image, uint64_t *ret_id)
{
	const struct buffer *text = image_signature(image);
	struct signature signature;

	if (signature_parse(text->data, text->size, &signature) < 0)
		return false;
	*ret_id = signature.key_id;
	return true;
}

void
signing_add_id(json_t *fields, uint64_t id)
{
	char hex[KEY_ID_HEX_SIZE];

	key_id_to_hex(id, hex);
	json_object_set_new(fields, "signed", json_true());
	json_object_set_new(fields, "key_id", json_string(hex));
}

void
signing_add_key(json_t *fields, const struct image *image)
{
	uint64_t id;

	if (find_key(image, &id))
		signing_add_id(fields, id);
	else
		json_object_set_new(fields, "signed",
				    json_boolean(image_signature(image)->size >
						 0));
}

const char *
signing_in_words(const struct image *image, char words[SIGNING_WORDS_SIZE])
{
	char hex[KEY_ID_HEX_SIZE];
	uint64_t id;

	if (image_signature(image)->size == 0)
		return "none";
	if (!find_key(image, &id))
		return "not in minisign's form";
	key_id_to_hex(id, hex);
	snprintf(words, SIGNING_WORDS_SIZE, "by key %s", hex);
	return words;
}

void
signing_tell(const struct trust *trust, const struct image *image)
{
	char words[SIGNING_WORDS_SIZE];

	if (image_signature(image)->size > 0)
		talk_say("signature: %s, %s", signing_in_words(image, words),
			 trust != NULL ? "which is trusted"
				       : "not checked (--trust FILE does)");
}
