/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/unpack.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "core/image/walk.h"
#include "core/tree/below.h"
#include "core/tree/expand.h"
#include "core/tree/flow.h"
#include "core/tree/image_source.h"
#include "core/tree/move.h"
#include "core/tree/output.h"
#include "core/tree/remove.h"
#include "platform/pf_dir.h"
#include "platform/pf_flock.h"
#include "platform/pf_process.h"
#include "platform/pf_sync.h"
#include "platform/pf_xattr.h"

/*
 * Staging is the directory ".NAME.despool" beside the place, with the tree
 * as "tree" in it and a lock.  A mount point or "." cannot give its name to
 * another directory: there, staging is the directory ".despool" inside, and
 * what is in the tree is moved up, one entry after another.
 */

static const char tree_name[] = "tree";
static const char lock_name[] = "lock";
static const char old_name[] = "old";
static const char inside_name[] = ".despool";

/*
 * The file that a selected hard link is a name of, but not selected itself.
 * It is written like the others and taken away before the tree is shown.
 */
struct unpack_extra {
	struct unpack_extra *next;
	size_t size;
	char path[];
};

struct unpack {
	const struct unpack_params *params;
	int parent;
	char *name;
	char *staging_name;
	int staging;
	int lock;
	bool is_staged;	   /* staging is ours */
	bool is_reported;  /* an error, already */
	bool is_foreign;   /* staging is somebody else's */
	bool is_inside;	   /* parent is the place itself */
	int64_t top_mtime; /* is_inside: what the place gets at the end */
	bool has_top_mtime;
	bool exists;
	struct unpack_extra *extras;
	bool *is_found; /* of each selected path */
};

/* Is path above, equal to or below something selected? */
static bool
is_selected(const struct unpack *unpack, const struct record *record)
{
	const struct unpack_params *params = unpack->params;

	for (size_t i = 0; i < params->select_count; i++) {
		const char *selected = params->select[i];
		size_t size = strlen(selected);

		if (path_is_below(record->path, record->path_size, selected,
				  size) ||
		    (record->type == RECORD_DIR &&
		     path_is_below(selected, size, record->path,
				   record->path_size)))
			return true;
	}
	return false;
}

/* Or is it needed for a hard link that is? */
static bool
wants(void *context, const struct record *record)
{
	struct unpack *unpack = context;

	if (is_selected(unpack, record))
		return true;
	for (const struct unpack_extra *extra = unpack->extras; extra != NULL;
	     extra = extra->next)
		if (record->type == RECORD_DIR
			    ? path_is_below(extra->path, extra->size,
					    record->path, record->path_size)
			    : extra->size == record->path_size &&
				      memcmp(extra->path, record->path,
					     extra->size) == 0)
			return true;
	return false;
}

/* Note the file of a selected hard link, when it is not selected itself. */
static int
find_extra(struct unpack *unpack, const struct record *link)
{
	struct record target = { .type = RECORD_FILE,
				 .path = link->target,
				 .path_size = link->target_size };
	struct unpack_extra *extra;

	if (wants(unpack, &target))
		return 0;
	extra = malloc(sizeof *extra + link->target_size + 1);
	if (extra == NULL)
		return DSP_ENOMEM;
	extra->size = link->target_size;
	memcpy(extra->path, link->target, link->target_size + 1);
	extra->next = unpack->extras;
	unpack->extras = extra;
	return 0;
}

/* Which of the selected paths is the record equal to or below? */
static void
note_found(struct unpack *unpack, const struct record *record)
{
	const struct unpack_params *params = unpack->params;

	for (size_t i = 0; i < params->select_count; i++)
		if (path_is_below(record->path, record->path_size,
				  params->select[i], strlen(params->select[i])))
			unpack->is_found[i] = true;
}

/*
 * Before anything is written: are all selected paths there, and what else has
 * to be written for them?
 */
static int
look_for_selected(struct unpack *unpack)
{
	const struct unpack_params *params = unpack->params;
	struct walk *walk = NULL;
	enum walk_step step = WALK_RECORD;
	int err = 0;

	if (params->select_count == 0)
		return 0;
	err = walk_new(params->image, &walk);
	while (err == 0 && step != WALK_END) {
		const struct record *record = &walk_view(walk)->record;

		err = walk_next(walk, &step);
		if (err < 0 || step != WALK_RECORD)
			continue;
		note_found(unpack, record);
		if (record->type == RECORD_HARDLINK &&
		    is_selected(unpack, record))
			err = find_extra(unpack, record);
	}
	walk_free(walk);
	for (size_t i = 0; err == 0 && i < params->select_count; i++)
		if (!unpack->is_found[i])
			err = report_error(DSP_ENOENT, params->select[i],
					   "not in %s",
					   image_name(params->image));
	unpack->is_reported = err < 0;
	return err;
}

/* Take what was only written for a hard link out of the tree again. */
static int
remove_extra(struct unpack *unpack, int top, const struct unpack_extra *extra)
{
	size_t size = extra->size;
	int err = 0;

	while (err == 0 && size > 0) {
		struct record record = { .type = RECORD_DIR,
					 .path = extra->path,
					 .path_size = (uint32_t)size };
		size_t start = path_name_start(extra->path, size);
		char name[256] = "";
		struct pf_stat above = { 0 };
		int dir = -1;

		if (size < extra->size && is_selected(unpack, &record))
			break;
		if (size - start < sizeof name)
			memcpy(name, extra->path + start, size - start);
		err = below_open_dir(top, extra->path, size, &dir);
		if (err == 0)
			err = pf_stat_fd(dir, &above);
		if (err == 0)
			err = size == extra->size ? pf_unlink_at(dir, name)
						  : pf_rmdir_at(dir, name);
		if (err == 0)
			err = pf_set_mtime_fd(dir, above.mtime);
		pf_close(dir);
		/* Other extras may still be in it: the last one removes it. */
		if (err == DSP_ENOTEMPTY || err == DSP_EEXIST)
			return 0;
		size = start > 0 ? start - 1 : 0;
	}
	return err;
}

static int
remove_extras(struct unpack *unpack)
{
	int top = -1;
	int err = 0;

	if (unpack->extras == NULL)
		return 0;
	err = pf_open_dir_at(unpack->staging, tree_name, &top);
	for (const struct unpack_extra *extra = unpack->extras;
	     err == 0 && extra != NULL; extra = extra->next)
		err = remove_extra(unpack, top, extra);
	pf_close(top);
	return err < 0 ? report_error(err, unpack->params->path,
				      "writing the selected hard links")
		       : 0;
}

/* Is there nothing but what an unpack that was killed left behind? */
static int
dir_is_empty(int fd, bool *ret_is_empty)
{
	struct pf_dir *list = NULL;
	const char *entry = NULL;
	int err = pf_dir_open(fd, &list);

	do {
		if (err == 0)
			err = pf_dir_next(list, &entry);
	} while (err == 0 && entry != NULL && strcmp(entry, inside_name) == 0);
	if (err == 0)
		*ret_is_empty = entry == NULL;
	pf_dir_close(list);
	return err;
}

/* What is replaced must not hold the image that it is replaced by. */
static int
check_overlap(struct unpack *unpack, const struct pf_stat *place)
{
	char *name = NULL;
	bool is_inside = false;
	int dir = -1;
	int err = output_split(image_name(unpack->params->image), &dir, &name);

	if (err == 0)
		err = output_is_inside(dir, place, &is_inside);
	pf_close(dir);
	free(name);
	return err == 0 && is_inside ? DSP_EOVERLAP : err;
}

/* Look at what stands at path. */
static int
look(struct unpack *unpack)
{
	struct pf_stat stat, above;
	bool is_empty = false;
	int fd = -1;
	int err = pf_stat_at(unpack->parent, unpack->name, &stat);

	if (err == DSP_ENOENT)
		return 0;
	if (err < 0)
		return err;
	unpack->exists = true;
	if (stat.type != PF_DIR)
		return DSP_EEXIST;
	err = pf_open_dir_at(unpack->parent, unpack->name, &fd);
	if (err == 0)
		err = dir_is_empty(fd, &is_empty);
	if (err == 0)
		err = pf_stat_fd(unpack->parent, &above);
	if (err == 0 && !is_empty && !unpack->params->replace)
		err = DSP_ENOTEMPTY;
	if (err == 0)
		err = check_overlap(unpack, &stat);
	if (err == 0 && stat.device != above.device) {
		pf_close(unpack->parent);
		unpack->parent = fd;
		unpack->is_inside = true;
		return unpack->params->replace && !is_empty ? DSP_EUNSUPPORTED
							    : 0;
	}
	pf_close(fd);
	return err;
}

/* "." or "..": there is no name that could be given to another directory. */
static int
look_inside(struct unpack *unpack)
{
	bool is_empty = false;
	int err = pf_open_dir(unpack->params->path, &unpack->parent);

	if (err == 0)
		err = dir_is_empty(unpack->parent, &is_empty);
	unpack->is_inside = unpack->exists = true;
	if (err == 0 && !is_empty)
		err = unpack->params->replace ? DSP_EUNSUPPORTED
					      : DSP_ENOTEMPTY;
	return err;
}

/*
 * A process that was killed between two renames left the old tree aside: put
 * it back.
 */
static int
restore_old(struct unpack *unpack)
{
	struct pf_stat stat;

	if (unpack->exists || unpack->is_inside ||
	    pf_stat_at(unpack->staging, old_name, &stat) < 0)
		return 0;
	if (move_tree(unpack->staging, old_name, unpack->parent, unpack->name) <
	    0)
		return DSP_EFAULT;
	unpack->exists = true;
	return unpack->params->replace ? 0 : DSP_ENOTEMPTY;
}

/* Make the staging directory, over one whose process is gone. */
static int
stage(struct unpack *unpack)
{
	int err = pf_mkdir_at(unpack->parent, unpack->staging_name, 0700);
	bool is_new = err == 0;
	uint32_t uid, gid;

	if (err == DSP_EEXIST)
		err = 0;
	if (err == 0)
		err = pf_open_dir_at(unpack->parent, unpack->staging_name,
				     &unpack->staging);
	if (err == 0) {
		pf_own_ids(&uid, &gid);
		err = output_own_dir(unpack->staging, uid);
		unpack->is_foreign = err == DSP_EACCES;
	}
	if (err == 0)
		err = pf_open_or_create_at(unpack->staging, lock_name, 0600,
					   &unpack->lock);
	if (err == 0)
		err = pf_flock_exclusive(unpack->lock);
	if (err == DSP_EUNSUPPORTED)
		err = 0;
	if (err < 0) {
		/* Ours, unless another process has come into it meanwhile. */
		unpack->is_staged = is_new && err != DSP_EBUSY;
		return err;
	}
	unpack->is_staged = true;
	err = restore_old(unpack);
	if (err < 0) {
		unpack->is_staged = err != DSP_EFAULT;
		return err;
	}
	return remove_contents_but(unpack->staging, lock_name,
				   unpack->params->path);
}

static void
unstage(struct unpack *unpack)
{
	if (unpack->is_staged)
		(void)remove_tree(unpack->parent, unpack->staging_name,
				  unpack->params->path);
	pf_close(unpack->lock);
	pf_close(unpack->staging);
	if (unpack->has_top_mtime)
		(void)pf_set_mtime_fd(unpack->parent, unpack->top_mtime);
}

/* The place takes on what the tree's top is. */
static int
copy_top(struct unpack *unpack, int tree)
{
	enum { SIZE = PF_XATTR_SIZE_MAX };
	char *list = malloc(SIZE);
	char *value = malloc(SIZE);
	struct pf_stat stat;
	size_t size = 0;
	int err = list != NULL && value != NULL ? 0 : DSP_ENOMEM;

	if (err == 0)
		err = pf_stat_fd(tree, &stat);
	if (err == 0)
		err = pf_xattr_list(tree, ".", list, SIZE, &size);
	if (err == 0 && pf_is_root())
		err = pf_set_owner_fd(unpack->parent, stat.uid, stat.gid);
	for (char *name = list; err == 0 && name < list + size;
	     name += strlen(name) + 1) {
		size_t value_size;

		err = pf_xattr_get(tree, ".", name, value, SIZE, &value_size);
		if (err == 0)
			err = pf_xattr_set(unpack->parent, ".", name, value,
					   value_size);
	}
	if (err == 0)
		err = pf_set_mode_fd(unpack->parent, stat.mode);
	free(list);
	free(value);
	return err;
}

/* Move what is in the tree up into the place. */
static int
publish_inside(struct unpack *unpack)
{
	struct pf_dir *list = NULL;
	const char *name = NULL;
	int tree = -1;
	struct pf_stat stat;
	int err = pf_open_dir_at(unpack->staging, tree_name, &tree);

	if (err == 0)
		err = pf_stat_fd(tree, &stat);
	if (err == 0)
		err = pf_dir_open(tree, &list);
	while (err == 0) {
		err = pf_dir_next(list, &name);
		if (err < 0 || name == NULL)
			break;
		err = pf_rename_at(tree, name, unpack->parent, name);
	}
	if (err == 0)
		err = copy_top(unpack, tree);
	pf_dir_close(list);
	pf_close(tree);
	if (err == 0) {
		unpack->top_mtime = stat.mtime;
		unpack->has_top_mtime = true;
		err = pf_sync(unpack->parent);
	}
	return err < 0 ? report_error(err, unpack->params->path,
				      "moving the tree into its place")
		       : 0;
}

/* The whole tree is on disk: show it. */
static int
publish(struct unpack *unpack)
{
	bool is_swap = unpack->exists && unpack->params->replace;
	int err;

	if (unpack->is_inside)
		return publish_inside(unpack);
	err = is_swap ? move_swap(unpack->staging, tree_name, unpack->parent,
				  unpack->name, old_name)
		      : move_tree(unpack->staging, tree_name, unpack->parent,
				  unpack->name);
	if (err == DSP_EFAULT) {
		unpack->is_staged = false;
		return report_error(err, unpack->params->path,
				    "the old tree is in %s/%s",
				    unpack->staging_name, old_name);
	}
	if (err < 0)
		return report_error(err, unpack->params->path,
				    "moving the tree into its place");
	err = pf_sync(unpack->parent);
	if (err == 0)
		return 0;

	/* S14: what a failed sync leaves does not exist. */
	report_error(err, unpack->params->path, "syncing");
	if (is_swap)
		(void)move_swap(unpack->parent, unpack->name, unpack->staging,
				tree_name, old_name);
	else
		(void)move_tree(unpack->parent, unpack->name, unpack->staging,
				tree_name);
	return err;
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
		.lane_works = params->worker_count > 1,
		.slot_count = 2 * params->worker_count + 1,
		.raw_max = image_root(params->image)->rule.max,
		.context = &progress,
		.fill = fill,
		.work = work,
	};
	struct flusher *flusher = NULL;
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
	flusher = flusher_new(unpack->staging);
	expand_flush_by(progress.expand, flusher);
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
	flusher_free(flusher);
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
prepare(struct unpack *unpack)
{
	const struct unpack_params *params = unpack->params;
	int err;

	unpack->is_reported = image_kind(params->image) != IMAGE_WITH_BLOCKS;
	if (unpack->is_reported)
		return report_error(DSP_EFORMAT, image_name(params->image),
				    "a manifest without blocks");
	err = output_split(params->path, &unpack->parent, &unpack->name);
	if (err == 0)
		err = look(unpack);
	else if (err == DSP_EINVAL)
		err = look_inside(unpack);
	if (err < 0)
		return err;
	if (unpack->is_inside) {
		unpack->staging_name = malloc(sizeof inside_name);
		if (unpack->staging_name != NULL)
			memcpy(unpack->staging_name, inside_name,
			       sizeof inside_name);
	} else {
		unpack->staging_name = output_temp_name(unpack->name);
	}
	unpack->is_found =
		calloc(params->select_count + 1, sizeof *unpack->is_found);
	if (unpack->staging_name == NULL || unpack->is_found == NULL)
		return DSP_ENOMEM;
	return look_for_selected(unpack);
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
	if (err < 0 && unpack.is_reported)
		goto out;
	if (err < 0 && unpack.is_foreign) {
		report_error(err, params->path, "%s is somebody else's",
			     unpack.staging_name);
		goto out;
	}
	if (err < 0) {
		report_error(
			err, params->path, "%s",
			err == DSP_ENOTEMPTY ? "unpacking (--replace swaps it)"
			: unpack.is_inside
				? "a mount point or \".\" cannot be swapped"
				: "unpacking");
		goto out;
	}
	if (!pf_is_root())
		report_info(params->path,
			    "not root: the packed owners are left out");
	err = write_tree(&unpack, owners, &result);
	if (err == 0)
		err = remove_extras(&unpack);
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
	while (unpack.extras != NULL) {
		struct unpack_extra *next = unpack.extras->next;

		free(unpack.extras);
		unpack.extras = next;
	}
	owners_free(owners);
	free(unpack.name);
	free(unpack.staging_name);
	free(unpack.is_found);
	return err;
}
