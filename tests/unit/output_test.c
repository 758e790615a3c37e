/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/output.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "platform/pf_fault.h"
#include "tests/unit/support.h"

/* Write text to path as an output; what went wrong first. */
static int
write_output(const char *path, bool replace, const char *text)
{
	struct output *output = NULL;
	int err = output_open(path, replace, NULL, &output);

	if (err == 0)
		err = pf_write(output_fd(output), text, strlen(text));
	if (err == 0)
		err = output_commit(output);
	output_close(output);
	return err;
}

static void
assert_holds(const char *path, const char *text)
{
	size_t size;
	uint8_t *data = file_read(path, &size);

	assert_int_equal(size, strlen(text));
	assert_memory_equal(data, text, size);
	free(data);
}

static void
output_appears_when_it_is_committed(void **state)
{
	struct output *output;
	unsigned syncs = sync_count();

	(void)state;
	assert_int_equal(output_open("out", false, NULL, &output), 0);
	assert_int_equal(pf_write(output_fd(output), "abc", 3), 0);
	assert_false(path_exists("out"));
	assert_int_equal(sync_count(), syncs);
	assert_int_equal(output_commit(output), 0);
	assert_int_equal(sync_count(), syncs + 2); /* the file, the name */
	output_close(output);
	assert_holds("out", "abc");
	assert_int_equal(dir_count("."), 1);
}

static void
output_not_committed_leaves_nothing(void **state)
{
	struct output *output;

	(void)state;
	assert_int_equal(output_open("out", false, NULL, &output), 0);
	assert_int_equal(pf_write(output_fd(output), "abc", 3), 0);
	output_close(output);
	output_close(NULL);
	assert_int_equal(dir_count("."), 0);
}

/* A device was replaced by a file, when asked. */
static void
output_never_replaces_what_is_no_file(void **state)
{
	struct output *output;

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(mkdir("dir", 0700), 0);
	assert_int_equal(output_open("fifo", true, NULL, &output), DSP_EEXIST);
	assert_int_equal(output_open("dir", true, NULL, &output), DSP_EEXIST);
	assert_int_equal(dir_count("."), 2);
}

static void
output_that_exists_is_not_replaced_unless_asked(void **state)
{
	(void)state;
	file_write("out", "old", 3);
	reports_clear();
	assert_int_equal(write_output("out", false, "new"), DSP_EEXIST);
	assert_int_equal(reports_errors(), 1);
	assert_holds("out", "old");
	assert_int_equal(write_output("out", true, "new"), 0);
	assert_holds("out", "new");
	assert_int_equal(mkdir("dir", 0755), 0);
	assert_int_equal(write_output("dir", true, "new"), DSP_EEXIST);
	assert_int_equal(symlink("nowhere", "link"), 0);
	assert_int_equal(write_output("link", false, "new"), DSP_EEXIST);
}

/* A link is replaced, not what it leads to. */
static void
output_does_not_write_through_a_link(void **state)
{
	struct stat st;

	(void)state;
	file_write("target", "old", 3);
	assert_int_equal(symlink("target", "link"), 0);
	assert_int_equal(symlink("target", ".out.despool"), 0);
	assert_int_equal(write_output("link", true, "new"), 0);
	assert_int_equal(lstat("link", &st), 0);
	assert_true(S_ISREG(st.st_mode));
	(void)write_output("out", true, "new");
	assert_holds("target", "old");
}

static void
output_needs_a_name(void **state)
{
	static const char *const bad[] = { "",	 "/",	"//",	".",  "..",
					   "./", "../", "a/..", "a/." };

	(void)state;
	assert_int_equal(mkdir("a", 0755), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(write_output(bad[i], true, "x"), DSP_EINVAL);
	assert_int_equal(write_output("absent/out", true, "x"), DSP_ENOENT);
	assert_int_equal(write_output("a/out", true, "x"), 0);
	assert_int_equal(write_output("./a//out2", true, "x"), 0);
	assert_int_equal(write_output("..out", true, "x"), 0);
	assert_int_equal(write_output(".out", true, "x"), 0);
	assert_int_equal(dir_count("a"), 2);
	assert_int_equal(dir_count("."), 3);
}

/* What a killed process left behind is removed by the next one. */
static void
output_takes_over_from_a_killed_process(void **state)
{
	(void)state;
	file_write(".out.despool", "half of it", 10);
	assert_int_equal(write_output("out", false, "whole"), 0);
	assert_holds("out", "whole");
	assert_int_equal(dir_count("."), 1);
}

static void
output_of_a_living_process_is_ebusy(void **state)
{
	struct output *first;

	(void)state;
	assert_int_equal(output_open("out", false, NULL, &first), 0);
	assert_int_equal(pf_write(output_fd(first), "first", 5), 0);
	assert_int_equal(write_output("out", false, "second"), DSP_EBUSY);
	assert_int_equal(write_output("out", true, "second"), DSP_EBUSY);
	assert_int_equal(output_commit(first), 0);
	output_close(first);
	assert_holds("out", "first");
	assert_int_equal(dir_count("."), 1);
}

static void
output_inside_its_source_is_eoverlap(void **state)
{
	struct output *output;
	struct pf_stat source;

	(void)state;
	assert_int_equal(mkdir("source", 0755), 0);
	assert_int_equal(mkdir("source/deep", 0755), 0);
	assert_int_equal(mkdir("source2", 0755), 0);
	assert_int_equal(symlink("source/deep", "link"), 0);
	assert_int_equal(pf_stat("source", &source), 0);
	assert_int_equal(output_open("source/out", false, &source, &output),
			 DSP_EOVERLAP);
	assert_int_equal(output_open("source/deep/out", true, &source, &output),
			 DSP_EOVERLAP);
	assert_int_equal(output_open("link/out", true, &source, &output),
			 DSP_EOVERLAP);
	assert_int_equal(output_open("source2/out", true, &source, &output), 0);
	output_close(output);
	assert_int_equal(output_open("out", true, &source, &output), 0);
	output_close(output);
	assert_int_equal(dir_count("source"), 1);
	assert_int_equal(dir_count("source/deep"), 0);
}

static void
output_has_the_permissions_of_any_new_file(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(write_output("out", false, "x"), 0);
	assert_int_equal(stat("out", &st), 0);
	/* The umask was 022, 027 or 077: never executable, never 0. */
	assert_int_equal(st.st_mode & 0700, 0600);
	assert_int_equal(st.st_mode & 0111, 0);
}

/* Under every single failure: fail call 1, then 2, ... until none fires. */
static void
output_is_whole_or_absent(void **state)
{
	unsigned fds = open_fd_count();
	bool fired = true;

	(void)state;
	for (unsigned call = 1; fired; call++) {
		int err;

		reports_clear();
		pf_fault_set(call, DSP_EIO);
		err = write_output("out", false, "whole");
		fired = pf_fault_clear();
		assert_int_equal(err, fired ? DSP_EIO : 0);
		assert_int_equal(path_exists("out"), !fired);
		assert_int_equal(dir_count("."), !fired);
		assert_int_equal(open_fd_count(), fds);

		/* And whatever happened, the next attempt repairs it. */
		assert_int_equal(write_output("out", true, "again"), 0);
		assert_holds("out", "again");
		assert_int_equal(dir_count("."), 1);
		scratch_clear();
	}
}

/* Only when the very last step fails there may be neither. */
static void
output_that_replaces_is_the_old_or_the_new(void **state)
{
	bool fired = true;
	unsigned neither = 0;

	(void)state;
	for (unsigned call = 1; fired; call++) {
		size_t size = 0;
		uint8_t *data = NULL;
		int err;

		file_write("out", "old", 3);
		pf_fault_set(call, DSP_ENOSPC);
		err = write_output("out", true, "new");
		fired = pf_fault_clear();
		assert_int_equal(err, fired ? DSP_ENOSPC : 0);
		if (path_exists("out"))
			data = file_read("out", &size);
		else
			neither++;
		assert_true((err < 0 && data == NULL) || size == 3);
		assert_true(data == NULL || memcmp(data, "new", 3) == 0 ||
			    (err < 0 && memcmp(data, "old", 3) == 0));
		assert_int_equal(dir_count("."), data != NULL);
		free(data);
		scratch_clear();
	}
	assert_true(neither <= 1);
}

/* Of a killed process's file: it is removed, or still there for the next. */
static void
output_takes_over_or_fails_without_harm(void **state)
{
	bool fired = true;

	(void)state;
	for (unsigned call = 1; fired; call++) {
		int err;

		file_write(".out.despool", "half of it", 10);
		pf_fault_set(call, DSP_EIO);
		err = write_output("out", false, "whole");
		fired = pf_fault_clear();
		assert_int_equal(err, fired ? DSP_EIO : 0);
		assert_int_equal(write_output("out", true, "again"), 0);
		assert_holds("out", "again");
		assert_int_equal(dir_count("."), 1);
		scratch_clear();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(output_appears_when_it_is_committed),
		scratch_test(output_not_committed_leaves_nothing),
		scratch_test(output_never_replaces_what_is_no_file),
		scratch_test(output_that_exists_is_not_replaced_unless_asked),
		scratch_test(output_does_not_write_through_a_link),
		scratch_test(output_needs_a_name),
		scratch_test(output_takes_over_from_a_killed_process),
		scratch_test(output_of_a_living_process_is_ebusy),
		scratch_test(output_inside_its_source_is_eoverlap),
		scratch_test(output_has_the_permissions_of_any_new_file),
		scratch_test(output_is_whole_or_absent),
		scratch_test(output_that_replaces_is_the_old_or_the_new),
		scratch_test(output_takes_over_or_fails_without_harm),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
