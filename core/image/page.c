/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/page.h"

#include <assert.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/path.h"
#include "core/image/page_int.h"
#include "core/image/xattrs.h"

bool
page_ends_after(uint64_t path_hash)
{
	return path_hash >> 32 < UINT32_MAX / PAGE_RECORDS_AVERAGE;
}

/* Take the column of count items of size bytes each; false: not there. */
static bool
take(const uint8_t **p, size_t *left, uint64_t count, size_t size,
     const uint8_t **ret_column)
{
	if (count > *left / size)
		return false;
	*ret_column = *p;
	*p += count * size;
	*left -= (size_t)(count * size);
	return true;
}

/* The owners' names stand first in the text, each with a NUL behind it. */
static bool
check_owners(struct page *page)
{
	size_t offset = 0;

	for (uint32_t i = 0; i < page->owner_count; i++) {
		const uint8_t *row = page->owners + i * PAGE_OWNER_SIZE;

		for (int j = 0; j < 2; j++) {
			size_t size = le16_get(row + 8 + 2 * j);

			if (size > RECORD_NAME_MAX ||
			    page->text_size - offset < size + 1 ||
			    memchr(page->text + offset, '\0', size + 1) !=
				    page->text + offset + size)
				return false;
			offset += size + 1;
		}
	}
	return true;
}

static bool
check_xattrs(struct page *page)
{
	size_t offset = 0;

	for (uint32_t i = 0; i < page->xattrs_count; i++) {
		uint32_t size = le32_get(page->xattrs_sizes + i * 4);

		if (size == 0 || size > RECORD_XATTRS_MAX ||
		    size > page->xattrs_size - offset ||
		    !xattrs_are_valid(page->xattrs + offset, size))
			return false;
		offset += size;
	}
	return offset == page->xattrs_size;
}

int
page_parse(const void *raw, size_t raw_size, struct page *ret_page)
{
	struct page page = { .raw = raw, .raw_size = raw_size };
	const uint8_t *p = raw;
	size_t left = raw_size;
	bool ok;

	if (raw_size < PAGE_HEADER_SIZE || raw_size > PAGE_SIZE_MAX)
		return DSP_ECORRUPT;
	page.record_count = le32_get(p);
	page.block_count = le32_get(p + 4);
	page.owner_count = le32_get(p + 8);
	page.mtime_count = le32_get(p + 12);
	page.xattrs_count = le32_get(p + 16);
	page.sparse_count = le32_get(p + 20);
	page.segment_count = le32_get(p + 24);
	page.digest_count = le32_get(p + 28);
	page.text_size = le32_get(p + 32);
	page.xattrs_size = le32_get(p + 36);
	if (page.record_count > PAGE_RECORDS_MAX ||
	    page.block_count > PAGE_BLOCKS_MAX ||
	    page.owner_count > page.record_count ||
	    page.mtime_count > page.record_count ||
	    page.xattrs_count > page.record_count ||
	    page.sparse_count > page.record_count ||
	    page.digest_count > page.record_count)
		return DSP_ECORRUPT;
	p += PAGE_HEADER_SIZE;
	left -= PAGE_HEADER_SIZE;
	ok = take(&p, &left, page.block_count, 4, &page.block_sizes) &&
	     take(&p, &left, page.block_count, DIGEST_SIZE,
		  &page.block_names) &&
	     take(&p, &left, page.record_count, 2, &page.shared) &&
	     take(&p, &left, page.record_count, 2, &page.suffix) &&
	     take(&p, &left, page.record_count, 1, &page.kind) &&
	     take(&p, &left, page.record_count, 2, &page.mode) &&
	     take(&p, &left, page.record_count, 2, &page.owner) &&
	     take(&p, &left, page.record_count, 2, &page.mtime_index) &&
	     take(&p, &left, page.record_count, 2, &page.xattrs_index) &&
	     take(&p, &left, page.record_count, 8, &page.size) &&
	     take(&p, &left, page.owner_count, PAGE_OWNER_SIZE, &page.owners) &&
	     take(&p, &left, page.mtime_count, 8, &page.mtimes) &&
	     take(&p, &left, page.xattrs_count, 4, &page.xattrs_sizes) &&
	     take(&p, &left, page.sparse_count, 4, &page.sparse) &&
	     take(&p, &left, page.segment_count, RECORD_SEGMENT_SIZE,
		  &page.segments) &&
	     take(&p, &left, page.digest_count, DIGEST_SIZE, &page.digests) &&
	     take(&p, &left, page.text_size, 1, &page.text) &&
	     take(&p, &left, page.xattrs_size, 1, &page.xattrs) && left == 0;
	if (!ok || !check_owners(&page) || !check_xattrs(&page))
		return DSP_ECORRUPT;
	*ret_page = page;
	return 0;
}

struct block_ref
page_block(const struct page *page, uint32_t index)
{
	struct block_ref block;

	assert(index < page->block_count);
	block.raw_size = le32_get(page->block_sizes + (size_t)index * 4);
	memcpy(block.name.bytes,
	       page->block_names + (size_t)index * DIGEST_SIZE, DIGEST_SIZE);
	return block;
}

int
page_cursor_start(struct page_cursor *cursor, const struct page *page,
		  char *path)
{
	*cursor = (struct page_cursor){ .page = page, .path = path };
	path[0] = '\0';
	for (uint32_t i = 0; i < page->owner_count; i++) {
		const uint8_t *row = page->owners + i * PAGE_OWNER_SIZE;

		cursor->text_offset += 2u + le16_get(row + 8);
		cursor->text_offset += le16_get(row + 10);
	}
	return 0;
}

static int
read_path(struct page_cursor *cursor, struct record *record)
{
	const struct page *page = cursor->page;
	uint32_t i = cursor->index;
	size_t shared = le16_get(page->shared + (size_t)i * 2);
	size_t suffix = le16_get(page->suffix + (size_t)i * 2);
	const uint8_t *text = page->text + cursor->text_offset;
	size_t size = shared + suffix;

	if (shared > cursor->path_size || size > PATH_SIZE_MAX ||
	    suffix > page->text_size - cursor->text_offset)
		return DSP_ECORRUPT;

	/* Above the path before: at the first byte that is not shared. */
	if (i > 0 &&
	    (suffix == 0 ||
	     path_compare(cursor->path + shared, cursor->path_size - shared,
			  (const char *)text, suffix) >= 0))
		return DSP_ECORRUPT;
	memcpy(cursor->path + shared, text, suffix);
	cursor->path[size] = '\0';
	cursor->path_size = (uint32_t)size;
	cursor->text_offset += (uint32_t)suffix;
	if (!path_is_valid(cursor->path, size))
		return DSP_ECORRUPT;
	record->path = cursor->path;
	record->path_size = (uint32_t)size;
	return 0;
}

static int
read_owner(const struct page *page, uint32_t index, struct record *record)
{
	const uint8_t *names = page->text;

	if (index >= page->owner_count)
		return DSP_ECORRUPT;
	for (uint32_t i = 0;; i++) {
		const uint8_t *row = page->owners + i * PAGE_OWNER_SIZE;
		const uint8_t *group = names + le16_get(row + 8) + 1;

		if (i == index) {
			record->uid = le32_get(row);
			record->gid = le32_get(row + 4);
			record->user = (const char *)names;
			record->group = (const char *)group;
			return 0;
		}
		names = group + le16_get(row + 10) + 1;
	}
}

static int
read_xattrs(const struct page *page, uint32_t index, struct record *record)
{
	size_t offset = 0;

	record->xattrs = page->xattrs;
	record->xattrs_size = 0;
	if (index == 0)
		return 0;
	if (index > page->xattrs_count)
		return DSP_ECORRUPT;
	for (uint32_t i = 0; i + 1 < index; i++)
		offset += le32_get(page->xattrs_sizes + i * 4);
	record->xattrs = page->xattrs + offset;
	record->xattrs_size = le32_get(page->xattrs_sizes + (index - 1) * 4);
	return 0;
}

static int
read_target(struct page_cursor *cursor, struct record *record)
{
	const struct page *page = cursor->page;
	const uint8_t *target = page->text + cursor->text_offset;
	size_t size;

	if (record->size == 0 || record->size > RECORD_TARGET_MAX)
		return DSP_ECORRUPT;
	size = (size_t)record->size;
	if (size + 1 > page->text_size - cursor->text_offset ||
	    memchr(target, '\0', size + 1) != target + size)
		return DSP_ECORRUPT;
	record->target = (const char *)target;
	record->target_size = (uint32_t)size;
	record->size = 0;
	cursor->text_offset += (uint32_t)size + 1;
	if (record->type == RECORD_HARDLINK &&
	    (!path_is_valid(record->target, size) ||
	     path_compare(record->target, size, record->path,
			  record->path_size) >= 0))
		return DSP_ECORRUPT;
	return 0;
}

/* Segments ascend, do not touch and lie within the file. */
static int
read_segments(struct page_cursor *cursor, struct record *record)
{
	const struct page *page = cursor->page;
	uint64_t end = 0;
	uint32_t count;

	if (cursor->sparse_index >= page->sparse_count)
		return DSP_ECORRUPT;
	count = le32_get(page->sparse + (size_t)cursor->sparse_index++ * 4);
	if (count > RECORD_SEGMENTS_MAX ||
	    count > page->segment_count - cursor->segment_index)
		return DSP_ECORRUPT;
	record->is_sparse = true;
	record->segment_count = count;
	record->segments = page->segments +
			   (size_t)cursor->segment_index * RECORD_SEGMENT_SIZE;
	cursor->segment_index += count;
	record->data_size = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct segment segment = record_segment(record, i);

		if (segment.size == 0 || segment.offset > record->size ||
		    segment.size > record->size - segment.offset ||
		    (i > 0 && segment.offset <= end))
			return DSP_ECORRUPT;
		end = segment.offset + segment.size;
		record->data_size += segment.size;
	}
	return record->data_size < record->size ? 0 : DSP_ECORRUPT;
}

static int
read_file(struct page_cursor *cursor, struct record *record, bool is_sparse)
{
	const struct page *page = cursor->page;
	int err = 0;

	if (record->size > INT64_MAX)
		return DSP_ECORRUPT;
	record->data_size = record->size;
	if (is_sparse)
		err = read_segments(cursor, record);
	if (err < 0 || !record_has_digest(record))
		return err;
	if (cursor->digest_index >= page->digest_count)
		return DSP_ECORRUPT;
	memcpy(record->digest.bytes,
	       page->digests + (size_t)cursor->digest_index++ * DIGEST_SIZE,
	       DIGEST_SIZE);
	return 0;
}

/* At the end of the page nothing may be left over. */
static int
check_end(const struct page_cursor *cursor)
{
	const struct page *page = cursor->page;

	return cursor->text_offset == page->text_size &&
			       cursor->sparse_index == page->sparse_count &&
			       cursor->segment_index == page->segment_count &&
			       cursor->digest_index == page->digest_count
		       ? 0
		       : DSP_ECORRUPT;
}

int
page_next(struct page_cursor *cursor, struct record *ret_record,
	  bool *ret_is_end)
{
	const struct page *page = cursor->page;
	struct record record = { .target = "",
				 .xattrs = page->raw,
				 .segments = page->raw };
	size_t i = cursor->index;
	unsigned kind, mtime;
	int err;

	if (i == page->record_count) {
		*ret_is_end = true;
		return check_end(cursor);
	}
	kind = page->kind[i];
	record.type = kind & 0x0f;
	record.mode = le16_get(page->mode + i * 2);
	record.size = le64_get(page->size + i * 8);
	mtime = le16_get(page->mtime_index + i * 2);
	if (record.mode > 07777 || mtime >= page->mtime_count ||
	    (kind & ~0x0fu & ~(unsigned)PAGE_KIND_SPARSE) != 0 ||
	    (kind & PAGE_KIND_SPARSE && record.type != RECORD_FILE))
		return DSP_ECORRUPT;
	record.mtime = (int64_t)le64_get(page->mtimes + (size_t)mtime * 8);
	err = read_path(cursor, &record);
	if (err == 0)
		err = read_owner(page, le16_get(page->owner + i * 2), &record);
	if (err == 0)
		err = read_xattrs(page, le16_get(page->xattrs_index + i * 2),
				  &record);
	if (err < 0)
		return err;
	switch (record.type) {
	case RECORD_DIR:
		err = record.size == 0 ? 0 : DSP_ECORRUPT;
		break;
	case RECORD_FILE:
		err = read_file(cursor, &record, kind & PAGE_KIND_SPARSE);
		break;
	case RECORD_SYMLINK:
	case RECORD_HARDLINK:
		err = read_target(cursor, &record);
		break;
	default:
		err = DSP_ECORRUPT;
	}
	if (err < 0)
		return err;
	cursor->index++;
	*ret_record = record;
	*ret_is_end = false;
	return 0;
}
