/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fanout/merge.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "core/image/walk.h"

struct merge {
	struct image *old;
	struct walk *walk;
	bool has_old; /* the walk stands on a record not dealt with */
	bool is_started;
	struct arena arena; /* of gone, until it is in a slot */
	struct old_gone *gone;
	size_t gone_count;
	size_t gone_capacity;
	char *last_gone; /* paths below it are gone with it */
	size_t last_gone_size;
	size_t records_seen; /* since the last slot was filled */
};

int
merge_new(struct image *old, struct merge **ret_merge)
{
	struct merge *merge = calloc(1, sizeof *merge);
	int err = DSP_ENOMEM;

	if (merge == NULL)
		goto out;
	merge->old = old;
	merge->last_gone = malloc(PATH_SIZE_MAX + 1);
	if (merge->last_gone == NULL)
		goto out;
	err = walk_new(old, &merge->walk);
	if (err < 0)
		goto out;
	*ret_merge = merge;
	return 0;
out:
	if (err == DSP_ENOMEM)
		report_error(err, image_name(old), "comparing versions");
	merge_free(merge);
	return err;
}

void
merge_free(struct merge *merge)
{
	if (merge == NULL)
		return;
	walk_free(merge->walk);
	arena_release(&merge->arena);
	free(merge->gone);
	free(merge->last_gone);
	free(merge);
}

static int
advance(struct merge *merge)
{
	enum walk_step step;
	int err;

	do
		err = walk_next(merge->walk, &step);
	while (err == 0 && step != WALK_RECORD && step != WALK_END);
	merge->has_old = err == 0 && step == WALK_RECORD;
	return err;
}

/* The old record's path is not in the new version. */
static int
add_gone(struct merge *merge)
{
	const struct record *old = &walk_view(merge->walk)->record;
	struct old_gone *gone;

	if (merge->last_gone_size > 0 &&
	    path_is_below(old->path, old->path_size, merge->last_gone,
			  merge->last_gone_size))
		return 0;
	memcpy(merge->last_gone, old->path, old->path_size);
	merge->last_gone_size = old->path_size;
	if (merge->gone_count == merge->gone_capacity) {
		size_t capacity = merge->gone_capacity * 2 + 16;

		gone = realloc(merge->gone, capacity * sizeof *gone);
		if (gone == NULL)
			return DSP_ENOMEM;
		merge->gone = gone;
		merge->gone_capacity = capacity;
	}
	gone = &merge->gone[merge->gone_count];
	gone->before = merge->records_seen;
	gone->path_size = old->path_size;
	gone->path = arena_copy(&merge->arena, old->path, old->path_size);
	if (gone->path == NULL)
		return DSP_ENOMEM;
	merge->gone_count++;
	return 0;
}

/* Old records before the path (NULL: all) are gone. */
static int
pass_gone(struct merge *merge, const struct record *until)
{
	int err = 0;

	if (!merge->is_started) {
		merge->is_started = true;
		err = advance(merge);
	}
	while (err == 0 && merge->has_old) {
		const struct record *old = &walk_view(merge->walk)->record;

		if (until != NULL &&
		    path_compare(old->path, old->path_size, until->path,
				 until->path_size) >= 0)
			break;
		err = add_gone(merge);
		if (err < 0)
			return report_error(err, image_name(merge->old),
					    "comparing versions");
		err = advance(merge);
	}
	return err;
}

/* Both have the path: how much is the same? */
static void
compare(const struct record *old, const struct record *new,
	bool is_digest_known, struct old_view *view)
{
	view->what = OLD_OTHER;
	if (old->type == RECORD_DIR && new->type == RECORD_DIR) {
		view->what = OLD_SAME;
		return;
	}
	if (old->type != new->type || !record_same_xattrs(old, new) ||
	    new->type == RECORD_HARDLINK)
		return;
	if (new->type == RECORD_SYMLINK) {
		if (old->target_size == new->target_size &&
		    memcmp(old->target, new->target, new->target_size) == 0)
			view->what = OLD_SAME;
		return;
	}
	if (is_digest_known || new->data_size == 0) {
		if (record_same_data(old, new))
			view->what = OLD_SAME;
		return;
	}
	/* A file too large for a digest is never the same. */
	if (old->size == new->size && old->data_size == new->data_size &&
	    !old->is_sparse && !new->is_sparse &&
	    !digest_is_zero(&old->digest)) {
		view->what = OLD_SAME;
		view->is_open = true;
		view->digest = old->digest;
	}
}

int
merge_record(struct merge *merge, const struct record *record,
	     bool is_digest_known, struct old_view *ret_view)
{
	int err = pass_gone(merge, record);

	*ret_view = (struct old_view){ .what = OLD_NONE };
	if (err < 0)
		return err;
	merge->records_seen++;
	if (merge->has_old) {
		const struct walk_view *old = walk_view(merge->walk);

		if (path_compare(old->record.path, old->record.path_size,
				 record->path, record->path_size) == 0) {
			compare(&old->record, record, is_digest_known,
				ret_view);
			ret_view->ordinal = old->ordinal;
			/* What replaces a directory replaces all below it. */
			if (ret_view->what == OLD_OTHER) {
				memcpy(merge->last_gone, record->path,
				       record->path_size);
				merge->last_gone_size = record->path_size;
			}
			err = advance(merge);
		}
	}
	/* Below a directory that went away nothing old is left. */
	if (merge->last_gone_size > 0 && ret_view->what == OLD_SAME &&
	    path_is_below(record->path, record->path_size, merge->last_gone,
			  merge->last_gone_size))
		ret_view->what = OLD_NONE;
	return err;
}

int
merge_fill_slot(struct merge *merge, struct slot *slot,
		const struct old_view *views, size_t count, bool is_end)
{
	int err = is_end ? pass_gone(merge, NULL) : 0;

	if (err < 0)
		return err;
	/* The record of a further part has no view: nothing is done with it. */
	slot->old = arena_take(&slot->arena,
			       (slot->record_count + 1) * sizeof *slot->old);
	slot->gone = arena_take(&slot->arena,
				(merge->gone_count + 1) * sizeof *slot->gone);
	if (slot->old == NULL || slot->gone == NULL)
		goto no_memory;
	memset(slot->old, 0, (slot->record_count + 1) * sizeof *slot->old);
	if (count > 0)
		memcpy(slot->old, views, count * sizeof *views);
	for (size_t i = 0; i < merge->gone_count; i++) {
		slot->gone[i] = merge->gone[i];
		slot->gone[i].path = arena_copy(&slot->arena,
						merge->gone[i].path,
						merge->gone[i].path_size);
		if (slot->gone[i].path == NULL)
			goto no_memory;
	}
	slot->gone_count = merge->gone_count;
	merge->gone_count = 0;
	merge->records_seen = 0;
	arena_reset(&merge->arena);
	return 0;
no_memory:
	return report_error(DSP_ENOMEM, image_name(merge->old),
			    "comparing versions");
}

void
merge_resolve(struct slot *slot)
{
	for (size_t i = 0; slot->old != NULL && i < slot->record_count; i++) {
		struct old_view *view = &slot->old[i];

		if (!view->is_open)
			continue;
		view->is_open = false;
		if (!digest_equal(&view->digest, &slot->records[i].digest))
			view->what = OLD_OTHER;
	}
}
