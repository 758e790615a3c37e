/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PARCEL_H
#define PARCEL_H

/*
 * parcel - packages in a file, to be carried where no link goes.
 *
 *     offset  size  what
 *          0     8  "DSPLPARC"
 *          8     4  format, 1
 *         12     4  zero
 *         16        what a sender says on a link: hello, and for each package
 *                   OFFER, ROOT, PAGEs, blocks, END; docs/protocol.md
 *       - 48     8  "DSPLPEND"
 *       - 40     8  count of the packages
 *       - 32    32  digest of everything before
 *
 * A package is whole, or a delta against an older version that whoever reads
 * the parcel must hold.  What is read is verified like what comes over a link;
 * the digest at the end says whether the file is all there.
 *
 * Errors     reported.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fanout/receive.h"
#include "core/image/image.h"

/* One package to be written; base NULL: whole. */
struct parcel_item {
	struct image *image;
	struct image *base;
};

struct parcel_params {
	const struct parcel_item *items;
	size_t item_count;
	unsigned worker_count;
	int delta_level;
};

/* Write a parcel to fd.  *ret_size, its bytes, may be NULL. */
int parcel_write(const struct parcel_params *params, int fd, const char *name,
		 uint64_t *ret_size);

/*
 * Read the parcel fd from its start, and take what is in it as `params` says,
 * with their is_file.  DSP_EFORMAT, DSP_EVERSION, DSP_ETRUNCATED,
 * DSP_ECORRUPT: of the file; what was whole before it is taken.
 */
int parcel_read(const struct receive_params *params, int fd, const char *name);

#endif
