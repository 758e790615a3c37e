/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/report.h"

#include <stdarg.h>
#include <stdio.h>

enum { TEXT_SIZE = 1024 };

static report_sink *the_sink;
static void *the_context;

void
report_set_sink(report_sink *sink, void *context)
{
	the_sink = sink;
	the_context = context;
}

static void
send(struct report *report, const char *format, va_list arguments)
{
	char text[TEXT_SIZE];

	if (the_sink == NULL)
		return;
	vsnprintf(text, sizeof text, format, arguments);
	report->text = text;
	the_sink(the_context, report);
}

int
report_error(int err, const char *path, const char *format, ...)
{
	struct report report = { .level = REPORT_ERROR,
				 .err = err,
				 .path = path };
	va_list arguments;

	va_start(arguments, format);
	send(&report, format, arguments);
	va_end(arguments);
	return err;
}

int
report_error_at(int err, const char *path, uint64_t offset, const char *format,
		...)
{
	struct report report = { .level = REPORT_ERROR,
				 .err = err,
				 .path = path,
				 .has_offset = true,
				 .offset = offset };
	va_list arguments;

	va_start(arguments, format);
	send(&report, format, arguments);
	va_end(arguments);
	return err;
}

void
report_warning(const char *path, const char *format, ...)
{
	struct report report = { .level = REPORT_WARNING, .path = path };
	va_list arguments;

	va_start(arguments, format);
	send(&report, format, arguments);
	va_end(arguments);
}

void
report_info(const char *path, const char *format, ...)
{
	struct report report = { .level = REPORT_INFO, .path = path };
	va_list arguments;

	va_start(arguments, format);
	send(&report, format, arguments);
	va_end(arguments);
}
