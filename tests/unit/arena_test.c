/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "tests/unit/support.h"
#include "tests/unit/failing_memory.h"
/* Here, so that its allocations can fail. */
#include "core/base/arena.c"

enum { PIECE_COUNT = 3000 };

struct piece {
	uint8_t *data;
	size_t size;
};

/* Take pieces of many sizes, each filled with its own byte. */
static size_t
take_many(struct arena *arena, struct piece *pieces, uint64_t seed)
{
	for (size_t i = 0; i < PIECE_COUNT; i++) {
		size_t size = random_below(&seed, 8) == 0
				      ? random_below(&seed, 50000)
				      : random_below(&seed, 100);

		pieces[i].data = arena_take(arena, size);
		pieces[i].size = size;
		if (pieces[i].data == NULL)
			return i;
		memset(pieces[i].data, (int)(i & 0xff), size);
	}
	return PIECE_COUNT;
}

static void
check_many(const struct piece *pieces, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_int_equal((uintptr_t)pieces[i].data % ALIGNMENT, 0);
		/* Both ends, and a sample between them. */
		for (size_t j = 0; j < pieces[i].size; j += 61)
			if (pieces[i].data[j] != (i & 0xff) ||
			    pieces[i].data[pieces[i].size - 1 - j] !=
				    (i & 0xff))
				fail_msg("piece %zu was written over", i);
	}
}

static void
arena_pieces_are_aligned_and_apart(void **state)
{
	static struct piece pieces[PIECE_COUNT];
	struct arena arena = { 0 };

	(void)state;
	assert_int_equal(take_many(&arena, pieces, 1), PIECE_COUNT);
	check_many(pieces, PIECE_COUNT);
	arena_release(&arena);
	assert_null(arena.first);
}

static void
arena_copy_ends_with_a_nul(void **state)
{
	struct arena arena = { 0 };
	char *copy = arena_copy(&arena, "abcdef", 3);

	(void)state;
	assert_string_equal(copy, "abc");
	assert_string_equal(arena_copy(&arena, NULL, 0), "");
	assert_string_equal(copy, "abc");
	arena_release(&arena);
}

/* A loop over equal rounds allocates in the first one only. */
static void
arena_reset_keeps_the_memory(void **state)
{
	static struct piece pieces[PIECE_COUNT];
	struct arena arena = { 0 };

	(void)state;
	take_many(&arena, pieces, 1);
	memory_fault_set(1);
	for (int round = 0; round < 3; round++) {
		arena_reset(&arena);
		assert_int_equal(take_many(&arena, pieces, 1), PIECE_COUNT);
		check_many(pieces, PIECE_COUNT);
	}
	assert_false(memory_fault_clear());
	arena_release(&arena);
	arena_reset(&arena);
	arena_release(&arena);
}

static void
arena_out_of_memory_is_null_and_harms_nothing(void **state)
{
	static struct piece pieces[PIECE_COUNT];
	bool fired = true;

	(void)state;
	for (unsigned call = 1; fired; call += 29) {
		struct arena arena = { 0 };
		size_t count;

		memory_fault_set(call);
		count = take_many(&arena, pieces, 1);
		fired = memory_fault_clear();
		assert_true(fired == (count < PIECE_COUNT));
		check_many(pieces, count);
		assert_non_null(arena_take(&arena, 100000));
		check_many(pieces, count);
		arena_release(&arena);
	}
}

static void
arena_too_large_a_piece_is_null(void **state)
{
	struct arena arena = { 0 };

	(void)state;
	assert_null(arena_take(&arena, SIZE_MAX));
	assert_null(arena_take(&arena, SIZE_MAX - 16));
	assert_non_null(arena_take(&arena, 1));
	arena_release(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_pieces_are_aligned_and_apart),
		cmocka_unit_test(arena_copy_ends_with_a_nul),
		cmocka_unit_test(arena_reset_keeps_the_memory),
		cmocka_unit_test(arena_out_of_memory_is_null_and_harms_nothing),
		cmocka_unit_test(arena_too_large_a_piece_is_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
