/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fanout/fanout.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/fanout/fanout_int.h"
#include "platform/pf_process.h"
#include "platform/pf_temp.h"

enum {
	NS_PER_MS = 1000000,
	WAIT_MS = 250,
	/* Syncing may take far longer than the longest write. */
	PUBLISH_FACTOR = 10
};

int
fanout_lose(struct target *target, int err)
{
	target->dest->state = FANOUT_FAILED;
	target->dest->err = err;
	target->is_active = false;
	target->expand = NULL;
	return err;
}

/* Steps, each destination on its own thread. */

static void
run_step(void *context)
{
	struct target *target = context;
	struct fanout *fanout = target->fanout;
	int err = target->step(target);

	pf_lock(fanout->lock);
	target->err = err;
	target->is_done = true;
	pf_signal(fanout->stepped);
	pf_unlock(fanout->lock);
}

/* Wait until the target's step is done; false when it takes too long. */
static bool
wait_for_step(struct fanout *fanout, struct target *target, int64_t deadline)
{
	bool is_done;

	pf_lock(fanout->lock);
	while (!target->is_done &&
	       (deadline == 0 || pf_now_monotonic() < deadline))
		(void)pf_wait_for(fanout->stepped, fanout->lock, WAIT_MS);
	is_done = target->is_done;
	pf_unlock(fanout->lock);
	return is_done;
}

int
fanout_each(struct fanout *fanout, bool (*applies)(const struct target *),
	    int (*step)(struct target *target), unsigned timeout_s)
{
	int64_t deadline =
		pf_now_monotonic() + (int64_t)timeout_s * 1000 * NS_PER_MS;

	for (size_t i = 0; i < fanout->params->dest_count; i++) {
		struct target *target = &fanout->targets[i];
		int err;

		target->thread = NULL;
		if (target->is_lost || !applies(target))
			continue;
		target->step = step;
		target->is_done = false;
		err = pf_thread_start(run_step, target, &target->thread);
		if (err < 0) { /* those that run must be waited for */
			report_error(err, target->dest->path,
				     "starting a thread");
			fanout_lose(target, err);
		}
	}
	for (size_t i = 0; i < fanout->params->dest_count; i++) {
		struct target *target = &fanout->targets[i];

		if (target->thread == NULL)
			continue;
		if (wait_for_step(fanout, target,
				  timeout_s > 0 ? deadline : 0)) {
			pf_thread_join(target->thread);
			if (target->opened != NULL) {
				target->dp = target->opened;
				target->opened = NULL;
			}
			if (target->err < 0)
				fanout_lose(target, target->err);
		} else {
			pf_thread_abandon(target->thread);
			target->is_lost = true;
			fanout->result.is_stalled = true;
			fanout_lose(target, report_error(DSP_ESTALLED,
							 target->dest->path,
							 "no answer for %u s",
							 timeout_s));
		}
	}
	return 0;
}

static bool
is_any(const struct target *target)
{
	(void)target;
	return true;
}

static bool
is_active(const struct target *target)
{
	return target->is_active;
}

static bool
is_written(const struct target *target)
{
	return target->is_active && target->is_written;
}

/* Opening. */

/* Has no other target this directory? */
static bool
claim(void *context, const struct pf_stat *root)
{
	struct target *target = context;
	struct fanout *fanout = target->fanout;
	bool is_free = true;

	pf_lock(fanout->lock);
	for (size_t i = 0; i < fanout->params->dest_count; i++) {
		const struct target *other = &fanout->targets[i];

		if (other->has_root && other->root.inode == root->inode &&
		    other->root.device == root->device)
			is_free = false;
	}
	target->has_root = true;
	target->root = *root;
	pf_unlock(fanout->lock);
	return is_free;
}

static int
open_step(struct target *target)
{
	const struct fanout_params *params = target->fanout->params;
	struct dp_params dp = { .path = target->dest->path,
				.package_id = params->package_id,
				.may_create = !params->no_create,
				.is_dry = params->dry_run,
				.source = params->image == NULL ? params->source
								: NULL,
				.claim = claim,
				.claim_context = target };

	return dp_open(&dp, &target->opened);
}

/* What is published at the target already? */
static bool
has_published(struct target *target, const struct digest *content)
{
	struct image *manifest =
		dp_manifest(target->dp, target->dest->version_before);

	return manifest != NULL &&
	       digest_equal(&image_root(manifest)->content, content);
}

/* Deciding: what has to be done at each target. */

/* S3: a version has one content for ever, and never falls by itself. */
static int
check_version(struct target *target, uint32_t version,
	      const struct digest *content)
{
	struct image *manifest;

	if (target->dest->version_before > version &&
	    !target->fanout->params->rollback)
		return report_error(DSP_ECONFLICT, target->dest->path,
				    "version %u is published, version %u is "
				    "older (--rollback publishes it)",
				    target->dest->version_before, version);
	manifest = dp_manifest(target->dp, version);
	if (manifest != NULL && content != NULL &&
	    !digest_equal(&image_root(manifest)->content, content))
		return report_error(DSP_ECONFLICT, target->dest->path,
				    "version %u is there with other content: "
				    "a changed package is a new version",
				    version);
	return 0;
}

/* With the version and the content known, who needs something? */
static void
decide(struct fanout *fanout)
{
	const struct fanout_params *params = fanout->params;
	const struct fanout_result *result = &fanout->result;

	for (size_t i = 0; i < params->dest_count; i++) {
		struct target *target = &fanout->targets[i];
		int err;

		if (target->dest->state == FANOUT_FAILED)
			continue;
		if (target->dest->version_before == result->version &&
		    !params->refresh &&
		    has_published(target, &result->content)) {
			target->dest->state = FANOUT_UNCHANGED;
			continue;
		}
		err = check_version(target, result->version, &result->content);
		if (err < 0)
			fanout_lose(target, err);
		else
			target->is_active = true;
	}
}

/*
 * Is the tree as it was when the newest version was published?  Looks at
 * what the system says about each file, and stops at the first difference.
 */
static int
find_unchanged(struct fanout *fanout, bool *ret_is_unchanged)
{
	struct scan_options options = fanout->params->scan;
	struct scan_entry *entry = NULL;
	struct base_view view = { .is_unchanged = true };
	struct scan *scan = NULL;
	struct base *base = NULL;
	struct owners *owners = NULL;
	const struct root *root = NULL;
	uint64_t count = 0;
	int err = 0;

	*ret_is_unchanged = false;
	fanout_find_base(fanout, &base);
	if (base == NULL)
		return 0;
	root = image_root(base_image(base));
	if (root->version != fanout->newest)
		goto out;
	owners = owners_new();
	options.owners = owners;
	if (owners == NULL)
		err = report_error(DSP_ENOMEM, fanout->params->source,
				   "publishing");
	else
		err = scan_new(fanout->params->source, &options, &scan);
	while (err == 0 && view.is_unchanged) {
		err = scan_next(scan, &entry);
		if (err < 0 || entry == NULL)
			break;
		count++;
		err = base_find(base, entry, &view);
	}
	*ret_is_unchanged = err == 0 && view.is_unchanged &&
			    count == root->record_count;
	if (*ret_is_unchanged) {
		fanout->result.content = root->content;
		fanout->result.file_count = root->file_count;
	}
out:
	base_free(base);
	scan_free(scan);
	owners_free(owners);
	return err;
}

static int
decide_tree(struct fanout *fanout)
{
	const struct fanout_params *params = fanout->params;
	bool is_unchanged = false;
	int err = 0;

	fanout->result.version = params->version != 0 ? params->version
				 : params->refresh && fanout->newest != 0
					 ? fanout->newest
					 : fanout->highest + 1;
	if (fanout->newest != 0 && !params->refresh &&
	    (params->version == 0 || params->version == fanout->newest))
		err = find_unchanged(fanout, &is_unchanged);
	if (err < 0)
		return err;
	if (is_unchanged) {
		fanout->has_content = true;
		fanout->result.version = fanout->newest;
		decide(fanout);
		return 0;
	}
	for (size_t i = 0; i < params->dest_count; i++) {
		struct target *target = &fanout->targets[i];

		if (target->dest->state == FANOUT_FAILED)
			continue;
		err = check_version(target, fanout->result.version, NULL);
		if (err < 0)
			fanout_lose(target, err);
		else
			target->is_active = true;
	}
	return 0;
}

static int
decide_image(struct fanout *fanout)
{
	const struct root *root = image_root(fanout->image);

	fanout->result.version = root->version;
	fanout->result.content = root->content;
	fanout->result.file_count = root->file_count;
	fanout->root_digest = *image_root_digest(fanout->image);
	fanout->has_content = true;
	decide(fanout);
	return 0;
}

/* Beginning. */

static int
begin_step(struct target *target)
{
	struct fanout *fanout = target->fanout;
	const struct fanout_params *params = fanout->params;
	/* One alone uses all processors; of many, each one. */
	unsigned threads = params->dest_count == 1 ? params->worker_count : 1;

	int err = dp_look(target->dp, &target->device, &target->can_clone);

	if (err < 0)
		return err;
	if (params->dest_count == 1 && fanout->is_image)
		target->can_clone = false; /* from nobody */
	/* Leaders, and the rows of an old tree, are read by one thread. */
	if (target->can_clone || target->recycled != 0)
		threads = 1;
	if (fanout->is_image && !target->can_clone && target->recycled == 0)
		err = dp_check_room(target->dp,
				    image_root(fanout->image)->data_bytes);
	if (err < 0)
		return err;
	return dp_begin(target->dp, &target->recycled, fanout->owners, threads,
			&target->expand);
}

/* One flusher for each file system. */
static void
start_flushers(struct fanout *fanout)
{
	for (size_t i = 0; i < fanout->params->dest_count; i++) {
		struct target *target = &fanout->targets[i];
		struct flusher *flusher = NULL;

		if (target->expand == NULL)
			continue;
		for (size_t j = 0; j < i && flusher == NULL; j++)
			if (fanout->targets[j].device == target->device)
				flusher = fanout->targets[j].flusher;
		if (flusher == NULL) {
			flusher = flusher_new(dp_fd(target->dp));
			target->flusher = flusher;
		}
		expand_flush_by(target->expand, flusher);
	}
}

static void
stop_flushers(struct fanout *fanout)
{
	/* What hangs in a write may be what a flusher waits for: leave them. */
	if (fanout->result.is_stalled)
		return;
	for (size_t i = 0; i < fanout->params->dest_count; i++)
		flusher_free(fanout->targets[i].flusher);
}

/*
 * Where files can share blocks, they share the source's, when that is a tree
 * on the same file system; else the first destination there writes, and the
 * others share its.
 */
static void
choose_clones(struct fanout *fanout)
{
	const struct fanout_params *params = fanout->params;
	struct pf_stat source = { 0 };

	if (fanout->source_top >= 0 &&
	    pf_stat_fd(fanout->source_top, &source) < 0)
		return;
	for (size_t i = 0; i < params->dest_count; i++) {
		struct target *target = &fanout->targets[i];

		if (target->expand == NULL || !target->can_clone)
			continue;
		if (fanout->source_top >= 0 &&
		    source.device == target->device) {
			expand_clone_source(target->expand, fanout->source_top);
			continue;
		}
		for (size_t j = 0; j < i; j++) {
			struct target *leader = &fanout->targets[j];

			if (leader->expand == NULL || !leader->can_clone ||
			    leader->device != target->device ||
			    leader->recycled != 0)
				continue;
			expand_clone_leader(target->expand, leader->expand);
			break;
		}
	}
}

/*
 * Which trees are recycled: those of one old version, the one that the first
 * target with any has, so that one comparison serves all.
 */
static void
choose_recycled(struct fanout *fanout)
{
	const struct fanout_params *params = fanout->params;

	for (size_t i = 0; i < params->dest_count; i++) {
		struct target *target = &fanout->targets[i];
		struct image *manifest;
		uint32_t version;

		if (!target->is_active || params->refresh)
			continue;
		version = dp_recyclable(target->dp, fanout->result.version,
					params->keep);
		if (version == 0)
			continue;
		manifest = fanout->old_manifest == NULL
				   ? dp_whole_manifest(target->dp, version)
				   : dp_manifest(target->dp, version);
		if (manifest == NULL)
			continue;
		if (fanout->old_manifest == NULL)
			fanout->old_manifest = dp_take_manifest(target->dp);
		else if (!digest_equal(image_root_digest(manifest),
				       image_root_digest(fanout->old_manifest)))
			continue;
		target->recycled = version;
	}
}

/* Publishing. */

static int
publish_step(struct target *target)
{
	struct fanout *fanout = target->fanout;
	const struct fanout_params *params = fanout->params;
	struct fanout_dest *dest = target->dest;
	struct dp_publication publication = {
		.version = fanout->result.version,
		.manifest_fd = fanout->manifest_fd,
		.root_digest = &fanout->root_digest,
		.seen_fd = fanout->seen_fd,
		.keep = params->keep,
		.worker_count = params->worker_count,
		.readback = params->readback,
	};
	int err;

	err = dp_publish(target->dp, &publication);
	if (err == 0)
		dest->state = FANOUT_PUBLISHED;
	return err;
}

/* The content of a tree is known now: who had it all along? */
static void
drop_unchanged(struct fanout *fanout)
{
	const struct fanout_params *params = fanout->params;

	for (size_t i = 0; i < params->dest_count; i++) {
		struct target *target = &fanout->targets[i];
		int err;

		if (!target->is_active)
			continue;
		if (!params->refresh &&
		    target->dest->version_before == fanout->result.version &&
		    has_published(target, &fanout->result.content)) {
			target->dest->state = FANOUT_UNCHANGED;
			target->is_active = false;
			continue;
		}
		err = check_version(target, fanout->result.version,
				    &fanout->result.content);
		if (err < 0)
			fanout_lose(target, err);
	}
}

static int
write_and_publish(struct fanout *fanout)
{
	unsigned timeout = fanout->params->stall_timeout_s;
	int err;

	if (fanout->is_image) {
		err = pf_temp_file(&fanout->manifest_fd);
		if (err == 0)
			err = image_write_manifest(fanout->image,
						   fanout->manifest_fd);
		if (err < 0)
			return fanout_fail_manifest(err);
	}
	if (fanout->owners == NULL)
		report_info(NULL, "not root: the packed owners are left out");
	choose_recycled(fanout);
	err = fanout_each(fanout, is_active, begin_step, timeout);
	if (err < 0)
		return err;
	choose_clones(fanout);
	start_flushers(fanout);
	err = fanout_write(fanout);
	stop_flushers(fanout);
	if (err < 0)
		return err;
	if (!fanout->is_image)
		drop_unchanged(fanout);
	return fanout_each(fanout, is_written, publish_step,
			   timeout * PUBLISH_FACTOR);
}

/* Nothing to write, but everything to be read. */

static bool
is_unchanged(const struct target *target)
{
	return target->dest->state == FANOUT_UNCHANGED;
}

static int
check_step(struct target *target)
{
	return dp_check_published(target->dp,
				  target->fanout->params->worker_count);
}

/* The whole. */

static int
open_source(struct fanout *fanout)
{
	const struct fanout_params *params = fanout->params;
	struct pf_stat stat;
	int err;

	if (params->image != NULL) {
		fanout->is_image = true;
		fanout->image = params->image;
		return params->trust != NULL
			       ? trust_check_image(params->trust, params->image,
						   NULL)
			       : 0;
	}
	err = pf_stat(params->source, &stat);
	if (err < 0)
		return report_error(err, params->source, "publishing");
	fanout->is_image = stat.type != PF_DIR;
	if (!fanout->is_image && params->trust != NULL)
		return report_error(DSP_EINVAL, params->source,
				    "a directory is signed by nobody: --trust "
				    "is for images");
	if (!fanout->is_image) {
		err = pf_open_dir(params->source, &fanout->source_top);
		return err < 0 ? report_error(err, params->source, "publishing")
			       : 0;
	}
	err = image_open(params->source, &fanout->image);
	if (err == 0 && params->trust != NULL)
		err = trust_check_image(params->trust, fanout->image, NULL);
	if (err == 0 && image_kind(fanout->image) != IMAGE_WITH_BLOCKS)
		err = report_error(DSP_EFORMAT, params->source,
				   "a manifest without blocks");
	return err;
}

static int
set_up(struct fanout *fanout)
{
	const struct fanout_params *params = fanout->params;

	fanout->targets = calloc(params->dest_count, sizeof *fanout->targets);
	fanout->lock = pf_lock_new();
	fanout->stepped = pf_condition_new();
	if (pf_is_root())
		fanout->owners = owners_new();
	if (fanout->targets == NULL || fanout->lock == NULL ||
	    fanout->stepped == NULL || (pf_is_root() && fanout->owners == NULL))
		return report_error(DSP_ENOMEM, params->source, "publishing");
	for (size_t i = 0; i < params->dest_count; i++) {
		fanout->targets[i].fanout = fanout;
		fanout->targets[i].dest = &params->dests[i];
	}
	return 0;
}

static void
tear_down(struct fanout *fanout)
{
	/* A thread that hangs still looks at some of this: leave all of it. */
	if (fanout->result.is_stalled)
		return;
	for (size_t i = 0;
	     fanout->targets != NULL && i < fanout->params->dest_count; i++)
		dp_close(fanout->targets[i].dp);
	free(fanout->targets);
	image_close(fanout->old_manifest);
	if (fanout->params->image == NULL)
		image_close(fanout->image);
	owners_free(fanout->owners);
	pf_lock_free(fanout->lock);
	pf_condition_free(fanout->stepped);
	free(fanout->views);
	pf_close(fanout->source_top);
	pf_close(fanout->manifest_fd);
	pf_close(fanout->seen_fd);
	free(fanout);
}

/*
 * A destination given twice, or one that overlaps the source, is a mistake in
 * the command: nothing is written anywhere.
 */
static int
check_usage(const struct fanout *fanout)
{
	for (size_t i = 0; i < fanout->params->dest_count; i++) {
		int err = fanout->targets[i].dest->err;

		if (err == DSP_EINVAL || err == DSP_EOVERLAP)
			return err;
	}
	return 0;
}

static void
note_versions(struct fanout *fanout, const struct target *target)
{
	if (target->dest->state == FANOUT_FAILED)
		return;
	target->dest->version_before = dp_published(target->dp);
	if (target->dest->version_before > fanout->newest)
		fanout->newest = target->dest->version_before;
	if (dp_highest(target->dp) > fanout->highest)
		fanout->highest = dp_highest(target->dp);
}

static int
run(struct fanout *fanout)
{
	const struct fanout_params *params = fanout->params;
	int err = set_up(fanout);

	if (err == 0)
		err = open_source(fanout);
	if (err == 0)
		err = fanout_each(fanout, is_any, open_step,
				  params->stall_timeout_s);
	if (err == 0)
		err = check_usage(fanout);
	if (err < 0)
		return err;
	for (size_t i = 0; i < params->dest_count; i++)
		note_versions(fanout, &fanout->targets[i]);
	err = fanout->is_image ? decide_image(fanout) : decide_tree(fanout);
	if (err < 0 || params->dry_run)
		return err;
	if (params->readback)
		err = fanout_each(fanout, is_unchanged, check_step, 0);
	for (size_t i = 0; err == 0 && i < params->dest_count; i++)
		if (fanout->targets[i].is_active)
			return write_and_publish(fanout);
	return err;
}

int
fanout(const struct fanout_params *params, struct fanout_result *ret_result)
{
	struct fanout *fanout = calloc(1, sizeof *fanout);
	int err;

	if (fanout == NULL)
		return report_error(DSP_ENOMEM, params->source, "publishing");
	fanout->params = params;
	fanout->manifest_fd = fanout->seen_fd = fanout->round_seen_fd = -1;
	fanout->source_top = -1;
	err = run(fanout);
	for (size_t i = 0; i < params->dest_count; i++) {
		fanout->result.bytes_written += params->dests[i].bytes_written;
		if (err == 0 && params->dests[i].state == FANOUT_FAILED)
			err = params->dests[i].err;
	}
	if (fanout->is_image && fanout->image != NULL)
		fanout->result.bytes_read = image_size(fanout->image);
	*ret_result = fanout->result;
	tear_down(fanout);
	return err;
}
