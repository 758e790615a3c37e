/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINK_SAMPLE_H
#define LINK_SAMPLE_H

/*
 * link_sample - two versions of a small package, for what goes over a link.
 *
 * tests/golden/link-old.pck and link-new.pck were made by it.  The new version
 * has blocks that the old one has, blocks that are a little different, blocks
 * that are new, a local frame, pages equal to old ones, a page without blocks,
 * and a file whose path says its version.
 */

#include "core/chunk/frame.h"
#include "core/image/image_writer.h"
#include "tests/fuzz/fuzz.h"

enum { LINK_BLOCK = 2000 };

struct link_sample {
	struct image_writer *writer;
	struct frame_encoder *encoder, *local;
};

/* Words; `edits` of the bytes are others. */
static inline void
link_fill(uint8_t *data, size_t size, uint32_t seed, size_t edits)
{
	static const char *const words[] = { "the ",	 "stream ", "of ",
					     "blocks\n", "a ",	    "site ",
					     "sends ",	 "never " };
	size_t at = 0;

	while (at < size) {
		const char *word;

		seed = seed * 1103515245 + 12345;
		for (word = words[seed >> 16 & 7]; *word != '\0' && at < size;)
			data[at++] = (uint8_t)*word++;
	}
	for (size_t i = 0; i < edits; i++)
		data[(i * 389 + 17) % size] = (uint8_t)('A' + i % 26);
}

static inline void
link_add(struct link_sample *sample, enum record_type type, const char *path,
	 const void *data, size_t size)
{
	struct record record = { .type = type,
				 .mode = type == RECORD_DIR ? 0755 : 0644,
				 .path = path,
				 .path_size = (uint32_t)strlen(path),
				 .mtime = 1000000000,
				 .user = "root",
				 .group = "root",
				 .target = "",
				 .xattrs = (const uint8_t *)"",
				 .segments = (const uint8_t *)"",
				 .size = size,
				 .data_size = size };

	if (size > 0)
		digest_of(data, size, &record.digest);
	must(image_writer_add_record(sample->writer, &record) == 0);
}

static inline void
link_add_block(struct link_sample *sample, const uint8_t *data, size_t size,
	       bool is_local)
{
	uint8_t frames[2][2 * LINK_BLOCK];
	struct image_block block = { .frame = frames[is_local],
				     .is_local = is_local };
	size_t frame_size;

	block.block.raw_size = (uint32_t)size;
	digest_of(data, size, &block.block.name);
	must(frame_encode(sample->encoder, data, size, NULL, 0, frames[0],
			  sizeof frames[0], &frame_size) == 0);
	digest_of(frames[0], frame_size, &block.frame_digest);
	if (is_local) {
		must(frame_encode(sample->local, data, size, NULL, 0, frames[1],
				  sizeof frames[1], &frame_size) == 0);
		digest_of(frames[1], frame_size, &block.local_digest);
		must(!digest_equal(&block.frame_digest, &block.local_digest));
	}
	block.frame_size = (uint32_t)frame_size;
	must(image_writer_add_block(sample->writer, &block) == 0);
}

/* A small file and its block. */
static inline void
link_add_file(struct link_sample *sample, const char *path, uint32_t seed,
	      size_t edits)
{
	uint8_t data[LINK_BLOCK];

	link_fill(data, sizeof data, seed, edits);
	link_add(sample, RECORD_FILE, path, data, sizeof data);
	link_add_block(sample, data, sizeof data, false);
}

/* A large file of four blocks, one of them local. */
static inline void
link_add_large(struct link_sample *sample, const char *path, bool is_new)
{
	uint8_t data[4 * LINK_BLOCK];

	for (size_t i = 0; i < 4; i++)
		link_fill(data + i * LINK_BLOCK, LINK_BLOCK,
			  (uint32_t)(100 + i + (is_new && i == 3 ? 50 : 0)),
			  is_new && i == 1 ? 20 : 0);
	link_add(sample, RECORD_FILE, path, data, sizeof data);
	for (size_t i = 0; i < 4; i++)
		link_add_block(sample, data + i * LINK_BLOCK, LINK_BLOCK,
			       is_new && i == 3);
}

static inline void
link_write(int fd, bool is_new)
{
	struct image_params params = { .package_id = "LOC00000",
				       .version = is_new ? 2 : 1,
				       .level = 3,
				       .rule = { 512, 1024, 4000 } };
	struct link_sample sample = { .encoder = frame_encoder_new(3),
				      .local = frame_encoder_new(9) };
	struct digest digest;

	must(sample.encoder != NULL && sample.local != NULL);
	must(image_writer_new(fd, IMAGE_WITH_BLOCKS, &params, &sample.writer) ==
	     0);
	link_add(&sample, RECORD_DIR, "", NULL, 0);
	link_add(&sample, RECORD_DIR, "a", NULL, 0);
	link_add_file(&sample, "a/same", 1, 0);
	link_add_file(&sample, "a/same too", 2, 0);
	must(image_writer_end_page(sample.writer) == 0);
	link_add_file(&sample, "b", 3, is_new ? 10 : 0);
	if (is_new)
		link_add_file(&sample, "c, new", 4, 0);
	must(image_writer_end_page(sample.writer) == 0);
	link_add(&sample, RECORD_DIR, "d", NULL, 0);
	must(image_writer_end_page(sample.writer) == 0);
	link_add_large(&sample, is_new ? "lib-1.1.so" : "lib-1.0.so", is_new);
	link_add_file(&sample, "z", 5, 0);
	must(image_writer_finish(sample.writer, &digest, NULL) == 0);
	image_writer_free(sample.writer);
	frame_encoder_free(sample.encoder);
	frame_encoder_free(sample.local);
}

#endif
