/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/unit/support.h"
#include "tests/unit/failing_memory.h"
/* Here, so that its allocations can fail. */
#include "core/base/buffer.c"

static void
buffer_of_all_zeros_is_empty_and_may_be_released(void **state)
{
	struct buffer buffer = { 0 };

	(void)state;
	buffer_release(&buffer);
	assert_null(buffer.data);
	assert_int_equal(buffer_add(&buffer, NULL, 0), 0);
	assert_int_equal(buffer.size, 0);
	buffer_release(&buffer);
}

static void
buffer_keeps_everything_added(void **state)
{
	struct buffer buffer = { 0 };
	uint8_t expected[5000];
	uint64_t random = 1;
	size_t size = 0;

	(void)state;
	fill_random(expected, sizeof expected, 1);
	while (size < sizeof expected) {
		size_t n = random_below(&random, 300);

		if (n > sizeof expected - size)
			n = sizeof expected - size;
		assert_int_equal(buffer_add(&buffer, expected + size, n), 0);
		size += n;
		assert_int_equal(buffer.size, size);
		assert_true(buffer.capacity >= size);
	}
	assert_memory_equal(buffer.data, expected, sizeof expected);
	buffer_release(&buffer);
	assert_int_equal(buffer.capacity, 0);
}

static void
buffer_adds_integers_little_endian(void **state)
{
	static const uint8_t expected[] = { 0x12, 0x34, 0x12, 0x78, 0x56,
					    0x34, 0x12, 0xef, 0xcd, 0xab,
					    0x89, 0x67, 0x45, 0x23, 0x01 };
	struct buffer buffer = { 0 };

	(void)state;
	assert_int_equal(buffer_add_u8(&buffer, 0x12), 0);
	assert_int_equal(buffer_add_le16(&buffer, 0x1234), 0);
	assert_int_equal(buffer_add_le32(&buffer, 0x12345678), 0);
	assert_int_equal(buffer_add_le64(&buffer, 0x0123456789abcdef), 0);
	assert_int_equal(buffer.size, sizeof expected);
	assert_memory_equal(buffer.data, expected, sizeof expected);
	buffer_release(&buffer);
}

static void
buffer_reserve_makes_room_that_adding_does_not_move(void **state)
{
	struct buffer buffer = { 0 };
	const uint8_t *data;

	(void)state;
	assert_int_equal(buffer_reserve(&buffer, 10000), 0);
	assert_int_equal(buffer.size, 0);
	data = buffer.data;
	for (int i = 0; i < 10000; i++)
		assert_int_equal(buffer_add_u8(&buffer, (uint8_t)i), 0);
	assert_ptr_equal(buffer.data, data);
	buffer_release(&buffer);
}

/* Sums of sizes must not wrap; a 32-bit machine gets there. */
static void
buffer_too_large_is_out_of_memory(void **state)
{
	static const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 8,
					SIZE_MAX / 2, SIZE_MAX / 2 + 1 };
	struct buffer buffer = { 0 };

	(void)state;
	assert_int_equal(buffer_add(&buffer, "12345678", 8), 0);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		assert_int_equal(buffer_reserve(&buffer, sizes[i]), DSP_ENOMEM);
		assert_int_equal(buffer.size, 8);
		assert_memory_equal(buffer.data, "12345678", 8);
	}
	buffer_release(&buffer);
}

static void
buffer_out_of_memory_leaves_it_as_it_was(void **state)
{
	bool fired = true;

	(void)state;
	for (unsigned call = 1; fired; call++) {
		struct buffer buffer = { 0 };
		int err = 0;
		uint32_t added = 0;

		memory_fault_set(call);
		while (err == 0 && added < 3000) {
			err = buffer_add_le32(&buffer, added);
			added += err == 0;
		}
		fired = memory_fault_clear();
		assert_int_equal(err, fired ? DSP_ENOMEM : 0);
		assert_int_equal(buffer.size, added * 4);
		for (uint32_t i = 0; i < added; i++)
			assert_int_equal(le32_get(buffer.data + i * 4), i);

		/* And it can go on. */
		assert_int_equal(buffer_add_le32(&buffer, added), 0);
		assert_int_equal(buffer.size, added * 4 + 4);
		buffer_release(&buffer);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			buffer_of_all_zeros_is_empty_and_may_be_released),
		cmocka_unit_test(buffer_keeps_everything_added),
		cmocka_unit_test(buffer_adds_integers_little_endian),
		cmocka_unit_test(
			buffer_reserve_makes_room_that_adding_does_not_move),
		cmocka_unit_test(buffer_too_large_is_out_of_memory),
		cmocka_unit_test(buffer_out_of_memory_leaves_it_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
