/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Input: a byte, then a root.  When the byte is odd, the digest over its
 * content is made true first: nobody hits that by chance.
 *
 * What is decoded encodes to the very bytes again, and keeps its limits.
 */
#include "core/base/err.h"
#include "core/chunk/frame.h"
#include "core/image/page.h"
#include "core/image/root.h"
#include "tests/fuzz/fuzz.h"

enum { AT_RULE = 32, AT_CONTENT = 120, AT_PAGES = 152, PAGE_ROW_SIZE = 72 };

static void
fix_content(uint8_t *raw, size_t size)
{
	struct digest_sum *sum = digest_sum_new();
	struct digest digest;

	must(sum != NULL);
	if (size >= AT_PAGES) {
		digest_sum_add(sum, raw + AT_RULE, 16);
		for (size_t at = AT_PAGES; at + PAGE_ROW_SIZE <= size;
		     at += PAGE_ROW_SIZE)
			digest_sum_add(sum, raw + at + 8, DIGEST_SIZE);
		digest_sum_get(sum, &digest);
		memcpy(raw + AT_CONTENT, digest.bytes, DIGEST_SIZE);
	}
	digest_sum_free(sum);
}

static void
check_root(const struct root *root, const uint8_t *raw, size_t size)
{
	struct buffer again = { 0 };

	must(package_id_is_valid(root->package_id));
	must(cut_rule_is_valid(&root->rule));
	must(root->version > 0 && root->page_count > 0);
	must(root->level >= 0 && root->level <= FRAME_LEVEL_MAX);
	for (uint32_t i = 0; i < root->page_count; i++) {
		must(root->pages[i].raw_size > 0);
		must(root->pages[i].raw_size <= PAGE_SIZE_MAX);
		must(root->pages[i].block_count <= PAGE_BLOCKS_MAX);
	}
	must(root_encode(root, &again) == 0);
	must(again.size == size && memcmp(again.data, raw, size) == 0);
	buffer_release(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	bool is_fixed = take_u8(&input) % 2 == 1;
	uint8_t *raw = copy_of(input.data, input.size);
	struct root root;
	int err;

	if (is_fixed)
		fix_content(raw, input.size);
	err = root_decode(raw, input.size, &root);
	must(err == 0 || err == DSP_EFORMAT || err == DSP_EVERSION ||
	     err == DSP_ECORRUPT);
	if (err == 0) {
		check_root(&root, raw, input.size);
		root_release(&root);
	}
	free(raw);
	return 0;
}
