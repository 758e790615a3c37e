/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two processes that write the same output at the same time.  The second one
 * does its work inside the first one's calls: this file's pf_flock takes the
 * place of the library's, and lets it in just before the first one's lock.
 */
#include "core/tree/output.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "platform/pf_flock.h"
#include "tests/unit/support.h"

static void (*before_lock)(void);

/* Open file description locks, as platform/linux/pf_flock.c takes them. */
int
pf_flock_exclusive(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	void (*act)(void) = before_lock;

	before_lock = NULL;
	if (act != NULL)
		act();
	return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : DSP_EBUSY;
}

/* Nobody here reads an image; they are in the file that is replaced. */
int
pf_flock_shared(int fd)
{
	(void)fd;
	return DSP_EUNSUPPORTED;
}

void
pf_flock_release(int fd)
{
	(void)fd;
}

static struct output *second;
static int second_err;

static void
open_second(void)
{
	second_err = output_open("out", false, NULL, &second);
	if (second_err == 0)
		assert_int_equal(
			pf_write(output_fd(second), "second, in part", 15), 0);
}

/*
 * The second one meets the first one's file before it is locked, takes it for
 * a killed process's and removes it.  What the first one commits must then
 * not be the second one's half-written file.
 */
static void
output_never_commits_another_process_s_file(void **state)
{
	struct output *first = NULL;
	int err;

	(void)state;
	second = NULL;
	before_lock = open_second;
	err = output_open("out", false, NULL, &first);
	assert_int_equal(second_err, 0);
	if (err == 0)
		err = pf_write(output_fd(first), "first", 5);
	if (err == 0)
		err = output_commit(first);
	output_close(first);
	if (path_exists("out")) {
		size_t size;
		uint8_t *data = file_read("out", &size);

		assert_int_equal(err, 0);
		assert_int_equal(size, 5);
		assert_memory_equal(data, "first", 5);
		free(data);
	}

	/* Whoever did not get through has not spoilt the other's work. */
	if (!path_exists("out")) {
		assert_int_equal(pf_write(output_fd(second), ".", 1), 0);
		assert_int_equal(output_commit(second), 0);
	}
	output_close(second);
	assert_int_equal(dir_count("."), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(output_never_commits_another_process_s_file),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
