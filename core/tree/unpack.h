/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNPACK_H
#define UNPACK_H

/*
 * unpack - makes a directory of an image.
 *
 * The tree is written beside its place, synced, and renamed into it; until
 * then nothing of it is seen, and what was there is untouched.  What a killed
 * process left behind is removed by the next one.
 *
 * Errors     reported.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/image/image.h"

struct unpack_params {
	struct image *image;	   /* borrowed */
	const char *path;	   /* absent, or an empty directory */
	bool replace;		   /* what is there is replaced in one step */
	const char *const *select; /* paths: these and what is below them */
	size_t select_count;	   /* 0: everything */
	unsigned worker_count;
	bool dry_run; /* look and count, write nothing */

	/* Called now and then; may be NULL. */
	void (*progress)(void *context, uint64_t bytes_written, uint64_t files);
	void *progress_context;
};

struct unpack_result {
	uint64_t files_written;
	uint64_t bytes_written;
};

/*
 * DSP_ENOTEMPTY  path is a directory with something in it
 * DSP_ENOENT     a selected path is not in the image
 */
int unpack(const struct unpack_params *params,
	   struct unpack_result *ret_result);

#endif
