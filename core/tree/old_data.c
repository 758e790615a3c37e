/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/old_data.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "core/tree/below.h"
#include "platform/pf_file.h"
#include "platform/pf_thread.h"

enum { PAGES_KEPT = 2 };

/* A file with data whose record is in the page; of a tree. */
struct old_file {
	struct record record;
	uint64_t offset; /* of its data in all */
};

struct old_page {
	bool is_loaded;
	uint32_t index;
	uint64_t used; /* when */
	struct page_load load;
	struct frame_table table; /* of an image; its cursor moves */
	uint64_t *offsets;	  /* of each block, and the end */
	uint32_t block_capacity;
	struct old_file *files;
	uint32_t file_count, file_capacity;
	struct arena arena;
};

/* Where a block is, by the first bytes of its name. */
struct index_row {
	uint64_t key;
	uint64_t number; /* + 1; 0: empty */
};

struct old_raw {
	uint64_t number; /* of the block; UINT64_MAX: none */
	uint64_t used;
	struct buffer raw;
};

struct old_data {
	struct image *image;
	int top; /* of the tree; -1: of an image */
	struct pf_lock *lock;
	uint64_t *first_offsets; /* of each page, and the end */
	uint64_t *first_blocks;
	uint64_t *first_files; /* of a tree: where the data of the files whose
				* records are in the page begin */
	uint64_t clock;
	struct old_page pages[PAGES_KEPT];
	struct old_raw raws[OLD_DATA_BLOCKS];
	struct frame_decoder *decoder;
	struct buffer frame;
	struct index_row *index; /* made when it is first used */
	size_t index_size;	 /* a power of two */
	uint64_t found_next;	 /* the block behind the one found last */
	char *path;		 /* room for a cursor */

	/* The file read last, open. */
	int file;
	uint64_t file_offset;
};

static int
fail(const struct old_data *old, int err)
{
	return report_error(err, image_name(old->image),
			    "reading the older version");
}

/* The data of all files whose records are in the page. */
static int
sum_files(struct old_data *old, const struct page *page, uint64_t *ret_size)
{
	struct page_cursor cursor;
	struct record record;
	uint64_t size = 0;
	bool is_end = false;
	int err = page_cursor_start(&cursor, page, old->path);

	while (err == 0) {
		err = page_next(&cursor, &record, &is_end);
		if (err < 0 || is_end)
			break;
		if (record.type == RECORD_FILE)
			size += record.data_size;
	}
	*ret_size = size;
	return err < 0 ? fail(old, err) : 0;
}

/* Go through all pages once: where does each begin? */
static int
find_starts(struct old_data *old)
{
	uint32_t count = image_root(old->image)->page_count;
	struct page_load load = { 0 };
	uint64_t offset = 0, number = 0, files = 0, size = 0;
	int err = 0;

	old->first_offsets = calloc(count + 1, sizeof *old->first_offsets);
	old->first_blocks = calloc(count + 1, sizeof *old->first_blocks);
	old->first_files = calloc(count + 1, sizeof *old->first_files);
	if (old->first_offsets == NULL || old->first_blocks == NULL ||
	    old->first_files == NULL)
		return fail(old, DSP_ENOMEM);
	for (uint32_t i = 0; err == 0 && i < count; i++) {
		err = image_load_page(old->image, i, &load);
		if (err == 0 && old->top >= 0)
			err = sum_files(old, &load.page, &size);
		if (err < 0)
			break;
		old->first_offsets[i] = offset;
		old->first_blocks[i] = number;
		old->first_files[i] = files;
		for (uint32_t j = 0; j < load.page.block_count; j++)
			offset += page_block(&load.page, j).raw_size;
		number += load.page.block_count;
		files += size;
	}
	old->first_offsets[count] = offset;
	old->first_blocks[count] = number;
	old->first_files[count] = files;
	page_load_release(&load);
	return err;
}

int
old_data_of_tree(struct image *manifest, int top, struct old_data **ret_old)
{
	struct old_data *old = calloc(1, sizeof *old);
	int err = DSP_ENOMEM;

	if (old == NULL)
		return report_error(err, image_name(manifest),
				    "reading the older version");
	old->image = manifest;
	old->top = top;
	old->file = -1;
	for (size_t i = 0; i < OLD_DATA_BLOCKS; i++)
		old->raws[i].number = UINT64_MAX;
	old->lock = pf_lock_new();
	old->decoder = frame_decoder_new();
	old->path = malloc(PATH_SIZE_MAX + 1);
	if (old->lock == NULL || old->decoder == NULL || old->path == NULL)
		fail(old, err);
	else
		err = find_starts(old);
	if (err < 0)
		old_data_free(old);
	else
		*ret_old = old;
	return err;
}

int
old_data_of_image(struct image *image, struct old_data **ret_old)
{
	assert(image_kind(image) == IMAGE_WITH_BLOCKS);
	return old_data_of_tree(image, -1, ret_old);
}

void
old_data_free(struct old_data *old)
{
	if (old == NULL)
		return;
	for (size_t i = 0; i < PAGES_KEPT; i++) {
		struct old_page *page = &old->pages[i];

		page_load_release(&page->load);
		frame_table_release(&page->table);
		free(page->offsets);
		free(page->files);
		arena_release(&page->arena);
	}
	for (size_t i = 0; i < OLD_DATA_BLOCKS; i++)
		buffer_release(&old->raws[i].raw);
	buffer_release(&old->frame);
	frame_decoder_free(old->decoder);
	pf_lock_free(old->lock);
	pf_close(old->file);
	free(old->first_offsets);
	free(old->first_blocks);
	free(old->first_files);
	free(old->index);
	free(old->path);
	free(old);
}

struct image *
old_data_image(const struct old_data *old)
{
	return old->image;
}

bool
old_data_has_tables(const struct old_data *old)
{
	return image_kind(old->image) == IMAGE_WITH_BLOCKS;
}

/* The last of count starts, which ascend, that is not behind `wanted`. */
static uint32_t
find_start(const uint64_t *starts, uint32_t count, uint64_t wanted)
{
	uint32_t low = 0, high = count;

	while (low + 1 < high) {
		uint32_t middle = low + (high - low) / 2;

		if (starts[middle] <= wanted)
			low = middle;
		else
			high = middle;
	}
	return low;
}

uint32_t
old_data_find_page(const struct old_data *old, uint64_t offset,
		   uint64_t *ret_first_block)
{
	uint32_t page = find_start(old->first_offsets,
				   image_root(old->image)->page_count, offset);

	*ret_first_block = old->first_blocks[page];
	return page;
}

/* Pages that are kept loaded. */

/* Note the files with data of a page, for reading from the tree. */
static int
list_files(struct old_data *old, struct old_page *page)
{
	uint32_t capacity = page->load.page.record_count;
	uint64_t offset = old->first_files[page->index];
	struct page_cursor cursor;
	struct record record;
	bool is_end = false;
	int err;

	arena_reset(&page->arena);
	page->file_count = 0;
	if (page->file_capacity < capacity) {
		struct old_file *files =
			realloc(page->files, capacity * sizeof *files);

		if (files == NULL)
			return DSP_ENOMEM;
		page->files = files;
		page->file_capacity = capacity;
	}
	err = page_cursor_start(&cursor, &page->load.page, old->path);
	while (err == 0) {
		struct old_file *file = &page->files[page->file_count];

		err = page_next(&cursor, &record, &is_end);
		if (err < 0 || is_end)
			break;
		if (!record_has_digest(&record))
			continue;
		err = record_copy(&record, &page->arena, &file->record);
		file->offset = offset;
		offset += record.data_size;
		page->file_count++;
	}
	return err;
}

/* Where does each block of the page begin? */
static int
list_offsets(struct old_data *old, struct old_page *page)
{
	uint32_t count = page->load.page.block_count;
	uint64_t offset = old->first_offsets[page->index];

	if (page->block_capacity < count + 1) {
		uint64_t *offsets =
			realloc(page->offsets, (count + 1) * sizeof *offsets);

		if (offsets == NULL)
			return DSP_ENOMEM;
		page->offsets = offsets;
		page->block_capacity = count + 1;
	}
	for (uint32_t i = 0; i < count; i++) {
		page->offsets[i] = offset;
		offset += page_block(&page->load.page, i).raw_size;
	}
	page->offsets[count] = offset;
	return 0;
}

/* The page at index; lent until the page after the next is asked for. */
static int
get_page(struct old_data *old, uint32_t index, struct old_page **ret_page)
{
	struct old_page *page = &old->pages[0];
	int err;

	for (size_t i = 0; i < PAGES_KEPT; i++) {
		struct old_page *candidate = &old->pages[i];

		if (candidate->is_loaded && candidate->index == index) {
			candidate->used = ++old->clock;
			*ret_page = candidate;
			return 0;
		}
		if (candidate->used < page->used)
			page = candidate;
	}
	page->is_loaded = false;
	page->index = index;
	err = image_load_page(old->image, index, &page->load);
	if (err == 0 && old_data_has_tables(old))
		err = image_load_table(old->image, index, &page->table);
	if (err < 0)
		return err;
	err = list_offsets(old, page);
	if (err == 0 && old->top >= 0)
		err = list_files(old, page);
	if (err < 0)
		return fail(old, err);
	page->is_loaded = true;
	page->used = ++old->clock;
	*ret_page = page;
	return 0;
}

/* The frame of a block of the page; the table is read on or anew. */
static int
find_frame(struct old_data *old, struct old_page *page, uint32_t index,
	   struct frame_ref *ret_frame)
{
	struct frame_table *table = &page->table;
	int err = 0;

	if (table->index > index) {
		table->index = table->local_index = 0;
		table->next_offset = table->frames_offset;
	}
	while (err == 0 && table->index <= index)
		err = image_next_frame(old->image, table, ret_frame);
	return err;
}

static int
find_block(struct old_data *old, uint64_t number, struct old_block *ret_block)
{
	uint32_t count = image_root(old->image)->page_count;
	struct old_page *page;
	uint32_t page_index, index;
	int err;

	if (number >= old->first_blocks[count])
		return fail(old, DSP_ELIMIT);
	page_index = find_start(old->first_blocks, count, number);
	err = get_page(old, page_index, &page);
	if (err < 0)
		return err;
	index = (uint32_t)(number - old->first_blocks[page_index]);
	ret_block->number = number;
	ret_block->block = page_block(&page->load.page, index);
	ret_block->offset = page->offsets[index];
	memset(&ret_block->frame, 0, sizeof ret_block->frame);
	if (old_data_has_tables(old))
		err = find_frame(old, page, index, &ret_block->frame);
	return err;
}

int
old_data_block(struct old_data *old, uint64_t number,
	       struct old_block *ret_block)
{
	int err;

	pf_lock(old->lock);
	err = find_block(old, number, ret_block);
	pf_unlock(old->lock);
	return err;
}

/* Finding blocks by name. */

static void
index_add(struct old_data *old, const struct digest *name, uint64_t number)
{
	uint64_t key = le64_get(name->bytes);
	size_t mask = old->index_size - 1;
	size_t at = (size_t)key & mask;

	while (old->index[at].number != 0) {
		if (old->index[at].key == key)
			return; /* the first of equal ones */
		at = (at + 1) & mask;
	}
	old->index[at] = (struct index_row){ key, number + 1 };
}

static int
fill_index(struct old_data *old)
{
	uint64_t count = image_root(old->image)->block_count;
	struct old_block block;
	int err = 0;

	if (count > OLD_DATA_INDEX_MAX)
		count = OLD_DATA_INDEX_MAX;
	old->index_size = 16;
	while (old->index_size < count * 2)
		old->index_size *= 2;
	old->index = calloc(old->index_size, sizeof *old->index);
	if (old->index == NULL)
		return fail(old, DSP_ENOMEM);
	for (uint64_t i = 0; err == 0 && i < count; i++) {
		err = find_block(old, i, &block);
		if (err == 0)
			index_add(old, &block.block.name, i);
	}
	return err;
}

static int
find_name(struct old_data *old, const struct digest *name,
	  struct old_block *ret_block, bool *ret_is_found)
{
	uint64_t count = image_root(old->image)->block_count;
	uint64_t key = le64_get(name->bytes);
	size_t at;
	int err = 0;

	/* What comes next is what came next before. */
	if (old->found_next < count) {
		err = find_block(old, old->found_next, ret_block);
		*ret_is_found = err == 0 &&
				digest_equal(&ret_block->block.name, name);
		if (err < 0 || *ret_is_found)
			return err;
	}
	if (old->index == NULL)
		err = fill_index(old);
	if (err < 0)
		return err;
	at = (size_t)key & (old->index_size - 1);
	while (old->index[at].number != 0 && old->index[at].key != key)
		at = (at + 1) & (old->index_size - 1);
	if (old->index[at].number == 0)
		return 0;
	err = find_block(old, old->index[at].number - 1, ret_block);
	*ret_is_found = err == 0 && digest_equal(&ret_block->block.name, name);
	return err;
}

int
old_data_find(struct old_data *old, const struct digest *name,
	      struct old_block *ret_block, bool *ret_is_found)
{
	int err;

	*ret_is_found = false;
	pf_lock(old->lock);
	err = find_name(old, name, ret_block, ret_is_found);
	if (*ret_is_found)
		old->found_next = ret_block->number + 1;
	pf_unlock(old->lock);
	return err;
}

/* Reading from an image: through decoded blocks. */

/* Decode a block and compare it with its name. */
static int
decode(struct old_data *old, const struct old_block *block, struct buffer *raw)
{
	struct digest name;
	int err = 0;

	old->frame.size = raw->size = 0;
	if (buffer_reserve(&old->frame, block->frame.size) < 0 ||
	    buffer_reserve(raw, block->block.raw_size) < 0)
		return fail(old, DSP_ENOMEM);
	err = image_read_frame(old->image, &block->frame, old->frame.data);
	if (err < 0)
		return err;
	err = frame_decode(old->decoder, old->frame.data, block->frame.size,
			   NULL, 0, raw->data, block->block.raw_size);
	if (err == 0) {
		raw->size = block->block.raw_size;
		digest_of(raw->data, raw->size, &name);
		if (!digest_equal(&name, &block->block.name))
			err = DSP_ECORRUPT;
	}
	return err < 0 ? fail(old, err) : 0;
}

/* The decoded block; lent until another is asked for. */
static int
get_raw(struct old_data *old, uint64_t number, const struct old_block *block,
	const struct buffer **ret_raw)
{
	struct old_raw *oldest = &old->raws[0];
	int err;

	for (size_t i = 0; i < OLD_DATA_BLOCKS; i++) {
		struct old_raw *raw = &old->raws[i];

		if (raw->number == number) {
			raw->used = ++old->clock;
			*ret_raw = &raw->raw;
			return 0;
		}
		if (raw->used < oldest->used)
			oldest = raw;
	}
	oldest->number = UINT64_MAX;
	err = decode(old, block, &oldest->raw);
	if (err < 0)
		return err;
	oldest->number = number;
	oldest->used = ++old->clock;
	*ret_raw = &oldest->raw;
	return 0;
}

/* The number of the block that holds the byte at offset. */
static int
find_offset(struct old_data *old, uint64_t offset, uint64_t *ret_number)
{
	uint32_t count = image_root(old->image)->page_count;
	uint32_t page_index = find_start(old->first_offsets, count, offset);
	struct old_page *page;
	int err;

	if (offset >= old->first_offsets[count])
		return fail(old, DSP_ELIMIT);
	err = get_page(old, page_index, &page);
	if (err == 0)
		*ret_number = old->first_blocks[page_index] +
			      find_start(page->offsets,
					 page->load.page.block_count, offset);
	return err;
}

static int
read_image(struct old_data *old, uint64_t offset, size_t size, uint8_t *data)
{
	uint64_t number = 0;
	int err = size > 0 ? find_offset(old, offset, &number) : 0;

	while (err == 0 && size > 0) {
		const struct buffer *raw = NULL;
		struct old_block block;
		size_t skip, now;

		err = find_block(old, number, &block);
		if (err == 0)
			err = get_raw(old, number, &block, &raw);
		if (err < 0)
			break;
		skip = (size_t)(offset - block.offset);
		now = raw->size - skip < size ? raw->size - skip : size;
		memcpy(data, raw->data + skip, now);
		data += now;
		offset += now;
		size -= now;
		number++;
	}
	return err;
}

/* Reading from a tree. */

/* The file whose data hold the byte at offset. */
static int
find_file(struct old_data *old, uint64_t offset, const struct old_file **ret)
{
	uint32_t count = image_root(old->image)->page_count;
	uint32_t index = find_start(old->first_files, count, offset);
	struct old_page *page;
	int err;

	if (offset >= old->first_files[count])
		return fail(old, DSP_ELIMIT);
	err = get_page(old, index, &page);
	if (err < 0)
		return err;
	for (uint32_t i = page->file_count; i-- > 0;) {
		const struct old_file *file = &page->files[i];

		if (file->offset <= offset) {
			*ret = file;
			return 0;
		}
	}
	return fail(old, DSP_ECORRUPT);
}

/* Open the file unless it is the one read last. */
static int
open_file(struct old_data *old, const struct old_file *file)
{
	const struct record *record = &file->record;
	int dir = -1;
	int err;

	if (old->file >= 0 && old->file_offset == file->offset)
		return 0;
	pf_close(old->file);
	old->file = -1;
	err = below_open_dir(old->top, record->path, record->path_size, &dir);
	if (err == 0)
		err = pf_open_read_at(dir, record_name(record), &old->file);
	pf_close(dir);
	old->file_offset = file->offset;
	return err;
}

static int
read_tree(struct old_data *old, uint64_t offset, size_t size, uint8_t *data)
{
	const struct old_file *file = NULL;
	int err = 0;

	while (err == 0 && size > 0) {
		uint64_t run, left, place;
		size_t now, got = 0;

		err = find_file(old, offset, &file);
		if (err < 0)
			return err;
		place = record_file_offset(&file->record, offset - file->offset,
					   &run);
		left = file->record.data_size - (offset - file->offset);
		now = run < size ? (size_t)run : size;
		now = left < now ? (size_t)left : now;
		err = open_file(old, file);
		if (err == 0)
			err = pf_read_at(old->file, data, now, place, &got);
		if (err == 0 && got < now)
			err = DSP_EDIFFERS;
		if (err < 0)
			return report_error(err, file->record.path,
					    "reading the older version");
		data += now;
		offset += now;
		size -= now;
	}
	return err;
}

int
old_data_read(struct old_data *old, uint64_t offset, size_t size, uint8_t *data)
{
	int err;

	pf_lock(old->lock);
	err = old->top >= 0 ? read_tree(old, offset, size, data)
			    : read_image(old, offset, size, data);
	pf_unlock(old->lock);
	return err;
}

/* Pages as bases of pages. */

static size_t
room_for(const struct buffer *buffer, size_t size, size_t size_max)
{
	size_t room = buffer->size < size_max ? size_max - buffer->size : 0;

	return size < room ? size : room;
}

/* Call add for each of these pages. */
static int
each_page(struct old_data *old, uint32_t first, uint32_t count, size_t size_max,
	  struct buffer *out,
	  int (*add)(struct old_data *old, struct old_page *page,
		     size_t size_max, struct buffer *out))
{
	uint32_t page_count = image_root(old->image)->page_count;
	struct old_page *page;
	int err = 0;

	if (first > page_count || count > page_count - first)
		return fail(old, DSP_ELIMIT);
	pf_lock(old->lock);
	for (uint32_t i = 0; err == 0 && i < count; i++) {
		err = get_page(old, first + i, &page);
		if (err == 0 && add(old, page, size_max, out) < 0)
			err = fail(old, DSP_ENOMEM);
	}
	pf_unlock(old->lock);
	return err;
}

static int
add_page(struct old_data *old, struct old_page *page, size_t size_max,
	 struct buffer *out)
{
	(void)old;
	return buffer_add(out, page->load.raw.data,
			  room_for(out, page->load.raw.size, size_max));
}

int
old_data_pages(struct old_data *old, uint32_t first, uint32_t count,
	       size_t size_max, struct buffer *pages)
{
	return each_page(old, first, count, size_max, pages, add_page);
}

static int
add_digests(struct old_data *old, struct old_page *page, size_t size_max,
	    struct buffer *out)
{
	struct frame_ref frame;
	int err = 0;

	for (uint32_t i = 0; err == 0 && i < page->load.page.block_count; i++) {
		err = find_frame(old, page, i, &frame);
		if (err == 0)
			err = buffer_add(out, frame.publisher.bytes,
					 room_for(out, DIGEST_SIZE, size_max));
	}
	return err;
}

int
old_data_digests(struct old_data *old, uint32_t first, uint32_t count,
		 size_t size_max, struct buffer *digests)
{
	if (!old_data_has_tables(old))
		return 0;
	return each_page(old, first, count, size_max, digests, add_digests);
}
