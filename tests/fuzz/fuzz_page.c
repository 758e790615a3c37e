/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Input: a raw manifest page.
 *
 * What is read is within its limits and may be used as it is; a page that can
 * be read to its end can be built again from what was read, and read again.
 */
#include "core/base/err.h"
#include "core/base/path.h"
#include "core/image/page.h"
#include "core/image/xattrs.h"
#include "tests/fuzz/fuzz.h"

static char path_room[2][PATH_SIZE_MAX + 1];

static void
check_segments(const struct record *record)
{
	uint64_t data_size = 0, end = 0;

	for (uint32_t i = 0; i < record->segment_count; i++) {
		struct segment segment = record_segment(record, i);
		uint64_t run;

		must(segment.size > 0 && segment.offset >= end);
		must(record_file_offset(record, data_size, &run) ==
		     segment.offset);
		must(run == segment.size);
		data_size += segment.size;
		end = segment.offset + segment.size;
	}
	must(!record->is_sparse || data_size == record->data_size);
	must(end <= record->size);
}

/* Every string is touched to its end. */
static void
check_record(const struct record *record)
{
	must(path_is_valid(record->path, record->path_size));
	must(strlen(record->path) == record->path_size);
	must(strlen(record->target) == record->target_size);
	must(strlen(record->user) <= RECORD_NAME_MAX);
	must(strlen(record->group) <= RECORD_NAME_MAX);
	must(record->mode <= 07777);
	must(record->size <= INT64_MAX && record->data_size <= record->size);
	must(xattrs_are_valid(record->xattrs, record->xattrs_size));
	must((record->target_size > 0) == (record->type == RECORD_SYMLINK ||
					   record->type == RECORD_HARDLINK));
	if (record->type == RECORD_HARDLINK)
		must(path_is_valid(record->target, record->target_size));
	check_segments(record);
}

/* Read to the end; *ret_raw is the page built again from it, when 0. */
static int
read_page(const uint8_t *raw, size_t size, char *room, struct buffer *ret_raw)
{
	struct page_builder *builder = page_builder_new();
	struct page_cursor cursor;
	struct page page;
	bool is_end = false;
	uint32_t count = 0;
	int err = page_parse(raw, size, &page);

	must(builder != NULL);
	if (err == 0)
		err = page_cursor_start(&cursor, &page, room);
	while (err == 0) {
		struct record record;

		err = page_next(&cursor, &record, &is_end);
		if (err < 0 || is_end)
			break;
		check_record(&record);
		must(page_builder_add(builder, &record) == 0);
		count++;
	}
	for (uint32_t i = 0; err == 0 && i < page.block_count; i++) {
		struct block_ref block = page_block(&page, i);

		must(page_builder_add_block(builder, &block) == 0);
	}
	must(err == 0 || err == DSP_ECORRUPT);
	must(err < 0 || count == page.record_count);
	if (err == 0)
		must(page_builder_finish(builder, ret_raw) == 0);
	page_builder_free(builder);
	return err;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *raw = copy_of(data, size);
	struct buffer first = { 0 }, second = { 0 };

	if (read_page(raw, size, path_room[0], &first) == 0) {
		must(read_page(first.data, first.size, path_room[1], &second) ==
		     0);
		must(first.size == second.size);
		must(memcmp(first.data, second.data, first.size) == 0);
	}
	buffer_release(&first);
	buffer_release(&second);
	free(raw);
	return 0;
}
