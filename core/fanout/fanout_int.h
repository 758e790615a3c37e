/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FANOUT_INT_H
#define FANOUT_INT_H

/* fanout_int - what the files of fanout share. */

#include "core/fanout/dp.h"
#include "core/fanout/fanout.h"
#include "core/fanout/merge.h"
#include "core/image/image_writer.h"
#include "core/tree/base.h"
#include "core/tree/image_source.h"
#include "core/tree/tree_source.h"
#include "platform/pf_thread.h"

/* A destination while it is worked on. */
struct target {
	struct fanout *fanout;
	struct fanout_dest *dest;
	struct dp *dp;
	struct dp *opened; /* by its thread; dp, once that has ended */
	bool has_root;	   /* which is: */
	struct pf_stat root;
	struct flusher *flusher; /* of its file system, when it is the first
				  * target there */
	struct expand *expand;	 /* the dp's; NULL: nothing to write */
	uint32_t recycled;	 /* version that the tree is made of; 0: none */
	bool can_clone;		 /* on its file system, which is: */
	uint64_t device;
	bool is_active;	 /* has a tree to be written or published */
	bool is_written; /* all of it */

	/* A step that runs on a thread of its own; see fanout_each(). */
	struct pf_thread *thread;
	int (*step)(struct target *target);
	bool is_done;
	bool is_lost; /* its thread hangs: never touch dp again */
	int err;
};

struct fanout {
	const struct fanout_params *params;
	struct fanout_result result;
	struct target *targets;
	struct owners *owners; /* NULL: not root */
	struct pf_lock *lock;
	struct pf_condition *stepped;

	bool is_image;
	struct image *image;
	uint32_t newest;  /* version published anywhere */
	uint32_t highest; /* version ever published anywhere */
	int source_top;	  /* a tree to share blocks with; -1: an image */
	int manifest_fd;  /* the manifest to publish, in a temporary file */
	int seen_fd;	  /* rows about the source; -1: an image */
	struct digest root_digest;
	bool has_content;	    /* result.content is known */
	struct image *old_manifest; /* of the trees that are recycled */

	/* This round. */
	struct image_source *image_source;
	struct tree_source *tree_source;
	struct merge *merge;
	struct old_view *views; /* of the slot being filled */
	size_t view_count;
	size_t view_capacity;
	bool is_everything_wanted;
	bool is_filled;
	uint64_t files;		     /* in the slots filled so far */
	struct image_writer *writer; /* of the manifest, when a tree */
	int round_seen_fd;
};

/*
 * Run step for every target that has one to do, each on its own thread, and
 * wait for all.  One that takes longer than timeout_s (0: no limit) is lost.
 */
int fanout_each(struct fanout *fanout, bool (*applies)(const struct target *),
		int (*step)(struct target *target), unsigned timeout_s);

/* Report err about the manifest, which is in a temporary file.  Returns err. */
int fanout_fail_manifest(int err);

/* A target failed; err is reported.  Returns err. */
int fanout_lose(struct target *target, int err);

/* What the published version left somewhere about the source; or NULL. */
void fanout_find_base(struct fanout *fanout, struct base **ret_base);

/* Write the trees of the active targets; sets is_written. */
int fanout_write(struct fanout *fanout);

#endif
