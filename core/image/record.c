/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/record.h"

#include <assert.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/path.h"

unsigned
record_depth(const struct record *record)
{
	return path_depth(record->path, record->path_size);
}

const char *
record_name(const struct record *record)
{
	return record->path + path_name_start(record->path, record->path_size);
}

bool
record_has_digest(const struct record *record)
{
	return record->type == RECORD_FILE && record->data_size > 0;
}

bool
record_is_large(const struct record *record, uint32_t average)
{
	return record->type == RECORD_FILE && record->data_size >= average;
}

bool
record_same_data(const struct record *a, const struct record *b)
{
	if (a->type != RECORD_FILE || b->type != RECORD_FILE ||
	    a->size != b->size || a->data_size != b->data_size ||
	    a->segment_count != b->segment_count ||
	    memcmp(a->segments, b->segments,
		   a->segment_count * RECORD_SEGMENT_SIZE) != 0)
		return false;
	return a->data_size == 0 || (!digest_is_zero(&a->digest) &&
				     digest_equal(&a->digest, &b->digest));
}

bool
record_same_xattrs(const struct record *a, const struct record *b)
{
	return a->xattrs_size == b->xattrs_size &&
	       memcmp(a->xattrs, b->xattrs, a->xattrs_size) == 0;
}

bool
record_same_metadata(const struct record *a, const struct record *b)
{
	return a->type == b->type && a->mode == b->mode && a->uid == b->uid &&
	       a->gid == b->gid && a->mtime == b->mtime && a->size == b->size &&
	       a->target_size == b->target_size &&
	       strcmp(a->user, b->user) == 0 &&
	       strcmp(a->group, b->group) == 0 &&
	       memcmp(a->target, b->target, a->target_size) == 0 &&
	       record_same_xattrs(a, b);
}

/* As arena_copy(), but nothing is taken for nothing. */
static const char *
copy(struct arena *arena, const void *data, size_t size)
{
	return size > 0 ? arena_copy(arena, data, size) : "";
}

int
record_copy(const struct record *from, struct arena *arena,
	    struct record *ret_record)
{
	struct record to = *from;
	size_t segments_size =
		(size_t)from->segment_count * RECORD_SEGMENT_SIZE;

	to.path = copy(arena, from->path, from->path_size);
	to.user = copy(arena, from->user, strlen(from->user));
	to.group = copy(arena, from->group, strlen(from->group));
	to.target = copy(arena, from->target, from->target_size);
	to.xattrs =
		(const uint8_t *)copy(arena, from->xattrs, from->xattrs_size);
	to.segments =
		(const uint8_t *)copy(arena, from->segments, segments_size);
	if (to.path == NULL || to.user == NULL || to.group == NULL ||
	    to.target == NULL || to.xattrs == NULL || to.segments == NULL)
		return DSP_ENOMEM;
	*ret_record = to;
	return 0;
}

struct segment
record_segment(const struct record *record, uint32_t index)
{
	const uint8_t *p = record->segments + index * RECORD_SEGMENT_SIZE;

	assert(index < record->segment_count);
	return (struct segment){ le64_get(p), le64_get(p + 8) };
}

uint64_t
record_file_offset(const struct record *record, uint64_t offset,
		   uint64_t *ret_run)
{
	assert(offset < record->data_size);
	if (!record->is_sparse) {
		*ret_run = record->data_size - offset;
		return offset;
	}
	for (uint32_t i = 0;; i++) {
		struct segment segment = record_segment(record, i);

		if (offset < segment.size) {
			*ret_run = segment.size - offset;
			return segment.offset + offset;
		}
		offset -= segment.size;
	}
}
