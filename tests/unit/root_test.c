/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/root.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/chunk/frame.h"
#include "core/image/page.h"
#include "tests/unit/support.h"

/* Where things stand in the root's bytes; docs/format-image.md. */
enum {
	AT_MAGIC = 0,
	AT_FORMAT = 8,
	AT_HASH = 10,
	AT_CODEC = 11,
	AT_LEVEL = 12,
	AT_PACKAGE = 16,
	AT_VERSION = 24,
	AT_PAGE_COUNT = 28,
	AT_RULE = 32,
	AT_BASE_MAX = 44,
	AT_RECORD_COUNT = 48,
	AT_FILE_BYTES = 96,
	AT_DATA_BYTES = 104,
	AT_ZERO = 112,
	AT_CONTENT = 120,
	AT_PAGES = 152,
	PAGE_ROW_SIZE = 72,
	AT_END = AT_PAGES + 2 * PAGE_ROW_SIZE
};

static struct root_page pages[2];

static struct root
sample(void)
{
	struct root root = { .package_id = "61000012",
			     .version = 3,
			     .level = 3,
			     .rule = { 512 << 10, 1 << 20, 2 << 20 },
			     .record_count = 1000,
			     .file_count = 700,
			     .dir_count = 200,
			     .symlink_count = 90,
			     .hardlink_count = 10,
			     .block_count = 30,
			     .file_bytes = UINT64_C(50) << 30,
			     .data_bytes = 30 << 20,
			     .page_count = 2,
			     .pages = pages };

	pages[0] = (struct root_page){ .raw_size = 12345, .block_count = 20 };
	pages[1] = (struct root_page){ .raw_size = 777, .block_count = 10 };
	for (int i = 0; i < 2; i++) {
		digest_of(&"01"[i], 1, &pages[i].digest);
		digest_of(&"23"[i], 1, &pages[i].frames);
	}
	root_set_content(&root);
	return root;
}

static struct buffer
encode(const struct root *root)
{
	struct buffer raw = { 0 };

	assert_int_equal(root_encode(root, &raw), 0);
	return raw;
}

/* Decode from memory of exactly this size, and let go of it. */
static int
decode(const uint8_t *raw, size_t size)
{
	uint8_t *copy = must_malloc(size);
	struct root root;
	int err;

	memcpy(copy, raw, size);
	err = root_decode(copy, size, &root);
	free(copy);
	if (err == 0)
		root_release(&root);
	return err;
}

static void
root_comes_back_as_it_was(void **state)
{
	struct root root = sample();
	struct buffer raw = encode(&root);
	struct buffer again;
	struct root found;

	(void)state;
	assert_int_equal(raw.size, AT_END);
	assert_int_equal(root_decode(raw.data, raw.size, &found), 0);
	assert_string_equal(found.package_id, root.package_id);
	assert_int_equal(found.version, root.version);
	assert_int_equal(found.level, root.level);
	assert_memory_equal(&found.rule, &root.rule, sizeof root.rule);
	assert_true(found.record_count == root.record_count);
	assert_true(found.file_count == root.file_count);
	assert_true(found.dir_count == root.dir_count);
	assert_true(found.symlink_count == root.symlink_count);
	assert_true(found.hardlink_count == root.hardlink_count);
	assert_true(found.block_count == root.block_count);
	assert_true(found.file_bytes == root.file_bytes);
	assert_true(found.data_bytes == root.data_bytes);
	assert_true(digest_equal(&found.content, &root.content));
	assert_int_equal(found.page_count, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(found.pages[i].raw_size, pages[i].raw_size);
		assert_int_equal(found.pages[i].block_count,
				 pages[i].block_count);
		assert_true(
			digest_equal(&found.pages[i].digest, &pages[i].digest));
		assert_true(
			digest_equal(&found.pages[i].frames, &pages[i].frames));
	}
	again = encode(&found);
	assert_int_equal(again.size, raw.size);
	assert_memory_equal(again.data, raw.data, raw.size);
	buffer_release(&again);
	buffer_release(&raw);
	root_release(&found);
	assert_int_equal(found.page_count, 0);
	root_release(&found);
}

static void
root_encode_adds_behind_what_is_there(void **state)
{
	struct root root = sample();
	struct buffer raw = { 0 };

	(void)state;
	buffer_add(&raw, "before", 6);
	assert_int_equal(root_encode(&root, &raw), 0);
	assert_memory_equal(raw.data, "before", 6);
	assert_int_equal(decode(raw.data + 6, raw.size - 6), 0);
	buffer_release(&raw);
}

static void
root_without_frames_has_level_zero(void **state)
{
	struct root root = sample();
	struct buffer raw;

	(void)state;
	root.level = 0;
	raw = encode(&root);
	assert_int_equal(decode(raw.data, raw.size), DSP_ECORRUPT);
	buffer_release(&raw);
	memset(&pages[0].frames, 0, DIGEST_SIZE);
	memset(&pages[1].frames, 0, DIGEST_SIZE);
	raw = encode(&root);
	assert_int_equal(decode(raw.data, raw.size), 0);
	buffer_release(&raw);
	root.level = 1;
	raw = encode(&root);
	assert_int_equal(decode(raw.data, raw.size), DSP_ECORRUPT);
	buffer_release(&raw);
}

/*
 * What may be something else without being wrong: the image's name changes
 * with it, and it is not what a reader relies on before it reads the pages.
 */
static bool
is_free(size_t at)
{
	size_t row = (at - AT_PAGES) % PAGE_ROW_SIZE;

	if (at >= AT_PAGES)
		return row < 4 || row >= 8 + DIGEST_SIZE; /* size, frames */
	return (at >= AT_LEVEL && at < AT_PAGE_COUNT) ||
	       (at >= AT_FILE_BYTES && at < AT_ZERO);
}

static void
root_with_any_bit_flipped_is_an_error_or_another_root(void **state)
{
	struct root root = sample();
	struct buffer raw = encode(&root);

	(void)state;
	for (size_t at = 0; at < raw.size; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			struct root found;
			struct buffer again;
			int err;

			raw.data[at] ^= (uint8_t)(1u << bit);
			err = root_decode(raw.data, raw.size, &found);
			if (err < 0) {
				assert_true(err == DSP_ECORRUPT ||
					    err == DSP_EFORMAT ||
					    err == DSP_EVERSION);
			} else {
				assert_true(is_free(at));
				again = encode(&found);
				assert_memory_equal(again.data, raw.data,
						    raw.size);
				buffer_release(&again);
				root_release(&found);
			}
			raw.data[at] ^= (uint8_t)(1u << bit);
		}
	}
	buffer_release(&raw);
}

static void
root_truncated_or_with_a_byte_behind_is_an_error(void **state)
{
	struct root root = sample();
	struct buffer raw = encode(&root);

	(void)state;
	for (size_t size = 0; size < raw.size; size++)
		assert_true(decode(raw.data, size) < 0);
	buffer_add_u8(&raw, 0);
	assert_int_equal(decode(raw.data, raw.size), DSP_ECORRUPT);
	buffer_release(&raw);
}

static void
root_of_another_kind_of_file_is_eformat(void **state)
{
	struct root root = sample();
	struct buffer raw = encode(&root);

	(void)state;
	raw.data[AT_MAGIC] = 'd';
	assert_int_equal(decode(raw.data, raw.size), DSP_EFORMAT);
	assert_int_equal(decode(raw.data, 0), DSP_EFORMAT);
	buffer_release(&raw);
}

/* A newer program's root is told from a damaged one. */
static void
root_of_a_newer_version_is_eversion(void **state)
{
	struct root root = sample();
	struct buffer raw = encode(&root);

	(void)state;
	le16_put(raw.data + AT_FORMAT, ROOT_FORMAT + 1);
	assert_int_equal(decode(raw.data, raw.size), DSP_EVERSION);
	le16_put(raw.data + AT_FORMAT, 0);
	assert_int_equal(decode(raw.data, raw.size), DSP_EVERSION);
	le16_put(raw.data + AT_FORMAT, ROOT_FORMAT);
	raw.data[AT_HASH]++;
	assert_int_equal(decode(raw.data, raw.size), DSP_EVERSION);
	raw.data[AT_HASH]--;
	raw.data[AT_CODEC]++;
	assert_int_equal(decode(raw.data, raw.size), DSP_EVERSION);
	raw.data[AT_CODEC]--;
	assert_int_equal(decode(raw.data, raw.size), 0);
	buffer_release(&raw);
}

static void
try_le32(struct buffer *raw, size_t at, uint32_t value)
{
	uint32_t before = le32_get(raw->data + at);

	le32_put(raw->data + at, value);
	assert_int_equal(decode(raw->data, raw->size), DSP_ECORRUPT);
	le32_put(raw->data + at, before);
}

static void
root_with_a_field_beyond_its_limits_is_corrupt(void **state)
{
	struct root root = sample();
	struct buffer raw = encode(&root);

	(void)state;
	try_le32(&raw, AT_LEVEL, FRAME_LEVEL_MAX + 1);
	try_le32(&raw, AT_LEVEL, UINT32_MAX);
	try_le32(&raw, AT_LEVEL, 0x80000000);
	try_le32(&raw, AT_VERSION, 0);
	try_le32(&raw, AT_PAGE_COUNT, 0);
	try_le32(&raw, AT_PAGE_COUNT, 1);
	try_le32(&raw, AT_PAGE_COUNT, 3);
	/* 72 times this is 144 in 32 bits. */
	try_le32(&raw, AT_PAGE_COUNT, 2 + (UINT32_C(1) << 29));
	try_le32(&raw, AT_PAGE_COUNT, UINT32_MAX);
	try_le32(&raw, AT_RULE, 63);
	try_le32(&raw, AT_RULE, (1 << 20) + 1);
	try_le32(&raw, AT_RULE + 4, 2 << 20);
	try_le32(&raw, AT_RULE + 8, CUT_MAX_LIMIT + 1);
	try_le32(&raw, AT_BASE_MAX, FRAME_BASE_MAX + 1);
	for (size_t at = AT_RECORD_COUNT; at < AT_FILE_BYTES; at += 8) {
		try_le32(&raw, at, le32_get(raw.data + at) + 1);
		try_le32(&raw, at, 0);
		try_le32(&raw, at + 4, 1);
	}
	try_le32(&raw, AT_ZERO, 1);
	try_le32(&raw, AT_ZERO + 4, 0x80000000);
	try_le32(&raw, AT_PAGES, 0);
	try_le32(&raw, AT_PAGES, PAGE_SIZE_MAX + 1);
	try_le32(&raw, AT_PAGES, UINT32_MAX);
	try_le32(&raw, AT_PAGES + 4, 21);
	try_le32(&raw, AT_PAGES + 4, PAGE_BLOCKS_MAX + 1);
	assert_int_equal(decode(raw.data, raw.size), 0);
	buffer_release(&raw);
}

static void
root_larger_than_its_limit_is_corrupt(void **state)
{
	uint32_t count = (ROOT_SIZE_MAX - AT_PAGES) / PAGE_ROW_SIZE + 1;
	struct root root = sample();
	struct buffer raw;

	(void)state;
	root.pages = calloc(count, sizeof *root.pages);
	assert_non_null(root.pages);
	root.block_count = 0;
	root.page_count = count;
	for (uint32_t i = 0; i < count; i++) {
		root.pages[i].raw_size = 100;
		root.pages[i].digest = pages[0].digest;
		root.pages[i].frames = pages[0].frames;
	}
	root_set_content(&root);
	raw = encode(&root);
	assert_int_equal(decode(raw.data, raw.size), DSP_ECORRUPT);
	raw.size = 0;
	root.page_count--;
	root_set_content(&root);
	assert_int_equal(root_encode(&root, &raw), 0);
	assert_int_equal(decode(raw.data, raw.size), 0);
	free(root.pages);
	buffer_release(&raw);
}

static void
package_id_is_a_site_code_and_five_hex_digits(void **state)
{
	static const char *const good[] = { "LOC00000", "61000012", "A1ZFFFFF",
					    "00000000", "XYZABCDE" };
	static const char *const bad[] = {
		"",
		"LOC0000",
		"LOC000000",
		"loc00000",
		"LOC0000g",
		"LOC0000G",
		"LOC0000a",
		"LO/00000",
		"../00000",
		"LOC 0000",
		"LOC0000\n",
		"L\xd6"
		"C00000",
	};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(package_id_is_valid(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(package_id_is_valid(bad[i]));
}

/* It becomes a directory's name: every byte counts. */
static void
root_with_an_invalid_package_id_is_corrupt(void **state)
{
	struct root root = sample();
	struct buffer raw = encode(&root);

	(void)state;
	for (size_t i = 0; i < PACKAGE_ID_SIZE; i++) {
		for (int c = 0; c < 256; c++) {
			char id[PACKAGE_ID_SIZE + 1] = "61000012";
			int err;

			id[i] = (char)c;
			memcpy(raw.data + AT_PACKAGE, id, PACKAGE_ID_SIZE);
			err = decode(raw.data, raw.size);
			assert_int_equal(err, package_id_is_valid(id)
						      ? 0
						      : DSP_ECORRUPT);
		}
	}
	buffer_release(&raw);
}

static void
root_content_is_about_rule_and_pages_alone(void **state)
{
	struct root root = sample();
	struct digest content = root.content;

	(void)state;
	root.version = 99;
	root.level = 9;
	memcpy(root.package_id, "LOC00000", 9);
	pages[0].frames = pages[1].frames;
	root.file_bytes++;
	root_set_content(&root);
	assert_true(digest_equal(&root.content, &content));
	root.rule.min++;
	root_set_content(&root);
	assert_false(digest_equal(&root.content, &content));
	root.rule.min--;
	pages[1].digest.bytes[31] ^= 1;
	root_set_content(&root);
	assert_false(digest_equal(&root.content, &content));
	pages[1].digest.bytes[31] ^= 1;
	root.page_count = 1;
	root_set_content(&root);
	assert_false(digest_equal(&root.content, &content));
}

static void
root_bytes_are_the_same_on_every_target(void **state)
{
	struct root root = sample();
	struct buffer raw = encode(&root);
	struct digest digest;

	(void)state;
	digest_of(raw.data, raw.size, &digest);
	assert_golden("root", &digest);
	buffer_release(&raw);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_comes_back_as_it_was),
		cmocka_unit_test(root_encode_adds_behind_what_is_there),
		cmocka_unit_test(root_without_frames_has_level_zero),
		cmocka_unit_test(
			root_with_any_bit_flipped_is_an_error_or_another_root),
		cmocka_unit_test(
			root_truncated_or_with_a_byte_behind_is_an_error),
		cmocka_unit_test(root_of_another_kind_of_file_is_eformat),
		cmocka_unit_test(root_of_a_newer_version_is_eversion),
		cmocka_unit_test(
			root_with_a_field_beyond_its_limits_is_corrupt),
		cmocka_unit_test(root_larger_than_its_limit_is_corrupt),
		cmocka_unit_test(package_id_is_a_site_code_and_five_hex_digits),
		cmocka_unit_test(root_with_an_invalid_package_id_is_corrupt),
		cmocka_unit_test(root_content_is_about_rule_and_pages_alone),
		cmocka_unit_test(root_bytes_are_the_same_on_every_target),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
