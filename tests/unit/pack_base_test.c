/* SPDX-License-Identifier: Apache-2.0 */

/*
 * pack --base: whatever changed since, the image is the very one that packing
 * without a base makes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/image/image.h"
#include "core/tree/pack.h"
#include "core/tree/rows.h"
#include "core/tree/verify.h"
#include "tests/unit/golden_tree.h"
#include "tests/unit/support.h"

/* Pack "tree" into image; with its rows beside it, for a later base. */
static int
pack_tree(const char *image, const char *base, struct pack_result *ret_result)
{
	struct pack_params params = { .source = "tree",
				      .package_id = "LOC00000",
				      .version = 2,
				      .level = 1,
				      .worker_count = 2,
				      .base = base };
	char seen[64];
	int fd = open(image, O_RDWR | O_CREAT | O_TRUNC, 0644);
	int err;

	snprintf(seen, sizeof seen, "%s%s", image, PACK_SEEN_SUFFIX);
	params.seen_fd = open(seen, O_RDWR | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0 && params.seen_fd >= 0);
	err = pack(&params, fd, ret_result);
	close(fd);
	close(params.seen_fd);
	return err;
}

static void
must_pack(const char *image, const char *base, struct pack_result *ret_result)
{
	assert_int_equal(pack_tree(image, base, ret_result), 0);
}

/* What was just written is not at rest until the clock has ticked. */
static void
let_the_clock_tick(void)
{
	usleep(40000);
}

static void
assert_same_files(const char *a, const char *b)
{
	size_t a_size, b_size;
	uint8_t *x = file_read(a, &a_size), *y = file_read(b, &b_size);

	if (a_size != b_size || memcmp(x, y, a_size) != 0)
		fail_msg("%s differs from %s", a, b);
	free(x);
	free(y);
}

/* With the base and without it the image is the same. */
static struct pack_result
check_base(const char *base)
{
	struct pack_result with, without;

	must_pack("without", NULL, &without);
	must_pack("with", base, &with);
	assert_same_files("with", "without");
	return with;
}

static void
start(void)
{
	struct pack_result result;

	golden_tree_make("tree", 1);
	let_the_clock_tick();
	must_pack("base", NULL, &result);
	assert_true(result.bytes_read > 3000000);
}

static void
base_unchanged_is_not_read_at_all(void **state)
{
	struct pack_result result;

	(void)state;
	start();
	result = check_base("base");
	assert_int_equal(result.bytes_read, 0);

	/* And its own rows are as good: a chain of bases. */
	assert_int_equal(rename("with", "next"), 0);
	assert_int_equal(rename("with.seen", "next.seen"), 0);
	result = check_base("next");
	assert_int_equal(result.bytes_read, 0);
}

/* Changes, one kind after the other, each against the first image. */

static void
write_at(const char *path, off_t at, const char *text)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, text, strlen(text), at), strlen(text));
	close(fd);
}

static void
change_keeping_size_and_time(const char *path)
{
	struct timespec times[2];
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	write_at(path, 5, "changed");
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void
change(unsigned kind)
{
	switch (kind) {
	case 0:
		change_keeping_size_and_time("tree/bin/file12");
		break;
	case 1: /* in the middle of a large file */
		write_at("tree/large181", 700000, "changed");
		break;
	case 2: /* at its front: every part moves */
		file_write("tree/large182", "short now", 9);
		break;
	case 3:
		assert_int_equal(unlink("tree/lib/file65"), 0);
		break;
	case 4:
		file_write("tree/lib/file650", "new", 3);
		break;
	case 5: /* the first of its block, and the last */
		assert_int_equal(rename("tree/bin/file0", "tree/bin/filf0"), 0);
		break;
	case 6:
		assert_int_equal(chmod("tree/doc/file1", 0600), 0);
		break;
	case 7: /* a small file becomes a large one */
		assert_int_equal(truncate("tree/doc/file13", 1500000), 0);
		write_at("tree/doc/file13", 1499990, "the end");
		break;
	case 8: /* a file becomes a directory, and a link a file */
		assert_int_equal(unlink("tree/doc/file25"), 0);
		assert_int_equal(mkdir("tree/doc/file25", 0755), 0);
		file_write("tree/doc/file25/x", "x", 1);
		break;
	case 9: /* a further name; and a file's first name goes */
		assert_int_equal(link("tree/bin/file24", "tree/aaa"), 0);
		break;
	case 10:
		assert_int_equal(rename("tree/lib", "tree/lic"), 0);
		break;
	case 11: /* two files change places */
		assert_int_equal(rename("tree/bin/file36", "tree/swap"), 0);
		assert_int_equal(rename("tree/bin/file48", "tree/bin/file36"),
				 0);
		assert_int_equal(rename("tree/swap", "tree/bin/file48"), 0);
		break;
	default:
		fail();
	}
}

enum { CHANGE_COUNT = 12 };

/* With the first image as the base, and with the one before: a chain. */
static void
base_changed_in_any_way_gives_the_image_of_the_new_tree(void **state)
{
	char before[16] = "base";

	(void)state;
	start();
	for (unsigned kind = 0; kind < CHANGE_COUNT; kind++) {
		struct pack_result result;
		char name[16];

		change(kind);
		let_the_clock_tick();
		(void)check_base("base");
		snprintf(name, sizeof name, "chain%u", kind);
		must_pack(name, before, &result);
		assert_same_files(name, "without");
		memcpy(before, name, sizeof name);
	}
}

static void
base_with_little_changed_is_read_little(void **state)
{
	(void)state;
	start();
	change(0);
	let_the_clock_tick();
	/* One block of small files, at most. */
	assert_in_range(check_base("base").bytes_read, 1, 2 << 20);
}

/* Just written: it may change again within one tick, so it is read. */
static void
base_file_as_new_as_the_scan_is_read_again(void **state)
{
	struct pack_result result;

	(void)state;
	golden_tree_make("tree", 1);
	write_at("tree/large181", 0, "1");
	must_pack("base", NULL, &result);
	write_at("tree/large181", 0, "2");
	(void)check_base("base");
}

static void
base_of_another_level_gives_the_image_asked_for(void **state)
{
	struct pack_params params = { .source = "tree",
				      .package_id = "LOC00000",
				      .version = 2,
				      .level = 5,
				      .worker_count = 2,
				      .base = "base",
				      .seen_fd = -1 };
	struct pack_result result;
	int fd = open("with", O_RDWR | O_CREAT, 0644);
	int plain_fd = open("without", O_RDWR | O_CREAT, 0644);

	(void)state;
	start();
	assert_int_equal(pack(&params, fd, &result), 0);
	params.base = NULL;
	assert_int_equal(pack(&params, plain_fd, &result), 0);
	assert_same_files("with", "without");
	close(fd);
	close(plain_fd);
}

/* Rows that are missing, cut short or another's only cost time. */
static void
base_without_good_rows_is_read_as_a_whole(void **state)
{
	struct pack_result result;
	size_t size;
	uint8_t *rows;

	(void)state;
	start();
	rows = file_read("base.seen", &size);
	assert_int_equal(unlink("base.seen"), 0);
	reports_clear();
	result = check_base("base");
	assert_true(result.bytes_read > 3000000);
	assert_int_equal(reports_warnings(), 1);
	file_write("base.seen", rows, size / 2);
	result = check_base("base");
	assert_in_range(result.bytes_read, 1, 5000000);
	rows[20] ^= 1; /* another root's */
	file_write("base.seen", rows, size);
	result = check_base("base");
	assert_true(result.bytes_read > 3000000);
	rows[20] ^= 1;
	for (uint64_t seed = 1; seed < 5; seed++) {
		uint64_t random = seed;
		uint8_t *bad = must_malloc(size);

		memcpy(bad, rows, size);
		for (int i = 0; i < 200; i++)
			bad[ROWS_HEADER_SIZE +
			    random_below(&random, size - ROWS_HEADER_SIZE)] ^=
				0x04;
		file_write("base.seen", bad, size);
		(void)check_base("base");
		free(bad);
	}
	free(rows);
}

/* A damaged base is an error or not noticed, never a damaged image. */
static void
base_that_is_damaged_does_not_damage_the_image(void **state)
{
	struct pack_result result;
	size_t size;
	uint8_t *image;
	unsigned errors = 0;

	(void)state;
	start();
	image = file_read("base", &size);
	must_pack("without", NULL, &result);
	for (size_t at = 7; at < size; at += size / 23) {
		int err;

		image[at] ^= 0x10;
		file_write("base", image, size);
		err = pack_tree("with", "base", &result);
		if (err == 0)
			assert_same_files("with", "without");
		errors += err < 0;
		image[at] ^= 0x10;
	}
	assert_true(errors > 0);
	free(image);
}

static void
base_that_is_absent_is_an_error(void **state)
{
	struct pack_result result;

	(void)state;
	start();
	assert_int_equal(pack_tree("with", "absent", &result), DSP_ENOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(base_unchanged_is_not_read_at_all),
		scratch_test(
			base_changed_in_any_way_gives_the_image_of_the_new_tree),
		scratch_test(base_with_little_changed_is_read_little),
		scratch_test(base_file_as_new_as_the_scan_is_read_again),
		scratch_test(base_of_another_level_gives_the_image_asked_for),
		scratch_test(base_without_good_rows_is_read_as_a_whole),
		scratch_test(base_that_is_damaged_does_not_damage_the_image),
		scratch_test(base_that_is_absent_is_an_error),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
