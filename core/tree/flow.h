/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOW_H
#define FLOW_H

/*
 * flow - moves a package, block by block, from one source to many lanes.
 *
 *     the caller's thread     workers            each lane, on its own threads
 *     fill slot n             work on slot n     take slots in order
 *     (scan, read, cut;       (hash, compress,   (write an image, write a
 *     or walk an image)       decompress)        directory tree)
 *
 * A slot is some records and at most one block of their data.  There is a
 * fixed number of slots; who fills them waits for a free one, so memory is
 * bounded and everything runs as fast as the slowest part (S13).
 *
 * One lane does not stop the others.  A lane that fails is left behind.  A
 * lane that holds up the rest, while others have nothing left to do, is set
 * aside: it gives back its slots, keeps at most one that it is in the middle
 * of, and says in `next` where it must go on in another run of the flow.
 *
 * Threads    flow_run() is called by one thread; the callbacks run as the
 *            picture says: fill on the caller's, work on several workers at
 *            once (for different slots), begin of one lane never at the same
 *            time, finish of one lane on several threads at once.  With
 *            lane_works all of them run on the lane's threads, fill still
 *            never at the same time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/digest.h"
#include "core/image/image.h"
#include "core/image/record.h"

/* What an older tree has at the path of a record. */
enum old_what {
	OLD_NONE,  /* nothing */
	OLD_OTHER, /* something that must go */
	OLD_SAME   /* a directory, or a file or link with the same content */
};

struct old_view {
	enum old_what what;
	uint64_t ordinal;     /* OLD_SAME: in the older manifest */
	bool is_open;	      /* it is the same if the digest is: */
	struct digest digest; /* of the older file */
};

/* A path of the older tree that the new one does not have. */
struct old_gone {
	size_t before; /* index into the slot's records */
	const char *path;
	size_t path_size;
};

struct slot {
	/* What fill says. */
	uint64_t number;	/* the flow's: 0, 1, 2 ... */
	struct record *records; /* of this slot, in order */
	size_t record_count;
	uint64_t ordinal;     /* of records[0] in the manifest */
	bool is_part;	      /* the block is a part of a large file: the last
			     * record */
	uint64_t part_offset; /* of the part in the file's data; above 0, the
			     * record was in an earlier slot already */
	bool ends_page;	      /* a manifest page ends behind this slot */
	bool is_skipped;      /* the block is not wanted: raw is not filled */
	size_t raw_size;      /* bytes of the block; 0: no block */
	uint8_t *raw;	      /* the rule's max bytes; see slot_align() */
	struct frame_ref frame_ref; /* from an image: where the frame is */
	struct old_view *old;	    /* one a record, or NULL: no older tree */
	struct old_gone *gone;	    /* in order; not what is below another */
	size_t gone_count;

	/* What work says. */
	struct digest name; /* of the block */
	uint8_t *frame;	    /* frame_size_max() bytes, when asked for */
	size_t frame_size;
	struct digest frame_digest;

	uint8_t *rows; /* from a tree: what the system says about each record,
			* as in rows.h; NULL: nothing */
	void *extra;   /* the source's own, in arena; NULL at first */

	/* Memory of the records and of raw. */
	struct arena arena;
	uint8_t *raw_memory;
	size_t record_capacity;

	/* The flow's own. */
	int state;
	unsigned holders;
};

/*
 * Before raw is filled with data that is at `offset` in its file: let it begin
 * as far behind a page's start in memory as it does there, so that whole
 * pages can be written directly (pf_direct.h).
 */
void slot_align(struct slot *slot, uint64_t offset);

/* Room for one more record, cleared; NULL when out of memory. */
struct record *slot_add_record(struct slot *slot);

/* A thread of a lane; scratch is the lane's to use, NULL at first. */
struct lane_thread {
	struct lane *lane;
	void *scratch;
	struct pf_thread *thread;
};

struct lane {
	/* The caller's. */
	void *context;
	unsigned thread_count;
	bool is_patient; /* no lane is set aside for its sake */

	/* In order, one at a time: what later slots build on. */
	int (*begin)(struct lane_thread *thread, const struct slot *slot);
	/*
	 * The rest, at the same time as other slots of this lane; may be NULL.
	 * Called after each begin that returned 0.
	 */
	int (*finish)(struct lane_thread *thread, const struct slot *slot);
	/* When a thread ends: free its scratch; may be NULL. */
	void (*end_thread)(struct lane_thread *thread);

	/* Results. */
	uint64_t next;	 /* the first slot it has not begun; where to go on */
	int err;	 /* why it failed; reported */
	bool is_aside;	 /* set aside, see above */
	bool is_stalled; /* still inside a call when the flow ended */

	/* The flow's own. */
	struct flow *flow;
	struct lane_thread *threads;
	unsigned busy; /* threads inside begin or finish */
	bool is_beginning;
	int64_t busy_since;
};

struct flow_params {
	unsigned worker_count;

	/*
	 * There is one lane, with worker_count threads, which do everything:
	 * they fill and work, too.
	 */
	bool lane_works;
	unsigned slot_count;
	size_t raw_max;		   /* bytes of a slot's raw */
	size_t frame_max;	   /* bytes of a slot's frame; 0: none */
	unsigned stall_timeout_ms; /* how long the end waits for a lane that
				    * makes no progress */
	void *context;

	/*
	 * Fill the slot, or set *ret_is_end.  The error is reported.
	 */
	int (*fill)(void *context, struct slot *slot, bool *ret_is_end);
	int (*work)(void *context, unsigned worker, struct slot *slot);
};

/*
 * Run until fill has ended and every lane is through, failed or aside.
 * lanes[i]->next says where lane i begins.  Returns what fill or work failed
 * with; DSP_ECANCELED when a signal came.
 */
int flow_run(const struct flow_params *params, struct lane **lanes,
	     size_t lane_count);

#endif
