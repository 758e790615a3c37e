/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WALK_H
#define WALK_H

/*
 * walk - goes through a manifest from front to back: records and blocks.
 *
 * A block comes right behind the last record it holds data of; the blocks of
 * a large file come one after another behind its record.
 *
 * Whatever wrote the manifest, a walk that ends without an error has shown:
 *   - every path is valid, above the one before it, and stands below a
 *     directory of this manifest; nothing is below a link or a file;
 *   - the blocks hold exactly the data of the files: a small file lies in one
 *     block, a large one in blocks of its own;
 *   - the root's counts are true.
 *
 * Errors     as in image.h, reported.
 * Ownership  The image is borrowed until walk_free().
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/image/image.h"
#include "core/image/record.h"

enum walk_step { WALK_RECORD, WALK_BLOCK, WALK_PAGE_END, WALK_END };

struct walk;

/* What the step taken last has met; lent until the next step. */
struct walk_view {
	struct record record;	/* WALK_RECORD; WALK_BLOCK: the last one */
	uint64_t ordinal;	/* of record: how many were before it */
	struct block_ref block; /* WALK_BLOCK */
	bool is_part;		/* WALK_BLOCK: of a large file, from ... */
	uint64_t part_offset;	/* ... this byte of its data on */
	struct frame_ref frame; /* WALK_BLOCK of IMAGE_WITH_BLOCKS */
};

/* Gives *ret_walk, ended with walk_free(). */
int walk_new(struct image *image, struct walk **ret_walk);
void walk_free(struct walk *walk);

int walk_next(struct walk *walk, enum walk_step *ret_step);
const struct walk_view *walk_view(const struct walk *walk);

#endif
