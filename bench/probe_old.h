/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_OLD_H
#define PROBE_OLD_H

/*
 * probe_old - what both sides of probe_delta.c share: the words of the stream,
 * the old image as one string of bytes, and the steps through a page.
 *
 * The programs of this directory are one C file each; this is a part of one,
 * apart so that it can be read.
 *
 * Errors     0 or a negative enum dsp_err, reported.  Out of memory ends the
 *            program.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "core/image/walk.h"

enum message {
	MESSAGE_ROOT = 1,
	MESSAGE_PAGE,
	MESSAGE_NEXT,
	MESSAGE_HAVE,
	MESSAGE_PLAIN,
	MESSAGE_DELTA
};

enum {
	HEADER_SIZE = 5,	    /* u8 type, u32 size */
	RANGE_SIZE = 12,	    /* u64 offset, u32 size */
	PAGE_BASE_SIZE = 8,	    /* u32 first, u32 count */
	PAGE_BASE_COUNT_MAX = 4,    /* pages */
	BASE_SIZE_MAX = 4 << 20,    /* bytes; what the receiver accepts */
	OLD_CACHE_SIZE = 8 << 20,   /* bytes of decoded blocks */
	OLD_CACHE_COUNT_MAX = 64,   /* blocks */
	MESSAGE_SIZE_MAX = 16 << 20 /* bytes */
};

/* Tell of the error that came back; for places where nobody else did. */
static int
fail(int err, const char *what)
{
	return report_error(err, NULL, "%s", what);
}

static void *
need(size_t size)
{
	void *memory = malloc(size > 0 ? size : 1);

	if (memory == NULL) {
		fail(DSP_ENOMEM, "starting");
		exit(1);
	}
	return memory;
}

/* Make *data, of *capacity items of item_size, have room for one more. */
static void
need_more(void **data, size_t *capacity, size_t count, size_t item_size)
{
	if (count < *capacity)
		return;
	*capacity = *capacity * 2 + 64;
	*data = realloc(*data, *capacity * item_size);
	if (*data == NULL) {
		fail(DSP_ENOMEM, "reading a manifest");
		exit(1);
	}
}

/* The size bytes that a buffer is to hold, whatever was in it. */
static uint8_t *
need_buffer(struct buffer *buffer, size_t size)
{
	buffer->size = 0;
	if (buffer_reserve(buffer, size) < 0) {
		fail(DSP_ENOMEM, "making room");
		exit(1);
	}
	buffer->size = size;
	return buffer->data;
}

/* ------------------------------------------------------ the old image --- */

struct old_block {
	struct digest name;
	uint64_t offset; /* in the old image's data */
	uint32_t raw_size;
	struct frame_ref frame;
};

struct old_slot {
	uint8_t *raw; /* NULL: never used */
	size_t index; /* of the block */
	uint64_t used;
};

struct old {
	struct image *image;
	struct old_block *blocks;
	size_t block_count, block_capacity;
	uint64_t *page_ends; /* in the data; one a page */
	struct frame_decoder *decoder;
	struct buffer frame;
	struct old_slot slots[OLD_CACHE_COUNT_MAX];
	size_t slot_count;
	uint64_t clock;
	uint64_t decoded_count; /* blocks */
};

static int
old_load_table(struct old *old)
{
	enum walk_step step = WALK_RECORD;
	struct walk *walk = NULL;
	uint32_t page_index = 0;
	uint64_t offset = 0;
	int err = walk_new(old->image, &walk);

	while (err == 0) {
		const struct walk_view *view = walk_view(walk);

		err = walk_next(walk, &step);
		if (err < 0 || step == WALK_END)
			break;
		if (step == WALK_PAGE_END)
			old->page_ends[page_index++] = offset;
		if (step != WALK_BLOCK)
			continue;
		need_more((void **)&old->blocks, &old->block_capacity,
			  old->block_count, sizeof *old->blocks);
		old->blocks[old->block_count++] = (struct old_block){
			.name = view->block.name,
			.offset = offset,
			.raw_size = view->block.raw_size,
			.frame = view->frame,
		};
		offset += view->block.raw_size;
	}
	walk_free(walk);
	return err;
}

static int
old_open(struct old *old, const char *path)
{
	const struct root *root;
	int err;

	memset(old, 0, sizeof *old);
	err = image_open(path, &old->image);
	if (err < 0)
		return err;
	if (image_kind(old->image) != IMAGE_WITH_BLOCKS)
		return fail(DSP_EINVAL, "an image with blocks is needed");
	root = image_root(old->image);
	old->page_ends = need(root->page_count * sizeof *old->page_ends);
	old->slot_count = OLD_CACHE_SIZE / root->rule.max;
	if (old->slot_count > OLD_CACHE_COUNT_MAX)
		old->slot_count = OLD_CACHE_COUNT_MAX;
	old->decoder = frame_decoder_new();
	if (old->decoder == NULL)
		return fail(DSP_ENOMEM, "opening the old image");
	return old_load_table(old);
}

static void
old_close(struct old *old)
{
	image_close(old->image);
	free(old->blocks);
	free(old->page_ends);
	frame_decoder_free(old->decoder);
	buffer_release(&old->frame);
	for (size_t i = 0; i < OLD_CACHE_COUNT_MAX; i++)
		free(old->slots[i].raw);
}

/* Read a frame as it is stored; lent until the next one is read. */
static int
old_read_frame(struct old *old, const struct old_block *block)
{
	need_buffer(&old->frame, block->frame.size);
	return image_read_frame(old->image, &block->frame, old->frame.data);
}

/* Decode a block into the slot that was used longest ago. */
static int
old_decode(struct old *old, size_t index, struct old_slot *slot)
{
	const struct old_block *block = &old->blocks[index];
	struct digest name;
	int err = old_read_frame(old, block);

	if (err < 0)
		return err;
	if (slot->raw == NULL)
		slot->raw = need(image_root(old->image)->rule.max);
	slot->used = 0;
	err = frame_decode(old->decoder, old->frame.data, block->frame.size,
			   NULL, 0, slot->raw, block->raw_size);
	if (err < 0)
		return fail(err, "decoding an old block");
	digest_of(slot->raw, block->raw_size, &name);
	if (!digest_equal(&name, &block->name))
		return fail(DSP_ECORRUPT, "an old block's name");
	slot->index = index;
	old->decoded_count++;
	return 0;
}

/* The decoded block, from the cache if it is there; lent until the next. */
static int
old_get(struct old *old, size_t index, const uint8_t **ret_raw)
{
	struct old_slot *oldest = &old->slots[0];
	int err;

	for (size_t i = 0; i < old->slot_count; i++) {
		struct old_slot *slot = &old->slots[i];

		if (slot->used > 0 && slot->index == index) {
			slot->used = ++old->clock;
			*ret_raw = slot->raw;
			return 0;
		}
		if (slot->used < oldest->used)
			oldest = slot;
	}
	err = old_decode(old, index, oldest);
	if (err == 0) {
		oldest->used = ++old->clock;
		*ret_raw = oldest->raw;
	}
	return err;
}

/* Index of the block that holds the byte at offset; block_count: none. */
static size_t
old_find_offset(const struct old *old, uint64_t offset)
{
	size_t low = 0, high = old->block_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct old_block *block = &old->blocks[middle];

		if (block->offset + block->raw_size <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Copy data[offset, offset + size) of the old image. */
static int
old_read(struct old *old, uint64_t offset, size_t size, uint8_t *data)
{
	size_t index = old_find_offset(old, offset);

	while (size > 0) {
		const uint8_t *raw = NULL;
		size_t skip, now;
		int err;

		if (index == old->block_count)
			return fail(DSP_ECORRUPT, "a base beyond the old data");
		err = old_get(old, index, &raw);
		if (err < 0)
			return err;
		skip = (size_t)(offset - old->blocks[index].offset);
		now = old->blocks[index].raw_size - skip;
		if (now > size)
			now = size;
		memcpy(data, raw + skip, now);
		data += now;
		offset += now;
		size -= now;
		index++;
	}
	return 0;
}

/* Index of the page that says what is at offset. */
static uint32_t
old_find_page(const struct old *old, uint64_t offset)
{
	uint32_t low = 0, high = image_root(old->image)->page_count;

	while (low + 1 < high) {
		uint32_t middle = low + (high - low) / 2;

		if (old->page_ends[middle - 1] <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Append count raw pages from first on to *base. */
static int
old_read_pages(struct old *old, uint32_t first, uint32_t count,
	       struct buffer *base)
{
	struct page_load load = { 0 };
	int err = 0;

	base->size = 0;
	if (first > image_root(old->image)->page_count ||
	    count > image_root(old->image)->page_count - first)
		return fail(DSP_ECORRUPT, "a base beyond the old pages");
	for (uint32_t i = 0; err == 0 && i < count; i++) {
		err = image_load_page(old->image, first + i, &load);
		if (err == 0 &&
		    buffer_add(base, load.page.raw, load.page.raw_size) < 0)
			err = fail(DSP_ENOMEM, "reading old pages");
	}
	page_load_release(&load);
	return err;
}

/*
 * Read a base of encoded ranges into *base.
 */
static int
old_read_base(struct old *old, const uint8_t *ranges, size_t ranges_size,
	      struct buffer *base)
{
	size_t at = 0, size = 0;

	for (size_t i = 0; i < ranges_size; i += RANGE_SIZE)
		size += le32_get(ranges + i + 8);
	if (size > BASE_SIZE_MAX)
		return fail(DSP_ELIMIT, "a base");
	need_buffer(base, size);
	for (size_t i = 0; i < ranges_size; i += RANGE_SIZE) {
		uint32_t now = le32_get(ranges + i + 8);
		int err = old_read(old, le64_get(ranges + i), now,
				   base->data + at);

		if (err < 0)
			return err;
		at += now;
	}
	return 0;
}

/* ------------------------------------------- a page, step by step --- */

enum step { STEP_RECORD, STEP_BLOCK, STEP_END };

/* All zeros before the first page. */
struct steps {
	const struct page *page;
	struct page_cursor cursor;
	char *path;
	struct record record;	/* STEP_RECORD; its strings lent */
	struct block_ref block; /* STEP_BLOCK */
	bool is_part;		/* of a large file, from ... */
	uint64_t part_offset;	/* ... here on */
	uint32_t average;
	uint32_t block_index;
	uint64_t group_size; /* data of small files without a block yet */
	uint64_t large_size, large_left; /* of the large file */
};

static int
steps_start(struct steps *steps, const struct page *page, uint32_t average)
{
	if (steps->path == NULL)
		steps->path = need(PATH_SIZE_MAX + 1);
	steps->page = page;
	steps->average = average;
	steps->block_index = 0;
	return page_cursor_start(&steps->cursor, page, steps->path);
}

static void
take_block(struct steps *steps, const struct block_ref *block)
{
	steps->block = *block;
	steps->block_index++;
	steps->is_part = steps->large_left > 0;
	steps->part_offset = 0;
	if (!steps->is_part) {
		steps->group_size = 0;
		return;
	}
	steps->part_offset = steps->large_size - steps->large_left;
	steps->large_left -= block->raw_size < steps->large_left
				     ? block->raw_size
				     : steps->large_left;
}

/* The next record or block, in the order in which image_writer wants them. */
static int
steps_next(struct steps *steps, enum step *ret_step)
{
	const struct record *record = &steps->record;
	struct block_ref block;
	bool is_end;
	int err;

	if (steps->block_index < steps->page->block_count) {
		block = page_block(steps->page, steps->block_index);
		if (steps->large_left > 0 ||
		    (steps->group_size > 0 &&
		     steps->group_size == block.raw_size)) {
			take_block(steps, &block);
			*ret_step = STEP_BLOCK;
			return 0;
		}
	}
	err = page_next(&steps->cursor, &steps->record, &is_end);
	if (err < 0)
		return fail(err, "reading a page");
	*ret_step = is_end ? STEP_END : STEP_RECORD;
	if (is_end || record->type != RECORD_FILE)
		return 0;
	if (record_is_large(record, steps->average))
		steps->large_size = steps->large_left = record->data_size;
	else
		steps->group_size += record->data_size;
	return 0;
}

#endif
