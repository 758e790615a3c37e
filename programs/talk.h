/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TALK_H
#define TALK_H

/*
 * talk - what a command says: to people on standard error, to programs as
 * JSON, one object a line (docs/json.md).
 *
 * Data asked for (listings, differences, JSON) go to standard output, unless
 * an image or a file's bytes go there: then JSON goes to standard error.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/digest.h"
#include "programs/option.h"

/* Set up for these options; until then reports go to standard error. */
void talk_start(const struct options *options, bool stdout_is_taken);

bool talk_is_json(void);

/* A line for people, unless quiet or JSON. */
void talk_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Write one object of this type; takes fields (NULL: none). */
void talk_json(const char *type, json_t *fields);

/* Add a path: "path" when it is UTF-8, else "path_hex". */
void talk_add_path(json_t *object, const char *key, const char *bytes,
		   size_t size);

/* Add a digest in hexadecimal. */
void talk_add_digest(json_t *object, const char *key,
		     const struct digest *digest);

/*
 * What comes last: takes fields, adds the times and memory every summary has.
 */
void talk_summary(const char *command, int exit_code, json_t *fields);

/* Progress.  total_bytes 0: not known.  Called as often as one likes. */
void talk_progress(const char *what, uint64_t bytes, uint64_t total_bytes,
		   uint64_t files);

/* Leave the progress line; more may follow. */
void talk_end_progress(void);

/* "12.3 MB", into a buffer of its own for each of the last four calls. */
const char *talk_size(uint64_t bytes);

/* Seconds since the program began. */
double talk_seconds(void);

#endif
