/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_SEND_H
#define PROBE_SEND_H

/*
 * probe_send - the sender of probe_delta.c, a part of it like probe_old.h:
 * which old file a new one is held against, and what goes on the wire.
 *
 * The counterpart of a file is the old file of the same path: both manifests
 * are in path order, so one walk beside the other finds it.  A file without
 * one takes, of the old files whose paths are gone, the next that has the same
 * class: an equal path once each run of digits is '#'.
 */

#include "bench/probe_old.h"
#include "core/chunk/cut.h"
#include "platform/pf_file.h"

/* ------------------------------------------ which old file is it? --- */

/* Goes through the files of an image that have data. */
struct files {
	struct walk *walk;
	const struct record *record; /* NULL at the end */
	uint64_t offset;	     /* of its data in the image's */
	uint64_t next_offset;
};

static int
files_next(struct files *files)
{
	enum walk_step step;

	do {
		int err = walk_next(files->walk, &step);

		if (err < 0)
			return err;
		files->record = &walk_view(files->walk)->record;
	} while (step != WALK_END &&
		 (step != WALK_RECORD || !record_has_digest(files->record)));
	if (step == WALK_END) {
		files->record = NULL;
		return 0;
	}
	files->offset = files->next_offset;
	files->next_offset += files->record->data_size;
	return 0;
}

static int
files_start(struct files *files, struct image *image)
{
	int err;

	memset(files, 0, sizeof *files);
	err = walk_new(image, &files->walk);
	return err < 0 ? err : files_next(files);
}

/* Order of two files by path; the end is behind everything. */
static int
files_compare(const struct record *a, const struct record *b)
{
	if (a == NULL || b == NULL)
		return (a == NULL) - (b == NULL);
	return path_compare(a->path, a->path_size, b->path, b->path_size);
}

/* Where a file's data are in the old image. */
struct match {
	uint64_t offset;
	uint64_t size; /* 0: it has no counterpart */
};

/* An old file whose path the new version does not have. */
struct gone {
	uint64_t class; /* hash of its path with '#' for each run of digits */
	struct match match;
	uint64_t taken; /* of the first of a class: how many are taken */
};

struct gone_table {
	struct gone *rows; /* by class, then by path */
	size_t count, capacity;
};

static uint64_t
path_class(const struct record *record)
{
	static char class[PATH_SIZE_MAX + 1];
	size_t size = 0;

	for (uint32_t i = 0; i < record->path_size; i++) {
		char c = record->path[i];

		if (c < '0' || c > '9')
			class[size++] = c;
		else if (size == 0 || class[size - 1] != '#')
			class[size++] = '#';
	}
	return cut_path_hash(class, size);
}

static int
gone_compare(const void *left, const void *right)
{
	const struct gone *a = left, *b = right;

	if (a->class != b->class)
		return a->class < b->class ? -1 : 1;
	return (a->match.offset > b->match.offset) -
	       (a->match.offset < b->match.offset);
}

/* Go through both versions at once; keep what only the old one has. */
static int
gone_fill(struct gone_table *gone, struct image *new_image,
	  struct image *old_image)
{
	struct files new = { 0 }, old = { 0 };
	int err = files_start(&new, new_image);

	if (err == 0)
		err = files_start(&old, old_image);
	while (err == 0 && old.record != NULL) {
		int order = files_compare(new.record, old.record);

		if (order > 0) {
			need_more((void **)&gone->rows, &gone->capacity,
				  gone->count, sizeof *gone->rows);
			gone->rows[gone->count++] = (struct gone){
				.class = path_class(old.record),
				.match = { old.offset, old.record->data_size },
			};
		}
		if (order >= 0)
			err = files_next(&old);
		if (err == 0 && order <= 0)
			err = files_next(&new);
	}
	if (err == 0 && gone->count > 0)
		qsort(gone->rows, gone->count, sizeof *gone->rows,
		      gone_compare);
	walk_free(new.walk);
	walk_free(old.walk);
	return err;
}

/* The next file of the class that nobody took. */
static struct match
gone_take(struct gone_table *gone, uint64_t class)
{
	size_t low = 0, high = gone->count;
	struct gone *first;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (gone->rows[middle].class < class)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == gone->count || gone->rows[low].class != class)
		return (struct match){ 0 };
	first = &gone->rows[low];
	if (first->taken >= gone->count - low ||
	    first[first->taken].class != class)
		return (struct match){ 0 };
	return first[first->taken++].match;
}

/* ------------------------------------------------------- the sender --- */

struct sender {
	int fd;
	int delta_level;
	size_t base_max;
	struct image *image; /* the new one */
	struct old old;
	uint32_t *names;   /* indexes of old blocks, by name */
	size_t next_index; /* of the old block behind the one sent last */
	struct gone_table gone;
	struct files files; /* of the old image */
	struct steps steps;
	struct frame_encoder *encoder;
	struct frame_decoder *decoder;
	struct page_load load;
	struct frame_table table;
	struct match *matches; /* of the page's records */
	struct match large;    /* of the large file */
	int64_t drift;	       /* where its data are in the old file, less where
				* they are in the new one */
	struct buffer ranges, base, raw, frame, delta;

	/* Figures: bytes on the wire, and blocks. */
	uint64_t plain_bytes, delta_bytes, base_bytes, page_bytes;
	uint64_t page_raw_bytes, other_bytes;
	uint64_t reused_count, plain_count, delta_count;
};

/* Old blocks are few and do not move: qsort() needs no context. */
static const struct old_block *compared_blocks;

static int
compare_names(const void *left, const void *right)
{
	const uint32_t *a = left, *b = right;

	return memcmp(compared_blocks[*a].name.bytes,
		      compared_blocks[*b].name.bytes, DIGEST_SIZE);
}

static void
sort_names(struct sender *sender)
{
	size_t count = sender->old.block_count;

	sender->names = need(count * sizeof *sender->names);
	for (size_t i = 0; i < count; i++)
		sender->names[i] = (uint32_t)i;
	compared_blocks = sender->old.blocks;
	qsort(sender->names, count, sizeof *sender->names, compare_names);
}

/* Index of the old block of this name; block_count: none. */
static size_t
find_name(const struct sender *sender, const struct digest *name)
{
	const struct old *old = &sender->old;
	size_t low = 0, high = old->block_count;

	/* What comes next is what came next before. */
	if (sender->next_index < old->block_count &&
	    digest_equal(&old->blocks[sender->next_index].name, name))
		return sender->next_index;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		uint32_t index = sender->names[middle];
		int order = memcmp(old->blocks[index].name.bytes, name->bytes,
				   DIGEST_SIZE);

		if (order == 0)
			return index;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return old->block_count;
}

static int
send_header(struct sender *sender, enum message type, size_t size)
{
	uint8_t header[HEADER_SIZE] = { (uint8_t)type };
	size_t header_size = type == MESSAGE_NEXT ? 1 : HEADER_SIZE;

	le32_put(header + 1, (uint32_t)size);
	sender->other_bytes += header_size;
	return pf_write(sender->fd, header, header_size);
}

/* Send bytes and count them where they belong. */
static int
send_bytes(struct sender *sender, const void *data, size_t size,
	   uint64_t *count)
{
	*count += size;
	return pf_write(sender->fd, data, size);
}

static int
send_root(struct sender *sender)
{
	const struct buffer *raw = image_root_raw(sender->image);
	int err = send_header(sender, MESSAGE_ROOT, raw->size);

	if (err == 0)
		err = send_bytes(sender, raw->data, raw->size,
				 &sender->other_bytes);
	return err;
}

/* Find the counterpart of a file of the new version. */
static int
find_match(struct sender *sender, const struct record *record,
	   struct match *ret_match)
{
	struct files *files = &sender->files;

	while (files->record != NULL &&
	       files_compare(files->record, record) < 0) {
		int err = files_next(files);

		if (err < 0)
			return err;
	}
	if (files_compare(files->record, record) == 0)
		*ret_match = (struct match){ files->offset,
					     files->record->data_size };
	else
		*ret_match = gone_take(&sender->gone, path_class(record));
	return 0;
}

/* Find the counterparts of all files of the page, and of the page itself. */
static int
find_matches(struct sender *sender, const struct page *page,
	     uint32_t *ret_first, uint32_t *ret_count)
{
	const struct match *first = NULL, *last = NULL;
	struct page_cursor cursor;
	struct record record;
	uint32_t last_page;
	bool is_end;
	int err = page_cursor_start(&cursor, page, sender->steps.path);

	for (uint32_t i = 0; err == 0; i++) {
		struct match *match = &sender->matches[i];

		err = page_next(&cursor, &record, &is_end);
		if (err < 0 || is_end)
			break;
		*match = (struct match){ 0 };
		if (record_has_digest(&record))
			err = find_match(sender, &record, match);
		if (match->size > 0) {
			first = first == NULL ? match : first;
			last = match;
		}
	}
	*ret_first = *ret_count = 0;
	if (first == NULL)
		return err;
	*ret_first = old_find_page(&sender->old, first->offset);
	last_page = old_find_page(&sender->old, last->offset);
	*ret_count = 1;
	if (last_page > *ret_first)
		*ret_count += last_page - *ret_first;
	if (*ret_count > PAGE_BASE_COUNT_MAX)
		*ret_count = PAGE_BASE_COUNT_MAX;
	return err;
}

static int
send_page(struct sender *sender)
{
	const struct page *page = &sender->load.page;
	const struct buffer *stored = &sender->load.stored;
	struct buffer *delta = &sender->delta;
	uint8_t base[PAGE_BASE_SIZE];
	uint32_t first, count;
	size_t size;
	int err = find_matches(sender, page, &first, &count);

	if (err == 0)
		err = old_read_pages(&sender->old, first, count, &sender->base);
	if (err < 0)
		return err;
	need_buffer(delta, frame_size_max(page->raw_size));
	err = frame_encode(sender->encoder, page->raw, page->raw_size,
			   sender->base.data, sender->base.size, delta->data,
			   delta->size, &size);
	if (err < 0)
		return fail(err, "encoding a page");
	if (size >= stored->size) {
		count = 0;
		size = stored->size;
	}
	le32_put(base, first);
	le32_put(base + 4, count);
	sender->page_raw_bytes += page->raw_size;
	err = send_header(sender, MESSAGE_PAGE, sizeof base + size);
	if (err == 0)
		err = send_bytes(sender, base, sizeof base,
				 &sender->page_bytes);
	if (err == 0)
		err = send_bytes(sender, count > 0 ? delta->data : stored->data,
				 size, &sender->page_bytes);
	return err;
}

/* Add a range to the base, as far as there is room. */
static void
add_range(struct sender *sender, uint64_t offset, uint64_t size)
{
	struct buffer *ranges = &sender->ranges;
	size_t room = sender->base_max - sender->base.size;
	uint8_t *last = NULL;

	if (size > room)
		size = room;
	if (size == 0)
		return;
	sender->base.size += (size_t)size;
	if (ranges->size > 0)
		last = ranges->data + ranges->size - RANGE_SIZE;
	if (last != NULL && le64_get(last) + le32_get(last + 8) == offset) {
		le32_put(last + 8, le32_get(last + 8) + (uint32_t)size);
		return;
	}
	if (buffer_add_le64(ranges, offset) < 0 ||
	    buffer_add_le32(ranges, (uint32_t)size) < 0) {
		fail(DSP_ENOMEM, "choosing a base");
		exit(1);
	}
}

static void
clear_ranges(struct sender *sender)
{
	sender->ranges.size = 0;
	sender->base.size = 0; /* what the ranges add up to */
}

/* The base of a part: as much of the old file as may be, around its place. */
static void
add_part_range(struct sender *sender)
{
	const struct steps *steps = &sender->steps;
	uint64_t old_size = sender->large.size;
	uint64_t size = old_size < sender->base_max ? old_size
						    : sender->base_max;
	uint64_t raw_size = steps->block.raw_size;
	uint64_t slack = size > raw_size ? (size - raw_size) / 2 : 0;
	int64_t from = (int64_t)(steps->part_offset - slack) + sender->drift;

	if (from < 0)
		from = 0;
	if ((uint64_t)from > old_size - size)
		from = (int64_t)(old_size - size);
	add_range(sender, sender->large.offset + (uint64_t)from, size);
}

/* A block that the old file has as well says how far its data have moved. */
static void
note_drift(struct sender *sender, const struct old_block *block)
{
	const struct match *large = &sender->large;

	if (sender->steps.is_part && block->offset >= large->offset &&
	    block->offset < large->offset + large->size)
		sender->drift = (int64_t)(block->offset - large->offset) -
				(int64_t)sender->steps.part_offset;
}

static int
send_have(struct sender *sender, size_t index, const struct frame_ref *frame)
{
	const struct old_block *block = &sender->old.blocks[index];
	bool is_next = index == sender->next_index;
	bool is_same = digest_equal(&block->frame.publisher, &frame->publisher);
	uint8_t payload[4 + DIGEST_SIZE];
	size_t size = is_same ? 4 : sizeof payload;
	int err;

	note_drift(sender, block);
	sender->reused_count++;
	sender->next_index = index + 1;
	if (is_next && is_same)
		return send_header(sender, MESSAGE_NEXT, 0);
	le32_put(payload, (uint32_t)index);
	memcpy(payload + 4, frame->publisher.bytes, DIGEST_SIZE);
	err = send_header(sender, MESSAGE_HAVE, size);
	if (err == 0)
		err = send_bytes(sender, payload, size, &sender->other_bytes);
	return err;
}

static int
send_plain(struct sender *sender)
{
	int err = send_header(sender, MESSAGE_PLAIN, sender->frame.size);

	sender->plain_count++;
	if (err == 0)
		err = send_bytes(sender, sender->frame.data, sender->frame.size,
				 &sender->plain_bytes);
	return err;
}

static int
send_delta(struct sender *sender, const struct frame_ref *frame, size_t size)
{
	uint8_t ranges_size[4];
	int err = send_header(sender, MESSAGE_DELTA,
			      DIGEST_SIZE + sizeof ranges_size +
				      sender->ranges.size + size);

	sender->delta_count++;
	le32_put(ranges_size, (uint32_t)sender->ranges.size);
	if (err == 0)
		err = send_bytes(sender, frame->publisher.bytes, DIGEST_SIZE,
				 &sender->other_bytes);
	if (err == 0)
		err = send_bytes(sender, ranges_size, sizeof ranges_size,
				 &sender->base_bytes);
	if (err == 0)
		err = send_bytes(sender, sender->ranges.data,
				 sender->ranges.size, &sender->base_bytes);
	if (err == 0)
		err = send_bytes(sender, sender->delta.data, size,
				 &sender->delta_bytes);
	return err;
}

/* Encode the block, whose frame is loaded, against the ranges. */
static int
encode_delta(struct sender *sender, size_t *ret_size)
{
	uint32_t raw_size = sender->steps.block.raw_size;
	int err = old_read_base(&sender->old, sender->ranges.data,
				sender->ranges.size, &sender->base);

	if (err < 0)
		return err;
	need_buffer(&sender->raw, raw_size);
	need_buffer(&sender->delta, frame_size_max(raw_size));
	err = frame_decode(sender->decoder, sender->frame.data,
			   sender->frame.size, NULL, 0, sender->raw.data,
			   raw_size);
	if (err == 0)
		err = frame_encode(sender->encoder, sender->raw.data, raw_size,
				   sender->base.data, sender->base.size,
				   sender->delta.data, sender->delta.size,
				   ret_size);
	return err < 0 ? fail(err, "encoding a delta") : 0;
}

static int
send_block(struct sender *sender)
{
	size_t index = find_name(sender, &sender->steps.block.name);
	size_t size = SIZE_MAX;
	struct frame_ref frame;
	int err;

	frame_table_next(&sender->table, &frame);
	if (frame.is_local)
		return fail(DSP_EINVAL, "the publisher's image is needed");
	if (index < sender->old.block_count)
		return send_have(sender, index, &frame);
	need_buffer(&sender->frame, frame.size);
	err = image_read_frame(sender->image, &frame, sender->frame.data);
	if (err == 0 && sender->ranges.size > 0)
		err = encode_delta(sender, &size);
	if (err < 0)
		return err;
	if (sender->ranges.size > 0 &&
	    size + sender->ranges.size + 4 + DIGEST_SIZE < frame.size)
		return send_delta(sender, &frame, size);
	return send_plain(sender);
}

/* Send a page and its blocks. */
static int
send_stretch(struct sender *sender, uint32_t page_index)
{
	struct steps *steps = &sender->steps;
	enum step step = STEP_RECORD;
	uint32_t record_index = 0;
	int err = image_load_page(sender->image, page_index, &sender->load);

	if (err == 0)
		err = image_load_table(sender->image, page_index,
				       &sender->table);
	if (err == 0)
		err = steps_start(steps, &sender->load.page,
				  image_root(sender->image)->rule.average);
	if (err == 0) /* borrows the path of the cursor */
		err = send_page(sender);
	if (err == 0)
		err = steps_start(steps, &sender->load.page, steps->average);
	clear_ranges(sender);
	while (err == 0) {
		err = steps_next(steps, &step);
		if (err < 0 || step == STEP_END)
			break;
		if (step == STEP_RECORD) {
			const struct match *match =
				&sender->matches[record_index++];

			if (steps->large_left > 0) {
				sender->large = *match;
				sender->drift = 0;
			} else {
				add_range(sender, match->offset, match->size);
			}
			continue;
		}
		if (steps->is_part && sender->large.size > 0)
			add_part_range(sender);
		err = send_block(sender);
		clear_ranges(sender);
	}
	return err;
}

static int
send_image(struct sender *sender, const char *new_path, const char *old_path)
{
	int err = image_open(new_path, &sender->image);

	if (err == 0)
		err = old_open(&sender->old, old_path);
	if (err == 0)
		err = gone_fill(&sender->gone, sender->image,
				sender->old.image);
	if (err == 0)
		err = files_start(&sender->files, sender->old.image);
	if (err < 0)
		return err;
	sort_names(sender);
	sender->matches = need(PAGE_RECORDS_MAX * sizeof *sender->matches);
	sender->encoder = frame_encoder_new(sender->delta_level);
	sender->decoder = frame_decoder_new();
	if (sender->encoder == NULL || sender->decoder == NULL)
		return fail(DSP_ENOMEM, "starting");
	err = send_root(sender);
	for (uint32_t i = 0;
	     err == 0 && i < image_root(sender->image)->page_count; i++)
		err = send_stretch(sender, i);
	return err;
}

static void
sender_release(struct sender *sender)
{
	image_close(sender->image);
	old_close(&sender->old);
	walk_free(sender->files.walk);
	frame_encoder_free(sender->encoder);
	frame_decoder_free(sender->decoder);
	page_load_release(&sender->load);
	frame_table_release(&sender->table);
	buffer_release(&sender->ranges);
	buffer_release(&sender->base);
	buffer_release(&sender->raw);
	buffer_release(&sender->frame);
	buffer_release(&sender->delta);
	free(sender->names);
	free(sender->gone.rows);
	free(sender->matches);
	free(sender->steps.path);
}

#endif
