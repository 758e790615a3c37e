/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PATH_H
#define PATH_H

/*
 * path - names of things below the top of a package.
 *
 * A path is relative: components of any bytes but '/' and NUL, joined by one
 * '/'.  "" is the top itself.  Paths are ordered as a walk meets them that
 * visits a directory's entries by their names' bytes: '/' sorts below every
 * other byte, so that what a directory holds comes right behind it.
 */

#include <stdbool.h>
#include <stddef.h>

#define PATH_SIZE_MAX 65535u /* bytes without the NUL */

/*
 * May a path that somebody else wrote be used?  False for "..", ".", an empty
 * component (absolute paths among them), a NUL, or too many bytes.
 */
bool path_is_valid(const char *path, size_t size);

/* Below 0, 0 or above 0, in the order above. */
int path_compare(const char *a, size_t a_size, const char *b, size_t b_size);

/* Is path equal to top or below it?  Everything is below "". */
bool path_is_below(const char *path, size_t size, const char *top,
		   size_t top_size);

/* How many components are there?  0 for the top. */
unsigned path_depth(const char *path, size_t size);

/* Where the last component begins. */
size_t path_name_start(const char *path, size_t size);

#endif
