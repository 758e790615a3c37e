/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_XATTR_H
#define PF_XATTR_H

/*
 * pf_xattr - extended attributes: capabilities, ACLs, DOS attributes, user's.
 *
 *   platform/linux/pf_xattr.c   the *xattr calls
 *   platform/none/pf_xattr.c    files have none
 *
 * `name` below `dir` may be of any type and is not followed.
 */

#include <stddef.h>

#define PF_XATTR_SIZE_MAX 65536u /* bytes of one value, and of one list */

/*
 * The attribute names of a file, each ended by a NUL, one after another, in
 * the system's order.  *ret_size is 0 when there are none or the file system
 * has no such thing.
 */
int pf_xattr_list(int dir, const char *name, char *list, size_t capacity,
		  size_t *ret_size);

/* DSP_ENOENT: no such attribute (any more). */
int pf_xattr_get(int dir, const char *name, const char *attribute, void *value,
		 size_t capacity, size_t *ret_size);

/*
 * DSP_EUNSUPPORTED  the file system has no such attributes
 * DSP_EACCES        this user may not set it
 */
int pf_xattr_set(int dir, const char *name, const char *attribute,
		 const void *value, size_t size);

/* Absent already is success. */
int pf_xattr_remove(int dir, const char *name, const char *attribute);

#endif
