/* SPDX-License-Identifier: Apache-2.0 */
#include "programs/talk.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "platform/pf_process.h"
#include "platform/pf_thread.h"

#define NS_PER_S 1000000000

enum { TTY_INTERVAL_NS = 100000000, STDERR_FD = 2 };

/* The one state of the program's voice; set once, before threads start. */
static struct {
	bool is_quiet;
	bool is_json;
	enum progress_mode progress;
	FILE *json;
	struct pf_lock *lock;
	int64_t start;
	int64_t last_progress;
	uint64_t last_bytes;
	bool has_line; /* a progress line stands on the terminal */
} talk;

static void
lock(void)
{
	if (talk.lock != NULL)
		pf_lock(talk.lock);
}

static void
unlock(void)
{
	if (talk.lock != NULL)
		pf_unlock(talk.lock);
}

static void
clear_line(void)
{
	if (talk.has_line)
		fputs("\r\033[K", stderr);
	talk.has_line = false;
}

void
talk_end_progress(void)
{
	lock();
	clear_line();
	unlock();
}

/* Bytes as they are, but for those that would move a terminal's cursor. */
static void
put_safely(const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c < 32 || c == 127)
			fprintf(stderr, "\\%03o", c);
		else
			fputc(c, stderr);
	}
}

static void
write_json(const char *type, json_t *fields)
{
	json_t *object = json_pack("{s:i, s:s}", "v", 1, "type", type);

	if (object != NULL && fields != NULL)
		json_object_update(object, fields);
	if (object != NULL) {
		json_dumpf(object, talk.json, JSON_COMPACT);
		fputc('\n', talk.json);
		fflush(talk.json);
	}
	json_decref(object);
	json_decref(fields);
}

/* Add words; bytes in them that are no UTF-8 are written as \ooo. */
static void
add_text(json_t *object, const char *key, const char *text)
{
	json_t *string = json_string(text);
	size_t size = strlen(text);
	char *safe;

	if (string == NULL) {
		safe = malloc(4 * size + 1);
		if (safe == NULL)
			return;
		safe[0] = '\0';
		for (size_t i = 0, used = 0; i < size; i++) {
			unsigned char c = (unsigned char)text[i];

			used += (size_t)snprintf(safe + used, 5,
						 c < 128 ? "%c" : "\\%03o", c);
		}
		string = json_string(safe);
		free(safe);
	}
	json_object_set_new(object, key, string);
}

static void
report_json(const struct report *report)
{
	static const char *const types[] = { "error", "warning", "info" };
	json_t *fields = json_object();

	add_text(fields, "text", report->text);
	if (report->err != 0)
		json_object_set_new(fields, "error",
				    json_string(err_symbol(report->err)));
	if (report->path != NULL)
		talk_add_path(fields, "path", report->path,
			      strlen(report->path));
	if (report->has_offset)
		json_object_set_new(fields, "offset",
				    json_integer((json_int_t)report->offset));
	write_json(types[report->level], fields);
}

static void
report_text(const struct report *report)
{
	clear_line();
	fputs(report->level == REPORT_WARNING ? "despool: warning: "
					      : "despool: ",
	      stderr);
	if (report->path != NULL) {
		put_safely(report->path, strlen(report->path));
		fputs(": ", stderr);
	}
	put_safely(report->text, strlen(report->text));
	if (report->err != 0)
		fprintf(stderr, ": %s", err_text(report->err));
	if (report->has_offset)
		fprintf(stderr, " (at byte %llu)",
			(unsigned long long)report->offset);
	fputc('\n', stderr);
}

static void
sink(void *context, const struct report *report)
{
	(void)context;
	if (report->level == REPORT_INFO && talk.is_quiet)
		return;
	lock();
	if (talk.is_json)
		report_json(report);
	else
		report_text(report);
	unlock();
}

void
talk_start(const struct options *options, bool stdout_is_taken)
{
	if (talk.start == 0) {
		talk.start = pf_now_monotonic();
		talk.lock = pf_lock_new();
		talk.json = stdout;
		report_set_sink(sink, NULL);
	}
	if (options == NULL)
		return;
	talk.is_quiet = options->quiet;
	talk.is_json = options->json;
	talk.json = stdout_is_taken ? stderr : stdout;
	talk.progress = options->progress;
	talk.last_progress = pf_now_monotonic();
	if (talk.progress == PROGRESS_AUTO)
		talk.progress = options->quiet		    ? PROGRESS_NONE
				: options->json		    ? PROGRESS_NONE
				: pf_is_terminal(STDERR_FD) ? PROGRESS_TTY
							    : PROGRESS_PLAIN;
}

bool
talk_is_json(void)
{
	return talk.is_json;
}

void
talk_say(const char *format, ...)
{
	va_list arguments;

	if (talk.is_quiet || talk.is_json)
		return;
	lock();
	clear_line();
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	unlock();
}

void
talk_json(const char *type, json_t *fields)
{
	lock();
	write_json(type, fields);
	unlock();
}

void
talk_add_path(json_t *object, const char *key, const char *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	json_t *text = json_stringn(bytes, size);
	char name[32];
	char *hex;

	if (text != NULL) {
		json_object_set_new(object, key, text);
		return;
	}
	hex = malloc(2 * size + 1);
	if (hex == NULL)
		return;
	for (size_t i = 0; i < size; i++) {
		hex[2 * i] = digits[(unsigned char)bytes[i] >> 4];
		hex[2 * i + 1] = digits[(unsigned char)bytes[i] & 15];
	}
	hex[2 * size] = '\0';
	snprintf(name, sizeof name, "%s_hex", key);
	json_object_set_new(object, name, json_string(hex));
	free(hex);
}

void
talk_add_digest(json_t *object, const char *key, const struct digest *digest)
{
	char hex[DIGEST_HEX_SIZE];

	digest_to_hex(digest, hex);
	json_object_set_new(object, key, json_string(hex));
}

double
talk_seconds(void)
{
	return (double)(pf_now_monotonic() - talk.start) / NS_PER_S;
}

void
talk_summary(const char *command, int exit_code, json_t *fields)
{
	talk_end_progress();
	if (exit_code != 0 && pf_interrupted())
		report_error(DSP_ECANCELED, NULL, "%s was stopped", command);
	if (!talk.is_json) {
		json_decref(fields);
		return;
	}
	if (fields == NULL)
		fields = json_object();
	json_object_set_new(fields, "command", json_string(command));
	json_object_set_new(fields, "exit_code", json_integer(exit_code));
	json_object_set_new(fields, "wall_seconds", json_real(talk_seconds()));
	json_object_set_new(fields, "peak_rss_bytes",
			    json_integer((json_int_t)pf_peak_memory()));
	talk_json("summary", fields);
}

const char *
talk_size(uint64_t bytes)
{
	static char texts[4][24];
	static unsigned next;
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };
	char *text = texts[next++ % 4];
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 999.5 && unit < 5) {
		value /= 1000;
		unit++;
	}
	snprintf(text, sizeof texts[0], unit == 0 ? "%.0f %s" : "%.1f %s",
		 value, units[unit]);
	return text;
}

static void
show_progress(const char *what, uint64_t bytes, uint64_t total, uint64_t files,
	      double rate)
{
	char eta[48] = "";
	char line[160];
	char share[16] = "";

	if (total > 0) {
		double part = bytes < total ? (double)bytes / (double)total : 1;

		snprintf(share, sizeof share, " %3.0f %%", part * 100);
		if (rate > 0 && bytes < total)
			snprintf(eta, sizeof eta, ", %.0f s left",
				 (double)(total - bytes) / rate);
	}
	snprintf(line, sizeof line, "%s:%s %s%s%s, %llu files, %s/s%s", what,
		 share, talk_size(bytes), total > 0 ? " of " : "",
		 total > 0 ? talk_size(total) : "", (unsigned long long)files,
		 talk_size((uint64_t)rate), eta);
	if (talk.progress == PROGRESS_TTY) {
		unsigned width = pf_terminal_width(STDERR_FD);

		fprintf(stderr, "\r%.*s\033[K", (int)width - 1, line);
		talk.has_line = true;
	} else {
		fprintf(stderr, "%s\n", line);
	}
}

void
talk_progress(const char *what, uint64_t bytes, uint64_t total_bytes,
	      uint64_t files)
{
	int64_t now = pf_now_monotonic();
	int64_t interval = talk.progress == PROGRESS_TTY
				   ? TTY_INTERVAL_NS
				   : (int64_t)10 * NS_PER_S;
	double seconds;

	if (talk.progress == PROGRESS_NONE)
		return;
	if (talk.progress == PROGRESS_JSON)
		interval = NS_PER_S;
	lock();
	if (now - talk.last_progress < interval) {
		unlock();
		return;
	}
	seconds = (double)(now - talk.last_progress) / NS_PER_S;
	if (talk.progress == PROGRESS_JSON)
		write_json("progress",
			   json_pack("{s:s, s:I, s:I, s:I}", "phase", what,
				     "bytes", (json_int_t)bytes, "total_bytes",
				     (json_int_t)total_bytes, "files",
				     (json_int_t)files));
	else
		show_progress(what, bytes, total_bytes, files,
			      bytes > talk.last_bytes
				      ? (double)(bytes - talk.last_bytes) /
						seconds
				      : 0); /* a round begins anew */
	talk.last_progress = now;
	talk.last_bytes = bytes;
	fflush(stderr);
	unlock();
}
