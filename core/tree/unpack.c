/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/unpack.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "core/image/walk.h"
#include "core/tree/expand.h"
#include "core/tree/flow.h"
#include "core/tree/image_source.h"
#include "core/tree/output.h"
#include "core/tree/remove.h"
#include "platform/pf_dir.h"
#include "platform/pf_exchange.h"
#include "platform/pf_flock.h"
#include "platform/pf_process.h"
#include "platform/pf_sync.h"

/*
 * Staging is the directory ".NAME.despool" beside the place, with the tree
 * as "tree" in it and a lock.  When NAME is a mount point, whose name cannot
 * be given to another directory, staging is inside and the tree's entries
 * are moved one by one.
 */

static const char tree_name[] = "tree";
static const char lock_name[] = "lock";

struct unpack {
	const struct unpack_params *params;
	int parent;
	char *name;
	char *staging_name;
	int staging;
	int lock;
	bool is_staged; /* staging is ours */
	bool exists;
	bool *is_found; /* of each selected path */
};

/* Is path above, equal to or below something selected? */
static bool
wants(void *context, const struct record *record)
{
	struct unpack *unpack = context;
	const struct unpack_params *params = unpack->params;
	bool result = false;

	for (size_t i = 0; i < params->select_count; i++) {
		const char *selected = params->select[i];
		size_t size = strlen(selected);

		if (path_is_below(record->path, record->path_size, selected,
				  size)) {
			unpack->is_found[i] = true;
			result = true;
		}
		if (record->type == RECORD_DIR &&
		    path_is_below(selected, size, record->path,
				  record->path_size))
			result = true;
	}
	return result;
}

static int
dir_is_empty(int dir, const char *name, bool *ret_is_empty)
{
	struct pf_dir *list = NULL;
	const char *entry = NULL;
	int fd = -1;
	int err = pf_open_dir_at(dir, name, &fd);

	if (err == 0)
		err = pf_dir_open(fd, &list);
	if (err == 0)
		err = pf_dir_next(list, &entry);
	if (err == 0)
		*ret_is_empty = entry == NULL;
	pf_dir_close(list);
	pf_close(fd);
	return err;
}

/* Look at what stands at path. */
static int
look(struct unpack *unpack)
{
	struct pf_stat stat;
	bool is_empty;
	int err = pf_stat_at(unpack->parent, unpack->name, &stat);

	if (err == DSP_ENOENT)
		return 0;
	if (err < 0)
		return err;
	unpack->exists = true;
	if (stat.type != PF_DIR)
		return DSP_EEXIST;
	if (unpack->params->replace)
		return 0;
	err = dir_is_empty(unpack->parent, unpack->name, &is_empty);
	return err == 0 && !is_empty ? DSP_ENOTEMPTY : err;
}

/* Make the staging directory, over one whose process is gone. */
static int
stage(struct unpack *unpack)
{
	int err = pf_mkdir_at(unpack->parent, unpack->staging_name, 0700);

	if (err == 0 || err == DSP_EEXIST)
		err = pf_open_dir_at(unpack->parent, unpack->staging_name,
				     &unpack->staging);
	if (err == 0)
		err = pf_open_or_create_at(unpack->staging, lock_name, 0600,
					   &unpack->lock);
	if (err == 0)
		err = pf_flock_exclusive(unpack->lock);
	if (err == DSP_EUNSUPPORTED)
		err = 0;
	if (err < 0)
		return err;
	unpack->is_staged = true;
	return remove_tree(unpack->staging, tree_name, unpack->params->path);
}

static void
unstage(struct unpack *unpack)
{
	if (unpack->is_staged)
		(void)remove_tree(unpack->parent, unpack->staging_name,
				  unpack->params->path);
	pf_close(unpack->lock);
	pf_close(unpack->staging);
}

/* The whole tree is on disk: show it. */
static int
publish(struct unpack *unpack)
{
	int err;

	if (!unpack->exists || !unpack->params->replace) {
		err = pf_rename_at(unpack->staging, tree_name, unpack->parent,
				   unpack->name);
	} else {
		err = pf_exchange_at(unpack->staging, tree_name, unpack->parent,
				     unpack->name);
		if (err == DSP_EUNSUPPORTED) {
			/* For a moment there is nothing, but never a mix. */
			err = pf_rename_at(unpack->parent, unpack->name,
					   unpack->staging, "old");
			if (err == 0)
				err = pf_rename_at(unpack->staging, tree_name,
						   unpack->parent,
						   unpack->name);
		}
	}
	if (err == 0)
		err = pf_sync(unpack->parent);
	if (err < 0)
		return report_error(err, unpack->params->path,
				    "moving the tree into its place");
	return 0;
}

struct unpack_progress {
	const struct unpack_params *params;
	struct expand *expand;
	struct image_source *source;
};

static int
fill(void *context, struct slot *slot, bool *ret_is_end)
{
	struct unpack_progress *progress = context;
	const struct unpack_params *params = progress->params;

	if (params->progress != NULL)
		params->progress(params->progress_context,
				 expand_bytes_written(progress->expand),
				 expand_files_written(progress->expand));
	return image_source_fill(progress->source, slot, ret_is_end);
}

static int
work(void *context, unsigned worker, struct slot *slot)
{
	struct unpack_progress *progress = context;

	return image_source_work(progress->source, worker, slot);
}

/* Write the tree into staging. */
static int
write_tree(struct unpack *unpack, struct owners *owners,
	   struct unpack_result *ret_result)
{
	const struct unpack_params *params = unpack->params;
	bool is_partial = params->select_count > 0;
	struct expand_params expand_params = {
		.parent = unpack->staging,
		.name = tree_name,
		.shown = params->path,
		.owners = owners,
		.thread_count = params->worker_count,
		.rows = -1,
		.wants = is_partial ? wants : NULL,
		.wants_context = unpack,
	};
	struct unpack_progress progress = { .params = params };
	struct flow_params flow = {
		.worker_count = params->worker_count,
		.slot_count = 3 * params->worker_count + 1,
		.raw_max = image_root(params->image)->rule.max,
		.context = &progress,
		.fill = fill,
		.work = work,
	};
	struct lane *lane;
	int err, finish_err;

	err = image_source_new(params->image, params->worker_count,
			       is_partial ? wants : NULL, unpack,
			       &progress.source);
	if (err < 0)
		return err;
	err = expand_new(&expand_params, &progress.expand);
	if (err < 0)
		goto out;
	lane = expand_lane(progress.expand);
	err = flow_run(&flow, &lane, 1);
	finish_err = expand_finish(progress.expand);
	if (err == 0)
		err = finish_err;
	if (err == 0) {
		ret_result->files_written =
			expand_files_written(progress.expand);
		ret_result->bytes_written =
			expand_bytes_written(progress.expand);
	}
out:
	expand_free(progress.expand);
	image_source_free(progress.source);
	return err;
}

/* Count what would be written. */
static int
count_tree(struct unpack *unpack, struct unpack_result *ret_result)
{
	struct walk *walk = NULL;
	enum walk_step step = WALK_RECORD;
	int err = walk_new(unpack->params->image, &walk);

	while (err == 0 && step != WALK_END) {
		const struct record *record = &walk_view(walk)->record;

		err = walk_next(walk, &step);
		if (err == 0 && step == WALK_RECORD &&
		    (unpack->params->select_count == 0 ||
		     wants(unpack, record)) &&
		    record->type == RECORD_FILE) {
			ret_result->files_written++;
			ret_result->bytes_written += record->data_size;
		}
	}
	walk_free(walk);
	return err;
}

static int
check_found(const struct unpack *unpack)
{
	int err = 0;

	for (size_t i = 0; i < unpack->params->select_count; i++)
		if (!unpack->is_found[i])
			err = report_error(DSP_ENOENT,
					   unpack->params->select[i],
					   "not in %s",
					   image_name(unpack->params->image));
	return err;
}

static int
prepare(struct unpack *unpack)
{
	const struct unpack_params *params = unpack->params;
	int err = output_split(params->path, &unpack->parent, &unpack->name);

	if (err < 0)
		return err;
	unpack->staging_name = output_temp_name(unpack->name);
	unpack->is_found =
		calloc(params->select_count + 1, sizeof *unpack->is_found);
	if (unpack->staging_name == NULL || unpack->is_found == NULL)
		return DSP_ENOMEM;
	return look(unpack);
}

int
unpack(const struct unpack_params *params, struct unpack_result *ret_result)
{
	struct unpack unpack = {
		.params = params, .parent = -1, .staging = -1, .lock = -1
	};
	struct owners *owners = NULL;
	struct unpack_result result = { 0 };
	int err = prepare(&unpack);

	if (err == 0 && params->dry_run) {
		err = count_tree(&unpack, &result);
		if (err == 0)
			err = check_found(&unpack);
		if (err == 0)
			*ret_result = result;
		goto out;
	}
	if (err == 0 && pf_is_root()) {
		owners = owners_new();
		if (owners == NULL)
			err = DSP_ENOMEM;
	}
	if (err == 0)
		err = stage(&unpack);
	if (err < 0) {
		report_error(err, params->path, "%s",
			     err == DSP_ENOTEMPTY
				     ? "unpacking (--replace swaps it)"
				     : "unpacking");
		goto out;
	}
	if (!pf_is_root())
		report_info(params->path,
			    "not root: the packed owners are left out");
	err = write_tree(&unpack, owners, &result);
	if (err == 0)
		err = check_found(&unpack);
	if (err < 0)
		goto out;
	err = pf_sync_file_system(unpack.staging);
	if (err < 0) {
		report_error(err, params->path, "syncing");
		goto out;
	}
	err = publish(&unpack);
	if (err == 0)
		*ret_result = result;
out:
	unstage(&unpack);
	pf_close(unpack.parent);
	owners_free(owners);
	free(unpack.name);
	free(unpack.staging_name);
	free(unpack.is_found);
	return err;
}
