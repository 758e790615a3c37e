/* SPDX-License-Identifier: Apache-2.0 */

/*
 * fanout: a tree that is published again and again, recycled from older
 * versions, is the source each time; under any single failure readers see one
 * complete version (S2), and the next run repairs.
 */
#include "core/fanout/fanout.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/tree/remove.h"
#include "platform/pf_fault.h"
#include "platform/pf_file.h"
#include "tests/unit/golden_tree.h"
#include "tests/unit/sample_tree.h"
#include "tests/unit/support.h"

#define CURRENT "/LOC00000/current/."

static struct fanout_dest dests[3];

static int
publish(size_t dest_count, bool refresh)
{
	struct fanout_params params = { .source = "tree",
					.package_id = "LOC00000",
					.dests = dests,
					.dest_count = dest_count,
					.keep = 2,
					.worker_count = 2,
					.stall_timeout_s = 60,
					.refresh = refresh };
	struct fanout_result result;

	for (size_t i = 0; i < 3; i++)
		dests[i] = (struct fanout_dest){
			.path = (const char *[]){ "dp0", "dp1", "dp2" }[i]
		};
	return fanout(&params, &result);
}

static void
change_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0644);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, text, strlen(text), 3), strlen(text));
	close(fd);
}

/* Without hard links: a tree that has any is never recycled. */
static void
make_source(bool has_links)
{
	golden_tree_make("tree", 1);
	for (unsigned i = 183; !has_links && i < 190; i += 2) {
		char path[64];

		snprintf(path, sizeof path, "tree/link%u", i);
		assert_int_equal(unlink(path), 0);
	}
}

/* Something else each time: what stays, what goes, what changes its kind. */
static void
change_tree(unsigned round)
{
	char path[64], other[80];

	snprintf(path, sizeof path, "tree/bin/new%u", round);
	change_file(path, path);
	snprintf(path, sizeof path, "tree/bin/file%u", 12 * round);
	snprintf(other, sizeof other, "tree/lib/moved%u", round);
	assert_int_equal(rename(path, other), 0);
	snprintf(path, sizeof path, "tree/doc/file%u", 12 * round + 1);
	assert_int_equal(unlink(path), 0);
	switch (round % 6) {
	case 0: /* in the middle of a large file */
		change_file("tree/large181", path);
		break;
	case 1:
		assert_int_equal(mkdir(path, 0750), 0);
		snprintf(other, sizeof other, "%s/inside", path);
		change_file(other, "x");
		break;
	case 2:
		assert_int_equal(symlink("elsewhere", path), 0);
		break;
	case 3: /* a directory becomes a file */
		assert_int_equal(rename("tree/empty", path), 0);
		change_file("tree/empty", "not any more");
		break;
	case 4: /* metadata only */
		assert_int_equal(chmod("tree/large182", 0600), 0);
		assert_int_equal(chmod("tree/lib/a", 0711), 0);
		break;
	case 5:
		assert_int_equal(rename("tree/lib/a/b", "tree/lib/z"), 0);
		assert_int_equal(truncate("tree/large180", 10), 0);
		break;
	}
}

static void
publish_many(bool has_links, unsigned rounds)
{
	make_source(has_links);
	for (unsigned round = 0; round < rounds; round++) {
		/* The third one is new each time: nothing to recycle. */
		assert_int_equal(remove_tree(PF_CWD, "dp2", "dp2"), 0);
		assert_int_equal(publish(3, false), 0);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(dests[i].state, FANOUT_PUBLISHED);
		assert_same_trees("tree", round % 2 == 0 ? "dp0" CURRENT
							 : "dp1" CURRENT);
		assert_same_trees("tree", "dp2" CURRENT);
		change_tree(round);
	}
}

static void
fanout_over_older_versions_gives_the_tree_of_the_source(void **state)
{
	(void)state;
	publish_many(false, 7);
	/* The last round had an older version to take from. */
	assert_true(dests[0].files_kept > 50);
	assert_true(dests[0].bytes_written < dests[2].bytes_written);
}

static void
fanout_of_hard_links_gives_the_tree_of_the_source(void **state)
{
	(void)state;
	publish_many(true, 3);
}

/* Of the top, of a directory, of a file: set, changed, taken away. */
static void
fanout_of_changed_attributes_gives_the_tree_of_the_source(void **state)
{
	static const char *const paths[] = { "tree", "tree/lib", "tree/lib/a",
					     "tree/bin/file84",
					     "tree/large181" };

	(void)state;
	make_source(false);
	for (unsigned round = 0; round < 5; round++) {
		for (size_t i = 0; i < 5; i++) {
			const char *value = round % 2 == 0 ? "one" : "two";

			/* A file system without has nothing to lose. */
			if ((round + i) % 3 != 0)
				(void)setxattr(paths[i], "user.v", value, 3, 0);
			else
				(void)removexattr(paths[i], "user.v");
		}
		change_file("tree/bin/file24", round % 2 == 0 ? "x" : "y");
		assert_int_equal(publish(1, false), 0);
		assert_int_equal(dests[0].state, FANOUT_PUBLISHED);
		assert_same_trees("tree", "dp0" CURRENT);
	}
}

static void
fanout_of_what_is_published_changes_nothing(void **state)
{
	(void)state;
	golden_tree_make("tree", 1);
	usleep(40000); /* what is as new as the scan is read again */
	assert_int_equal(publish(2, false), 0);
	assert_int_equal(publish(2, false), 0);
	assert_int_equal(dests[0].state, FANOUT_UNCHANGED);
	assert_int_equal(dests[0].files_written, 0);
	assert_int_equal(dests[1].state, FANOUT_UNCHANGED);
	assert_same_trees("tree", "dp0" CURRENT);
}

/* Somebody changed the recycled tree: what is published is still true. */
static void
fanout_over_a_tree_somebody_changed_gives_the_tree_of_the_source(void **state)
{
	(void)state;
	make_source(false);
	for (unsigned round = 0; round < 4; round++) {
		char path[64];

		assert_int_equal(publish(1, false), 0);
		assert_same_trees("tree", "dp0" CURRENT);
		/* In both versions: the one to be recycled next is one. */
		for (unsigned version = 1; version <= round + 1; version++) {
			snprintf(path, sizeof path, "dp0/LOC00000/%u/large181",
				 version);
			if (path_exists(path))
				change_file(path, "spoilt");
			snprintf(path, sizeof path,
				 "dp0/LOC00000/%u/bin/file84", version);
			if (path_exists(path))
				assert_int_equal(unlink(path), 0);
			snprintf(path, sizeof path, "dp0/LOC00000/%u/lib/mine",
				 version);
			if (path_exists("dp0/LOC00000"))
				(void)!symlink("/etc", path);
		}
		change_tree(round);
	}
}

/*
 * Only the bytes of one file in the tree to be recycled were changed, in
 * place: its directory is as it was.
 */
static void
fanout_over_a_file_changed_in_place_gives_the_tree_of_the_source(void **state)
{
	static const char *const changed[] = { "bin/file84", "large181" };

	(void)state;
	make_source(false);
	assert_int_equal(publish(1, false), 0);
	for (unsigned round = 0; round < 5; round++) {
		char path[64];

		change_file("tree/bin/file24", round % 2 == 0 ? "x" : "y");
		assert_int_equal(publish(1, false), 0);
		assert_same_trees("tree", "dp0" CURRENT);

		/* The one before, which the next version will be made of. */
		snprintf(path, sizeof path, "dp0/LOC00000/%u/%s", round + 1,
			 changed[round % 2]);
		change_file(path, "spoilt");
	}
}

/* S6: the tree and its state are on disk before it is shown. */
static void
fanout_syncs_the_file_system_of_each_destination(void **state)
{
	unsigned before;

	(void)state;
	make_source(false);
	before = sync_file_system_count();
	assert_int_equal(publish(2, false), 0);
	assert_true(sync_file_system_count() >= before + 2);
}

/* The version that `current` leads to; "" for none. */
static void
assert_current_is_whole(const char *dp, const char *old, const char *new)
{
	struct buffer found = { 0 }, a = { 0 }, b = { 0 };
	char current[64], top[80];

	snprintf(current, sizeof current, "%s/LOC00000/current", dp);
	if (!path_exists(current))
		return;
	snprintf(top, sizeof top, "%s/.", current);
	tree_list(top, &found);
	tree_list(old, &a);
	tree_list(new, &b);
	if (strcmp((char *)found.data, (char *)a.data) != 0 &&
	    strcmp((char *)found.data, (char *)b.data) != 0)
		fail_msg("%s is neither version:\n%s", current,
			 (char *)found.data);
	buffer_release(&found);
	buffer_release(&a);
	buffer_release(&b);
}

/* Times and all, so that old and new can be compared with what is there. */
static void
copy_small(const char *to)
{
	struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	char path[64];

	sample_tree_small(to);
	snprintf(path, sizeof path, "%s/dir/c", to);
	assert_int_equal(unlink(path), 0); /* a hard link: see above */
	snprintf(path, sizeof path, "%s/dir", to);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* The small tree, one file of which is another one's name and one is new. */
static void
make_second_version(void)
{
	struct timespec times[2] = { { .tv_sec = 9 }, { .tv_sec = 9 } };

	assert_int_equal(unlink("tree/dir/b"), 0);
	change_file("tree/dir/new", "text");
	change_file("tree/e", "M");
	assert_int_equal(utimensat(AT_FDCWD, "tree/e", times, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, "tree/dir/new", times, 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, "tree/dir", times, 0), 0);
}

/* Two destinations, with versions 1, 2 and the next one still to come. */
static void
fanout_under_any_failing_call_leaves_one_complete_version(void **state)
{
	unsigned fds = open_fd_count();
	bool fired = true;
	int64_t start = now_ms();

	(void)state;
	copy_small("tree");
	assert_int_equal(rename("tree", "first"), 0);
	copy_small("tree");
	make_second_version();
	assert_int_equal(rename("tree", "second"), 0);
	assert_int_equal(rename("first", "tree"), 0);
	assert_int_equal(publish(2, false), 0);
	assert_int_equal(rename("tree", "first"), 0);
	for (unsigned call = 1; fired; call = fault_next(call, start)) {
		int err;

		assert_int_equal(rename("second", "tree"), 0);
		reports_clear();
		pf_fault_set(call, DSP_EIO);
		err = publish(2, false);
		fired = pf_fault_clear();
		assert_true(err == 0 || fired);
		assert_int_equal(open_fd_count(), fds);
		assert_current_is_whole("dp0", "first", "tree");
		assert_current_is_whole("dp1", "first", "tree");

		/* And whatever happened, the next run repairs it. */
		assert_int_equal(publish(2, false), 0);
		assert_same_trees("tree", "dp0" CURRENT);
		assert_same_trees("tree", "dp1" CURRENT);

		/* Back to the first version, which is then the third. */
		assert_int_equal(rename("tree", "second"), 0);
		assert_int_equal(rename("first", "tree"), 0);
		assert_int_equal(publish(2, false), 0);
		assert_same_trees("tree", "dp0" CURRENT);
		assert_int_equal(rename("tree", "first"), 0);
	}
}

static void
fanout_refresh_under_any_failing_call_keeps_the_version_whole(void **state)
{
	unsigned fds = open_fd_count();
	bool fired = true;
	int64_t start = now_ms();

	(void)state;
	copy_small("tree");
	assert_int_equal(publish(1, false), 0);
	for (unsigned call = 1; fired; call = fault_next(call, start)) {
		int err;

		pf_fault_set(call, DSP_EIO);
		err = publish(1, true);
		fired = pf_fault_clear();
		assert_true(err == 0 || fired);
		assert_int_equal(open_fd_count(), fds);
		assert_true(path_exists("dp0/LOC00000/current"));
		assert_same_trees("tree", "dp0" CURRENT);
		assert_int_equal(publish(1, true), 0);
		assert_same_trees("tree", "dp0" CURRENT);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(
			fanout_over_older_versions_gives_the_tree_of_the_source),
		scratch_test(fanout_of_hard_links_gives_the_tree_of_the_source),
		scratch_test(
			fanout_of_changed_attributes_gives_the_tree_of_the_source),
		scratch_test(
			fanout_over_a_file_changed_in_place_gives_the_tree_of_the_source),
		scratch_test(fanout_syncs_the_file_system_of_each_destination),
		scratch_test(fanout_of_what_is_published_changes_nothing),
		scratch_test(
			fanout_over_a_tree_somebody_changed_gives_the_tree_of_the_source),
		scratch_test(
			fanout_under_any_failing_call_leaves_one_complete_version),
		scratch_test(
			fanout_refresh_under_any_failing_call_keeps_the_version_whole),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
