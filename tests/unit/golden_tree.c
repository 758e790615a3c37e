/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/golden_tree.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/support.h"

enum {
	PERIOD = 40000,
	DIR_COUNT = 12,
	SMALL_COUNT = 180,
	LARGE_COUNT = 3,
	LINK_COUNT = 8,
	ENTRY_COUNT = SMALL_COUNT + LARGE_COUNT + LINK_COUNT
};

static void
dir_name(char *path, size_t capacity, int dir, unsigned i)
{
	static const char *const names[DIR_COUNT] = {
		"bin",	     "doc",
		"doc/de",    "doc.d",
		"empty",     "lib",
		"lib/a",     "lib/a/b",
		"lib/a/b/c", "with space and \n",
		"\xff\xfe",  "~",
	};

	if (dir)
		snprintf(path, capacity, "%s", names[i % DIR_COUNT]);
	else /* nothing is put into the directory "empty" */
		snprintf(path, capacity, "%s/",
			 names[i % DIR_COUNT == 4 ? 0 : i % DIR_COUNT]);
}

static void
set_time(const char *path, unsigned i)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
				     { .tv_sec = 1000000000 + i / 3,
				       .tv_nsec = (long)(i % 4) * 250000000 } };

	assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW),
			 0);
}

static void
make_file(const char *path, unsigned i, size_t size)
{
	static const unsigned modes[] = { 0644, 0755, 0600, 0444 };
	uint8_t *data = must_malloc(size);

	/* Files are alike, and large ones repeat themselves: the image is
	 * small enough to be kept in the source tree. */
	fill_text(data, size < PERIOD ? size : PERIOD, i % 16);
	for (size_t at = PERIOD; at < size; at++)
		data[at] = at % 4999 == 0 ? (uint8_t)at : data[at - PERIOD];
	if (i % 9 == 0) /* as in binaries */
		fill_random(data + size / 2, size / 64, i);
	file_write(path, data, size);
	free(data);
	assert_int_equal(chmod(path, modes[i % 4]), 0);
	set_time(path, i);
}

/* Entry i of the tree, whatever it is. */
static void
make_entry(const char *top, unsigned i)
{
	char path[300], dir[64], target[300];
	size_t n;

	dir_name(dir, sizeof dir, 0, i);
	n = (size_t)snprintf(path, sizeof path, "%s/%sfile%u", top, dir, i);
	assert_true(n < sizeof path);
	if (i < SMALL_COUNT) {
		make_file(path, i, (uint32_t)i * i * 2654435761u % 9000);
	} else if (i < SMALL_COUNT + LARGE_COUNT) {
		snprintf(path, sizeof path, "%s/large%u", top, i);
		make_file(path, i, 700000 + (i - SMALL_COUNT) * 450000);
	} else if (i % 2 == 0) {
		snprintf(target, sizeof target, "../elsewhere/%u\n\xff", i);
		assert_int_equal(symlink(target, path), 0);
		set_time(path, i);
	}
}

/* The names of one file sort in the same order however they came about. */
static void
make_hard_links(const char *top)
{
	for (unsigned i = SMALL_COUNT + LARGE_COUNT; i < ENTRY_COUNT; i++) {
		char path[300], target[300], dir[64];

		if (i % 2 == 0)
			continue;
		dir_name(dir, sizeof dir, 0, i - SMALL_COUNT);
		snprintf(target, sizeof target, "%s/%sfile%u", top, dir,
			 i - SMALL_COUNT);
		snprintf(path, sizeof path, "%s/link%u", top, i);
		assert_int_equal(link(target, path), 0);
	}
}

void
golden_tree_make(const char *top, uint64_t seed)
{
	unsigned order[ENTRY_COUNT];
	char path[300], name[64];

	assert_int_equal(mkdir(top, 0755), 0);
	for (unsigned i = 0; i < DIR_COUNT; i++) {
		dir_name(name, sizeof name, 1, i);
		snprintf(path, sizeof path, "%s/%s", top, name);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	for (unsigned i = 0; i < ENTRY_COUNT; i++) {
		unsigned j = (unsigned)random_below(&seed, i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (unsigned i = 0; i < ENTRY_COUNT; i++)
		make_entry(top, order[i]);
	make_hard_links(top);

	/* Directories last: what is made in them moves their times. */
	for (unsigned i = DIR_COUNT; i-- > 0;) {
		dir_name(name, sizeof name, 1, i);
		snprintf(path, sizeof path, "%s/%s", top, name);
		assert_int_equal(chmod(path, i % 3 == 0 ? 0755 : 0750), 0);
		set_time(path, i);
	}
	assert_int_equal(chmod(top, 0755), 0);
	set_time(top, 77);
}
