/* SPDX-License-Identifier: Apache-2.0 */

/*
 * unpack --replace where two names cannot be exchanged in one step: this
 * file's pf_exchange takes the place of the library's, as platform/none does
 * on such targets.  For a moment there is nothing; never is the old tree lost
 * before the new one stands in its place.
 */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/tree/unpack.h"
#include "platform/pf_exchange.h"
#include "platform/pf_fault.h"
#include "tests/unit/sample_image.h"
#include "tests/unit/support.h"

int
pf_exchange_at(int dir_a, const char *a, int dir_b, const char *b)
{
	(void)dir_a;
	(void)a;
	(void)dir_b;
	(void)b;
	return DSP_EUNSUPPORTED;
}

static int
unpack_over(int image_fd)
{
	struct image *image;
	struct unpack_params params = { .path = "out",
					.replace = true,
					.worker_count = 1 };
	struct unpack_result result;
	int err = image_open_fd(dup(image_fd), "image", &image);

	if (err < 0)
		return err;
	params.image = image;
	err = unpack(&params, &result);
	image_close(image);
	return err;
}

static void
unpack_without_exchange_keeps_the_old_tree_until_the_new_one_is_there(
	void **state)
{
	int fd = temp_fd();
	bool fired = true;

	(void)state;
	sample_write_small(fd);
	for (unsigned call = 1; fired; call++) {
		int err;

		assert_int_equal(mkdir("out", 0755), 0);
		file_write("out/old", "x", 1);
		reports_clear();
		pf_fault_set(call, DSP_EIO);
		err = unpack_over(fd);
		fired = pf_fault_clear();
		assert_true(err == 0 || fired);
		if (!path_exists("out/a")) {
			assert_true(err < 0);
			/* In its place, or set aside where a person finds it. */
			assert_true(path_exists("out/old") ||
				    path_exists(".out.despool/old/old"));
		}
		assert_int_equal(unpack_over(fd), 0);
		assert_true(path_exists("out/a"));
		assert_false(path_exists("out/old"));
		assert_int_equal(dir_count("."), 1);
		scratch_clear();
	}
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(
			unpack_without_exchange_keeps_the_old_tree_until_the_new_one_is_there),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
