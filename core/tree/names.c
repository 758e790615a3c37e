/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/names.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buffer.h"
#include "core/base/err.h"
#include "platform/pf_dir.h"
#include "platform/pf_file.h"
#include "platform/pf_temp.h"

enum { NAME_SIZE_MAX = 256, RUN_BUFFER_SIZE = 16 * 1024 };

/* A sorted stretch of the temporary file, read through a small buffer. */
struct run {
	uint64_t offset; /* of what is not in data yet */
	uint64_t end;
	uint8_t *data;
	size_t size;
	size_t used; /* where the run's next name begins in data */
};

struct names {
	struct buffer text;  /* names with their NULs */
	const char **sorted; /* into text */
	size_t count;
	size_t next;
	int spill; /* -1: everything is in memory */
	uint64_t spill_size;
	struct run *runs;
	size_t run_count;
	char current[NAME_SIZE_MAX];
};

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int
sort(struct names *names)
{
	const char *name = (const char *)names->text.data;

	names->sorted = malloc((names->count + 1) * sizeof *names->sorted);
	if (names->sorted == NULL)
		return DSP_ENOMEM;
	for (size_t i = 0; i < names->count; i++) {
		names->sorted[i] = name;
		name += strlen(name) + 1;
	}
	qsort(names->sorted, names->count, sizeof *names->sorted, compare);
	return 0;
}

/* Move what is in memory to the temporary file, as one sorted run. */
static int
spill(struct names *names)
{
	struct buffer sorted = { 0 };
	struct run *runs;
	int err = sort(names);

	for (size_t i = 0; err == 0 && i < names->count; i++)
		err = buffer_add(&sorted, names->sorted[i],
				 strlen(names->sorted[i]) + 1);
	if (err == 0 && names->spill < 0)
		err = pf_temp_file(&names->spill);
	if (err == 0)
		err = pf_write_at(names->spill, sorted.data, sorted.size,
				  names->spill_size);
	runs = realloc(names->runs, (names->run_count + 1) * sizeof *runs);
	if (runs == NULL)
		err = err < 0 ? err : DSP_ENOMEM;
	else
		names->runs = runs;
	if (err == 0) {
		runs[names->run_count++] = (struct run){
			.offset = names->spill_size,
			.end = names->spill_size + sorted.size,
		};
		names->spill_size += sorted.size;
	}
	buffer_release(&sorted);
	free(names->sorted);
	names->sorted = NULL;
	names->count = 0;
	names->text.size = 0;
	return err;
}

/* The run's next name; NULL at its end. */
static int
run_peek(struct names *names, struct run *run, const char **ret_name)
{
	const uint8_t *start = run->data + run->used;
	size_t left = run->size - run->used;
	size_t want, got;
	int err;

	if (left > 0 && memchr(start, '\0', left) != NULL) {
		*ret_name = (const char *)start;
		return 0;
	}
	if (run->offset == run->end && left == 0) {
		*ret_name = NULL;
		return 0;
	}
	if (run->data == NULL) {
		run->data = malloc(RUN_BUFFER_SIZE);
		if (run->data == NULL)
			return DSP_ENOMEM;
	}
	memmove(run->data, run->data + run->used, left);
	want = RUN_BUFFER_SIZE - left;
	if (want > run->end - run->offset)
		want = (size_t)(run->end - run->offset);
	err = pf_read_at(names->spill, run->data + left, want, run->offset,
			 &got);
	if (err == 0 && got != want)
		err = DSP_EIO;
	if (err < 0)
		return err;
	run->offset += got;
	run->size = left + got;
	run->used = 0;
	*ret_name = (const char *)run->data;
	return 0;
}

static int
next_of_runs(struct names *names, const char **ret_name)
{
	struct run *lowest = NULL;
	const char *lowest_name = NULL;

	for (size_t i = 0; i < names->run_count; i++) {
		const char *name;
		int err = run_peek(names, &names->runs[i], &name);

		if (err < 0)
			return err;
		if (name != NULL &&
		    (lowest == NULL || strcmp(name, lowest_name) < 0)) {
			lowest = &names->runs[i];
			lowest_name = name;
		}
	}
	if (lowest == NULL) {
		*ret_name = NULL;
		return 0;
	}
	memcpy(names->current, lowest_name, strlen(lowest_name) + 1);
	lowest->used += strlen(lowest_name) + 1;
	*ret_name = names->current;
	return 0;
}

int
names_next(struct names *names, const char **ret_name)
{
	if (names->run_count > 0)
		return next_of_runs(names, ret_name);
	*ret_name = names->next < names->count ? names->sorted[names->next++]
					       : NULL;
	return 0;
}

static int
read_all(int fd, struct names *names)
{
	struct pf_dir *dir = NULL;
	const char *name;
	int err = pf_dir_open(fd, &dir);

	while (err == 0) {
		err = pf_dir_next(dir, &name);
		if (err < 0 || name == NULL)
			break;
		if (strlen(name) >= NAME_SIZE_MAX)
			err = DSP_ENAMETOOLONG;
		if (err == 0 &&
		    names->text.size + strlen(name) + 1 > NAMES_MEMORY_MAX)
			err = spill(names);
		if (err == 0)
			err = buffer_add(&names->text, name, strlen(name) + 1);
		names->count++;
	}
	pf_dir_close(dir);
	return err;
}

int
names_read(int fd, struct names **ret_names)
{
	struct names *names = calloc(1, sizeof *names);
	int err;

	if (names == NULL)
		return DSP_ENOMEM;
	names->spill = -1;
	err = read_all(fd, names);
	if (err == 0)
		err = names->run_count > 0 ? spill(names) : sort(names);
	if (err < 0) {
		names_free(names);
		return err;
	}
	if (names->run_count > 0)
		buffer_release(&names->text);
	*ret_names = names;
	return 0;
}

void
names_free(struct names *names)
{
	if (names == NULL)
		return;
	for (size_t i = 0; i < names->run_count; i++)
		free(names->runs[i].data);
	free(names->runs);
	pf_close(names->spill);
	buffer_release(&names->text);
	free(names->sorted);
	free(names);
}
