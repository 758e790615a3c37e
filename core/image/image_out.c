/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/image_out.h"

#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "platform/pf_file.h"

void
image_out_release(struct image_out *out)
{
	buffer_release(&out->table);
	buffer_release(&out->local);
	buffer_release(&out->directory);
}

static int
write_out(struct image_out *out, const void *data, size_t size)
{
	int err = out->is_placed ? pf_write_at(out->fd, data, size, out->offset)
				 : pf_write(out->fd, data, size);

	if (err == 0)
		out->offset += size;
	return err;
}

static int
write_skip_header(struct image_out *out, uint32_t magic, size_t size)
{
	uint8_t bytes[IMAGE_SKIP_SIZE];

	if (size > UINT32_MAX)
		return DSP_ELIMIT;
	le32_put(bytes, magic);
	le32_put(bytes + 4, (uint32_t)size);
	return write_out(out, bytes, sizeof bytes);
}

int
image_out_start(struct image_out *out)
{
	uint8_t bytes[IMAGE_HEADER_SIZE - IMAGE_SKIP_SIZE] = { 0 };
	int err;

	memcpy(bytes, IMAGE_HEADER_WORD, 8);
	le32_put(bytes + 8, IMAGE_FORMAT);
	le32_put(bytes + 12, out->kind);
	err = write_skip_header(out, IMAGE_MAGIC_HEADER, sizeof bytes);
	return err < 0 ? err : write_out(out, bytes, sizeof bytes);
}

int
image_out_row(struct image_out *out, const struct stored_frame *frame)
{
	uint32_t size = frame->size;
	int err = 0;

	if (frame->is_local)
		size |= IMAGE_FRAME_LOCAL;
	err |= buffer_add_le32(&out->table, size);
	err |= buffer_add(&out->table, frame->publisher.bytes, DIGEST_SIZE);
	if (frame->is_local)
		err |= buffer_add(&out->local, frame->local.bytes, DIGEST_SIZE);
	return err != 0 ? DSP_ENOMEM : 0;
}

int
image_out_frame(struct image_out *out, const struct stored_frame *frame)
{
	int err = image_out_row(out, frame);

	return err < 0 ? err : write_out(out, frame->data, frame->size);
}

/* Note in the directory where the page that comes next is. */
static int
add_directory_row(struct image_out *out, size_t size,
		  const struct digest *stored)
{
	int err = 0;

	err |= buffer_add_le64(&out->directory, out->offset);
	err |= buffer_add_le32(&out->directory, (uint32_t)size);
	err |= buffer_add(&out->directory, stored->bytes, DIGEST_SIZE);
	return err != 0 ? DSP_ENOMEM : 0;
}

static int
write_table(struct image_out *out)
{
	int err = write_skip_header(out, IMAGE_MAGIC_TABLE,
				    out->table.size + out->local.size);

	if (err == 0)
		err = write_out(out, out->table.data, out->table.size);
	if (err == 0)
		err = write_out(out, out->local.data, out->local.size);
	out->table.size = 0;
	out->local.size = 0;
	return err;
}

int
image_out_page(struct image_out *out, const void *frame, size_t size)
{
	struct digest digest;
	int err;

	digest_of(frame, size, &digest);
	err = add_directory_row(out, size, &digest);
	if (err == 0)
		err = write_skip_header(out, IMAGE_MAGIC_PAGE, size);
	if (err == 0)
		err = write_out(out, frame, size);
	if (err == 0 && out->kind == IMAGE_WITH_BLOCKS)
		err = write_table(out);
	return err;
}

int
image_out_skip_page(struct image_out *out, size_t size,
		    const struct digest *stored)
{
	int err = add_directory_row(out, size, stored);

	out->offset += IMAGE_SKIP_SIZE + size;
	if (out->kind == IMAGE_WITH_BLOCKS)
		out->offset +=
			IMAGE_SKIP_SIZE + out->table.size + out->local.size;
	out->table.size = 0;
	out->local.size = 0;
	return err;
}

/* The digest over all that the trailer finds. */
static int
digest_tail(const struct image_out *out, const struct buffer *root,
	    const struct buffer *signature, struct digest *ret_tail)
{
	struct digest_sum *sum = digest_sum_new();

	if (sum == NULL)
		return DSP_ENOMEM;
	digest_sum_add(sum, out->directory.data, out->directory.size);
	digest_sum_add(sum, root->data, root->size);
	digest_sum_add(sum, signature->data, signature->size);
	digest_sum_get(sum, ret_tail);
	digest_sum_free(sum);
	return 0;
}

int
image_out_finish(struct image_out *out, const struct buffer *root,
		 const struct buffer *signature, struct digest *ret_root_digest)
{
	uint8_t bytes[IMAGE_TRAILER_SIZE - IMAGE_SKIP_SIZE] = { 0 };
	uint64_t directory_offset = out->offset;
	uint64_t root_offset;
	struct digest tail;
	int err = digest_tail(out, root, signature, &tail);

	if (err == 0)
		err = write_skip_header(out, IMAGE_MAGIC_DIR,
					out->directory.size);
	if (err == 0)
		err = write_out(out, out->directory.data, out->directory.size);
	root_offset = out->offset;
	if (err == 0)
		err = write_skip_header(out, IMAGE_MAGIC_ROOT, root->size);
	if (err == 0)
		err = write_out(out, root->data, root->size);
	if (err == 0 && signature->size > 0)
		err = write_skip_header(out, IMAGE_MAGIC_SIGNATURE,
					signature->size);
	if (err == 0 && signature->size > 0)
		err = write_out(out, signature->data, signature->size);
	digest_of(root->data, root->size, ret_root_digest);

	memcpy(bytes, IMAGE_TRAILER_WORD, 8);
	le64_put(bytes + 8, directory_offset);
	le64_put(bytes + 16, root_offset);
	le32_put(bytes + 24, (uint32_t)root->size);
	le32_put(bytes + 28, (uint32_t)signature->size);
	memcpy(bytes + 40, ret_root_digest->bytes, DIGEST_SIZE);
	memcpy(bytes + 40 + DIGEST_SIZE, tail.bytes, DIGEST_SIZE);
	if (err == 0)
		err = write_skip_header(out, IMAGE_MAGIC_TRAILER, sizeof bytes);
	return err < 0 ? err : write_out(out, bytes, sizeof bytes);
}
