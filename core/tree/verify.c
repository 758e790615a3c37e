/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/verify.h"

#include "core/base/err.h"
#include "core/base/report.h"
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
	return err;
}
