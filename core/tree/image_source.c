/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/image_source.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "core/image/walk.h"

struct image_worker {
	struct frame_decoder *decoder;
	uint8_t *frame;
};

struct image_source {
	struct image *image;
	struct walk *walk;
	image_source_wants *wants;
	void *wants_context;
	image_source_read *read_absent; /* NULL: every block has a frame */
	void *read_context;
	uint64_t first;
	size_t frame_max;
	unsigned worker_count;
	struct image_worker *workers;
	bool is_group_wanted;
	bool is_in_large; /* more parts of the file in the last slot follow */
	atomic_ullong progress; /* bytes */
};

int
image_source_new(struct image *image, unsigned worker_count,
		 image_source_wants *wants, void *wants_context,
		 struct image_source **ret_source)
{
	struct image_source *source = calloc(1, sizeof *source);
	int err = DSP_ENOMEM;

	if (source == NULL)
		goto out;
	source->image = image;
	source->wants = wants;
	source->wants_context = wants_context;
	source->frame_max = frame_size_max(image_root(image)->rule.max);
	source->worker_count = worker_count;
	source->workers = calloc(worker_count, sizeof *source->workers);
	if (source->workers == NULL)
		goto out;
	for (unsigned i = 0; i < worker_count; i++) {
		source->workers[i].decoder = frame_decoder_new();
		source->workers[i].frame = malloc(source->frame_max);
		if (source->workers[i].decoder == NULL ||
		    source->workers[i].frame == NULL)
			goto out;
	}
	err = walk_new(image, &source->walk);
	if (err < 0)
		goto out;
	*ret_source = source;
	return 0;
out:
	if (err == DSP_ENOMEM)
		report_error(err, image_name(image), "reading the image");
	image_source_free(source);
	return err;
}

void
image_source_free(struct image_source *source)
{
	if (source == NULL)
		return;
	for (unsigned i = 0;
	     source->workers != NULL && i < source->worker_count; i++) {
		frame_decoder_free(source->workers[i].decoder);
		free(source->workers[i].frame);
	}
	free(source->workers);
	walk_free(source->walk);
	free(source);
}

void
image_source_skip_to(struct image_source *source, uint64_t first)
{
	source->first = first;
}

void
image_source_read_absent(struct image_source *source, image_source_read *read,
			 void *context)
{
	source->read_absent = read;
	source->read_context = context;
}

uint64_t
image_source_progress(const struct image_source *source)
{
	return atomic_load(&source->progress);
}

static int
add_record(struct image_source *source, struct slot *slot)
{
	const struct walk_view *view = walk_view(source->walk);
	struct record *record;

	if (slot->record_count == 0)
		slot->ordinal = view->ordinal;
	record = slot_add_record(slot);
	if (record == NULL ||
	    record_copy(&view->record, &slot->arena, record) < 0)
		return report_error(DSP_ENOMEM, image_name(source->image),
				    "reading the manifest");
	return 0;
}

/* Does somebody want the data of the record just added? */
static void
ask(struct image_source *source, const struct slot *slot)
{
	const struct record *record = &slot->records[slot->record_count - 1];
	bool is_wanted = source->wants == NULL ||
			 source->wants(source->wants_context, record);

	if (is_wanted && record_has_digest(record))
		source->is_group_wanted = true;
}

static int
add_block(struct image_source *source, struct slot *slot)
{
	const struct walk_view *view = walk_view(source->walk);
	uint64_t run;
	int err = 0;

	if (slot->record_count == 0) /* a further part of a large file */
		err = add_record(source, slot);
	if (err < 0)
		return err;
	slot->is_part = view->is_part;
	slot->part_offset = view->part_offset;
	if (slot->is_part)
		slot_align(slot, record_file_offset(&view->record,
						    view->part_offset, &run));
	slot->raw_size = view->block.raw_size;
	slot->name = view->block.name;
	slot->frame_ref = view->frame;
	source->is_in_large = view->is_part &&
			      view->part_offset + view->block.raw_size <
				      view->record.data_size;
	slot->is_skipped = !source->is_group_wanted ||
			   slot->number < source->first;
	if (slot->frame_ref.size > source->frame_max)
		return report_error_at(DSP_ECORRUPT, image_name(source->image),
				       slot->frame_ref.offset,
				       "a block's frame is too large");
	atomic_fetch_add(&source->progress, slot->raw_size);
	return 0;
}

int
image_source_fill(void *context, struct slot *slot, bool *ret_is_end)
{
	struct image_source *source = context;
	enum walk_step step;
	int err;

	/* A further part of a large file is wanted as the first one was. */
	if (!source->is_in_large)
		source->is_group_wanted = false;
	for (;;) {
		err = walk_next(source->walk, &step);
		if (err < 0)
			return err;
		if (step == WALK_BLOCK)
			return add_block(source, slot);
		if (step == WALK_END) {
			*ret_is_end = true;
			return 0;
		}
		if (step == WALK_PAGE_END && slot->record_count > 0) {
			slot->ends_page = true;
			return 0;
		}
		if (step != WALK_RECORD)
			continue;
		err = add_record(source, slot);
		if (err < 0)
			return err;
		ask(source, slot);
	}
}

/* Decode the block's frame, or get the block from elsewhere. */
static int
read_block(struct image_source *source, struct image_worker *mine,
	   struct slot *slot)
{
	int err;

	if (slot->frame_ref.size == 0 && source->read_absent != NULL)
		return source->read_absent(source->read_context, slot);
	err = image_read_frame(source->image, &slot->frame_ref, mine->frame);
	if (err < 0)
		return err;
	err = frame_decode(mine->decoder, mine->frame, slot->frame_ref.size,
			   NULL, 0, slot->raw, slot->raw_size);
	return err < 0 ? report_error_at(err, image_name(source->image),
					 slot->frame_ref.offset,
					 "decoding a block")
		       : 0;
}

int
image_source_work(void *context, unsigned worker, struct slot *slot)
{
	struct image_source *source = context;
	struct digest digest;
	int err;

	if (slot->raw_size == 0 || slot->is_skipped)
		return 0;
	err = read_block(source, &source->workers[worker], slot);
	if (err < 0)
		return err;
	digest_of(slot->raw, slot->raw_size, &digest);
	if (!digest_equal(&digest, &slot->name))
		return report_error_at(DSP_ECORRUPT, image_name(source->image),
				       slot->frame_ref.offset,
				       "a block does not decode to its name");
	return 0;
}
