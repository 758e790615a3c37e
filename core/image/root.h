/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROOT_H
#define ROOT_H

/*
 * root - the few bytes that say what an image is.
 *
 * The digest of the root names the image.  It commits to every page and,
 * through the pages, to every block; and to the frames that the publisher
 * made, so that a site that only passes the image on verifies it without
 * decompressing.  No clock, host or path of the packer is in it.
 *
 * `content` is a digest over the rule and the pages: two roots of one
 * package with equal content hold the same tree, whatever their version,
 * level or frames.
 *
 * Errors     DSP_EFORMAT, DSP_EVERSION, DSP_ECORRUPT, DSP_ENOMEM.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/base/digest.h"
#include "core/chunk/cut.h"

#define ROOT_FORMAT	1u
#define ROOT_SIZE_MAX	(8u << 20) /* bytes: about 100 million files */
#define PACKAGE_ID_SIZE 8u	   /* characters */

struct root_page {
	uint32_t raw_size;
	uint32_t block_count;
	struct digest digest; /* of the raw page */
	struct digest frames; /* over the digests of its blocks' frames, in
			       * order; zero when the publisher made none */
};

struct root {
	char package_id[PACKAGE_ID_SIZE + 1]; /* NUL-terminated */
	uint32_t version;
	int level; /* zstd level of the frames; 0: no frames were made */
	struct cut_rule rule;
	uint64_t record_count;
	uint64_t file_count;
	uint64_t dir_count;
	uint64_t symlink_count;
	uint64_t hardlink_count;
	uint64_t block_count;
	uint64_t file_bytes; /* sizes of all files, holes included */
	uint64_t data_bytes; /* raw sizes of all blocks */
	struct digest content;
	uint32_t page_count;
	struct root_page *pages; /* the root's own; see root_release() */
};

/* Free what root owns.  All zeros is allowed. */
void root_release(struct root *root);

/* Three characters of a site code and five hexadecimal digits. */
bool package_id_is_valid(const char *id);

/* Compute root->content from rule and pages. */
void root_set_content(struct root *root);

/* Append the root's bytes to *raw. */
int root_encode(const struct root *root, struct buffer *raw);

/*
 * Read a root; every field is checked.  Gives the pages to *ret_root, ended
 * with root_release().
 */
int root_decode(const void *raw, size_t size, struct root *ret_root);

#endif
