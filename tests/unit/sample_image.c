/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sample_image.h"

#include <string.h>

#include "core/base/bytes.h"
#include "core/image/xattrs.h"
#include "core/trust/trust.h"
#include "tests/unit/sample_key.h"
#include "tests/unit/support.h"

const struct cut_rule sample_rule = { 64, 128, 256 };

static struct sample
begin(int fd, enum image_kind kind, struct secret_key *key)
{
	struct image_params params = { .package_id = "LOC00000",
				       .version = 1,
				       .level = 3,
				       .rule = sample_rule,
				       .sign = key != NULL ? trust_sign_root
							   : NULL,
				       .sign_context = key };
	struct sample sample = { .encoder = frame_encoder_new(params.level),
				 .local = frame_encoder_new(19) };

	assert_non_null(sample.encoder);
	assert_non_null(sample.local);
	assert_int_equal(image_writer_new(fd, kind, &params, &sample.writer),
			 0);
	return sample;
}

struct sample
sample_new(int fd, enum image_kind kind)
{
	return begin(fd, kind, NULL);
}

void
sample_free(struct sample *sample)
{
	image_writer_free(sample->writer);
	frame_encoder_free(sample->encoder);
	frame_encoder_free(sample->local);
}

struct record
sample_record(enum record_type type, const char *path)
{
	static const uint8_t nothing[1];

	return (struct record){ .type = type,
				.mode = type == RECORD_DIR ? 0755 : 0644,
				.path = path,
				.path_size = (uint32_t)strlen(path),
				.mtime = 1,
				.user = "root",
				.group = "root",
				.target = "",
				.xattrs = nothing,
				.segments = nothing };
}

void
sample_add(struct sample *sample, const struct record *record)
{
	assert_int_equal(image_writer_add_record(sample->writer, record), 0);
}

void
sample_add_dir(struct sample *sample, const char *path)
{
	struct record record = sample_record(RECORD_DIR, path);

	sample_add(sample, &record);
}

void
sample_add_link(struct sample *sample, enum record_type type, const char *path,
		const char *target)
{
	struct record record = sample_record(type, path);

	record.mode = 0777;
	record.target = target;
	record.target_size = (uint32_t)strlen(target);
	sample_add(sample, &record);
}

void
sample_add_file(struct sample *sample, const char *path, const void *data,
		size_t size)
{
	struct record record = sample_record(RECORD_FILE, path);

	record.size = record.data_size = size;
	digest_of(data, size, &record.digest);
	sample_add(sample, &record);
}

static size_t
encode(struct frame_encoder *encoder, const void *data, size_t size,
       uint8_t *frame, size_t capacity, struct digest *ret_digest)
{
	size_t frame_size;

	assert_int_equal(frame_encode(encoder, data, size, NULL, 0, frame,
				      capacity, &frame_size),
			 0);
	digest_of(frame, frame_size, ret_digest);
	return frame_size;
}

void
sample_add_block(struct sample *sample, const void *data, size_t size,
		 bool is_local)
{
	uint8_t frame[1024];
	struct image_block block = { .frame = frame, .is_local = is_local };

	assert_true(frame_size_max(size) <= sizeof frame);
	block.block.raw_size = (uint32_t)size;
	digest_of(data, size, &block.block.name);
	block.frame_size = (uint32_t)encode(sample->encoder, data, size, frame,
					    sizeof frame, &block.frame_digest);
	if (is_local)
		block.frame_size = (uint32_t)encode(sample->local, data, size,
						    frame, sizeof frame,
						    &block.local_digest);
	assert_false(digest_equal(&block.frame_digest, &block.local_digest));
	assert_int_equal(image_writer_add_block(sample->writer, &block), 0);
}

void
sample_end_page(struct sample *sample)
{
	assert_int_equal(image_writer_end_page(sample->writer), 0);
}

void
sample_finish(struct sample *sample, struct digest *ret_root_digest)
{
	assert_int_equal(
		image_writer_finish(sample->writer, ret_root_digest, NULL), 0);
}

static void
write_small(int fd, struct secret_key *key)
{
	struct sample sample = begin(fd, IMAGE_WITH_BLOCKS, key);
	struct digest digest;

	sample_add_dir(&sample, "");
	sample_add_file(&sample, "a", "0123456789", 10);
	sample_add_block(&sample, "0123456789", 10, false);
	sample_add_link(&sample, RECORD_SYMLINK, "b", "a");
	sample_finish(&sample, &digest);
	sample_free(&sample);
}

void
sample_write_small(int fd)
{
	write_small(fd, NULL);
}

void
sample_write_signed(int fd)
{
	struct secret_key key = sample_key();

	write_small(fd, &key);
}

static void
add_attributes(struct sample *sample, const void *data)
{
	struct record r = sample_record(RECORD_FILE, "dir/with attributes");
	struct buffer xattrs = { 0 };

	xattrs_add(&xattrs, "user.DOSATTRIB", "0x20", 4);
	xattrs_add(&xattrs, "user.empty", "", 0);
	r.xattrs = xattrs.data;
	r.xattrs_size = (uint32_t)xattrs.size;
	r.mode = 04711;
	r.uid = 1000;
	r.gid = 2000;
	r.user = "";
	r.group = "staff";
	r.mtime = -1234567890123456789;
	r.size = r.data_size = 30;
	digest_of(data, 30, &r.digest);
	sample_add(sample, &r);
	buffer_release(&xattrs);
}

static void
add_sparse(struct sample *sample, const char *path, const void *data,
	   size_t size)
{
	struct record r = sample_record(RECORD_FILE, path);
	uint8_t segments[2 * RECORD_SEGMENT_SIZE];

	le64_put(segments, 100000);
	le64_put(segments + 8, 10);
	le64_put(segments + 16, 300000);
	le64_put(segments + 24, size - 10);
	r.is_sparse = true;
	r.segments = segments;
	r.segment_count = 2;
	r.size = 1 << 20;
	r.data_size = size;
	digest_of(data, size, &r.digest);
	sample_add(sample, &r);
}

void
sample_write_rich(int fd, enum image_kind kind)
{
	struct sample sample = sample_new(fd, kind);
	struct record r;
	struct digest digest;
	uint8_t text[1000], noise[1000];

	fill_text(text, sizeof text, 1);
	fill_random(noise, sizeof noise, 2);

	/* A group of three files in one block, and links around. */
	sample_add_dir(&sample, "");
	sample_add_dir(&sample, "dir");
	sample_add_file(&sample, "dir/a", text, 60);
	sample_add_file(&sample, "dir/b", text + 60, 50);
	sample_add_file(&sample, "dir/empty", "", 0);
	sample_add_link(&sample, RECORD_SYMLINK, "dir/link", "/nowhere/\xff\n");
	add_attributes(&sample, text + 110);
	sample_add_block(&sample, text, 140, false);
	sample_add_dir(&sample, "dir.d");
	sample_add_link(&sample, RECORD_HARDLINK, "dir.d/a", "dir/a");
	sample_end_page(&sample);

	/* Large: three blocks of its own, one of them encoded here. */
	r = sample_record(RECORD_FILE, "large");
	r.size = r.data_size = 600;
	sample_add(&sample, &r);
	sample_add_block(&sample, noise, 200, false);
	sample_add_block(&sample, text, 256, true);
	sample_add_block(&sample, noise + 200, 144, false);
	add_sparse(&sample, "large sparse", noise, 200);
	sample_add_block(&sample, noise, 128, false);
	sample_add_block(&sample, noise + 128, 72, false);

	/* So large that its blocks go on behind the page; digest zero. */
	r = sample_record(RECORD_FILE, "larger");
	r.size = r.data_size = 700;
	sample_add(&sample, &r);
	sample_add_block(&sample, noise, 250, false);
	sample_end_page(&sample);
	sample_add_block(&sample, text + 250, 250, true);
	sample_end_page(&sample);
	sample_add_block(&sample, text + 500, 200, true);

	add_sparse(&sample, "sparse", noise, 90);
	sample_add_block(&sample, noise, 90, false);
	r = sample_record(RECORD_FILE, "sparse without data");
	r.is_sparse = true;
	r.size = INT64_C(1) << 40;
	sample_add(&sample, &r);
	sample_finish(&sample, &digest);
	sample_free(&sample);
}
