/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPORT_H
#define REPORT_H

/*
 * report - says to a person what went wrong, once, where it is known.
 *
 * The function that knows the file and the reason reports; those above it
 * pass the error on in silence.  Where the words go (terminal, JSON, a test)
 * is the program's choice.
 *
 * Threads    Any thread may report; the sink is called under one lock of its
 *            own making.  Set the sink before threads start.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum report_level {
	REPORT_ERROR,	/* something asked for was not done */
	REPORT_WARNING, /* done, but not as one might expect */
	REPORT_INFO,	/* worth a line */
};

struct report {
	enum report_level level;
	int err;	  /* a negative enum dsp_err, or 0 */
	const char *path; /* the file or directory, bytes; NULL when none */
	bool has_offset;
	uint64_t offset;  /* byte of that file, when has_offset */
	const char *text; /* what was tried or found, for people */
};

typedef void report_sink(void *context, const struct report *report);

/* Send reports to sink from now on; NULL: drop them. */
void report_set_sink(report_sink *sink, void *context);

/*
 * Report err about path; format says what was tried.  Returns err, so that
 * `return report_error(...)` reads well.  path may be NULL.
 */
int report_error(int err, const char *path, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, about the byte at offset of path. */
int report_error_at(int err, const char *path, uint64_t offset,
		    const char *format, ...)
	__attribute__((format(printf, 4, 5)));

void report_warning(const char *path, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void report_info(const char *path, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
