/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/tree_source.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "core/image/page.h"
#include "core/tree/below.h"
#include "platform/pf_process.h"

/*
 * A group of which all files are unchanged so far and wanted by nobody is
 * put off: its data are not read.  When the group ends where a block of the
 * base ends, and both hold the same files, the block is the base's.  When
 * something else comes, what was put off is read after all.
 */

/* How much of a large file is read before the next look for a cut. */
enum { READ_STEP = 128 * 1024 };

struct tree_worker {
	struct frame_encoder *encoder;
	struct frame_decoder *decoder;
	uint8_t *check; /* what the frame decodes to */
};

/* A file of the slot that was not read. */
struct put_off {
	size_t index; /* into the slot's records */
	struct pf_stat stat;
};

struct tree_source {
	struct tree_source_params params;
	struct tree_worker *workers;
	int64_t start; /* when the scan began */

	/* The entry scanned but not in a slot yet; NULL: none. */
	struct scan_entry *pending;
	bool can_put_off;      /* it is unchanged and nobody wants it */
	uint64_t base_ordinal; /* of it in the base, when unchanged */
	struct arena arena;    /* of its record, when unchanged */
	uint64_t ordinal;      /* of the next record */

	/* The slot's files that were put off: all with data so far, or none. */
	struct put_off *put_off;
	size_t put_off_count;
	size_t put_off_capacity;
	uint64_t put_off_ordinal; /* of the last one, in the base */

	/* The large file that is being read; fd -1: none. */
	int fd;
	bool is_reusing;  /* its blocks are the base's, and fd is -1 */
	uint64_t offset;  /* of the data that the next part begins with */
	uint64_t read_to; /* data before this were read */
	uint8_t *carry;	  /* read, but behind the cut */
	size_t carry_size;

	/* What the manifest page holds by now. */
	size_t page_records;
	size_t page_blocks;
	size_t page_bytes; /* about */

	atomic_ullong bytes_read;
	atomic_ullong entries;
};

int
tree_source_new(const struct tree_source_params *params,
		struct tree_source **ret_source)
{
	struct tree_source *source = calloc(1, sizeof *source);
	unsigned count = params->worker_count;

	if (source == NULL)
		goto out;
	source->params = *params;
	source->fd = -1;
	source->start = pf_now();
	source->carry = malloc(params->rule.max);
	source->workers = calloc(count, sizeof *source->workers);
	if (source->carry == NULL || source->workers == NULL)
		goto out;
	for (unsigned i = 0; i < count && params->level > 0; i++) {
		struct tree_worker *worker = &source->workers[i];

		worker->encoder = frame_encoder_new(params->level);
		worker->decoder = frame_decoder_new();
		worker->check = malloc(params->rule.max);
		if (worker->encoder == NULL || worker->decoder == NULL ||
		    worker->check == NULL)
			goto out;
	}
	*ret_source = source;
	return 0;
out:
	tree_source_free(source);
	return report_error(DSP_ENOMEM, NULL, "reading the source");
}

void
tree_source_free(struct tree_source *source)
{
	if (source == NULL)
		return;
	for (unsigned i = 0;
	     source->workers != NULL && i < source->params.worker_count; i++) {
		frame_encoder_free(source->workers[i].encoder);
		frame_decoder_free(source->workers[i].decoder);
		free(source->workers[i].check);
	}
	free(source->workers);
	free(source->put_off);
	arena_release(&source->arena);
	free(source->carry);
	pf_close(source->fd);
	free(source);
}

uint64_t
tree_source_bytes_read(const struct tree_source *source)
{
	return atomic_load(&source->bytes_read);
}

uint64_t
tree_source_entries(const struct tree_source *source)
{
	return atomic_load(&source->entries);
}

static int
no_memory(const struct tree_source *source)
{
	return report_error(DSP_ENOMEM, source->params.path,
			    "reading the source");
}

/* Read data[offset, offset + size) of the record; all of it must be there. */
static int
read_data(struct tree_source *source, const struct record *record, int fd,
	  uint64_t offset, uint8_t *data, size_t size)
{
	atomic_fetch_add(&source->bytes_read, size);
	while (size > 0) {
		uint64_t run;
		uint64_t at = record_file_offset(record, offset, &run);
		size_t now = run < size ? (size_t)run : size;
		size_t got;
		int err = pf_read_at(fd, data, now, at, &got);

		if (err == 0 && got != now) /* it became shorter */
			err = DSP_ECHANGED;
		if (err < 0)
			return scan_fail(source->params.scan, err, record,
					 "reading");
		data += now;
		offset += now;
		size -= now;
	}
	return 0;
}

/* Is the pending entry a file of the base whose blocks can be the base's? */
static int
look_into_base(struct tree_source *source, bool *ret_is_unchanged)
{
	const struct tree_source_params *params = &source->params;
	struct record *record = &source->pending->record;
	const char *user = record->user, *group = record->group;
	struct base_view view;
	int err;

	*ret_is_unchanged = false;
	if (params->base == NULL)
		return 0;
	err = base_find(params->base, source->pending, &view);
	if (err < 0 || !view.is_unchanged)
		return err;
	view.record.path = record->path;
	/* A renamed directory leaves the rows below it, not what links say. */
	view.record.target = record->target;
	view.record.target_size = record->target_size;
	view.record.user = user;
	view.record.group = group;
	arena_reset(&source->arena);
	if (record_copy(&view.record, &source->arena, record) < 0)
		return no_memory(source);
	source->base_ordinal = view.ordinal;
	*ret_is_unchanged = true;
	return 0;
}

/* Scan the next entry, unless one is pending, and find out about it. */
static int
peek(struct tree_source *source)
{
	const struct tree_source_params *params = &source->params;
	bool is_unchanged, is_wanted = params->base == NULL;
	struct record *record;
	bool is_known;
	int err;

	if (source->pending != NULL)
		return 0;
	err = scan_next(params->scan, &source->pending);
	if (err < 0 || source->pending == NULL)
		return err;
	record = &source->pending->record;
	err = look_into_base(source, &is_unchanged);
	if (err == 0 && !is_unchanged)
		err = scan_read_xattrs(params->scan, source->pending);
	if (err < 0)
		return err;
	is_known = is_unchanged || record->type != RECORD_FILE ||
		   record->size == 0;
	if (params->look != NULL)
		err = params->look(params->look_context, record, is_known,
				   &is_wanted);
	source->can_put_off = is_unchanged && !is_wanted;
	return err;
}

/* Put the pending entry into the slot, without its data. */
static int
add_record(struct tree_source *source, struct slot *slot)
{
	const struct scan_entry *entry = source->pending;
	struct record *record;
	uint8_t *row;

	if (slot->record_count == 0)
		slot->ordinal = source->ordinal;
	if (slot->record_count == 0 && source->params.has_rows) {
		slot->rows =
			arena_take(&slot->arena, PAGE_RECORDS_MAX * ROW_SIZE);
		if (slot->rows == NULL)
			return no_memory(source);
	}
	assert(slot->record_count < PAGE_RECORDS_MAX);
	if (source->params.has_rows) {
		row = slot->rows + slot->record_count * ROW_SIZE;
		memset(row, 0, ROW_SIZE);
		if (base_row_is_safe(&entry->stat, source->start))
			row_put(row, &entry->stat);
	}
	record = slot_add_record(slot);
	if (record == NULL ||
	    record_copy(&entry->record, &slot->arena, record) < 0)
		return no_memory(source);
	return 0;
}

/* The pending entry is dealt with.  Does the manifest page end behind it? */
static bool
take_entry(struct tree_source *source, const struct slot *slot,
	   uint64_t path_hash)
{
	const struct record *record = &source->pending->record;

	source->ordinal++;
	atomic_fetch_add(&source->entries, 1);
	source->page_records++;
	source->page_bytes += 64 + record->path_size + record->target_size +
			      record->xattrs_size +
			      record->segment_count * RECORD_SEGMENT_SIZE;
	source->pending = NULL;
	return source->page_records == PAGE_RECORDS_MAX ||
	       source->page_blocks + (slot->raw_size > 0) == PAGE_BLOCKS_MAX ||
	       source->page_bytes >= PAGE_SIZE_FULL ||
	       page_ends_after(path_hash);
}

/* Read the files that were put off. */
static int
read_put_off(struct tree_source *source, struct slot *slot)
{
	struct scan *scan = source->params.scan;
	uint8_t *data = slot->raw;
	int err = 0;

	for (size_t i = 0; err == 0 && i < source->put_off_count; i++) {
		const struct record *record =
			&slot->records[source->put_off[i].index];
		struct scan_entry entry = { .record = *record,
					    .stat = source->put_off[i].stat };
		int dir = -1, fd = -1;

		err = below_open_dir(scan_top_fd(scan), record->path,
				     record->path_size, &dir);
		if (err == 0)
			err = pf_open_read_at(dir, record_name(record), &fd);
		pf_close(dir);
		if (err < 0)
			return scan_fail(scan, err, record, "reading");
		err = read_data(source, record, fd, 0, data,
				(size_t)record->data_size);
		if (err == 0)
			err = scan_check_unchanged(scan, &entry, fd);
		pf_close(fd);
		data += record->data_size;
	}
	source->put_off_count = 0;
	return err;
}

/* The group ends: is what was put off a block of the base? */
static int
settle_put_off(struct tree_source *source, struct slot *slot)
{
	struct base_block block;
	bool is_found;
	int err = base_group_block(source->params.base, source->put_off_ordinal,
				   source->put_off_count, &is_found, &block);

	if (err < 0)
		return err;
	if (!is_found || block.block.raw_size != slot->raw_size ||
	    (source->params.level > 0 && block.frame.is_local))
		return read_put_off(source, slot);
	source->put_off_count = 0;
	slot->is_skipped = true;
	slot->name = block.block.name;
	slot->frame_ref = block.frame;
	return 0;
}

static int
end_slot(struct tree_source *source, struct slot *slot, bool ends_page)
{
	source->page_blocks += slot->raw_size > 0;
	slot->ends_page = ends_page;
	if (ends_page) {
		source->page_records = source->page_blocks = 0;
		source->page_bytes = 0;
	}
	return source->put_off_count > 0 ? settle_put_off(source, slot) : 0;
}

/* A part of the pending large file is in the slot: what ends with it? */
static int
end_part(struct tree_source *source, struct slot *slot, size_t size)
{
	struct scan_entry *entry = source->pending;
	const struct record *record = &entry->record;
	bool ends_page;
	int err = 0;

	slot->raw_size = size;
	slot->is_part = true;
	slot->part_offset = source->offset;
	source->offset += size;
	if (source->offset < record->data_size) {
		ends_page = source->page_blocks + 1 == PAGE_BLOCKS_MAX;
		return end_slot(source, slot, ends_page);
	}
	if (source->fd >= 0)
		err = scan_check_unchanged(source->params.scan, entry,
					   source->fd);
	pf_close(source->fd);
	source->fd = -1;
	source->is_reusing = false;
	if (err < 0)
		return err;
	ends_page = take_entry(source, slot,
			       cut_path_hash(record->path, record->path_size));
	return end_slot(source, slot, ends_page);
}

/* The next block of the large file is the base's. */
static int
reuse_part(struct tree_source *source, struct slot *slot)
{
	struct base_block block;
	int err = base_part_block(source->params.base, &block);

	if (err < 0)
		return err;
	slot->is_skipped = true;
	slot->name = block.block.name;
	slot->frame_ref = block.frame;
	return end_part(source, slot, block.block.raw_size);
}

/* Read on in the large file until the end of its next block. */
static int
read_part(struct tree_source *source, struct slot *slot)
{
	const struct cut_rule *rule = &source->params.rule;
	const struct record *record = &source->pending->record;
	struct cut cut = { 0 };
	size_t size = source->carry_size;
	size_t end = 0;
	uint64_t run;

	slot_align(slot, record_file_offset(record, source->offset, &run));
	memcpy(slot->raw, source->carry, size);
	for (;;) {
		uint64_t left = record->data_size - source->read_to;
		size_t step = READ_STEP;
		int err;

		end = cut_find(rule, &cut, slot->raw, size);
		if (end > 0 || left == 0)
			break;
		if (size < rule->min) /* there is no cut before that */
			step = rule->min - size + READ_STEP;
		if (step > rule->max - size)
			step = rule->max - size;
		if (step > left)
			step = (size_t)left;
		err = read_data(source, record, source->fd, source->read_to,
				slot->raw + size, step);
		if (err < 0)
			return err;
		source->read_to += step;
		size += step;
	}
	if (end == 0)
		end = size;
	source->carry_size = size - end;
	memcpy(source->carry, slot->raw + end, size - end);
	return end_part(source, slot, end);
}

static int
begin_large(struct tree_source *source, struct slot *slot, int fd)
{
	int err = add_record(source, slot);

	source->fd = fd;
	source->is_reusing = fd < 0;
	source->offset = source->read_to = 0;
	source->carry_size = 0;
	if (err < 0)
		return err;
	return fd < 0 ? reuse_part(source, slot) : read_part(source, slot);
}

/* Do not read the pending entry, which add_record() has put into the slot. */
static int
put_off(struct tree_source *source, struct slot *slot)
{
	struct put_off *list = source->put_off;

	if (source->put_off_count == source->put_off_capacity) {
		size_t capacity = source->put_off_capacity * 2 + 64;

		list = realloc(list, capacity * sizeof *list);
		if (list == NULL)
			return no_memory(source);
		source->put_off = list;
		source->put_off_capacity = capacity;
	}
	list[source->put_off_count++] = (struct put_off){
		.index = slot->record_count - 1,
		.stat = source->pending->stat,
	};
	source->put_off_ordinal = source->base_ordinal;
	return 0;
}

/* Put the pending entry, which is not a large file, into the slot. */
static int
add_small(struct tree_source *source, struct slot *slot, bool is_put_off,
	  int fd)
{
	struct scan *scan = source->params.scan;
	struct record *record = &source->pending->record;
	int err = 0;

	if (record->data_size > 0 && !is_put_off && source->put_off_count > 0)
		err = read_put_off(source, slot);
	if (err == 0)
		err = add_record(source, slot);
	if (err == 0 && is_put_off)
		err = put_off(source, slot);
	if (err == 0 && fd >= 0)
		err = read_data(source, record, fd, 0,
				slot->raw + slot->raw_size,
				(size_t)record->data_size);
	if (err == 0 && fd >= 0)
		err = scan_check_unchanged(scan, source->pending, fd);
	slot->raw_size += (size_t)record->data_size;
	return err;
}

/*
 * Put the pending entry into the slot.  *ret_is_full when the slot ends
 * here, with or without the entry.
 */
static int
add_entry(struct tree_source *source, struct slot *slot, bool *ret_is_full)
{
	const struct cut_rule *rule = &source->params.rule;
	struct scan_entry *entry = source->pending;
	struct record *record = &entry->record;
	bool has_data = record->type == RECORD_FILE && record->size > 0;
	bool is_large, ends_page, ends_group, is_put_off;
	uint64_t path_hash, data_size;
	int fd = -1;
	int err = 0;

	if (has_data && !source->can_put_off)
		err = scan_open_file(source->params.scan, entry, &fd);
	if (err < 0)
		return err;
	data_size = record->data_size;
	is_large = record_is_large(record, rule->average);

	/* What does not fit behind the group begins the next slot. */
	if (slot->raw_size > 0 &&
	    (is_large || slot->raw_size + data_size > rule->max)) {
		pf_close(fd);
		*ret_is_full = true;
		return end_slot(source, slot,
				source->page_blocks + 1 == PAGE_BLOCKS_MAX);
	}
	if (is_large) {
		*ret_is_full = true;
		return begin_large(source, slot, fd);
	}
	is_put_off = source->can_put_off && data_size > 0 &&
		     (slot->raw_size > 0
			      ? source->put_off_count > 0
			      : base_is_at_block_start(source->params.base));
	if (source->can_put_off && data_size > 0 && !is_put_off)
		err = scan_open_file(source->params.scan, entry, &fd);
	if (err == 0)
		err = add_small(source, slot, is_put_off, fd);
	pf_close(fd);
	if (err < 0)
		return err;
	path_hash = cut_path_hash(record->path, record->path_size);
	ends_group = data_size > 0 &&
		     cut_group_ends(rule, path_hash, data_size, slot->raw_size);
	ends_page = take_entry(source, slot, path_hash);
	*ret_is_full = ends_group || ends_page;
	return *ret_is_full ? end_slot(source, slot, ends_page) : 0;
}

int
tree_source_fill(void *context, struct slot *slot, bool *ret_is_end)
{
	struct tree_source *source = context;
	bool is_full = false;
	int err = 0;

	if (source->fd >= 0 || source->is_reusing) { /* a further part */
		err = add_record(source, slot);
		if (err < 0)
			return err;
		return source->is_reusing ? reuse_part(source, slot)
					  : read_part(source, slot);
	}
	while (err == 0 && !is_full) {
		err = peek(source);
		if (err < 0)
			return err;
		if (source->pending == NULL) {
			*ret_is_end = slot->record_count == 0;
			return *ret_is_end ? 0 : end_slot(source, slot, true);
		}
		err = add_entry(source, slot, &is_full);
	}
	return err;
}

/* Encode the block, and prove that what was encoded can be had again. */
static int
encode(struct tree_source *source, struct tree_worker *worker,
       struct slot *slot)
{
	const char *path = slot->records[slot->record_count - 1].path;
	int err = frame_encode(worker->encoder, slot->raw, slot->raw_size, NULL,
			       0, slot->frame,
			       frame_size_max(source->params.rule.max),
			       &slot->frame_size);

	if (err == 0)
		err = frame_decode(worker->decoder, slot->frame,
				   slot->frame_size, NULL, 0, worker->check,
				   slot->raw_size);
	if (err == 0 && memcmp(worker->check, slot->raw, slot->raw_size) != 0)
		err = DSP_ECORRUPT;
	if (err < 0)
		return report_error(err, path,
				    "compressing: the block does not come "
				    "back as it was");
	digest_of(slot->frame, slot->frame_size, &slot->frame_digest);
	return 0;
}

/* Take the base's frame of the block. */
static int
copy_frame(struct tree_source *source, struct slot *slot)
{
	const struct frame_ref *frame = &slot->frame_ref;

	if (frame->size > frame_size_max(source->params.rule.max))
		return report_error_at(DSP_ECORRUPT,
				       image_name(source->params.base_image),
				       frame->offset,
				       "a block's frame is too large");
	slot->frame_size = frame->size;
	slot->frame_digest = frame->publisher;
	return image_read_frame(source->params.base_image, frame, slot->frame);
}

int
tree_source_work(void *context, unsigned worker, struct slot *slot)
{
	struct tree_source *source = context;
	bool has_frames = source->params.level > 0;
	const uint8_t *data = slot->raw;

	if (slot->raw_size == 0)
		return 0;
	if (slot->is_skipped)
		return has_frames ? copy_frame(source, slot) : 0;
	digest_of(slot->raw, slot->raw_size, &slot->name);
	for (size_t i = 0; i < slot->record_count && !slot->is_part; i++) {
		struct record *record = &slot->records[i];

		if (!record_has_digest(record))
			continue;
		digest_of(data, (size_t)record->data_size, &record->digest);
		data += record->data_size;
	}
	return has_frames ? encode(source, &source->workers[worker], slot) : 0;
}
