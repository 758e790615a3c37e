/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/check.h"

#include <string.h>

#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "core/image/walk.h"
#include "core/image/xattrs.h"
#include "core/tree/flow.h"
#include "core/tree/scan.h"
#include "platform/pf_process.h"
#include "platform/pf_sparse.h"
#include "platform/pf_thread.h"

/* What the slot's records turned out to be: slot->extra, one a record. */
struct check_mark {
	unsigned what; /* differs in */
	bool has_data; /* the slot's raw holds the file's data */
};

struct check {
	const struct check_params *params;
	const struct root *root;
	struct owners *owners;
	bool is_root;
	struct walk *walk;
	struct scan *scan;
	struct scan_entry *entry; /* NULL: take the next one */
	bool is_scan_ended;
	int fd;		      /* of the large file being read, or -1 */
	unsigned large_what;  /* what it differs in so far */
	struct pf_lock *lock; /* the filler and the lane both find differences */
	struct check_result result;
	uint64_t progress_bytes;
	uint64_t progress_files;
};

/* Compare the sets, without what only root can see or set. */
static bool
same_xattrs(const struct check *check, const struct record *a,
	    const struct record *b)
{
	size_t a_offset = 0, b_offset = 0;
	struct xattr x, y;

	if (check->is_root)
		return record_same_xattrs(a, b);
	for (;;) {
		bool has_x, has_y;

		do
			has_x = xattrs_next(a->xattrs, a->xattrs_size,
					    &a_offset, &x);
		while (has_x && (strncmp(x.name, "security.", 9) == 0 ||
				 strncmp(x.name, "trusted.", 8) == 0));
		do
			has_y = xattrs_next(b->xattrs, b->xattrs_size,
					    &b_offset, &y);
		while (has_y && (strncmp(y.name, "security.", 9) == 0 ||
				 strncmp(y.name, "trusted.", 8) == 0));
		if (has_x != has_y)
			return false;
		if (!has_x)
			return true;
		if (strcmp(x.name, y.name) != 0 ||
		    x.value_size != y.value_size ||
		    memcmp(x.value, y.value, x.value_size) != 0)
			return false;
	}
}

/* Everything but the data. */
static unsigned
compare_records(const struct check *check, const struct record *expected,
		const struct record *found)
{
	unsigned what = 0;

	if (expected->type != found->type)
		return CHECK_TYPE;
	if (expected->target_size != found->target_size ||
	    memcmp(expected->target, found->target, expected->target_size) != 0)
		what |= CHECK_TARGET;
	if (expected->type == RECORD_HARDLINK) /* the file has been compared */
		return what;
	if (expected->size != found->size)
		what |= CHECK_CONTENT;
	if (expected->mode != found->mode && expected->type != RECORD_SYMLINK)
		what |= CHECK_MODE;
	if (expected->mtime != found->mtime)
		what |= CHECK_TIME;
	if (!same_xattrs(check, expected, found))
		what |= CHECK_XATTRS;
	return what;
}

/* Root compares owners; nobody else can have set them. */
static int
compare_owners(const struct check *check, const struct record *expected,
	       const struct record *found, unsigned *what)
{
	uint32_t uid, gid;
	int err;

	if (!check->is_root || *what & CHECK_TYPE ||
	    expected->type == RECORD_HARDLINK)
		return 0;
	err = owners_to_ids(check->owners, expected->user, expected->uid,
			    expected->group, expected->gid, &uid, &gid);
	if (err < 0)
		return scan_fail(check->scan, err, expected, "comparing");
	if (uid != found->uid || gid != found->gid)
		*what |= CHECK_OWNER;
	return 0;
}

static void
differs(struct check *check, const char *path, size_t size, unsigned what)
{
	pf_lock(check->lock);
	if (what & CHECK_MISSING)
		check->result.missing++;
	else if (what & CHECK_EXTRA)
		check->result.extra++;
	else
		check->result.changed++;
	check->params->differs(check->params->context, path, size, what);
	pf_unlock(check->lock);
}

/* A hole of the manifest may be data on disk, if they are zeros. */
static int
hole_is_zeros(int fd, uint64_t offset, uint64_t end, bool *ret_is_zeros)
{
	static const uint8_t zeros[4096];
	uint8_t bytes[sizeof zeros];

	*ret_is_zeros = true;
	while (offset < end) {
		uint64_t data, hole;
		size_t size, got;
		int err = pf_next_data(fd, offset, end, &data, &hole);

		if (err < 0 || data >= end)
			return err;
		size = hole - data < sizeof bytes ? (size_t)(hole - data)
						  : sizeof bytes;
		err = pf_read_at(fd, bytes, size, data, &got);
		if (err < 0)
			return err;
		if (got != size || memcmp(bytes, zeros, size) != 0) {
			*ret_is_zeros = false;
			return 0;
		}
		offset = data + size;
	}
	return 0;
}

static int
check_holes(const struct record *record, int fd, unsigned *what)
{
	uint64_t offset = 0;
	int err = 0;

	for (uint32_t i = 0; record->is_sparse && i <= record->segment_count;
	     i++) {
		struct segment segment = { record->size, 0 };
		bool is_zeros;

		if (i < record->segment_count)
			segment = record_segment(record, i);
		err = hole_is_zeros(fd, offset, segment.offset, &is_zeros);
		if (err < 0)
			break;
		if (!is_zeros)
			*what |= CHECK_CONTENT;
		offset = segment.offset + segment.size;
	}
	return err;
}

/* Read data[offset, offset + size) as the manifest lays them out. */
static int
read_data(struct check *check, const struct record *record, int fd,
	  uint64_t offset, uint8_t *data, size_t size, unsigned *what)
{
	check->progress_bytes += size;
	while (size > 0) {
		uint64_t run;
		uint64_t at = record_file_offset(record, offset, &run);
		size_t now = run < size ? (size_t)run : size;
		size_t got;
		int err = pf_read_at(fd, data, now, at, &got);

		if (err < 0)
			return scan_fail(check->scan, err, record, "reading");
		if (got != now) {
			*what |= CHECK_CONTENT;
			return 0;
		}
		data += now;
		offset += now;
		size -= now;
	}
	return 0;
}

/* The next entry of the directory, or NULL. */
static int
peek_entry(struct check *check)
{
	int err;

	if (check->entry != NULL || check->is_scan_ended)
		return 0;
	err = scan_next(check->scan, &check->entry);
	if (err == 0 && check->entry == NULL)
		check->is_scan_ended = true;
	return err;
}

/* Entries below the record's path are not in the manifest. */
static int
take_extra(struct check *check, const struct record *before)
{
	for (;;) {
		int err = peek_entry(check);
		const struct record *found;

		if (err < 0 || check->entry == NULL)
			return err;
		found = &check->entry->record;
		if (before != NULL &&
		    path_compare(found->path, found->path_size, before->path,
				 before->path_size) >= 0)
			return 0;
		differs(check, found->path, found->path_size, CHECK_EXTRA);
		check->entry = NULL;
	}
}

/* Open the file that is to be compared and look at its holes. */
static int
open_file(struct check *check, const struct record *record, unsigned *what,
	  int *ret_fd)
{
	int err = scan_open_file(check->scan, check->entry, ret_fd);

	check->progress_files++;
	if (err < 0)
		return err;
	err = check_holes(record, *ret_fd, what);
	if (err < 0) {
		pf_close(*ret_fd);
		return scan_fail(check->scan, err, record, "reading");
	}
	return 0;
}

/*
 * Compare a record with the entry that the scan stands on, and read a small
 * file's data.
 */
static int
take_record(struct check *check, struct slot *slot, const struct record *from,
	    struct check_mark *mark, size_t raw_offset)
{
	struct scan_entry *entry;
	unsigned what = 0;
	bool is_large = from->data_size >= check->root->rule.average;
	int fd = -1;
	int err = take_extra(check, from);

	if (err < 0)
		return err;
	entry = check->entry;
	if (entry == NULL ||
	    path_compare(entry->record.path, entry->record.path_size,
			 from->path, from->path_size) != 0) {
		mark->what = CHECK_MISSING;
		return 0;
	}
	err = scan_read_xattrs(check->scan, entry);
	if (err < 0)
		return err;
	what = compare_records(check, from, &entry->record);
	err = compare_owners(check, from, &entry->record, &what);
	if (err < 0)
		return err;
	if (from->type == RECORD_FILE && from->size > 0 &&
	    (what & (CHECK_TYPE | CHECK_CONTENT)) == 0) {
		err = open_file(check, from, &what, &fd);
		if (err == 0 && !is_large) {
			mark->has_data = true;
			err = read_data(check, from, fd, 0,
					slot->raw + raw_offset,
					(size_t)from->data_size, &what);
		}
	}
	mark->what = what;
	if (err == 0 && is_large && fd >= 0) {
		check->fd = fd; /* read block by block, see fill() */
		fd = -1;
	} else {
		check->entry = NULL;
	}
	pf_close(fd);
	return err;
}

static int
add_record(struct check *check, struct slot *slot, struct check_mark *mark)
{
	const struct walk_view *view = walk_view(check->walk);
	struct record *record;

	if (slot->record_count == 0)
		slot->ordinal = view->ordinal;
	record = slot_add_record(slot);
	if (record == NULL ||
	    record_copy(&view->record, &slot->arena, record) < 0)
		return report_error(DSP_ENOMEM, check->params->path,
				    "comparing");
	if (record->type == RECORD_FILE &&
	    record->data_size < check->root->rule.average &&
	    slot->raw_size + record->data_size > check->root->rule.max)
		return report_error(DSP_ECORRUPT, record->path,
				    "a block ends inside a file");
	*mark = (struct check_mark){ 0 };
	return take_record(check, slot, record, mark, slot->raw_size);
}

/* The large file's last block: it is compared and done with. */
static void
end_large(struct check *check)
{
	pf_close(check->fd);
	check->fd = -1;
	check->entry = NULL;
}

static int
add_part(struct check *check, struct slot *slot, struct check_mark *marks)
{
	const struct walk_view *view = walk_view(check->walk);
	struct record *record;
	struct check_mark *mark;
	int err = 0;

	if (slot->record_count == 0) { /* not the first block of its file */
		record = slot_add_record(slot);
		if (record == NULL ||
		    record_copy(&view->record, &slot->arena, record) < 0)
			return report_error(DSP_ENOMEM, check->params->path,
					    "comparing");
		slot->ordinal = view->ordinal;
		marks[0] = (struct check_mark){ 0 };
	}
	record = &slot->records[slot->record_count - 1];
	mark = &marks[slot->record_count - 1];
	slot->is_part = true;
	slot->part_offset = view->part_offset;
	slot->raw_size = view->block.raw_size;
	if (check->fd >= 0) {
		mark->has_data = true;
		err = read_data(check, record, check->fd, view->part_offset,
				slot->raw, slot->raw_size, &mark->what);
		if (view->part_offset + view->block.raw_size ==
		    record->data_size)
			end_large(check);
	}
	return err;
}

static int
fill(void *context, struct slot *slot, bool *ret_is_end)
{
	struct check *check = context;
	struct check_mark *marks = arena_take(
		&slot->arena, (PAGE_RECORDS_MAX + 1) * sizeof *marks);
	int err = 0;

	if (marks == NULL)
		return report_error(DSP_ENOMEM, check->params->path,
				    "comparing");
	slot->extra = marks;
	if (check->params->progress != NULL)
		check->params->progress(check->params->progress_context,
					check->progress_bytes,
					check->progress_files);
	while (err == 0) {
		const struct walk_view *view = walk_view(check->walk);
		enum walk_step step;

		err = walk_next(check->walk, &step);
		if (err < 0)
			return err;
		if (step == WALK_BLOCK) {
			slot->name = view->block.name;
			if (view->is_part)
				return add_part(check, slot, marks);
			return 0;
		}
		if (step == WALK_PAGE_END && slot->record_count > 0)
			return 0;
		if (step == WALK_END) {
			*ret_is_end = true;
			return 0;
		}
		if (step != WALK_RECORD)
			continue;
		err = add_record(check, slot, &marks[slot->record_count]);
		if (err == 0 && view->record.type == RECORD_FILE &&
		    view->record.data_size < check->root->rule.average)
			slot->raw_size += (size_t)view->record.data_size;
	}
	return err;
}

/* Hash the block; where it is wrong, find out which file is. */
static int
work(void *context, unsigned worker, struct slot *slot)
{
	struct check_mark *marks = slot->extra;
	const uint8_t *data = slot->raw;
	bool is_whole = true;
	struct digest digest;

	(void)context;
	(void)worker;
	for (size_t i = 0; i < slot->record_count; i++)
		if (slot->records[i].type == RECORD_FILE &&
		    slot->records[i].data_size > 0 && !marks[i].has_data)
			is_whole = false;
	if (slot->raw_size > 0 && (is_whole || slot->is_part)) {
		digest_of(slot->raw, slot->raw_size, &digest);
		if (digest_equal(&digest, &slot->name))
			return 0;
	}
	if (slot->is_part) {
		struct check_mark *mark = &marks[slot->record_count - 1];

		if (mark->has_data)
			mark->what |= CHECK_CONTENT;
		return 0;
	}
	for (size_t i = 0; i < slot->record_count; i++) {
		const struct record *record = &slot->records[i];

		if (!record_has_digest(record))
			continue;
		digest_of(data, (size_t)record->data_size, &digest);
		if (marks[i].has_data &&
		    !digest_equal(&digest, &record->digest))
			marks[i].what |= CHECK_CONTENT;
		data += record->data_size;
	}
	return 0;
}

/* In order: tell what differs; of a large file once. */
static int
tell(struct lane_thread *thread, const struct slot *slot)
{
	struct check *check = thread->lane->context;
	const struct check_mark *marks = slot->extra;

	for (size_t i = 0; i < slot->record_count; i++) {
		const struct record *record = &slot->records[i];
		unsigned what = marks[i].what;
		bool is_last = slot->is_part && i + 1 == slot->record_count;

		if (is_last) {
			check->large_what |= what;
			if (slot->part_offset + slot->raw_size <
			    record->data_size)
				continue;
			what = check->large_what;
			check->large_what = 0;
		}
		if (what != 0)
			differs(check, record->path, record->path_size, what);
	}
	return 0;
}

int
check_tree(const struct check_params *params, struct check_result *ret_result)
{
	struct check check = { .params = params,
			       .root = image_root(params->image),
			       .is_root = pf_is_root(),
			       .fd = -1 };
	struct scan_options options = { .special = SCAN_GIVE_SPECIAL,
					.is_dense = true };
	struct flow_params flow = {
		.worker_count = params->worker_count,
		.slot_count = 2 * params->worker_count + 1,
		.raw_max = check.root->rule.max,
		.context = &check,
		.fill = fill,
		.work = work,
	};
	struct lane lane = { .context = &check,
			     .thread_count = 1,
			     .begin = tell };
	struct lane *lanes = &lane;
	int err = DSP_ENOMEM;

	check.owners = owners_new();
	check.lock = pf_lock_new();
	if (check.owners == NULL || check.lock == NULL) {
		report_error(err, params->path, "comparing");
		goto out;
	}
	options.owners = check.owners;
	err = scan_new(params->path, &options, &check.scan);
	if (err == 0)
		err = walk_new(params->image, &check.walk);
	if (err == 0)
		err = flow_run(&flow, &lanes, 1);
	if (err == 0)
		err = lane.err;
	if (err == 0)
		err = take_extra(&check, NULL);
	if (err == 0) {
		check.result.files_read = check.progress_files;
		check.result.bytes_read = check.progress_bytes;
		*ret_result = check.result;
	}
out:
	pf_close(check.fd);
	walk_free(check.walk);
	scan_free(check.scan);
	owners_free(check.owners);
	pf_lock_free(check.lock);
	return err;
}
