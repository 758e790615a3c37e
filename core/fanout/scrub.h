/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCRUB_H
#define SCRUB_H

/*
 * scrub - reads the images of a store again, and mends what has gone bad.
 *
 * Every page, frame table and frame is read and compared with its digest.  A
 * damaged block is fetched from a peer that holds the same image, alone, and
 * put in its place; damage elsewhere needs the whole image again.
 *
 * Errors     reported, with file and offset.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/fanout/endpoint.h"
#include "core/store/store.h"

struct scrub_params {
	struct store *store;
	const char *peer; /* where blocks are fetched from; NULL: nowhere */
	struct endpoint_params endpoint;
	uint64_t rate; /* bytes a second that are read; 0: no limit */

	/* Called now and then; may be NULL. */
	void (*progress)(void *context, uint64_t bytes, uint64_t total);
	void *progress_context;
};

struct scrub_result {
	uint64_t bytes_read;
	uint64_t damaged; /* blocks */
	uint64_t mended;  /* of these */
};

/*
 * Scrub one image.  DSP_ECORRUPT: it is damaged, and not all was mended.
 */
int scrub(const struct scrub_params *params, const char *package_id,
	  uint32_t version, struct scrub_result *ret_result);

#endif
