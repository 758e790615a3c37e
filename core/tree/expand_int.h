/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXPAND_INT_H
#define EXPAND_INT_H

/* expand_int - what the files of expand share. */

#include <stdatomic.h>

#include "core/tree/cloner.h"
#include "core/tree/expand.h"
#include "platform/pf_file.h"
#include "platform/pf_thread.h"

/*
 * A directory of the tree, open while somebody needs it: the walk that is
 * inside it, its open children, the slots with files in it.
 */
struct node {
	struct node *parent; /* NULL: the top */
	int fd;
	atomic_uint refs;
	struct arena arena; /* of record */
	struct record record;
	const char *name; /* in parent */
	uint64_t ordinal; /* of its record */
};

/* A file of more than one block, open while its slots are under way. */
struct large {
	int fd;
	atomic_uint refs;
	struct node *node;
	struct arena arena; /* of record */
	struct record record;
	const char *name;
	uint64_t ordinal;
	bool is_clone;	/* its blocks are another file's */
	bool is_direct; /* written past the page cache, where that can be */
};

struct expand {
	struct expand_params params;
	struct lane lane;

	/*
	 * What is made here belongs to these without being told so; not known
	 * (has_own false) in a recycled tree, or below a set-group-id top.
	 */
	bool has_own;
	uint32_t own_uid, own_gid;

	/* begin only: where the walk is. */
	struct node **stack;
	size_t depth;
	size_t stack_capacity;
	struct large *large;

	/* Which slots are inside finish, so that links wait for their files. */
	struct pf_lock *lock;
	struct pf_condition *moved;

	atomic_int err; /* the first failure; later work is only let go of */

	struct flusher *flusher; /* NULL: none */

	/* Cloning: from the source, or from a leader. */
	int source_top; /* -1: not */
	struct expand *leader;
	struct cloner *cloner; /* made when first used */
	bool is_clone_off;     /* it does not work here */

	/* For followers; under lock. */
	int top;	      /* a descriptor of the top, or -1 */
	uint64_t done_number; /* slots before this one are through */
	atomic_bool is_spoiled;
	atomic_bool has_left_xattrs; /* said already */
	atomic_ullong bytes_written;
	atomic_ullong files_written;
	atomic_ullong files_kept;
};

/* A thread's own memory, which grows to its largest slot. */
struct expand_scratch {
	struct node **nodes; /* of each record of the slot; NULL: skip it */
	size_t node_capacity;
	uint8_t *rows;
	size_t row_capacity;
	struct large *large; /* that the slot has a part of */
	uint64_t slot_number;
	bool is_inside; /* finish */
};

/* Report err about a path of the tree.  Returns err. */
int expand_fail(struct expand *expand, int err, const struct record *record,
		const char *what);

/* Remember the first error.  Returns err. */
int expand_note(struct expand *expand, int err);

/* Write down what the system says about a record's file or directory. */
int expand_write_row(struct expand *expand, const struct record *record,
		     uint64_t ordinal, const struct pf_stat *stat);

/* Enter the directory of the slot's record i; is_old: it stands there. */
int expand_begin_dir(struct expand *expand, const struct slot *slot, size_t i,
		     struct node *parent, bool is_old);

/* Leave the directories that something at this depth is not below. */
void expand_leave_to(struct expand *expand, size_t depth);

/* With which bits a file is made; expand_set_attributes() sets the rest. */
unsigned expand_first_mode(const struct record *record);

/* Take away what attributes name in dir has, but those of the system. */
int expand_clear_attributes(int dir, const char *name);

/*
 * Give the object at name in node, which fd is open on unless it is a
 * symbolic link, what the record says besides its data; *ret_stat is what it
 * then is.
 */
int expand_set_attributes(struct expand *expand, struct node *node,
			  const char *name, int fd, const struct record *record,
			  struct pf_stat *ret_stat);

/*
 * The same for something that stays from an older tree, of which *stat is
 * known: only what differs is set.
 */
int expand_adjust_attributes(struct expand *expand, struct node *node,
			     const char *name, const struct record *record,
			     struct pf_stat *stat);

/* Write the data of a small file to fd. */
int expand_write_small(struct expand *expand, int fd,
		       const struct record *record, const uint8_t *data);

/* Write the slot's part of the large file; one thread at a time. */
int expand_write_part(struct expand *expand, struct large *large,
		      const struct slot *slot);

/*
 * Give the new file fd the blocks of one that holds the same bytes; row is
 * about the source's, number is the slot's.  False: write it.
 */
bool expand_clone_small(struct expand *expand, const struct record *record,
			const uint8_t *row, uint64_t number, int fd);

/* The same for a large file, when it is begun and when its last slot ended. */
bool expand_begin_clone(struct expand *expand, const struct record *record,
			const uint8_t *row, int fd);
int expand_end_clone(struct expand *expand, const struct record *record,
		     const uint8_t *row, uint64_t number, int fd);

/* Let go of a directory; the last one gives it its attributes. */
void expand_leave(struct expand *expand, struct node *node);

#endif
