/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OLD_DATA_H
#define OLD_DATA_H

/*
 * old_data - what an older version is made of, for deltas against it.
 *
 * All data of an image are one string: its blocks' raw bytes, one after
 * another.  A delta names its base as ranges of that string, so the reader
 * need not know of paths; the bytes come from the old image, or from the tree
 * that was made of it, of which only the manifest is left.
 *
 * Bytes from an image were compared with their block's name.  Those from a
 * tree are whatever is there: what is made of them must be compared.
 *
 * Errors     reported; DSP_ELIMIT: beyond the old data.
 * Threads    Any; one lock inside.
 * Memory     24 bytes for each old page, two pages, and OLD_DATA_BLOCKS
 *            decoded blocks; 32 to 64 bytes for each block that can be found.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/image/image.h"

#define OLD_DATA_BLOCKS	   3u /* that are kept decoded */
#define OLD_DATA_INDEX_MAX 131072u

struct old_data;

/* Of an image, or of a manifest and the tree that is open as top. */
int old_data_of_image(struct image *image, struct old_data **ret_old);
int old_data_of_tree(struct image *manifest, int top,
		     struct old_data **ret_old);
void old_data_free(struct old_data *old);

/* What it was made with; lent. */
struct image *old_data_image(const struct old_data *old);

/* Are the digests and places of its frames known: is it an image? */
bool old_data_has_tables(const struct old_data *old);

/* Copy data[offset, offset + size). */
int old_data_read(struct old_data *old, uint64_t offset, size_t size,
		  uint8_t *data);

struct old_block {
	struct block_ref block;
	uint64_t number;	/* in the whole image */
	uint64_t offset;	/* in the data */
	struct frame_ref frame; /* of an image */
};

/* The block with this number in the whole image. */
int old_data_block(struct old_data *old, uint64_t number,
		   struct old_block *ret_block);

/*
 * Is there a block of this name?  Of more than OLD_DATA_INDEX_MAX blocks only
 * the first are known, and the one behind the block found last.
 */
int old_data_find(struct old_data *old, const struct digest *name,
		  struct old_block *ret_block, bool *ret_is_found);

/* The page that says what is at offset, and the number of its first block. */
uint32_t old_data_find_page(const struct old_data *old, uint64_t offset,
			    uint64_t *ret_first_block);

/*
 * Append raw pages from first on, count of them, up to size_max bytes in all,
 * to *pages.
 */
int old_data_pages(struct old_data *old, uint32_t first, uint32_t count,
		   size_t size_max, struct buffer *pages);

/* The same with the digests of the publisher's frames of their blocks. */
int old_data_digests(struct old_data *old, uint32_t first, uint32_t count,
		     size_t size_max, struct buffer *digests);

#endif
