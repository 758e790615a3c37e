/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAGE_WRITER_H
#define IMAGE_WRITER_H

/*
 * image_writer - writes an image or a manifest file, front to back.
 *
 * The caller adds records in path order and, behind the records whose data a
 * block completes, that block; and ends pages where the layout says so.  The
 * output is only ever appended to, so it may be a pipe.
 *
 * Errors     What pf_write() says, DSP_ENOMEM, DSP_ELIMIT.  After an error
 *            only image_writer_free() may be called.
 * Threads    One at a time.
 * Memory     One page and about 120 bytes for each page before it.
 */

#include <stdint.h>

#include "core/base/digest.h"
#include "core/image/image_format.h"
#include "core/image/page.h"
#include "core/image/root.h"

struct image_writer;

/* What the root is to say. */
struct image_params {
	const char *package_id;
	uint32_t version;
	int level; /* 0: no frames are made (IMAGE_MANIFEST of a plain tree) */
	struct cut_rule rule;

	/*
	 * Appends the signature over the root's bytes, at most
	 * IMAGE_SIGNATURE_MAX; its error is image_writer_finish()'s.  NULL:
	 * none.
	 */
	int (*sign)(void *context, const struct buffer *root,
		    struct buffer *ret_signature);
	void *sign_context;
};

/*
 * Begin an image on fd, which stays the caller's.  Gives *ret_writer, ended
 * with image_writer_free().
 */
int image_writer_new(int fd, enum image_kind kind,
		     const struct image_params *params,
		     struct image_writer **ret_writer);
void image_writer_free(struct image_writer *writer);

/*
 * Add a record.  The digest of a large file is not looked at: the writer has
 * it from the blocks that follow.
 */
int image_writer_add_record(struct image_writer *writer,
			    const struct record *record);

/* A block as it is stored: frame may be NULL in a manifest file. */
struct image_block {
	struct block_ref block;
	const void *frame;
	uint32_t frame_size;
	struct digest frame_digest; /* of the publisher's frame */
	bool is_local; /* frame is another encoding; local_digest is its */
	struct digest local_digest;
};

int image_writer_add_block(struct image_writer *writer,
			   const struct image_block *block);

/* End the page; it must not be empty. */
int image_writer_end_page(struct image_writer *writer);

/*
 * Write what stands behind the pages.  *ret_root_digest names the image.
 * ret_size, the bytes of the whole file, may be NULL.
 */
int image_writer_finish(struct image_writer *writer,
			struct digest *ret_root_digest, uint64_t *ret_size);

/* After the last page was ended: compute the root's content already. */
void image_writer_settle_content(struct image_writer *writer);

/* Change the version; until image_writer_finish(). */
void image_writer_set_version(struct image_writer *writer, uint32_t version);

/* The root as far as it is known; complete after image_writer_finish(). */
const struct root *image_writer_root(const struct image_writer *writer);

#endif
