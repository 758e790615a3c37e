/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/base.h"

#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "core/image/walk.h"

/* Kernels stamp files with a clock that ticks at least this often. */
#define CLOCK_TICK_NS 20000000

/* Some file systems keep whole seconds, FAT every second one. */
#define NS_PER_S       1000000000
#define COARSE_TICK_NS (2 * (int64_t)NS_PER_S)

struct base {
	struct image *image;
	struct walk *walk;
	struct rows_reader rows;
	int fd;

	bool is_at_record; /* the walk stands on a record */
	bool is_at_end;
	uint64_t since_block; /* files with data since the last block */

	struct base_block last; /* the last block that the walk passed */
	uint64_t last_ordinal;	/* of the file it ends with */
	uint64_t last_count;	/* of the files in it */
};

int
base_new(struct image *image, int rows_fd, struct base **ret_base)
{
	struct base *base = calloc(1, sizeof *base);
	int err = DSP_ENOMEM;

	if (base == NULL) {
		pf_close(rows_fd);
		return report_error(err, image_name(image), "using the base");
	}
	base->image = image;
	base->fd = rows_fd;
	err = rows_reader_init(&base->rows, rows_fd, image_root_digest(image));
	if (err == 0)
		err = walk_new(image, &base->walk);
	if (err < 0) {
		base_free(base);
		return err;
	}
	*ret_base = base;
	return 0;
}

void
base_free(struct base *base)
{
	if (base == NULL)
		return;
	rows_reader_release(&base->rows);
	pf_close(base->fd);
	walk_free(base->walk);
	free(base);
}

struct image *
base_image(const struct base *base)
{
	return base->image;
}

/* One step; counts the files that wait for a block. */
static int
step(struct base *base, enum walk_step *ret_step)
{
	const struct walk_view *view = walk_view(base->walk);
	int err = walk_next(base->walk, ret_step);

	base->is_at_record = false;
	if (err < 0)
		return err;
	switch (*ret_step) {
	case WALK_RECORD:
		base->is_at_record = true;
		base->since_block += record_has_digest(&view->record);
		break;
	case WALK_BLOCK:
		base->last.block = view->block;
		base->last.frame = view->frame;
		base->last.part_offset = view->part_offset;
		base->last_ordinal = view->ordinal;
		base->last_count = base->since_block;
		base->since_block = 0;
		break;
	case WALK_PAGE_END:
		break;
	case WALK_END:
		base->is_at_end = true;
		break;
	}
	return 0;
}

int
base_find(struct base *base, const struct scan_entry *entry,
	  struct base_view *ret_view)
{
	const struct record *record = &entry->record;
	const struct walk_view *view = walk_view(base->walk);
	const uint8_t *row;

	ret_view->is_unchanged = false;
	for (;;) {
		enum walk_step at;
		int order = -1;
		int err;

		if (base->is_at_end)
			return 0;
		if (base->is_at_record)
			order = path_compare(view->record.path,
					     view->record.path_size,
					     record->path, record->path_size);
		if (order > 0)
			return 0;
		if (order == 0)
			break;
		err = step(base, &at);
		if (err < 0)
			return err;
	}
	row = rows_reader_get(&base->rows, view->ordinal);
	ret_view->is_unchanged = row != NULL && row_holds(row, &entry->stat) &&
				 view->record.type == record->type;
	ret_view->ordinal = view->ordinal;
	ret_view->record = view->record;
	return 0;
}

bool
base_is_at_block_start(const struct base *base)
{
	return base->is_at_record && base->since_block == 1;
}

int
base_group_block(struct base *base, uint64_t ordinal, uint64_t count,
		 bool *ret_is_found, struct base_block *ret_block)
{
	enum walk_step at;
	int err = 0;

	if (base->is_at_record && walk_view(base->walk)->ordinal == ordinal)
		err = step(base, &at);
	if (err < 0)
		return err;
	*ret_is_found = base->last_ordinal == ordinal &&
			base->last_count == count;
	*ret_block = base->last;
	return 0;
}

int
base_part_block(struct base *base, struct base_block *ret_block)
{
	enum walk_step at;
	int err;

	do
		err = step(base, &at);
	while (err == 0 && at == WALK_PAGE_END);
	if (err == 0 && at != WALK_BLOCK)
		err = report_error(DSP_ECORRUPT, image_name(base->image),
				   "a file has no block");
	*ret_block = base->last;
	return err;
}

bool
base_row_is_safe(const struct pf_stat *stat, int64_t scan_start)
{
	bool is_coarse = stat->mtime % NS_PER_S == 0 &&
			 stat->ctime % NS_PER_S == 0;
	int64_t limit =
		scan_start - (is_coarse ? COARSE_TICK_NS : CLOCK_TICK_NS);

	return stat->mtime < limit && stat->ctime < limit;
}
