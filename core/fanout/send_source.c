/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fanout/send_source.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "core/image/counterpart.h"
#include "core/image/walk.h"

/* What is known about one base while the image is gone through. */
struct base_state {
	struct old_data *old;
	bool has_tables;
	struct counterpart *counterpart;
	struct old_place large;
	int64_t drift; /* where the large file's data are in the old file, less
			* where they are in the new one */
	uint8_t *ranges;
	uint32_t range_count;
	uint32_t ranges_total; /* bytes that they add up to */
};

struct send_worker {
	struct frame_encoder *encoder;
	struct frame_decoder *decoder;
	struct buffer raw, base, delta;
};

struct send_source {
	struct send_source_params params;
	struct base_state *bases;
	struct send_worker *workers;
	struct walk *walk;
	uint32_t page_next; /* of the page phase */
	struct page_load load;
	struct frame_table table;
	struct buffer digests;
	struct block_index next; /* of the block phase */
	char *path;
};

static int
fail(const struct send_source *source, int err)
{
	return report_error(err, image_name(source->params.image),
			    "preparing what is to be sent");
}

size_t
send_source_raw_max(const struct image *image)
{
	return frame_size_max(image_root(image)->rule.max);
}

/* Setting up. */

static int
start_base(struct send_source *source, struct base_state *base,
	   const struct send_base *held)
{
	struct old_data *old = held->old;

	base->old = old;
	base->has_tables = held->has_tables;
	base->ranges =
		malloc((size_t)MESSAGE_RANGE_COUNT_MAX * MESSAGE_RANGE_SIZE);
	if (base->ranges == NULL)
		return fail(source, DSP_ENOMEM);
	return counterpart_new(source->params.image, old_data_image(old),
			       &base->counterpart);
}

int
send_source_new(const struct send_source_params *params,
		struct send_source **ret_source)
{
	struct send_source *source = calloc(1, sizeof *source);
	int err = DSP_ENOMEM;

	if (source == NULL)
		return report_error(err, image_name(params->image), "sending");
	source->params = *params;
	source->page_next =
		params->has_pages ? 0 : image_root(params->image)->page_count;
	source->path = malloc(PATH_SIZE_MAX + 1);
	source->workers = calloc(params->worker_count, sizeof *source->workers);
	source->bases = calloc(params->base_count + 1, sizeof *source->bases);
	if (source->path == NULL || source->workers == NULL ||
	    source->bases == NULL)
		goto out;
	for (unsigned i = 0; i < params->worker_count; i++) {
		struct send_worker *worker = &source->workers[i];

		worker->encoder = frame_encoder_new(params->delta_level);
		worker->decoder = frame_decoder_new();
		if (worker->encoder == NULL || worker->decoder == NULL)
			goto out;
	}
	err = 0;
	for (size_t i = 0; err == 0 && i < params->base_count; i++)
		err = start_base(source, &source->bases[i], &params->bases[i]);
	if (err == 0)
		err = walk_new(params->image, &source->walk);
	if (err < 0)
		goto out;
	*ret_source = source;
	return 0;
out:
	if (err == DSP_ENOMEM)
		fail(source, err);
	send_source_free(source);
	return err;
}

void
send_source_free(struct send_source *source)
{
	if (source == NULL)
		return;
	for (size_t i = 0;
	     source->bases != NULL && i < source->params.base_count; i++) {
		counterpart_free(source->bases[i].counterpart);
		free(source->bases[i].ranges);
	}
	for (unsigned i = 0;
	     source->workers != NULL && i < source->params.worker_count; i++) {
		struct send_worker *worker = &source->workers[i];

		frame_encoder_free(worker->encoder);
		frame_decoder_free(worker->decoder);
		buffer_release(&worker->raw);
		buffer_release(&worker->base);
		buffer_release(&worker->delta);
	}
	walk_free(source->walk);
	page_load_release(&source->load);
	frame_table_release(&source->table);
	buffer_release(&source->digests);
	free(source->bases);
	free(source->workers);
	free(source->path);
	free(source);
}

static struct send_item *
new_item(struct send_source *source, struct slot *slot)
{
	size_t count = source->params.base_count + 1;
	struct send_item *item = arena_take(&slot->arena, sizeof *item);
	struct send_plan *plans =
		arena_take(&slot->arena, count * sizeof *plans);

	if (item == NULL || plans == NULL)
		return NULL;
	memset(item, 0, sizeof *item);
	memset(plans, 0, count * sizeof *plans);
	item->plans = plans;
	slot->extra = item;
	return item;
}

/* A copy in the slot's memory; NULL when out of memory. */
static uint8_t *
keep(struct slot *slot, const void *data, size_t size)
{
	uint8_t *copy = arena_take(&slot->arena, size + 1);

	if (copy != NULL && size > 0)
		memcpy(copy, data, size);
	return copy;
}

/* Pages. */

/* As many pages as the prefix has room for, whole: both ends use all of them. */
static void
limit_base_pages(const struct base_state *base, struct send_plan *plan)
{
	const struct root_page *pages =
		&image_root(old_data_image(base->old))->pages[plan->base_first];
	uint64_t size = pages[0].raw_size;
	uint32_t count = 1;

	while (count < plan->base_count &&
	       size + pages[count].raw_size <= MESSAGE_PAGE_BASE_MAX)
		size += pages[count++].raw_size;
	plan->base_count = count;
}

/* Which old pages hold the counterparts of the page's files? */
static int
find_base_pages(struct send_source *source, struct base_state *base,
		struct send_plan *plan)
{
	struct old_place first = { 0 }, last = { 0 };
	struct page_cursor cursor;
	struct record record;
	uint32_t last_page;
	uint64_t number;
	bool is_end = false;
	int err = page_cursor_start(&cursor, &source->load.page, source->path);

	while (err == 0) {
		struct old_place place = { 0 };

		err = page_next(&cursor, &record, &is_end);
		if (err < 0)
			return fail(source, err);
		if (is_end)
			break;
		if (record_has_digest(&record))
			err = counterpart_find(base->counterpart, &record,
					       &place);
		if (place.size == 0)
			continue;
		if (first.size == 0)
			first = place;
		last = place;
	}
	if (err < 0 || first.size == 0)
		return err;
	plan->base_first = old_data_find_page(base->old, first.offset, &number);
	last_page = old_data_find_page(base->old, last.offset, &number);
	plan->base_count = 1;
	if (last_page > plan->base_first)
		plan->base_count += last_page - plan->base_first;
	if (plan->base_count > MESSAGE_BASE_PAGE_COUNT_MAX)
		plan->base_count = MESSAGE_BASE_PAGE_COUNT_MAX;
	limit_base_pages(base, plan);
	return 0;
}

static int
fill_page(struct send_source *source, struct slot *slot)
{
	uint32_t index = source->page_next++;
	struct send_item *item = new_item(source, slot);
	struct page_load *load = &source->load;
	int err;

	if (item == NULL)
		return fail(source, DSP_ENOMEM);
	item->is_page = true;
	item->index.page = index;
	err = image_load_page(source->params.image, index, load);
	if (err == 0)
		err = image_load_digests(source->params.image, index,
					 &source->table, &source->digests);
	if (err < 0)
		return err;
	item->digests = keep(slot, source->digests.data, source->digests.size);
	item->raw = keep(slot, load->raw.data, load->raw.size);
	item->raw_size = load->raw.size;
	item->plans[0].page = keep(slot, load->stored.data, load->stored.size);
	item->plans[0].page_size = load->stored.size;
	slot->raw_size = 1; /* so that it is worked on */
	if (item->raw == NULL || item->plans[0].page == NULL ||
	    item->digests == NULL)
		return fail(source, DSP_ENOMEM);
	for (size_t i = 0; err == 0 && i < source->params.base_count; i++)
		err = find_base_pages(source, &source->bases[i],
				      &item->plans[i + 1]);
	if (index + 1 < image_root(source->params.image)->page_count)
		return err;
	for (size_t i = 0; err == 0 && i < source->params.base_count; i++)
		err = counterpart_rewind(source->bases[i].counterpart);
	return err;
}

/* Encode data against a base, as a piece in the slot's memory. */
static int
encode(struct send_source *source, struct send_worker *worker,
       struct slot *slot, const uint8_t *data, size_t size,
       const struct buffer *base, uint8_t **ret_frame, size_t *ret_size)
{
	struct buffer *delta = &worker->delta;
	int err;

	delta->size = 0;
	err = buffer_reserve(delta, frame_size_max(size));
	if (err == 0)
		err = frame_encode(worker->encoder, data, size,
				   base->size > 0 ? base->data : NULL,
				   base->size, delta->data, delta->capacity,
				   ret_size);
	if (err < 0)
		return fail(source, err);
	*ret_frame = keep(slot, delta->data, *ret_size);
	return *ret_frame != NULL ? 0 : fail(source, DSP_ENOMEM);
}

/* A page for those who hold a base in which its files are. */
static int
plan_page(struct send_source *source, struct send_worker *worker,
	  struct slot *slot, const struct base_state *held,
	  struct send_plan *plan)
{
	struct old_data *old = held->old;
	const struct send_item *item = slot->extra;
	const struct root_page *page =
		&image_root(source->params.image)->pages[item->index.page];
	const struct root_page *same = NULL;
	struct buffer *base = &worker->base;
	int err = 0;

	if (plan->base_count == 1 && page->raw_size <= MESSAGE_PAGE_BASE_MAX)
		same = &image_root(old_data_image(old))->pages[plan->base_first];
	if (same == NULL || !digest_equal(&same->digest, &page->digest)) {
		base->size = 0;
		err = old_data_pages(old, plan->base_first, plan->base_count,
				     MESSAGE_PAGE_BASE_MAX, base);
		if (err == 0)
			err = encode(source, worker, slot, item->raw,
				     item->raw_size, base, &plan->page,
				     &plan->page_size);
	}
	if (err < 0 || page->block_count == 0 ||
	    (same != NULL && held->has_tables &&
	     digest_equal(&same->frames, &page->frames)))
		return err;
	base->size = 0;
	if (held->has_tables)
		err = old_data_digests(old, plan->base_first, plan->base_count,
				       MESSAGE_PAGE_BASE_MAX, base);
	if (err == 0)
		err = encode(source, worker, slot, item->digests,
			     (size_t)page->block_count * DIGEST_SIZE, base,
			     &plan->digests, &plan->digests_size);
	return err;
}

static int
work_on_page(struct send_source *source, struct send_worker *worker,
	     struct slot *slot)
{
	static const struct buffer nothing = { 0 };
	struct send_item *item = slot->extra;
	const struct root *root = image_root(source->params.image);
	uint32_t block_count = root->pages[item->index.page].block_count;
	struct send_plan *whole = &item->plans[0];
	int err = 0;

	if (block_count > 0)
		err = encode(source, worker, slot, item->digests,
			     (size_t)block_count * DIGEST_SIZE, &nothing,
			     &whole->digests, &whole->digests_size);
	for (size_t i = 0; err == 0 && i < source->params.base_count; i++) {
		struct send_plan *plan = &item->plans[i + 1];

		if (plan->base_count == 0)
			*plan = *whole;
		else
			err = plan_page(source, worker, slot, &source->bases[i],
					plan);
	}
	return err;
}

/* Blocks. */

static void
clear_ranges(struct base_state *base)
{
	base->range_count = 0;
	base->ranges_total = 0;
}

/* Add a range to the base of the block, as far as there is room. */
static void
add_range(struct base_state *base, uint64_t offset, uint64_t size)
{
	uint32_t room = FRAME_BASE_MAX - base->ranges_total;
	uint32_t now = size < room ? (uint32_t)size : room;
	uint8_t *last = base->ranges +
			(size_t)(base->range_count - 1) * MESSAGE_RANGE_SIZE;

	if (now == 0)
		return;
	if (base->range_count > 0 &&
	    le64_get(last) + le32_get(last + 8) == offset) {
		le32_put(last + 8, le32_get(last + 8) + now);
	} else {
		if (base->range_count == MESSAGE_RANGE_COUNT_MAX)
			return;
		last = base->ranges +
		       (size_t)base->range_count++ * MESSAGE_RANGE_SIZE;
		le64_put(last, offset);
		le32_put(last + 8, now);
	}
	base->ranges_total += now;
}

/* The base of a part: as much of the old file as may be, around its place. */
static void
add_part_range(struct base_state *base, const struct walk_view *view)
{
	uint64_t old_size = base->large.size;
	uint64_t size = old_size < FRAME_BASE_MAX ? old_size : FRAME_BASE_MAX;
	uint64_t raw_size = view->block.raw_size;
	uint64_t slack = size > raw_size ? (size - raw_size) / 2 : 0;
	int64_t from =
		(int64_t)view->part_offset - (int64_t)slack + base->drift;

	if (from < 0)
		from = 0;
	if ((uint64_t)from > old_size - size)
		from = (int64_t)(old_size - size);
	add_range(base, base->large.offset + (uint64_t)from, size);
}

/* A block that the old file has as well says how far its data have moved. */
static void
note_drift(struct base_state *base, const struct walk_view *view,
	   const struct old_block *block)
{
	const struct old_place *large = &base->large;

	if (view->is_part && block->offset >= large->offset &&
	    block->offset < large->offset + large->size)
		base->drift = (int64_t)(block->offset - large->offset) -
			      (int64_t)view->part_offset;
}

static int
take_record(struct send_source *source, struct base_state *base)
{
	const struct root *root = image_root(source->params.image);
	const struct record *record = &walk_view(source->walk)->record;
	struct old_place place = { 0 };
	int err;

	if (!record_has_digest(record))
		return 0;
	err = counterpart_find(base->counterpart, record, &place);
	if (err < 0)
		return err;
	if (record_is_large(record, root->rule.average)) {
		base->large = place;
		base->drift = 0;
	} else if (place.size > 0) {
		add_range(base, place.offset, place.size);
	}
	return 0;
}

static int
plan_block(struct send_source *source, struct base_state *base,
	   struct slot *slot, struct send_plan *plan)
{
	const struct walk_view *view = walk_view(source->walk);
	struct old_block block;
	bool is_found;
	int err =
		old_data_find(base->old, &view->block.name, &block, &is_found);

	if (err == 0 && is_found) {
		note_drift(base, view, &block);
		plan->how = SEND_COPY;
		plan->old_number = block.number;
	} else if (err == 0) {
		if (view->is_part && base->large.size > 0)
			add_part_range(base, view);
		plan->range_count = base->range_count;
		plan->ranges =
			keep(slot, base->ranges,
			     (size_t)base->range_count * MESSAGE_RANGE_SIZE);
		if (plan->ranges == NULL)
			err = fail(source, DSP_ENOMEM);
	}
	clear_ranges(base);
	return err;
}

static int
fill_block(struct send_source *source, struct slot *slot)
{
	const struct walk_view *view = walk_view(source->walk);
	bool is_wanted = source->params.is_frame_wanted;
	bool is_whole;
	struct send_item *item = new_item(source, slot);
	int err = 0;

	if (item == NULL)
		return fail(source, DSP_ENOMEM);
	item->index = source->next;
	item->is_local = view->frame.is_local;
	item->frame_size = view->frame.size;
	item->raw_size = view->block.raw_size;
	slot->frame_ref = view->frame;
	slot->name = view->block.name;
	slot->raw_size = view->block.raw_size;
	if (view->frame.size > send_source_raw_max(source->params.image))
		return report_error_at(DSP_ECORRUPT,
				       image_name(source->params.image),
				       view->frame.offset,
				       "a block's frame is too large");
	is_whole = source->params.is_whole != NULL &&
		   source->params.is_whole(source->params.whole_context,
					   item->index);
	for (size_t i = 0; err == 0 && i < source->params.base_count; i++) {
		struct send_plan *plan = &item->plans[i + 1];

		err = plan_block(source, &source->bases[i], slot, plan);
		if (is_whole)
			*plan = (struct send_plan){ .how = SEND_FRAME };
		is_wanted |= plan->how != SEND_COPY;
	}
	slot->is_skipped =
		!is_wanted ||
		block_index_compare(item->index, source->params.first) < 0;
	return err;
}

int
send_source_fill(void *context, struct slot *slot, bool *ret_is_end)
{
	struct send_source *source = context;
	const struct root *root = image_root(source->params.image);
	enum walk_step step;

	if (source->page_next < root->page_count)
		return fill_page(source, slot);
	for (;;) {
		int err = walk_next(source->walk, &step);

		if (err < 0)
			return err;
		if (step == WALK_END) {
			*ret_is_end = true;
			return 0;
		}
		if (step == WALK_PAGE_END) {
			source->next =
				(struct block_index){ source->next.page + 1,
						      0 };
		} else if (step == WALK_BLOCK) {
			err = fill_block(source, slot);
			source->next.block++;
			return err;
		}
		for (size_t i = 0; step == WALK_RECORD && err == 0 &&
				   i < source->params.base_count;
		     i++)
			err = take_record(source, &source->bases[i]);
		if (err < 0)
			return err;
	}
}

/* Read the base that the ranges name. */
static int
read_base(struct send_source *source, struct base_state *base,
	  const struct send_plan *plan, struct buffer *bytes)
{
	int err = 0;

	bytes->size = 0;
	for (uint32_t i = 0; err == 0 && i < plan->range_count; i++) {
		const uint8_t *range =
			plan->ranges + (size_t)i * MESSAGE_RANGE_SIZE;
		uint32_t size = le32_get(range + 8);

		if (buffer_reserve(bytes, size) < 0)
			return fail(source, DSP_ENOMEM);
		err = old_data_read(base->old, le64_get(range), size,
				    bytes->data + bytes->size);
		bytes->size += size;
	}
	return err;
}

/* The delta that the block came here as is good for who holds the same base. */
static int
pass_delta(struct send_source *source, struct send_worker *worker,
	   struct slot *slot, struct send_plan *plan)
{
	const struct frame_ref *frame = &slot->frame_ref;
	struct buffer *delta = &worker->delta;
	uint32_t ranges_size = frame->delta_ranges_size;
	int err;

	if (ranges_size == 0 || ranges_size > frame->delta_size ||
	    ranges_size % MESSAGE_RANGE_SIZE != 0 ||
	    frame->delta_size >
		    send_source_raw_max(source->params.image) + ranges_size)
		return 0;
	delta->size = 0;
	err = buffer_reserve(delta, frame->delta_size);
	if (err < 0)
		return fail(source, err);
	err = image_read_delta(source->params.image, frame, delta->data);
	if (err < 0)
		return err;
	plan->how = SEND_DELTA;
	plan->range_count = ranges_size / MESSAGE_RANGE_SIZE;
	plan->ranges = keep(slot, delta->data, ranges_size);
	plan->delta_size = frame->delta_size - ranges_size;
	plan->delta = keep(slot, delta->data + ranges_size, plan->delta_size);
	return plan->ranges != NULL && plan->delta != NULL
		       ? 0
		       : fail(source, DSP_ENOMEM);
}

/* Is a delta smaller than the frame? */
static int
try_delta(struct send_source *source, struct send_worker *worker,
	  struct slot *slot, struct base_state *base, struct send_plan *plan)
{
	struct send_item *item = slot->extra;
	size_t ranges_size = (size_t)plan->range_count * MESSAGE_RANGE_SIZE;
	struct buffer *delta = &worker->delta;
	size_t size;
	int err = read_base(source, base, plan, &worker->base);

	if (err < 0)
		return err;
	delta->size = 0;
	err = buffer_reserve(delta, frame_size_max(item->raw_size));
	if (err == 0)
		err = frame_encode(worker->encoder, worker->raw.data,
				   item->raw_size, worker->base.data,
				   worker->base.size, delta->data,
				   delta->capacity, &size);
	if (err < 0)
		return fail(source, err);
	if (size + ranges_size >= item->frame_size)
		return 0;
	plan->how = SEND_DELTA;
	plan->delta_size = size;

	/* The frame has done its duty, unless somebody is to have it. */
	if (source->params.base_count == 1 && !source->params.is_frame_wanted) {
		memcpy(slot->raw, delta->data, size);
		plan->delta = slot->raw;
		return 0;
	}
	plan->delta = keep(slot, delta->data, size);
	return plan->delta != NULL ? 0 : fail(source, DSP_ENOMEM);
}

int
send_source_work(void *context, unsigned index, struct slot *slot)
{
	struct send_source *source = context;
	struct send_worker *worker = &source->workers[index];
	struct send_item *item = slot->extra;
	bool is_decoded = false;
	int err;

	if (item->is_page)
		return work_on_page(source, worker, slot);
	if (slot->is_skipped)
		return 0;
	err = image_read_frame(source->params.image, &slot->frame_ref,
			       slot->raw);
	for (size_t i = 0; err == 0 && i < source->params.base_count; i++) {
		struct send_plan *plan = &item->plans[i + 1];

		if (plan->how == SEND_COPY || plan->range_count == 0)
			continue;
		if (slot->frame_ref.delta_size > 0 &&
		    digest_equal(&slot->frame_ref.delta_base,
				 image_root_digest(old_data_image(
					 source->bases[i].old)))) {
			err = pass_delta(source, worker, slot, plan);
			if (err < 0 || plan->how == SEND_DELTA)
				continue;
		}
		if (!is_decoded) {
			worker->raw.size = 0;
			err = buffer_reserve(&worker->raw, item->raw_size);
			if (err == 0)
				err = frame_decode(worker->decoder, slot->raw,
						   item->frame_size, NULL, 0,
						   worker->raw.data,
						   item->raw_size);
			if (err < 0)
				return fail(source, err);
			is_decoded = true;
		}
		err = try_delta(source, worker, slot, &source->bases[i], plan);
	}
	return err;
}
