/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/path.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/support.h"

static bool
is_valid(const char *path)
{
	return path_is_valid(path, strlen(path));
}

static int
compare(const char *a, const char *b)
{
	int result = path_compare(a, strlen(a), b, strlen(b));
	int reverse = path_compare(b, strlen(b), a, strlen(a));

	assert_int_equal(result<0, reverse> 0);
	assert_int_equal(result == 0, reverse == 0);
	return result;
}

static void
path_of_plain_components_is_valid(void **state)
{
	(void)state;
	assert_true(is_valid(""));
	assert_true(is_valid("a"));
	assert_true(is_valid("a/b/c"));
	assert_true(is_valid(".a"));
	assert_true(is_valid("..a"));
	assert_true(is_valid("..."));
	assert_true(is_valid("a/..."));
	assert_true(is_valid("a../b."));
	assert_true(is_valid(".../.hidden"));
	assert_true(is_valid(" "));
	assert_true(is_valid("a b\n\t\\\"'"));
	assert_true(is_valid("\xff\xfe/\x80"));
	assert_true(is_valid("-rf"));
}

static void
path_that_leads_out_is_invalid(void **state)
{
	(void)state;
	assert_false(is_valid(".."));
	assert_false(is_valid("../a"));
	assert_false(is_valid("a/.."));
	assert_false(is_valid("a/../b"));
	assert_false(is_valid("a/b/.."));
	assert_false(is_valid("."));
	assert_false(is_valid("./a"));
	assert_false(is_valid("a/."));
	assert_false(is_valid("a/./b"));
}

static void
path_absolute_or_with_an_empty_component_is_invalid(void **state)
{
	(void)state;
	assert_false(is_valid("/"));
	assert_false(is_valid("/a"));
	assert_false(is_valid("//"));
	assert_false(is_valid("a/"));
	assert_false(is_valid("a//b"));
	assert_false(is_valid("a/b/"));
}

static void
path_with_a_nul_is_invalid(void **state)
{
	(void)state;
	assert_false(path_is_valid("\0", 1));
	assert_false(path_is_valid("a\0b", 3));
	assert_false(path_is_valid("a\0", 2));
	assert_false(path_is_valid("a/b\0", 4));
	assert_false(path_is_valid("a\0/b", 4));
	assert_false(path_is_valid("\0/b", 3));
}

static void
path_of_too_many_bytes_is_invalid(void **state)
{
	char *path = must_malloc(PATH_SIZE_MAX + 2);

	(void)state;
	memset(path, 'a', PATH_SIZE_MAX + 2);
	for (size_t i = 100; i < PATH_SIZE_MAX; i += 100)
		path[i] = '/';
	assert_true(path_is_valid(path, PATH_SIZE_MAX));
	assert_false(path_is_valid(path, PATH_SIZE_MAX + 1));
	free(path);
}

static void
path_slash_sorts_below_every_other_byte(void **state)
{
	char with_byte[] = "a?b";

	(void)state;
	for (int c = 1; c < 256; c++) {
		if (c == '/')
			continue;
		with_byte[1] = (char)c;
		assert_true(compare("a/b", with_byte) < 0);
		assert_true(compare("a/zzz", with_byte) < 0);
	}
	assert_true(compare("a", "a/b") < 0);
	assert_true(compare("", "a") < 0);
	assert_int_equal(compare("a/b", "a/b"), 0);
	assert_int_equal(compare("", ""), 0);
}

/* Bytes above 127 are above the others, whatever char is. */
static void
path_bytes_are_compared_unsigned(void **state)
{
	(void)state;
	assert_true(compare("a", "\x80") < 0);
	assert_true(compare("\x7f", "\x80") < 0);
	assert_true(compare("\x80", "\xff") < 0);
	assert_true(compare("a/\xff", "a\x01") < 0);
}

struct text {
	char path[16];
	size_t size;
};

/* Component by component, as a walk meets them: the slow, obvious way. */
static int
compare_slowly(const struct text *a, const struct text *b)
{
	size_t i = 0, j = 0;

	for (;;) {
		const char *x = a->path + i, *y = b->path + j;
		size_t n = strcspn(x, "/"), m = strcspn(y, "/");
		int order = memcmp(x, y, n < m ? n : m);

		if (order != 0)
			return order;
		if (n != m)
			return n < m ? -1 : 1;
		if (x[n] == '\0' || y[m] == '\0')
			return (x[n] != '\0') - (y[m] != '\0');
		i += n + 1;
		j += m + 1;
	}
}

static void
path_order_is_that_of_a_walk(void **state)
{
	static const char alphabet[] = "/.\x01"
				       "ab\xff";
	uint64_t random = 5;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct text text[2] = { { { 0 }, 0 } };
		int order, expected;

		for (int k = 0; k < 2; k++) {
			do {
				text[k].size = random_below(&random, 7);
				for (size_t i = 0; i < text[k].size; i++)
					text[k].path[i] = alphabet[random_below(
						&random, sizeof alphabet - 1)];
				text[k].path[text[k].size] = '\0';
			} while (!is_valid(text[k].path));
		}
		order = compare(text[0].path, text[1].path);
		expected = compare_slowly(&text[0], &text[1]);
		assert_int_equal(order < 0, expected < 0);
		assert_int_equal(order > 0, expected > 0);
	}
}

static void
path_is_below_only_at_a_component(void **state)
{
	(void)state;
	assert_true(path_is_below("a/b", 3, "a", 1));
	assert_true(path_is_below("a", 1, "a", 1));
	assert_true(path_is_below("a", 1, "", 0));
	assert_true(path_is_below("", 0, "", 0));
	assert_false(path_is_below("ab", 2, "a", 1));
	assert_false(path_is_below("a", 1, "a/b", 3));
	assert_false(path_is_below("", 0, "a", 1));
	assert_false(path_is_below("b/a", 3, "a", 1));
}

static void
path_name_starts_behind_the_last_slash(void **state)
{
	(void)state;
	assert_int_equal(path_name_start("", 0), 0);
	assert_int_equal(path_name_start("abc", 3), 0);
	assert_int_equal(path_name_start("a/bc", 4), 2);
	assert_int_equal(path_name_start("a/b/c", 5), 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_of_plain_components_is_valid),
		cmocka_unit_test(path_that_leads_out_is_invalid),
		cmocka_unit_test(
			path_absolute_or_with_an_empty_component_is_invalid),
		cmocka_unit_test(path_with_a_nul_is_invalid),
		cmocka_unit_test(path_of_too_many_bytes_is_invalid),
		cmocka_unit_test(path_slash_sorts_below_every_other_byte),
		cmocka_unit_test(path_bytes_are_compared_unsigned),
		cmocka_unit_test(path_order_is_that_of_a_walk),
		cmocka_unit_test(path_is_below_only_at_a_component),
		cmocka_unit_test(path_name_starts_behind_the_last_slash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
