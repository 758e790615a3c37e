/* SPDX-License-Identifier: Apache-2.0 */
#include "core/trust/trust.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/trust/signature.h"
#include "core/trust/trust_int.h"
#include "platform/pf_fault.h"
#include "platform/pf_process.h"
#include "tests/unit/sample_image.h"
#include "tests/unit/sample_key.h"
#include "tests/unit/support.h"

enum { SECRET_SIZE = 158, AT_ID = 54, AT_KEY = 62, AT_CHECK = 126 };

static struct public_key
minisign_key(void)
{
	struct public_key key;

	assert_int_equal(public_key_parse(SAMPLE_PUBLIC_LINE,
					  strlen(SAMPLE_PUBLIC_LINE), &key),
			 0);
	return key;
}

static int
parse_secret(const char *text)
{
	struct secret_key key;

	return secret_key_parse(text, strlen(text), &key);
}

/* A text in memory of exactly its size, so that a sanitizer knows its end. */
static int
parse_signature(const void *text, size_t size, struct signature *ret)
{
	char *copy = must_malloc(size);
	int err;

	if (size > 0)
		memcpy(copy, text, size);
	err = signature_parse(copy, size, ret);
	free(copy);
	return err;
}

/* Is this text a signature over the message, by the key of minisign?  As
 * trust_check() does: the ID says which key, and is not signed itself. */
static int
check(const void *text, size_t size, const char *message)
{
	struct public_key key = minisign_key();
	struct signature signature;
	char *copy = must_malloc(size);
	int err;

	if (size > 0)
		memcpy(copy, text, size);
	err = signature_parse(copy, size, &signature);
	if (err == 0 && signature.key_id != key.id)
		err = DSP_EUNTRUSTED;
	if (err == 0)
		err = signature_check(&signature, &key, message,
				      strlen(message));
	free(copy);
	return err;
}

/* Keys. */

static void
key_of_a_seed_is_that_of_rfc_8032(void **state)
{
	static const uint8_t seed[] = { 0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd,
					0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4,
					0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49,
					0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19,
					0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae,
					0x7f, 0x60 };
	static const uint8_t expected[] = { 0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1,
					    0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3,
					    0xc9, 0x64, 0x07, 0x3a, 0x0e, 0xe1,
					    0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25,
					    0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07,
					    0x51, 0x1a };
	struct secret_key key;
	struct public_key public;
	char hex[KEY_ID_HEX_SIZE];

	(void)state;
	secret_key_of_seed(0xABC, seed, &key);
	secret_key_public(&key, &public);
	assert_memory_equal(public.bytes, expected, sizeof expected);
	assert_memory_equal(key.bytes, seed, sizeof seed);
	key_id_to_hex(public.id, hex);
	assert_string_equal(hex, "0000000000000ABC");
	secret_key_wipe(&key);
	assert_true(sodium_is_zero((uint8_t *)&key, sizeof key));
}

/* Both files are read, and written as minisign wrote them. */
static void
key_of_minisign_is_read_and_written_alike(void **state)
{
	struct public_key public = minisign_key(), half;
	struct secret_key secret;
	struct buffer file = { 0 };
	char text[KEY_TEXT_SIZE], secret_file[SECRET_FILE_SIZE];

	(void)state;
	assert_int_equal(secret_key_parse(SAMPLE_SECRET, strlen(SAMPLE_SECRET),
					  &secret),
			 0);
	secret_key_public(&secret, &half);
	assert_true(half.id == UINT64_C(0x26B1C3F84B3BBD9A));
	assert_memory_equal(&half, &public, sizeof half);
	public_key_to_text(&public, text);
	assert_string_equal(text, SAMPLE_PUBLIC_LINE);
	assert_int_equal(public_key_add_file(&public, &file), 0);
	assert_int_equal(file.size, strlen(SAMPLE_PUBLIC));
	assert_memory_equal(file.data, SAMPLE_PUBLIC, file.size);
	secret_key_to_file(&secret, secret_file);
	assert_string_equal(strchr(secret_file, '\n'),
			    "\n" SAMPLE_SECRET_LINE "\n");
	buffer_release(&file);
}

static void
key_that_is_new_is_another_each_time(void **state)
{
	struct secret_key a, b;
	char file[SECRET_FILE_SIZE];

	(void)state;
	assert_int_equal(secret_key_new(&a), 0);
	assert_int_equal(secret_key_new(&b), 0);
	assert_true(a.id != b.id);
	assert_memory_not_equal(a.bytes, b.bytes, KEY_SECRET_SIZE);
	secret_key_to_file(&a, file);
	assert_int_equal(secret_key_parse(file, strlen(file), &b), 0);
	assert_memory_equal(&a, &b, sizeof a);
}

static void
key_file_may_be_laid_out_otherwise(void **state)
{
	static const char *const good[] = {
		SAMPLE_SECRET_LINE,
		SAMPLE_SECRET_LINE "\n",
		SAMPLE_SECRET_LINE "\r\n",
		"\n\n" SAMPLE_SECRET_LINE " \t\n\n",
		SAMPLE_SECRET_COMMENT "\r\n" SAMPLE_SECRET_LINE "\r\n",
		"untrusted comment:\n" SAMPLE_SECRET_LINE,
	};
	static const char *const bad[] = {
		"",
		"\n",
		SAMPLE_SECRET_COMMENT "\n",
		SAMPLE_PUBLIC,
		SAMPLE_SIGNATURE,
		"comment\n" SAMPLE_SECRET_LINE "\n",
		" " SAMPLE_SECRET_LINE "\n",
		SAMPLE_SECRET SAMPLE_SECRET,
		SAMPLE_SECRET "x\n",
		SAMPLE_SECRET_LINE "=\n",
		SAMPLE_SECRET_LINE SAMPLE_SECRET_LINE "\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (parse_secret(good[i]) != 0)
			fail_msg("good %zu", i);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (parse_secret(bad[i]) != DSP_EINVAL)
			fail_msg("bad %zu", i);
	for (size_t size = 0; size < strlen(SAMPLE_SECRET_LINE); size++) {
		struct secret_key key;

		assert_int_equal(secret_key_parse(SAMPLE_SECRET_LINE, size,
						  &key),
				 DSP_EINVAL);
	}
}

static void
decode_secret(uint8_t bytes[SECRET_SIZE])
{
	struct text_line line = { SAMPLE_SECRET_LINE,
				  strlen(SAMPLE_SECRET_LINE) };

	assert_true(text_decode(&line, bytes, SECRET_SIZE));
}

static int
parse_secret_bytes(const uint8_t bytes[SECRET_SIZE], struct secret_key *key)
{
	char line[256];

	sodium_bin2base64(line, sizeof line, bytes, SECRET_SIZE,
			  sodium_base64_VARIANT_ORIGINAL);
	return secret_key_parse(line, strlen(line), key);
}

/* What it says about passwords does not count; the ID is any number. */
static void
key_with_any_bit_flipped_is_refused_or_has_the_same_halves(void **state)
{
	uint8_t bytes[SECRET_SIZE];
	struct secret_key right, key;

	(void)state;
	decode_secret(bytes);
	assert_int_equal(parse_secret_bytes(bytes, &right), 0);
	for (size_t bit = 0; bit < sizeof bytes * 8; bit++) {
		size_t at = bit / 8;
		int err;

		bytes[at] ^= (uint8_t)(1u << bit % 8);
		err = parse_secret_bytes(bytes, &key);
		bytes[at] ^= (uint8_t)(1u << bit % 8);
		if (at < 2 || at == 4 || at == 5)
			assert_int_equal(err, DSP_EINVAL);
		else if (at < 4)
			assert_int_equal(err, DSP_EUNSUPPORTED);
		else if (at >= AT_KEY)
			assert_int_equal(err, DSP_ECORRUPT);
		else
			assert_int_equal(err, 0);
		if (err == 0) {
			assert_int_equal(key.id != right.id, at >= AT_ID);
			assert_memory_equal(key.bytes, right.bytes,
					    KEY_SECRET_SIZE);
		}
	}
}

static void
key_checksum_must_be_right_when_there_is_one(void **state)
{
	uint8_t bytes[SECRET_SIZE], over[2 + AT_CHECK - AT_ID];
	struct secret_key key;

	(void)state;
	decode_secret(bytes);
	memcpy(over, bytes, 2);
	memcpy(over + 2, bytes + AT_ID, AT_CHECK - AT_ID);
	crypto_generichash(bytes + AT_CHECK, 32, over, sizeof over, NULL, 0);
	assert_int_equal(parse_secret_bytes(bytes, &key), 0);
	for (size_t bit = AT_ID * 8; bit < sizeof bytes * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(parse_secret_bytes(bytes, &key), DSP_ECORRUPT);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void
key_that_cannot_be_used_is_refused_with_words(void **state)
{
	struct secret_key key;

	(void)state;
	assert_int_equal(parse_secret(SAMPLE_ENCRYPTED), DSP_EUNSUPPORTED);
	file_write("e.key", SAMPLE_ENCRYPTED, strlen(SAMPLE_ENCRYPTED));
	file_write("p.key", SAMPLE_PUBLIC, strlen(SAMPLE_PUBLIC));
	reports_clear();
	assert_int_equal(secret_key_read("e.key", &key), DSP_EINVAL);
	assert_true(reports_has("encrypted with a password"));
	assert_int_equal(secret_key_read("p.key", &key), DSP_EINVAL);
	assert_true(reports_has("no secret key"));
	assert_int_equal(secret_key_read("absent", &key), DSP_ENOENT);
	assert_int_equal(secret_key_read(".", &key), DSP_EISDIR);
	assert_int_equal(reports_errors(), 4);
}

static void
key_that_others_may_read_is_warned_of(void **state)
{
	struct secret_key key;

	(void)state;
	file_write("k", SAMPLE_SECRET, strlen(SAMPLE_SECRET));
	assert_int_equal(chmod("k", 0600), 0);
	reports_clear();
	assert_int_equal(secret_key_read("k", &key), 0);
	assert_int_equal(reports_warnings(), 0);
	assert_int_equal(chmod("k", 0640), 0);
	assert_int_equal(secret_key_read("k", &key), 0);
	assert_int_equal(reports_warnings(), 1);
	assert_int_equal(reports_errors(), 0);
}

static void
key_file_that_is_too_large_is_refused(void **state)
{
	struct secret_key key;
	struct trust *trust;
	size_t size = KEY_LIST_SIZE_MAX;
	char *text = must_malloc(size + 1);

	(void)state;
	memset(text, '\n', size + 1);
	memcpy(text, SAMPLE_SECRET_LINE, strlen(SAMPLE_SECRET_LINE));
	file_write("k", text, KEY_FILE_SIZE_MAX);
	assert_int_equal(secret_key_read("k", &key), 0);
	file_write("k", text, KEY_FILE_SIZE_MAX + 1);
	assert_int_equal(secret_key_read("k", &key), DSP_ELIMIT);
	memset(text, '\n', strlen(SAMPLE_SECRET_LINE));
	memcpy(text, SAMPLE_PUBLIC_LINE, strlen(SAMPLE_PUBLIC_LINE));
	file_write("k", text, size);
	assert_int_equal(trust_read("k", &trust), 0);
	trust_free(trust);
	file_write("k", text, size + 1);
	assert_int_equal(trust_read("k", &trust), DSP_ELIMIT);
	free(text);
}

static unsigned
mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static void
assert_pair(const char *secret_path, const char *public_path,
	    const struct public_key *public)
{
	struct secret_key secret;
	struct public_key half;
	struct trust *trust;

	assert_int_equal(secret_key_read(secret_path, &secret), 0);
	secret_key_public(&secret, &half);
	assert_memory_equal(&half, public, sizeof half);
	assert_int_equal(trust_read(public_path, &trust), 0);
	assert_int_equal(trust_key_count(trust), 1);
	assert_memory_equal(trust_key(trust, 0), public, sizeof half);
	trust_free(trust);
}

static void
key_files_are_made_for_their_owner(void **state)
{
	struct public_key public;

	(void)state;
	assert_int_equal(mkdir("keys", 0755), 0);
	assert_int_equal(key_make_files("mine", &public), 0);
	assert_pair("mine.key", "mine.pub", &public);
	assert_int_equal(mode_of("mine.key"), 0600);
	assert_int_equal(mode_of("mine.pub"), 0644 & ~pf_umask());
	assert_int_equal(key_make_files("keys/a.b", &public), 0);
	assert_pair("keys/a.b.key", "keys/a.b.pub", &public);
	assert_int_equal(dir_count("keys"), 2);
	assert_int_equal(key_make_files("absent/a", &public), DSP_ENOENT);
	assert_int_equal(key_make_files("keys/", &public), DSP_EINVAL);
	assert_int_equal(key_make_files("", &public), DSP_EINVAL);
	assert_int_equal(dir_count("."), 3);
}

static void
key_files_never_replace_anything(void **state)
{
	static const char *const names[] = { "a.key", "a.pub" };
	struct public_key public;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		size_t size;
		uint8_t *data;

		file_write(names[i], "old", 3);
		reports_clear();
		assert_int_equal(key_make_files("a", &public), DSP_EEXIST);
		assert_int_equal(reports_errors(), 1);
		assert_true(reports_has(names[i]));
		assert_int_equal(dir_count("."), 1);
		data = file_read(names[i], &size);
		assert_int_equal(size, 3);
		assert_memory_equal(data, "old", 3);
		free(data);
		assert_int_equal(unlink(names[i]), 0);

		/* Nor through a link, wherever that leads. */
		assert_int_equal(symlink("elsewhere", names[i]), 0);
		assert_int_equal(key_make_files("a", &public), DSP_EEXIST);
		assert_false(path_exists("elsewhere"));
		assert_int_equal(dir_count("."), 1);
		assert_int_equal(unlink(names[i]), 0);
	}
}

/* Under every single failure: fail call 1, then 2, ... until none fires. */
static void
key_files_are_both_whole_or_absent(void **state)
{
	unsigned fds = open_fd_count();
	bool fired = true;

	(void)state;
	for (unsigned call = 1; fired; call++) {
		struct public_key public;
		int err;

		reports_clear();
		pf_fault_set(call, DSP_EIO);
		err = key_make_files("a", &public);
		fired = pf_fault_clear();
		assert_int_equal(err, fired ? DSP_EIO : 0);
		assert_int_equal(reports_errors(), fired);
		assert_int_equal(dir_count("."), fired ? 0 : 2);
		assert_int_equal(open_fd_count(), fds);
		if (err == 0)
			assert_pair("a.key", "a.pub", &public);
	}
}

/* Signatures. */

static void
signature_of_minisign_is_right_in_both_algorithms(void **state)
{
	struct public_key key = minisign_key();
	struct signature signature;

	(void)state;
	assert_int_equal(check(SAMPLE_SIGNATURE, strlen(SAMPLE_SIGNATURE),
			       SAMPLE_MESSAGE),
			 0);
	assert_int_equal(check(SAMPLE_SIGNATURE_LEGACY,
			       strlen(SAMPLE_SIGNATURE_LEGACY), SAMPLE_MESSAGE),
			 0);
	assert_int_equal(signature_parse(SAMPLE_SIGNATURE,
					 strlen(SAMPLE_SIGNATURE), &signature),
			 0);
	assert_true(signature.is_prehashed && signature.key_id == key.id);
	assert_int_equal(signature.comment_size, strlen("made by minisign"));
	assert_memory_equal(signature.comment, "made by minisign",
			    signature.comment_size);
	assert_int_equal(signature_parse(SAMPLE_SIGNATURE_LEGACY,
					 strlen(SAMPLE_SIGNATURE_LEGACY),
					 &signature),
			 0);
	assert_false(signature.is_prehashed);
}

static void
signature_of_another_message_or_key_is_refused(void **state)
{
	static const char *const texts[] = { SAMPLE_SIGNATURE,
					     SAMPLE_SIGNATURE_LEGACY };
	struct secret_key other = sample_key();
	struct public_key public;
	struct signature signature;

	(void)state;
	secret_key_public(&other, &public);
	for (size_t i = 0; i < 2; i++) {
		size_t size = strlen(texts[i]);

		assert_int_equal(check(texts[i], size, SAMPLE_MESSAGE "x"),
				 DSP_ECORRUPT);
		assert_int_equal(check(texts[i], size, "the message"),
				 DSP_ECORRUPT);
		assert_int_equal(check(texts[i], size, ""), DSP_ECORRUPT);
		assert_int_equal(signature_parse(texts[i], size, &signature),
				 0);
		assert_int_equal(signature_check(&signature, &public,
						 SAMPLE_MESSAGE,
						 strlen(SAMPLE_MESSAGE)),
				 DSP_ECORRUPT);
	}
}

/* The untrusted comment, behind its beginning, is the one thing that may. */
static void
flip_all(const char *sample)
{
	size_t size = strlen(sample);
	size_t free_start = strlen("untrusted comment: ");
	size_t free_end = (size_t)(strchr(sample, '\n') - sample);
	char text[1024];

	assert_true(size < sizeof text);
	memcpy(text, sample, size);
	for (size_t bit = 0; bit < size * 8; bit++) {
		size_t at = bit / 8;
		int err;

		text[at] = (char)(text[at] ^ 1 << bit % 8);
		err = check(text, size, SAMPLE_MESSAGE);
		if (err == 0 && (at < free_start || at >= free_end))
			fail_msg("bit %zu of byte %zu", bit % 8, at);
		if (err != 0 && err != DSP_ECORRUPT && err != DSP_EUNTRUSTED)
			fail_msg("bit %zu of byte %zu: %d", bit % 8, at, err);
		text[at] = (char)(text[at] ^ 1 << bit % 8);
	}
	assert_int_equal(check(text, size, SAMPLE_MESSAGE), 0);
}

static void
signature_with_any_bit_flipped_is_refused_but_in_a_free_comment(void **state)
{
	(void)state;
	flip_all(SAMPLE_SIGNATURE);
	flip_all(SAMPLE_SIGNATURE_LEGACY);
}

static void
signature_cut_off_or_with_something_behind_it_is_refused(void **state)
{
	static const char *const behind[] = {
		"\n", " ", "x", "x\n", "\r\n", "=", SAMPLE_SIGNATURE
	};
	size_t size = strlen(SAMPLE_SIGNATURE);
	char text[2048];

	(void)state;
	for (size_t i = 0; i < size; i++)
		assert_int_equal(check(SAMPLE_SIGNATURE, i, SAMPLE_MESSAGE),
				 DSP_ECORRUPT);
	for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
		snprintf(text, sizeof text, "%s%s", SAMPLE_SIGNATURE,
			 behind[i]);
		assert_int_equal(check(text, strlen(text), SAMPLE_MESSAGE),
				 DSP_ECORRUPT);
	}
	/* A NUL, at the end or in place of any byte. */
	memcpy(text, SAMPLE_SIGNATURE, size + 1);
	assert_int_equal(check(text, size + 1, SAMPLE_MESSAGE), DSP_ECORRUPT);
	for (size_t i = 0; i < size; i++) {
		char was = text[i];

		text[i] = '\0';
		assert_int_equal(check(text, size, SAMPLE_MESSAGE),
				 DSP_ECORRUPT);
		text[i] = was;
	}
}

static void
signature_that_is_huge_is_refused(void **state)
{
	size_t size = strlen(SAMPLE_SIGNATURE), more;
	char *text = must_malloc(1 << 20);
	struct signature signature;

	(void)state;
	/* The comment grows until the limit is met. */
	more = SIGNATURE_TEXT_MAX - size;
	memset(text, 'x', 1 << 20);
	memcpy(text, SAMPLE_SIGNATURE, 20);
	memcpy(text + 20 + more, SAMPLE_SIGNATURE + 20, size - 20);
	assert_int_equal(check(text, size + more, SAMPLE_MESSAGE), 0);
	memmove(text + 21 + more, text + 20 + more, size - 20);
	text[20 + more] = 'x';
	assert_int_equal(check(text, size + more + 1, SAMPLE_MESSAGE),
			 DSP_ECORRUPT);
	assert_int_equal(parse_signature(text, 1 << 20, &signature),
			 DSP_ECORRUPT);
	memset(text, '\n', 1 << 20);
	assert_int_equal(parse_signature(text, 4, &signature), DSP_ECORRUPT);
	free(text);
}

static void
signature_is_the_same_bytes_on_every_target(void **state)
{
	struct secret_key key = sample_key();
	struct public_key public;
	struct buffer text = { 0 }, again = { 0 };
	struct signature signature;
	struct digest digest;

	(void)state;
	secret_key_public(&key, &public);
	assert_int_equal(buffer_add(&text, "before", 6), 0);
	assert_int_equal(signature_make(&key, SAMPLE_MESSAGE,
					strlen(SAMPLE_MESSAGE), "a comment",
					&text),
			 0);
	assert_int_equal(signature_make(&key, SAMPLE_MESSAGE,
					strlen(SAMPLE_MESSAGE), "a comment",
					&again),
			 0);
	assert_int_equal(text.size, again.size + 6);
	assert_memory_equal(text.data + 6, again.data, again.size);
	assert_int_equal(signature_parse(again.data, again.size, &signature),
			 0);
	assert_true(signature.key_id == SAMPLE_ID && signature.is_prehashed);
	assert_int_equal(signature_check(&signature, &public, SAMPLE_MESSAGE,
					 strlen(SAMPLE_MESSAGE)),
			 0);
	digest_of(again.data, again.size, &digest);
	assert_golden("signature", &digest);
	buffer_release(&text);
	buffer_release(&again);
}

/* Lists of trusted keys. */

static int
parse_trust(const char *text, struct trust **ret_trust)
{
	reports_clear();
	return trust_parse(text, strlen(text), "list", ret_trust);
}

static void
trust_list_holds_several_keys(void **state)
{
	static const struct {
		const char *text;
		size_t count;
	} good[] = {
		{ SAMPLE_PUBLIC, 1 },
		{ SAMPLE_PUBLIC SAMPLE_PUBLIC, 2 },
		{ SAMPLE_PUBLIC "\n\n" SAMPLE_PUBLIC SAMPLE_PUBLIC_LINE, 3 },
		{ SAMPLE_PUBLIC_LINE "\r\n" SAMPLE_PUBLIC_LINE " \n", 2 },
		{ "untrusted comment:\n" SAMPLE_PUBLIC, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct public_key key = minisign_key();
		struct trust *trust;

		assert_int_equal(parse_trust(good[i].text, &trust), 0);
		assert_int_equal(trust_key_count(trust), good[i].count);
		for (size_t k = 0; k < good[i].count; k++)
			assert_memory_equal(trust_key(trust, k), &key,
					    sizeof key);
		trust_free(trust);
	}
	trust_free(NULL);
}

static void
trust_list_with_anything_else_is_refused_with_words(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "", "no public key" },
		{ "\n\n", "no public key" },
		{ SAMPLE_PUBLIC_COMMENT "\n", "no public key" },
		{ SAMPLE_PUBLIC "x\n", "line 3" },
		{ "trusted keys\n" SAMPLE_PUBLIC, "line 1" },
		{ SAMPLE_PUBLIC " " SAMPLE_PUBLIC_LINE "\n", "line 3" },
		{ SAMPLE_PUBLIC "A" SAMPLE_PUBLIC_LINE "\n", "line 3" },
		{ SAMPLE_SECRET, "secret key" },
		{ SAMPLE_ENCRYPTED, "secret key" },
		{ SAMPLE_SIGNATURE, "line 2" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct trust *trust = NULL;

		assert_int_equal(parse_trust(bad[i].text, &trust), DSP_EINVAL);
		assert_int_equal(reports_errors(), 1);
		if (!reports_has(bad[i].says))
			fail_msg("%zu does not say %s", i, bad[i].says);
		reports_clear();
		assert_int_equal(trust_parse(bad[i].text, strlen(bad[i].text),
					     NULL, &trust),
				 DSP_EINVAL);
		assert_int_equal(reports_errors(), 0);
	}
}

static void
trust_list_has_a_limit(void **state)
{
	size_t line = strlen(SAMPLE_PUBLIC_LINE "\n");
	char *text = must_malloc((TRUST_KEYS_MAX + 1) * line);
	struct trust *trust;

	(void)state;
	for (size_t i = 0; i <= TRUST_KEYS_MAX; i++)
		memcpy(text + i * line, SAMPLE_PUBLIC_LINE "\n", line);
	assert_int_equal(
		trust_parse(text, TRUST_KEYS_MAX * line, "list", &trust), 0);
	assert_int_equal(trust_key_count(trust), TRUST_KEYS_MAX);
	trust_free(trust);
	assert_int_equal(trust_parse(text, (TRUST_KEYS_MAX + 1) * line, "list",
				     &trust),
			 DSP_ELIMIT);
	free(text);
}

static struct buffer
bytes_of(const char *text)
{
	struct buffer bytes = { 0 };

	assert_int_equal(buffer_add(&bytes, text, strlen(text)), 0);
	return bytes;
}

/* What trust in these keys says of the message with this signature. */
static int
judge(const char *keys, const char *message, const char *signature)
{
	struct buffer root = bytes_of(message), text = bytes_of(signature);
	struct trust *trust;
	uint64_t id = 0;
	int err;

	assert_int_equal(parse_trust(keys, &trust), 0);
	err = trust_check(trust, "image", &root, &text, &id);
	assert_int_equal(reports_errors(), err < 0);
	assert_int_equal(id != 0, err == 0);
	trust_free(trust);
	buffer_release(&root);
	buffer_release(&text);
	return err;
}

/* The public line of a key with the ID of minisign's, and another key. */
static const char *
impostor(void)
{
	static char line[KEY_TEXT_SIZE + 1];
	struct secret_key secret = sample_key();
	struct public_key public;

	secret.id = minisign_key().id;
	secret_key_public(&secret, &public);
	public_key_to_text(&public, line);
	line[KEY_TEXT_SIZE - 1] = '\n';
	return line;
}

static void
trust_is_in_the_keys_of_the_list_and_no_others(void **state)
{
	struct secret_key secret = sample_key();
	struct public_key public;
	char other[KEY_TEXT_SIZE], keys[512];

	(void)state;
	secret_key_public(&secret, &public);
	public_key_to_text(&public, other);
	snprintf(keys, sizeof keys, "%s\n%s\n", other, SAMPLE_PUBLIC);
	assert_int_equal(judge(SAMPLE_PUBLIC, SAMPLE_MESSAGE, SAMPLE_SIGNATURE),
			 0);
	assert_int_equal(judge(keys, SAMPLE_MESSAGE, SAMPLE_SIGNATURE), 0);
	assert_int_equal(judge(keys, SAMPLE_MESSAGE, SAMPLE_SIGNATURE_LEGACY),
			 0);
	assert_int_equal(judge(other, SAMPLE_MESSAGE, SAMPLE_SIGNATURE),
			 DSP_EUNTRUSTED);
	assert_true(reports_has("26B1C3F84B3BBD9A"));
	assert_int_equal(judge(other, "another", SAMPLE_SIGNATURE),
			 DSP_EUNTRUSTED);
	assert_int_equal(judge(keys, SAMPLE_MESSAGE, ""), DSP_EUNTRUSTED);
	assert_true(reports_has("no signature"));
	assert_int_equal(judge(keys, "another", SAMPLE_SIGNATURE),
			 DSP_ECORRUPT);
	assert_true(reports_has("26B1C3F84B3BBD9A"));
	assert_int_equal(judge(keys, SAMPLE_MESSAGE, "signed\n"), DSP_ECORRUPT);
}

/* An ID is no proof: anybody may make a key with it. */
static void
trust_tries_all_keys_with_the_id(void **state)
{
	char keys[512];

	(void)state;
	assert_int_equal(judge(impostor(), SAMPLE_MESSAGE, SAMPLE_SIGNATURE),
			 DSP_ECORRUPT);
	snprintf(keys, sizeof keys, "%s%s", impostor(), SAMPLE_PUBLIC);
	assert_int_equal(judge(keys, SAMPLE_MESSAGE, SAMPLE_SIGNATURE), 0);
	snprintf(keys, sizeof keys, "%s%s", SAMPLE_PUBLIC, impostor());
	assert_int_equal(judge(keys, SAMPLE_MESSAGE, SAMPLE_SIGNATURE), 0);
	assert_int_equal(judge(keys, "another", SAMPLE_SIGNATURE),
			 DSP_ECORRUPT);
}

/* Points of small order would verify anything. */
static void
trust_in_a_key_of_small_order_verifies_nothing(void **state)
{
	struct public_key key = { .id = minisign_key().id };
	char keys[KEY_TEXT_SIZE];

	(void)state;
	for (uint8_t first = 0; first < 2; first++) {
		key.bytes[0] = first;
		public_key_to_text(&key, keys);
		assert_int_equal(judge(keys, SAMPLE_MESSAGE, SAMPLE_SIGNATURE),
				 DSP_ECORRUPT);
	}
}

static void
trust_reads_files_or_says_why_not(void **state)
{
	unsigned fds = open_fd_count();
	bool fired = true;
	bool is_secret;

	(void)state;
	file_write("pub", SAMPLE_PUBLIC, strlen(SAMPLE_PUBLIC));
	file_write("key", SAMPLE_SECRET, strlen(SAMPLE_SECRET));
	for (unsigned call = 1; fired; call++) {
		struct trust *trust = NULL;
		int err;

		reports_clear();
		pf_fault_set(call, DSP_EIO);
		err = trust_read("pub", &trust);
		fired = pf_fault_clear();
		assert_int_equal(err, fired ? DSP_EIO : 0);
		assert_int_equal(reports_errors(), fired);
		trust_free(trust);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct public_key key = minisign_key();
		struct trust *trust;

		assert_int_equal(trust_read_any(i == 0 ? "pub" : "key", &trust,
						&is_secret),
				 0);
		assert_int_equal(is_secret, i == 1);
		assert_int_equal(trust_key_count(trust), 1);
		assert_memory_equal(trust_key(trust, 0), &key, sizeof key);
		trust_free(trust);
	}
	assert_int_equal(open_fd_count(), fds);
}

/* Images. */

static struct image *
open_image(const char *path)
{
	struct image *image;

	assert_int_equal(image_open(path, &image), 0);
	return image;
}

static void
trust_in_a_signed_image_is_trust_in_its_manifest(void **state)
{
	struct secret_key secret = sample_key();
	struct public_key public;
	struct trust *trust;
	struct image *image, *manifest;
	struct signature signature;
	char keys[KEY_TEXT_SIZE];
	uint64_t id = 0;
	int fd = open("signed", O_RDWR | O_CREAT, 0644);

	(void)state;
	sample_write_signed(fd);
	close(fd);
	secret_key_public(&secret, &public);
	public_key_to_text(&public, keys);
	assert_int_equal(parse_trust(keys, &trust), 0);
	image = open_image("signed");
	assert_int_equal(trust_check_image(trust, image, &id), 0);
	assert_true(id == SAMPLE_ID);
	assert_int_equal(signature_parse(image_signature(image)->data,
					 image_signature(image)->size,
					 &signature),
			 0);
	assert_int_equal(signature.comment_size,
			 strlen("package LOC00000 version 1"));
	assert_memory_equal(signature.comment, "package LOC00000 version 1",
			    signature.comment_size);
	fd = open("manifest", O_RDWR | O_CREAT, 0644);
	assert_int_equal(image_write_manifest(image, fd), 0);
	close(fd);
	manifest = open_image("manifest");
	assert_int_equal(trust_check_image(trust, manifest, NULL), 0);
	image_close(manifest);
	image_close(image);

	fd = open("plain", O_RDWR | O_CREAT, 0644);
	sample_write_small(fd);
	close(fd);
	image = open_image("plain");
	assert_int_equal(trust_check_image(trust, image, NULL), DSP_EUNTRUSTED);
	image_close(image);
	trust_free(trust);
}

static void
trust_signs_roots_only(void **state)
{
	struct secret_key key = sample_key();
	struct buffer root = bytes_of("no root"), signature = { 0 };

	(void)state;
	assert_true(trust_sign_root(&key, &root, &signature) < 0);
	assert_int_equal(signature.size, 0);
	buffer_release(&root);
	buffer_release(&signature);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(key_of_a_seed_is_that_of_rfc_8032),
		scratch_test(key_of_minisign_is_read_and_written_alike),
		scratch_test(key_that_is_new_is_another_each_time),
		scratch_test(key_file_may_be_laid_out_otherwise),
		scratch_test(
			key_with_any_bit_flipped_is_refused_or_has_the_same_halves),
		scratch_test(key_checksum_must_be_right_when_there_is_one),
		scratch_test(key_that_cannot_be_used_is_refused_with_words),
		scratch_test(key_that_others_may_read_is_warned_of),
		scratch_test(key_file_that_is_too_large_is_refused),
		scratch_test(key_files_are_made_for_their_owner),
		scratch_test(key_files_never_replace_anything),
		scratch_test(key_files_are_both_whole_or_absent),
		scratch_test(signature_of_minisign_is_right_in_both_algorithms),
		scratch_test(signature_of_another_message_or_key_is_refused),
		scratch_test(
			signature_with_any_bit_flipped_is_refused_but_in_a_free_comment),
		scratch_test(
			signature_cut_off_or_with_something_behind_it_is_refused),
		scratch_test(signature_that_is_huge_is_refused),
		scratch_test(signature_is_the_same_bytes_on_every_target),
		scratch_test(trust_list_holds_several_keys),
		scratch_test(
			trust_list_with_anything_else_is_refused_with_words),
		scratch_test(trust_list_has_a_limit),
		scratch_test(trust_is_in_the_keys_of_the_list_and_no_others),
		scratch_test(trust_tries_all_keys_with_the_id),
		scratch_test(trust_in_a_key_of_small_order_verifies_nothing),
		scratch_test(trust_reads_files_or_says_why_not),
		scratch_test(trust_in_a_signed_image_is_trust_in_its_manifest),
		scratch_test(trust_signs_roots_only),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
