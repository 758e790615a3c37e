/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PACK_H
#define PACK_H

/*
 * pack - makes a package image of a source directory.
 *
 * Errors     reported.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/base/digest.h"
#include "core/image/root.h"
#include "core/tree/scan.h"

#define PACK_SEEN_SUFFIX ".seen"

struct pack_params {
	const char *source;
	const char *package_id;
	uint32_t version;
	int level;
	unsigned worker_count;
	bool allow_empty;
	struct scan_options scan; /* owners may be NULL: pack's own */
	const char *base;	  /* an older image of the source, or NULL */

	/* The signature over the root, as of struct image_params; or NULL. */
	int (*sign)(void *context, const struct buffer *root,
		    struct buffer *ret_signature);
	void *sign_context;

	int seen_fd; /* file for the rows that the next base needs; -1: none */

	/* Called now and then; may be NULL. */
	void (*progress)(void *context, uint64_t bytes_read, uint64_t entries);
	void *progress_context;
};

struct pack_result {
	struct digest root_digest;
	struct digest content;
	uint64_t record_count;
	uint64_t file_count;
	uint64_t file_bytes;
	uint64_t bytes_read;
	uint64_t image_size;
};

/*
 * Write the image to fd.  The rows of a base stand in the file whose name is
 * the base's and PACK_SEEN_SUFFIX; without them everything is read.
 */
int pack(const struct pack_params *params, int fd,
	 struct pack_result *ret_result);

/* Go through the source and count, but read and write nothing. */
int pack_dry(const struct pack_params *params, struct pack_result *ret_result);

#endif
