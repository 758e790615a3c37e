/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/path.h"
#include "core/image/page_int.h"
#include "core/image/xattrs.h"
#include "tests/unit/support.h"

enum { RECORDS_MAX = PAGE_RECORDS_MAX };

/* What goes into a page, or came out of it. */
struct content {
	struct arena arena;
	struct record *records;
	size_t record_count;
	struct block_ref blocks[64];
	size_t block_count;
};

static char path_room[PATH_SIZE_MAX + 1];

static struct content
new_content(void)
{
	struct content content = { 0 };

	content.records = must_malloc(RECORDS_MAX * sizeof *content.records);
	return content;
}

static void
end_content(struct content *content)
{
	arena_release(&content->arena);
	free(content->records);
}

static struct record
plain(enum record_type type, const char *path)
{
	static const uint8_t nothing[1];
	struct record record = { .type = type,
				 .mode = type == RECORD_DIR ? 0755 : 0644,
				 .path = path,
				 .path_size = (uint32_t)strlen(path),
				 .user = "root",
				 .group = "root",
				 .target = "",
				 .xattrs = nothing,
				 .segments = nothing };

	return record;
}

static void
add(struct content *content, const struct record *record)
{
	assert_true(content->record_count < RECORDS_MAX);
	assert_int_equal(record_copy(record, &content->arena,
				     &content->records[content->record_count]),
			 0);
	content->record_count++;
}

static void
add_block(struct content *content, uint32_t raw_size)
{
	struct block_ref *block = &content->blocks[content->block_count++];

	block->raw_size = raw_size;
	digest_of(&raw_size, sizeof raw_size, &block->name);
}

/* One of everything that a record can be. */
static void
make_content(struct content *content)
{
	uint8_t segments[3 * RECORD_SEGMENT_SIZE];
	struct buffer xattrs = { 0 };
	struct record r = plain(RECORD_DIR, "");

	add(content, &r);
	r = plain(RECORD_DIR, "a");
	r.mtime = -1;
	r.mode = 01777;
	add(content, &r);
	r = plain(RECORD_FILE, "a/empty");
	r.mtime = INT64_MIN;
	r.mode = 0;
	add(content, &r);
	r = plain(RECORD_FILE, "a/file");
	r.size = r.data_size = 1000;
	r.mtime = INT64_MAX;
	r.mode = 07777;
	r.uid = UINT32_MAX;
	r.gid = 1;
	r.user = "";
	r.group = "";
	digest_of("x", 1, &r.digest);
	add(content, &r);
	r = plain(RECORD_HARDLINK, "a/file2");
	r.target = "a/file";
	r.target_size = 6;
	add(content, &r);
	r = plain(RECORD_SYMLINK, "a/link \n\xff");
	r.target = "../../etc/passwd";
	r.target_size = 16;
	r.mode = 0777;
	add(content, &r);
	r = plain(RECORD_FILE, "a/sparse");
	r.is_sparse = true;
	r.size = (uint64_t)20 << 30;
	r.segment_count = 3;
	le64_put(segments, 0);
	le64_put(segments + 8, 10);
	le64_put(segments + 16, 11);
	le64_put(segments + 24, 100);
	le64_put(segments + 32, r.size - 1);
	le64_put(segments + 40, 1);
	r.segments = segments;
	r.data_size = 111;
	digest_of("y", 1, &r.digest);
	add(content, &r);
	r = plain(RECORD_FILE, "a/sparse without data");
	r.is_sparse = true;
	r.size = INT64_MAX;
	r.data_size = 0;
	add(content, &r);
	xattrs_add(&xattrs, "security.capability", "\1\0\0\2", 4);
	xattrs_add(&xattrs, "user.DOSATTRIB", "0x20", 4);
	r = plain(RECORD_FILE, "b");
	r.xattrs = xattrs.data;
	r.xattrs_size = (uint32_t)xattrs.size;
	r.size = r.data_size = UINT64_C(5) << 30;
	digest_of("z", 1, &r.digest);
	add(content, &r);
	r = plain(RECORD_DIR, "c");
	r.xattrs = xattrs.data; /* the same set again */
	r.xattrs_size = (uint32_t)xattrs.size;
	add(content, &r);
	r = plain(RECORD_DIR, "d");
	r.xattrs = xattrs.data; /* a part of it is another set */
	r.xattrs_size = 29;
	add(content, &r);
	add_block(content, 1111);
	add_block(content, 2 << 20);
	add_block(content, 1);
	buffer_release(&xattrs);
}

static void
build_with(struct page_builder *builder, const struct content *content,
	   struct buffer *raw)
{
	for (size_t i = 0; i < content->record_count; i++)
		assert_int_equal(
			page_builder_add(builder, &content->records[i]), 0);
	for (size_t i = 0; i < content->block_count; i++)
		assert_int_equal(page_builder_add_block(builder,
							&content->blocks[i]),
				 0);
	assert_int_equal(page_builder_record_count(builder),
			 content->record_count);
	assert_int_equal(page_builder_block_count(builder),
			 content->block_count);
	assert_int_equal(page_builder_finish(builder, raw), 0);
	assert_int_equal(page_builder_record_count(builder), 0);
}

static void
build(const struct content *content, struct buffer *raw)
{
	struct page_builder *builder = page_builder_new();

	assert_non_null(builder);
	build_with(builder, content, raw);
	page_builder_free(builder);
}

/* Read a page to its end; gives what it holds when ret_content is not NULL. */
static int
read_page(const uint8_t *raw, size_t size, struct content *ret_content)
{
	struct page page;
	struct page_cursor cursor;
	int err = page_parse(raw, size, &page);

	if (err < 0)
		return err;
	err = page_cursor_start(&cursor, &page, path_room);
	while (err == 0) {
		struct record record;
		bool is_end;

		err = page_next(&cursor, &record, &is_end);
		if (err < 0 || is_end)
			break;
		/* Of what was checked everything may be used. */
		assert_true(path_is_valid(record.path, record.path_size));
		assert_int_equal(strlen(record.path), record.path_size);
		assert_true(strlen(record.user) <= RECORD_NAME_MAX);
		assert_true(strlen(record.group) <= RECORD_NAME_MAX);
		assert_int_equal(strlen(record.target), record.target_size);
		assert_true(
			xattrs_are_valid(record.xattrs, record.xattrs_size));
		if (ret_content != NULL)
			add(ret_content, &record);
	}
	for (uint32_t i = 0; ret_content != NULL && i < page.block_count; i++)
		ret_content->blocks[ret_content->block_count++] =
			page_block(&page, i);
	return err;
}

/* The same from memory of exactly this size. */
static int
read_copy(const uint8_t *raw, size_t size)
{
	uint8_t *copy = must_malloc(size);
	int err;

	memcpy(copy, raw, size);
	err = read_page(copy, size, NULL);
	free(copy);
	return err;
}

static void
assert_same_content(const struct content *a, const struct content *b)
{
	assert_int_equal(a->record_count, b->record_count);
	for (size_t i = 0; i < a->record_count; i++) {
		const struct record *x = &a->records[i], *y = &b->records[i];

		assert_string_equal(x->path, y->path);
		assert_int_equal(x->path_size, y->path_size);
		assert_true(record_same_metadata(x, y));
		assert_true(x->data_size == y->data_size);
		assert_int_equal(x->is_sparse, y->is_sparse);
		assert_int_equal(x->segment_count, y->segment_count);
		assert_memory_equal(x->segments, y->segments,
				    x->segment_count * RECORD_SEGMENT_SIZE);
		if (record_has_digest(x))
			assert_true(digest_equal(&x->digest, &y->digest));
	}
	assert_int_equal(a->block_count, b->block_count);
	for (size_t i = 0; i < a->block_count; i++) {
		assert_int_equal(a->blocks[i].raw_size, b->blocks[i].raw_size);
		assert_true(
			digest_equal(&a->blocks[i].name, &b->blocks[i].name));
	}
}

static void
check_round_trip(const struct content *content)
{
	struct content found = new_content();
	struct buffer raw = { 0 }, again = { 0 };

	build(content, &raw);
	assert_int_equal(read_page(raw.data, raw.size, &found), 0);
	assert_same_content(content, &found);

	/* Equal records have equal bytes. */
	build(&found, &again);
	assert_int_equal(again.size, raw.size);
	assert_memory_equal(again.data, raw.data, raw.size);
	end_content(&found);
	buffer_release(&raw);
	buffer_release(&again);
}

static void
page_round_trips_every_kind_of_record(void **state)
{
	struct content content = new_content();

	(void)state;
	make_content(&content);
	check_round_trip(&content);
	end_content(&content);
}

static void
page_of_nothing_or_of_blocks_alone_round_trips(void **state)
{
	struct content content = new_content();

	(void)state;
	check_round_trip(&content);
	add_block(&content, 5);
	check_round_trip(&content);
	end_content(&content);
}

static void
page_round_trips_records_at_every_limit(void **state)
{
	struct content content = new_content();
	char *text = must_malloc(PATH_SIZE_MAX + 1);
	uint8_t *segments =
		must_malloc(RECORD_SEGMENTS_MAX * RECORD_SEGMENT_SIZE);
	struct buffer xattrs = { 0 };
	struct record r = plain(RECORD_DIR, "");
	char name[4];

	(void)state;
	add(&content, &r);
	memset(text, 'p', PATH_SIZE_MAX);
	text[PATH_SIZE_MAX] = '\0';
	r = plain(RECORD_SYMLINK, text);
	r.target = text;
	r.target_size = RECORD_TARGET_MAX;
	add(&content, &r);
	text[PATH_SIZE_MAX - 1] = 'q';
	r = plain(RECORD_FILE, text);
	r.user = text + PATH_SIZE_MAX - RECORD_NAME_MAX;
	r.group = r.user;
	add(&content, &r);
	r = plain(RECORD_FILE, "q");
	for (int i = 0; i < 15; i++) {
		snprintf(name, sizeof name, "%03d", i);
		xattrs_add(&xattrs, name, text, 65535);
	}
	xattrs_add(&xattrs, "9", text, RECORD_XATTRS_MAX - xattrs.size - 7);
	r.xattrs = xattrs.data;
	r.xattrs_size = RECORD_XATTRS_MAX;
	r.is_sparse = true;
	r.segments = segments;
	r.segment_count = RECORD_SEGMENTS_MAX;
	for (uint32_t i = 0; i < RECORD_SEGMENTS_MAX; i++) {
		le64_put(segments + i * 16, i * 4);
		le64_put(segments + i * 16 + 8, 3);
	}
	r.size = RECORD_SEGMENTS_MAX * 4;
	r.data_size = RECORD_SEGMENTS_MAX * 3;
	add(&content, &r);
	check_round_trip(&content);
	end_content(&content);
	buffer_release(&xattrs);
	free(segments);
	free(text);
}

/* As many records, owners, times and sets as there may be. */
static void
page_round_trips_as_many_records_as_it_may_have(void **state)
{
	struct content content = new_content();
	struct record r = plain(RECORD_DIR, "");

	(void)state;
	add(&content, &r);
	for (unsigned i = 1; i < PAGE_RECORDS_MAX; i++) {
		char path[32], user[32];
		struct buffer xattrs = { 0 };

		snprintf(path, sizeof path, "%06u", i);
		snprintf(user, sizeof user, "user%u", i);
		xattrs_add(&xattrs, "user.n", path, 6);
		r = plain(RECORD_FILE, path);
		r.user = user;
		r.uid = i;
		r.mtime = i;
		r.xattrs = xattrs.data;
		r.xattrs_size = (uint32_t)xattrs.size;
		add(&content, &r);
		buffer_release(&xattrs);
	}
	check_round_trip(&content);
	end_content(&content);
}

static void
page_builder_starts_anew_after_each_page(void **state)
{
	struct page_builder *builder = page_builder_new();
	struct content content = new_content();
	struct buffer first = { 0 }, second = { 0 };

	(void)state;
	make_content(&content);
	build_with(builder, &content, &first);
	build_with(builder, &content, &second);
	assert_int_equal(first.size, second.size);
	assert_memory_equal(first.data, second.data, first.size);
	page_builder_free(builder);
	page_builder_free(NULL);
	end_content(&content);
	buffer_release(&first);
	buffer_release(&second);
}

static void
page_set_digest_is_that_of_the_record_added_last(void **state)
{
	struct page_builder *builder = page_builder_new();
	struct content found = new_content();
	struct record r = plain(RECORD_FILE, "a");
	struct buffer raw = { 0 };
	struct digest digest;

	(void)state;
	digest_of("1", 1, &digest);
	r.size = r.data_size = 1;
	assert_int_equal(page_builder_add(builder, &r), 0);
	r = plain(RECORD_FILE, "b");
	r.size = r.data_size = 1;
	assert_int_equal(page_builder_add(builder, &r), 0);
	page_builder_set_digest(builder, &digest);
	assert_int_equal(page_builder_finish(builder, &raw), 0);
	assert_int_equal(read_page(raw.data, raw.size, &found), 0);
	assert_true(digest_is_zero(&found.records[0].digest));
	assert_true(digest_equal(&found.records[1].digest, &digest));
	page_builder_free(builder);
	end_content(&found);
	buffer_release(&raw);
}

static void
page_truncated_anywhere_is_corrupt(void **state)
{
	struct content content = new_content();
	struct buffer raw = { 0 };

	(void)state;
	make_content(&content);
	build(&content, &raw);
	for (size_t size = 0; size < raw.size; size++)
		assert_int_equal(read_copy(raw.data, size), DSP_ECORRUPT);
	assert_int_equal(buffer_add_u8(&raw, 0), 0);
	assert_int_equal(read_copy(raw.data, raw.size), DSP_ECORRUPT);
	end_content(&content);
	buffer_release(&raw);
}

/* The counts in the header say exactly what the page holds. */
static void
page_with_any_count_changed_is_corrupt(void **state)
{
	static const uint32_t values[] = {
		0,	    1,		2,	    4096,	4097,
		65536,	    65537,	8 << 20,    0x7fffffff, 0x80000000,
		0xaaaaaaab, 0xcccccccd, 0xfffffff0, UINT32_MAX,
	};
	struct content content = new_content();
	struct buffer raw = { 0 };

	(void)state;
	make_content(&content);
	build(&content, &raw);
	for (size_t at = 0; at < PAGE_HEADER_SIZE; at += 4) {
		uint32_t right = le32_get(raw.data + at);

		for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
			le32_put(raw.data + at, values[i]);
			assert_int_equal(read_copy(raw.data, raw.size),
					 values[i] == right ? 0 : DSP_ECORRUPT);
		}
		for (uint32_t delta = 1; delta < 20; delta++) {
			le32_put(raw.data + at, right + delta);
			assert_int_equal(read_copy(raw.data, raw.size),
					 DSP_ECORRUPT);
			le32_put(raw.data + at, right - delta);
			assert_int_equal(read_copy(raw.data, raw.size),
					 DSP_ECORRUPT);
		}
		le32_put(raw.data + at, right);
	}
	assert_int_equal(read_copy(raw.data, raw.size), 0);
	end_content(&content);
	buffer_release(&raw);
}

/* Two counts off by what makes up for each other's bytes. */
static void
page_with_counts_that_balance_is_still_checked(void **state)
{
	struct content content = new_content();
	struct buffer raw = { 0 };

	(void)state;
	make_content(&content);
	build(&content, &raw);
	for (size_t a = 0; a < PAGE_HEADER_SIZE; a += 4) {
		for (size_t b = 0; b < PAGE_HEADER_SIZE; b += 4) {
			uint32_t x = le32_get(raw.data + a);
			uint32_t y = le32_get(raw.data + b);

			for (uint32_t i = 1; a != b && i < 40; i++) {
				le32_put(raw.data + a, x - 1);
				le32_put(raw.data + b, y + i);
				(void)read_copy(raw.data, raw.size);
				le32_put(raw.data + a, x - i);
				le32_put(raw.data + b, y + 1);
				(void)read_copy(raw.data, raw.size);
			}
			le32_put(raw.data + a, x);
			le32_put(raw.data + b, y);
		}
	}
	assert_int_equal(read_copy(raw.data, raw.size), 0);
	end_content(&content);
	buffer_release(&raw);
}

/* read_page() asserts that what it got may be used. */
static void
page_with_any_byte_changed_is_an_error_or_a_valid_page(void **state)
{
	struct content content = new_content();
	struct buffer raw = { 0 };
	size_t errors = 0, valid = 0;

	(void)state;
	make_content(&content);
	build(&content, &raw);
	for (size_t at = 0; at < raw.size; at++) {
		uint8_t before = raw.data[at];

		for (unsigned bit = 0; bit < 8; bit++) {
			int err;

			raw.data[at] = (uint8_t)(before ^ 1u << bit);
			err = read_copy(raw.data, raw.size);
			assert_true(err == 0 || err == DSP_ECORRUPT);
			errors += err < 0;
			valid += err == 0;
		}
		raw.data[at] = before;
	}
	assert_true(errors > 500 && valid > 500);
	end_content(&content);
	buffer_release(&raw);
}

static void
page_of_random_bytes_is_corrupt(void **state)
{
	uint8_t raw[600];

	(void)state;
	for (uint64_t seed = 0; seed < 2000; seed++) {
		fill_random(raw, sizeof raw, seed);
		assert_int_equal(read_copy(raw, sizeof raw), DSP_ECORRUPT);
		/* With counts that are not out of the question. */
		for (size_t i = 0; i < PAGE_HEADER_SIZE; i += 4)
			le32_put(raw + i, raw[i] % 8);
		(void)read_copy(raw, seed % sizeof raw);
	}
}

/* Change the page through the reader's own idea of where the columns are. */
struct edit {
	struct buffer raw;
	struct page page;
};

static struct edit
new_edit(void)
{
	struct content content = new_content();
	struct edit edit = { 0 };

	make_content(&content);
	build(&content, &edit.raw);
	assert_int_equal(page_parse(edit.raw.data, edit.raw.size, &edit.page),
			 0);
	end_content(&content);
	return edit;
}

static uint8_t *
at(struct edit *edit, const uint8_t *column, size_t offset)
{
	return edit->raw.data + (column - edit->raw.data) + offset;
}

/* The page is now corrupt; take the change back. */
static void
assert_corrupt(struct edit *edit, uint8_t *p, const uint8_t *before,
	       size_t size)
{
	assert_int_equal(read_copy(edit->raw.data, edit->raw.size),
			 DSP_ECORRUPT);
	memcpy(p, before, size);
	assert_int_equal(read_copy(edit->raw.data, edit->raw.size), 0);
}

static void
try_le16(struct edit *edit, const uint8_t *column, size_t index, uint16_t value)
{
	uint8_t *p = at(edit, column, index * 2);
	uint8_t before[2] = { p[0], p[1] };

	le16_put(p, value);
	assert_corrupt(edit, p, before, 2);
}

static void
try_le64(struct edit *edit, const uint8_t *column, size_t index, uint64_t value)
{
	uint8_t *p = at(edit, column, index * 8);
	uint8_t before[8];

	memcpy(before, p, 8);
	le64_put(p, value);
	assert_corrupt(edit, p, before, 8);
}

static void
try_u8(struct edit *edit, const uint8_t *column, size_t index, uint8_t value)
{
	uint8_t *p = at(edit, column, index);
	uint8_t before = *p;

	*p = value;
	assert_corrupt(edit, p, &before, 1);
}

static void
page_with_an_index_out_of_its_table_is_corrupt(void **state)
{
	struct edit edit = new_edit();
	const struct page *page = &edit.page;

	(void)state;
	for (size_t i = 0; i < page->record_count; i++) {
		try_le16(&edit, page->owner, i, (uint16_t)page->owner_count);
		try_le16(&edit, page->owner, i, UINT16_MAX);
		try_le16(&edit, page->mtime_index, i,
			 (uint16_t)page->mtime_count);
		try_le16(&edit, page->mtime_index, i, UINT16_MAX);
		try_le16(&edit, page->xattrs_index, i,
			 (uint16_t)(page->xattrs_count + 1));
		try_le16(&edit, page->xattrs_index, i, UINT16_MAX);
	}
	buffer_release(&edit.raw);
}

static void
page_with_a_mode_or_type_that_is_none_is_corrupt(void **state)
{
	struct edit edit = new_edit();
	const struct page *page = &edit.page;

	(void)state;
	for (size_t i = 0; i < page->record_count; i++) {
		try_le16(&edit, page->mode, i, 010000);
		try_le16(&edit, page->mode, i, UINT16_MAX);
		try_u8(&edit, page->kind, i, 0);
		try_u8(&edit, page->kind, i, 5);
		try_u8(&edit, page->kind, i, 15);
		try_u8(&edit, page->kind, i, page->kind[i] | 0x20);
		try_u8(&edit, page->kind, i, page->kind[i] | 0x80);
		if (page->kind[i] != RECORD_FILE)
			try_u8(&edit, page->kind, i,
			       page->kind[i] ^ PAGE_KIND_SPARSE);
	}
	buffer_release(&edit.raw);
}

static void
page_with_a_size_that_cannot_be_is_corrupt(void **state)
{
	struct edit edit = new_edit();
	const struct page *page = &edit.page;

	(void)state;
	for (size_t i = 0; i < page->record_count; i++) {
		try_le64(&edit, page->size, i, UINT64_MAX);
		try_le64(&edit, page->size, i, (uint64_t)INT64_MAX + 1);
		if ((page->kind[i] & 0x0f) != RECORD_FILE) {
			/* A directory has none, a link that of its target. */
			try_le64(&edit, page->size, i,
				 le64_get(page->size + i * 8) + 1);
			try_le64(&edit, page->size, i, 100000);
		}
	}
	try_le64(&edit, page->size, 4, 0); /* links to nothing */
	try_le64(&edit, page->size, 5, 0);
	try_le64(&edit, page->size, 6, 5); /* shorter than its segments */
	try_le64(&edit, page->size, 7, 0); /* sparse, but no hole */
	buffer_release(&edit.raw);
}

static void
page_with_segments_out_of_order_is_corrupt(void **state)
{
	struct edit edit = new_edit();
	const struct page *page = &edit.page;
	const uint8_t *s = page->segments;
	uint64_t size = (uint64_t)20 << 30;

	(void)state;
	assert_int_equal(page->segment_count, 3);
	try_le64(&edit, s, 1, 0);	   /* of no bytes */
	try_le64(&edit, s, 1, 11);	   /* touches the next */
	try_le64(&edit, s, 1, 12);	   /* overlaps it */
	try_le64(&edit, s, 2, 10);	   /* touches the one before */
	try_le64(&edit, s, 2, 5);	   /* descends */
	try_le64(&edit, s, 4, size);	   /* begins at the end */
	try_le64(&edit, s, 5, 2);	   /* ends behind the end */
	try_le64(&edit, s, 5, UINT64_MAX); /* wraps */
	try_le64(&edit, s, 4, UINT64_MAX);
	try_u8(&edit, page->sparse, 0, 4); /* more than there are */
	try_u8(&edit, page->sparse, 0, 2); /* fewer than there are */
	try_u8(&edit, page->sparse, 3, 0x80);
	buffer_release(&edit.raw);
}

static void
page_with_owner_names_out_of_bounds_is_corrupt(void **state)
{
	struct edit edit = new_edit();
	const struct page *page = &edit.page;

	(void)state;
	/* u16 sizes of both names, as the 4th word of 12 bytes a row. */
	try_le16(&edit, page->owners + 8, 0, 5);
	try_le16(&edit, page->owners + 8, 0, 3);
	try_le16(&edit, page->owners + 10, 0, 0);
	try_le16(&edit, page->owners + 8, 0, RECORD_NAME_MAX + 1);
	try_le16(&edit, page->owners + 8, 0, UINT16_MAX);
	try_u8(&edit, page->text, 0, 0);
	try_u8(&edit, page->text, 4, 'x');
	buffer_release(&edit.raw);
}

static void
page_with_a_path_out_of_order_is_corrupt(void **state)
{
	struct edit edit = new_edit();
	const struct page *page = &edit.page;

	(void)state;
	/* Record 3 is "a/file" behind "a/empty": 2 shared, 4 of its own. */
	assert_int_equal(le16_get(page->shared + 6), 2);
	assert_int_equal(le16_get(page->suffix + 6), 4);
	try_le16(&edit, page->shared, 3, 0); /* "file" is above, but then */
	try_le16(&edit, page->shared, 3, 8); /* more than there is */
	try_le16(&edit, page->shared, 3, UINT16_MAX);
	try_le16(&edit, page->suffix, 3, 0); /* equal to a part of it */
	try_le16(&edit, page->suffix, 3, UINT16_MAX);
	buffer_release(&edit.raw);
}

/* What the index of record i of a page of plain files would be. */
static int
read_paths(const char *const *paths, size_t count)
{
	struct content content = new_content();
	struct buffer raw = { 0 };
	int err;

	for (size_t i = 0; i < count; i++) {
		struct record r = plain(RECORD_FILE, paths[i]);

		add(&content, &r);
	}
	build(&content, &raw);
	err = read_copy(raw.data, raw.size);
	end_content(&content);
	buffer_release(&raw);
	return err;
}

static void
page_with_an_invalid_path_is_corrupt(void **state)
{
	static const char *const bad[][2] = {
		{ "a", ".." },	 { "", ".." },	    { "", "../a" },
		{ "", "." },	 { "", "/" },	    { "", "/etc" },
		{ "a", "a//b" }, { "a", "a/" },	    { "a", "a/.." },
		{ "a", "a/." },	 { "a", "a/../b" }, { "a", "a" },
		{ "b", "a" },	 { "a/b", "a" },    { "a.b", "a/b" },
		{ "a", "" },
	};
	static const char *const good[] = { "", "a", "a/b", "a.b", "b" };

	(void)state;
	assert_int_equal(read_paths(good, 5), 0);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_int_equal(read_paths(bad[i], 2), DSP_ECORRUPT);
}

static void
page_with_a_hard_link_that_leads_elsewhere_is_corrupt(void **state)
{
	static const struct {
		const char *target;
		int err;
	} cases[] = {
		{ "a", 0 },
		{ "a/b", 0 },
		{ "m", DSP_ECORRUPT },
		{ "n", DSP_ECORRUPT },
		{ "m/x", DSP_ECORRUPT },
		{ "..", DSP_ECORRUPT },
		{ "../a", DSP_ECORRUPT },
		{ "/a", DSP_ECORRUPT },
		{ "/etc/passwd", DSP_ECORRUPT },
		{ "a/../b", DSP_ECORRUPT },
		{ ".", DSP_ECORRUPT },
		{ "a/", DSP_ECORRUPT },
		{ "", DSP_ECORRUPT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct content content = new_content();
		struct record r = plain(RECORD_HARDLINK, "m");
		struct buffer raw = { 0 };

		r.target = cases[i].target;
		r.target_size = (uint32_t)strlen(r.target);
		add(&content, &r);
		build(&content, &raw);
		assert_int_equal(read_copy(raw.data, raw.size), cases[i].err);
		end_content(&content);
		buffer_release(&raw);
	}
}

static void
page_with_a_nul_in_a_link_is_corrupt(void **state)
{
	struct edit edit = new_edit();
	const struct page *page = &edit.page;
	const uint8_t *target =
		memmem(page->text, page->text_size, "../../etc", 9);

	(void)state;
	assert_non_null(target);
	try_u8(&edit, target, 5, 0);
	try_u8(&edit, target, 0, 0);
	try_u8(&edit, target, 16, 'x'); /* its end */
	buffer_release(&edit.raw);
}

static void
page_ends_behind_one_record_in_about_a_thousand(void **state)
{
	uint64_t random = 1;
	unsigned ends = 0;

	(void)state;
	for (int i = 0; i < 1000000; i++)
		ends += page_ends_after(random_next(&random));
	assert_in_range(ends, 1000000 / PAGE_RECORDS_AVERAGE * 9 / 10,
			1000000 / PAGE_RECORDS_AVERAGE * 11 / 10);
	assert_true(page_ends_after(0));
	assert_false(page_ends_after(UINT64_MAX));
	/* The low half ends groups; the two must not know of each other. */
	assert_true(page_ends_after(UINT32_MAX));
}

static void
page_bytes_are_the_same_on_every_target(void **state)
{
	struct content content = new_content();
	struct buffer raw = { 0 };
	struct digest digest;

	(void)state;
	make_content(&content);
	/* Names of blocks are digests of numbers: not of this machine's. */
	for (size_t i = 0; i < content.block_count; i++)
		digest_of("b", i % 2, &content.blocks[i].name);
	build(&content, &raw);
	digest_of(raw.data, raw.size, &digest);
	assert_golden("page", &digest);
	end_content(&content);
	buffer_release(&raw);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page_round_trips_every_kind_of_record),
		cmocka_unit_test(
			page_of_nothing_or_of_blocks_alone_round_trips),
		cmocka_unit_test(page_round_trips_records_at_every_limit),
		cmocka_unit_test(
			page_round_trips_as_many_records_as_it_may_have),
		cmocka_unit_test(page_builder_starts_anew_after_each_page),
		cmocka_unit_test(
			page_set_digest_is_that_of_the_record_added_last),
		cmocka_unit_test(page_truncated_anywhere_is_corrupt),
		cmocka_unit_test(page_with_any_count_changed_is_corrupt),
		cmocka_unit_test(
			page_with_counts_that_balance_is_still_checked),
		cmocka_unit_test(
			page_with_any_byte_changed_is_an_error_or_a_valid_page),
		cmocka_unit_test(page_of_random_bytes_is_corrupt),
		cmocka_unit_test(
			page_with_an_index_out_of_its_table_is_corrupt),
		cmocka_unit_test(
			page_with_a_mode_or_type_that_is_none_is_corrupt),
		cmocka_unit_test(page_with_a_size_that_cannot_be_is_corrupt),
		cmocka_unit_test(page_with_segments_out_of_order_is_corrupt),
		cmocka_unit_test(
			page_with_owner_names_out_of_bounds_is_corrupt),
		cmocka_unit_test(page_with_a_path_out_of_order_is_corrupt),
		cmocka_unit_test(page_with_an_invalid_path_is_corrupt),
		cmocka_unit_test(
			page_with_a_hard_link_that_leads_elsewhere_is_corrupt),
		cmocka_unit_test(page_with_a_nul_in_a_link_is_corrupt),
		cmocka_unit_test(
			page_ends_behind_one_record_in_about_a_thousand),
		cmocka_unit_test(page_bytes_are_the_same_on_every_target),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
