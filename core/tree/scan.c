/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/scan.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "core/image/xattrs.h"
#include "core/tree/names.h"
#include "platform/pf_sparse.h"
#include "platform/pf_xattr.h"

/* Smaller holes are stored as zeros. */
#define SPARSE_HOLE_MIN (32u << 10)

enum { LINK_BUCKETS = 1024 };

/* A directory on the way down; the innermost comes first. */
struct scan_level {
	struct scan_level *outer;
	int fd;
	struct names *names;
	size_t path_size;
	struct pf_stat stat; /* before its names were read */
};

/* A file of which not all names were seen yet. */
struct scan_link {
	struct scan_link *next;
	uint64_t device, inode;
	uint64_t names_left;
	size_t path_size;
	char path[];
};

struct scan {
	struct scan_options options;
	char *shown; /* what the user called the top */
	int top_fd;
	struct pf_stat top;
	bool is_started;
	struct scan_level *innermost;
	struct buffer path; /* of the entry, with a NUL */
	struct scan_entry entry;
	char target[RECORD_TARGET_MAX + 1];
	struct buffer xattrs;
	struct buffer segments;
	char *attribute_list; /* PF_XATTR_SIZE_MAX bytes, when first needed */
	uint8_t *attribute_value;
	struct scan_link *links[LINK_BUCKETS];
	struct scan_link *done_link; /* kept until its path was used */
};

int
scan_fail(struct scan *scan, int err, const struct record *record,
	  const char *what)
{
	struct buffer path = { 0 };

	if (buffer_add(&path, scan->shown, strlen(scan->shown)) == 0 &&
	    buffer_add(&path, "/", record->path_size > 0) == 0 &&
	    buffer_add(&path, record->path, (size_t)record->path_size + 1) == 0)
		report_error(err, (const char *)path.data, "%s", what);
	else
		report_error(err, scan->shown, "%s", what);
	buffer_release(&path);
	return err;
}

int
scan_new(const char *path, const struct scan_options *options,
	 struct scan **ret_scan)
{
	struct scan *scan = calloc(1, sizeof *scan);
	size_t size = strlen(path);
	int err = DSP_ENOMEM;

	if (scan == NULL)
		return report_error(err, path, "reading the source");
	scan->top_fd = -1;
	scan->options = *options;
	scan->shown = malloc(size + 1);
	if (scan->shown == NULL)
		goto out;
	while (size > 1 && path[size - 1] == '/')
		size--;
	memcpy(scan->shown, path, size);
	scan->shown[size] = '\0';
	err = pf_open_dir(path, &scan->top_fd);
	if (err == 0)
		err = pf_stat_fd(scan->top_fd, &scan->top);
	if (err < 0)
		goto out;
	*ret_scan = scan;
	return 0;
out:
	scan_free(scan);
	return report_error(err, path, "reading the source");
}

static void
leave_level(struct scan *scan)
{
	struct scan_level *level = scan->innermost;

	scan->innermost = level->outer;
	names_free(level->names);
	pf_close(level->fd);
	free(level);
}

void
scan_free(struct scan *scan)
{
	if (scan == NULL)
		return;
	while (scan->innermost != NULL)
		leave_level(scan);
	for (size_t i = 0; i < LINK_BUCKETS; i++) {
		while (scan->links[i] != NULL) {
			struct scan_link *next = scan->links[i]->next;

			free(scan->links[i]);
			scan->links[i] = next;
		}
	}
	free(scan->done_link);
	pf_close(scan->top_fd);
	buffer_release(&scan->path);
	buffer_release(&scan->xattrs);
	buffer_release(&scan->segments);
	free(scan->attribute_list);
	free(scan->attribute_value);
	free(scan->shown);
	free(scan);
}

const struct pf_stat *
scan_top(const struct scan *scan)
{
	return &scan->top;
}

int
scan_top_fd(const struct scan *scan)
{
	return scan->top_fd;
}

static bool
same_version(const struct pf_stat *a, const struct pf_stat *b)
{
	return a->device == b->device && a->inode == b->inode &&
	       a->size == b->size && a->mtime == b->mtime &&
	       a->ctime == b->ctime;
}

/* Enter the directory of the entry met last, so that what is in it follows. */
static int
enter_level(struct scan *scan)
{
	struct scan_level *level = calloc(1, sizeof *level);
	const struct scan_entry *entry = &scan->entry;
	int err = DSP_ENOMEM;

	if (level == NULL)
		goto out;
	level->fd = -1;
	level->path_size = entry->record.path_size;
	err = pf_open_dir_at(entry->dir, entry->name, &level->fd);
	if (err == 0)
		err = pf_stat_fd(level->fd, &level->stat);
	if (err == 0 && !same_version(&level->stat, &entry->stat))
		err = DSP_ECHANGED;
	if (err == 0)
		err = names_read(level->fd, &level->names);
	if (err < 0)
		goto out;
	level->outer = scan->innermost;
	scan->innermost = level;
	return 0;
out:
	if (level != NULL)
		pf_close(level->fd);
	free(level);
	return scan_fail(scan, err, &entry->record, "reading the directory");
}

/* All names were gone through: it must still be the directory it was. */
static int
end_level(struct scan *scan)
{
	struct scan_level *level = scan->innermost;
	struct record record = { .path = (char *)scan->path.data,
				 .path_size = (uint32_t)level->path_size };
	struct pf_stat now;
	int err = pf_stat_fd(level->fd, &now);

	scan->path.data[level->path_size] = '\0';
	if (err == 0 && !same_version(&now, &level->stat))
		err = DSP_ECHANGED;
	if (err < 0)
		return scan_fail(scan, err, &record, "reading the directory");
	leave_level(scan);
	return 0;
}

/*
 * Something with several names: the first one met is the thing itself, the
 * others are links to it.
 */
static int
find_link(struct scan *scan, struct record *record, const struct pf_stat *stat)
{
	size_t bucket = (stat->inode ^ stat->inode >> 10) % LINK_BUCKETS;
	struct scan_link **place = &scan->links[bucket];
	struct scan_link *link;

	while ((link = *place) != NULL &&
	       (link->inode != stat->inode || link->device != stat->device))
		place = &link->next;
	if (link == NULL) {
		link = malloc(sizeof *link + record->path_size + 1);
		if (link == NULL)
			return DSP_ENOMEM;
		link->next = scan->links[bucket];
		link->device = stat->device;
		link->inode = stat->inode;
		link->names_left = stat->link_count - 1;
		link->path_size = record->path_size;
		memcpy(link->path, record->path, record->path_size + 1);
		scan->links[bucket] = link;
		return 0;
	}
	record->type = RECORD_HARDLINK;
	record->target = link->path;
	record->target_size = (uint32_t)link->path_size;
	record->size = record->data_size = 0;
	if (--link->names_left == 0) {
		*place = link->next;
		free(scan->done_link);
		scan->done_link = link;
	}
	return 0;
}

static int
read_target(struct scan *scan, struct scan_entry *entry)
{
	size_t size;
	int err = pf_read_link_at(entry->dir, entry->name, scan->target,
				  sizeof scan->target, &size);

	entry->record.target = scan->target;
	if (err == 0)
		entry->record.target_size = (uint32_t)size;
	return err;
}

/* What stat says, as a record. */
static int
fill_record(struct scan *scan, struct scan_entry *entry)
{
	struct record *record = &entry->record;
	const struct pf_stat *stat = &entry->stat;
	int err = 0;

	record->mode = stat->mode;
	record->uid = stat->uid;
	record->gid = stat->gid;
	record->mtime = stat->mtime;
	record->target = "";
	record->xattrs = record->segments = (const uint8_t *)"";
	err = owners_to_names(scan->options.owners, stat->uid, stat->gid,
			      &record->user, &record->group);
	if (err < 0)
		return scan_fail(scan, err, record, "reading");
	if (stat->mtime_clamped)
		return scan_fail(scan, DSP_ELIMIT, record,
				 "its time is outside the years 1678 to 2261");
	switch (stat->type) {
	case PF_DIR:
		record->type = RECORD_DIR;
		break;
	case PF_LINK:
		record->type = RECORD_SYMLINK;
		record->mode = 0777;
		if (stat->link_count > 1)
			err = find_link(scan, record, stat);
		if (err == 0 && record->type == RECORD_SYMLINK)
			err = read_target(scan, entry);
		break;
	case PF_FILE:
		record->type = RECORD_FILE;
		record->size = record->data_size = stat->size;
		if (stat->link_count > 1)
			err = find_link(scan, record, stat);
		break;
	case PF_SPECIAL:
		break;
	}
	return err < 0 ? scan_fail(scan, err, record, "reading") : 0;
}

/* Look at name in the innermost level.  *ret_skip: it is left out. */
static int
look_at(struct scan *scan, const char *name, bool *ret_skip)
{
	struct scan_level *level = scan->innermost;
	struct scan_entry *entry = &scan->entry;
	struct buffer *path = &scan->path;
	int err = 0;

	*entry = (struct scan_entry){ .dir = level->fd, .name = name };
	path->size = level->path_size;
	err |= buffer_add(path, "/", path->size > 0);
	err |= buffer_add(path, name, strlen(name) + 1);
	if (err != 0)
		return report_error(DSP_ENOMEM, scan->shown, "reading");
	path->size--;
	entry->record.path = (char *)path->data;
	entry->record.path_size = (uint32_t)path->size;
	if (path->size > PATH_SIZE_MAX)
		return scan_fail(scan, DSP_ELIMIT, &entry->record,
				 "its path is too long");
	err = pf_stat_at(level->fd, name, &entry->stat);
	if (err == DSP_ENOENT)
		err = DSP_ECHANGED;
	if (err < 0)
		return scan_fail(scan, err, &entry->record, "looking at");
	if (scan->options.output != NULL &&
	    entry->stat.inode == scan->options.output->inode &&
	    entry->stat.device == scan->options.output->device)
		return scan_fail(scan, DSP_EOVERLAP, &entry->record,
				 "the image goes into its own source");
	*ret_skip = scan->options.exclude != NULL &&
		    exclude_matches(scan->options.exclude, entry->record.path,
				    entry->stat.type == PF_DIR);
	if (!*ret_skip && entry->stat.type == PF_SPECIAL &&
	    scan->options.special != SCAN_GIVE_SPECIAL) {
		if (scan->options.special == SCAN_REFUSE_SPECIAL)
			return scan_fail(scan, DSP_ESPECIAL, &entry->record,
					 "cannot be packed (--special=skip "
					 "leaves such out)");
		report_warning(entry->record.path,
			       "left out: a device, socket or fifo");
		*ret_skip = true;
	}
	return *ret_skip ? 0 : fill_record(scan, entry);
}

static int
start(struct scan *scan)
{
	struct scan_entry *entry = &scan->entry;
	int err = buffer_add(&scan->path, "", 1);

	if (err < 0)
		return report_error(err, scan->shown, "reading");
	scan->is_started = true;
	*entry = (struct scan_entry){ .dir = scan->top_fd, .name = "." };
	entry->stat = scan->top;
	entry->record.path = (char *)scan->path.data;
	return fill_record(scan, entry);
}

int
scan_next(struct scan *scan, struct scan_entry **ret_entry)
{
	bool skip = true;
	int err;

	*ret_entry = &scan->entry;
	if (!scan->is_started)
		return start(scan);
	if (scan->entry.record.type == RECORD_DIR && scan->entry.name != NULL) {
		err = enter_level(scan);
		scan->entry.name = NULL;
		if (err < 0)
			return err;
	}
	while (skip) {
		const char *name;

		if (scan->innermost == NULL) {
			*ret_entry = NULL;
			return 0;
		}
		err = names_next(scan->innermost->names, &name);
		if (err < 0)
			return report_error(err, scan->shown, "sorting names");
		err = name == NULL ? end_level(scan)
				   : look_at(scan, name, &skip);
		if (err < 0)
			return err;
	}
	return 0;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Read the attributes named in list, sorted, into scan->xattrs. */
static int
read_listed(struct scan *scan, const struct scan_entry *entry, size_t size)
{
	const char **sorted;
	size_t count = 0;
	int err = 0;

	for (size_t i = 0; i < size; i++)
		count += scan->attribute_list[i] == '\0';
	sorted = malloc(count * sizeof *sorted);
	if (sorted == NULL)
		return DSP_ENOMEM;
	for (size_t i = 0, n = 0; n < count; n++) {
		sorted[n] = scan->attribute_list + i;
		i += strlen(sorted[n]) + 1;
	}
	qsort(sorted, count, sizeof *sorted, compare_names);
	for (size_t n = 0; err == 0 && n < count; n++) {
		size_t value_size;

		err = pf_xattr_get(entry->dir, entry->name, sorted[n],
				   scan->attribute_value, XATTRS_VALUE_MAX,
				   &value_size);
		if (err == DSP_ENOENT)
			err = DSP_ECHANGED;
		if (err == 0)
			err = xattrs_add(&scan->xattrs, sorted[n],
					 scan->attribute_value, value_size);
	}
	free(sorted);
	return err;
}

int
scan_read_xattrs(struct scan *scan, struct scan_entry *entry)
{
	size_t size;
	int err = 0;

	if (scan->attribute_list == NULL) {
		scan->attribute_list = malloc(PF_XATTR_SIZE_MAX);
		scan->attribute_value = malloc(XATTRS_VALUE_MAX);
		if (scan->attribute_list == NULL ||
		    scan->attribute_value == NULL)
			err = DSP_ENOMEM;
	}
	scan->xattrs.size = 0;
	if (err == 0)
		err = pf_xattr_list(entry->dir, entry->name,
				    scan->attribute_list, PF_XATTR_SIZE_MAX,
				    &size);
	if (err == 0 && size > 0)
		err = read_listed(scan, entry, size);
	if (err == 0 && scan->xattrs.size > RECORD_XATTRS_MAX)
		err = DSP_ELIMIT;
	if (err < 0)
		return scan_fail(scan, err, &entry->record,
				 "reading its attributes");
	if (scan->xattrs.size > 0)
		entry->record.xattrs = scan->xattrs.data;
	entry->record.xattrs_size = (uint32_t)scan->xattrs.size;
	return 0;
}

/* Add a segment, or lengthen the one before over a hole too small to keep. */
static int
add_segment(struct buffer *segments, uint64_t data, uint64_t hole)
{
	uint8_t *last = NULL;
	int err = 0;

	if (segments->size > 0)
		last = segments->data + segments->size - RECORD_SEGMENT_SIZE;
	if (last != NULL) {
		uint64_t start = le64_get(last);

		if (data - (start + le64_get(last + 8)) < SPARSE_HOLE_MIN) {
			le64_put(last + 8, hole - start);
			return 0;
		}
	}
	err |= buffer_add_le64(segments, data);
	err |= buffer_add_le64(segments, hole - data);
	return err != 0 ? DSP_ENOMEM : 0;
}

static int
find_segments(struct scan *scan, struct record *record, int fd)
{
	struct buffer *segments = &scan->segments;
	uint64_t offset = 0;
	uint64_t size = record->size;

	segments->size = 0;
	while (offset < size) {
		uint64_t data, hole;
		int err = pf_next_data(fd, offset, size, &data, &hole);

		if (err < 0)
			return err;
		if (data >= size)
			break;
		/* The first hole counts from the file's beginning. */
		if (segments->size == 0 && data < SPARSE_HOLE_MIN)
			data = 0;
		/* What has more pieces than fit is data to the end. */
		if (segments->size / RECORD_SEGMENT_SIZE ==
		    RECORD_SEGMENTS_MAX - 1)
			hole = size;
		if (size - hole < SPARSE_HOLE_MIN)
			hole = size;
		err = add_segment(segments, data, hole);
		if (err < 0)
			return err;
		offset = hole;
	}
	record->segments = segments->data != NULL ? segments->data
						  : (const uint8_t *)"";
	record->segment_count =
		(uint32_t)(segments->size / RECORD_SEGMENT_SIZE);
	record->data_size = 0;
	for (uint32_t i = 0; i < record->segment_count; i++)
		record->data_size += record_segment(record, i).size;
	record->is_sparse = record->data_size < size;
	if (!record->is_sparse)
		record->segment_count = 0;
	return 0;
}

int
scan_open_file(struct scan *scan, struct scan_entry *entry, int *ret_fd)
{
	struct record *record = &entry->record;
	int fd = -1;
	int err = pf_open_read_at(entry->dir, entry->name, &fd);

	if (err == DSP_ENOENT || err == DSP_ELOOP)
		err = DSP_ECHANGED;
	if (err == 0 && !scan->options.is_dense &&
	    record->size >= SPARSE_HOLE_MIN &&
	    entry->stat.allocated < record->size)
		err = find_segments(scan, record, fd);
	if (err < 0) {
		pf_close(fd);
		return scan_fail(scan, err, record, "reading");
	}
	*ret_fd = fd;
	return 0;
}

int
scan_check_unchanged(struct scan *scan, const struct scan_entry *entry, int fd)
{
	struct pf_stat now;
	int err = pf_stat_fd(fd, &now);

	if (err == 0 && !same_version(&now, &entry->stat))
		err = DSP_ECHANGED;
	return err < 0 ? scan_fail(scan, err, &entry->record, "reading") : 0;
}
