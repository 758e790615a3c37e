/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/err.h"

#include <string.h>

#include "core/base/report.h"
#include "platform/pf_err.h"
#include "tests/unit/support.h"

struct row {
	int number;
	const char *symbol;
	int exit_code;
	const char *text;
};

static const struct row rows[] = {
#define ERROR(number, symbol, exit_code, text) \
	{ number, #symbol, exit_code, text },
#include "core/base/errors.def"
#undef ERROR
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

static void
err_numbers_symbols_and_texts_are_unique(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROW_COUNT; i++) {
		for (size_t j = 0; j < i; j++) {
			assert_int_not_equal(rows[i].number, rows[j].number);
			assert_string_not_equal(rows[i].symbol, rows[j].symbol);
			assert_string_not_equal(rows[i].text, rows[j].text);
		}
	}
}

/* They go on the wire as a u16, and 0 is success. */
static void
err_numbers_fit_the_wire(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROW_COUNT; i++)
		assert_in_range(rows[i].number, 1, UINT16_MAX);
}

/* Numbers that were released keep their meaning for ever. */
static void
err_numbers_stay_what_they_were(void **state)
{
	(void)state;
	assert_int_equal(DSP_OK, 0);
	assert_int_equal(DSP_EIO, -1);
	assert_int_equal(DSP_ENOMEM, -2);
	assert_int_equal(DSP_ENOENT, -3);
	assert_int_equal(DSP_ENOSPC, -6);
	assert_int_equal(DSP_EFORMAT, -15);
	assert_int_equal(DSP_EVERSION, -16);
	assert_int_equal(DSP_ECORRUPT, -17);
	assert_int_equal(DSP_ETRUNCATED, -18);
	assert_int_equal(DSP_EFAULT, -32);
}

static void
err_symbol_and_text_are_those_of_the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROW_COUNT; i++) {
		size_t size = strlen(rows[i].text);

		assert_string_equal(err_symbol(-rows[i].number),
				    rows[i].symbol);
		assert_string_equal(err_text(-rows[i].number), rows[i].text);
		assert_int_equal(err_exit_code(-rows[i].number),
				 rows[i].exit_code);
		assert_true(size > 0 && rows[i].text[size - 1] != '.');
	}
}

static void
err_answers_for_zero_and_unknown_numbers(void **state)
{
	(void)state;
	assert_string_equal(err_symbol(0), "OK");
	assert_int_equal(err_exit_code(0), 0);
	assert_string_equal(err_symbol(-30000), "UNKNOWN");
	assert_string_equal(err_symbol(1), "UNKNOWN");
	assert_int_equal(err_exit_code(-30000), 1);
	assert_true(strlen(err_text(-30000)) > 0);
}

/* `despool help exit-codes` promises these and no others. */
static void
err_exit_codes_are_the_documented_ones(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROW_COUNT; i++) {
		int code = rows[i].exit_code;

		assert_true(code == 1 || code == 2 || code == 4 || code == 5 ||
			    code == 6 || code == 8 || code == 75);
	}
	assert_int_equal(err_exit_code(DSP_ECORRUPT), 8);
	assert_int_equal(err_exit_code(DSP_ETRUNCATED), 8);
	assert_int_equal(err_exit_code(DSP_EFORMAT), 8);
	assert_int_equal(err_exit_code(DSP_EVERSION), 8);
	assert_int_equal(err_exit_code(DSP_ENOENT), 4);
	assert_int_equal(err_exit_code(DSP_EACCES), 6);
	assert_int_equal(err_exit_code(DSP_EBUSY), 75);
}

/* Whatever number the system has, the caller gets an error of ours. */
static void
pf_err_is_an_error_for_every_system_number(void **state)
{
	(void)state;
	for (int number = 0; number < 600; number++)
		assert_string_not_equal(err_symbol(pf_err(number)), "UNKNOWN");
	assert_true(pf_err(0) < 0);
}

static struct report seen;
static char seen_text[2000];

static void
sink(void *context, const struct report *report)
{
	seen = *report;
	memcpy(context, report->text, strlen(report->text) + 1);
}

static void
report_error_passes_on_what_it_was_given(void **state)
{
	char longer[5000];

	(void)state;
	report_set_sink(sink, seen_text);
	assert_int_equal(report_error_at(DSP_EIO, "a/b", 77, "read %d", 5),
			 DSP_EIO);
	assert_int_equal(seen.level, REPORT_ERROR);
	assert_int_equal(seen.err, DSP_EIO);
	assert_string_equal(seen.path, "a/b");
	assert_true(seen.has_offset);
	assert_int_equal(seen.offset, 77);
	assert_string_equal(seen_text, "read 5");

	assert_int_equal(report_error(DSP_ENOENT, NULL, "x"), DSP_ENOENT);
	assert_null(seen.path);
	assert_false(seen.has_offset);
	report_warning("p", "careful");
	assert_int_equal(seen.level, REPORT_WARNING);
	assert_int_equal(seen.err, 0);
	report_info("p", "careful");
	assert_int_equal(seen.level, REPORT_INFO);

	/* What is too long is cut, not written beyond. */
	memset(longer, 'x', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	report_error(DSP_EIO, "p", "%s", longer);
	assert_in_range(strlen(seen_text), 100, sizeof seen_text - 1);
}

static void
report_without_a_sink_still_returns_the_error(void **state)
{
	(void)state;
	report_set_sink(NULL, NULL);
	assert_int_equal(report_error(DSP_EIO, "a", "b"), DSP_EIO);
	report_warning("a", "b");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(err_numbers_symbols_and_texts_are_unique),
		cmocka_unit_test(err_numbers_fit_the_wire),
		cmocka_unit_test(err_numbers_stay_what_they_were),
		cmocka_unit_test(err_symbol_and_text_are_those_of_the_table),
		cmocka_unit_test(err_answers_for_zero_and_unknown_numbers),
		cmocka_unit_test(err_exit_codes_are_the_documented_ones),
		cmocka_unit_test(pf_err_is_an_error_for_every_system_number),
		cmocka_unit_test(report_error_passes_on_what_it_was_given),
		cmocka_unit_test(report_without_a_sink_still_returns_the_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
