/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STAGING_H
#define STAGING_H

/*
 * staging - an image while it is being received, in a directory of its own.
 *
 * The name of the directory is the digest of the image's root.  First comes
 * the root, then all pages, then all blocks in order; what is there survives
 * the end of the process, and the next one goes on where it stopped.
 *
 *     lock       held by the one writer (S12)
 *     root       u32 size of the root, u32 zero, u64 size of the image, the
 *                root, the signature, and the digest of these: the root vouches
 *                for itself, the signature does not
 *     pages      for each page: u32 size, the page's zstd frame
 *     digests    of the publisher's frames, 32 bytes each, in order
 *     image      the image file, as far as it goes
 *     deltas     those that blocks came as, to be passed on
 *     journal    a row for each frame and each page in it, see staging.c
 *
 * Root, pages and digests are proved by the root's digest when they are read
 * again.  Frames that were synced are taken as they are; those behind the
 * last sync are compared with their digests again: after a loss of power they
 * may be anything (S11, S14).
 *
 * Errors     reported.
 * Threads    One at a time.
 * Memory     16 bytes for each page, the directory of the image, and one page
 *            with its frame table.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/image/image_out.h"
#include "core/image/root.h"
#include "core/link/message.h"

/* A disk is made to write so many bytes at a time. */
#define STAGING_SYNC_SIZE (32u << 20)

struct staging;

/*
 * Open the directory of this root below dir, made when absent.  shown is what
 * messages call dir, and is borrowed.  Gives *ret_staging, ended with
 * staging_close().
 *
 * is_partial: it will not become an image that is kept, blocks are missing in
 * it that are elsewhere; such a one has a directory of its own.
 *
 * DSP_EBUSY  another process is receiving it
 */
int staging_open(int dir, const char *shown, const struct digest *root,
		 bool is_partial, struct staging **ret_staging);

/* Leave it as it is, for the next time. */
void staging_close(struct staging *staging);

/* The root and its signature; NULL while there is none. */
const struct root *staging_root(const struct staging *staging);
const struct buffer *staging_root_raw(const struct staging *staging);
const struct buffer *staging_signature(const struct staging *staging);

/*
 * Keep the root; image_size is what the image is said to have.  DSP_ECORRUPT: it does not have the directory's digest;
 * DSP_EFORMAT and others of root_decode().
 */
int staging_set_root(struct staging *staging, const void *raw, size_t size,
		     const void *signature, size_t signature_size,
		     uint64_t image_size);

/* Keep another signature of the root that is there, and the size with it. */
int staging_set_signature(struct staging *staging, const void *signature,
			  size_t size, uint64_t image_size);

/* How many pages are there. */
uint32_t staging_page_count(const struct staging *staging);

/*
 * Keep the next page: its raw bytes, and block_count digests of the
 * publisher's frames.  stored is the page as a zstd frame; NULL: make one.
 *
 * DSP_ECORRUPT  they are not what the root says
 */
int staging_put_page(struct staging *staging, const void *raw, size_t size,
		     const void *stored, size_t stored_size,
		     const uint8_t *digests);

/*
 * With all pages there: begin with the blocks, or go on.
 */
int staging_begin_blocks(struct staging *staging);

/* The first block that is missing; page page_count: none. */
struct block_index staging_next(const struct staging *staging);

/* The first block that a loss of power could take. */
struct block_index staging_synced(const struct staging *staging);

/* What the block that comes next must be. */
struct staged_block {
	struct block_ref block;
	struct digest publisher; /* digest of the publisher's frame */
};
void staging_expected(const struct staging *staging,
		      struct staged_block *ret_block);

/* The page at index as it was kept; lent until the next call. */
int staging_load_page(struct staging *staging, uint32_t index,
		      const struct page **ret_page,
		      const uint8_t **ret_digests);

/*
 * Keep the next block.  The caller has compared what it decodes to, or the
 * frame, with what is expected.  data NULL and size 0: it will not be in the
 * image.
 */
int staging_put_block(struct staging *staging,
		      const struct stored_frame *frame);

/*
 * The next block came as this delta, in two pieces, against the version with
 * this root: whoever holds that, too, can have it as it is.
 */
int staging_put_delta(struct staging *staging, const struct digest *base,
		      const void *ranges, size_t ranges_size, const void *frame,
		      size_t frame_size);

/*
 * All blocks are there: end the image and sync it.  It is then `image` below
 * staging_dir().
 */
int staging_finish(struct staging *staging);
int staging_dir(const struct staging *staging);

/* Bytes of the image so far. */
uint64_t staging_size(const struct staging *staging);

/* Remove everything; staging_close() is still to be called. */
int staging_remove(struct staging *staging);

#endif
