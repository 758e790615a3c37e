/* SPDX-License-Identifier: Apache-2.0 */
#include "core/image/counterpart.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "core/chunk/cut.h"
#include "core/image/walk.h"

/* Goes through the files of an image that have data. */
struct files {
	struct walk *walk;
	const struct record *record; /* NULL at the end */
	uint64_t offset;	     /* of its data in the image's */
	uint64_t next_offset;
};

/* An old file whose path the new version does not have. */
struct gone {
	uint64_t class; /* hash of its path with '#' for each run of digits */
	uint64_t offset;
	uint64_t size;
};

struct counterpart {
	struct image *old_image;
	struct files old;
	struct gone *gone; /* by class, then by offset */
	uint32_t *taken;   /* of the first of each class: how many are */
	size_t gone_count;
	size_t gone_capacity;
	char *path; /* room for a class's path */
};

static int
next_file(struct files *files)
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
start_files(struct files *files, struct image *image)
{
	int err;

	walk_free(files->walk);
	memset(files, 0, sizeof *files);
	err = walk_new(image, &files->walk);
	return err < 0 ? err : next_file(files);
}

/* Order of two files by path; the end is behind everything. */
static int
compare_paths(const struct record *a, const struct record *b)
{
	if (a == NULL || b == NULL)
		return (a == NULL) - (b == NULL);
	return path_compare(a->path, a->path_size, b->path, b->path_size);
}

static uint64_t
path_class(struct counterpart *counterpart, const struct record *record)
{
	char *class = counterpart->path;
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
compare_gone(const void *left, const void *right)
{
	const struct gone *a = left, *b = right;

	if (a->class != b->class)
		return a->class < b->class ? -1 : 1;
	return (a->offset > b->offset) - (a->offset < b->offset);
}

static int
add_gone(struct counterpart *counterpart)
{
	const struct files *old = &counterpart->old;

	if (counterpart->gone_count == COUNTERPART_GONE_MAX)
		return 0;
	if (counterpart->gone_count == counterpart->gone_capacity) {
		size_t capacity = counterpart->gone_capacity * 2 + 256;
		struct gone *gone =
			realloc(counterpart->gone, capacity * sizeof *gone);

		if (gone == NULL)
			return DSP_ENOMEM;
		counterpart->gone = gone;
		counterpart->gone_capacity = capacity;
	}
	counterpart->gone[counterpart->gone_count++] = (struct gone){
		.class = path_class(counterpart, old->record),
		.offset = old->offset,
		.size = old->record->data_size,
	};
	return 0;
}

/* Go through both versions at once; keep what only the old one has. */
static int
fill_gone(struct counterpart *counterpart, struct image *image)
{
	struct files *old = &counterpart->old;
	struct files new = { 0 };
	int err = start_files(&new, image);

	if (err == 0)
		err = start_files(old, counterpart->old_image);
	while (err == 0 && old->record != NULL) {
		int order = compare_paths(new.record, old->record);

		if (order > 0 && add_gone(counterpart) < 0)
			err = report_error(DSP_ENOMEM,
					   image_name(counterpart->old_image),
					   "comparing two versions");
		if (err == 0 && order >= 0)
			err = next_file(old);
		if (err == 0 && order <= 0)
			err = next_file(&new);
	}
	if (err == 0 && counterpart->gone_count > 0)
		qsort(counterpart->gone, counterpart->gone_count,
		      sizeof *counterpart->gone, compare_gone);
	walk_free(new.walk);
	return err;
}

int
counterpart_new(struct image *image, struct image *old_image,
		struct counterpart **ret_counterpart)
{
	struct counterpart *counterpart = calloc(1, sizeof *counterpart);
	int err = DSP_ENOMEM;

	if (counterpart == NULL)
		goto out;
	counterpart->old_image = old_image;
	counterpart->path = malloc(PATH_SIZE_MAX + 1);
	if (counterpart->path == NULL)
		goto out;
	err = fill_gone(counterpart, image);
	if (err == 0) {
		counterpart->taken = malloc((counterpart->gone_count + 1) *
					    sizeof *counterpart->taken);
		err = counterpart->taken != NULL
			      ? counterpart_rewind(counterpart)
			      : DSP_ENOMEM;
	}
	if (err < 0)
		goto out;
	*ret_counterpart = counterpart;
	return 0;
out:
	if (err == DSP_ENOMEM)
		report_error(err, image_name(old_image),
			     "comparing two versions");
	counterpart_free(counterpart);
	return err;
}

void
counterpart_free(struct counterpart *counterpart)
{
	if (counterpart == NULL)
		return;
	walk_free(counterpart->old.walk);
	free(counterpart->gone);
	free(counterpart->taken);
	free(counterpart->path);
	free(counterpart);
}

int
counterpart_rewind(struct counterpart *counterpart)
{
	memset(counterpart->taken, 0,
	       (counterpart->gone_count + 1) * sizeof *counterpart->taken);
	return start_files(&counterpart->old, counterpart->old_image);
}

/* The next file of the class that nobody took. */
static struct old_place
take_gone(struct counterpart *counterpart, uint64_t class)
{
	const struct gone *gone = counterpart->gone;
	size_t low = 0, high = counterpart->gone_count;
	size_t index;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (gone[middle].class < class)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == counterpart->gone_count)
		return (struct old_place){ 0 };
	index = low + counterpart->taken[low];
	if (index >= counterpart->gone_count || gone[index].class != class)
		return (struct old_place){ 0 };
	counterpart->taken[low]++;
	return (struct old_place){ gone[index].offset, gone[index].size };
}

int
counterpart_find(struct counterpart *counterpart, const struct record *record,
		 struct old_place *ret_place)
{
	struct files *old = &counterpart->old;

	while (compare_paths(old->record, record) < 0) {
		int err = next_file(old);

		if (err < 0)
			return err;
	}
	if (compare_paths(old->record, record) == 0)
		*ret_place = (struct old_place){ old->offset,
						 old->record->data_size };
	else
		*ret_place =
			take_gone(counterpart, path_class(counterpart, record));
	return 0;
}
