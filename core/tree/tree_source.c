/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/tree_source.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "core/image/page.h"

/* How much of a large file is read before the next look for a cut. */
enum { READ_STEP = 128 * 1024 };

struct tree_worker {
	struct frame_encoder *encoder;
	struct frame_decoder *decoder;
	uint8_t *check; /* what the frame decodes to */
};

struct tree_source {
	struct tree_source_params params;
	struct tree_worker *workers;

	/* The entry scanned but not in a slot yet; NULL: none. */
	struct scan_entry *pending;
	uint64_t ordinal; /* of the next record */

	/* The large file that is being read; fd -1: none. */
	int fd;
	uint64_t offset;    /* of the data that the next part begins with */
	uint64_t read_to;   /* data before this were read */
	uint8_t *carry;	    /* read, but behind the cut */
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

/* Read data[offset, offset + size) of the entry; all of it must be there. */
static int
read_data(struct tree_source *source, const struct scan_entry *entry, int fd,
	  uint64_t offset, uint8_t *data, size_t size)
{
	const struct record *record = &entry->record;

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

/* Put the pending entry into the slot, without its data. */
static int
add_record(struct tree_source *source, struct slot *slot)
{
	const struct record *from = &source->pending->record;
	struct record *record;

	if (slot->record_count == 0)
		slot->ordinal = source->ordinal;
	record = slot_add_record(slot);
	if (record == NULL || record_copy(from, &slot->arena, record) < 0)
		return report_error(DSP_ENOMEM, from->path, "reading");
	return 0;
}

/* The pending entry is dealt with.  Does the manifest page end behind it? */
static bool
take_entry(struct tree_source *source, uint64_t path_hash)
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
	       source->page_blocks == PAGE_BLOCKS_MAX ||
	       source->page_bytes >= PAGE_SIZE_FULL ||
	       page_ends_after(path_hash);
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
	return 0;
}

/* Read on in the large file until the end of its next block. */
static int
fill_part(struct tree_source *source, struct slot *slot)
{
	const struct cut_rule *rule = &source->params.rule;
	struct scan_entry *entry = source->pending;
	const struct record *record = &entry->record;
	struct cut cut = { 0 };
	size_t size = source->carry_size;
	size_t end = 0;
	bool ends_page = false;

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
		err = read_data(source, entry, source->fd, source->read_to,
				slot->raw + size, step);
		if (err < 0)
			return err;
		source->read_to += step;
		size += step;
	}
	if (end == 0)
		end = size;
	slot->raw_size = end;
	slot->is_part = true;
	slot->part_offset = source->offset;
	source->offset += end;
	source->carry_size = size - end;
	memcpy(source->carry, slot->raw + end, size - end);
	if (source->offset == record->data_size) {
		int err = scan_check_unchanged(source->params.scan, entry,
					       source->fd);

		pf_close(source->fd);
		source->fd = -1;
		if (err < 0)
			return err;
		source->page_blocks++;
		ends_page = take_entry(
			source, cut_path_hash(record->path, record->path_size));
		source->page_blocks--;
	} else {
		ends_page = source->page_blocks + 1 == PAGE_BLOCKS_MAX;
	}
	return end_slot(source, slot, ends_page);
}

static int
begin_large(struct tree_source *source, struct slot *slot, int fd)
{
	int err = add_record(source, slot);

	source->fd = fd;
	source->offset = source->read_to = 0;
	source->carry_size = 0;
	return err < 0 ? err : fill_part(source, slot);
}

/*
 * Put the pending entry into the slot.  *ret_is_full when the slot ends
 * here, with or without the entry.
 */
static int
add_entry(struct tree_source *source, struct slot *slot, bool *ret_is_full)
{
	const struct cut_rule *rule = &source->params.rule;
	struct scan *scan = source->params.scan;
	struct scan_entry *entry = source->pending;
	struct record *record = &entry->record;
	uint64_t path_hash = cut_path_hash(record->path, record->path_size);
	bool ends_page, ends_group;
	int fd = -1;
	int err = scan_read_xattrs(scan, entry);

	if (err == 0 && record->type == RECORD_FILE && record->size > 0)
		err = scan_open_file(scan, entry, &fd);
	if (err < 0)
		return err;

	/* What does not fit behind the group begins the next slot. */
	if (slot->raw_size > 0 && record->type == RECORD_FILE &&
	    (record->data_size >= rule->average ||
	     slot->raw_size + record->data_size > rule->max)) {
		pf_close(fd);
		*ret_is_full = true;
		return end_slot(source, slot, false);
	}
	if (record->type == RECORD_FILE && record->data_size >= rule->average) {
		*ret_is_full = true;
		return begin_large(source, slot, fd);
	}
	err = add_record(source, slot);
	if (err == 0 && fd >= 0)
		err = read_data(source, entry, fd, 0,
				slot->raw + slot->raw_size,
				(size_t)record->data_size);
	if (err == 0 && fd >= 0)
		err = scan_check_unchanged(scan, entry, fd);
	pf_close(fd);
	if (err < 0)
		return err;
	slot->raw_size += (size_t)record->data_size;
	ends_group = record->data_size > 0 &&
		     cut_group_ends(rule, path_hash, record->data_size,
				    slot->raw_size);
	ends_page = take_entry(source, path_hash);
	*ret_is_full = ends_group || ends_page;
	return *ret_is_full ? end_slot(source, slot, ends_page) : 0;
}

int
tree_source_fill(void *context, struct slot *slot, bool *ret_is_end)
{
	struct tree_source *source = context;
	bool is_full = false;
	int err = 0;

	if (source->fd >= 0) { /* a further part of a large file */
		err = add_record(source, slot);
		return err < 0 ? err : fill_part(source, slot);
	}
	while (err == 0 && !is_full) {
		if (source->pending == NULL)
			err = scan_next(source->params.scan, &source->pending);
		if (err < 0)
			return err;
		if (source->pending == NULL) {
			*ret_is_end = slot->record_count == 0;
			return end_slot(source, slot, true);
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

int
tree_source_work(void *context, unsigned worker, struct slot *slot)
{
	struct tree_source *source = context;
	const uint8_t *data = slot->raw;

	if (slot->raw_size == 0)
		return 0;
	digest_of(slot->raw, slot->raw_size, &slot->name);
	for (size_t i = 0; i < slot->record_count && !slot->is_part; i++) {
		struct record *record = &slot->records[i];

		if (!record_has_digest(record))
			continue;
		digest_of(data, (size_t)record->data_size, &record->digest);
		data += record->data_size;
	}
	if (source->params.level == 0)
		return 0;
	return encode(source, &source->workers[worker], slot);
}
