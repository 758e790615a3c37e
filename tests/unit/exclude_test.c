/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/exclude.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "platform/pf_fault.h"
#include "tests/unit/support.h"

static bool
matches(const char *pattern, const char *path, bool is_dir)
{
	struct exclude exclude = { 0 };
	bool result;

	assert_int_equal(exclude_add(&exclude, pattern), 0);
	result = exclude_matches(&exclude, path, is_dir);
	exclude_release(&exclude);
	assert_null(exclude.rules);
	return result;
}

#define assert_out(pattern, path)     assert_true(matches(pattern, path, false))
#define assert_in(pattern, path)      assert_false(matches(pattern, path, false))
#define assert_dir_out(pattern, path) assert_true(matches(pattern, path, true))
#define assert_dir_in(pattern, path)  assert_false(matches(pattern, path, true))

static void
exclude_of_all_zeros_excludes_nothing(void **state)
{
	struct exclude exclude = { 0 };

	(void)state;
	assert_false(exclude_matches(&exclude, "a", false));
	assert_false(exclude_matches(&exclude, "", true));
	exclude_release(&exclude);
}

static void
exclude_without_a_slash_is_about_the_last_component(void **state)
{
	(void)state;
	assert_out("*.o", "a.o");
	assert_out("*.o", "deep/er/a.o");
	assert_out("core", "core");
	assert_out("core", "x/core");
	assert_in("core", "core.c");
	assert_in("core", "core/x");
	assert_in("*.o", "a.o/b");
	assert_out("a?c", "x/abc");
	assert_out("[ab]", "x/b");
	assert_in("[!ab]", "x/b");
	assert_dir_out("core", "x/core");
	assert_out("*", "anything");
	assert_out("*", "x/.hidden");
	assert_out(".*", ".git");
}

static void
exclude_with_a_slash_is_about_the_path_from_the_top(void **state)
{
	(void)state;
	assert_out("doc/*.txt", "doc/a.txt");
	assert_in("doc/*.txt", "src/doc/a.txt");
	assert_in("doc/*.txt", "doc/deep/a.txt");
	assert_out("*/a", "x/a");
	assert_in("*/a", "x/y/a");
	assert_in("*/a", "a");
	assert_in("a/?b", "a//b");
	assert_out("a/b/c", "a/b/c");
	assert_in("a/b", "a/b/c");
}

static void
exclude_leading_slash_says_only_that(void **state)
{
	(void)state;
	assert_out("/build", "build");
	assert_in("/build", "src/build");
	assert_out("/a/b", "a/b");
	assert_out("/*.o", "x.o");
	assert_in("/*.o", "a/x.o");
}

static void
exclude_trailing_slash_is_about_directories_only(void **state)
{
	(void)state;
	assert_dir_out("build/", "build");
	assert_in("build/", "build");
	/* It is at the end: not a '/' that makes it a path from the top. */
	assert_dir_out("build/", "src/build");
	assert_dir_out("/build/", "build");
	assert_dir_in("/build/", "src/build");
	assert_dir_out("a/b/", "a/b");
	assert_in("a/b/", "a/b");
}

static void
exclude_of_several_is_any_of_them(void **state)
{
	struct exclude exclude = { 0 };

	(void)state;
	assert_int_equal(exclude_add(&exclude, "*.o"), 0);
	assert_int_equal(exclude_add(&exclude, "tmp/"), 0);
	assert_int_equal(exclude_add(&exclude, "/a/b"), 0);
	assert_true(exclude_matches(&exclude, "x.o", false));
	assert_true(exclude_matches(&exclude, "x/tmp", true));
	assert_false(exclude_matches(&exclude, "x/tmp", false));
	assert_true(exclude_matches(&exclude, "a/b", false));
	assert_false(exclude_matches(&exclude, "a/c", false));
	exclude_release(&exclude);
}

static void
exclude_special_bytes_are_only_bytes(void **state)
{
	(void)state;
	assert_out("a b", "x/a b");
	assert_out("\\*", "x/*");
	assert_in("\\*", "x/a");
	assert_out("[*]", "*");
	assert_in("[", "a");
	assert_out("#x", "#x");
	assert_out("!x", "!x");
	assert_out("-", "-");
}

static void
exclude_empty_pattern_is_einval(void **state)
{
	struct exclude exclude = { 0 };

	(void)state;
	assert_int_equal(exclude_add(&exclude, ""), DSP_EINVAL);
	assert_int_equal(exclude_add(&exclude, "/"), DSP_EINVAL);
	assert_int_equal(exclude_add(&exclude, "//"), DSP_EINVAL);
	assert_int_equal(exclude.rule_count, 0);
	exclude_release(&exclude);
}

static void
exclude_file_is_one_pattern_a_line(void **state)
{
	static const char text[] = "# objects\n*.o\n\n\n/a/b\n#*.c\ntmp/";
	struct exclude exclude = { 0 };

	(void)state;
	file_write("patterns", text, sizeof text - 1);
	assert_int_equal(exclude_add_file(&exclude, "patterns"), 0);
	assert_int_equal(exclude.rule_count, 3);
	assert_true(exclude_matches(&exclude, "x.o", false));
	assert_true(exclude_matches(&exclude, "a/b", false));
	assert_true(exclude_matches(&exclude, "tmp", true));
	assert_false(exclude_matches(&exclude, "x.c", false));
	assert_false(exclude_matches(&exclude, "# objects", false));
	exclude_release(&exclude);
}

/* Longer than any read at once. */
static void
exclude_file_may_be_of_any_size(void **state)
{
	enum { LINES = 3000, LINE_SIZE = 9 };
	struct exclude exclude = { 0 };
	char *text = must_malloc(LINES * LINE_SIZE + 1);
	char *p = text;

	(void)state;
	for (int i = 0; i < LINES; i++) {
		memcpy(p, "name0000\n", LINE_SIZE);
		p[4] = (char)('0' + i / 1000);
		p[5] = (char)('0' + i / 100 % 10);
		p[6] = (char)('0' + i / 10 % 10);
		p[7] = (char)('0' + i % 10);
		p += LINE_SIZE;
	}
	file_write("patterns", text, (size_t)(p - text));
	assert_int_equal(exclude_add_file(&exclude, "patterns"), 0);
	assert_int_equal(exclude.rule_count, LINES);
	assert_true(exclude_matches(&exclude, "x/name2999", false));
	assert_false(exclude_matches(&exclude, "x/name3000", false));
	exclude_release(&exclude);
	free(text);
}

static void
exclude_file_that_is_empty_excludes_nothing(void **state)
{
	struct exclude exclude = { 0 };

	(void)state;
	file_write("patterns", "", 0);
	assert_int_equal(exclude_add_file(&exclude, "patterns"), 0);
	assert_int_equal(exclude.rule_count, 0);
	exclude_release(&exclude);
}

static void
exclude_file_that_cannot_be_read_is_an_error(void **state)
{
	struct exclude exclude = { 0 };
	bool fired = true;

	(void)state;
	reports_clear();
	assert_int_equal(exclude_add_file(&exclude, "absent"), DSP_ENOENT);
	assert_int_equal(exclude_add_file(&exclude, "."), DSP_EISDIR);
	assert_int_equal(reports_errors(), 2);
	file_write("patterns", "*.o\n/\n", 6);
	assert_int_equal(exclude_add_file(&exclude, "patterns"), DSP_EINVAL);
	assert_int_equal(reports_errors(), 3);
	exclude_release(&exclude);
	file_write("patterns", "*.o\n", 4);
	for (unsigned call = 1; fired; call++) {
		int err;

		pf_fault_set(call, DSP_EIO);
		err = exclude_add_file(&exclude, "patterns");
		fired = pf_fault_clear();
		assert_int_equal(err, fired ? DSP_EIO : 0);
	}
	exclude_release(&exclude);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exclude_of_all_zeros_excludes_nothing),
		cmocka_unit_test(
			exclude_without_a_slash_is_about_the_last_component),
		cmocka_unit_test(
			exclude_with_a_slash_is_about_the_path_from_the_top),
		cmocka_unit_test(exclude_leading_slash_says_only_that),
		cmocka_unit_test(
			exclude_trailing_slash_is_about_directories_only),
		cmocka_unit_test(exclude_of_several_is_any_of_them),
		cmocka_unit_test(exclude_special_bytes_are_only_bytes),
		cmocka_unit_test(exclude_empty_pattern_is_einval),
		cmocka_unit_test(exclude_file_is_one_pattern_a_line),
		cmocka_unit_test(exclude_file_may_be_of_any_size),
		cmocka_unit_test(exclude_file_that_is_empty_excludes_nothing),
		cmocka_unit_test(exclude_file_that_cannot_be_read_is_an_error),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
