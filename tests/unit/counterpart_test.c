/* SPDX-License-Identifier: Apache-2.0 */

/* Which file of the older version is a file of the new one? */
#include <string.h>

#include "core/base/err.h"
#include "core/image/counterpart.h"
#include "core/image/walk.h"
#include "tests/unit/sample_image.h"
#include "tests/unit/support.h"

/* An image of these files up to NULL; the i-th has 128 + i bytes, in a block. */
static struct image *
make_image(const char *const *paths)
{
	int fd = temp_fd();
	struct sample sample = sample_new(fd, IMAGE_WITH_BLOCKS);
	struct digest digest;
	struct image *image;
	uint8_t bytes[256];

	sample_add_dir(&sample, "");
	for (size_t i = 0; paths[i] != NULL; i++) {
		const char *path = paths[i];
		size_t size = strlen(path);

		fill_random(bytes, sizeof bytes, i + 1);
		if (path[size - 1] == '/') {
			char name[64];

			memcpy(name, path, size);
			name[size - 1] = '\0';
			sample_add_dir(&sample, name);
		} else if (path[size - 1] == '~') {
			sample_add_file(&sample, path, "", 0);
		} else {
			sample_add_file(&sample, path, bytes, 128 + i);
			sample_add_block(&sample, bytes, 128 + i, false);
		}
	}
	sample_finish(&sample, &digest);
	sample_free(&sample);
	assert_int_equal(image_open_fd(fd, "sample", &image), 0);
	return image;
}

/* Of each file with data of the new image, its counterpart's path, or "". */
static void
assert_counterparts(struct counterpart *counterpart, struct image *image,
		    const char *const *old_paths, const char *const *expected)
{
	struct walk *walk;
	enum walk_step step = WALK_RECORD;

	assert_int_equal(walk_new(image, &walk), 0);
	for (;;) {
		const struct record *record = &walk_view(walk)->record;
		struct old_place place = { 0 };
		uint64_t offset = 0;
		size_t i;

		assert_int_equal(walk_next(walk, &step), 0);
		if (step == WALK_END)
			break;
		if (step != WALK_RECORD || !record_has_digest(record))
			continue;
		assert_non_null(*expected);
		assert_int_equal(counterpart_find(counterpart, record, &place),
				 0);
		for (i = 0; old_paths[i] != NULL; i++) {
			size_t size = strlen(old_paths[i]);

			if (strcmp(old_paths[i], *expected) == 0)
				break;
			if (old_paths[i][size - 1] != '/' &&
			    old_paths[i][size - 1] != '~')
				offset += 128 + i;
		}
		if (**expected == '\0') {
			assert_int_equal(place.size, 0);
		} else {
			assert_int_equal(place.size, 128 + i);
			assert_int_equal(place.offset, offset);
		}
		expected++;
	}
	assert_null(*expected);
	walk_free(walk);
}

static void
check(const char *const *old_paths, const char *const *paths,
      const char *const *expected)
{
	struct image *old_image = make_image(old_paths);
	struct image *image = make_image(paths);
	struct counterpart *counterpart;

	assert_int_equal(counterpart_new(image, old_image, &counterpart), 0);
	for (int i = 0; i < 2; i++) {
		assert_counterparts(counterpart, image, old_paths, expected);
		assert_int_equal(counterpart_rewind(counterpart), 0);
	}
	counterpart_free(counterpart);
	image_close(image);
	image_close(old_image);
}

static void
a_file_has_the_one_of_the_same_path(void **state)
{
	static const char *const old[] = { "a", "b", "c", "d/", "d/e", NULL };
	static const char *const new[] = { "a", "c", "d/", "d/e", "f", NULL };
	static const char *const expected[] = { "a", "c", "d/e", "", NULL };

	(void)state;
	check(old, new, expected);
}

static void
versions_in_paths_are_told_by_rank(void **state)
{
	static const char *const old[] = { "m-6.1.0-51/", "m-6.1.0-51/a",
					   "m-6.1.0-51/b7", "m-6.1.0-51/b8",
					   NULL };
	static const char *const new[] = { "m-6.1.0-52/",
					   "m-6.1.0-52/a",
					   "m-6.1.0-52/b10",
					   "m-6.1.0-52/b11",
					   "m-6.1.0-52/b12",
					   "m-6.1.0-52/c",
					   NULL };
	static const char *const expected[] = {
		"m-6.1.0-51/a", "m-6.1.0-51/b7", "m-6.1.0-51/b8", "", "", NULL
	};

	(void)state;
	check(old, new, expected);
}

static void
a_file_that_is_still_there_is_nobody_elses(void **state)
{
	static const char *const old[] = { "f1", "f2", "f3", NULL };
	static const char *const new[] = { "f2", "f4", "f5", "f6", NULL };
	static const char *const expected[] = { "f2", "f1", "f3", "", NULL };

	(void)state;
	check(old, new, expected);
}

static void
files_without_data_have_and_are_none(void **state)
{
	static const char *const old[] = { "a1", "a2~", "b~", NULL };
	static const char *const new[] = { "a2", "a3~", "b", "b~", NULL };
	static const char *const expected[] = { "a1", "", NULL };

	(void)state;
	check(old, new, expected);
}

static void
an_empty_version_has_no_counterparts(void **state)
{
	static const char *const nothing[] = { NULL };
	static const char *const some[] = { "a", "b1", NULL };
	static const char *const none[] = { "", "", NULL };

	(void)state;
	check(nothing, some, none);
	check(some, nothing, nothing);
	check(nothing, nothing, nothing);
}

/* A slash sorts lowest: "a/b" is before "a-b", whatever strcmp() says. */
static void
the_order_is_that_of_paths(void **state)
{
	static const char *const old[] = { "a/", "a/b", "a-b", "a.b", NULL };
	static const char *const new[] = { "a/",  "a/a", "a/b",
					   "a-b", "a.b", NULL };
	static const char *const expected[] = { "", "a/b", "a-b", "a.b", NULL };

	(void)state;
	check(old, new, expected);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(a_file_has_the_one_of_the_same_path),
		scratch_test(versions_in_paths_are_told_by_rank),
		scratch_test(a_file_that_is_still_there_is_nobody_elses),
		scratch_test(files_without_data_have_and_are_none),
		scratch_test(an_empty_version_has_no_counterparts),
		scratch_test(the_order_is_that_of_paths),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
