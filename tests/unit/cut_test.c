/* SPDX-License-Identifier: Apache-2.0 */
#include "core/chunk/cut.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/digest.h"
#include "tests/unit/support.h"

enum { DATA_SIZE = 1 << 20, CUTS_MAX = DATA_SIZE / 256 };

/* Small blocks, so that there are many in little data. */
static const struct cut_rule rule = { .min = 512,
				      .average = 1024,
				      .max = 2048 };

struct cuts {
	size_t count;
	size_t ends[CUTS_MAX];
};

static uint8_t data[DATA_SIZE];
static struct cuts cuts, other;

static void
find_all(const struct cut_rule *by, const uint8_t *from, size_t size,
	 struct cuts *ret_cuts)
{
	size_t start = 0;

	ret_cuts->count = 0;
	while (start < size) {
		struct cut cut = { 0 };
		size_t n = cut_find(by, &cut, from + start, size - start);

		if (n == 0)
			n = size - start;
		start += n;
		assert_true(ret_cuts->count < CUTS_MAX);
		ret_cuts->ends[ret_cuts->count++] = start;
	}
}

static void
cut_gear_is_what_its_formula_says(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		uint8_t byte = (uint8_t)i;
		struct digest digest;

		digest_of(&byte, 1, &digest);
		assert_int_equal(cut_gear[i], le32_get(digest.bytes));
	}
}

static void
cut_rule_is_valid_only_in_order_and_within_limits(void **state)
{
	static const struct cut_rule bad[] = {
		{ 0, 1024, 2048 },
		{ 63, 1024, 2048 },
		{ 1025, 1024, 2048 },
		{ 512, 2048, 2048 },
		{ 512, 2049, 2048 },
		{ 512, 1024, 1024 },
		{ 512, 1024, CUT_MAX_LIMIT + 1 },
		{ 512, 1024, UINT32_MAX },
		{ UINT32_MAX, UINT32_MAX, UINT32_MAX },
		{ 64, 0, 2048 },
	};

	(void)state;
	assert_true(cut_rule_is_valid(&cut_rule_default));
	assert_true(cut_rule_is_valid(&rule));
	assert_true(
		cut_rule_is_valid(&(struct cut_rule){ 64, 65, CUT_MAX_LIMIT }));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(cut_rule_is_valid(&bad[i]));
}

/* docs/why/001 measured this one; images already made have it. */
static void
cut_rule_default_is_the_measured_one(void **state)
{
	(void)state;
	assert_int_equal(cut_rule_default.min, 512 << 10);
	assert_int_equal(cut_rule_default.average, 1 << 20);
	assert_int_equal(cut_rule_default.max, 2 << 20);
}

static void
cut_blocks_keep_min_and_max(void **state)
{
	static const struct cut_rule rules[] = {
		{ 64, 65, 66 },	     { 64, 128, 256 },	   { 64, 64, 65 },
		{ 512, 1024, 2048 }, { 1000, 1001, 9000 }, { 600, 8000, 8001 },
	};
	size_t start;

	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		if (kind == 0)
			fill_random(data, DATA_SIZE / 8, 1);
		else if (kind == 1)
			fill_text(data, DATA_SIZE / 8, 1);
		else
			memset(data, 0, DATA_SIZE / 8);
		for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
			find_all(&rules[r], data, DATA_SIZE / 8, &cuts);
			start = 0;
			for (size_t i = 0; i < cuts.count; i++) {
				size_t size = cuts.ends[i] - start;

				assert_true(size <= rules[r].max);
				assert_true(i + 1 == cuts.count ||
					    size >= rules[r].min);
				start = cuts.ends[i];
			}
		}
	}
}

/* The definition, written down a second time in the slow, obvious way. */
static void
cut_is_behind_the_first_byte_whose_window_says_so(void **state)
{
	uint32_t threshold = UINT32_MAX / (rule.average - rule.min + 1);
	size_t start = 0;

	(void)state;
	fill_random(data, DATA_SIZE / 4, 2);
	find_all(&rule, data, DATA_SIZE / 4, &cuts);
	for (size_t i = 0; i + 1 < cuts.count; i++) {
		size_t size = rule.min;

		for (; size < rule.max; size++) {
			uint32_t hash = 0;

			for (size_t j = size - 32; j < size; j++)
				hash = (hash << 1) + cut_gear[data[start + j]];
			if (hash < threshold)
				break;
		}
		assert_int_equal(cuts.ends[i], start + size);
		start = cuts.ends[i];
	}
}

/* A reader that gets 1 byte or 100,000 at a time finds the same cuts. */
static void
cut_does_not_depend_on_how_the_data_come(void **state)
{
	uint64_t random = 3;

	(void)state;
	fill_random(data, DATA_SIZE / 4, 3);
	find_all(&rule, data, DATA_SIZE / 4, &cuts);
	for (int round = 0; round < 60; round++) {
		size_t piece_max = round < 4 ? (size_t)round + 1
					     : 1 + random_below(&random, 5000);
		size_t start = 0;

		for (size_t i = 0; i + 1 < cuts.count && i < 60; i++) {
			struct cut cut = { 0 };
			size_t size = 0, end = 0;

			while (end == 0) {
				size += 1 + random_below(&random, piece_max);
				end = cut_find(&rule, &cut, data + start, size);
			}
			start += end;
			assert_int_equal(start, cuts.ends[i]);
		}
	}
}

/* Whatever is behind the block's end was not looked at. */
static void
cut_depends_on_the_block_alone(void **state)
{
	struct cut cut = { 0 };
	size_t end;

	(void)state;
	fill_random(data, 2 * rule.max, 4);
	end = cut_find(&rule, &cut, data, 2 * rule.max);
	fill_text(data + end, 2 * rule.max - end, 4);
	cut = (struct cut){ 0 };
	assert_int_equal(cut_find(&rule, &cut, data, 2 * rule.max), end);
	cut = (struct cut){ 0 };
	assert_int_equal(cut_find(&rule, &cut, data, end), end);
	cut = (struct cut){ 0 };
	assert_int_equal(cut_find(&rule, &cut, data, end - 1), 0);
}

static bool
has_end(const struct cuts *in, size_t end)
{
	for (size_t i = 0; i < in->count; i++)
		if (in->ends[i] == end)
			return true;
	return false;
}

/* An insertion moves the cuts near it; soon all are where they were. */
static void
cut_insertion_moves_only_cuts_near_it(void **state)
{
	enum { SIZE = DATA_SIZE / 4, INSERTED = 37, AT = 5000, NEAR = 20000 };
	uint8_t *longer = must_malloc(SIZE + INSERTED);
	size_t kept = 0, far = 0;

	(void)state;
	fill_random(data, SIZE, 5);
	memcpy(longer, data, AT);
	fill_random(longer + AT, INSERTED, 6);
	memcpy(longer + AT + INSERTED, data + AT, SIZE - AT);
	find_all(&rule, data, SIZE, &cuts);
	find_all(&rule, longer, SIZE + INSERTED, &other);
	for (size_t i = 0; i < cuts.count; i++) {
		if (cuts.ends[i] <= AT)
			assert_true(has_end(&other, cuts.ends[i]));
		if (cuts.ends[i] < AT + NEAR)
			continue;
		far++;
		kept += has_end(&other, cuts.ends[i] + INSERTED);
	}
	assert_true(far > 100);
	assert_int_equal(kept, far);
	free(longer);
}

static void
cut_insertion_at_the_front_moves_only_cuts_near_it(void **state)
{
	enum { SIZE = DATA_SIZE / 4, NEAR = 20000 };
	size_t kept = 0, far = 0;

	(void)state;
	fill_random(data, SIZE, 7);
	find_all(&rule, data, SIZE, &cuts);
	for (size_t gone = 1; gone < 2000; gone += 333) {
		find_all(&rule, data + gone, SIZE - gone, &other);
		for (size_t i = 0; i < cuts.count; i++) {
			if (cuts.ends[i] < NEAR)
				continue;
			far++;
			kept += has_end(&other, cuts.ends[i] - gone);
		}
	}
	assert_int_equal(kept, far);
}

static void
cut_average_is_about_the_rule_s(void **state)
{
	static const struct cut_rule rules[] = { { 512, 1024, 2048 },
						 { 512, 1024, 8192 },
						 { 64, 2048, 16384 } };

	(void)state;
	fill_random(data, DATA_SIZE, 8);
	for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
		size_t average;

		find_all(&rules[r], data, DATA_SIZE, &cuts);
		average = DATA_SIZE / cuts.count;
		/* max cuts the long tail off: below average, not above. */
		assert_in_range(average, rules[r].average * 80 / 100,
				rules[r].average * 108 / 100);
	}
}

static void
cut_of_known_data_is_the_same_on_every_target(void **state)
{
	uint8_t bytes[4];
	struct digest_sum *sum = digest_sum_new();
	struct digest digest;

	(void)state;
	fill_random(data, DATA_SIZE, 9);
	find_all(&rule, data, DATA_SIZE, &cuts);
	for (size_t i = 0; i < cuts.count; i++) {
		le32_put(bytes, (uint32_t)cuts.ends[i]);
		digest_sum_add(sum, bytes, sizeof bytes);
	}
	digest_sum_get(sum, &digest);
	digest_sum_free(sum);
	assert_golden("cuts", &digest);
}

/* Group a list of equal files; the sizes of the groups go to ret_cuts. */
static void
group_all(size_t file_count, size_t file_size, size_t skipped,
	  struct cuts *ret_cuts)
{
	size_t group = 0;

	ret_cuts->count = 0;
	for (size_t i = 0; i < file_count; i++) {
		char path[32];
		size_t n =
			(size_t)snprintf(path, sizeof path, "dir/file%zu", i);

		if (i == skipped)
			continue;
		group += file_size;
		if (cut_group_ends(&rule, cut_path_hash(path, n), file_size,
				   group)) {
			ret_cuts->ends[ret_cuts->count++] = i;
			group = 0;
		}
	}
}

static void
group_ends_not_before_half_the_average(void **state)
{
	(void)state;
	for (uint64_t size = 1; size < rule.average / 2; size++)
		assert_false(cut_group_ends(&rule, 0, size, size));
	assert_true(cut_group_ends(&rule, 0, 1, rule.average / 2));
	/* A file of half the average always ends its group. */
	assert_true(cut_group_ends(&rule, UINT64_MAX, rule.average / 2,
				   rule.average / 2));
	assert_true(cut_group_ends(&rule, UINT64_MAX, rule.average - 1,
				   rule.average - 1));
	assert_false(cut_group_ends(&rule, UINT64_MAX, 1, rule.average));
}

static void
group_average_is_about_the_rule_s(void **state)
{
	size_t count = 20000, file_size = 50;

	(void)state;
	group_all(count, file_size, SIZE_MAX, &cuts);
	assert_in_range(count * file_size / cuts.count, rule.average * 85 / 100,
			rule.average * 115 / 100);
}

static void
group_ends_stay_when_a_file_goes(void **state)
{
	enum { COUNT = 5000, GONE = 1000, NEAR = 300 };
	size_t kept = 0, far = 0;

	(void)state;
	group_all(COUNT, 50, SIZE_MAX, &cuts);
	group_all(COUNT, 50, GONE, &other);
	for (size_t i = 0; i < cuts.count; i++) {
		if (cuts.ends[i] < GONE)
			assert_true(has_end(&other, cuts.ends[i]));
		if (cuts.ends[i] < GONE + NEAR)
			continue;
		far++;
		kept += has_end(&other, cuts.ends[i]);
	}
	assert_true(far > 50);
	assert_int_equal(kept, far);
}

static void
path_hash_is_the_digest_s_first_bytes(void **state)
{
	struct digest digest;

	(void)state;
	digest_of("usr/bin/true", 12, &digest);
	assert_true(cut_path_hash("usr/bin/true", 12) ==
		    le64_get(digest.bytes));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_gear_is_what_its_formula_says),
		cmocka_unit_test(
			cut_rule_is_valid_only_in_order_and_within_limits),
		cmocka_unit_test(cut_rule_default_is_the_measured_one),
		cmocka_unit_test(cut_blocks_keep_min_and_max),
		cmocka_unit_test(
			cut_is_behind_the_first_byte_whose_window_says_so),
		cmocka_unit_test(cut_does_not_depend_on_how_the_data_come),
		cmocka_unit_test(cut_depends_on_the_block_alone),
		cmocka_unit_test(cut_insertion_moves_only_cuts_near_it),
		cmocka_unit_test(
			cut_insertion_at_the_front_moves_only_cuts_near_it),
		cmocka_unit_test(cut_average_is_about_the_rule_s),
		cmocka_unit_test(cut_of_known_data_is_the_same_on_every_target),
		cmocka_unit_test(group_ends_not_before_half_the_average),
		cmocka_unit_test(group_average_is_about_the_rule_s),
		cmocka_unit_test(group_ends_stay_when_a_file_goes),
		cmocka_unit_test(path_hash_is_the_digest_s_first_bytes),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
