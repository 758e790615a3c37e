/* SPDX-License-Identifier: Apache-2.0 */

/* What of an older tree may stay.  Here, so that compare() can be called. */
#include "core/fanout/merge.c"

#include "tests/unit/support.h"

static struct record
file_of(uint64_t size, uint8_t digest)
{
	static const uint8_t none[1];
	struct record record = { .type = RECORD_FILE,
				 .size = size,
				 .data_size = size,
				 .xattrs = none,
				 .segments = none };

	memset(record.digest.bytes, digest, sizeof record.digest.bytes);
	return record;
}

static enum old_what
compare_files(const struct record *old, const struct record *new, bool is_known,
	      bool *ret_is_open)
{
	struct old_view view = { .what = OLD_NONE };

	compare(old, new, is_known, &view);
	*ret_is_open = view.is_open;
	return view.what;
}

static void
merge_keeps_a_file_of_the_same_digest(void **state)
{
	struct record old = file_of(10, 1), same = old, other = file_of(10, 2);
	bool is_open;

	(void)state;
	assert_int_equal(compare_files(&old, &same, true, &is_open), OLD_SAME);
	assert_false(is_open);
	assert_int_equal(compare_files(&old, &other, true, &is_open),
			 OLD_OTHER);
}

static void
merge_leaves_open_what_is_not_read_yet(void **state)
{
	struct record old = file_of(10, 1), new = file_of(10, 0);
	struct record longer = file_of(11, 0);
	bool is_open;

	(void)state;
	assert_int_equal(compare_files(&old, &new, false, &is_open), OLD_SAME);
	assert_true(is_open);
	assert_int_equal(compare_files(&old, &longer, false, &is_open),
			 OLD_OTHER);
}

/*
 * A file of more blocks than a page holds has no digest, and one from a tree
 * has none before it is read: two of them were taken for the same file.
 */
static void
merge_never_keeps_a_file_without_a_digest(void **state)
{
	struct record old = file_of((uint64_t)64 << 30, 0), new = old;
	bool is_open;

	(void)state;
	for (unsigned is_known = 0; is_known < 2; is_known++) {
		assert_int_equal(compare_files(&old, &new, is_known == 1,
					       &is_open),
				 OLD_OTHER);
		assert_false(is_open);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merge_keeps_a_file_of_the_same_digest),
		cmocka_unit_test(merge_leaves_open_what_is_not_read_yet),
		cmocka_unit_test(merge_never_keeps_a_file_without_a_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
