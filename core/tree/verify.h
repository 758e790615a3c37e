/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VERIFY_H
#define VERIFY_H

/*
 * verify - reads a whole image and proves that it is what its root says.
 *
 * Every byte of the file is covered: header and trailer are compared with
 * what they must be, pages, tables and frames with their digests, and every
 * block is decoded and compared with its name.
 *
 * Errors     reported.
 */

#include <stdint.h>

#include "core/image/image.h"

struct verify_params {
	struct image *image; /* IMAGE_WITH_BLOCKS; borrowed */
	unsigned worker_count;

	/* Called now and then; may be NULL. */
	void (*progress)(void *context, uint64_t bytes, uint64_t files);
	void *progress_context;
};

int verify_image(const struct verify_params *params);

#endif
