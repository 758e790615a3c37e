/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/image_writer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buffer.h"
#include "core/base/err.h"
#include "core/chunk/frame.h"
#include "core/image/image.h"
#include "core/image/image_out.h"

struct image_writer {
	struct image_out out;
	struct root root;
	uint32_t page_capacity;
	struct page_builder *builder;
	struct frame_encoder *encoder; /* of pages */
	struct digest_sum *frames;     /* of this page */
	struct digest_sum *names;      /* of the large file's blocks */
	uint64_t large_left;	       /* data of it without a block yet */
	int (*sign)(void *context, const struct buffer *root,
		    struct buffer *ret_signature);
	void *sign_context;
	struct buffer raw;   /* scratch: a page */
	struct buffer frame; /* scratch: a page's frame */
};

int
image_writer_new(int fd, enum image_kind kind,
		 const struct image_params *params,
		 struct image_writer **ret_writer)
{
	struct image_writer *writer = calloc(1, sizeof *writer);
	int err = DSP_ENOMEM;

	assert(package_id_is_valid(params->package_id));
	assert(params->version > 0 && cut_rule_is_valid(&params->rule));
	if (writer == NULL)
		goto out;
	writer->out.fd = fd;
	writer->out.kind = kind;
	memcpy(writer->root.package_id, params->package_id, PACKAGE_ID_SIZE);
	writer->root.version = params->version;
	writer->root.level = params->level;
	writer->root.rule = params->rule;
	writer->sign = params->sign;
	writer->sign_context = params->sign_context;
	writer->builder = page_builder_new();
	writer->encoder = frame_encoder_new(IMAGE_PAGE_LEVEL);
	writer->frames = digest_sum_new();
	writer->names = digest_sum_new();
	if (writer->builder == NULL || writer->encoder == NULL ||
	    writer->frames == NULL || writer->names == NULL)
		goto out;
	err = image_out_start(&writer->out);
	if (err < 0)
		goto out;
	*ret_writer = writer;
	return 0;
out:
	image_writer_free(writer);
	return err;
}

void
image_writer_free(struct image_writer *writer)
{
	if (writer == NULL)
		return;
	root_release(&writer->root);
	page_builder_free(writer->builder);
	frame_encoder_free(writer->encoder);
	digest_sum_free(writer->frames);
	digest_sum_free(writer->names);
	image_out_release(&writer->out);
	buffer_release(&writer->raw);
	buffer_release(&writer->frame);
	free(writer);
}

int
image_writer_add_record(struct image_writer *writer,
			const struct record *record)
{
	struct root *root = &writer->root;

	root->record_count++;
	switch (record->type) {
	case RECORD_DIR:
		root->dir_count++;
		break;
	case RECORD_FILE:
		root->file_count++;
		root->file_bytes += record->size;
		break;
	case RECORD_SYMLINK:
		root->symlink_count++;
		break;
	case RECORD_HARDLINK:
		root->hardlink_count++;
		break;
	}
	writer->large_left = 0;
	if (record_is_large(record, root->rule.average)) {
		writer->large_left = record->data_size;
		digest_sum_reset(writer->names);
	}
	return page_builder_add(writer->builder, record);
}

/* A large file's digest is over the names of its blocks. */
static void
count_large(struct image_writer *writer, const struct block_ref *block)
{
	struct digest digest;

	assert(block->raw_size <= writer->large_left);
	digest_sum_add(writer->names, block->name.bytes, DIGEST_SIZE);
	writer->large_left -= block->raw_size;
	if (writer->large_left > 0 ||
	    page_builder_record_count(writer->builder) == 0)
		return;
	digest_sum_get(writer->names, &digest);
	page_builder_set_digest(writer->builder, &digest);
}

int
image_writer_add_block(struct image_writer *writer,
		       const struct image_block *block)
{
	struct stored_frame frame = { .data = block->frame,
				      .size = block->frame_size,
				      .is_local = block->is_local,
				      .publisher = block->frame_digest,
				      .local = block->local_digest };
	int err;

	assert(block->block.raw_size > 0);
	assert(block->block.raw_size <= writer->root.rule.max);
	writer->root.block_count++;
	writer->root.data_bytes += block->block.raw_size;
	err = page_builder_add_block(writer->builder, &block->block);
	if (err < 0)
		return err;
	if (writer->large_left > 0)
		count_large(writer, &block->block);
	digest_sum_add(writer->frames, block->frame_digest.bytes, DIGEST_SIZE);
	return writer->out.kind == IMAGE_MANIFEST
		       ? 0
		       : image_out_frame(&writer->out, &frame);
}

static int
add_root_page(struct image_writer *writer, const struct root_page *page)
{
	struct root *root = &writer->root;

	if (root->page_count == writer->page_capacity) {
		uint32_t capacity = writer->page_capacity * 2 + 16;
		struct root_page *pages =
			realloc(root->pages, capacity * sizeof *pages);

		if (pages == NULL)
			return DSP_ENOMEM;
		root->pages = pages;
		writer->page_capacity = capacity;
	}
	root->pages[root->page_count++] = *page;
	return 0;
}

static int
write_page(struct image_writer *writer)
{
	struct buffer *raw = &writer->raw;
	struct buffer *frame = &writer->frame;
	size_t size;
	int err;

	frame->size = 0;
	err = buffer_reserve(frame, frame_size_max(raw->size));
	if (err < 0)
		return err;
	err = frame_encode(writer->encoder, raw->data, raw->size, NULL, 0,
			   frame->data, frame->capacity, &size);
	if (err < 0)
		return err;
	return image_out_page(&writer->out, frame->data, size);
}

int
image_writer_end_page(struct image_writer *writer)
{
	struct root_page page = { 0 };
	int err;

	writer->raw.size = 0;
	page.block_count = page_builder_block_count(writer->builder);
	assert(page.block_count + page_builder_record_count(writer->builder) >
	       0);
	err = page_builder_finish(writer->builder, &writer->raw);
	if (err < 0)
		return err;
	if (writer->raw.size > PAGE_SIZE_MAX)
		return DSP_ELIMIT;
	page.raw_size = (uint32_t)writer->raw.size;
	digest_of(writer->raw.data, writer->raw.size, &page.digest);
	if (writer->root.level > 0)
		digest_sum_get(writer->frames, &page.frames);
	digest_sum_reset(writer->frames);
	err = add_root_page(writer, &page);
	return err < 0 ? err : write_page(writer);
}

int
image_writer_finish(struct image_writer *writer, struct digest *ret_root_digest,
		    uint64_t *ret_size)
{
	struct buffer root = { 0 }, signature = { 0 };
	int err = 0;

	if (page_builder_record_count(writer->builder) +
		    page_builder_block_count(writer->builder) >
	    0)
		err = image_writer_end_page(writer);
	if (err < 0)
		return err;
	root_set_content(&writer->root);
	err = root_encode(&writer->root, &root);
	if (err == 0 && root.size > ROOT_SIZE_MAX)
		err = DSP_ELIMIT;
	if (err == 0 && writer->sign != NULL)
		err = writer->sign(writer->sign_context, &root, &signature);
	if (err == 0 && signature.size > IMAGE_SIGNATURE_MAX)
		err = DSP_ELIMIT;
	if (err == 0)
		err = image_out_finish(&writer->out, &root, &signature,
				       ret_root_digest);
	if (err == 0 && ret_size != NULL)
		*ret_size = writer->out.offset;
	buffer_release(&root);
	buffer_release(&signature);
	return err;
}

int
image_write_manifest(struct image *image, int fd)
{
	const struct root *root = image_root(image);
	struct image_out out = { .fd = fd, .kind = IMAGE_MANIFEST };
	struct page_load load = { 0 };
	struct digest root_digest;
	int err = image_out_start(&out);

	for (uint32_t i = 0; err == 0 && i < root->page_count; i++) {
		err = image_load_page(image, i, &load);
		if (err == 0)
			err = image_out_page(&out, load.stored.data,
					     load.stored.size);
	}
	if (err == 0)
		err = image_out_finish(&out, image_root_raw(image),
				       image_signature(image), &root_digest);
	page_load_release(&load);
	image_out_release(&out);
	return err;
}

void
image_writer_settle_content(struct image_writer *writer)
{
	root_set_content(&writer->root);
}

void
image_writer_set_version(struct image_writer *writer, uint32_t version)
{
	assert(version > 0);
	writer->root.version = version;
}

const struct root *
image_writer_root(const struct image_writer *writer)
{
	return &writer->root;
}
