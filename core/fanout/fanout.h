/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FANOUT_H
#define FANOUT_H

/*
 * fanout - publishes one package version at many distribution points.
 *
 * The source is read once and, when it is an image, decoded once; each
 * distribution point is a lane of the flow, with threads of its own.  One
 * that fails is left behind; one that is slow is set aside and served in
 * another round, from where it stopped; one that hangs is given up at the
 * end.  None of them costs the others more than a slot (S10, S13).
 *
 * Who decides what: the newest version published anywhere among the
 * destinations is the current one.  A tree without a version given becomes
 * current + 1, or stays current when nothing in it changed.
 *
 * Errors     reported.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/digest.h"
#include "core/tree/image_source.h"
#include "core/tree/scan.h"
#include "core/trust/trust.h"

enum fanout_state {
	FANOUT_PENDING, /* not known: the whole failed before it began */
	FANOUT_PUBLISHED,
	FANOUT_UNCHANGED, /* this content was published there already */
	FANOUT_FAILED
};

/* One destination: path is the caller's, the rest the result. */
struct fanout_dest {
	const char *path;
	enum fanout_state state;
	int err;
	uint32_t version_before; /* 0: none */
	uint64_t files_written;
	uint64_t files_kept; /* recycled */
	uint64_t bytes_written;
};

struct fanout_params {
	const char *source; /* a directory or an image */

	/* An image that is open, instead; blocks without a frame are read. */
	struct image *image;
	image_source_read *read_absent;
	void *read_context;
	const char *package_id;
	uint32_t version;	   /* 0: see above; of an image: its own */
	const struct trust *trust; /* who must have signed the image; or NULL */
	struct fanout_dest *dests;
	size_t dest_count;
	unsigned keep;
	unsigned worker_count;
	unsigned stall_timeout_s;
	bool no_create;
	bool refresh;
	bool rollback;
	bool readback;
	bool dry_run;
	bool allow_empty;
	struct scan_options scan; /* owners: fanout's own */

	/* Called now and then; total 0: not known.  May be NULL. */
	void (*progress)(void *context, uint64_t bytes, uint64_t total,
			 uint64_t files);
	void *progress_context;
};

struct fanout_result {
	uint32_t version;
	struct digest content;
	uint64_t file_count;
	uint64_t bytes_read;
	uint64_t bytes_written;
	bool is_stalled; /* threads hang: leave by pf_exit_now() */
};

/*
 * Publish.  Returns 0 when every destination is done; DSP_EIO-like errors of
 * the source; or, when only destinations failed, the first one's error, with
 * params->dests telling about each.
 */
int fanout(const struct fanout_params *params,
	   struct fanout_result *ret_result);

#endif
