/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/root.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/chunk/frame.h"
#include "core/image/page.h"

enum {
	ROOT_FIXED_SIZE = 152,
	ROOT_PAGE_SIZE = 72,
	ROOT_RULE_SIZE = 16,
	ROOT_CONTENT_OFFSET = 120,
	HASH_BLAKE3_256 = 1,
	CODEC_ZSTD = 1
};

static const char magic[8] = { 'D', 'S', 'P', 'L', 'R', 'O', 'O', 'T' };

void
root_release(struct root *root)
{
	free(root->pages);
	root->pages = NULL;
	root->page_count = 0;
}

static bool
is_code_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
}

static bool
is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

bool
package_id_is_valid(const char *id)
{
	if (strlen(id) != PACKAGE_ID_SIZE)
		return false;
	for (size_t i = 0; i < PACKAGE_ID_SIZE; i++)
		if (i < 3 ? !is_code_char(id[i]) : !is_hex(id[i]))
			return false;
	return true;
}

/* The rule as it stands in the root. */
static void
put_rule(const struct root *root, uint8_t rule[ROOT_RULE_SIZE])
{
	le32_put(rule, root->rule.min);
	le32_put(rule + 4, root->rule.average);
	le32_put(rule + 8, root->rule.max);
	le32_put(rule + 12, FRAME_BASE_MAX);
}

void
root_set_content(struct root *root)
{
	struct digest_sum *sum = digest_sum_new();
	uint8_t rule[ROOT_RULE_SIZE];

	/* A sum is small; that there is no room for it ends the program. */
	assert(sum != NULL);
	put_rule(root, rule);
	digest_sum_add(sum, rule, sizeof rule);
	for (uint32_t i = 0; i < root->page_count; i++)
		digest_sum_add(sum, root->pages[i].digest.bytes, DIGEST_SIZE);
	digest_sum_get(sum, &root->content);
	digest_sum_free(sum);
}

int
root_encode(const struct root *root, struct buffer *raw)
{
	size_t start = raw->size;
	uint8_t rule[ROOT_RULE_SIZE];
	int err = 0;

	err |= buffer_add(raw, magic, sizeof magic);
	err |= buffer_add_le16(raw, ROOT_FORMAT);
	err |= buffer_add_u8(raw, HASH_BLAKE3_256);
	err |= buffer_add_u8(raw, CODEC_ZSTD);
	err |= buffer_add_le32(raw, (uint32_t)root->level);
	err |= buffer_add(raw, root->package_id, PACKAGE_ID_SIZE);
	err |= buffer_add_le32(raw, root->version);
	err |= buffer_add_le32(raw, root->page_count);
	put_rule(root, rule);
	err |= buffer_add(raw, rule, sizeof rule);
	err |= buffer_add_le64(raw, root->record_count);
	err |= buffer_add_le64(raw, root->file_count);
	err |= buffer_add_le64(raw, root->dir_count);
	err |= buffer_add_le64(raw, root->symlink_count);
	err |= buffer_add_le64(raw, root->hardlink_count);
	err |= buffer_add_le64(raw, root->block_count);
	err |= buffer_add_le64(raw, root->file_bytes);
	err |= buffer_add_le64(raw, root->data_bytes);
	err |= buffer_add_le64(raw, 0);
	assert(err != 0 || raw->size - start == ROOT_CONTENT_OFFSET);
	err |= buffer_add(raw, root->content.bytes, DIGEST_SIZE);
	assert(err != 0 || raw->size - start == ROOT_FIXED_SIZE);
	for (uint32_t i = 0; i < root->page_count; i++) {
		const struct root_page *page = &root->pages[i];

		err |= buffer_add_le32(raw, page->raw_size);
		err |= buffer_add_le32(raw, page->block_count);
		err |= buffer_add(raw, page->digest.bytes, DIGEST_SIZE);
		err |= buffer_add(raw, page->frames.bytes, DIGEST_SIZE);
	}
	return err != 0 ? DSP_ENOMEM : 0;
}

/* Everything but the pages. */
static int
decode_fixed(const uint8_t *p, struct root *root)
{
	uint64_t counted;

	if (p[10] != HASH_BLAKE3_256 || p[11] != CODEC_ZSTD)
		return DSP_EVERSION;
	root->level = (int)le32_get(p + 12);
	memcpy(root->package_id, p + 16, PACKAGE_ID_SIZE);
	root->version = le32_get(p + 24);
	root->page_count = le32_get(p + 28);
	root->rule.min = le32_get(p + 32);
	root->rule.average = le32_get(p + 36);
	root->rule.max = le32_get(p + 40);
	root->record_count = le64_get(p + 48);
	root->file_count = le64_get(p + 56);
	root->dir_count = le64_get(p + 64);
	root->symlink_count = le64_get(p + 72);
	root->hardlink_count = le64_get(p + 80);
	root->block_count = le64_get(p + 88);
	root->file_bytes = le64_get(p + 96);
	root->data_bytes = le64_get(p + 104);
	memcpy(root->content.bytes, p + ROOT_CONTENT_OFFSET, DIGEST_SIZE);
	counted = root->file_count + root->dir_count + root->symlink_count +
		  root->hardlink_count;
	if (!package_id_is_valid(root->package_id) || root->version == 0 ||
	    root->level < 0 || root->level > FRAME_LEVEL_MAX ||
	    !cut_rule_is_valid(&root->rule) ||
	    le32_get(p + 44) != FRAME_BASE_MAX || le64_get(p + 112) != 0 ||
	    counted != root->record_count)
		return DSP_ECORRUPT;
	return 0;
}

static int
decode_pages(const uint8_t *p, struct root *root)
{
	uint64_t block_count = 0;

	for (uint32_t i = 0; i < root->page_count; i++, p += ROOT_PAGE_SIZE) {
		struct root_page *page = &root->pages[i];

		page->raw_size = le32_get(p);
		page->block_count = le32_get(p + 4);
		memcpy(page->digest.bytes, p + 8, DIGEST_SIZE);
		memcpy(page->frames.bytes, p + 8 + DIGEST_SIZE, DIGEST_SIZE);
		block_count += page->block_count;
		if (page->raw_size == 0 || page->raw_size > PAGE_SIZE_MAX ||
		    page->block_count > PAGE_BLOCKS_MAX ||
		    digest_is_zero(&page->frames) != (root->level == 0))
			return DSP_ECORRUPT;
	}
	return block_count == root->block_count ? 0 : DSP_ECORRUPT;
}

int
root_decode(const void *raw, size_t size, struct root *ret_root)
{
	const uint8_t *p = raw;
	struct root root = { 0 };
	struct root computed;
	int err;

	if (size < ROOT_FIXED_SIZE || memcmp(p, magic, sizeof magic) != 0)
		return DSP_EFORMAT;
	if (le16_get(p + 8) != ROOT_FORMAT)
		return DSP_EVERSION;
	err = decode_fixed(p, &root);
	if (err < 0)
		return err;
	if (root.page_count == 0 || size > ROOT_SIZE_MAX ||
	    size - ROOT_FIXED_SIZE !=
		    (uint64_t)root.page_count * ROOT_PAGE_SIZE)
		return DSP_ECORRUPT;
	root.pages = calloc(root.page_count, sizeof *root.pages);
	if (root.pages == NULL)
		return DSP_ENOMEM;
	err = decode_pages(p + ROOT_FIXED_SIZE, &root);
	if (err == 0) {
		computed = root;
		root_set_content(&computed);
		if (!digest_equal(&computed.content, &root.content))
			err = DSP_ECORRUPT;
	}
	if (err < 0) {
		root_release(&root);
		return err;
	}
	*ret_root = root;
	return 0;
}
