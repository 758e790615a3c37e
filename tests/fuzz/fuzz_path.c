/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Input: a byte, and two paths whose sizes go by it.
 *
 * path_is_valid() agrees with a second, slow writing of its rules; the order
 * is one, and that of a walk; what is below a path comes right behind it.
 */
#include "core/base/path.h"
#include "tests/fuzz/fuzz.h"

static bool
component_is_valid(const char *name, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (name[i] == '\0')
			return false;
	return size > 0 && !(size == 1 && name[0] == '.') &&
	       !(size == 2 && name[0] == '.' && name[1] == '.');
}

static bool
is_valid(const char *path, size_t size)
{
	size_t start = 0;

	if (size == 0)
		return true;
	if (size > PATH_SIZE_MAX)
		return false;
	for (size_t i = 0; i <= size; i++) {
		if (i < size && path[i] != '/')
			continue;
		if (!component_is_valid(path + start, i - start))
			return false;
		start = i + 1;
	}
	return true;
}

static int
sign(int value)
{
	return (value > 0) - (value < 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	unsigned eaten = take_u8(&input);
	size_t part = eaten * input.size / 256;
	struct input first = take_bytes(&input, part);
	size_t a_size = first.size, b_size = input.size;
	char *a = copy_of(first.data, a_size);
	char *b = copy_of(input.data, b_size);
	int order = path_compare(a, a_size, b, b_size);
	size_t start = path_name_start(a, a_size);

	must(path_is_valid(a, a_size) == is_valid(a, a_size));
	must(path_is_valid(b, b_size) == is_valid(b, b_size));
	/* Of what is no path the order may be anything. */
	if (memchr(a, '\0', a_size) == NULL && memchr(b, '\0', b_size) == NULL)
		must(sign(order) == -sign(path_compare(b, b_size, a, a_size)));
	must(path_compare(a, a_size, a, a_size) == 0);
	must((order == 0) ==
	     (a_size == b_size && (a_size == 0 || memcmp(a, b, a_size) == 0)));
	must(start <= a_size && (start == 0 || a[start - 1] == '/'));
	for (size_t i = start; i < a_size; i++)
		must(a[i] != '/');
	if (path_is_below(b, b_size, a, a_size)) {
		must(order <= 0);
		must(a_size == 0 || b_size == a_size || b[a_size] == '/');
	}
	free(a);
	free(b);
	return 0;
}
