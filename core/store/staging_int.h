/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STAGING_INT_H
#define STAGING_INT_H

/*
 * staging_int - the files of a staging directory, for who writes them and who
 * reads them meanwhile.
 *
 * A row of the journal:
 *
 *     offset  size  what
 *          0     4  1 frame, 2 page, 3 synced, 4 delta: the next frame came so
 *          4     4  frame: size and flag as in a frame table; page: its size
 *          8     8  offset of frame or page in the image; synced: its size;
 *                   delta: its offset in `deltas`
 *         16    32  frame: publisher's digest; page: digest of it as stored;
 *                   delta: digest of the base's root
 *         48    32  frame: digest of a local frame; delta: u32 how many of its
 *                   bytes are ranges
 *         80     8  check: the first bytes of H(number of the row, the above)
 */

#include "core/store/staging.h"

enum { ROW_FRAME = 1, ROW_PAGE = 2, ROW_SYNCED = 3, ROW_DELTA = 4 };
enum { JOURNAL_ROW_SIZE = 88, ROW_CHECK = 80 };
enum { STAGING_ROOT_HEADER_SIZE = 16 };

/* At the end of the directory's name when the image is partial. */
#define PARTIAL_SUFFIX ".partial"

/* What is in the file `root`; lent until the buffer goes. */
struct staged_root {
	const uint8_t *raw;
	size_t size;
	const uint8_t *signature;
	size_t signature_size;
	uint64_t image_size;
};

/* DSP_ENOENT: there is none, or it is damaged.  DSP_EIO, DSP_ENOMEM. */
int staging_read_root(int dir, struct buffer *file,
		      struct staged_root *ret_root);

void journal_put_check(uint64_t number, const uint8_t *row, uint8_t check[8]);

#endif
