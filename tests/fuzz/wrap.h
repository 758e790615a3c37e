/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WRAP_H
#define WRAP_H

/*
 * wrap - a whole image file around manifest pages of any bytes.
 *
 * Every digest, size and offset of the file is true, so that a reader gets
 * as far as the pages, which may hold anything.  Each block consists of zeros:
 * wrap_fix_page() gives the blocks and files of a page the names and digests
 * that go with it.
 *
 * For fuzz targets, which find nothing behind a digest by chance, and for unit
 * tests of what a hostile packer may write.  Memory that is not to be had
 * ends the program.
 */

#include <stdlib.h>
#include <string.h>

#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "core/base/digest.h"
#include "core/base/err.h"
#include "core/base/path.h"
#include "core/chunk/cut.h"
#include "core/chunk/frame.h"
#include "core/image/image_format.h"
#include "core/image/page.h"
#include "core/image/root.h"

enum {
	WRAP_PAGES_MAX = 16,
	WRAP_ZEROS_MAX = 1 << 16, /* bytes; larger blocks are not made */
	WRAP_BUDGET = 1 << 19	  /* bytes of blocks in one file */
};

struct wrap_page {
	const uint8_t *raw; /* borrowed */
	size_t raw_size;
};

struct wrap {
	enum image_kind kind;
	struct cut_rule rule;
	int level;
	struct wrap_page pages[WRAP_PAGES_MAX];
	uint32_t page_count;

	/* May change what the root says; NULL: it says the truth. */
	void (*edit)(struct root *root);
};

static const uint8_t wrap_zeros[WRAP_ZEROS_MAX];

static inline void
wrap_must(int err)
{
	if (err < 0)
		abort();
}

/* Blocks of 64 to 256 bytes, so that little input makes many of them. */
static inline struct wrap
wrap_new(void)
{
	return (struct wrap){ .kind = IMAGE_WITH_BLOCKS,
			      .rule = { 64, 128, 256 },
			      .level = 3 };
}

static inline void
wrap_add_page(struct wrap *wrap, const void *raw, size_t raw_size)
{
	if (wrap->page_count == WRAP_PAGES_MAX)
		abort();
	wrap->pages[wrap->page_count++] = (struct wrap_page){ raw, raw_size };
}

/* How large a block is really made for one that is said to be this large. */
static inline size_t
wrap_block_size(uint32_t raw_size, size_t *budget)
{
	size_t size = raw_size;

	if (size > WRAP_ZEROS_MAX || size > *budget)
		size = 1;
	*budget -= size < *budget ? size : *budget;
	return size;
}

/* The name of a block, or the digest of a file, of size zeros. */
static inline void
wrap_zeros_digest(uint64_t size, struct digest *ret_digest)
{
	static struct digest known[257];
	static bool is_known[257];

	if (size > WRAP_ZEROS_MAX)
		size = 1;
	if (size < 257 && is_known[size]) {
		*ret_digest = known[size];
		return;
	}
	digest_of(wrap_zeros, (size_t)size, ret_digest);
	if (size < 257) {
		known[size] = *ret_digest;
		is_known[size] = true;
	}
}

/* Consume the blocks of a large file; its digest is over their names. */
static inline void
wrap_large_digest(const struct page *page, uint32_t *block, uint64_t data_size,
		  struct digest *ret_digest)
{
	struct digest_sum *sum = digest_sum_new();

	if (sum == NULL)
		abort();
	while (data_size > 0 && *block < page->block_count) {
		struct block_ref ref = page_block(page, (*block)++);

		digest_sum_add(sum, ref.name.bytes, DIGEST_SIZE);
		data_size -= ref.raw_size < data_size ? ref.raw_size
						      : data_size;
	}
	*ret_digest = (struct digest){ { 0 } };
	if (data_size == 0)
		digest_sum_get(sum, ret_digest);
	digest_sum_free(sum);
}

/* Make names and digests of a page true; of a bad one, as far as it is read. */
static inline void
wrap_fix_page(const struct wrap *wrap, uint8_t *raw, size_t raw_size)
{
	static char path[PATH_SIZE_MAX + 1];
	struct page page;
	struct page_cursor cursor;
	struct record record;
	uint64_t group = 0;
	uint32_t block = 0;
	bool is_end = false;

	if (page_parse(raw, raw_size, &page) < 0)
		return;
	for (uint32_t i = 0; i < page.block_count; i++) {
		struct digest name;

		wrap_zeros_digest(page_block(&page, i).raw_size, &name);
		memcpy(raw + (page.block_names - raw) + (size_t)i * DIGEST_SIZE,
		       name.bytes, DIGEST_SIZE);
	}
	if (page_cursor_start(&cursor, &page, path) < 0)
		return;
	while (page_next(&cursor, &record, &is_end) == 0 && !is_end) {
		struct digest digest;

		if (!record_has_digest(&record))
			continue;
		if (record_is_large(&record, wrap->rule.average)) {
			wrap_large_digest(&page, &block, record.data_size,
					  &digest);
		} else {
			wrap_zeros_digest(record.data_size, &digest);
			group += record.data_size;
			if (block < page.block_count &&
			    group == page_block(&page, block).raw_size) {
				block++;
				group = 0;
			}
		}
		memcpy(raw + (page.digests - raw) +
			       (size_t)(cursor.digest_index - 1) * DIGEST_SIZE,
		       digest.bytes, DIGEST_SIZE);
	}
}

/* Count a page's records into the root, as far as they can be read. */
static inline void
wrap_count(const struct wrap_page *from, struct root *root)
{
	static char path[PATH_SIZE_MAX + 1];
	struct page page;
	struct page_cursor cursor;
	struct record record;
	bool is_end = false;

	if (page_parse(from->raw, from->raw_size, &page) < 0 ||
	    page_cursor_start(&cursor, &page, path) < 0)
		return;
	while (page_next(&cursor, &record, &is_end) == 0 && !is_end) {
		root->record_count++;
		switch (record.type) {
		case RECORD_DIR:
			root->dir_count++;
			break;
		case RECORD_FILE:
			root->file_count++;
			root->file_bytes += record.size;
			root->data_bytes += record.data_size;
			break;
		case RECORD_SYMLINK:
			root->symlink_count++;
			break;
		case RECORD_HARDLINK:
			root->hardlink_count++;
			break;
		}
	}
}

static inline void
wrap_skip_header(struct buffer *image, uint32_t magic, size_t size)
{
	wrap_must(buffer_add_le32(image, magic));
	wrap_must(buffer_add_le32(image, (uint32_t)size));
}

static inline size_t
wrap_frame(struct frame_encoder *encoder, const void *raw, size_t raw_size,
	   struct buffer *image)
{
	size_t size;

	wrap_must(buffer_reserve(image, frame_size_max(raw_size)));
	wrap_must(frame_encode(encoder, raw, raw_size, NULL, 0,
			       image->data + image->size,
			       image->capacity - image->size, &size));
	image->size += size;
	return size;
}

/* The page's blocks, the page and its table; *root_page says what they are. */
static inline void
wrap_write_page(const struct wrap *wrap, const struct wrap_page *from,
		struct frame_encoder *encoder, size_t *budget,
		struct buffer *image, struct buffer *directory,
		struct root_page *root_page)
{
	struct digest_sum *frames = digest_sum_new();
	struct buffer table = { 0 }, page_frame = { 0 };
	struct digest digest;
	struct page page = { 0 };

	if (frames == NULL)
		abort();
	if (page_parse(from->raw, from->raw_size, &page) < 0)
		page.block_count = 0;
	for (uint32_t i = 0; i < page.block_count; i++) {
		size_t start = image->size;
		size_t raw_size =
			wrap_block_size(page_block(&page, i).raw_size, budget);
		size_t size = wrap_frame(encoder, wrap_zeros, raw_size, image);

		digest_of(image->data + start, size, &digest);
		digest_sum_add(frames, digest.bytes, DIGEST_SIZE);
		wrap_must(buffer_add_le32(&table, (uint32_t)size));
		wrap_must(buffer_add(&table, digest.bytes, DIGEST_SIZE));
		if (wrap->kind == IMAGE_MANIFEST)
			image->size = start;
	}
	*root_page = (struct root_page){
		.raw_size = (uint32_t)from->raw_size,
		.block_count = page.block_count,
	};
	digest_of(from->raw, from->raw_size, &root_page->digest);
	if (wrap->level > 0)
		digest_sum_get(frames, &root_page->frames);
	(void)wrap_frame(encoder, from->raw, from->raw_size, &page_frame);
	digest_of(page_frame.data, page_frame.size, &digest);
	wrap_must(buffer_add_le64(directory, image->size));
	wrap_must(buffer_add_le32(directory, (uint32_t)page_frame.size));
	wrap_must(buffer_add(directory, digest.bytes, DIGEST_SIZE));
	wrap_skip_header(image, IMAGE_MAGIC_PAGE, page_frame.size);
	wrap_must(buffer_add(image, page_frame.data, page_frame.size));
	if (wrap->kind == IMAGE_WITH_BLOCKS) {
		wrap_skip_header(image, IMAGE_MAGIC_TABLE, table.size);
		wrap_must(buffer_add(image, table.data, table.size));
	}
	digest_sum_free(frames);
	buffer_release(&table);
	buffer_release(&page_frame);
}

static inline void
wrap_write_tail(const struct buffer *directory, const struct buffer *root,
		struct buffer *image)
{
	uint64_t directory_offset = image->size;
	uint64_t root_offset;
	struct buffer both = { 0 };
	struct digest digest;

	wrap_skip_header(image, IMAGE_MAGIC_DIR, directory->size);
	wrap_must(buffer_add(image, directory->data, directory->size));
	root_offset = image->size;
	wrap_skip_header(image, IMAGE_MAGIC_ROOT, root->size);
	wrap_must(buffer_add(image, root->data, root->size));
	wrap_skip_header(image, IMAGE_MAGIC_TRAILER,
			 IMAGE_TRAILER_SIZE - IMAGE_SKIP_SIZE);
	wrap_must(buffer_add(image, IMAGE_TRAILER_WORD, 8));
	wrap_must(buffer_add_le64(image, directory_offset));
	wrap_must(buffer_add_le64(image, root_offset));
	wrap_must(buffer_add_le32(image, (uint32_t)root->size));
	wrap_must(buffer_add_le32(image, 0));
	wrap_must(buffer_add_le64(image, 0));
	digest_of(root->data, root->size, &digest);
	wrap_must(buffer_add(image, digest.bytes, DIGEST_SIZE));
	wrap_must(buffer_add(&both, directory->data, directory->size));
	wrap_must(buffer_add(&both, root->data, root->size));
	digest_of(both.data, both.size, &digest);
	wrap_must(buffer_add(image, digest.bytes, DIGEST_SIZE));
	buffer_release(&both);
}

/* Append the image file to *image, which is empty. */
static inline void
wrap_make(const struct wrap *wrap, struct buffer *image)
{
	struct root_page root_pages[WRAP_PAGES_MAX];
	struct root root = { .package_id = "LOC00000",
			     .version = 1,
			     .level = wrap->level,
			     .rule = wrap->rule,
			     .page_count = wrap->page_count,
			     .pages = root_pages };
	struct frame_encoder *encoder = frame_encoder_new(1);
	struct buffer directory = { 0 }, root_raw = { 0 };
	size_t budget = WRAP_BUDGET;

	if (encoder == NULL)
		abort();
	wrap_skip_header(image, IMAGE_MAGIC_HEADER,
			 IMAGE_HEADER_SIZE - IMAGE_SKIP_SIZE);
	wrap_must(buffer_add(image, IMAGE_HEADER_WORD, 8));
	wrap_must(buffer_add_le32(image, IMAGE_FORMAT));
	wrap_must(buffer_add_le32(image, wrap->kind));
	wrap_must(buffer_add_le64(image, 0));
	for (uint32_t i = 0; i < wrap->page_count; i++) {
		wrap_write_page(wrap, &wrap->pages[i], encoder, &budget, image,
				&directory, &root_pages[i]);
		root.block_count += root_pages[i].block_count;
		wrap_count(&wrap->pages[i], &root);
	}
	if (wrap->edit != NULL)
		wrap->edit(&root);
	root_set_content(&root);
	wrap_must(root_encode(&root, &root_raw));
	wrap_write_tail(&directory, &root_raw, image);
	frame_encoder_free(encoder);
	buffer_release(&directory);
	buffer_release(&root_raw);
}

#endif
