/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Input: a byte, how many blocks come before the first process ends; then
 * changes of the files that it leaves: a byte which file and what, two bytes
 * where, a byte how.
 *
 * The next process goes on, and what comes of it is the very image.
 */
#include "core/store/staging.h"
#include "tests/fuzz/link_rooms.h"

static const char *const names[] = { "root",	"pages", "digests",
				     "journal", "image", "image" };

static struct image *image;
static struct digest root_digest;

/* Keep what is missing, up to count blocks. */
static void
go_on(struct staging *staging, unsigned count)
{
	const struct buffer *raw = image_root_raw(image);
	struct frame_table table = { 0 };
	struct page_load load = { 0 };
	struct frame_ref ref = { 0 };
	uint8_t data[4096];

	if (staging_root(staging) == NULL)
		must(staging_set_root(staging, raw->data, raw->size, "", 0,
				      0) == 0);
	while (staging_page_count(staging) < image_root(image)->page_count) {
		uint32_t index = staging_page_count(staging);

		must(image_load_page(image, index, &load) == 0);
		must(image_load_table(image, index, &table) == 0);
		for (uint32_t i = 0; i < load.page.block_count; i++) {
			must(image_next_frame(image, &table, &ref) == 0);
			memcpy(data + (size_t)i * DIGEST_SIZE,
			       ref.publisher.bytes, DIGEST_SIZE);
		}
		must(staging_put_page(staging, load.raw.data, load.raw.size,
				      load.stored.data, load.stored.size,
				      data) == 0);
	}
	must(staging_begin_blocks(staging) == 0);
	while (count-- > 0 &&
	       staging_next(staging).page < image_root(image)->page_count) {
		struct block_index next = staging_next(staging);
		struct stored_frame frame = { .data = data };

		must(image_load_table(image, next.page, &table) == 0);
		for (uint32_t i = 0; i <= next.block; i++)
			must(image_next_frame(image, &table, &ref) == 0);
		must(ref.size <= sizeof data);
		must(image_read_frame(image, &ref, data) == 0);
		frame.size = ref.size;
		frame.is_local = ref.is_local;
		frame.publisher = ref.publisher;
		frame.local = ref.stored;
		must(staging_put_block(staging, &frame) == 0);
	}
	frame_table_release(&table);
	page_load_release(&load);
}

static void
change(struct input *input)
{
	char path[240], hex[DIGEST_HEX_SIZE];
	unsigned what = take_u8(input);
	off_t at = (off_t)take_u16(input);
	uint8_t byte = (uint8_t)take_u8(input);
	int fd;

	digest_to_hex(&root_digest, hex);
	snprintf(path, sizeof path, "%s/store/staging/%s/%s", scratch, hex,
		 names[what % 6]);
	fd = open(path, O_RDWR);
	if (fd < 0) /* an earlier change removed it */
		return;
	switch (what / 6 % 8) {
	case 0:
		must(ftruncate(fd, at) == 0);
		break;
	case 1:
		must(unlink(path) == 0);
		break;
	default:
		must(pwrite(fd, &byte, 1, at) == 1);
		break;
	}
	close(fd);
}

static void
check_image(struct staging *staging)
{
	struct input expected = golden("link-new.pck");
	uint8_t bytes[8192];
	size_t size = 0;
	int fd = -1;

	must(pf_open_read_at(staging_dir(staging), "image", &fd) == 0);
	must(pf_read_at(fd, bytes, sizeof bytes, 0, &size) == 0);
	must(size == expected.size && memcmp(bytes, expected.data, size) == 0);
	pf_close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	unsigned count = take_u8(&input) % 16;
	struct staging *staging;
	struct store *store;

	if (image == NULL) {
		must(image_open("tests/golden/link-new.pck", &image) == 0);
		root_digest = *image_root_digest(image);
	}
	store = open_store(false, false);
	must(store_open_staging(store, &root_digest, false, &staging) == 0);
	go_on(staging, count);
	staging_close(staging);
	while (input.size >= 4)
		change(&input);
	must(store_open_staging(store, &root_digest, false, &staging) == 0);
	go_on(staging, UINT32_MAX);
	must(staging_finish(staging) == 0);
	check_image(staging);
	staging_close(staging);
	store_close(store);
	return 0;
}
