/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XATTRS_H
#define XATTRS_H

/*
 * xattrs - the extended attributes of one record, as bytes.
 *
 * Encoded: for each attribute, in the order of their names' bytes,
 *
 *     offset  size  what
 *          0     2  size of the name, 1 to 255
 *          2     4  size of the value, at most 65536
 *          6        name, without a NUL; value
 *
 * Equal sets have equal bytes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"

#define XATTRS_NAME_MAX	 255u
#define XATTRS_VALUE_MAX 65536u

struct xattr {
	char name[XATTRS_NAME_MAX + 1]; /* NUL-terminated */
	const uint8_t *value;		/* inside the encoded set */
	uint32_t value_size;
};

/* Are these bytes one encoded set, with nothing behind it? */
bool xattrs_are_valid(const uint8_t *xattrs, size_t size);

/*
 * The attribute at *offset of a valid set; moves *offset behind it.  False at
 * the end.  Start with *offset 0.
 */
bool xattrs_next(const uint8_t *xattrs, size_t size, size_t *offset,
		 struct xattr *ret_xattr);

/* Add an attribute behind those in set; the caller keeps the order. */
int xattrs_add(struct buffer *set, const char *name, const void *value,
	       size_t value_size);

#endif
