/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Golden images: every target makes these bytes, whoever runs it, with any
 * number of workers and any order of directories; and reads them.
 *
 *   tests/golden/tree.pck   the tree of golden_tree.h, packed
 *   tests/golden/rich.pck   sample_write_rich(): all that the format knows
 *   tests/golden/digests    of these, and of what smaller parts make
 *
 * Owners would be those of whoever runs the test: they are made root's on the
 * way from scan to image.  A change of these bytes is a change of the format
 * or of what is decided in packing; either means that old images and new ones
 * share no blocks.  `golden_test --write` writes the files anew.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/chunk/frame.h"
#include "core/image/image_writer.h"
#include "core/tree/check.h"
#include "core/tree/owners.h"
#include "core/tree/tree_source.h"
#include "core/tree/unpack.h"
#include "core/tree/verify.h"
#include "tests/unit/golden_tree.h"
#include "tests/unit/sample_image.h"
#include "tests/unit/sample_tree.h"
#include "tests/unit/support.h"

/* As pack does, but every owner is root. */
static int
take_slot(struct lane_thread *thread, const struct slot *slot)
{
	struct image_writer *writer = thread->lane->context;
	int err = 0;

	for (size_t i = 0; err == 0 && i < slot->record_count; i++) {
		struct record record = slot->records[i];

		record.uid = record.gid = 0;
		record.user = record.group = "root";
		record.xattrs_size = 0; /* labels of this file system */
		if (slot->part_offset == 0)
			err = image_writer_add_record(writer, &record);
	}
	if (err == 0 && slot->raw_size > 0) {
		struct image_block block = {
			.block = { .name = slot->name,
				   .raw_size = (uint32_t)slot->raw_size },
			.frame = slot->frame,
			.frame_size = (uint32_t)slot->frame_size,
			.frame_digest = slot->frame_digest,
		};

		err = image_writer_add_block(writer, &block);
	}
	if (err == 0 && slot->ends_page)
		err = image_writer_end_page(writer);
	return err;
}

static void
pack_normalised(const char *top, const char *path, unsigned worker_count)
{
	struct image_params image = { .package_id = "LOC00000",
				      .version = 1,
				      .level = 3,
				      .rule = cut_rule_default };
	struct owners *owners = owners_new();
	struct scan_options options = { .is_dense = true, .owners = owners };
	struct tree_source_params source = { .path = top,
					     .rule = cut_rule_default,
					     .worker_count = worker_count,
					     .level = 3 };
	struct flow_params flow = { .worker_count = worker_count,
				    .slot_count = 2 * worker_count + 1,
				    .raw_max = cut_rule_default.max,
				    .frame_max = frame_size_max(
					    cut_rule_default.max),
				    .fill = tree_source_fill,
				    .work = tree_source_work };
	struct lane lane = { .thread_count = 1, .begin = take_slot };
	struct lane *lanes = &lane;
	struct image_writer *writer;
	struct tree_source *tree;
	struct digest digest;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(scan_new(top, &options, &source.scan), 0);
	assert_int_equal(tree_source_new(&source, &tree), 0);
	assert_int_equal(
		image_writer_new(fd, IMAGE_WITH_BLOCKS, &image, &writer), 0);
	lane.context = writer;
	flow.context = tree;
	assert_int_equal(flow_run(&flow, &lanes, 1), 0);
	assert_int_equal(lane.err, 0);
	assert_int_equal(image_writer_finish(writer, &digest, NULL), 0);
	image_writer_free(writer);
	tree_source_free(tree);
	scan_free(source.scan);
	owners_free(owners);
	close(fd);
}

static void
assert_same_bytes(const char *path, const char *golden)
{
	size_t size, golden_size;
	uint8_t *data = file_read(path, &size);
	uint8_t *expected = file_read(source_path(golden), &golden_size);

	assert_int_equal(size, golden_size);
	assert_memory_equal(data, expected, size);
	free(data);
	free(expected);
}

static void
golden_tree_packs_to_the_same_bytes_with_any_number_of_workers(void **state)
{
	(void)state;
	golden_tree_make("tree", 1);
	pack_normalised("tree", "one", 1);
	assert_same_bytes("one", "tests/golden/tree.pck");
	pack_normalised("tree", "four", 4);
	assert_same_bytes("four", "tests/golden/tree.pck");
}

static void
golden_tree_packs_to_the_same_bytes_in_any_order_of_directories(void **state)
{
	(void)state;
	for (uint64_t seed = 2; seed < 4; seed++) {
		golden_tree_make("tree", seed);
		pack_normalised("tree", "image", 2);
		assert_same_bytes("image", "tests/golden/tree.pck");
		scratch_clear();
	}
}

static void
golden_rich_image_is_written_with_the_same_bytes(void **state)
{
	int fd = open("image", O_RDWR | O_CREAT, 0644);

	(void)state;
	sample_write_rich(fd, IMAGE_WITH_BLOCKS);
	close(fd);
	assert_same_bytes("image", "tests/golden/rich.pck");
}

static struct image *
open_golden(const char *golden)
{
	struct image *image;

	assert_int_equal(image_open(source_path(golden), &image), 0);
	assert_int_equal(verify_image(&(struct verify_params){
				 .image = image, .worker_count = 2 }),
			 0);
	return image;
}

static void
no_difference(void *context, const char *path, size_t path_size, unsigned what)
{
	(void)context;
	fail_msg("%.*s differs: %x", (int)path_size, path, what);
}

static void
unpack_golden(struct image *image, const char *to)
{
	struct unpack_params params = { .image = image,
					.path = to,
					.worker_count = 2 };
	struct unpack_result result;
	struct check_params check = { .image = image,
				      .path = to,
				      .worker_count = 2,
				      .differs = no_difference };
	struct check_result check_result;

	assert_int_equal(unpack(&params, &result), 0);
	assert_int_equal(check_tree(&check, &check_result), 0);
}

/* What was packed long ago, on whatever machine, is still that tree. */
static void
golden_tree_image_unpacks_to_the_tree(void **state)
{
	struct image *image = open_golden("tests/golden/tree.pck");

	(void)state;
	golden_tree_make("tree", 5);
	unpack_golden(image, "out");
	assert_same_trees("tree", "out");
	image_close(image);
}

static void
golden_rich_image_unpacks(void **state)
{
	struct image *image = open_golden("tests/golden/rich.pck");
	uint8_t noise[1000], text[1000];
	size_t size;
	uint8_t *data;

	(void)state;
	unpack_golden(image, "out");
	image_close(image);
	fill_random(noise, sizeof noise, 2);
	fill_text(text, sizeof text, 1);
	data = file_read("out/larger", &size);
	assert_int_equal(size, 700);
	assert_memory_equal(data, noise, 250);
	assert_memory_equal(data + 250, text + 250, 450);
	free(data);
	data = file_read("out/dir.d/a", &size);
	assert_int_equal(size, 60);
	assert_memory_equal(data, text, 60);
	free(data);
	data = file_read("out/large sparse", &size);
	assert_int_equal(size, 1 << 20);
	assert_memory_equal(data + 100000, noise, 10);
	assert_memory_equal(data + 300000, noise + 10, 190);
	assert_int_equal(data[100010], 0);
	free(data);
}

static void
golden_files_have_the_digests_that_are_written_down(void **state)
{
	static const char *const names[][2] = {
		{ "tests/golden/tree.pck", "golden-tree" },
		{ "tests/golden/rich.pck", "image-rich" },
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		size_t size;
		uint8_t *data = file_read(source_path(names[i][0]), &size);
		struct digest digest;

		digest_of(data, size, &digest);
		assert_golden(names[i][1], &digest);
		free(data);
	}
}

/* Not a test: `golden_test --write`, in the top of the source tree. */
static void
write_golden(void **state)
{
	int fd = open(source_path("tests/golden/rich.pck"),
		      O_RDWR | O_CREAT | O_TRUNC, 0644);

	(void)state;
	sample_write_rich(fd, IMAGE_WITH_BLOCKS);
	close(fd);
	golden_tree_make("tree", 1);
	pack_normalised("tree", source_path("tests/golden/tree.pck"), 2);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		scratch_test(
			golden_tree_packs_to_the_same_bytes_with_any_number_of_workers),
		scratch_test(
			golden_tree_packs_to_the_same_bytes_in_any_order_of_directories),
		scratch_test(golden_rich_image_is_written_with_the_same_bytes),
		scratch_test(golden_tree_image_unpacks_to_the_tree),
		scratch_test(golden_rich_image_unpacks),
		scratch_test(
			golden_files_have_the_digests_that_are_written_down),
	};
	const struct CMUnitTest write[] = { scratch_test(write_golden) };

	if (argc == 2 && strcmp(argv[1], "--write") == 0)
		return cmocka_run_group_tests(write, scratch_setup,
					      scratch_teardown);
	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
