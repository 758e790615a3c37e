/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMORY_RUNS_H
#define MEMORY_RUNS_H

/*
 * memory_runs - pack, verify, unpack and check under every single failure to
 * get memory: allocation 1 fails, then 2 ... until none does.
 *
 * The command fails, with ENOMEM; nothing is half-written, left open or leaked
 * (the run with AddressSanitizer tells), and nothing crashes.  Which source
 * files' allocations fail is for whoever includes this: behind
 * failing_memory.h and those files.
 */

#include "core/tree/check.h"
#include "core/tree/output.h"
#include "core/tree/pack.h"
#include "core/tree/remove.h"
#include "core/tree/unpack.h"
#include "core/tree/verify.h"
#include "platform/pf_file.h"
#include "tests/unit/sample_tree.h"
#include "tests/unit/support.h"

static int
run_pack(void)
{
	struct pack_params params = { .source = "tree",
				      .package_id = "LOC00000",
				      .version = 1,
				      .level = 1,
				      .worker_count = 2,
				      .seen_fd = -1 };
	struct pack_result result;
	struct output *output = NULL;
	int err = output_open("image", true, NULL, &output);

	if (err == 0)
		err = pack(&params, output_fd(output), &result);
	if (err == 0)
		err = output_commit(output);
	output_close(output);
	return err;
}

static int
run_verify(void)
{
	struct verify_params params = { .worker_count = 2 };
	struct image *image;
	int err = image_open("image", &image);

	if (err < 0)
		return err;
	params.image = image;
	err = verify_image(&params);
	image_close(image);
	return err;
}

static int
run_unpack(void)
{
	struct unpack_params params = { .path = "out",
					.replace = true,
					.worker_count = 2 };
	struct unpack_result result;
	struct image *image;
	int err = image_open("image", &image);

	if (err < 0)
		return err;
	params.image = image;
	err = unpack(&params, &result);
	image_close(image);
	return err;
}

static void
no_difference(void *context, const char *path, size_t path_size, unsigned what)
{
	(void)context;
	fail_msg("%.*s differs: %x", (int)path_size, path, what);
}

static int
run_check(void)
{
	struct check_params params = { .path = "tree",
				       .worker_count = 2,
				       .differs = no_difference };
	struct check_result result;
	struct image *image;
	int err = image_open("image", &image);

	if (err < 0)
		return err;
	params.image = image;
	err = check_tree(&params, &result);
	image_close(image);
	return err;
}

/* entries: what stands in the scratch directory, run or failed. */
static void
run_until_none_fails(int (*run)(void), unsigned entries_failed,
		     unsigned entries_run)
{
	int64_t start = now_ms();
	unsigned fds = open_fd_count();
	bool fired = true;

	assert_int_equal(run(), 0);
	for (unsigned call = 1; fired; call = fault_next(call, start)) {
		int err;

		assert_int_equal(remove_tree(PF_CWD, "out", "out"), 0);
		if (run == run_pack)
			assert_int_equal(remove_tree(PF_CWD, "image", "image"),
					 0);
		reports_clear();
		memory_fault_set(call);
		err = run();
		fired = memory_fault_clear();
		assert_int_equal(reports_errors() > 0, fired);

		/* Done, but staging could not be removed: the next run will. */
		if (err == 0 && fired && reports_has("removing"))
			continue;
		assert_int_equal(err, fired ? DSP_ENOMEM : 0);
		assert_int_equal(dir_count("."),
				 err < 0 ? entries_failed : entries_run);
		assert_int_equal(open_fd_count(), fds);
	}
	assert_int_equal(run(), 0);
}

static void
pack_out_of_memory_leaves_nothing(void **state)
{
	(void)state;
	sample_tree_small("tree");
	run_until_none_fails(run_pack, 1, 2);
}

static void
verify_out_of_memory_is_no_verdict(void **state)
{
	(void)state;
	sample_tree_small("tree");
	assert_int_equal(run_pack(), 0);
	run_until_none_fails(run_verify, 2, 2);
}

static void
unpack_out_of_memory_leaves_nothing(void **state)
{
	(void)state;
	sample_tree_small("tree");
	assert_int_equal(run_pack(), 0);
	run_until_none_fails(run_unpack, 2, 3);
	assert_same_trees("tree", "out");
}

static void
check_out_of_memory_is_no_verdict(void **state)
{
	(void)state;
	sample_tree_small("tree");
	assert_int_equal(run_pack(), 0);
	run_until_none_fails(run_check, 2, 2);
}

static int
run_memory_tests(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(pack_out_of_memory_leaves_nothing),
		scratch_test(verify_out_of_memory_is_no_verdict),
		scratch_test(unpack_out_of_memory_leaves_nothing),
		scratch_test(check_out_of_memory_is_no_verdict),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}

#endif
