/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/image/page.h"
#include "core/image/page_int.h"

struct page_builder {
	struct buffer column[PAGE_COLUMN_COUNT];
	struct buffer path; /* of the record added last */
	struct buffer owner_text;
	uint32_t record_count;
	uint32_t block_count;
	uint32_t owner_count, mtime_count, xattrs_count, sparse_count;
	uint32_t digest_count, segment_count;
};

struct page_builder *
page_builder_new(void)
{
	return calloc(1, sizeof(struct page_builder));
}

void
page_builder_free(struct page_builder *builder)
{
	if (builder == NULL)
		return;
	for (int i = 0; i < PAGE_COLUMN_COUNT; i++)
		buffer_release(&builder->column[i]);
	buffer_release(&builder->path);
	buffer_release(&builder->owner_text);
	free(builder);
}

/* The index of an owner in the page's table, where it is added when new. */
static int
find_owner(struct page_builder *builder, const struct record *record,
	   uint16_t *ret_index)
{
	struct buffer *owners = &builder->column[PAGE_OWNERS];
	const uint8_t *names = builder->owner_text.data;
	size_t user_size = strlen(record->user);
	size_t group_size = strlen(record->group);
	int err = 0;

	assert(user_size <= RECORD_NAME_MAX && group_size <= RECORD_NAME_MAX);
	for (uint32_t i = 0; i < builder->owner_count; i++) {
		const uint8_t *row = owners->data + i * PAGE_OWNER_SIZE;
		const uint8_t *group = names + le16_get(row + 8) + 1;

		if (le32_get(row) == record->uid &&
		    le32_get(row + 4) == record->gid &&
		    strcmp((const char *)names, record->user) == 0 &&
		    strcmp((const char *)group, record->group) == 0) {
			*ret_index = (uint16_t)i;
			return 0;
		}
		names = group + le16_get(row + 10) + 1;
	}
	*ret_index = (uint16_t)builder->owner_count++;
	err |= buffer_add_le32(owners, record->uid);
	err |= buffer_add_le32(owners, record->gid);
	err |= buffer_add_le16(owners, (uint16_t)user_size);
	err |= buffer_add_le16(owners, (uint16_t)group_size);
	err |= buffer_add(&builder->owner_text, record->user, user_size + 1);
	err |= buffer_add(&builder->owner_text, record->group, group_size + 1);
	return err != 0 ? DSP_ENOMEM : 0;
}

/* The index of a time in the page's table.  Looks at the newest first. */
static int
find_mtime(struct page_builder *builder, int64_t mtime, uint16_t *ret_index)
{
	struct buffer *mtimes = &builder->column[PAGE_MTIMES];

	for (uint32_t i = builder->mtime_count; i-- > 0;) {
		if (le64_get(mtimes->data + i * 8) == (uint64_t)mtime) {
			*ret_index = (uint16_t)i;
			return 0;
		}
	}
	*ret_index = (uint16_t)builder->mtime_count++;
	return buffer_add_le64(mtimes, (uint64_t)mtime);
}

/* The index + 1 of a set of attributes in the page; 0 for the empty one. */
static int
find_xattrs(struct page_builder *builder, const struct record *record,
	    uint16_t *ret_index)
{
	struct buffer *sizes = &builder->column[PAGE_XATTRS_SIZES];
	struct buffer *sets = &builder->column[PAGE_XATTRS];
	size_t offset = 0;
	int err = 0;

	if (record->xattrs_size == 0) {
		*ret_index = 0;
		return 0;
	}
	for (uint32_t i = 0; i < builder->xattrs_count; i++) {
		uint32_t size = le32_get(sizes->data + i * 4);

		if (size == record->xattrs_size &&
		    memcmp(sets->data + offset, record->xattrs, size) == 0) {
			*ret_index = (uint16_t)(i + 1);
			return 0;
		}
		offset += size;
	}
	*ret_index = (uint16_t)++builder->xattrs_count;
	err |= buffer_add_le32(sizes, record->xattrs_size);
	err |= buffer_add(sets, record->xattrs, record->xattrs_size);
	return err != 0 ? DSP_ENOMEM : 0;
}

static int
add_path(struct page_builder *builder, const struct record *record)
{
	const struct buffer *before = &builder->path;
	size_t shared = 0;
	int err = 0;

	while (shared < before->size && shared < record->path_size &&
	       before->data[shared] == (uint8_t)record->path[shared])
		shared++;
	err |= buffer_add_le16(&builder->column[PAGE_SHARED], (uint16_t)shared);
	err |= buffer_add_le16(&builder->column[PAGE_SUFFIX],
			       (uint16_t)(record->path_size - shared));
	err |= buffer_add(&builder->column[PAGE_TEXT], record->path + shared,
			  record->path_size - shared);
	builder->path.size = shared;
	err |= buffer_add(&builder->path, record->path + shared,
			  record->path_size - shared);
	return err;
}

static int
add_segments(struct page_builder *builder, const struct record *record)
{
	int err = 0;

	builder->sparse_count++;
	builder->segment_count += record->segment_count;
	err |= buffer_add_le32(&builder->column[PAGE_SPARSE],
			       record->segment_count);
	err |= buffer_add(&builder->column[PAGE_SEGMENTS], record->segments,
			  record->segment_count * RECORD_SEGMENT_SIZE);
	return err;
}

int
page_builder_add(struct page_builder *builder, const struct record *record)
{
	struct buffer *column = builder->column;
	bool is_link = record->type == RECORD_SYMLINK ||
		       record->type == RECORD_HARDLINK;
	uint16_t owner, mtime, xattrs;
	unsigned kind = record->type;
	int err = 0;

	assert(builder->record_count < PAGE_RECORDS_MAX);
	if (record->is_sparse)
		kind |= PAGE_KIND_SPARSE;
	err |= find_owner(builder, record, &owner);
	err |= find_mtime(builder, record->mtime, &mtime);
	err |= find_xattrs(builder, record, &xattrs);
	err |= add_path(builder, record);
	if (is_link)
		err |= buffer_add(&column[PAGE_TEXT], record->target,
				  (size_t)record->target_size + 1);
	err |= buffer_add_u8(&column[PAGE_KIND], (uint8_t)kind);
	err |= buffer_add_le16(&column[PAGE_MODE], (uint16_t)record->mode);
	err |= buffer_add_le16(&column[PAGE_OWNER], owner);
	err |= buffer_add_le16(&column[PAGE_MTIME], mtime);
	err |= buffer_add_le16(&column[PAGE_XATTRS_INDEX], xattrs);
	err |= buffer_add_le64(&column[PAGE_SIZE], is_link ? record->target_size
						   : record->type == RECORD_FILE
							   ? record->size
							   : 0);
	if (record->is_sparse)
		err |= add_segments(builder, record);
	if (record_has_digest(record)) {
		builder->digest_count++;
		err |= buffer_add(&column[PAGE_DIGESTS], record->digest.bytes,
				  DIGEST_SIZE);
	}
	builder->record_count++;
	return err != 0 ? DSP_ENOMEM : 0;
}

void
page_builder_set_digest(struct page_builder *builder,
			const struct digest *digest)
{
	struct buffer *digests = &builder->column[PAGE_DIGESTS];

	assert(builder->digest_count > 0);
	memcpy(digests->data + digests->size - DIGEST_SIZE, digest->bytes,
	       DIGEST_SIZE);
}

int
page_builder_add_block(struct page_builder *builder,
		       const struct block_ref *block)
{
	int err = 0;

	assert(builder->block_count < PAGE_BLOCKS_MAX);
	builder->block_count++;
	err |= buffer_add_le32(&builder->column[PAGE_BLOCK_SIZES],
			       block->raw_size);
	err |= buffer_add(&builder->column[PAGE_BLOCK_NAMES], block->name.bytes,
			  DIGEST_SIZE);
	return err != 0 ? DSP_ENOMEM : 0;
}

unsigned
page_builder_record_count(const struct page_builder *builder)
{
	return builder->record_count;
}

unsigned
page_builder_block_count(const struct page_builder *builder)
{
	return builder->block_count;
}

int
page_builder_finish(struct page_builder *builder, struct buffer *raw)
{
	struct buffer *column = builder->column;
	size_t text_size = builder->owner_text.size + column[PAGE_TEXT].size;
	int err = 0;

	err |= buffer_add_le32(raw, builder->record_count);
	err |= buffer_add_le32(raw, builder->block_count);
	err |= buffer_add_le32(raw, builder->owner_count);
	err |= buffer_add_le32(raw, builder->mtime_count);
	err |= buffer_add_le32(raw, builder->xattrs_count);
	err |= buffer_add_le32(raw, builder->sparse_count);
	err |= buffer_add_le32(raw, builder->segment_count);
	err |= buffer_add_le32(raw, builder->digest_count);
	err |= buffer_add_le32(raw, (uint32_t)text_size);
	err |= buffer_add_le32(raw, (uint32_t)column[PAGE_XATTRS].size);
	for (int i = 0; i < PAGE_COLUMN_COUNT; i++) {
		if (i == PAGE_TEXT)
			err |= buffer_add(raw, builder->owner_text.data,
					  builder->owner_text.size);
		err |= buffer_add(raw, column[i].data, column[i].size);
		column[i].size = 0;
	}
	builder->path.size = 0;
	builder->owner_text.size = 0;
	builder->record_count = builder->block_count = 0;
	builder->owner_count = builder->mtime_count = 0;
	builder->xattrs_count = builder->sparse_count = 0;
	builder->segment_count = builder->digest_count = 0;
	return err != 0 ? DSP_ENOMEM : 0;
}
