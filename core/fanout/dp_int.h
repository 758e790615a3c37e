/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DP_INT_H
#define DP_INT_H

/* dp_int - what the files of dp share. */

#include "core/fanout/dp.h"

enum { DP_NAME_SIZE = 48 };

struct dp {
	struct dp_params params;
	int root;
	int control; /* .despool */
	int lock;
	int state;	 /* .despool/state */
	int all_staging; /* .despool/staging */
	int staging;	 /* .despool/staging/<id> */
	int package;	 /* <id> */
	bool is_ours;	 /* the lock is held */

	uint32_t published;
	uint32_t highest;   /* ever published */
	uint32_t *versions; /* that are there, highest first */
	size_t version_count;
	struct image *manifest; /* the one asked for last */
	uint32_t damaged;	/* version of a manifest that is; 0: none */

	/* What is being made. */
	struct expand *expand;
	int rows;
	struct rows_reader old_rows;
	int old_rows_fd;
};

/* "<id>.<version>.<kind>" */
void dp_name(char name[DP_NAME_SIZE], const struct dp *dp, uint32_t version,
	     const char *kind);

/* Report err about the distribution point.  Returns err. */
int dp_fail(const struct dp *dp, int err, const char *what);

/* DEST/below, which the caller frees; NULL: out of memory. */
char *dp_path(const struct dp *dp, const char *below);

/* Does this version stay when `version` is published? */
bool dp_stays(const struct dp *dp, uint32_t candidate, uint32_t version,
	      unsigned keep);

/* Let go of the rows of the tree that was recycled. */
void dp_release_old(struct dp *dp);

/* Let `current` name this version. */
int dp_switch(struct dp *dp, uint32_t version);

#endif
