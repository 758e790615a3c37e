/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/xattrs.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "tests/unit/support.h"

/* The set { a: "", bb: "xy", bc: 300 bytes }, sorted. */
static struct buffer
three(void)
{
	struct buffer set = { 0 };
	uint8_t value[300];

	fill_random(value, sizeof value, 1);
	assert_int_equal(xattrs_add(&set, "a", "", 0), 0);
	assert_int_equal(xattrs_add(&set, "bb", "xy", 2), 0);
	assert_int_equal(xattrs_add(&set, "bc", value, sizeof value), 0);
	return set;
}

/* In memory of exactly its size: a sanitizer sees a read beyond. */
static bool
is_valid(const struct buffer *set, size_t size)
{
	uint8_t *copy = must_malloc(size);
	bool result;

	memcpy(copy, set->data, size);
	result = xattrs_are_valid(copy, size);
	free(copy);
	return result;
}

static void
xattrs_come_back_as_they_were_added(void **state)
{
	struct buffer set = three();
	struct xattr xattr;
	size_t offset = 0;
	uint8_t value[300];

	(void)state;
	fill_random(value, sizeof value, 1);
	assert_true(is_valid(&set, set.size));
	assert_true(xattrs_next(set.data, set.size, &offset, &xattr));
	assert_string_equal(xattr.name, "a");
	assert_int_equal(xattr.value_size, 0);
	assert_true(xattrs_next(set.data, set.size, &offset, &xattr));
	assert_string_equal(xattr.name, "bb");
	assert_int_equal(xattr.value_size, 2);
	assert_memory_equal(xattr.value, "xy", 2);
	assert_true(xattrs_next(set.data, set.size, &offset, &xattr));
	assert_string_equal(xattr.name, "bc");
	assert_int_equal(xattr.value_size, sizeof value);
	assert_memory_equal(xattr.value, value, sizeof value);
	assert_false(xattrs_next(set.data, set.size, &offset, &xattr));
	assert_int_equal(offset, set.size);
	buffer_release(&set);
}

static void
xattrs_of_nothing_are_valid(void **state)
{
	struct xattr xattr;
	size_t offset = 0;

	(void)state;
	assert_true(xattrs_are_valid((const uint8_t *)"", 0));
	assert_false(xattrs_next((const uint8_t *)"", 0, &offset, &xattr));
}

static void
xattrs_encoding_is_the_documented_one(void **state)
{
	static const uint8_t expected[] = { 6,	 0,   3,   0,	0, 0, 'u', 's',
					    'e', 'r', '.', 'x', 1, 0, 2 };
	struct buffer set = { 0 };

	(void)state;
	assert_int_equal(xattrs_add(&set, "user.x", "\1\0\2", 3), 0);
	assert_int_equal(set.size, sizeof expected);
	assert_memory_equal(set.data, expected, sizeof expected);
	buffer_release(&set);
}

static void
xattrs_truncated_anywhere_inside_one_are_invalid(void **state)
{
	struct buffer set = three();

	(void)state;
	for (size_t size = 0; size < set.size; size++) {
		/* Behind the first and the second it is a smaller set. */
		bool is_end = size == 0 || size == 7 || size == 17;

		assert_int_equal(is_valid(&set, size), is_end);
	}
	buffer_release(&set);
}

static void
xattrs_with_a_byte_behind_are_invalid(void **state)
{
	struct buffer set = three();

	(void)state;
	for (int i = 0; i < 7; i++) {
		assert_int_equal(buffer_add_u8(&set, 0), 0);
		assert_false(is_valid(&set, set.size));
	}
	buffer_release(&set);
}

static bool
pair_is_valid(const char *a, const char *b)
{
	struct buffer set = { 0 };
	bool result;

	assert_int_equal(xattrs_add(&set, a, "1", 1), 0);
	assert_int_equal(xattrs_add(&set, b, "2", 1), 0);
	result = is_valid(&set, set.size);
	buffer_release(&set);
	return result;
}

static void
xattrs_out_of_order_or_twice_are_invalid(void **state)
{
	(void)state;
	assert_true(pair_is_valid("a", "b"));
	assert_true(pair_is_valid("a", "ab"));
	assert_true(pair_is_valid("z", "\x80"));
	assert_true(pair_is_valid("\x80", "\xff"));
	assert_false(pair_is_valid("a", "a"));
	assert_false(pair_is_valid("b", "a"));
	assert_false(pair_is_valid("ab", "a"));
	assert_false(pair_is_valid("\x80", "z"));
}

static void
xattrs_names_of_no_or_too_many_bytes_are_invalid(void **state)
{
	struct buffer set = { 0 };
	char name[XATTRS_NAME_MAX + 2];

	(void)state;
	memset(name, 'n', sizeof name);
	name[XATTRS_NAME_MAX] = '\0';
	assert_int_equal(xattrs_add(&set, name, "v", 1), 0);
	assert_true(is_valid(&set, set.size));
	set.size = 0;
	buffer_add_le16(&set, XATTRS_NAME_MAX + 1);
	buffer_add_le32(&set, 0);
	name[XATTRS_NAME_MAX] = 'n';
	buffer_add(&set, name, XATTRS_NAME_MAX + 1);
	assert_false(is_valid(&set, set.size));
	set.size = 0;
	buffer_add_le16(&set, 0);
	buffer_add_le32(&set, 1);
	buffer_add_u8(&set, 'v');
	assert_false(is_valid(&set, set.size));
	buffer_release(&set);
}

static void
xattrs_name_with_a_nul_is_invalid(void **state)
{
	struct buffer set = three();

	(void)state;
	set.data[6] = '\0'; /* "a" */
	assert_false(is_valid(&set, set.size));
	set.data[6] = 'a';
	set.data[14] = '\0'; /* "bb" */
	assert_false(is_valid(&set, set.size));
	buffer_release(&set);
}

static void
xattrs_values_have_a_limit(void **state)
{
	struct buffer set = { 0 };
	uint8_t *value = must_malloc(XATTRS_VALUE_MAX + 1);

	(void)state;
	memset(value, 7, XATTRS_VALUE_MAX + 1);
	assert_int_equal(xattrs_add(&set, "a", value, XATTRS_VALUE_MAX), 0);
	assert_true(is_valid(&set, set.size));
	buffer_add_u8(&set, 7);
	le32_put(set.data + 2, XATTRS_VALUE_MAX + 1);
	assert_false(is_valid(&set, set.size));
	free(value);
	buffer_release(&set);
}

static void
xattrs_sizes_that_wrap_are_invalid(void **state)
{
	static const uint32_t sizes[] = { UINT32_MAX,	  UINT32_MAX - 5,
					  UINT32_MAX - 6, UINT32_MAX - 7,
					  0x80000000,	  0x7fffffff };
	struct buffer set = { 0 };

	(void)state;
	assert_int_equal(xattrs_add(&set, "a", "v", 1), 0);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		le32_put(set.data + 2, sizes[i]);
		assert_false(is_valid(&set, set.size));
	}
	buffer_release(&set);
}

/* Whatever the bytes, a valid set is what xattrs_add() makes. */
static void
xattrs_valid_sets_have_one_encoding(void **state)
{
	struct buffer set = three();
	uint64_t random = 1;
	size_t valid = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct buffer again = { 0 };
		size_t at = random_below(&random, set.size);
		uint8_t before = set.data[at];
		struct xattr xattr;
		size_t offset = 0;

		set.data[at] = (uint8_t)random_next(&random);
		if (is_valid(&set, set.size)) {
			valid++;
			while (xattrs_next(set.data, set.size, &offset, &xattr))
				xattrs_add(&again, xattr.name, xattr.value,
					   xattr.value_size);
			assert_int_equal(again.size, set.size);
			assert_memory_equal(again.data, set.data, set.size);
		}
		buffer_release(&again);
		set.data[at] = before;
	}
	assert_true(valid > 1000);
	buffer_release(&set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(xattrs_come_back_as_they_were_added),
		cmocka_unit_test(xattrs_of_nothing_are_valid),
		cmocka_unit_test(xattrs_encoding_is_the_documented_one),
		cmocka_unit_test(
			xattrs_truncated_anywhere_inside_one_are_invalid),
		cmocka_unit_test(xattrs_with_a_byte_behind_are_invalid),
		cmocka_unit_test(xattrs_out_of_order_or_twice_are_invalid),
		cmocka_unit_test(
			xattrs_names_of_no_or_too_many_bytes_are_invalid),
		cmocka_unit_test(xattrs_name_with_a_nul_is_invalid),
		cmocka_unit_test(xattrs_values_have_a_limit),
		cmocka_unit_test(xattrs_sizes_that_wrap_are_invalid),
		cmocka_unit_test(xattrs_valid_sets_have_one_encoding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
