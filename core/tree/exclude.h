/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXCLUDE_H
#define EXCLUDE_H

/*
 * exclude - which paths of a source are left out.
 *
 * A pattern is a shell glob.  Without a '/' it is matched against the last
 * component of every path; with one, against the path from the top (a '/' at
 * the beginning says only that), and '*' does not cross a '/'.  With a '/' at
 * the end it matches directories only.  What is below a directory left out
 * is left out.
 */

#include <stdbool.h>
#include <stddef.h>

struct exclude_rule {
	char *pattern;
	bool is_path; /* match the whole path */
	bool is_dir_only;
};

/* All zeros excludes nothing. */
struct exclude {
	struct exclude_rule *rules;
	size_t rule_count;
};

/* Add a pattern.  DSP_EINVAL when it is empty, DSP_ENOMEM. */
int exclude_add(struct exclude *exclude, const char *pattern);

/*
 * Add the patterns of a file, one a line; empty lines and lines that begin
 * with '#' say nothing.  Errors are reported.
 */
int exclude_add_file(struct exclude *exclude, const char *path);

void exclude_release(struct exclude *exclude);

/* Is this path left out? */
bool exclude_matches(const struct exclude *exclude, const char *path,
		     bool is_dir);

#endif
