/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/remove.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "platform/pf_fault.h"
#include "platform/pf_file.h"
#include "tests/unit/support.h"

/* A tree with links that lead out of it, to "outside". */
static void
make_tree(void)
{
	assert_int_equal(mkdir("outside", 0755), 0);
	file_write("outside/file", "x", 1);
	assert_int_equal(mkdir("outside/dir", 0755), 0);
	file_write("outside/dir/file", "x", 1);
	assert_int_equal(mkdir("tree", 0755), 0);
	assert_int_equal(mkdir("tree/a", 0755), 0);
	assert_int_equal(mkdir("tree/a/b", 0755), 0);
	assert_int_equal(mkdir("tree/a/empty", 0755), 0);
	file_write("tree/a/b/file", "x", 1);
	file_write("tree/a/b/.hidden", "x", 1);
	file_write("tree/\n\xff name", "x", 1);
	assert_int_equal(symlink("../outside", "tree/to dir"), 0);
	assert_int_equal(symlink("../../../outside", "tree/a/b/to dir"), 0);
	assert_int_equal(symlink("../outside/file", "tree/to file"), 0);
	assert_int_equal(symlink(".", "tree/to itself"), 0);
	assert_int_equal(symlink("..", "tree/a/to parent"), 0);
	assert_int_equal(symlink("nowhere", "tree/dangling"), 0);
	assert_int_equal(link("outside/file", "tree/hard"), 0);
	assert_int_equal(mkfifo("tree/fifo", 0644), 0);
}

static void
assert_outside_is_whole(void)
{
	assert_int_equal(dir_count("outside"), 2);
	assert_int_equal(dir_count("outside/dir"), 1);
	assert_true(path_exists("outside/file"));
	assert_true(path_exists("outside/dir/file"));
}

static void
remove_takes_the_tree_and_follows_no_link(void **state)
{
	unsigned fds = open_fd_count();

	(void)state;
	make_tree();
	assert_int_equal(remove_tree(PF_CWD, "tree", "tree"), 0);
	assert_false(path_exists("tree"));
	assert_outside_is_whole();
	assert_int_equal(open_fd_count(), fds);
}

static void
remove_of_a_link_takes_the_link(void **state)
{
	(void)state;
	make_tree();
	assert_int_equal(symlink("tree", "link"), 0);
	assert_int_equal(remove_tree(PF_CWD, "link", "link"), 0);
	assert_false(path_exists("link"));
	assert_int_equal(dir_count("tree"), 8);
}

static void
remove_of_a_file_takes_the_file(void **state)
{
	(void)state;
	file_write("file", "x", 1);
	assert_int_equal(remove_tree(PF_CWD, "file", "file"), 0);
	assert_false(path_exists("file"));
}

static void
remove_of_what_is_absent_is_success(void **state)
{
	(void)state;
	assert_int_equal(remove_tree(PF_CWD, "absent", "absent"), 0);
}

static void
remove_contents_keeps_the_directory(void **state)
{
	int fd;

	(void)state;
	make_tree();
	fd = open("tree", O_RDONLY | O_DIRECTORY);
	assert_int_equal(remove_contents(fd, "tree"), 0);
	close(fd);
	assert_true(path_exists("tree"));
	assert_int_equal(dir_count("tree"), 0);
	assert_outside_is_whole();
}

/* Deeper than any path that the system takes. */
static void
remove_takes_a_tree_of_any_depth(void **state)
{
	enum { DEPTH = 300 };
	char name[100];
	int fd = open(".", O_RDONLY | O_DIRECTORY);

	(void)state;
	memset(name, 'd', sizeof name);
	name[sizeof name - 1] = '\0';
	assert_int_equal(mkdirat(fd, "deep", 0755), 0);
	for (int i = 0; i < DEPTH; i++) {
		int next = openat(fd, i == 0 ? "deep" : name, O_RDONLY);

		assert_true(next >= 0);
		close(fd);
		fd = next;
		assert_int_equal(mkdirat(fd, name, 0755), 0);
		assert_int_equal(symlinkat("/etc", fd, "link"), 0);
	}
	close(fd);
	assert_int_equal(remove_tree(PF_CWD, "deep", "deep"), 0);
	assert_false(path_exists("deep"));
}

/*
 * Packing and unpacking hold one descriptor a level; what they could make must
 * not be beyond what can be removed again.
 */
static void
remove_needs_one_descriptor_a_level(void **state)
{
	enum { DEPTH = 150 };
	struct rlimit before, few;
	int fd = open(".", O_RDONLY | O_DIRECTORY);
	int err;

	(void)state;
	for (int i = 0; i < DEPTH; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		next = openat(fd, "d", O_RDONLY);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = open_fd_count() + DEPTH + 20;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	err = remove_tree(PF_CWD, "d", "d");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(err, 0);
	assert_false(path_exists("d"));
}

/* Their owner gets rid of directories, whatever bits they lack. */
static void
remove_by_an_ordinary_user_needs_no_permission_bits(void **state)
{
	(void)state;
	become_ordinary();
	for (unsigned mode = 0; mode < 8; mode++) {
		make_tree();
		assert_int_equal(chmod("tree/a/b", mode << 6), 0);
		assert_int_equal(chmod("tree/a/empty", mode << 6), 0);
		assert_int_equal(chmod("tree/a", mode << 6 | 0011), 0);
		assert_int_equal(chmod("tree", mode << 6), 0);
		assert_int_equal(remove_tree(PF_CWD, "tree", "tree"), 0);
		assert_false(path_exists("tree"));
		assert_outside_is_whole();
		assert_int_equal(remove_tree(PF_CWD, "outside", "outside"), 0);
	}
}

static void
remove_under_any_failing_call_is_an_error_and_can_be_repeated(void **state)
{
	unsigned fds = open_fd_count();
	bool fired = true;

	(void)state;
	for (unsigned call = 1; fired; call++) {
		int err;

		make_tree();
		reports_clear();
		pf_fault_set(call, DSP_EIO);
		err = remove_tree(PF_CWD, "tree", "shown");
		fired = pf_fault_clear();
		/* It may get by without the call; it must not only say so. */
		assert_true(err == 0 || fired);
		assert_int_equal(reports_errors(), err < 0);
		assert_int_equal(path_exists("tree"), err < 0);
		assert_int_equal(open_fd_count(), fds);
		assert_int_equal(remove_tree(PF_CWD, "tree", "shown"), 0);
		assert_false(path_exists("tree"));
		assert_outside_is_whole();
		scratch_clear();
	}
}

/*
 * When the owner's bits are missing they are set, and it is the directory's
 * bits that are set: not those of what a link leads to.
 */
static void
pf_set_mode_at_does_not_follow_a_link(void **state)
{
	struct stat st;

	(void)state;
	file_write("target", "x", 1);
	assert_int_equal(chmod("target", 0600), 0);
	assert_int_equal(symlink("target", "link"), 0);
	(void)pf_set_mode_at(PF_CWD, "link", 0777);
	assert_int_equal(stat("target", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);

	/* Of what is no link it sets them. */
	assert_int_equal(pf_set_mode_at(PF_CWD, "target", 04751), 0);
	assert_int_equal(stat("target", &st), 0);
	assert_int_equal(st.st_mode & 07777, 04751);
	assert_int_equal(mkdir("dir", 0700), 0);
	assert_int_equal(pf_set_mode_at(PF_CWD, "dir", 01777), 0);
	assert_int_equal(stat("dir", &st), 0);
	assert_int_equal(st.st_mode & 07777, 01777);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(remove_takes_the_tree_and_follows_no_link),
		scratch_test(remove_of_a_link_takes_the_link),
		scratch_test(remove_of_a_file_takes_the_file),
		scratch_test(remove_of_what_is_absent_is_success),
		scratch_test(remove_contents_keeps_the_directory),
		scratch_test(remove_takes_a_tree_of_any_depth),
		scratch_test(remove_needs_one_descriptor_a_level),
		scratch_test(
			remove_by_an_ordinary_user_needs_no_permission_bits),
		scratch_test(
			remove_under_any_failing_call_is_an_error_and_can_be_repeated),
		scratch_test(pf_set_mode_at_does_not_follow_a_link),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
