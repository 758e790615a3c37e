/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/expand.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "core/tree/below.h"
#include "core/tree/expand_int.h"
#include "core/tree/remove.h"
#include "platform/pf_direct.h"
#include "platform/pf_process.h"
#include "platform/pf_xattr.h"

int
expand_fail(struct expand *expand, int err, const struct record *record,
	    const char *what)
{
	struct buffer path = { 0 };
	const char *shown = expand->params.shown;

	if (buffer_add(&path, shown, strlen(shown)) == 0 &&
	    buffer_add(&path, "/", record->path_size > 0) == 0 &&
	    buffer_add(&path, record->path, (size_t)record->path_size + 1) == 0)
		report_error(err, (const char *)path.data, "%s", what);
	else
		report_error(err, shown, "%s", what);
	buffer_release(&path);
	return err;
}

int
expand_note(struct expand *expand, int err)
{
	int none = 0;

	if (err < 0)
		atomic_compare_exchange_strong(&expand->err, &none, err);
	return err;
}

/* What the system said about the record's file in the source, or NULL. */
static const uint8_t *
row_of(const struct slot *slot, size_t i)
{
	return slot->rows != NULL ? slot->rows + i * ROW_SIZE : NULL;
}

int
expand_write_row(struct expand *expand, const struct record *record,
		 uint64_t ordinal, const struct pf_stat *stat)
{
	uint8_t row[ROW_SIZE];
	struct pf_stat here = *stat;
	int err;

	if (expand->params.rows < 0)
		return 0;
	here.device = 0; /* may change from mount to mount */
	row_put(row, &here);
	err = pf_write_at(expand->params.rows, row, sizeof row,
			  ROWS_HEADER_SIZE + ordinal * ROW_SIZE);
	return err < 0 ? expand_fail(expand, err, record, "writing its state")
		       : 0;
}

/* Large files. */

static void
free_large(struct large *large)
{
	pf_close(large->fd);
	arena_release(&large->arena);
	free(large);
}

/* The last part is written: what remains to be said about the file. */
static int
leave_large(struct expand *expand, struct large *large, const struct slot *slot)
{
	const struct record *record = &large->record;
	struct pf_stat stat;
	int err = atomic_load(&expand->err);

	if (atomic_fetch_sub(&large->refs, 1) != 1)
		return 0;
	if (err == 0 && record->is_sparse && !large->is_clone) {
		err = pf_set_size(large->fd, record->size);
		if (err < 0)
			expand_fail(expand, err, record, "setting the size");
	}
	if (err == 0 && large->is_clone)
		err = expand_end_clone(expand, record,
				       row_of(slot, slot->record_count - 1),
				       slot->number, large->fd);
	if (err == 0)
		err = expand_set_attributes(expand, large->node, large->name,
					    large->fd, record, &stat);
	if (err == 0)
		err = expand_write_row(expand, record, large->ordinal, &stat);
	if (err == 0) {
		err = pf_close_checked(large->fd);
		large->fd = -1;
		if (err < 0)
			expand_fail(expand, err, record, "closing");
	}
	if (err == 0)
		atomic_fetch_add(&expand->files_written, 1);
	expand_leave(expand, large->node);
	free_large(large);
	return err;
}

static int
begin_large(struct expand *expand, const struct slot *slot, size_t i,
	    struct node *parent, bool is_old)
{
	const struct record *record = &slot->records[i];
	struct large *large = calloc(1, sizeof *large);
	int err = DSP_ENOMEM;

	if (large == NULL)
		return expand_fail(expand, err, record, "writing");
	large->fd = -1;
	large->ordinal = slot->ordinal + i;
	err = record_copy(record, &large->arena, &large->record);
	if (err < 0)
		goto out;
	large->name = record_name(&large->record);
	if (is_old)
		err = pf_unlink_at(parent->fd, large->name);
	if (err == 0)
		err = pf_create_at(parent->fd, large->name,
				   expand_first_mode(record), &large->fd);
	if (err < 0)
		goto out;
	large->is_clone =
		expand_begin_clone(expand, record, row_of(slot, i), large->fd);
	large->is_direct = !large->is_clone && pf_direct_pays(large->fd);
	large->node = parent;
	atomic_fetch_add(&parent->refs, 1);
	atomic_init(&large->refs, 1);
	expand->large = large;
	return 0;
out:
	free_large(large);
	return expand_fail(expand, err, record, "making the file");
}

/* The lane. */

static int
grow_scratch(struct lane_thread *thread, size_t count, bool has_rows)
{
	struct expand *expand = thread->lane->context;
	struct expand_scratch *scratch = thread->scratch;

	if (scratch == NULL) {
		scratch = calloc(1, sizeof *scratch);
		if (scratch == NULL)
			return DSP_ENOMEM;
		pf_lock(expand->lock); /* see wait_for_earlier() */
		thread->scratch = scratch;
		pf_unlock(expand->lock);
	}
	if (count > scratch->node_capacity) {
		struct node **nodes =
			realloc(scratch->nodes, count * sizeof *nodes);

		if (nodes == NULL)
			return DSP_ENOMEM;
		scratch->nodes = nodes;
		scratch->node_capacity = count;
	}
	if (has_rows && count > scratch->row_capacity) {
		uint8_t *rows = realloc(scratch->rows, count * ROW_SIZE);

		if (rows == NULL)
			return DSP_ENOMEM;
		scratch->rows = rows;
		scratch->row_capacity = count;
	}
	memset(scratch->nodes, 0, count * sizeof *scratch->nodes);
	return 0;
}

static void
end_thread(struct lane_thread *thread)
{
	struct expand *expand = thread->lane->context;
	struct expand_scratch *scratch = thread->scratch;

	pf_lock(expand->lock);
	thread->scratch = NULL;
	pf_unlock(expand->lock);
	if (scratch == NULL)
		return;
	free(scratch->nodes);
	free(scratch->rows);
	free(scratch);
}

/* The slot is through: let go of the directories its files are in. */
static void
leave_nodes(struct expand *expand, struct expand_scratch *scratch,
	    const struct slot *slot)
{
	size_t count = slot->record_count;

	for (size_t i = 0; i < count; i++)
		expand_leave(expand, scratch->nodes[i]);
	pf_lock(expand->lock);
	scratch->is_inside = false;
	if (atomic_load(&expand->err) == 0)
		expand->done_number = slot->number + 1;
	pf_signal(expand->moved);
	pf_unlock(expand->lock);
}

static int
remove_gone(struct expand *expand, const struct old_gone *gone)
{
	size_t depth = path_depth(gone->path, gone->path_size);
	size_t start = path_name_start(gone->path, gone->path_size);

	expand_leave_to(expand, depth);
	assert(depth > 0 && expand->depth == depth);
	return remove_tree(expand->stack[depth - 1]->fd, gone->path + start,
			   expand->params.shown);
}

/* Is the old tree's file the one that its row is about, and ours alone? */
static bool
old_holds(struct expand *expand, const struct node *node, const char *name,
	  uint64_t old_ordinal, struct pf_stat *ret_stat)
{
	return rows_reader_holds(expand->params.old_rows, old_ordinal, node->fd,
				 name, ret_stat) &&
	       ret_stat->link_count == 1;
}

/* One record, in order: enter directories, find out where files go. */
static int
begin_record(struct expand *expand, const struct slot *slot, size_t i,
	     struct expand_scratch *scratch)
{
	const struct record *record = &slot->records[i];
	enum old_what old = slot->old != NULL && expand->params.old_rows != NULL
				    ? slot->old[i].what
				    : OLD_NONE;
	size_t depth = record_depth(record);
	struct node *parent;
	struct pf_stat stat;
	int err = 0;

	if (expand->params.wants != NULL &&
	    !expand->params.wants(expand->params.wants_context, record))
		return 0;
	expand_leave_to(expand, depth);
	assert(expand->depth == depth);
	parent = depth > 0 ? expand->stack[depth - 1] : NULL;
	if (record->type == RECORD_DIR) {
		if (old == OLD_OTHER)
			err = remove_tree(parent->fd, record_name(record),
					  expand->params.shown);
		if (err < 0)
			return err;
		return expand_begin_dir(expand, slot, i, parent,
					old == OLD_SAME);
	}
	if (slot->is_part && i + 1 == slot->record_count) {
		/* A large file that stays is kept in finish. */
		if (old != OLD_SAME ||
		    (!slot->is_skipped &&
		     !old_holds(expand, parent, record_name(record),
				slot->old[i].ordinal, &stat))) {
			if (old == OLD_OTHER)
				err = remove_tree(parent->fd,
						  record_name(record),
						  expand->params.shown);
			if (err < 0)
				return err;
			return begin_large(expand, slot, i, parent,
					   old == OLD_SAME);
		}
	} else if (old == OLD_OTHER) {
		err = remove_tree(parent->fd, record_name(record),
				  expand->params.shown);
		if (err < 0)
			return err;
	}
	atomic_fetch_add(&parent->refs, 1);
	scratch->nodes[i] = parent;
	return 0;
}

static int
begin(struct lane_thread *thread, const struct slot *slot)
{
	struct expand *expand = thread->lane->context;
	struct expand_scratch *scratch;
	size_t gone = 0;
	int err = grow_scratch(thread, slot->record_count + 1,
			       expand->params.rows >= 0);

	if (err < 0)
		return report_error(err, expand->params.shown, "writing");
	scratch = thread->scratch;
	scratch->large = NULL;
	for (size_t i = 0; err == 0 && i <= slot->record_count; i++) {
		for (; err == 0 && expand->params.old_rows != NULL &&
		       gone < slot->gone_count && slot->gone[gone].before == i;
		     gone++)
			err = remove_gone(expand, &slot->gone[gone]);

		/* Of a further part of a large file nothing is left to do. */
		if (err == 0 && i < slot->record_count &&
		    slot->part_offset == 0)
			err = begin_record(expand, slot, i, scratch);
	}
	if (err == 0 && slot->is_part && expand->large != NULL) {
		struct large *large = expand->large;
		const struct record *record =
			&slot->records[slot->record_count - 1];

		atomic_fetch_add(&large->refs, 1);
		scratch->large = large;

		/*
		 * Here, and not in finish: the system lets one thread at a time
		 * write to a file, and the others have better to do than wait.
		 */
		if (!large->is_clone)
			err = expand_write_part(expand, large, slot);
		if (err == 0 &&
		    slot->part_offset + slot->raw_size == record->data_size) {
			expand->large = NULL;
			err = leave_large(expand, large, slot);
		}
	}
	if (err < 0) {
		expand_note(expand, err);
		if (scratch->large != NULL)
			(void)leave_large(expand, scratch->large, slot);
		leave_nodes(expand, scratch, slot);
		return err;
	}
	pf_lock(expand->lock);
	scratch->slot_number = slot->number;
	scratch->is_inside = true;
	pf_unlock(expand->lock);
	return 0;
}

static int
make_file(struct expand *expand, struct node *node, const char *name,
	  const struct slot *slot, size_t i, const uint8_t *data,
	  struct pf_stat *ret_stat)
{
	const struct record *record = &slot->records[i];
	bool is_clone;
	int fd = -1;
	int err = pf_create_at(node->fd, name, expand_first_mode(record), &fd);

	if (err < 0)
		return expand_fail(expand, err, record, "making the file");
	is_clone = expand_clone_small(expand, record, row_of(slot, i),
				      slot->number, fd);
	if (!is_clone)
		err = expand_write_small(expand, fd, record, data);
	if (err == 0 && record->is_sparse && !is_clone) {
		err = pf_set_size(fd, record->size);
		if (err < 0)
			expand_fail(expand, err, record, "setting the size");
	}
	if (err == 0)
		err = expand_set_attributes(expand, node, name, fd, record,
					    ret_stat);
	if (err == 0) {
		err = pf_close_checked(fd);
		fd = -1;
		if (err < 0)
			expand_fail(expand, err, record, "closing");
	}
	pf_close(fd);
	if (err == 0)
		atomic_fetch_add(&expand->files_written, 1);
	return err;
}

static int
make_symlink(struct expand *expand, struct node *node, const char *name,
	     const struct record *record, struct pf_stat *ret_stat)
{
	int err = pf_symlink_at(record->target, node->fd, name);

	if (err < 0)
		return expand_fail(expand, err, record, "making the link");
	return expand_set_attributes(expand, node, name, -1, record, ret_stat);
}

/* Wait until the slots before this one are through: their files exist. */
static void
wait_for_earlier(struct lane_thread *thread)
{
	struct expand_scratch *mine = thread->scratch;
	struct lane *lane = thread->lane;
	struct expand *expand = lane->context;
	bool must_wait = true;

	pf_lock(expand->lock);
	while (must_wait && atomic_load(&expand->err) == 0) {
		must_wait = false;
		for (unsigned i = 0; i < lane->thread_count; i++) {
			const struct expand_scratch *other =
				lane->threads[i].scratch;

			if (other != NULL && other->is_inside &&
			    other->slot_number < mine->slot_number)
				must_wait = true;
		}
		if (must_wait)
			pf_wait_for(expand->moved, expand->lock, 100);
	}
	pf_unlock(expand->lock);
}

static int
make_hardlink(struct lane_thread *thread, struct node *node, const char *name,
	      const struct record *record, struct pf_stat *ret_stat)
{
	struct expand *expand = thread->lane->context;
	size_t start = path_name_start(record->target, record->target_size);
	int top = -1;
	int dir = -1;
	int err;

	wait_for_earlier(thread);
	err = pf_open_dir_at(expand->params.parent, expand->params.name, &top);
	if (err == 0)
		err = below_open_dir(top, record->target, record->target_size,
				     &dir);
	if (err == 0)
		err = pf_stat_at(dir, record->target + start, ret_stat);

	/* The manifest must have made it, as something that can have names. */
	if (err == DSP_ENOENT || err == DSP_ENOTDIR || err == DSP_ELOOP ||
	    (err == 0 && ret_stat->type != PF_FILE &&
	     ret_stat->type != PF_LINK))
		err = DSP_ECORRUPT;
	if (err == 0)
		err = pf_link_at(dir, record->target + start, node->fd, name);
	if (err == 0)
		err = pf_stat_at(node->fd, name, ret_stat);
	pf_close(dir);
	pf_close(top);
	return err < 0 ? expand_fail(expand, err, record,
				     "making the hard link")
		       : 0;
}

/*
 * Something the same stands there already.  *ret_done is false when it has
 * to be made anew after all; it is then gone.
 */
static int
keep_old(struct expand *expand, struct node *node, const char *name,
	 const struct record *record, uint64_t old_ordinal, bool has_data,
	 struct pf_stat *ret_stat, bool *ret_done)
{
	if (old_holds(expand, node, name, old_ordinal, ret_stat)) {
		*ret_done = true;
		if (record->type == RECORD_FILE)
			atomic_fetch_add(&expand->files_kept, 1);
		return expand_adjust_attributes(expand, node, name, record,
						ret_stat);
	}

	/* Somebody touched it: what it holds is not known any more (S1). */
	if (!has_data) {
		atomic_store(&expand->is_spoiled, true);
		return DSP_EDIFFERS;
	}
	*ret_done = false;
	return remove_tree(node->fd, name, expand->params.shown);
}

static int
make_one(struct lane_thread *thread, const struct slot *slot, size_t i,
	 const uint8_t *data, struct pf_stat *ret_stat)
{
	struct expand *expand = thread->lane->context;
	struct expand_scratch *scratch = thread->scratch;
	const struct record *record = &slot->records[i];
	struct node *node = scratch->nodes[i];
	const char *name = record_name(record);
	bool is_file = record->type == RECORD_FILE;
	bool is_part = slot->is_part && i + 1 == slot->record_count;
	bool is_done = false;
	int err = 0;

	if (slot->old != NULL && expand->params.old_rows != NULL &&
	    slot->old[i].what == OLD_SAME)
		err = keep_old(expand, node, name, record, slot->old[i].ordinal,
			       !is_file || record->data_size == 0 ||
				       (!slot->is_skipped && !is_part),
			       ret_stat, &is_done);
	if (err < 0 || is_done)
		return err;
	assert(!is_file || record->data_size == 0 || !slot->is_skipped);
	switch (record->type) {
	case RECORD_FILE:
		return make_file(expand, node, name, slot, i, data, ret_stat);
	case RECORD_SYMLINK:
		return make_symlink(expand, node, name, record, ret_stat);
	case RECORD_HARDLINK:
		return make_hardlink(thread, node, name, record, ret_stat);
	case RECORD_DIR:
		break;
	}
	return 0;
}

/* The rows of the slot's records, where they are known by now. */
static int
write_rows(struct expand *expand, const struct slot *slot,
	   const struct expand_scratch *scratch, size_t count)
{
	int err = 0;

	if (expand->params.rows < 0 || slot->part_offset > 0)
		return 0;

	/* In one piece between directories, which write their own. */
	for (size_t start = 0, i = 0; err == 0 && i <= count; i++) {
		uint64_t at =
			ROWS_HEADER_SIZE + (slot->ordinal + start) * ROW_SIZE;

		if (i < count && slot->records[i].type != RECORD_DIR)
			continue;
		if (i > start)
			err = pf_write_at(expand->params.rows,
					  scratch->rows + start * ROW_SIZE,
					  (i - start) * ROW_SIZE, at);
		start = i + 1;
	}
	return err < 0 ? report_error(err, expand->params.shown,
				      "writing the state of its files")
		       : 0;
}

static int
finish_small(struct lane_thread *thread, const struct slot *slot)
{
	struct expand *expand = thread->lane->context;
	struct expand_scratch *scratch = thread->scratch;
	bool has_rows = expand->params.rows >= 0;
	/* A large file writes its own row, when its last part is there. */
	size_t count = slot->record_count - (scratch->large != NULL);
	const uint8_t *data = slot->raw;
	int err = 0;

	if (has_rows)
		memset(scratch->rows, 0, slot->record_count * ROW_SIZE);
	for (size_t i = 0; err == 0 && i < count; i++) {
		const struct record *record = &slot->records[i];
		struct pf_stat stat;

		if (scratch->nodes[i] != NULL) {
			err = make_one(thread, slot, i, data, &stat);
			stat.device = 0;
			if (err == 0 && has_rows)
				row_put(scratch->rows + i * ROW_SIZE, &stat);
		}
		if (record->type == RECORD_FILE)
			data += record->data_size;
	}
	if (err == 0)
		err = write_rows(expand, slot, scratch, count);
	return err;
}

static int
finish(struct lane_thread *thread, const struct slot *slot)
{
	struct expand *expand = thread->lane->context;
	struct expand_scratch *scratch = thread->scratch;
	int err = atomic_load(&expand->err); /* another thread's */

	if (err == 0 && slot->part_offset == 0)
		err = finish_small(thread, slot);
	if (scratch->large != NULL) {
		int large_err;

		expand_note(expand, err);
		large_err = leave_large(expand, scratch->large, slot);
		if (err == 0)
			err = large_err;
	}
	expand_note(expand, err);
	leave_nodes(expand, scratch, slot);
	return err;
}

int
expand_new(const struct expand_params *params, struct expand **ret_expand)
{
	struct expand *expand = calloc(1, sizeof *expand);

	assert(params->thread_count > 0);
	if (expand == NULL)
		goto out;
	expand->params = *params;
	expand->source_top = expand->top = -1;
	expand->lock = pf_lock_new();
	expand->moved = pf_condition_new();
	if (expand->lock == NULL || expand->moved == NULL)
		goto out;
	expand->lane.context = expand;
	expand->lane.thread_count = params->thread_count;
	expand->lane.begin = begin;
	expand->lane.finish = finish;
	expand->lane.end_thread = end_thread;
	*ret_expand = expand;
	return 0;
out:
	expand_free(expand);
	return report_error(DSP_ENOMEM, params->shown, "writing");
}

void
expand_free(struct expand *expand)
{
	if (expand == NULL)
		return;
	free(expand->stack);
	cloner_free(expand->cloner);
	pf_close(expand->top);
	pf_lock_free(expand->lock);
	pf_condition_free(expand->moved);
	free(expand);
}

void
expand_clone_source(struct expand *expand, int source_top)
{
	assert(expand->params.thread_count == 1);
	if (expand->params.old_rows == NULL)
		expand->source_top = source_top;
}

void
expand_clone_leader(struct expand *expand, struct expand *leader)
{
	assert(expand->params.thread_count == 1);
	assert(leader->params.thread_count == 1 && leader != expand);
	if (expand->params.old_rows == NULL)
		expand->leader = leader;
}

void
expand_flush_by(struct expand *expand, struct flusher *flusher)
{
	expand->flusher = flusher;
}

struct lane *
expand_lane(struct expand *expand)
{
	return &expand->lane;
}

int
expand_finish(struct expand *expand)
{
	if (expand->large != NULL) {
		struct large *large = expand->large;

		expand->large = NULL;
		expand_note(expand, DSP_ECANCELED);
		leave_large(expand, large, NULL); /* nothing is finished */
	}
	expand_leave_to(expand, 0);
	if (expand->lane.err == 0)
		expand->lane.err = atomic_load(&expand->err);
	return expand->lane.err;
}

bool
expand_is_spoiled(const struct expand *expand)
{
	return atomic_load(&expand->is_spoiled);
}

uint64_t
expand_bytes_written(const struct expand *expand)
{
	return atomic_load(&expand->bytes_written);
}

uint64_t
expand_files_written(const struct expand *expand)
{
	return atomic_load(&expand->files_written);
}

uint64_t
expand_files_kept(const struct expand *expand)
{
	return atomic_load(&expand->files_kept);
}
