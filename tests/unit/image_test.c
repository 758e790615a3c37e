/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/image.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zstd.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/image/walk.h"
#include "core/tree/verify.h"
#include "platform/pf_fault.h"
#include "tests/unit/sample_image.h"
#include "tests/unit/support.h"

static struct image *
open_image(const char *path)
{
	struct image *image;

	reports_clear();
	assert_int_equal(image_open(path, &image), 0);
	return image;
}

static int
verify(struct image *image, unsigned worker_count)
{
	return verify_image(&(struct verify_params){
		.image = image, .worker_count = worker_count });
}

/* Open and verify: 0 only when every byte is as it should be. */
static int
prove(int fd)
{
	struct image *image;
	int copy = dup(fd);
	int err;

	reports_clear();
	assert_true(copy >= 0);
	err = image_open_fd(copy, "image", &image);
	if (err == 0) {
		err = verify(image, 1);
		image_close(image);
	}
	/* Who finds it says so, once. */
	assert_int_equal(reports_errors(), err < 0 ? 1 : 0);
	if (err < 0)
		assert_int_equal(reports_last_err(), err);
	return err;
}

static void
write_small(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);

	sample_write_small(fd);
	close(fd);
}

static void
write_signed(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);

	sample_write_signed(fd);
	close(fd);
}

static void
write_rich(const char *path, enum image_kind kind)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);

	sample_write_rich(fd, kind);
	close(fd);
}

static void
image_small_comes_back_as_it_was_written(void **state)
{
	struct image *image;
	struct walk *walk;
	enum walk_step step;
	const struct walk_view *view;
	uint8_t frame[100];

	(void)state;
	write_small("small");
	image = open_image("small");
	assert_string_equal(image_name(image), "small");
	assert_int_equal(image_kind(image), IMAGE_WITH_BLOCKS);
	assert_string_equal(image_root(image)->package_id, "LOC00000");
	assert_int_equal(image_root(image)->version, 1);
	assert_int_equal(image_root(image)->level, 3);
	assert_int_equal(image_root(image)->record_count, 3);
	assert_int_equal(image_root(image)->file_bytes, 10);
	assert_int_equal(walk_new(image, &walk), 0);
	view = walk_view(walk);
	assert_int_equal(walk_next(walk, &step), 0);
	assert_int_equal(step, WALK_RECORD);
	assert_int_equal(view->record.type, RECORD_DIR);
	assert_string_equal(view->record.path, "");
	assert_int_equal(view->ordinal, 0);
	assert_int_equal(walk_next(walk, &step), 0);
	assert_int_equal(step, WALK_RECORD);
	assert_int_equal(view->record.type, RECORD_FILE);
	assert_string_equal(view->record.path, "a");
	assert_string_equal(view->record.user, "root");
	assert_int_equal(view->record.size, 10);
	assert_int_equal(view->ordinal, 1);
	assert_int_equal(walk_next(walk, &step), 0);
	assert_int_equal(step, WALK_BLOCK);
	assert_int_equal(view->block.raw_size, 10);
	assert_false(view->is_part);
	assert_false(view->frame.is_local);
	assert_int_equal(view->frame.offset, IMAGE_HEADER_SIZE);
	assert_true(view->frame.size <= sizeof frame);
	assert_int_equal(image_read_frame(image, &view->frame, frame), 0);
	assert_int_equal(walk_next(walk, &step), 0);
	assert_int_equal(step, WALK_RECORD);
	assert_string_equal(view->record.target, "a");
	assert_int_equal(view->ordinal, 2);
	assert_int_equal(walk_next(walk, &step), 0);
	assert_int_equal(step, WALK_PAGE_END);
	assert_int_equal(walk_next(walk, &step), 0);
	assert_int_equal(step, WALK_END);
	walk_free(walk);
	image_close(image);
	image_close(NULL);
	walk_free(NULL);
}

static void
image_rich_is_proved_with_any_number_of_workers(void **state)
{
	struct image *image;

	(void)state;
	write_rich("rich", IMAGE_WITH_BLOCKS);
	image = open_image("rich");
	for (unsigned workers = 1; workers <= 4; workers++)
		assert_int_equal(verify(image, workers), 0);
	image_close(image);
}

/* Copy what a walk meets into a new image: the same bytes, but for locals. */
static void
image_walk_meets_everything_that_was_written(void **state)
{
	static const char *const paths[] = {
		"",
		"dir",
		"dir/a",
		"dir/b",
		"dir/empty",
		"dir/link",
		"dir/with attributes",
		"dir.d",
		"dir.d/a",
		"large",
		"large sparse",
		"larger",
		"sparse",
		"sparse without data",
	};
	struct image *image;
	struct walk *walk;
	enum walk_step step = WALK_RECORD;
	size_t records = 0, blocks = 0, pages = 0, parts = 0, locals = 0;

	(void)state;
	write_rich("rich", IMAGE_WITH_BLOCKS);
	image = open_image("rich");
	assert_int_equal(walk_new(image, &walk), 0);
	while (step != WALK_END) {
		const struct walk_view *view = walk_view(walk);

		assert_int_equal(walk_next(walk, &step), 0);
		if (step == WALK_RECORD)
			assert_string_equal(view->record.path,
					    paths[records++]);
		if (step == WALK_BLOCK) {
			blocks++;
			parts += view->is_part;
			locals += view->frame.is_local;
			assert_int_equal(view->frame.is_local,
					 !digest_equal(&view->frame.publisher,
						       &view->frame.stored));
			/* The record a part is of outlives its page. */
			if (blocks >= 7 && blocks <= 9)
				assert_string_equal(view->record.path,
						    "larger");
		}
		pages += step == WALK_PAGE_END;
	}
	assert_int_equal(records, sizeof paths / sizeof *paths);
	assert_int_equal(blocks, 10);
	assert_int_equal(parts, 8);
	assert_int_equal(locals, 3);
	assert_int_equal(pages, 4);
	walk_free(walk);
	image_close(image);
}

static void
image_manifest_file_has_the_root_of_its_image(void **state)
{
	struct image *image, *manifest;
	struct walk *walk;
	enum walk_step step = WALK_RECORD;

	(void)state;
	write_rich("rich", IMAGE_WITH_BLOCKS);
	write_rich("rich.manifest", IMAGE_MANIFEST);
	image = open_image("rich");
	manifest = open_image("rich.manifest");
	assert_int_equal(image_kind(manifest), IMAGE_MANIFEST);
	assert_true(digest_equal(image_root_digest(image),
				 image_root_digest(manifest)));
	assert_int_equal(image_root_raw(image)->size,
			 image_root_raw(manifest)->size);
	assert_true(image_size(manifest) < image_size(image));
	assert_int_equal(walk_new(manifest, &walk), 0);
	while (step != WALK_END)
		assert_int_equal(walk_next(walk, &step), 0);
	walk_free(walk);

	/* There are no blocks to verify. */
	assert_int_equal(verify(manifest, 1), DSP_EFORMAT);
	image_close(manifest);
	image_close(image);
}

/* `zstd -dc` skips what is skippable and writes the data of all files. */
static void
image_is_a_zstd_file_of_all_data(void **state)
{
	uint8_t text[1000], noise[1000], expected[3000], out[3000];
	size_t size, n = 0;
	uint8_t *image;
	size_t result;

	(void)state;
	write_rich("rich", IMAGE_WITH_BLOCKS);
	image = file_read("rich", &size);
	fill_text(text, sizeof text, 1);
	fill_random(noise, sizeof noise, 2);
	memcpy(expected, text, 140), n = 140;
	memcpy(expected + n, noise, 200), n += 200;
	memcpy(expected + n, text, 256), n += 256;
	memcpy(expected + n, noise + 200, 144), n += 144;
	memcpy(expected + n, noise, 200), n += 200;
	memcpy(expected + n, noise, 250), n += 250;
	memcpy(expected + n, text + 250, 450), n += 450;
	memcpy(expected + n, noise, 90), n += 90;
	result = ZSTD_decompress(out, sizeof out, image, size);
	assert_false(ZSTD_isError(result));
	assert_int_equal(result, n);
	assert_memory_equal(out, expected, n);
	free(image);
}

/* Put bytes into a file of their own; fd is open on it. */
static int
file_of(const uint8_t *data, size_t size)
{
	int fd = temp_fd();

	assert_int_equal(pwrite(fd, data, size, 0), (ssize_t)size);
	return fd;
}

static void
flip(int fd, uint8_t *data, size_t bit)
{
	data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	assert_int_equal(pwrite(fd, data + bit / 8, 1, (off_t)(bit / 8)), 1);
}

/* Every single bit from byte `start` on is tried, and found. */
static void
flip_all(const char *path, size_t start)
{
	size_t size;
	uint8_t *data = file_read(path, &size);
	int fd = file_of(data, size);

	assert_int_equal(prove(fd), 0);
	assert_true(start < size);
	for (size_t bit = start * 8; bit < size * 8; bit++) {
		int err;

		flip(fd, data, bit);
		err = prove(fd);
		if (err != DSP_ECORRUPT && err != DSP_ETRUNCATED &&
		    err != DSP_EFORMAT && err != DSP_EVERSION)
			fail_msg("bit %zu of byte %zu: %d", bit % 8, bit / 8,
				 err);
		flip(fd, data, bit);
	}
	assert_int_equal(prove(fd), 0);
	close(fd);
	free(data);
}

/* The demand. */
static void
image_with_any_single_bit_flipped_is_found(void **state)
{
	(void)state;
	write_small("small");
	flip_all("small", 0);
}

/* What stands before the signature is that of the small image. */
static void
image_signed_with_any_single_bit_flipped_is_found(void **state)
{
	struct image *image;
	size_t start;

	(void)state;
	write_signed("signed");
	image = open_image("signed");
	assert_true(image_signature(image)->size > 0);
	start = (size_t)image_size(image) - IMAGE_TRAILER_SIZE -
		IMAGE_SKIP_SIZE - image_signature(image)->size;
	image_close(image);
	flip_all("signed", start);
}

/* A signature is beside the root, not in it: the name stays. */
static void
image_signed_differs_in_signature_and_trailer_only(void **state)
{
	struct image *plain, *image, *manifest;
	size_t size, more;
	uint8_t *a, *b;
	int fd = open("manifest", O_RDWR | O_CREAT | O_TRUNC, 0644);

	(void)state;
	write_small("small");
	write_signed("signed");
	plain = open_image("small");
	image = open_image("signed");
	assert_int_equal(image_signature(plain)->size, 0);
	assert_true(digest_equal(image_root_digest(plain),
				 image_root_digest(image)));
	a = file_read("small", &size);
	b = file_read("signed", &more);
	assert_int_equal(more,
			 size + IMAGE_SKIP_SIZE + image_signature(image)->size);
	assert_memory_equal(a, b, size - IMAGE_TRAILER_SIZE);
	assert_int_equal(verify(image, 2), 0);

	/* A distribution point keeps it. */
	assert_int_equal(image_write_manifest(image, fd), 0);
	close(fd);
	manifest = open_image("manifest");
	assert_int_equal(image_signature(manifest)->size,
			 image_signature(image)->size);
	assert_memory_equal(image_signature(manifest)->data,
			    image_signature(image)->data,
			    image_signature(image)->size);
	image_close(manifest);
	image_close(image);
	image_close(plain);
	free(a);
	free(b);
}

/* The size of a signature has a limit; an error of who signs ends it all. */
static int
sign_as_told(void *context, const struct buffer *root,
	     struct buffer *ret_signature)
{
	size_t size = *(size_t *)context;
	int err = size > 0 ? buffer_reserve(ret_signature, size) : DSP_ENOMEM;

	assert_true(root->size > 0);
	if (err == 0) {
		memset(ret_signature->data, 's', size);
		ret_signature->size = size;
	}
	return err;
}

static int
write_as_told(size_t size, int *ret_fd)
{
	struct image_params params = { .package_id = "LOC00000",
				       .version = 1,
				       .level = 3,
				       .rule = sample_rule,
				       .sign = sign_as_told,
				       .sign_context = &size };
	struct record record = sample_record(RECORD_DIR, "");
	struct image_writer *writer;
	struct digest digest;
	int err;

	*ret_fd = temp_fd();
	assert_int_equal(image_writer_new(*ret_fd, IMAGE_WITH_BLOCKS, &params,
					  &writer),
			 0);
	assert_int_equal(image_writer_add_record(writer, &record), 0);
	err = image_writer_finish(writer, &digest, NULL);
	image_writer_free(writer);
	return err;
}

static void
image_signature_has_a_limit(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(write_as_told(1, &fd), 0);
	assert_int_equal(prove(fd), 0);
	close(fd);
	assert_int_equal(write_as_told(IMAGE_SIGNATURE_MAX, &fd), 0);
	assert_int_equal(prove(fd), 0);
	close(fd);
	assert_int_equal(write_as_told(IMAGE_SIGNATURE_MAX + 1, &fd),
			 DSP_ELIMIT);
	close(fd);
	assert_int_equal(write_as_told(0, &fd), DSP_ENOMEM);
	assert_true(prove(fd) < 0);
	close(fd);
}

/* Of the larger one, one bit of every byte, another one each time. */
static void
image_rich_with_a_bit_of_any_byte_flipped_is_found(void **state)
{
	size_t size;
	uint8_t *data;
	int fd;

	(void)state;
	write_rich("rich", IMAGE_WITH_BLOCKS);
	data = file_read("rich", &size);
	fd = file_of(data, size);
	for (size_t i = 0; i < size; i++) {
		size_t bit = i * 8 + i % 8;

		flip(fd, data, bit);
		if (prove(fd) == 0)
			fail_msg("byte %zu of %zu", i, size);
		flip(fd, data, bit);
	}
	close(fd);
	free(data);
}

static int
walk_all(int fd)
{
	struct image *image;
	struct walk *walk;
	enum walk_step step = WALK_RECORD;
	int err = image_open_fd(dup(fd), "manifest", &image);

	if (err < 0)
		return err;
	assert_int_equal(walk_new(image, &walk), 0);
	while (err == 0 && step != WALK_END)
		err = walk_next(walk, &step);
	walk_free(walk);
	image_close(image);
	return err;
}

/* A distribution point's manifest is proved by walking through it. */
static void
image_manifest_with_a_bit_of_any_byte_flipped_is_found(void **state)
{
	size_t size;
	uint8_t *data;
	int fd;

	(void)state;
	write_rich("rich.manifest", IMAGE_MANIFEST);
	data = file_read("rich.manifest", &size);
	fd = file_of(data, size);
	assert_int_equal(walk_all(fd), 0);
	for (size_t i = 0; i < size; i++) {
		size_t bit = i * 8 + i % 8;

		flip(fd, data, bit);
		if (walk_all(fd) == 0)
			fail_msg("byte %zu of %zu", i, size);
		flip(fd, data, bit);
	}
	close(fd);
	free(data);
}

static void
image_truncated_anywhere_is_an_error(void **state)
{
	size_t size;
	uint8_t *data;
	int fd;

	(void)state;
	write_rich("rich", IMAGE_WITH_BLOCKS);
	data = file_read("rich", &size);
	fd = file_of(data, size);
	while (size-- > 0) {
		int err;

		assert_int_equal(ftruncate(fd, (off_t)size), 0);
		err = prove(fd);
		assert_true(err == (size < 16 ? DSP_EFORMAT : DSP_ETRUNCATED) ||
			    err == DSP_ECORRUPT);
	}
	close(fd);
	free(data);
}

static void
image_with_a_hole_cut_out_is_an_error(void **state)
{
	size_t size;
	uint8_t *data;

	(void)state;
	write_small("small");
	data = file_read("small", &size);
	for (size_t at = 0; at < size; at++) {
		uint8_t *shorter = must_malloc(size);
		int fd;

		memcpy(shorter, data, at);
		memcpy(shorter + at, data + at + 1, size - at - 1);
		fd = file_of(shorter, size - 1);
		assert_true(prove(fd) < 0);
		close(fd);
		free(shorter);
	}
	free(data);
}

static void
image_with_something_behind_it_is_an_error(void **state)
{
	size_t size;
	uint8_t *data;
	int fd;

	(void)state;
	write_small("small");
	data = file_read("small", &size);
	fd = file_of(data, size);
	for (size_t more = 1; more < 200; more++) {
		assert_int_equal(pwrite(fd, data, 1, (off_t)(size + more - 1)),
				 1);
		assert_true(prove(fd) < 0);
	}
	close(fd);
	free(data);
}

static void
image_of_another_kind_of_file_is_eformat(void **state)
{
	static const char *const texts[] = { "", "x", "#!/bin/sh\nexit 0\n",
					     "DSPLPACK DSPLPACK DSPLPACK "
					     "DSPLPACK DSPLPACK DSPLPACK" };

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		int fd = file_of((const uint8_t *)texts[i], strlen(texts[i]));

		assert_int_equal(prove(fd), DSP_EFORMAT);
		close(fd);
	}
	write_small("small");
	{
		size_t size;
		uint8_t *data = file_read("small", &size);
		int fd = file_of(data + 32, size - 32);

		assert_int_equal(prove(fd), DSP_EFORMAT);
		close(fd);
		free(data);
	}
}

/* Replace the root by another one, digests and all: a newer program's. */
static void
set_root_format(uint8_t *data, size_t size, unsigned format)
{
	uint8_t *trailer = data + size - IMAGE_TRAILER_SIZE;
	size_t directory = (size_t)le64_get(trailer + 16) + IMAGE_SKIP_SIZE;
	size_t root = (size_t)le64_get(trailer + 24) + IMAGE_SKIP_SIZE;
	size_t root_size = le32_get(trailer + 32);
	struct digest_sum *sum = digest_sum_new();
	struct digest digest;

	le16_put(data + root + 8, (uint16_t)format);
	digest_of(data + root, root_size, &digest);
	memcpy(trailer + 48, digest.bytes, DIGEST_SIZE);
	digest_sum_add(sum, data + directory,
		       root - IMAGE_SKIP_SIZE - directory);
	digest_sum_add(sum, data + root, root_size);
	digest_sum_get(sum, &digest);
	memcpy(trailer + 80, digest.bytes, DIGEST_SIZE);
	digest_sum_free(sum);
}

static void
image_of_a_future_version_is_eversion(void **state)
{
	size_t size;
	uint8_t *data;
	int fd;

	(void)state;
	write_small("small");
	data = file_read("small", &size);
	for (uint32_t format = 2; format != 0; format <<= 1) {
		le32_put(data + 16, format);
		fd = file_of(data, size);
		assert_int_equal(prove(fd), DSP_EVERSION);
		close(fd);
	}
	le32_put(data + 16, IMAGE_FORMAT);
	set_root_format(data, size, 1);
	fd = file_of(data, size);
	assert_int_equal(prove(fd), 0);
	close(fd);
	set_root_format(data, size, 2);
	fd = file_of(data, size);
	assert_int_equal(prove(fd), DSP_EVERSION);
	close(fd);
	free(data);
}

/* Offsets and sizes of the trailer that lie, whatever else is true. */
static void
image_with_a_trailer_that_lies_is_an_error(void **state)
{
	static const uint64_t values[] = { 0,
					   1,
					   8,
					   31,
					   32,
					   40,
					   0x7fffffff,
					   0x80000000,
					   0xffffffff,
					   0x100000000,
					   INT64_MAX,
					   UINT64_MAX,
					   UINT64_MAX - 7,
					   UINT64_MAX - 8 };
	size_t size;
	uint8_t *data, *trailer;

	(void)state;
	write_rich("rich", IMAGE_WITH_BLOCKS);
	data = file_read("rich", &size);
	trailer = data + size - IMAGE_TRAILER_SIZE;
	for (size_t at = 16; at < 48; at += 8) {
		uint64_t right = le64_get(trailer + at);

		for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
			int fd;

			le64_put(trailer + at, values[i]);
			fd = file_of(data, size);
			assert_int_equal(prove(fd) < 0, values[i] != right);
			close(fd);
		}
		for (uint64_t delta = 1; delta < 60; delta++) {
			int fd;

			le64_put(trailer + at, right + delta);
			fd = file_of(data, size);
			assert_true(prove(fd) < 0);
			close(fd);
			le64_put(trailer + at, right - delta);
			fd = file_of(data, size);
			assert_true(prove(fd) < 0);
			close(fd);
		}
		le64_put(trailer + at, right);
	}
	free(data);
}

static void
image_that_is_no_file_is_an_error(void **state)
{
	struct image *image;

	(void)state;
	reports_clear();
	assert_int_equal(image_open("absent", &image), DSP_ENOENT);
	assert_int_equal(image_open(".", &image), DSP_EISDIR);
	assert_int_equal(reports_errors(), 2);
}

/* Every read that fails is an error, and nothing is left open. */
static void
image_under_any_failing_call_is_an_error(void **state)
{
	unsigned fds = open_fd_count();
	bool fired = true;

	(void)state;
	write_rich("rich", IMAGE_WITH_BLOCKS);
	for (unsigned call = 1; fired; call++) {
		struct image *image;
		int err;

		reports_clear();
		pf_fault_set(call, DSP_EIO);
		err = image_open("rich", &image);
		if (err == 0) {
			err = verify(image, 2);
			image_close(image);
		}
		fired = pf_fault_clear();
		assert_int_equal(err, fired ? DSP_EIO : 0);
		assert_int_equal(reports_errors() > 0, fired);
		assert_int_equal(open_fd_count(), fds);
	}
}

/* Every write that fails is an error. */
static void
image_writer_under_any_failing_write_is_an_error(void **state)
{
	bool fired = true;

	(void)state;
	for (unsigned call = 1; fired; call++) {
		struct image_params params = { .package_id = "LOC00000",
					       .version = 1,
					       .level = 3,
					       .rule = sample_rule };
		struct image_writer *writer = NULL;
		struct record record = sample_record(RECORD_DIR, "");
		struct digest digest;
		int fd = temp_fd();
		int err;

		pf_fault_set(call, DSP_ENOSPC);
		err = image_writer_new(fd, IMAGE_WITH_BLOCKS, &params, &writer);
		if (err == 0)
			err = image_writer_add_record(writer, &record);
		if (err == 0)
			err = image_writer_finish(writer, &digest, NULL);
		fired = pf_fault_clear();
		assert_int_equal(err, fired ? DSP_ENOSPC : 0);
		if (err == 0)
			assert_int_equal(prove(fd), 0);
		if (err == 0 || writer != NULL)
			image_writer_free(writer);
		close(fd);
	}
	image_writer_free(NULL);
}

static void
assert_file_golden(const char *path, const char *name)
{
	size_t size;
	uint8_t *data = file_read(path, &size);
	struct digest digest;

	digest_of(data, size, &digest);
	assert_golden(name, &digest);
	free(data);
}

static void
image_bytes_are_the_same_on_every_target(void **state)
{
	(void)state;
	write_small("small");
	assert_file_golden("small", "image-small");
	write_rich("rich", IMAGE_WITH_BLOCKS);
	assert_file_golden("rich", "image-rich");
	write_rich("rich.manifest", IMAGE_MANIFEST);
	assert_file_golden("rich.manifest", "image-manifest");
	write_signed("signed");
	assert_file_golden("signed", "image-signed");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(image_small_comes_back_as_it_was_written),
		cmocka_unit_test(
			image_rich_is_proved_with_any_number_of_workers),
		cmocka_unit_test(image_walk_meets_everything_that_was_written),
		cmocka_unit_test(image_manifest_file_has_the_root_of_its_image),
		cmocka_unit_test(image_is_a_zstd_file_of_all_data),
		cmocka_unit_test(image_with_any_single_bit_flipped_is_found),
		cmocka_unit_test(
			image_signed_with_any_single_bit_flipped_is_found),
		cmocka_unit_test(
			image_signed_differs_in_signature_and_trailer_only),
		cmocka_unit_test(image_signature_has_a_limit),
		cmocka_unit_test(
			image_rich_with_a_bit_of_any_byte_flipped_is_found),
		cmocka_unit_test(
			image_manifest_with_a_bit_of_any_byte_flipped_is_found),
		cmocka_unit_test(image_truncated_anywhere_is_an_error),
		cmocka_unit_test(image_with_a_hole_cut_out_is_an_error),
		cmocka_unit_test(image_with_something_behind_it_is_an_error),
		cmocka_unit_test(image_of_another_kind_of_file_is_eformat),
		cmocka_unit_test(image_of_a_future_version_is_eversion),
		cmocka_unit_test(image_with_a_trailer_that_lies_is_an_error),
		cmocka_unit_test(image_that_is_no_file_is_an_error),
		cmocka_unit_test(image_under_any_failing_call_is_an_error),
		cmocka_unit_test(
			image_writer_under_any_failing_write_is_an_error),
		cmocka_unit_test(image_bytes_are_the_same_on_every_target),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
