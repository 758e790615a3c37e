/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/xattrs.h"

#include <assert.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

enum { HEADER_SIZE = 6 };

/* The sizes at p; false when what they promise is not within size bytes. */
static bool
read_sizes(const uint8_t *p, size_t size, size_t *ret_name, size_t *ret_value)
{
	size_t name, value;

	if (size < HEADER_SIZE)
		return false;
	name = le16_get(p);
	value = le32_get(p + 2);
	if (name == 0 || name > XATTRS_NAME_MAX || value > XATTRS_VALUE_MAX ||
	    size - HEADER_SIZE < name + value)
		return false;
	*ret_name = name;
	*ret_value = value;
	return true;
}

bool
xattrs_are_valid(const uint8_t *xattrs, size_t size)
{
	char previous[XATTRS_NAME_MAX + 1] = "";
	size_t offset = 0;

	while (offset < size) {
		const uint8_t *p = xattrs + offset;
		char name[XATTRS_NAME_MAX + 1];
		size_t name_size, value_size;

		if (!read_sizes(p, size - offset, &name_size, &value_size))
			return false;
		if (memchr(p + HEADER_SIZE, '\0', name_size) != NULL)
			return false;
		memcpy(name, p + HEADER_SIZE, name_size);
		name[name_size] = '\0';
		if (strcmp(previous, name) >= 0)
			return false;
		memcpy(previous, name, sizeof previous);
		offset += HEADER_SIZE + name_size + value_size;
	}
	return true;
}

bool
xattrs_next(const uint8_t *xattrs, size_t size, size_t *offset,
	    struct xattr *ret_xattr)
{
	const uint8_t *p = xattrs + *offset;
	size_t name_size, value_size;
	bool is_valid;

	if (*offset >= size)
		return false;
	is_valid = read_sizes(p, size - *offset, &name_size, &value_size);
	assert(is_valid);
	(void)is_valid;
	memcpy(ret_xattr->name, p + HEADER_SIZE, name_size);
	ret_xattr->name[name_size] = '\0';
	ret_xattr->value = p + HEADER_SIZE + name_size;
	ret_xattr->value_size = (uint32_t)value_size;
	*offset += HEADER_SIZE + name_size + value_size;
	return true;
}

int
xattrs_add(struct buffer *set, const char *name, const void *value,
	   size_t value_size)
{
	size_t name_size = strlen(name);
	int err;

	assert(name_size > 0 && name_size <= XATTRS_NAME_MAX);
	assert(value_size <= XATTRS_VALUE_MAX);
	err = buffer_reserve(set, HEADER_SIZE + name_size + value_size);
	if (err < 0)
		return err;
	buffer_add_le16(set, (uint16_t)name_size);
	buffer_add_le32(set, (uint32_t)value_size);
	buffer_add(set, name, name_size);
	return buffer_add(set, value, value_size);
}
