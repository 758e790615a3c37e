/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/walk.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"

struct walk {
	struct image *image;
	struct walk_view view;

	uint32_t page_index; /* of the page after the one loaded */
	struct page_load load;
	struct frame_table table;
	struct page_cursor cursor;
	uint32_t block_index; /* of the page's block that comes next */
	bool is_page_loaded;
	bool is_page_done;

	uint64_t group_size; /* data of small files without a block yet */
	uint64_t large_left; /* data of the large file without a block yet */
	uint32_t large_page; /* the page its record is in */
	struct digest_sum *names; /* of its blocks */

	uint64_t record_count; /* seen so far, as are the following */
	uint64_t file_count, dir_count, symlink_count, hardlink_count;
	uint64_t file_bytes, data_bytes;

	char *path;	      /* room for the cursor */
	char *dir_path;	      /* the directory that the last record is in */
	uint32_t *dir_sizes;  /* how much of dir_path each level takes */
	size_t dir_count_max; /* room in dir_sizes */
	size_t dir_depth;     /* levels in use */
	char *previous;	      /* the last path of the page before */
	uint32_t previous_size;
	struct arena arena; /* a large file's record, over page ends */
};

int
walk_new(struct image *image, struct walk **ret_walk)
{
	struct walk *walk = calloc(1, sizeof *walk);

	if (walk == NULL)
		goto out;
	walk->image = image;
	walk->path = malloc(PATH_SIZE_MAX + 1);
	walk->dir_path = malloc(PATH_SIZE_MAX + 1);
	walk->previous = malloc(PATH_SIZE_MAX + 1);
	walk->names = digest_sum_new();
	if (walk->path == NULL || walk->dir_path == NULL ||
	    walk->previous == NULL || walk->names == NULL)
		goto out;
	*ret_walk = walk;
	return 0;
out:
	walk_free(walk);
	return report_error(DSP_ENOMEM, image_name(image),
			    "reading the manifest");
}

void
walk_free(struct walk *walk)
{
	if (walk == NULL)
		return;
	page_load_release(&walk->load);
	frame_table_release(&walk->table);
	free(walk->path);
	free(walk->dir_path);
	free(walk->dir_sizes);
	free(walk->previous);
	digest_sum_free(walk->names);
	arena_release(&walk->arena);
	free(walk);
}

const struct walk_view *
walk_view(const struct walk *walk)
{
	return &walk->view;
}

static int
corrupt(const struct walk *walk, const char *what)
{
	return report_error(DSP_ECORRUPT, image_name(walk->image),
			    "manifest page %u: %s", walk->page_index - 1, what);
}

static int
load_page(struct walk *walk)
{
	struct image *image = walk->image;
	int err = 0;

	if (walk->is_page_loaded && walk->cursor.index > 0) {
		memcpy(walk->previous, walk->path, walk->cursor.path_size);
		walk->previous_size = walk->cursor.path_size;
	}
	if (walk->large_left > 0) { /* its record's page goes away */
		arena_reset(&walk->arena);
		err = record_copy(&walk->view.record, &walk->arena,
				  &walk->view.record);
		if (err < 0)
			return report_error(err, image_name(image),
					    "reading the manifest");
	}
	err = image_load_page(image, walk->page_index, &walk->load);
	if (err == 0 && image_kind(image) == IMAGE_WITH_BLOCKS)
		err = image_load_table(image, walk->page_index, &walk->table);
	if (err < 0)
		return err;
	walk->page_index++;
	walk->block_index = 0;
	walk->is_page_loaded = true;
	walk->is_page_done = false;
	return page_cursor_start(&walk->cursor, &walk->load.page, walk->path);
}

static int
push_dir(struct walk *walk, const struct record *record)
{
	if (walk->dir_depth == walk->dir_count_max) {
		size_t count = walk->dir_count_max * 2 + 64;
		uint32_t *sizes =
			realloc(walk->dir_sizes, count * sizeof *sizes);

		if (sizes == NULL)
			return report_error(DSP_ENOMEM, image_name(walk->image),
					    "reading the manifest");
		walk->dir_sizes = sizes;
		walk->dir_count_max = count;
	}
	memcpy(walk->dir_path, record->path, record->path_size);
	walk->dir_sizes[walk->dir_depth++] = record->path_size;
	return 0;
}

/* The record's parent must be a directory that is still open. */
static int
check_place(struct walk *walk, const struct record *record)
{
	size_t parent = path_name_start(record->path, record->path_size);

	if (walk->record_count == 0)
		return record->type == RECORD_DIR && record->path_size == 0
			       ? 0
			       : corrupt(walk,
					 "the first record is not the top");
	if (walk->cursor.index == 1 &&
	    path_compare(walk->previous, walk->previous_size, record->path,
			 record->path_size) >= 0)
		return corrupt(walk, "paths are out of order");
	if (parent > 0)
		parent--; /* the '/' */
	while (walk->dir_depth > 0) {
		size_t size = walk->dir_sizes[walk->dir_depth - 1];

		if (size <= parent &&
		    path_is_below(record->path, record->path_size,
				  walk->dir_path, size))
			break;
		walk->dir_depth--;
	}
	if (walk->dir_depth == 0 || record->path_size == 0 ||
	    walk->dir_sizes[walk->dir_depth - 1] != parent)
		return corrupt(walk, "a path is not below a directory");
	return 0;
}

static int
take_record(struct walk *walk)
{
	const struct record *record = &walk->view.record;
	uint32_t average = image_root(walk->image)->rule.average;
	int err = check_place(walk, record);

	if (err < 0)
		return err;
	walk->view.ordinal = walk->record_count++;
	switch (record->type) {
	case RECORD_DIR:
		walk->dir_count++;
		return push_dir(walk, record);
	case RECORD_SYMLINK:
		walk->symlink_count++;
		return 0;
	case RECORD_HARDLINK:
		walk->hardlink_count++;
		return 0;
	case RECORD_FILE:
		break;
	}
	walk->file_count++;
	walk->file_bytes += record->size;
	walk->data_bytes += record->data_size;
	if (record_is_large(record, average)) {
		if (walk->group_size > 0)
			return corrupt(walk, "a block ends inside a file");
		walk->large_left = record->data_size;
		walk->large_page = walk->page_index;
		digest_sum_reset(walk->names);
	} else {
		walk->group_size += record->data_size;
	}
	return 0;
}

/* A large file's digest must be over the names of its blocks. */
static int
check_large(const struct walk *walk)
{
	const struct digest *digest = &walk->view.record.digest;
	struct digest names = { { 0 } };

	if (walk->large_page == walk->page_index)
		digest_sum_get(walk->names, &names);
	return digest_equal(digest, &names)
		       ? 0
		       : corrupt(walk, "a file's digest is not its blocks'");
}

/* The next block, which must fit what waits for it. */
static int
take_block(struct walk *walk)
{
	struct walk_view *view = &walk->view;
	bool is_part = walk->large_left > 0;
	int err = 0;

	view->block = page_block(&walk->load.page, walk->block_index++);
	view->is_part = is_part;
	view->part_offset = 0;
	if (view->block.raw_size == 0 ||
	    view->block.raw_size > image_root(walk->image)->rule.max)
		return corrupt(walk, "a block's size is beyond the rule");
	if (image_kind(walk->image) == IMAGE_WITH_BLOCKS)
		err = image_next_frame(walk->image, &walk->table, &view->frame);
	if (err < 0)
		return err;
	if (!is_part) {
		walk->group_size = 0;
		return 0;
	}
	if (view->block.raw_size > walk->large_left)
		return corrupt(walk, "a block ends behind its file");
	view->part_offset = view->record.data_size - walk->large_left;
	walk->large_left -= view->block.raw_size;
	digest_sum_add(walk->names, view->block.name.bytes, DIGEST_SIZE);
	return walk->large_left == 0 ? check_large(walk) : 0;
}

static int
check_counts(const struct walk *walk)
{
	const struct root *root = image_root(walk->image);

	if (walk->file_count != root->file_count ||
	    walk->dir_count != root->dir_count ||
	    walk->symlink_count != root->symlink_count ||
	    walk->hardlink_count != root->hardlink_count ||
	    walk->file_bytes != root->file_bytes ||
	    walk->data_bytes != root->data_bytes)
		return corrupt(walk, "the root's counts are not true");
	return 0;
}

/*
 * Is a block due?  When what waits fills the page's next one; a group that
 * outgrows it is an error.
 */
static int
block_is_due(struct walk *walk, bool *ret_is_due)
{
	const struct page *page = &walk->load.page;
	bool has_block = walk->block_index < page->block_count;
	uint32_t size;

	*ret_is_due = walk->large_left > 0 && has_block;
	if (walk->group_size == 0)
		return 0;
	if (!has_block)
		return corrupt(walk, "a file has no block");
	size = page_block(page, walk->block_index).raw_size;
	if (walk->group_size > size)
		return corrupt(walk, "a block ends inside a file");
	*ret_is_due = walk->group_size == size;
	return 0;
}

int
walk_next(struct walk *walk, enum walk_step *ret_step)
{
	uint32_t page_count = image_root(walk->image)->page_count;

	for (;;) {
		bool is_due, is_end;
		int err;

		if (walk->is_page_loaded && !walk->is_page_done) {
			err = block_is_due(walk, &is_due);
			if (err < 0)
				return err;
			if (is_due) {
				*ret_step = WALK_BLOCK;
				return take_block(walk);
			}
			err = page_next(&walk->cursor, &walk->view.record,
					&is_end);
			if (err < 0)
				return corrupt(walk, "a record breaks a rule");
			if (!is_end && walk->large_left > 0)
				return corrupt(walk, "a file has no block");
			if (!is_end) {
				*ret_step = WALK_RECORD;
				return take_record(walk);
			}
			if (walk->group_size > 0 ||
			    walk->block_index < walk->load.page.block_count)
				return corrupt(walk,
					       "blocks and files do not match");
			walk->is_page_done = true;
			*ret_step = WALK_PAGE_END;
			return 0;
		}
		if (walk->page_index == page_count) {
			*ret_step = WALK_END;
			if (walk->large_left > 0)
				return corrupt(walk, "a file has no block");
			return check_counts(walk);
		}
		err = load_page(walk);
		if (err < 0)
			return err;
	}
}
