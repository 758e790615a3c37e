/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The directory is one that never was: this file's pf_dir takes the place of
 * the library's, so that a million names cost no inodes.
 */
#include "core/tree/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "platform/pf_dir.h"
#include "platform/pf_fault.h"
#include "tests/unit/support.h"

static char **the_names; /* what the directory has, in its order */
static size_t the_count;

struct pf_dir {
	size_t next;
};

int
pf_dir_open(int fd, struct pf_dir **ret_dir)
{
	int err = pf_fault();

	(void)fd;
	if (err < 0)
		return err;
	*ret_dir = calloc(1, sizeof **ret_dir);
	return *ret_dir != NULL ? 0 : DSP_ENOMEM;
}

int
pf_dir_next(struct pf_dir *dir, const char **ret_name)
{
	int err = pf_fault();

	if (err < 0)
		return err;
	*ret_name = dir->next < the_count ? the_names[dir->next++] : NULL;
	return 0;
}

int
pf_dir_fd(const struct pf_dir *dir)
{
	(void)dir;
	return -1;
}

void
pf_dir_close(struct pf_dir *dir)
{
	free(dir);
}

static void
set_name(size_t i, const char *name)
{
	the_names[i] = must_malloc(strlen(name) + 1);
	memcpy(the_names[i], name, strlen(name) + 1);
}

static void
end_names(void)
{
	for (size_t i = 0; i < the_count; i++)
		free(the_names[i]);
	free(the_names);
	the_names = NULL;
	the_count = 0;
}

/* count names that differ, of up to size_max bytes, in no order. */
static void
make_names(size_t count, size_t size_max, uint64_t seed)
{
	the_names = must_malloc(count * sizeof *the_names);
	the_count = count;
	for (size_t i = 0; i < count; i++) {
		char name[256];
		size_t size;

		snprintf(name, sizeof name, "%zu",
			 (size_t)(i * 2654435761u % 4294967291u));
		size = strlen(name) + random_below(&seed, size_max - 15);
		for (size_t j = strlen(name); j < size; j++)
			name[j] = "x\x01\xff."[random_below(&seed, 4)];
		name[size] = '\0';
		set_name(i, name);
	}
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
check_sorted(void)
{
	char **sorted = must_malloc((the_count + 1) * sizeof *sorted);
	struct names *names;
	const char *name;

	memcpy(sorted, the_names, the_count * sizeof *sorted);
	qsort(sorted, the_count, sizeof *sorted, compare);
	assert_int_equal(names_read(0, &names), 0);
	for (size_t i = 0; i < the_count; i++) {
		assert_int_equal(names_next(names, &name), 0);
		assert_non_null(name);
		assert_string_equal(name, sorted[i]);
	}
	for (int i = 0; i < 3; i++) {
		assert_int_equal(names_next(names, &name), 0);
		assert_null(name);
	}
	names_free(names);
	names_free(NULL);
	free(sorted);
}

static void
names_of_an_empty_directory_are_none(void **state)
{
	(void)state;
	make_names(0, 20, 1);
	check_sorted();
	end_names();
}

static void
names_come_sorted_by_their_bytes(void **state)
{
	static const char *const given[] = { "b",    "a",  "\xff", "\x80",
					     "a.b",  "A",  "~",	   " ",
					     "\x01", "ab", "a b",  "aa" };

	(void)state;
	the_count = sizeof given / sizeof *given;
	the_names = must_malloc(the_count * sizeof *the_names);
	for (size_t i = 0; i < the_count; i++)
		set_name(i, given[i]);
	check_sorted();
	end_names();
	make_names(1000, 100, 1);
	check_sorted();
	end_names();
}

/* More than NAMES_MEMORY_MAX: sorted runs go through a temporary file. */
static void
names_of_a_huge_directory_come_sorted(void **state)
{
	unsigned fds = open_fd_count();

	(void)state;
	make_names(25000, 255, 2);
	check_sorted();
	end_names();
	make_names(150000, 16, 3);
	check_sorted();
	end_names();
	assert_int_equal(open_fd_count(), fds);
}

static void
names_just_at_the_limit_come_sorted(void **state)
{
	enum { SIZE = 128, COUNT = NAMES_MEMORY_MAX / SIZE };

	(void)state;
	for (size_t count = COUNT - 1; count <= COUNT + 1; count++) {
		the_count = count;
		the_names = must_malloc(count * sizeof *the_names);
		for (size_t i = 0; i < count; i++) {
			char name[SIZE];

			snprintf(name, sizeof name, "%0*zu", SIZE - 1,
				 i * 7919 % count);
			set_name(i, name);
		}
		check_sorted();
		end_names();
	}
}

static void
names_longer_than_a_file_system_s_are_an_error(void **state)
{
	char name[300];
	struct names *names;

	(void)state;
	memset(name, 'n', sizeof name);
	name[255] = '\0';
	the_count = 1;
	the_names = must_malloc(sizeof *the_names);
	set_name(0, name);
	check_sorted();
	end_names();
	name[255] = 'n';
	name[256] = '\0';
	the_count = 1;
	the_names = must_malloc(sizeof *the_names);
	set_name(0, name);
	assert_int_equal(names_read(0, &names), DSP_ENAMETOOLONG);
	end_names();
}

/* Read all names under a fault; 0 only when they all came. */
static int
read_all(void)
{
	struct names *names;
	const char *name = NULL;
	size_t count = 0;
	int err = names_read(0, &names);

	if (err < 0)
		return err;
	do {
		err = names_next(names, &name);
		count += err == 0 && name != NULL;
	} while (err == 0 && name != NULL);
	names_free(names);
	assert_true(err < 0 || count == the_count);
	return err;
}

/*
 * Around the temporary file every call fails once; of the many calls that
 * read the directory every 1000th.
 */
static void
names_under_any_failing_call_are_an_error(void **state)
{
	unsigned fds = open_fd_count();
	bool fired = true;
	unsigned call = 1;

	(void)state;
	make_names(20000, 255, 4);
	while (fired) {
		int err;

		pf_fault_set(call, DSP_EIO);
		err = read_all();
		fired = pf_fault_clear();
		assert_int_equal(err, fired ? DSP_EIO : 0);
		assert_int_equal(open_fd_count(), fds);
		call += call < 20000 ? 1000 : 7;
	}
	end_names();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_an_empty_directory_are_none),
		cmocka_unit_test(names_come_sorted_by_their_bytes),
		cmocka_unit_test(names_of_a_huge_directory_come_sorted),
		cmocka_unit_test(names_just_at_the_limit_come_sorted),
		cmocka_unit_test(
			names_longer_than_a_file_system_s_are_an_error),
		cmocka_unit_test(names_under_any_failing_call_are_an_error),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
