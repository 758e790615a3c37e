/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/path.h"
#include "core/tree/expand_int.h"
#include "platform/pf_process.h"

static void
free_node(struct node *node)
{
	pf_close(node->fd);
	arena_release(&node->arena);
	free(node);
}

/* Give a directory its attributes; a failure is remembered. */
static void
finish_dir(struct expand *expand, struct node *node)
{
	struct pf_stat stat;
	const char *name = node->parent != NULL ? node->name
						: expand->params.name;
	struct node above = { .fd = node->parent != NULL
					    ? node->parent->fd
					    : expand->params.parent };
	int err = expand_set_attributes(expand, &above, name, node->fd,
					&node->record, &stat);

	if (err == 0)
		err = expand_write_row(expand, &node->record, node->ordinal,
				       &stat);
	expand_note(expand, err);
}

void
expand_leave(struct expand *expand, struct node *node)
{
	while (node != NULL && atomic_fetch_sub(&node->refs, 1) == 1) {
		struct node *parent = node->parent;

		if (atomic_load(&expand->err) == 0)
			finish_dir(expand, node);
		free_node(node);
		node = parent;
	}
}

/* Open the directory name below dir, made here unless is_old. */
static int
open_node(int dir, const char *name, bool is_old, const struct record *record,
	  struct node *parent, struct node **ret_node)
{
	struct node *node = calloc(1, sizeof *node);
	int err = DSP_ENOMEM;

	if (node == NULL)
		return err;
	node->fd = -1;
	node->parent = parent;
	err = record_copy(record, &node->arena, &node->record);
	if (err == 0 && !is_old)
		err = pf_mkdir_at(dir, name, 0700);
	if (err == 0)
		err = pf_open_dir_at(dir, name, &node->fd);
	if (err == DSP_EACCES && is_old && pf_set_mode_at(dir, name, 0700) == 0)
		err = pf_open_dir_at(dir, name, &node->fd);
	if (err == 0 && is_old)
		err = pf_set_mode_fd(node->fd, 0700);

	/*
	 * What is made in it gets no access list that nobody packed: not from
	 * the directory above the top, and not from a kept directory's own
	 * default list.  That one gets the attributes of the new version.
	 */
	if (err == 0 && (is_old || parent == NULL))
		err = expand_clear_attributes(dir, name);
	if (err < 0) {
		free_node(node);
		return err;
	}
	node->name = record_name(&node->record);
	atomic_init(&node->refs, 1);
	*ret_node = node;
	return 0;
}

static int
push(struct expand *expand, struct node *node)
{
	if (expand->depth == expand->stack_capacity) {
		size_t capacity = expand->stack_capacity * 2 + 16;
		struct node **stack =
			realloc(expand->stack, capacity * sizeof *stack);

		if (stack == NULL)
			return DSP_ENOMEM;
		expand->stack = stack;
		expand->stack_capacity = capacity;
	}
	expand->stack[expand->depth++] = node;
	return 0;
}

void
expand_leave_to(struct expand *expand, size_t depth)
{
	while (expand->depth > depth)
		expand_leave(expand, expand->stack[--expand->depth]);
}

/* Whom do new files belong to?  Asked of the top, which was just made. */
static void
find_own(struct expand *expand, int top)
{
	struct pf_stat stat;

	pf_own_ids(&expand->own_uid, &expand->own_gid);
	expand->has_own =
		pf_stat_fd(top, &stat) == 0 && (stat.mode & 02000) == 0 &&
		stat.uid == expand->own_uid && stat.gid == expand->own_gid;
}

/* Followers find this tree's files through a descriptor of their own. */
static int
show_top(struct expand *expand, int top)
{
	int copy = -1;
	int err = pf_duplicate(top, &copy);

	pf_lock(expand->lock);
	expand->top = copy;
	pf_unlock(expand->lock);
	return err;
}

int
expand_begin_dir(struct expand *expand, const struct slot *slot, size_t i,
		 struct node *parent, bool is_old)
{
	const struct record *record = &slot->records[i];
	struct node *node;
	int dir = parent != NULL ? parent->fd : expand->params.parent;
	const char *name = parent != NULL ? record_name(record)
					  : expand->params.name;
	struct pf_stat stat;
	int err;

	/*
	 * Has somebody put anything into the old directory, or taken it out
	 * (S1)?  The top was looked at before it was renamed.
	 */
	if (is_old && parent != NULL &&
	    !rows_reader_holds(expand->params.old_rows, slot->old[i].ordinal,
			       dir, name, &stat)) {
		atomic_store(&expand->is_spoiled, true);
		return DSP_EDIFFERS;
	}
	err = open_node(dir, name, is_old, record, parent, &node);
	if (err < 0)
		return expand_fail(expand, err, record,
				   is_old ? "opening the directory"
					  : "making the directory");
	node->ordinal = slot->ordinal + i;
	if (parent != NULL)
		atomic_fetch_add(&parent->refs, 1);
	else if (!is_old)
		find_own(expand, node->fd);
	if (parent == NULL)
		err = show_top(expand, node->fd);
	if (err == 0)
		err = push(expand, node);
	if (err < 0) {
		expand_leave(expand, node);
		return expand_fail(expand, err, record, "making the directory");
	}
	return 0;
}
