/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/path.h"

#include <string.h>

static bool
component_is_valid(const char *name, size_t size)
{
	if (size == 0)
		return false;
	if (name[0] == '.' && (size == 1 || (size == 2 && name[1] == '.')))
		return false;
	return memchr(name, '\0', size) == NULL;
}

bool
path_is_valid(const char *path, size_t size)
{
	size_t start = 0;

	if (size == 0)
		return true;
	if (size > PATH_SIZE_MAX)
		return false;
	for (;;) {
		const char *slash = memchr(path + start, '/', size - start);
		size_t end = slash != NULL ? (size_t)(slash - path) : size;

		if (!component_is_valid(path + start, end - start))
			return false;
		if (slash == NULL)
			return true;
		start = end + 1;
	}
}

static unsigned
rank(char c)
{
	return c == '/' ? 0 : (unsigned char)c;
}

int
path_compare(const char *a, size_t a_size, const char *b, size_t b_size)
{
	size_t size = a_size < b_size ? a_size : b_size;

	for (size_t i = 0; i < size; i++)
		if (a[i] != b[i])
			return rank(a[i]) < rank(b[i]) ? -1 : 1;
	return a_size < b_size ? -1 : a_size > b_size;
}

bool
path_is_below(const char *path, size_t size, const char *top, size_t top_size)
{
	if (top_size == 0)
		return true;
	return size >= top_size && memcmp(path, top, top_size) == 0 &&
	       (size == top_size || path[top_size] == '/');
}

unsigned
path_depth(const char *path, size_t size)
{
	unsigned depth = size > 0;

	for (size_t i = 0; i < size; i++)
		depth += path[i] == '/';
	return depth;
}

size_t
path_name_start(const char *path, size_t size)
{
	while (size > 0 && path[size - 1] != '/')
		size--;
	return size;
}
