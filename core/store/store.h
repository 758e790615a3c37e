/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_H
#define STORE_H

/*
 * store - the package images that a site holds, in one directory.
 *
 *     <package-id>.<version>.pck    an image
 *     <package-id>.known            the roots of all versions ever held
 *     staging/<root>/               an image that is being received
 *     lock                          says that this is a store
 *
 * An image appears whole and, when it is removed, disappears; it never
 * changes but where a damaged block of it is put right.
 *
 * Invariants
 *   S3   One (package, version) has one root for ever, also when the image is
 *        gone.
 *   S6   Nothing has its name before it was verified and synced.
 *   S7   Nothing is reported gone before it was looked for after the sync.
 *   S16  Every name is one component below the open directory.
 *
 * Errors     reported.
 * Threads    One at a time per store; any number of processes per directory.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/digest.h"
#include "core/image/image.h"
#include "core/store/staging.h"

struct store;

/* Make a store of the directory at path, made when absent. */
int store_init(const char *path);

/*
 * Open.  Gives *ret_store, ended with store_close().  DSP_ENOENT: there is no
 * store.
 */
int store_open(const char *path, struct store **ret_store);
void store_close(struct store *store);
const char *store_path(const struct store *store);

/* Is the directory at path a store? */
bool store_is_one(const char *path);

/* What is held, by package ID and then version. */
struct store_entry {
	char package_id[PACKAGE_ID_SIZE + 1];
	uint32_t version;
};
int store_list(struct store *store, struct store_entry **ret_entries,
	       size_t *ret_count);

/* The highest version held of the package that is below another; 0: none. */
uint32_t store_version_below(struct store *store, const char *package_id,
			     uint32_t below);

/*
 * Open an image; it is not removed while it is open.  Is it the one that its
 * name says?  DSP_ENOENT.
 */
int store_open_image(struct store *store, const char *package_id,
		     uint32_t version, struct image **ret_image);

/* Is this image held? */
bool store_has(struct store *store, const char *package_id, uint32_t version);

/*
 * Open an image that is being received here, to be read while it grows: every
 * read waits until the bytes are there, at most timeout_s seconds after the
 * last came (0: for ever).  version 0: any.  DSP_ENOENT, not reported: none is.
 */
int store_open_growing(struct store *store, const char *package_id,
		       uint32_t version, unsigned timeout_s,
		       struct image **ret_image);

/* The image of this package with this root, or NULL; not reported. */
struct image *store_find_root(struct store *store, const char *package_id,
			      const struct digest *root);

/*
 * May an image with this root come in?  *ret_has: it is here.
 *
 * DSP_ECONFLICT  the version has another root, or is below the highest that
 *                was ever here and may_roll_back is false
 */
int store_check(struct store *store, const char *package_id, uint32_t version,
		const struct digest *root, bool may_roll_back, bool *ret_has);

/* Is there room for so many bytes, and some to spare?  DSP_ENOSPC. */
int store_check_room(struct store *store, uint64_t size);

/* See staging_open(). */
int store_open_staging(struct store *store, const struct digest *root,
		       bool is_partial, struct staging **ret_staging);

/*
 * Give a finished image its name (S3, S6), and remove its staging directory.
 */
int store_take(struct store *store, const char *package_id, uint32_t version,
	       const struct digest *root, struct staging *staging);

/*
 * Remove an image: its file and whatever is staged of it.  0 is the proof
 * that S7 asks for.
 *
 * DSP_ENOENT  it is not here
 * DSP_EBUSY   somebody reads or receives it; nothing was removed
 */
int store_remove(struct store *store, const char *package_id, uint32_t version);

/*
 * Open an image for mending, alone.  DSP_EBUSY.
 */
int store_open_writable(struct store *store, const char *package_id,
			uint32_t version, int *ret_fd);

#endif
