/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXPAND_H
#define EXPAND_H

/*
 * expand - writes a package as a directory tree: one lane of a flow.
 *
 * The tree is made below a directory that only its owner may enter, and is
 * given its own permission bits last; who publishes it renames it.  Every
 * directory is opened once, without following links, and everything in it is
 * made through that descriptor: nobody who swaps a directory for a link
 * while the tree is written can lead a byte elsewhere (S16).
 *
 * A directory gets its owner, attributes, bits and time when the last thing
 * below it is done, whichever thread that is.
 *
 * Where the file system can, a file shares its blocks with one that holds the
 * same bytes: the source's, if it has not changed since it was hashed, or the
 * one that another expand, the leader, wrote before.
 *
 * An older tree can be recycled: what is the same stays, what differs is
 * replaced by a new file, what is gone is removed.  A file stays only while
 * its state row holds (S1).
 *
 * Errors     reported, with the path.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/image/record.h"
#include "core/tree/flow.h"
#include "core/tree/flusher.h"
#include "core/tree/owners.h"
#include "core/tree/rows.h"

struct expand;

struct expand_params {
	int parent;	       /* directory to make the tree in; borrowed */
	const char *name;      /* of the tree's top in it */
	const char *shown;     /* what messages call the top; borrowed */
	struct owners *owners; /* borrowed; NULL: owners are left alone */
	unsigned thread_count;
	int rows; /* file for the state rows, or -1; borrowed */

	/*
	 * NULL: the top must be absent and is made.  Else it is an older tree,
	 * these are its rows, borrowed, and slots come with `old` and `gone`.
	 */
	struct rows_reader *old_rows;

	/*
	 * Which records to write; NULL: all.  Directories above wanted ones
	 * must be wanted.
	 */
	bool (*wants)(void *context, const struct record *record);
	void *wants_context;
};

/* Make or open the top.  Gives *ret_expand, ended with expand_free(). */
int expand_new(const struct expand_params *params, struct expand **ret_expand);
void expand_free(struct expand *expand);

/*
 * Share blocks with the files below source_top, borrowed, which the slots
 * have rows about; or with those that leader makes, which runs in the same
 * flow and was begun with the same records.  Before the flow runs; all with
 * one thread.  Not for a recycled tree, which shares with its old self.
 */
void expand_clone_source(struct expand *expand, int source_top);
void expand_clone_leader(struct expand *expand, struct expand *leader);

/* Tell flusher, borrowed, of what is written. */
void expand_flush_by(struct expand *expand, struct flusher *flusher);

/* The lane to give to flow_run(); lent until expand_free(). */
struct lane *expand_lane(struct expand *expand);

/*
 * After the flow: let go of the open directories, so that they get their
 * final attributes.  Call it also when the lane failed.  Returns the lane's
 * error, or a new one.
 */
int expand_finish(struct expand *expand);

/*
 * Something that the tree was to be made of was not what it should be, and
 * the data to mend it were not in the slot: the tree must be made anew,
 * without an older tree and without clones.
 */
bool expand_is_spoiled(const struct expand *expand);

/* So far, for progress: bytes written into files; files written, kept. */
uint64_t expand_bytes_written(const struct expand *expand);
uint64_t expand_files_written(const struct expand *expand);
uint64_t expand_files_kept(const struct expand *expand);

#endif
