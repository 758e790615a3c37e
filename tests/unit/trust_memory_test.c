/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Out of memory while keys are made and read, and images signed and checked:
 * allocation 1 fails, then 2 ... until none does.  Nothing is half done, left
 * open or leaked, and nobody is trusted.
 */
#include <assert.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/support.h"
#include "tests/unit/failing_memory.h"
/* Here, so that their allocations can fail. */
#include "core/base/buffer.c"
#include "core/trust/key_file.c"
#include "core/trust/signature.c"
#include "core/trust/trust.c"

#include "core/base/err.h"
#include "tests/unit/sample_key.h"

/* What is to be done again and again; 0, or what went wrong. */
static void
run_until_none_fails(int (*run)(void), unsigned files)
{
	unsigned fds = open_fd_count();
	bool fired = true;
	unsigned count = 0;

	for (unsigned call = 1; fired; call++) {
		int err;

		scratch_clear();
		file_write("pub", SAMPLE_PUBLIC, strlen(SAMPLE_PUBLIC));
		file_write("key", SAMPLE_SECRET, strlen(SAMPLE_SECRET));
		assert_int_equal(chmod("key", 0600), 0);
		reports_clear();
		memory_fault_set(call);
		err = run();
		fired = memory_fault_clear();
		assert_int_equal(err, fired ? DSP_ENOMEM : 0);
		assert_int_equal(reports_errors(), fired);
		assert_int_equal(dir_count("."), 2 + (fired ? 0 : files));
		assert_int_equal(open_fd_count(), fds);
		count += fired;
	}
	assert_true(count > 0);
}

static int
make_keys(void)
{
	struct public_key public;

	return key_make_files("new", &public);
}

static void
key_out_of_memory_leaves_no_file(void **state)
{
	(void)state;
	run_until_none_fails(make_keys, 2);
}

static int
read_keys(void)
{
	struct secret_key secret;
	struct trust *trust = NULL;
	bool is_secret;
	int err = secret_key_read("key", &secret);

	if (err == 0)
		err = trust_read_any("key", &trust, &is_secret);
	if (err == 0) {
		trust_free(trust);
		trust = NULL;
		err = trust_read("pub", &trust);
	}
	trust_free(trust);
	return err;
}

static void
key_out_of_memory_is_not_read(void **state)
{
	(void)state;
	run_until_none_fails(read_keys, 0);
}

static int
check_signature(void)
{
	static char message[] = SAMPLE_MESSAGE, text[] = SAMPLE_SIGNATURE;
	const struct buffer root = { (uint8_t *)message, strlen(message), 0 };
	const struct buffer signature = { (uint8_t *)text, strlen(text), 0 };
	struct trust *trust = NULL;
	int err = trust_read("pub", &trust);

	if (err == 0)
		err = trust_check(trust, "image", &root, &signature, NULL);
	trust_free(trust);
	return err;
}

static void
trust_out_of_memory_is_no_trust(void **state)
{
	(void)state;
	run_until_none_fails(check_signature, 0);
}

/* It does not report itself: see image_writer.h. */
static int
sign(void)
{
	struct secret_key key = sample_key();
	struct buffer text = { 0 };
	int err = signature_make(&key, SAMPLE_MESSAGE, strlen(SAMPLE_MESSAGE),
				 "a comment", &text);

	buffer_release(&text);
	return err < 0 ? report_error(err, NULL, "signing") : 0;
}

static void
signature_out_of_memory_is_none(void **state)
{
	(void)state;
	run_until_none_fails(sign, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(key_out_of_memory_leaves_no_file),
		scratch_test(key_out_of_memory_is_not_read),
		scratch_test(trust_out_of_memory_is_no_trust),
		scratch_test(signature_out_of_memory_is_none),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
