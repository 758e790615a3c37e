/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/bytes.h"

#include <string.h>

#include "tests/unit/support.h"

/* At every offset: Alpha traps on what is not aligned. */
static void
bytes_are_little_endian_at_any_offset(void **state)
{
	static const uint8_t expected[] = { 0xef, 0xcd, 0xab, 0x89,
					    0x67, 0x45, 0x23, 0x01 };
	uint8_t bytes[16];

	(void)state;
	for (size_t at = 0; at < 8; at++) {
		memset(bytes, 0, sizeof bytes);
		le64_put(bytes + at, 0x0123456789abcdef);
		assert_memory_equal(bytes + at, expected, 8);
		assert_true(le64_get(bytes + at) == 0x0123456789abcdef);
		memset(bytes, 0, sizeof bytes);
		le32_put(bytes + at, 0x89abcdef);
		assert_memory_equal(bytes + at, expected, 4);
		assert_int_equal(le32_get(bytes + at), 0x89abcdef);
		memset(bytes, 0, sizeof bytes);
		le16_put(bytes + at, 0xcdef);
		assert_memory_equal(bytes + at, expected, 2);
		assert_int_equal(le16_get(bytes + at), 0xcdef);
	}
}

static void
bytes_keep_every_edge_value(void **state)
{
	uint8_t bytes[8];

	(void)state;
	for (unsigned shift = 0; shift < 64; shift++) {
		for (int delta = -1; delta <= 1; delta++) {
			uint64_t value =
				((uint64_t)1 << shift) + (uint64_t)delta;

			le64_put(bytes, value);
			assert_true(le64_get(bytes) == value);
			le32_put(bytes, (uint32_t)value);
			assert_true(le32_get(bytes) == (uint32_t)value);
			le16_put(bytes, (uint16_t)value);
			assert_true(le16_get(bytes) == (uint16_t)value);
		}
	}
}

static void
bytes_put_writes_no_byte_beyond(void **state)
{
	uint8_t bytes[16];

	(void)state;
	memset(bytes, 0xa5, sizeof bytes);
	le16_put(bytes + 4, 0);
	assert_int_equal(bytes[3], 0xa5);
	assert_int_equal(bytes[6], 0xa5);
	le32_put(bytes + 4, 0);
	assert_int_equal(bytes[3], 0xa5);
	assert_int_equal(bytes[8], 0xa5);
	le64_put(bytes + 4, 0);
	assert_int_equal(bytes[3], 0xa5);
	assert_int_equal(bytes[12], 0xa5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_little_endian_at_any_offset),
		cmocka_unit_test(bytes_keep_every_edge_value),
		cmocka_unit_test(bytes_put_writes_no_byte_beyond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
