/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Input: a byte, and behind it, by its value modulo 5,
 *
 *   0  the text of a list of trusted keys
 *   1  the text of a file of a secret key
 *   2  the text of a signature over SAMPLE_MESSAGE
 *   3  the bytes of the two base64 lines of a signature, then its comment
 *   4  the bytes of the base64 line of a secret key
 *
 * Keys that are read are the same when they are written and read again.  A
 * signature is right only when it is one that is known, but for the untrusted
 * comment: nobody here has the key.
 */
#include <sodium.h>

#include "core/base/err.h"
#include "core/trust/signature.h"
#include "core/trust/trust.h"
#include "core/trust/trust_int.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/sample_key.h"

enum { LINE_SIZE = 74, SECRET_SIZE = 158, BASE64_MAX = 256 };

static void
fuzz_list(const char *text, size_t size)
{
	struct trust *trust, *again;
	struct buffer file = { 0 };
	int err = trust_parse(text, size, NULL, &trust);

	must(err == 0 || err == DSP_EINVAL || err == DSP_ELIMIT);
	if (err < 0)
		return;
	must(trust_key_count(trust) > 0);
	must(trust_key_count(trust) <= TRUST_KEYS_MAX);
	for (size_t i = 0; i < trust_key_count(trust); i++)
		must(public_key_add_file(trust_key(trust, i), &file) == 0);
	must(trust_parse((const char *)file.data, file.size, NULL, &again) ==
	     0);
	must(trust_key_count(again) == trust_key_count(trust));
	for (size_t i = 0; i < trust_key_count(trust); i++)
		must(memcmp(trust_key(again, i), trust_key(trust, i),
			    sizeof(struct public_key)) == 0);
	trust_free(again);
	trust_free(trust);
	buffer_release(&file);
}

static void
fuzz_secret(const char *text, size_t size)
{
	struct secret_key key, again;
	char file[SECRET_FILE_SIZE];
	int err = secret_key_parse(text, size, &key);

	must(err == 0 || err == DSP_EINVAL || err == DSP_EUNSUPPORTED ||
	     err == DSP_ECORRUPT);
	must(err == DSP_EINVAL || text_is_secret_key(text, size));
	if (err < 0)
		return;
	secret_key_to_file(&key, file);
	must(secret_key_parse(file, strlen(file), &again) == 0);
	must(memcmp(&key, &again, sizeof key) == 0);
}

/* Is it this one, from its second line on? */
static int
is_known(const char *text, size_t size, const char *known)
{
	const char *a = memchr(text, '\n', size);
	const char *b = strchr(known, '\n');

	return a != NULL && (size_t)(text + size - a) == strlen(b) &&
	       memcmp(a, b, strlen(b)) == 0;
}

static void
fuzz_signature(const char *text, size_t size)
{
	static char message[] = SAMPLE_MESSAGE;
	static struct trust *trust;
	struct buffer root = { (uint8_t *)message, strlen(message), 0 };
	struct buffer signature = { (uint8_t *)text, size, 0 };
	int err;

	if (trust == NULL)
		must(trust_parse(SAMPLE_PUBLIC, strlen(SAMPLE_PUBLIC), NULL,
				 &trust) == 0);
	err = trust_check(trust, "image", &root, &signature, NULL);
	must(err == 0 || err == DSP_EUNTRUSTED || err == DSP_ECORRUPT);
	must(err != 0 || is_known(text, size, SAMPLE_SIGNATURE) ||
	     is_known(text, size, SAMPLE_SIGNATURE_LEGACY));
}

static void
add_base64(struct buffer *text, struct input *input, size_t size)
{
	struct input raw = take_bytes(input, size);
	char line[BASE64_MAX];

	sodium_bin2base64(line, sizeof line, raw.data, raw.size,
			  sodium_base64_VARIANT_ORIGINAL);
	must(buffer_add(text, line, strlen(line)) == 0);
	must(buffer_add_u8(text, '\n') == 0);
}

static void
fuzz_signature_bytes(struct input input)
{
	static const char head[] = "untrusted comment: \n";
	struct buffer text = { 0 }, global = { 0 };
	char *copy;

	must(buffer_add(&text, head, strlen(head)) == 0);
	add_base64(&text, &input, LINE_SIZE);
	add_base64(&global, &input, SIGNATURE_SIZE);
	must(buffer_add(&text, TEXT_TRUSTED, strlen(TEXT_TRUSTED)) == 0);
	must(buffer_add(&text, input.data, input.size) == 0);
	must(buffer_add_u8(&text, '\n') == 0);
	must(buffer_add(&text, global.data, global.size) == 0);
	copy = copy_of(text.data, text.size);
	fuzz_signature(copy, text.size);
	free(copy);
	buffer_release(&text);
	buffer_release(&global);
}

static void
fuzz_secret_bytes(struct input input)
{
	struct buffer text = { 0 };
	char *copy;

	add_base64(&text, &input, SECRET_SIZE);
	copy = copy_of(text.data, text.size);
	fuzz_secret(copy, text.size);
	free(copy);
	buffer_release(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	unsigned kind = take_u8(&input) % 5;
	char *text = copy_of(input.data, input.size);

	switch (kind) {
	case 0:
		fuzz_list(text, input.size);
		break;
	case 1:
		fuzz_secret(text, input.size);
		break;
	case 2:
		fuzz_signature(text, input.size);
		break;
	case 3:
		fuzz_signature_bytes(input);
		break;
	default:
		fuzz_secret_bytes(input);
		break;
	}
	free(text);
	return 0;
}
