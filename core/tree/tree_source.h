/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_SOURCE_H
#define TREE_SOURCE_H

/*
 * tree_source - fills the slots of a flow from a source directory.
 *
 * It decides what the blocks and the pages of the manifest are.  The decision
 * depends on paths, sizes and contents alone: the same tree gives the same
 * image, for any number of workers and any order of the directories, with a
 * base or without.
 *
 * With a base, a block of nothing but unchanged files that nobody wants is
 * not read: its name, and with level > 0 its frame, come from the base.
 *
 * Errors     reported.
 */

#include <stdint.h>

#include "core/chunk/cut.h"
#include "core/tree/base.h"
#include "core/tree/flow.h"
#include "core/tree/scan.h"

struct tree_source;

struct tree_source_params {
	const char *path;  /* what scan goes through; borrowed */
	struct scan *scan; /* borrowed */
	struct cut_rule rule;
	unsigned worker_count;
	int level;		  /* of the frames; 0: make none */
	bool has_rows;		  /* fill slot->rows */
	struct base *base;	  /* borrowed; may be NULL */
	struct image *base_image; /* where its frames are, when level > 0 */

	/*
	 * Called for every record, in order; is_known: its digest is.  Says
	 * whether somebody wants the file's data.  NULL: without a base
	 * everything is read anyway, with one nothing is wanted.
	 */
	int (*look)(void *context, const struct record *record, bool is_known,
		    bool *ret_is_wanted);
	void *look_context;
};

int tree_source_new(const struct tree_source_params *params,
		    struct tree_source **ret_source);
void tree_source_free(struct tree_source *source);

/* For struct flow_params; context is the source. */
int tree_source_fill(void *context, struct slot *slot, bool *ret_is_end);
int tree_source_work(void *context, unsigned worker, struct slot *slot);

/* Bytes and entries read so far; may be read while the flow runs. */
uint64_t tree_source_bytes_read(const struct tree_source *source);
uint64_t tree_source_entries(const struct tree_source *source);

#endif
