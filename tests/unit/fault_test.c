/* SPDX-License-Identifier: Apache-2.0 */

/*
 * pack, unpack and check under every single I/O failure: fail pf_ call 1, 2,
 * 3 ... until none fires.  Threads make the order of calls vary a little; the
 * loop still ends only when all went well.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/image/image.h"
#include "core/tree/check.h"
#include "core/tree/output.h"
#include "core/tree/pack.h"
#include "core/tree/remove.h"
#include "core/tree/unpack.h"
#include "core/tree/verify.h"
#include "platform/pf_fault.h"
#include "platform/pf_file.h"
#include "tests/unit/sample_tree.h"
#include "tests/unit/support.h"

/* `despool pack tree -o image` in short. */
static int
pack_to_output(bool replace)
{
	struct pack_params params = { .source = "tree",
				      .package_id = "LOC00000",
				      .version = 1,
				      .level = 1,
				      .worker_count = 2,
				      .seen_fd = -1 };
	struct pack_result result;
	struct output *output = NULL;
	int err = output_open("image", replace, NULL, &output);

	if (err == 0)
		err = pack(&params, output_fd(output), &result);
	if (err == 0)
		err = output_commit(output);
	output_close(output);
	return err;
}

static int
unpack_image(bool replace)
{
	struct image *image;
	struct unpack_params params = { .path = "out",
					.replace = replace,
					.worker_count = 2 };
	struct unpack_result result;
	int err = image_open("image", &image);

	if (err < 0)
		return err;
	params.image = image;
	err = unpack(&params, &result);
	image_close(image);
	return err;
}

static int
verify(void)
{
	struct image *image;
	int err = image_open("image", &image);

	if (err < 0)
		return err;
	err = verify_image(
		&(struct verify_params){ .image = image, .worker_count = 2 });
	image_close(image);
	return err;
}

static void
count_difference(void *context, const char *path, size_t path_size,
		 unsigned what)
{
	(void)path;
	(void)path_size;
	(void)what;
	++*(unsigned *)context;
}

static int
check(const char *tree, unsigned *ret_count)
{
	struct image *image;
	struct check_params params = { .path = tree,
				       .worker_count = 2,
				       .differs = count_difference,
				       .context = ret_count };
	struct check_result result;
	int err = image_open("image", &image);

	*ret_count = 0;
	if (err < 0)
		return err;
	params.image = image;
	err = check_tree(&params, &result);
	image_close(image);
	return err;
}

static void
pack_is_whole_or_absent(void **state)
{
	unsigned fds = open_fd_count();
	bool fired = true;
	int64_t start = now_ms();

	(void)state;
	sample_tree_small("tree");
	for (unsigned call = 1; fired; call = fault_next(call, start)) {
		int err;

		reports_clear();
		pf_fault_set(call, DSP_EIO);
		err = pack_to_output(false);
		fired = pf_fault_clear();
		assert_true(err == 0 || fired);
		assert_int_equal(reports_errors() > 0, err < 0);
		assert_int_equal(path_exists("image"), err == 0);
		assert_int_equal(dir_count("."), err == 0 ? 2 : 1);
		assert_int_equal(open_fd_count(), fds);
		if (err == 0)
			assert_int_equal(verify(), 0);

		/* And whatever happened, the next attempt repairs it. */
		assert_int_equal(pack_to_output(true), 0);
		assert_int_equal(dir_count("."), 2);
		assert_int_equal(verify(), 0);
		assert_int_equal(unlink("image"), 0);
	}
}

/* A full disk is told as what it is. */
static void
pack_of_a_full_disk_is_enospc(void **state)
{
	struct pack_params params = { .source = "tree",
				      .package_id = "LOC00000",
				      .version = 1,
				      .level = 1,
				      .worker_count = 2,
				      .seen_fd = -1 };
	struct pack_result result;
	int fd = open("/dev/full", O_WRONLY);

	(void)state;
	sample_tree_small("tree");
	assert_true(fd >= 0);
	assert_int_equal(pack(&params, fd, &result), DSP_ENOSPC);
	close(fd);
}

static void
verify_under_any_failing_call_is_an_error(void **state)
{
	unsigned fds = open_fd_count();
	bool fired = true;

	(void)state;
	sample_tree_small("tree");
	assert_int_equal(pack_to_output(false), 0);
	for (unsigned call = 1; fired; call++) {
		int err;

		pf_fault_set(call, DSP_EIO);
		err = verify();
		fired = pf_fault_clear();
		assert_int_equal(err, fired ? DSP_EIO : 0);
		assert_int_equal(open_fd_count(), fds);
	}
}

/*
 * What may be left behind when the failing call is one that cleans up: a
 * person is told, and the next run removes it.
 */
static bool
cleaning_failed(void)
{
	return reports_has("removing");
}

static void
check_leftovers(bool has_tree)
{
	if (!cleaning_failed())
		assert_int_equal(dir_count("."), 2 + has_tree);
}

static void
unpack_is_whole_or_absent(void **state)
{
	unsigned fds = open_fd_count();
	bool fired = true;
	int64_t start = now_ms();

	(void)state;
	sample_tree_small("tree");
	assert_int_equal(pack_to_output(false), 0);
	for (unsigned call = 1; fired; call = fault_next(call, start)) {
		int err;

		assert_int_equal(remove_tree(PF_CWD, "out", "out"), 0);
		reports_clear();
		pf_fault_set(call, DSP_EIO);
		err = unpack_image(false);
		fired = pf_fault_clear();
		assert_true(err == 0 || fired);
		assert_true(err == 0 || reports_errors() > 0);
		assert_int_equal(path_exists("out"), err == 0);
		check_leftovers(err == 0);
		assert_int_equal(open_fd_count(), fds);
		if (err == 0)
			assert_same_trees("tree", "out");

		/* And whatever happened, the next attempt repairs it. */
		assert_int_equal(unpack_image(err == 0), 0);
		assert_same_trees("tree", "out");
		assert_int_equal(dir_count("."), 3);
	}
}

/* The file that tells an old tree from the new one. */
static void
make_old(void)
{
	assert_int_equal(mkdir("out", 0755), 0);
	file_write("out/old", "x", 1);
}

static void
unpack_that_replaces_is_the_old_or_the_new(void **state)
{
	unsigned fds = open_fd_count();
	bool fired = true;
	int64_t start = now_ms();

	(void)state;
	sample_tree_small("tree");
	assert_int_equal(pack_to_output(false), 0);
	for (unsigned call = 1; fired; call = fault_next(call, start)) {
		int err;

		assert_int_equal(remove_tree(PF_CWD, "out", "out"), 0);
		make_old();
		reports_clear();
		pf_fault_set(call, DSP_EIO);
		err = unpack_image(true);
		fired = pf_fault_clear();
		assert_true(err == 0 || fired);
		if (path_exists("out/old")) {
			assert_true(err < 0);
			assert_int_equal(dir_count("out"), 1);
		} else {
			assert_same_trees("tree", "out");
		}
		check_leftovers(true);
		assert_int_equal(open_fd_count(), fds);
		assert_int_equal(unpack_image(true), 0);
		assert_same_trees("tree", "out");
		assert_int_equal(dir_count("."), 3);
	}
}

static void
check_under_any_failing_call_does_not_pass_a_tree_unread(void **state)
{
	unsigned fds = open_fd_count();
	bool fired = true;

	(void)state;
	sample_tree_small("tree");
	assert_int_equal(pack_to_output(false), 0);
	for (unsigned call = 1; fired; call++) {
		unsigned differences;
		int err;

		pf_fault_set(call, DSP_EIO);
		err = check("tree", &differences);
		fired = pf_fault_clear();
		assert_int_equal(err, fired ? DSP_EIO : 0);
		assert_true(err < 0 || differences == 0);
		assert_int_equal(open_fd_count(), fds);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(pack_is_whole_or_absent),
		scratch_test(pack_of_a_full_disk_is_enospc),
		scratch_test(verify_under_any_failing_call_is_an_error),
		scratch_test(unpack_is_whole_or_absent),
		scratch_test(unpack_that_replaces_is_the_old_or_the_new),
		scratch_test(
			check_under_any_failing_call_does_not_pass_a_tree_unread),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
