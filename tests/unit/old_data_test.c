/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The data of an older version, from its image and from the tree that was
 * made of it: the same bytes, whatever the range.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/tree/old_data.h"
#include "tests/unit/sample_image.h"
#include "tests/unit/support.h"

/* The files of sample_write_rich() that have data, in its order. */
enum { DATA_SIZE = 1730, BLOCK_COUNT = 10 };

static uint8_t text[1000], noise[1000];
static uint8_t data[DATA_SIZE]; /* one behind the other */

static const struct sample_file {
	const char *path;
	const uint8_t *bytes;
	size_t size;
	bool is_sparse;
} files[] = {
	{ "tree/dir/a", text, 60, false },
	{ "tree/dir/b", text + 60, 50, false },
	{ "tree/dir/with attributes", text + 110, 30, false },
	{ "tree/large", NULL, 600, false },
	{ "tree/large sparse", noise, 200, true },
	{ "tree/larger", NULL, 700, false },
	{ "tree/sparse", noise, 90, true },
};

/* Where blocks, pages and files end, and the second part of a sparse file. */
static const size_t ends[] = { 0,   60,	 110,  140,  340,  596,	 740, 750,
			       868, 940, 1190, 1440, 1640, 1650, 1730 };

static void
add(size_t *at, const uint8_t *bytes, size_t size)
{
	memcpy(data + *at, bytes, size);
	*at += size;
}

static void
make_data(void)
{
	size_t at = 0;

	fill_text(text, sizeof text, 1);
	fill_random(noise, sizeof noise, 2);
	add(&at, text, 140);
	add(&at, noise, 200);
	add(&at, text, 256);
	add(&at, noise + 200, 144);
	add(&at, noise, 200);
	add(&at, noise, 250);
	add(&at, text + 250, 250);
	add(&at, text + 500, 200);
	add(&at, noise, 90);
	assert_int_equal(at, DATA_SIZE);
}

static void
make_tree(void)
{
	size_t at = 0;

	assert_int_equal(mkdir("tree", 0755), 0);
	assert_int_equal(mkdir("tree/dir", 0755), 0);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		const struct sample_file *file = &files[i];
		const uint8_t *bytes = data + at;
		int fd = open(file->path, O_WRONLY | O_CREAT | O_EXCL, 0644);

		assert_true(fd >= 0);
		if (file->is_sparse) {
			assert_int_equal(pwrite(fd, bytes, 10, 100000), 10);
			assert_int_equal(pwrite(fd, bytes + 10, file->size - 10,
						300000),
					 file->size - 10);
			assert_int_equal(ftruncate(fd, 1 << 20), 0);
		} else {
			assert_int_equal(write(fd, bytes, file->size),
					 file->size);
		}
		close(fd);
		at += file->size;
	}
	assert_int_equal(at, DATA_SIZE);
}

static struct image *
make_image(enum image_kind kind)
{
	struct image *image;
	int fd = temp_fd();

	sample_write_rich(fd, kind);
	assert_int_equal(image_open_fd(fd, "sample", &image), 0);
	return image;
}

/* Both ways to have an older version. */
struct both {
	struct image *image, *manifest;
	struct old_data *of_image, *of_tree;
	int top;
};

static struct both
open_both(void)
{
	struct both both = { .image = make_image(IMAGE_WITH_BLOCKS),
			     .manifest = make_image(IMAGE_MANIFEST) };

	make_data();
	make_tree();
	both.top = open("tree", O_RDONLY | O_DIRECTORY);
	assert_true(both.top >= 0);
	assert_int_equal(old_data_of_image(both.image, &both.of_image), 0);
	assert_int_equal(
		old_data_of_tree(both.manifest, both.top, &both.of_tree), 0);
	return both;
}

static void
close_both(struct both *both)
{
	old_data_free(both->of_image);
	old_data_free(both->of_tree);
	image_close(both->image);
	image_close(both->manifest);
	close(both->top);
}

static void
assert_reads(struct old_data *old, size_t from, size_t to)
{
	uint8_t *bytes = must_malloc(to - from + 1);

	assert_int_equal(old_data_read(old, from, to - from, bytes), 0);
	if (memcmp(bytes, data + from, to - from) != 0)
		fail_msg("[%zu, %zu) differ", from, to);
	free(bytes);
}

/* Points around every end. */
static size_t
point(size_t i)
{
	size_t end = ends[i / 3];

	if (i % 3 == 0)
		return end > 0 ? end - 1 : 0;
	return i % 3 == 2 && end < DATA_SIZE ? end + 1 : end;
}

static void
every_range_is_the_same_from_image_and_tree(void **state)
{
	enum { POINTS = 3 * sizeof ends / sizeof *ends };
	struct both both = open_both();

	(void)state;
	for (size_t i = 0; i < POINTS; i++) {
		for (size_t j = 0; j < POINTS; j++) {
			if (point(j) < point(i))
				continue;
			assert_reads(both.of_image, point(i), point(j));
			assert_reads(both.of_tree, point(i), point(j));
		}
	}
	close_both(&both);
}

static void
no_byte_is_read_beyond_the_end(void **state)
{
	static const uint64_t offsets[] = { DATA_SIZE, DATA_SIZE + 1,
					    UINT64_MAX };
	struct both both = open_both();
	uint8_t bytes[DATA_SIZE + 1];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(old_data_read(both.of_image, offsets[i], 1,
					       bytes),
				 DSP_ELIMIT);
		assert_int_equal(old_data_read(both.of_tree, offsets[i], 1,
					       bytes),
				 DSP_ELIMIT);
	}
	assert_int_equal(old_data_read(both.of_image, 0, DATA_SIZE + 1, bytes),
			 DSP_ELIMIT);
	assert_int_equal(old_data_read(both.of_tree, 0, DATA_SIZE + 1, bytes),
			 DSP_ELIMIT);
	close_both(&both);
}

static void
a_tree_that_changed_is_an_error(void **state)
{
	struct both both = open_both();
	uint8_t bytes[10];

	(void)state;
	assert_int_equal(truncate("tree/dir/b", 20), 0);
	assert_int_equal(old_data_read(both.of_tree, 75, 10, bytes),
			 DSP_EDIFFERS);
	assert_int_equal(unlink("tree/large"), 0);
	assert_int_equal(old_data_read(both.of_tree, 200, 10, bytes),
			 DSP_ENOENT);
	/* S16 */
	file_write("large", data, 1000);
	assert_int_equal(symlink("../large", "tree/large"), 0);
	assert_int_equal(old_data_read(both.of_tree, 200, 10, bytes),
			 DSP_ELOOP);
	assert_int_equal(rename("tree/dir", "tree/other"), 0);
	assert_int_equal(symlink("other", "tree/dir"), 0);
	assert_true(old_data_read(both.of_tree, 0, 10, bytes) < 0);

	/* And the rest still is what it was. */
	assert_reads(both.of_tree, 740, DATA_SIZE);
	close_both(&both);
}

static void
a_damaged_image_is_an_error(void **state)
{
	struct both both = open_both();
	struct old_block block;
	uint8_t bytes[200];
	size_t size;
	uint8_t *file;
	int fd;

	(void)state;
	assert_int_equal(old_data_block(both.of_image, 1, &block), 0);
	close_both(&both);
	fd = open("damaged", O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	sample_write_rich(fd, IMAGE_WITH_BLOCKS);
	close(fd);
	file = file_read("damaged", &size);
	file[block.frame.offset + block.frame.size / 2] ^= 1;
	file_write("damaged", file, size);
	free(file);
	assert_int_equal(image_open("damaged", &both.image), 0);
	assert_int_equal(old_data_of_image(both.image, &both.of_image), 0);
	assert_int_equal(old_data_read(both.of_image, 140, 200, bytes),
			 DSP_ECORRUPT);
	assert_reads(both.of_image, 0, 140);
	assert_reads(both.of_image, 340, DATA_SIZE);
	old_data_free(both.of_image);
	image_close(both.image);
}

static void
every_block_is_found_by_its_name(void **state)
{
	static const size_t offsets[BLOCK_COUNT] = {
		0, 140, 340, 596, 740, 868, 940, 1190, 1440, 1640
	};
	struct both both = open_both();
	struct old_data *olds[] = { both.of_image, both.of_tree };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		/* Backwards first: nothing is found by being next. */
		for (unsigned j = 0; j < 2 * BLOCK_COUNT; j++) {
			unsigned number = j < BLOCK_COUNT ? BLOCK_COUNT - 1 - j
							  : j - BLOCK_COUNT;
			struct old_block block, same;
			bool is_found;

			assert_int_equal(
				old_data_block(olds[i], number, &block), 0);
			assert_int_equal(block.number, number);
			assert_int_equal(block.offset, offsets[number]);
			assert_int_equal(old_data_find(olds[i],
						       &block.block.name, &same,
						       &is_found),
					 0);
			assert_true(is_found);
			assert_int_equal(same.number, number);
			assert_int_equal(same.offset, offsets[number]);
			assert_int_equal(same.frame.size > 0, i == 0);
		}
	}
	close_both(&both);
}

static void
an_unknown_block_is_not_found(void **state)
{
	struct both both = open_both();
	struct digest name = { { 1, 2, 3 } };
	struct old_block block;
	bool is_found = true;

	(void)state;
	assert_int_equal(old_data_find(both.of_image, &name, &block, &is_found),
			 0);
	assert_false(is_found);
	/* The first bytes are those of a block. */
	assert_int_equal(old_data_block(both.of_image, 4, &block), 0);
	name = block.block.name;
	name.bytes[31] ^= 1;
	assert_int_equal(old_data_find(both.of_image, &name, &block, &is_found),
			 0);
	assert_false(is_found);
	assert_int_equal(old_data_block(both.of_image, BLOCK_COUNT, &block),
			 DSP_ELIMIT);
	assert_int_equal(old_data_block(both.of_image, UINT64_MAX, &block),
			 DSP_ELIMIT);
	close_both(&both);
}

static void
pages_and_digests_are_cut_at_the_limit(void **state)
{
	struct both both = open_both();
	const struct root *root = image_root(both.image);
	size_t whole = 0;
	struct buffer all = { 0 }, some = { 0 };
	uint64_t first;

	(void)state;
	assert_int_equal(root->page_count, 4);
	for (uint32_t i = 0; i < 4; i++)
		whole += root->pages[i].raw_size;
	assert_int_equal(old_data_pages(both.of_image, 0, 4, 1 << 20, &all), 0);
	assert_int_equal(all.size, whole);
	for (size_t limit = 0; limit <= whole; limit += 97) {
		some.size = 0;
		assert_int_equal(
			old_data_pages(both.of_tree, 0, 4, limit, &some), 0);
		assert_int_equal(some.size, limit);
		assert_true(limit == 0 ||
			    memcmp(some.data, all.data, limit) == 0);
	}
	all.size = 0;
	assert_int_equal(old_data_digests(both.of_image, 1, 2, 50, &all), 0);
	assert_int_equal(all.size, 50);
	assert_int_equal(old_data_digests(both.of_tree, 0, 4, 500, &all), 0);
	assert_int_equal(all.size, 50); /* a manifest has none */
	assert_int_equal(old_data_pages(both.of_image, 3, 2, 9, &all),
			 DSP_ELIMIT);
	assert_int_equal(old_data_pages(both.of_image, UINT32_MAX, 2, 9, &all),
			 DSP_ELIMIT);
	assert_int_equal(old_data_find_page(both.of_image, 0, &first), 0);
	assert_int_equal(old_data_find_page(both.of_image, 1189, &first), 1);
	assert_int_equal(first, 1);
	assert_int_equal(old_data_find_page(both.of_image, 1190, &first), 2);
	assert_int_equal(old_data_find_page(both.of_image, 1729, &first), 3);
	buffer_release(&all);
	buffer_release(&some);
	close_both(&both);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(every_range_is_the_same_from_image_and_tree),
		scratch_test(no_byte_is_read_beyond_the_end),
		scratch_test(a_tree_that_changed_is_an_error),
		scratch_test(a_damaged_image_is_an_error),
		scratch_test(every_block_is_found_by_its_name),
		scratch_test(an_unknown_block_is_not_found),
		scratch_test(pages_and_digests_are_cut_at_the_limit),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
