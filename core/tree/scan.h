/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCAN_H
#define SCAN_H

/*
 * scan - goes through a source directory in the manifest's order.
 *
 * It says everything of a record but what is in the files.  A directory that
 * changes while it is gone through is an error, not half a package.
 *
 * Errors     reported, with the path.
 * Memory     Does not grow with the number of files; by about 100 bytes for
 *            each file with several names whose other names are not seen yet.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/image/record.h"
#include "core/tree/exclude.h"
#include "core/tree/owners.h"
#include "platform/pf_file.h"

enum scan_special {
	SCAN_REFUSE_SPECIAL, /* a device, socket or fifo is an error */
	SCAN_SKIP_SPECIAL,   /* it is left out, with a warning */
	SCAN_GIVE_SPECIAL    /* it is an entry; its record has type 0 */
};

struct scan_options {
	bool is_dense;		       /* do not look for holes */
	const struct exclude *exclude; /* borrowed; may be NULL */
	enum scan_special special;
	struct owners *owners; /* borrowed */

	/* A file that must not be met: the output; borrowed, may be NULL. */
	const struct pf_stat *output;
};

struct scan;

/* What was met last; lent until the next call. */
struct scan_entry {
	struct record record; /* without segments and digest; data_size is
			       * size */
	struct pf_stat stat;
	int dir;	  /* the open directory it is in */
	const char *name; /* its name there */
};

/* Begin at path.  Gives *ret_scan, ended with scan_free(). */
int scan_new(const char *path, const struct scan_options *options,
	     struct scan **ret_scan);
void scan_free(struct scan *scan);

/* The next entry, or NULL at the end. */
int scan_next(struct scan *scan, struct scan_entry **ret_entry);

/* Read the entry's extended attributes into its record. */
int scan_read_xattrs(struct scan *scan, struct scan_entry *entry);

/*
 * Open the entry, a file, and find out where its data are.  Whether it is the
 * file that was scanned, scan_check_unchanged() says when it has been read.
 */
int scan_open_file(struct scan *scan, struct scan_entry *entry, int *ret_fd);

/*
 * Is the open file another one than was scanned, or touched since?  Then
 * DSP_ECHANGED.
 */
int scan_check_unchanged(struct scan *scan, const struct scan_entry *entry,
			 int fd);

/* Report err about the entry.  Returns err. */
int scan_fail(struct scan *scan, int err, const struct record *record,
	      const char *what);

/* The top as it was when the scan began, and open. */
const struct pf_stat *scan_top(const struct scan *scan);
int scan_top_fd(const struct scan *scan);

#endif
