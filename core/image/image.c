/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/image.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "platform/pf_file.h"
#include "platform/pf_flock.h"

struct image {
	int fd;
	char *name;
	enum image_kind kind;
	uint64_t size;
	uint64_t directory_offset;
	uint64_t root_offset;
	struct root root;
	struct digest root_digest;
	struct buffer root_raw;
	struct buffer signature;
	struct buffer directory;
	struct image_feed feed; /* context NULL: there is none */
};

/* Read exactly size bytes at offset; what is missing is an error. */
static int
read_exactly(struct image *image, void *data, size_t size, uint64_t offset,
	     const char *what)
{
	size_t got;
	int err = pf_read_at(image->fd, data, size, offset, &got);

	if (err < 0)
		return report_error_at(err, image->name, offset, "reading %s",
				       what);
	if (got != size)
		return report_error_at(DSP_ETRUNCATED, image->name,
				       offset + got, "reading %s", what);
	return 0;
}

static int
corrupt(const struct image *image, uint64_t offset, const char *what)
{
	return report_error_at(DSP_ECORRUPT, image->name, offset, "%s", what);
}

static int
read_header(struct image *image)
{
	uint8_t bytes[IMAGE_HEADER_SIZE];
	size_t got;
	int err = pf_read_at(image->fd, bytes, sizeof bytes, 0, &got);

	if (err < 0)
		return report_error(err, image->name, "reading the header");
	if (got < 16 || le32_get(bytes) != IMAGE_MAGIC_HEADER ||
	    memcmp(bytes + 8, IMAGE_HEADER_WORD, 8) != 0)
		return report_error_at(DSP_EFORMAT, image->name, 0,
				       "reading the header");
	if (got < sizeof bytes)
		return report_error_at(DSP_ETRUNCATED, image->name, got,
				       "reading the header");
	if (le32_get(bytes + 16) != IMAGE_FORMAT)
		return report_error_at(DSP_EVERSION, image->name, 16,
				       "format %u, this program knows %u",
				       le32_get(bytes + 16), IMAGE_FORMAT);
	image->kind = le32_get(bytes + 20);
	if (le32_get(bytes + 4) != IMAGE_HEADER_SIZE - IMAGE_SKIP_SIZE ||
	    (image->kind != IMAGE_WITH_BLOCKS &&
	     image->kind != IMAGE_MANIFEST) ||
	    le64_get(bytes + 24) != 0)
		return corrupt(image, 0, "the header");
	return 0;
}

/* The skippable frame at offset must have this magic and size. */
static int
check_skip_header(struct image *image, uint64_t offset, uint32_t magic,
		  uint64_t size, const char *what)
{
	uint8_t bytes[IMAGE_SKIP_SIZE];
	int err = read_exactly(image, bytes, sizeof bytes, offset, what);

	if (err < 0)
		return err;
	if (le32_get(bytes) != magic || le32_get(bytes + 4) != size)
		return corrupt(image, offset, what);
	return 0;
}

/* Find directory and root; *ret_tail is the digest over both. */
static int
read_trailer(struct image *image, struct digest *ret_tail)
{
	uint8_t bytes[IMAGE_TRAILER_SIZE];
	uint64_t start = image->size - IMAGE_TRAILER_SIZE;
	uint64_t root_size, signature_size, signature_part;
	int err;

	if (image->size < IMAGE_HEADER_SIZE + IMAGE_TRAILER_SIZE)
		return report_error_at(DSP_ETRUNCATED, image->name, image->size,
				       "reading the trailer");
	err = read_exactly(image, bytes, sizeof bytes, start, "the trailer");
	if (err < 0)
		return err;
	if (le32_get(bytes) != IMAGE_MAGIC_TRAILER ||
	    le32_get(bytes + 4) != IMAGE_TRAILER_SIZE - IMAGE_SKIP_SIZE ||
	    memcmp(bytes + 8, IMAGE_TRAILER_WORD, 8) != 0)
		return report_error_at(DSP_ETRUNCATED, image->name, start,
				       "no trailer at the end");
	image->directory_offset = le64_get(bytes + 16);
	image->root_offset = le64_get(bytes + 24);
	root_size = le32_get(bytes + 32);
	signature_size = le32_get(bytes + 36);
	signature_part = signature_size > 0 ? IMAGE_SKIP_SIZE + signature_size
					    : 0;
	if (le64_get(bytes + 40) != 0 || root_size == 0 ||
	    root_size > ROOT_SIZE_MAX || signature_size > IMAGE_SIGNATURE_MAX ||
	    image->directory_offset < IMAGE_HEADER_SIZE ||
	    image->directory_offset > start ||
	    image->root_offset < image->directory_offset + IMAGE_SKIP_SIZE ||
	    image->root_offset > start ||
	    start - image->root_offset !=
		    IMAGE_SKIP_SIZE + root_size + signature_part)
		return corrupt(image, start, "the trailer");
	memcpy(image->root_digest.bytes, bytes + 48, DIGEST_SIZE);
	memcpy(ret_tail->bytes, bytes + 48 + DIGEST_SIZE, DIGEST_SIZE);
	image->root_raw.size = (size_t)root_size;
	image->signature.size = (size_t)signature_size;
	return 0;
}

/* Read the part at offset, of which part->size is known, into *part. */
static int
read_part(struct image *image, uint64_t offset, uint32_t magic,
	  struct buffer *part, const char *what)
{
	size_t size = part->size;
	int err;

	part->size = 0;
	err = buffer_reserve(part, size);
	if (err < 0)
		return report_error(err, image->name, "reading %s", what);
	part->size = size;
	err = check_skip_header(image, offset, magic, size, what);
	if (err == 0)
		err = read_exactly(image, part->data, size,
				   offset + IMAGE_SKIP_SIZE, what);
	return err;
}

static int
read_root(struct image *image)
{
	size_t size = image->root_raw.size;
	struct digest digest;
	int err = read_part(image, image->root_offset, IMAGE_MAGIC_ROOT,
			    &image->root_raw, "the root");

	if (err == 0 && image->signature.size > 0)
		err = read_part(image,
				image->root_offset + IMAGE_SKIP_SIZE + size,
				IMAGE_MAGIC_SIGNATURE, &image->signature,
				"the signature");
	if (err < 0)
		return err;
	digest_of(image->root_raw.data, size, &digest);
	if (!digest_equal(&digest, &image->root_digest))
		return corrupt(image, image->root_offset, "the root's digest");
	err = root_decode(image->root_raw.data, size, &image->root);
	if (err < 0)
		return report_error_at(err, image->name, image->root_offset,
				       "reading the root");
	return 0;
}

static int
read_directory(struct image *image, const struct digest *tail)
{
	uint64_t size = (uint64_t)image->root.page_count * IMAGE_DIR_ROW_SIZE;
	uint64_t offset = image->directory_offset;
	struct digest_sum *sum = NULL;
	struct digest digest;
	int err;

	if (image->root_offset - offset != IMAGE_SKIP_SIZE + size)
		return corrupt(image, offset, "the directory");
	image->directory.size = (size_t)size;
	err = read_part(image, offset, IMAGE_MAGIC_DIR, &image->directory,
			"the directory");
	if (err < 0)
		return err;
	sum = digest_sum_new();
	if (sum == NULL)
		return report_error(DSP_ENOMEM, image->name,
				    "reading the directory");
	digest_sum_add(sum, image->directory.data, image->directory.size);
	digest_sum_add(sum, image->root_raw.data, image->root_raw.size);
	digest_sum_add(sum, image->signature.data, image->signature.size);
	digest_sum_get(sum, &digest);
	digest_sum_free(sum);
	if (!digest_equal(&digest, tail))
		return corrupt(image, offset, "the directory's digest");
	return 0;
}

/* An image about which nothing is known yet; takes fd. */
static int
new_image(int fd, const char *name, struct image **ret_image)
{
	struct image *image = calloc(1, sizeof *image);
	size_t name_size = strlen(name) + 1;

	if (image == NULL) {
		pf_close(fd);
		return report_error(DSP_ENOMEM, name, "opening the image");
	}
	image->fd = fd;
	image->name = malloc(name_size);
	if (image->name == NULL) {
		image_close(image);
		return report_error(DSP_ENOMEM, name, "opening the image");
	}
	memcpy(image->name, name, name_size);
	*ret_image = image;
	return 0;
}

int
image_open_feed(int fd, const char *name, const struct buffer *root,
		const struct buffer *signature, uint64_t size,
		const struct image_feed *feed, struct image **ret_image)
{
	struct image *image = NULL;
	int err = new_image(fd, name, &image);

	if (err < 0)
		return err;
	image->size = size;
	digest_of(root->data, root->size, &image->root_digest);
	if (buffer_add(&image->root_raw, root->data, root->size) < 0 ||
	    buffer_add(&image->signature, signature->data, signature->size) < 0)
		err = DSP_ENOMEM;
	if (err == 0)
		err = root_decode(root->data, root->size, &image->root);
	if (err < 0) {
		image_close(image);
		return report_error(err, name, "opening the image");
	}
	image->feed = *feed; /* from here on it is the image's */
	*ret_image = image;
	return 0;
}

int
image_open_fd(int fd, const char *name, struct image **ret_image)
{
	struct image *image = NULL;
	struct pf_stat stat;
	struct digest tail;
	int err = new_image(fd, name, &image);

	if (err < 0)
		return err;
	err = pf_stat_fd(fd, &stat);
	if (err == 0 && stat.type == PF_DIR)
		err = DSP_EISDIR;
	if (err < 0) {
		report_error(err, name, "opening the image");
		goto out;
	}
	image->size = stat.size;
	err = read_header(image);
	if (err == 0)
		err = read_trailer(image, &tail);
	if (err == 0)
		err = read_root(image);
	if (err == 0)
		err = read_directory(image, &tail);
	if (err < 0)
		goto out;
	*ret_image = image;
	return 0;
out:
	image_close(image);
	return err;
}

int
image_open(const char *path, struct image **ret_image)
{
	int fd;
	int err = pf_open_read(path, &fd);

	if (err < 0)
		return report_error(err, path, "opening the image");
	return image_open_fd(fd, path, ret_image);
}

void
image_close(struct image *image)
{
	if (image == NULL)
		return;
	if (image->feed.context != NULL)
		image->feed.close(image->feed.context);
	pf_close(image->fd);
	root_release(&image->root);
	buffer_release(&image->root_raw);
	buffer_release(&image->signature);
	buffer_release(&image->directory);
	free(image->name);
	free(image);
}

void
image_unlock(struct image *image)
{
	pf_flock_release(image->fd);
}

const char *
image_name(const struct image *image)
{
	return image->name;
}

enum image_kind
image_kind(const struct image *image)
{
	return image->kind;
}

uint64_t
image_size(const struct image *image)
{
	return image->size;
}

const struct root *
image_root(const struct image *image)
{
	return &image->root;
}

const struct buffer *
image_root_raw(const struct image *image)
{
	return &image->root_raw;
}

const struct buffer *
image_signature(const struct image *image)
{
	return &image->signature;
}

const struct digest *
image_root_digest(const struct image *image)
{
	return &image->root_digest;
}

void
page_load_release(struct page_load *load)
{
	frame_decoder_free(load->decoder);
	load->decoder = NULL;
	buffer_release(&load->stored);
	buffer_release(&load->raw);
}

static const uint8_t *
directory_row(const struct image *image, uint32_t index)
{
	assert(index < image->root.page_count);
	return image->directory.data + (size_t)index * IMAGE_DIR_ROW_SIZE;
}

/* Load the page's frame, as it is stored, and compare it with its digest. */
static int
load_stored(struct image *image, uint32_t index, struct buffer *stored)
{
	const uint8_t *row = directory_row(image, index);
	uint64_t offset = le64_get(row);
	uint32_t size = le32_get(row + 8);
	struct digest digest;
	int err;

	if (size > frame_size_max(PAGE_SIZE_MAX) ||
	    offset > image->directory_offset ||
	    image->directory_offset - offset < IMAGE_SKIP_SIZE + size)
		return corrupt(image, image->directory_offset, "the directory");
	stored->size = 0;
	err = buffer_reserve(stored, size);
	if (err < 0)
		return report_error(err, image->name, "reading a page");
	stored->size = size;
	err = check_skip_header(image, offset, IMAGE_MAGIC_PAGE, size,
				"a manifest page");
	if (err == 0)
		err = read_exactly(image, stored->data, size,
				   offset + IMAGE_SKIP_SIZE, "a page");
	if (err < 0)
		return err;
	digest_of(stored->data, size, &digest);
	if (memcmp(digest.bytes, row + 12, DIGEST_SIZE) != 0)
		return corrupt(image, offset, "a manifest page");
	return 0;
}

int
image_load_page(struct image *image, uint32_t index, struct page_load *load)
{
	const struct root_page *expected = &image->root.pages[index];
	bool is_fed = image->feed.context != NULL;
	uint64_t offset = is_fed ? 0 : le64_get(directory_row(image, index));
	struct digest digest;
	int err = is_fed ? image->feed.load_page(image->feed.context, index,
						 &load->stored)
			 : load_stored(image, index, &load->stored);

	if (err < 0)
		return err;
	load->raw.size = 0;
	if (load->decoder == NULL)
		load->decoder = frame_decoder_new();
	err = load->decoder != NULL
		      ? buffer_reserve(&load->raw, expected->raw_size)
		      : DSP_ENOMEM;
	if (err < 0)
		return report_error(err, image->name, "reading a page");
	load->raw.size = expected->raw_size;
	err = frame_decode(load->decoder, load->stored.data, load->stored.size,
			   NULL, 0, load->raw.data, load->raw.size);
	if (err == 0) {
		digest_of(load->raw.data, load->raw.size, &digest);
		if (!digest_equal(&digest, &expected->digest))
			err = DSP_ECORRUPT;
	}
	if (err == 0)
		err = page_parse(load->raw.data, load->raw.size, &load->page);
	if (err == 0 && load->page.block_count != expected->block_count)
		err = DSP_ECORRUPT;
	if (err < 0)
		return report_error_at(err, image->name, offset,
				       "a manifest page");
	return 0;
}

void
frame_table_release(struct frame_table *table)
{
	buffer_release(&table->rows);
}

/* The bytes behind the page at index; 0 is the header. */
static int
stretch_start(struct image *image, uint32_t index, uint64_t *ret_offset)
{
	uint8_t bytes[IMAGE_SKIP_SIZE];
	const uint8_t *row;
	uint64_t table;
	int err;

	if (index == 0) {
		*ret_offset = IMAGE_HEADER_SIZE;
		return 0;
	}
	row = directory_row(image, index - 1);
	table = le64_get(row) + IMAGE_SKIP_SIZE + le32_get(row + 8);
	err = read_exactly(image, bytes, sizeof bytes, table, "a frame table");
	if (err < 0)
		return err;
	if (le32_get(bytes) != IMAGE_MAGIC_TABLE)
		return corrupt(image, table, "a frame table");
	*ret_offset = table + IMAGE_SKIP_SIZE + le32_get(bytes + 4);
	return 0;
}

/* Rows add up to the frames before the page; their digests to the root's. */
static int
check_table(struct image *image, uint32_t index, struct frame_table *table,
	    uint64_t table_offset)
{
	const struct root_page *page = &image->root.pages[index];
	uint64_t frames_end = le64_get(directory_row(image, index));
	uint64_t offset = table->frames_offset;
	struct digest_sum *sum = digest_sum_new();
	uint32_t local_count = 0;
	struct digest digest;
	size_t rows_size = (size_t)table->count * IMAGE_TABLE_ROW_SIZE;

	if (sum == NULL)
		return report_error(DSP_ENOMEM, image->name,
				    "reading a frame table");
	for (uint32_t i = 0; i < table->count; i++) {
		const uint8_t *row =
			table->rows.data + (size_t)i * IMAGE_TABLE_ROW_SIZE;
		uint32_t size = le32_get(row);

		local_count += (size & IMAGE_FRAME_LOCAL) != 0;
		offset += size & ~IMAGE_FRAME_LOCAL;
		digest_sum_add(sum, row + 4, DIGEST_SIZE);
	}
	digest_sum_get(sum, &digest);
	digest_sum_free(sum);
	if (offset != frames_end ||
	    table->rows.size != rows_size + (size_t)local_count * DIGEST_SIZE ||
	    !digest_equal(&digest, &page->frames))
		return corrupt(image, table_offset, "a frame table");
	return 0;
}

int
image_check_pages(struct image *image)
{
	struct page_load load = { 0 };
	int err = 0;

	for (uint32_t i = 0; err == 0 && i < image->root.page_count; i++)
		err = image_load_page(image, i, &load);
	page_load_release(&load);
	return err;
}

static int
read_table(struct image *image, uint32_t index, struct frame_table *table)
{
	const uint8_t *row = directory_row(image, index);
	uint64_t offset = le64_get(row) + IMAGE_SKIP_SIZE + le32_get(row + 8);
	uint32_t count = table->count;
	uint8_t bytes[IMAGE_SKIP_SIZE];
	uint32_t size;
	int err;

	err = stretch_start(image, index, &table->frames_offset);
	if (err == 0)
		err = read_exactly(image, bytes, sizeof bytes, offset,
				   "a frame table");
	if (err < 0)
		return err;
	size = le32_get(bytes + 4);
	if (le32_get(bytes) != IMAGE_MAGIC_TABLE ||
	    size < count * IMAGE_TABLE_ROW_SIZE ||
	    size > count * (IMAGE_TABLE_ROW_SIZE + DIGEST_SIZE))
		return corrupt(image, offset, "a frame table");
	table->rows.size = 0;
	err = buffer_reserve(&table->rows, size);
	if (err < 0)
		return report_error(err, image->name, "reading a frame table");
	table->rows.size = size;
	table->next_offset = table->frames_offset;
	err = read_exactly(image, table->rows.data, size,
			   offset + IMAGE_SKIP_SIZE, "a frame table");
	if (err == 0)
		err = check_table(image, index, table, offset);

	/* Nothing may hide between the last table and the directory. */
	if (err == 0 && index + 1 == image->root.page_count &&
	    offset + IMAGE_SKIP_SIZE + size != image->directory_offset)
		err = corrupt(image, offset, "a frame table");
	return err;
}

int
image_load_table(struct image *image, uint32_t index, struct frame_table *table)
{
	assert(image->kind == IMAGE_WITH_BLOCKS);
	table->page = index;
	table->count = image->root.pages[index].block_count;
	table->index = table->local_index = 0;
	if (image->feed.context != NULL)
		return 0; /* rows come one by one */
	return read_table(image, index, table);
}

static void
next_row(struct frame_table *table, struct frame_ref *ret_frame)
{
	const uint8_t *row =
		table->rows.data + (size_t)table->index * IMAGE_TABLE_ROW_SIZE;
	const uint8_t *local = table->rows.data +
			       (size_t)table->count * IMAGE_TABLE_ROW_SIZE +
			       (size_t)table->local_index * DIGEST_SIZE;
	uint32_t size = le32_get(row);

	assert(table->index < table->count);
	ret_frame->delta_size = 0;
	ret_frame->offset = table->next_offset;
	ret_frame->size = size & ~IMAGE_FRAME_LOCAL;
	ret_frame->is_local = (size & IMAGE_FRAME_LOCAL) != 0;
	memcpy(ret_frame->publisher.bytes, row + 4, DIGEST_SIZE);
	ret_frame->stored = ret_frame->publisher;
	if (ret_frame->is_local) {
		memcpy(ret_frame->stored.bytes, local, DIGEST_SIZE);
		table->local_index++;
	}
	table->next_offset += ret_frame->size;
	table->index++;
}

int
image_next_frame(struct image *image, struct frame_table *table,
		 struct frame_ref *ret_frame)
{
	if (image->feed.context != NULL)
		return image->feed.next_frame(image->feed.context, table->page,
					      table->index++, ret_frame);
	next_row(table, ret_frame);
	return 0;
}

int
image_read_delta(struct image *image, const struct frame_ref *frame, void *data)
{
	assert(image->feed.context != NULL && frame->delta_size > 0);
	return image->feed.read_delta(image->feed.context, frame, data);
}

int
image_load_digests(struct image *image, uint32_t index,
		   struct frame_table *table, struct buffer *digests)
{
	const struct root_page *page = &image->root.pages[index];
	struct digest digest;
	int err = 0;

	digests->size = 0;
	if (image->feed.context != NULL) {
		err = image->feed.load_digests(image->feed.context, index,
					       digests);
		if (err < 0)
			return err;
		digest_of(digests->data, digests->size, &digest);
		return digest_equal(&digest, &page->frames)
			       ? 0
			       : corrupt(image, 0, "a frame table");
	}
	err = image_load_table(image, index, table);
	for (uint32_t i = 0; err == 0 && i < table->count; i++) {
		struct frame_ref frame;

		next_row(table, &frame);
		if (buffer_add(digests, frame.publisher.bytes, DIGEST_SIZE) < 0)
			err = report_error(DSP_ENOMEM, image->name,
					   "reading a frame table");
	}
	return err;
}

int
image_read_frame(struct image *image, const struct frame_ref *frame, void *data)
{
	struct digest digest;
	int err = read_exactly(image, data, frame->size, frame->offset,
			       "a block");

	if (err < 0)
		return err;
	digest_of(data, frame->size, &digest);
	if (!digest_equal(&digest, &frame->stored))
		return corrupt(image, frame->offset, "a block");
	return 0;
}
