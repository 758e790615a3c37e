/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/err.h"

#include <stddef.h>

struct err_row {
	const char *symbol;
	const char *text;
	int exit_code;
};

/* A switch, so that two rows with one number do not compile. */
static const struct err_row *
find_row(int err)
{
	switch (err) {
#define ERROR(number, symbol, exit_code, text)                     \
	case -(number): {                                          \
		static const struct err_row row = { #symbol, text, \
						    exit_code };   \
		return &row;                                       \
	}
#include "core/base/errors.def"
#undef ERROR
	default:
		return NULL;
	}
}

const char *
err_symbol(int err)
{
	const struct err_row *row = find_row(err);

	if (err == 0)
		return "OK";
	return row != NULL ? row->symbol : "UNKNOWN";
}

const char *
err_text(int err)
{
	const struct err_row *row = find_row(err);

	if (err == 0)
		return "done";
	return row != NULL ? row->text : "unknown error";
}

int
err_exit_code(int err)
{
	const struct err_row *row = find_row(err);

	if (err == 0)
		return 0;
	return row != NULL ? row->exit_code : 1;
}
