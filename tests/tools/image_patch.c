/* SPDX-License-Identifier: Apache-2.0 */

/*
 * image_patch IN OUT EDIT... - change an image and make its digests right
 * again, as somebody would who wants the change to be believed.
 *
 *   header:OFFSET:SIZE:VALUE      SIZE bytes (1, 2, 4, 8) of a part become
 *   page:OFFSET:SIZE:VALUE        VALUE; of the first page before it is
 *   table:OFFSET:SIZE:VALUE       compressed, of its frame table, of the
 *   directory:OFFSET:SIZE:VALUE   directory's rows, of the root's bytes, of
 *   root:OFFSET:SIZE:VALUE        the trailer behind its 8 bytes
 *   trailer:OFFSET:SIZE:VALUE
 *   frame-bomb  page-bomb         the first frame, the first page's frame,
 *                                 decodes to 256 MiB of zeros
 *   grow:BYTES                    BYTES more zeros at the end
 *
 * The digests of an edited part are made right, but for those that an edit
 * names itself: edits of root, directory and trailer come last.
 */

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "core/base/digest.h"
#include "core/image/image_format.h"

enum {
	ROOT_FIXED = 152,
	ROOT_ROW = 72,
	ROOT_RULE = 32,
	ROOT_RULE_SIZE = 16,
	ROOT_CONTENT = 120,
	BOMB_SIZE = 256 << 20
};

static char **edits;
static struct buffer in, out, bomb;
static struct buffer directory, root;

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "image_patch: %s\n", what);
	exit(1);
}

static void
add(struct buffer *to, const void *bytes, size_t size)
{
	if (buffer_add(to, bytes, size) < 0)
		die("memory");
}

static void
add_skip(uint32_t magic, const struct buffer *content)
{
	uint8_t head[8];

	le32_put(head, magic);
	le32_put(head + 4, (uint32_t)content->size);
	add(&out, head, sizeof head);
	add(&out, content->data, content->size);
}

static void
edit(const char *part, uint8_t *bytes, size_t size)
{
	for (char **text = edits; *text != NULL; text++) {
		size_t length = strlen(part);
		size_t offset, width;
		uint64_t value;
		char *p;

		if (strncmp(*text, part, length) != 0 || (*text)[length] != ':')
			continue;
		offset = strtoul(*text + length + 1, &p, 10);
		width = *p == ':' ? strtoul(p + 1, &p, 10) : 0;
		value = *p == ':' ? strtoull(p + 1, &p, 0) : 0;
		if (width == 0 || width > 8 || *p != '\0' ||
		    offset + width > size)
			die(*text);
		for (size_t i = 0; i < width; i++)
			bytes[offset + i] = (uint8_t)(value >> (8 * i));
	}
}

static bool
is_wanted(const char *what)
{
	for (char **text = edits; *text != NULL; text++)
		if (strcmp(*text, what) == 0)
			return true;
	return false;
}

static void
make_bomb(void)
{
	static const uint8_t zeros[1 << 20];
	static uint8_t room[1 << 20];
	ZSTD_CCtx *context = ZSTD_createCCtx();
	size_t left = 1;

	ZSTD_CCtx_setPledgedSrcSize(context, BOMB_SIZE);
	for (size_t i = 0; i < BOMB_SIZE / sizeof zeros; i++) {
		bool is_last = i + 1 == BOMB_SIZE / sizeof zeros;
		ZSTD_inBuffer from = { zeros, sizeof zeros, 0 };

		do {
			ZSTD_outBuffer to = { room, sizeof room, 0 };

			left = ZSTD_compressStream2(context, &to, &from,
						    is_last ? ZSTD_e_end
							    : ZSTD_e_continue);
			if (ZSTD_isError(left))
				die(ZSTD_getErrorName(left));
			add(&bomb, room, to.pos);
		} while (from.pos < from.size || (is_last && left > 0));
	}
	ZSTD_freeCCtx(context);
}

/* The digest over the digests in a frame table. */
static void
table_digest(const struct buffer *table, uint32_t count, uint8_t *to)
{
	struct digest_sum *sum = digest_sum_new();
	struct digest digest;

	for (uint32_t i = 0; i < count; i++)
		digest_sum_add(
			sum, table->data + (size_t)i * IMAGE_TABLE_ROW_SIZE + 4,
			DIGEST_SIZE);
	digest_sum_get(sum, &digest);
	digest_sum_free(sum);
	memcpy(to, digest.bytes, DIGEST_SIZE);
}

/* One page with its frames before and its table behind it. */
static void
copy_page(uint32_t index, size_t *start)
{
	uint8_t *row = directory.data + (size_t)index * IMAGE_DIR_ROW_SIZE;
	uint8_t *root_row = root.data + ROOT_FIXED + (size_t)index * ROOT_ROW;
	size_t at = (size_t)le64_get(row);
	size_t size = le32_get(row + 8);
	size_t raw_size = le32_get(root_row);
	const uint8_t *old_table = in.data + at + IMAGE_SKIP_SIZE + size;
	struct buffer frame = { 0 }, table = { 0 };
	uint32_t block_count = le32_get(root_row + 4);
	uint8_t *raw = malloc(raw_size);
	struct digest digest;
	size_t skipped = 0;

	add(&table, old_table + 8, le32_get(old_table + 4));
	*start += 0;
	if (index == 0 && is_wanted("frame-bomb")) {
		skipped = le32_get(table.data);
		add(&out, bomb.data, bomb.size);
		le32_put(table.data, (uint32_t)bomb.size);
		digest_of(bomb.data, bomb.size, &digest);
		memcpy(table.data + 4, digest.bytes, DIGEST_SIZE);
	}
	add(&out, in.data + *start + skipped, at - *start - skipped);
	*start = at + 2 * IMAGE_SKIP_SIZE + size + table.size;

	if (raw == NULL ||
	    ZSTD_decompress(raw, raw_size, in.data + at + IMAGE_SKIP_SIZE,
			    size) != raw_size)
		die("the page");
	if (index == 0) {
		edit("page", raw, raw_size);
		edit("table", table.data, table.size);
	}
	digest_of(raw, raw_size, &digest);
	memcpy(root_row + 8, digest.bytes, DIGEST_SIZE);
	table_digest(&table, block_count, root_row + 8 + DIGEST_SIZE);
	if (buffer_reserve(&frame, ZSTD_compressBound(raw_size)) < 0)
		die("memory");
	frame.size = ZSTD_compress(frame.data, frame.capacity, raw, raw_size,
				   IMAGE_PAGE_LEVEL);
	if (index == 0 && is_wanted("page-bomb")) {
		frame.size = 0;
		add(&frame, bomb.data, bomb.size);
	}
	le64_put(row, out.size);
	le32_put(row + 8, (uint32_t)frame.size);
	digest_of(frame.data, frame.size, &digest);
	memcpy(row + 12, digest.bytes, DIGEST_SIZE);
	add_skip(IMAGE_MAGIC_PAGE, &frame);
	add_skip(IMAGE_MAGIC_TABLE, &table);
	buffer_release(&frame);
	buffer_release(&table);
	free(raw);
}

static void
set_content(void)
{
	struct digest_sum *sum = digest_sum_new();
	struct digest digest;

	digest_sum_add(sum, root.data + ROOT_RULE, ROOT_RULE_SIZE);
	for (size_t at = ROOT_FIXED; at + ROOT_ROW <= root.size; at += ROOT_ROW)
		digest_sum_add(sum, root.data + at + 8, DIGEST_SIZE);
	digest_sum_get(sum, &digest);
	digest_sum_free(sum);
	memcpy(root.data + ROOT_CONTENT, digest.bytes, DIGEST_SIZE);
}

static void
add_trailer(void)
{
	struct digest_sum *sum = digest_sum_new();
	uint8_t bytes[IMAGE_TRAILER_SIZE - IMAGE_SKIP_SIZE] = { 0 };
	struct buffer trailer = { .data = bytes, .size = sizeof bytes };
	struct digest digest;

	memcpy(bytes, IMAGE_TRAILER_WORD, 8);
	le64_put(bytes + 8, out.size);
	add_skip(IMAGE_MAGIC_DIR, &directory);
	le64_put(bytes + 16, out.size);
	add_skip(IMAGE_MAGIC_ROOT, &root);
	le32_put(bytes + 24, (uint32_t)root.size);
	digest_of(root.data, root.size, &digest);
	memcpy(bytes + 40, digest.bytes, DIGEST_SIZE);
	digest_sum_add(sum, directory.data, directory.size);
	digest_sum_add(sum, root.data, root.size);
	digest_sum_get(sum, &digest);
	digest_sum_free(sum);
	memcpy(bytes + 40 + DIGEST_SIZE, digest.bytes, DIGEST_SIZE);
	edit("trailer", bytes, sizeof bytes);
	add_skip(IMAGE_MAGIC_TRAILER, &trailer);
}

static void
grow(void)
{
	for (char **text = edits; *text != NULL; text++)
		if (strncmp(*text, "grow:", 5) == 0)
			for (long i = strtol(*text + 5, NULL, 10); i > 0; i--)
				add(&out, "", 1);
}

static void
load(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t piece[4096];
	size_t n;

	if (file == NULL)
		die(path);
	while ((n = fread(piece, 1, sizeof piece, file)) > 0)
		add(&in, piece, n);
	fclose(file);
}

int
main(int argc, char **argv)
{
	const uint8_t *trailer;
	size_t directory_at, root_at, start = IMAGE_HEADER_SIZE;
	uint32_t page_count;
	FILE *file;

	if (argc < 3)
		return 2;
	digest_start();
	edits = argv + 3;
	load(argv[1]);
	if (is_wanted("frame-bomb") || is_wanted("page-bomb"))
		make_bomb();
	trailer = in.data + in.size - IMAGE_TRAILER_SIZE + IMAGE_SKIP_SIZE;
	directory_at = (size_t)le64_get(trailer + 8) + IMAGE_SKIP_SIZE;
	root_at = (size_t)le64_get(trailer + 16) + IMAGE_SKIP_SIZE;
	add(&root, in.data + root_at, le32_get(trailer + 24));
	page_count = le32_get(root.data + 28);
	add(&directory, in.data + directory_at,
	    (size_t)page_count * IMAGE_DIR_ROW_SIZE);
	add(&out, in.data, IMAGE_HEADER_SIZE);
	edit("header", out.data, IMAGE_HEADER_SIZE);
	for (uint32_t i = 0; i < page_count; i++)
		copy_page(i, &start);
	edit("directory", directory.data, directory.size);
	set_content();
	edit("root", root.data, root.size);
	add_trailer();
	grow();
	file = fopen(argv[2], "wb");
	if (file == NULL || fwrite(out.data, 1, out.size, file) != out.size ||
	    fclose(file) != 0)
		die(argv[2]);
	buffer_release(&in);
	buffer_release(&out);
	buffer_release(&bomb);
	buffer_release(&directory);
	buffer_release(&root);
	return 0;
}
