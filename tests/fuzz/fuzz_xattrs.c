/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Input: an encoded set.
 *
 * Of a valid one every attribute can be had, names ascend, and adding them to
 * an empty set gives the very bytes again.
 */
#include "core/image/xattrs.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *set = copy_of(data, size);
	struct buffer again = { 0 };
	char before[XATTRS_NAME_MAX + 1] = "";
	struct xattr xattr;
	size_t offset = 0;

	if (xattrs_are_valid(set, size)) {
		while (xattrs_next(set, size, &offset, &xattr)) {
			must(strcmp(before, xattr.name) < 0);
			must(xattr.value_size <= XATTRS_VALUE_MAX);
			memcpy(before, xattr.name, sizeof before);
			must(xattrs_add(&again, xattr.name, xattr.value,
					xattr.value_size) == 0);
		}
		must(again.size == size);
		must(size == 0 || memcmp(again.data, set, size) == 0);
	}
	buffer_release(&again);
	free(set);
	return 0;
}
