/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DP_H
#define DP_H

/*
 * dp - one distribution point: a directory that publishes packages.
 *
 *     <package-id>/<version>/         the tree of a version
 *     <package-id>/current            symbolic link: the published version
 *     .despool/lock                   held by whoever changes anything
 *     .despool/<id>.<version>.manifest
 *     .despool/state/<id>.<version>.rows    about the tree's files, see rows.h
 *     .despool/state/<id>.<version>.seen    about the source's files
 *     .despool/state/<id>.highest     the highest version ever published
 *     .despool/staging/<id>/          what is being made
 *
 * Invariants
 *   S2   `current` names a complete version at every instant, or nothing.
 *   S6   A manifest stands in .despool only after its tree was synced.
 *   S12  One process at a time changes a distribution point.
 *   S14  What a failed or killed process left in staging is removed, never
 *        used.
 *
 * Errors     reported.
 * Threads    One at a time per dp.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/image/image.h"
#include "core/tree/expand.h"

struct dp;

struct dp_params {
	const char *path;	/* borrowed */
	const char *package_id; /* borrowed */
	bool may_create;	/* the directory, and those above it */
	bool is_dry;		/* look only: no lock, nothing made */

	/* Is the directory free?  False: given twice. */
	bool (*claim)(void *context, const struct pf_stat *root);
	void *claim_context;

	/* A directory that path must be neither in nor above; or NULL. */
	const char *source;
};

/*
 * Open, lock and clean up.  Gives *ret_dp, ended with dp_close().
 *
 * DSP_EBUSY     another process is at it
 * DSP_EOVERLAP  source and destination overlap
 * DSP_EINVAL    params->claim said no
 */
int dp_open(const struct dp_params *params, struct dp **ret_dp);

/* End it; what was begun and not published is removed.  NULL is allowed. */
void dp_close(struct dp *dp);

/* The published version; 0: none. */
uint32_t dp_published(const struct dp *dp);

/* The highest version that was ever published here; 0: none (S3). */
uint32_t dp_highest(const struct dp *dp);

/* The manifest of a version that is there, lent; NULL when there is none. */
struct image *dp_manifest(struct dp *dp, uint32_t version);

/* The same, but NULL with a warning, too, when not all of it is good. */
struct image *dp_whole_manifest(struct dp *dp, uint32_t version);

/* The manifest asked for last, given to the caller; NULL: none. */
struct image *dp_take_manifest(struct dp *dp);

/* Open the tree of a version that is there. */
int dp_open_tree(struct dp *dp, uint32_t version, int *ret_fd);

/* An open file with the published version's rows about the source; -1. */
int dp_open_seen(struct dp *dp);

/*
 * The version that publishing `version` would delete, and that can be
 * recycled instead; 0: none.  keep counts the versions that stay.
 */
uint32_t dp_recyclable(struct dp *dp, uint32_t version, unsigned keep);

/*
 * Begin a new tree, out of the version *recycle unless that is 0; it becomes
 * 0 when that version's state is not usable.  *ret_expand writes the tree; it
 * is lent until dp_close() or the next dp_begin(), which starts anew.
 */
int dp_begin(struct dp *dp, uint32_t *recycle, struct owners *owners,
	     unsigned thread_count, struct expand **ret_expand);

/* Which file system is it on, and do files there share blocks? */
int dp_look(struct dp *dp, uint64_t *ret_device, bool *ret_can_clone);

/*
 * Is there room for so many bytes?  Not asked where files share blocks or an
 * older tree is recycled.  DSP_ENOSPC.
 */
int dp_check_room(struct dp *dp, uint64_t size);

/* A descriptor on that file system, lent until dp_close(). */
int dp_fd(const struct dp *dp);

/*
 * Read the whole published tree and compare it with its manifest.
 *
 * DSP_EDIFFERS  it is not what was published
 */
int dp_check_published(struct dp *dp, unsigned worker_count);

struct dp_publication {
	uint32_t version;
	int manifest_fd;		  /* a manifest file, from its start */
	const struct digest *root_digest; /* of that manifest */
	int seen_fd; /* rows about the source, to be kept; -1: none */
	unsigned keep;
	unsigned worker_count;
	bool readback; /* read the tree again before it is shown */
};

/*
 * The tree is written: sync it, show it, and delete versions beyond keep.
 * After an error what was published before still is.
 */
int dp_publish(struct dp *dp, const struct dp_publication *publication);

/* Give up what was begun. */
void dp_abandon(struct dp *dp);

#endif
