/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_H
#define BASE_H

/*
 * base - what is known of a source from an earlier time.
 *
 * An older manifest and, in its order, rows about the source's files as they
 * were then.  A file whose row still holds has the content that the old
 * manifest says.  A row is only ever written for a file that had been at rest
 * when it was read; see base_row_is_safe().
 *
 * Errors     reported.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/image/image.h"
#include "core/tree/rows.h"
#include "core/tree/scan.h"

struct base;

/*
 * Use image, or a manifest, with the rows in the open file rows_fd, which it
 * takes.  image is borrowed until base_free().  DSP_EFORMAT, not reported:
 * the rows are not about this image.
 */
int base_new(struct image *image, int rows_fd, struct base **ret_base);
void base_free(struct base *base);

/* The image or manifest it was made with; lent. */
struct image *base_image(const struct base *base);

/* What the base knows of one entry. */
struct base_view {
	bool is_unchanged;
	uint64_t ordinal;     /* in the old manifest */
	struct record record; /* as it was; lent until the next call */
};

/* Find the entry; entries come in the manifest's order. */
int base_find(struct base *base, const struct scan_entry *entry,
	      struct base_view *ret_view);

/* Is the file found the first with data behind the last block's end? */
bool base_is_at_block_start(const struct base *base);

struct base_block {
	struct block_ref block;
	struct frame_ref frame; /* when the image has blocks */
	uint64_t part_offset;
};

/*
 * Is there a block that ends with the file at `ordinal` and holds the data of
 * count files?  Ask before base_find() has found the file after the next.
 */
int base_group_block(struct base *base, uint64_t ordinal, uint64_t count,
		     bool *ret_is_found, struct base_block *ret_block);

/* The next block of the large file found last. */
int base_part_block(struct base *base, struct base_block *ret_block);

/*
 * May a row be written about a file with these times, read by a scan that
 * began at scan_start?  Not when it may have changed again within the same
 * tick of the file system's clock.
 */
bool base_row_is_safe(const struct pf_stat *stat, int64_t scan_start);

#endif
