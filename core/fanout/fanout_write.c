/* SPDX-License-Identifier: Apache-2.0 */

/* fanout_write - the rounds that write all trees. */

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/fanout/fanout_int.h"
#include "platform/pf_temp.h"

enum { ROUNDS_MAX = 1000 };

static bool
wants_lane(const struct target *target)
{
	return target->is_active && !target->is_written &&
	       target->expand != NULL;
}

/* One record more in the slot being filled; what stands there already? */
static int
look(struct fanout *fanout, const struct record *record, bool is_known,
     bool *ret_is_wanted)
{
	struct old_view *view;
	int err;

	*ret_is_wanted = fanout->is_everything_wanted;
	if (fanout->merge == NULL)
		return 0;
	if (fanout->view_count == fanout->view_capacity) {
		size_t capacity = fanout->view_capacity * 2 + 256;
		struct old_view *views =
			realloc(fanout->views, capacity * sizeof *views);

		if (views == NULL)
			return report_error(DSP_ENOMEM, fanout->params->source,
					    "comparing versions");
		fanout->views = views;
		fanout->view_capacity = capacity;
	}
	view = &fanout->views[fanout->view_count];
	err = merge_record(fanout->merge, record, is_known, view);
	if (err < 0)
		return err;
	fanout->view_count++;
	if (view->what != OLD_SAME || view->is_open)
		*ret_is_wanted = true;
	return 0;
}

static int
look_tree(void *context, const struct record *record, bool is_known,
	  bool *ret_is_wanted)
{
	return look(context, record, is_known, ret_is_wanted);
}

/* An error is met again when the slot's views are counted. */
static bool
wants_image(void *context, const struct record *record)
{
	struct fanout *fanout = context;
	bool is_wanted = true;

	if (look(fanout, record, true, &is_wanted) < 0)
		return true;
	return is_wanted;
}

static int
fill(void *context, struct slot *slot, bool *ret_is_end)
{
	struct fanout *fanout = context;
	const struct fanout_params *params = fanout->params;
	uint64_t total =
		fanout->is_image ? image_root(fanout->image)->data_bytes : 0;
	size_t views;
	int err;

	if (fanout->is_filled) {
		*ret_is_end = true;
		return 0;
	}
	err = fanout->is_image ? image_source_fill(fanout->image_source, slot,
						   &fanout->is_filled)
			       : tree_source_fill(fanout->tree_source, slot,
						  &fanout->is_filled);
	if (err < 0)
		return err;
	for (size_t i = 0; i < slot->record_count; i++)
		fanout->files += slot->part_offset == 0 &&
				 slot->records[i].type == RECORD_FILE;
	if (params->progress != NULL)
		params->progress(
			params->progress_context,
			fanout->is_image
				? image_source_progress(fanout->image_source)
				: tree_source_bytes_read(fanout->tree_source),
			total, fanout->files);
	if (fanout->merge == NULL) {
		*ret_is_end = fanout->is_filled;
		return 0;
	}

	/*
	 * A tree's scan may be one record ahead of the slot: its view stays
	 * for the next one.  What is gone at the very end has a slot of its
	 * own, without records.
	 */
	views = slot->part_offset > 0 ? 0 : slot->record_count;
	if (views > fanout->view_count)
		return DSP_EFAULT; /* look() failed and reported */
	err = merge_fill_slot(fanout->merge, slot, fanout->views, views,
			      fanout->is_filled);
	fanout->view_count -= views;
	memmove(fanout->views, fanout->views + views,
		fanout->view_count * sizeof *fanout->views);
	return err;
}

static int
work(void *context, unsigned worker, struct slot *slot)
{
	struct fanout *fanout = context;
	int err =
		fanout->is_image
			? image_source_work(fanout->image_source, worker, slot)
			: tree_source_work(fanout->tree_source, worker, slot);

	if (err == 0)
		merge_resolve(slot);
	return err;
}

int
fanout_fail_manifest(int err)
{
	return report_error(err, pf_temp_dir(), "writing the manifest");
}

/* A tree's manifest is written as the slots go by. */
static int
take_slot(struct lane_thread *thread, const struct slot *slot)
{
	struct fanout *fanout = thread->lane->context;
	int err = 0;

	for (size_t i = 0; err == 0 && i < slot->record_count; i++)
		if (slot->part_offset == 0)
			err = image_writer_add_record(fanout->writer,
						      &slot->records[i]);
	if (err == 0 && slot->raw_size > 0) {
		struct image_block block = {
			.block = { .name = slot->name,
				   .raw_size = (uint32_t)slot->raw_size },
		};

		err = image_writer_add_block(fanout->writer, &block);
	}
	if (err == 0 && slot->ends_page)
		err = image_writer_end_page(fanout->writer);
	if (err == 0 && slot->part_offset == 0 && slot->record_count > 0)
		err = pf_write_at(fanout->round_seen_fd, slot->rows,
				  slot->record_count * ROW_SIZE,
				  ROWS_HEADER_SIZE + slot->ordinal * ROW_SIZE);
	return err < 0 ? fanout_fail_manifest(err) : 0;
}

/*
 * When all of the tree had to be read to see that nothing changed, the
 * current version stays the current one.
 */
static void
choose_version(struct fanout *fanout)
{
	const struct fanout_params *params = fanout->params;

	image_writer_settle_content(fanout->writer);
	for (size_t i = 0; i < params->dest_count && params->version == 0 &&
			   fanout->newest != 0;
	     i++) {
		struct target *target = &fanout->targets[i];
		struct image *manifest = NULL;

		if (!target->is_lost && target->dp != NULL &&
		    dp_published(target->dp) == fanout->newest)
			manifest = dp_manifest(target->dp, fanout->newest);
		if (manifest != NULL &&
		    digest_equal(&image_root(manifest)->content,
				 &image_writer_root(fanout->writer)->content))
			fanout->result.version = fanout->newest;
	}
}

/* A tree is read: its manifest must be the same in every round. */
static int
finish_manifest(struct fanout *fanout, int manifest_fd)
{
	const struct root *root = image_writer_root(fanout->writer);
	uint8_t header[ROWS_HEADER_SIZE];
	int err;

	if (root->record_count == 1 && !fanout->params->allow_empty)
		return report_error(DSP_EEMPTY, fanout->params->source,
				    "nothing to publish (--allow-empty does)");
	choose_version(fanout);
	image_writer_set_version(fanout->writer, fanout->result.version);
	err = image_writer_finish(fanout->writer, &fanout->root_digest, NULL);
	if (err < 0)
		return fanout_fail_manifest(err);
	if (fanout->has_content &&
	    !digest_equal(&fanout->result.content, &root->content))
		return report_error(DSP_ECHANGED, fanout->params->source,
				    "publishing");
	rows_put_header(header, &fanout->root_digest);
	err = pf_write_at(fanout->round_seen_fd, header, sizeof header, 0);
	if (err < 0)
		return fanout_fail_manifest(err);
	fanout->has_content = true;
	fanout->result.content = root->content;
	fanout->result.file_count = root->file_count;
	pf_close(fanout->manifest_fd);
	pf_close(fanout->seen_fd);
	fanout->manifest_fd = manifest_fd;
	fanout->seen_fd = fanout->round_seen_fd;
	fanout->round_seen_fd = -1;
	return 0;
}

/* The base that the published version left at some destination. */
void
fanout_find_base(struct fanout *fanout, struct base **ret_base)
{
	for (size_t i = 0; i < fanout->params->dest_count; i++) {
		struct target *target = &fanout->targets[i];
		struct image *manifest;
		int fd;

		if (target->is_lost || target->dp == NULL)
			continue;
		fd = dp_open_seen(target->dp);
		if (fd < 0)
			continue;
		manifest =
			dp_whole_manifest(target->dp, dp_published(target->dp));
		if (manifest != NULL && base_new(manifest, fd, ret_base) == 0)
			return;
		if (manifest == NULL)
			pf_close(fd);
	}
}

struct round {
	struct lane **lanes;
	struct target **targets; /* of each lane; NULL: the manifest's */
	size_t lane_count;
	struct lane manifest_lane;
	struct scan *scan;
	struct owners *owners;
	struct base *base;
	int manifest_fd;
};

/* Which lanes run, where the source must begin, and what is compared with. */
static int
choose_lanes(struct fanout *fanout, struct round *round, uint64_t *ret_first)
{
	uint64_t first = UINT64_MAX;
	bool has_recycled = false;

	fanout->is_everything_wanted = false;
	for (size_t i = 0; i < fanout->params->dest_count; i++) {
		struct target *target = &fanout->targets[i];
		struct lane *lane;

		if (!wants_lane(target))
			continue;
		lane = expand_lane(target->expand);
		round->targets[round->lane_count] = target;
		round->lanes[round->lane_count++] = lane;
		if (lane->next < first)
			first = lane->next;
		if (target->recycled == 0)
			fanout->is_everything_wanted = true;
		else
			has_recycled = true;
	}
	*ret_first = first;
	return has_recycled ? merge_new(fanout->old_manifest, &fanout->merge)
			    : 0;
}

static int
open_tree(struct fanout *fanout, struct round *round)
{
	const struct fanout_params *params = fanout->params;
	struct scan_options options = params->scan;
	struct tree_source_params source = {
		.path = params->source,
		.rule = cut_rule_default,
		.worker_count = params->worker_count,
		.has_rows = true,
		.look = look_tree,
		.look_context = fanout,
	};
	struct image_params image = { .package_id = params->package_id,
				      .version = 1,
				      .rule = cut_rule_default };
	int err;

	round->owners = owners_new();
	if (round->owners == NULL)
		return report_error(DSP_ENOMEM, params->source, "publishing");
	options.owners = round->owners;
	err = scan_new(params->source, &options, &round->scan);
	if (err < 0)
		return err;
	fanout_find_base(fanout, &round->base);
	source.scan = round->scan;
	source.base = round->base;
	err = tree_source_new(&source, &fanout->tree_source);
	if (err < 0)
		return err;
	err = pf_temp_file(&round->manifest_fd);
	if (err == 0)
		err = pf_temp_file(&fanout->round_seen_fd);
	if (err == 0)
		err = image_writer_new(round->manifest_fd, IMAGE_MANIFEST,
				       &image, &fanout->writer);
	if (err < 0)
		return fanout_fail_manifest(err);
	round->manifest_lane = (struct lane){ .context = fanout,
					      .thread_count = 1,
					      .is_patient = true,
					      .begin = take_slot };
	round->targets[round->lane_count] = NULL;
	round->lanes[round->lane_count++] = &round->manifest_lane;
	return 0;
}

static void
close_round(struct fanout *fanout, struct round *round)
{
	if (fanout->tree_source != NULL)
		fanout->result.bytes_read +=
			tree_source_bytes_read(fanout->tree_source);
	tree_source_free(fanout->tree_source);
	fanout->tree_source = NULL;
	image_source_free(fanout->image_source);
	fanout->image_source = NULL;
	image_writer_free(fanout->writer);
	fanout->writer = NULL;
	merge_free(fanout->merge);
	fanout->merge = NULL;
	pf_close(fanout->round_seen_fd);
	fanout->round_seen_fd = -1;
	base_free(round->base);
	scan_free(round->scan);
	owners_free(round->owners);
	if (round->manifest_fd != fanout->manifest_fd)
		pf_close(round->manifest_fd);
	free(round->lanes);
	free(round->targets);
}

/* A tree was written, failed, spoiled, or is to go on in another round. */
static void
settle(struct fanout *fanout, struct target *target, const struct lane *lane)
{
	target->dest->files_written = expand_files_written(target->expand);
	target->dest->files_kept = expand_files_kept(target->expand);
	target->dest->bytes_written = expand_bytes_written(target->expand);
	if (lane->is_stalled) {
		fanout->result.is_stalled = true;
		target->is_lost = true;
		fanout_lose(target,
			    report_error(DSP_ESTALLED, target->dest->path,
					 "no progress for %u s",
					 fanout->params->stall_timeout_s));
	} else if (expand_is_spoiled(target->expand)) {
		/* S1: the old tree is not what it was; write all of it. */
		int err;

		report_warning(target->dest->path,
			       "what the tree was to be made of was changed by "
			       "others, so every file is written anew");
		target->recycled = 0;
		err = dp_begin(target->dp, &target->recycled, fanout->owners, 1,
			       &target->expand);
		if (err < 0)
			fanout_lose(target, err);
	} else if (lane->err < 0) {
		fanout_lose(target, lane->err);
	} else if (!lane->is_aside) {
		target->is_written = true;
	}
}

static int
run_round(struct fanout *fanout)
{
	const struct fanout_params *params = fanout->params;
	size_t lane_max = params->dest_count + 1;
	struct round round = {
		.lanes = calloc(lane_max, sizeof *round.lanes),
		.targets = calloc(lane_max, sizeof *round.targets),
		.manifest_fd = -1,
	};
	struct flow_params flow = {
		.worker_count = params->worker_count,
		.slot_count = 4 * params->worker_count + 2,
		.raw_max = cut_rule_default.max,
		.stall_timeout_ms = params->stall_timeout_s * 1000,
		.context = fanout,
		.fill = fill,
		.work = work,
	};
	uint64_t first;
	int err = DSP_ENOMEM;

	if (round.lanes == NULL || round.targets == NULL) {
		report_error(err, params->source, "publishing");
		goto out;
	}
	fanout->is_filled = false;
	fanout->view_count = 0;
	fanout->files = 0;
	err = choose_lanes(fanout, &round, &first);
	if (err == 0 && fanout->is_image) {
		flow.raw_max = image_root(fanout->image)->rule.max;
		err = image_source_new(fanout->image, params->worker_count,
				       wants_image, fanout,
				       &fanout->image_source);
		if (err == 0)
			image_source_skip_to(fanout->image_source, first);
		if (err == 0)
			image_source_read_absent(fanout->image_source,
						 params->read_absent,
						 params->read_context);
	} else if (err == 0) {
		err = open_tree(fanout, &round);
	}
	flow.lane_works = round.lane_count == 1 && params->worker_count > 1 &&
			  round.lanes[0]->thread_count == params->worker_count;
	if (err == 0)
		err = flow_run(&flow, round.lanes, round.lane_count);
	if (err == 0 && !fanout->is_image)
		err = round.manifest_lane.err;
	if (err == 0 && !fanout->is_image)
		err = finish_manifest(fanout, round.manifest_fd);
	for (size_t i = 0; err == 0 && i < round.lane_count; i++)
		if (round.targets[i] != NULL)
			settle(fanout, round.targets[i], round.lanes[i]);
out:
	close_round(fanout, &round);
	return err;
}

int
fanout_write(struct fanout *fanout)
{
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		bool is_pending = false;
		int err;

		for (size_t i = 0; i < fanout->params->dest_count; i++)
			if (wants_lane(&fanout->targets[i]))
				is_pending = true;
		if (!is_pending)
			return 0;

		/* Each round ends at least the fastest of its lanes. */
		err = run_round(fanout);
		if (err < 0)
			return err;
	}
	return report_error(DSP_ELIMIT, fanout->params->source,
			    "too many rounds");
}
