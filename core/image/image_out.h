/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAGE_OUT_H
#define IMAGE_OUT_H

/*
 * image_out - the parts of an image file, written one behind the other.
 *
 * Below image_writer, which knows what belongs into them, and below whoever
 * has pages and frames from elsewhere.  docs/format-image.md has the layout.
 *
 * All zeros but fd and kind is ready for image_out_start().
 *
 * Errors     What pf_write() says, DSP_ENOMEM.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/base/digest.h"
#include "core/image/image_format.h"
#include "core/image/page.h"

struct image_out {
	int fd; /* borrowed */
	enum image_kind kind;
	bool is_placed;	     /* written at `offset`, not behind what is there */
	uint64_t offset;     /* bytes written */
	struct buffer table; /* of this page: rows */
	struct buffer local; /* of this page: digests of local frames */
	struct buffer directory; /* rows of the pages written */
};

void image_out_release(struct image_out *out);

/* Write the header. */
int image_out_start(struct image_out *out);

/* A frame as it is stored. */
struct stored_frame {
	const void *data; /* may be NULL: only its row is noted */
	uint32_t size;
	bool is_local; /* not the publisher's; then local is its digest */
	struct digest publisher;
	struct digest local;
};

/* Write a frame and note its row in the page's table. */
int image_out_frame(struct image_out *out, const struct stored_frame *frame);

/* Note the row only: the frame is there already, or is not to be. */
int image_out_row(struct image_out *out, const struct stored_frame *frame);

/*
 * Write a page, a zstd frame of its own, and behind it the frame table when
 * the kind has blocks.
 */
int image_out_page(struct image_out *out, const void *frame, size_t size);

/* Note that page and table stand at the offset; what image_out_page() notes. */
int image_out_skip_page(struct image_out *out, size_t size,
			const struct digest *stored);

/*
 * Write directory, root, signature (size 0: none) and trailer.
 * *ret_root_digest names the image.
 */
int image_out_finish(struct image_out *out, const struct buffer *root,
		     const struct buffer *signature,
		     struct digest *ret_root_digest);

#endif
