/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHECK_H
#define CHECK_H

/*
 * check - compares a directory with a manifest: is it exactly this version?
 *
 * Everything is read.  Files are read as the manifest says their data are
 * laid out and hashed as its blocks; only where a block is not what it should
 * be are its files hashed one by one to say which.
 *
 * Errors     reported; a difference is none.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/image/image.h"

/* What differs at one path; bits. */
enum {
	CHECK_MISSING = 1 << 0,
	CHECK_EXTRA = 1 << 1,
	CHECK_TYPE = 1 << 2,
	CHECK_CONTENT = 1 << 3, /* bytes or size of a file */
	CHECK_MODE = 1 << 4,
	CHECK_OWNER = 1 << 5,
	CHECK_TIME = 1 << 6,
	CHECK_TARGET = 1 << 7, /* of a link */
	CHECK_XATTRS = 1 << 8
};

struct check_params {
	struct image *image; /* or a manifest file; borrowed */
	const char *path;
	unsigned worker_count;

	/*
	 * Called for each path that differs, by one thread at a time; what
	 * is bits of the above.  Extra paths may come early.
	 */
	void (*differs)(void *context, const char *path, size_t path_size,
			unsigned what);
	void *context;

	/* Called now and then; may be NULL. */
	void (*progress)(void *context, uint64_t bytes_read, uint64_t files);
	void *progress_context;
};

struct check_result {
	uint64_t files_read;
	uint64_t bytes_read;
	uint64_t missing;
	uint64_t changed;
	uint64_t extra;
};

/*
 * Compare.  Owners and privileged attributes are compared by root only:
 * nobody else can have set them.
 */
int check_tree(const struct check_params *params,
	       struct check_result *ret_result);

#endif
