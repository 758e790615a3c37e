/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/verify.h"

#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/chunk/cut.h"
#include "core/image/walk.h"
#include "core/tree/flow.h"
#include "core/tree/image_source.h"

struct verify {
	const struct verify_params *params;
	struct image_source *source;
	uint64_t files;
};

static int
fill(void *context, struct slot *slot, bool *ret_is_end)
{
	struct verify *verify = context;
	const struct verify_params *params = verify->params;
	int err = image_source_fill(verify->source, slot, ret_is_end);

	for (size_t i = 0; i < slot->record_count; i++)
		verify->files += slot->part_offset == 0 &&
				 slot->records[i].type == RECORD_FILE;
	if (params->progress != NULL)
		params->progress(params->progress_context,
				 image_source_progress(verify->source),
				 verify->files);
	return err;
}

static int
work(void *context, unsigned worker, struct slot *slot)
{
	struct verify *verify = context;
	const uint8_t *data = slot->raw;
	int err = image_source_work(verify->source, worker, slot);

	/* What recycling and diff go by must be true as well. */
	for (size_t i = 0; err == 0 && i < slot->record_count && !slot->is_part;
	     i++) {
		const struct record *record = &slot->records[i];
		struct digest digest;

		if (!record_has_digest(record))
			continue;
		digest_of(data, (size_t)record->data_size, &digest);
		data += record->data_size;
		if (!digest_equal(&digest, &record->digest))
			err = report_error(DSP_ECORRUPT, record->path,
					   "its digest in %s is not its data's",
					   image_name(verify->params->image));
	}
	return err;
}

/* The hard links of a manifest, by 64 hash bits of their targets' paths. */
struct link_target {
	uint64_t hash;
	bool is_met; /* a file or a symbolic link has that path */
};

static int
compare_targets(const void *a, const void *b)
{
	const struct link_target *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Go through the records; fill targets (is_filling), or mark those met. */
static int
walk_links(struct image *image, struct link_target *targets, size_t count,
	   bool is_filling)
{
	struct walk *walk = NULL;
	enum walk_step step = WALK_RECORD;
	size_t filled = 0;
	int err = walk_new(image, &walk);

	while (err == 0 && step != WALK_END) {
		const struct record *record = &walk_view(walk)->record;
		struct link_target key = { 0 };
		struct link_target *found;

		err = walk_next(walk, &step);
		if (err < 0 || step != WALK_RECORD)
			continue;
		if (is_filling && record->type == RECORD_HARDLINK) {
			targets[filled++].hash = cut_path_hash(
				record->target, record->target_size);
		} else if (!is_filling && (record->type == RECORD_FILE ||
					   record->type == RECORD_SYMLINK)) {
			key.hash =
				cut_path_hash(record->path, record->path_size);
			found = bsearch(&key, targets, count, sizeof *targets,
					compare_targets);
			if (found != NULL)
				found->is_met = true;
		}
	}
	walk_free(walk);
	return err;
}

/* Every hard link must be to something in this manifest. */
static int
check_links(struct image *image)
{
	size_t count = (size_t)image_root(image)->hardlink_count;
	struct link_target *targets;
	bool was_met = true;
	int err;

	if (count == 0)
		return 0;
	targets = calloc(count, sizeof *targets);
	if (targets == NULL)
		return report_error(DSP_ENOMEM, image_name(image),
				    "checking its hard links");
	err = walk_links(image, targets, count, true);
	qsort(targets, count, sizeof *targets, compare_targets);
	if (err == 0)
		err = walk_links(image, targets, count, false);
	for (size_t i = 0; err == 0 && i < count; i++) {
		/* Of equal ones, bsearch() has marked any. */
		bool is_first = i == 0 ||
				targets[i].hash != targets[i - 1].hash;

		was_met = targets[i].is_met || (!is_first && was_met);
		if (!was_met &&
		    (i + 1 == count || targets[i + 1].hash != targets[i].hash))
			err = report_error(DSP_ECORRUPT, image_name(image),
					   "a hard link to nothing");
	}
	free(targets);
	return err;
}

int
verify_image(const struct verify_params *params)
{
	struct verify verify = { .params = params };
	struct flow_params flow = {
		.worker_count = params->worker_count,
		.slot_count = 2 * params->worker_count + 1,
		.raw_max = image_root(params->image)->rule.max,
		.context = &verify,
		.fill = fill,
		.work = work,
	};
	int err;

	if (image_kind(params->image) != IMAGE_WITH_BLOCKS)
		return report_error(DSP_EFORMAT, image_name(params->image),
				    "a manifest without blocks");
	err = image_source_new(params->image, params->worker_count, NULL, NULL,
			       &verify.source);
	if (err == 0)
		err = flow_run(&flow, NULL, 0);
	image_source_free(verify.source);
	if (err == 0)
		err = check_links(params->image);
	return err;
}
