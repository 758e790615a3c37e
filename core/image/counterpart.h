/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COUNTERPART_H
#define COUNTERPART_H

/*
 * counterpart - which file of an older version is a file of the new one?
 *
 * That of the same path.  A file without one takes, of the old files whose
 * paths are gone, the next whose path is equal once every run of digits is
 * '#': real packages carry versions in their paths.
 *
 * Both manifests are in path order, so one walk beside the other finds the
 * first kind; the second is looked up.
 *
 * Errors     reported.
 * Memory     24 bytes for each old file with data whose path is gone, of at
 *            most COUNTERPART_GONE_MAX; files beyond find no counterpart.
 */

#include <stdint.h>

#include "core/image/image.h"

#define COUNTERPART_GONE_MAX 262144u

struct counterpart;

/* Both are borrowed until counterpart_free(), and walked through at once. */
int counterpart_new(struct image *image, struct image *old_image,
		    struct counterpart **ret_counterpart);
void counterpart_free(struct counterpart *counterpart);

/* Where a file's data are in those of the old image. */
struct old_place {
	uint64_t offset;
	uint64_t size; /* 0: it has no counterpart */
};

/* Of a file with data; files are asked about in order, each once. */
int counterpart_find(struct counterpart *counterpart,
		     const struct record *record, struct old_place *ret_place);

/* Begin again at the first file. */
int counterpart_rewind(struct counterpart *counterpart);

#endif
