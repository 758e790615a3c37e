/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_xattr.h"

#include "core/base/err.h"

int
pf_xattr_list(int dir, const char *name, char *list, size_t capacity,
	      size_t *ret_size)
{
	(void)dir;
	(void)name;
	(void)list;
	(void)capacity;
	*ret_size = 0;
	return 0;
}

int
pf_xattr_get(int dir, const char *name, const char *attribute, void *value,
	     size_t capacity, size_t *ret_size)
{
	(void)dir;
	(void)name;
	(void)attribute;
	(void)value;
	(void)capacity;
	(void)ret_size;
	return DSP_ENOENT;
}

int
pf_xattr_set(int dir, const char *name, const char *attribute,
	     const void *value, size_t size)
{
	(void)dir;
	(void)name;
	(void)attribute;
	(void)value;
	(void)size;
	return DSP_EUNSUPPORTED;
}

int
pf_xattr_remove(int dir, const char *name, const char *attribute)
{
	(void)dir;
	(void)name;
	(void)attribute;
	return 0;
}
