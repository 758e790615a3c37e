/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAGE_H
#define IMAGE_H

/*
 * image - a package image or a manifest file, open for reading.
 *
 * Opening checks the root, its digest and that the parts stand where the
 * trailer says.  Pages, tables and frames are checked when they are loaded,
 * against the root: nothing that this room gives out was merely read.
 *
 * Errors     DSP_EFORMAT, DSP_EVERSION, DSP_ECORRUPT, DSP_ETRUNCATED and what
 *            pf_read_at() says; reported here, with file and offset.
 * Threads    Any, each with a page_load and a frame_table of its own.  Of a feed
 *            only image_read_frame() and image_read_delta() from any thread.
 */

#include <stdint.h>

#include "core/base/buffer.h"
#include "core/base/digest.h"
#include "core/image/image_format.h"
#include "core/image/page.h"
#include "core/image/root.h"

struct image;
struct frame_decoder;
struct frame_ref;

/* Open the file at path.  Gives *ret_image, ended with image_close(). */
int image_open(const char *path, struct image **ret_image);

/* The same for an open file, which it takes; name is for messages. */
int image_open_fd(int fd, const char *name, struct image **ret_image);
void image_close(struct image *image);

/*
 * An image of which not all is there yet: its parts come from elsewhere, each
 * call waits until what is asked for is there.  What is given is checked
 * against the root as if it had been read from a file.
 */
struct image_feed {
	void *context;
	int (*load_page)(void *context, uint32_t index, struct buffer *stored);
	int (*load_digests)(void *context, uint32_t index,
			    struct buffer *digests);

	/* Asked in order, or from an earlier one on again. */
	int (*next_frame)(void *context, uint32_t page, uint32_t block,
			  struct frame_ref *ret_frame);
	/* Read a frame's delta. */
	int (*read_delta)(void *context, const struct frame_ref *frame,
			  void *data);
	void (*close)(void *context);
};

/*
 * Open one: fd is the file that frames are read from, which it takes with the
 * feed; size is what the whole image will have.
 */
int image_open_feed(int fd, const char *name, const struct buffer *root,
		    const struct buffer *signature, uint64_t size,
		    const struct image_feed *feed, struct image **ret_image);

/* Let go of a lock that the open file had, but not of the file. */
void image_unlock(struct image *image);

const char *image_name(const struct image *image);
enum image_kind image_kind(const struct image *image);
uint64_t image_size(const struct image *image); /* bytes of the file */
const struct root *image_root(const struct image *image);

/* The root as it stands in the file, which is what a signature is over. */
const struct buffer *image_root_raw(const struct image *image);
const struct digest *image_root_digest(const struct image *image);

/* The signature over those bytes, as it stands in the file; size 0: none. */
const struct buffer *image_signature(const struct image *image);

/* A page in memory.  All zeros is empty; page_load_release() frees it. */
struct page_load {
	struct frame_decoder *decoder; /* made when it is first used */
	struct buffer stored;
	struct buffer raw;
	struct page page; /* into raw */
};
void page_load_release(struct page_load *load);

/* Load the page at index < root page_count. */
int image_load_page(struct image *image, uint32_t index,
		    struct page_load *load);

/* Load every page once: is the manifest whole?  Errors reported. */
int image_check_pages(struct image *image);

/* Where a block's frame is. */
struct frame_ref {
	uint64_t offset;
	uint32_t size;
	bool is_local;		 /* not the publisher's frame */
	struct digest publisher; /* digest of the publisher's frame */
	struct digest stored;	 /* digest of the frame in this file */

	/* Of a feed: the delta that it came as; size 0: it did not. */
	uint64_t delta_offset;
	uint32_t delta_size;
	uint32_t delta_ranges_size; /* of them, before the zstd frame */
	struct digest delta_base;   /* the root that it is against */
};

/* The frames of one page's blocks.  All zeros is empty. */
struct frame_table {
	struct buffer rows;
	uint64_t frames_offset;
	uint64_t next_offset; /* of the frame after the one read last */
	uint32_t count;
	uint32_t index; /* of the row that comes next */
	uint32_t local_index;
	uint32_t page; /* whose it is */
};
void frame_table_release(struct frame_table *table);

/* Load the table of the page at index; only of IMAGE_WITH_BLOCKS. */
int image_load_table(struct image *image, uint32_t index,
		     struct frame_table *table);

/* The next row.  There must be one.  Of a feed it is waited for. */
int image_next_frame(struct image *image, struct frame_table *table,
		     struct frame_ref *ret_frame);

/* The digests of the publisher's frames of the page's blocks, in order. */
int image_load_digests(struct image *image, uint32_t index,
		       struct frame_table *table, struct buffer *digests);

/* Of a feed: read the delta_size bytes that a frame came as. */
int image_read_delta(struct image *image, const struct frame_ref *frame,
		     void *data);

/* Read a frame and compare it with its digest. */
int image_read_frame(struct image *image, const struct frame_ref *frame,
		     void *data);

/*
 * Write image's manifest file to fd: header, pages, directory and the very
 * root of the image.
 */
int image_write_manifest(struct image *image, int fd);

#endif
