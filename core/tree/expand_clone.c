/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/err.h"
#include "core/tree/expand_int.h"
#include "platform/pf_process.h"

enum {
	/* Below that, sharing costs more than it saves. */
	CLONE_SIZE_MIN = 16 * 1024,
	WAIT_MS = 100,
	/* A leader that stands still for so long leads nobody. */
	PATIENCE_MS = 5000
};

/* The files to take blocks from, or NULL: there are none. */
static struct cloner *
find_cloner(struct expand *expand, int top)
{
	if (expand->cloner == NULL && top >= 0)
		expand->cloner = cloner_new(top);
	return expand->cloner;
}

/* Wait until the leader is through with the slot; false when it will not be. */
static bool
wait_for_leader(struct expand *expand, uint64_t number)
{
	struct expand *leader = expand->leader;
	unsigned waited_ms = 0;
	uint64_t seen = 0;
	bool is_there;

	pf_lock(leader->lock);
	while (leader->done_number <= number &&
	       atomic_load(&leader->err) == 0 && waited_ms < PATIENCE_MS &&
	       !pf_interrupted()) {
		if (leader->done_number != seen)
			waited_ms = 0;
		seen = leader->done_number;
		if (!pf_wait_for(leader->moved, leader->lock, WAIT_MS))
			waited_ms += WAIT_MS;
	}
	is_there = leader->done_number > number;
	(void)find_cloner(expand, leader->top);
	pf_unlock(leader->lock);
	return is_there && expand->cloner != NULL;
}

/* A row of zeros is about a file that may have changed unseen. */
static bool
row_is_known(const uint8_t *row)
{
	static const uint8_t zeros[ROW_SIZE];

	return row != NULL && memcmp(row, zeros, ROW_SIZE) != 0;
}

static bool
clone_source(struct expand *expand, const struct record *record,
	     const uint8_t *row, int fd)
{
	struct cloner *cloner = find_cloner(expand, expand->source_top);
	struct pf_stat stat;
	int err;

	if (cloner == NULL || !row_is_known(row))
		return false;
	err = cloner_clone(cloner, record, fd, &stat);
	if (err == DSP_EUNSUPPORTED)
		expand->is_clone_off = true;
	if (err == 0 && row_holds(row, &stat))
		return true;
	/* What was cloned may not be what was hashed (S1). */
	(void)pf_set_size(fd, 0);
	return false;
}

bool
expand_clone_small(struct expand *expand, const struct record *record,
		   const uint8_t *row, uint64_t number, int fd)
{
	struct pf_stat stat;

	if (expand->is_clone_off || record->data_size < CLONE_SIZE_MIN)
		return false;
	if (expand->source_top >= 0)
		return clone_source(expand, record, row, fd);
	if (expand->leader == NULL || !wait_for_leader(expand, number))
		return false;
	if (cloner_clone(expand->cloner, record, fd, &stat) == 0 &&
	    stat.size == record->size)
		return true;
	expand->is_clone_off = true;
	(void)pf_set_size(fd, 0);
	return false;
}

bool
expand_begin_clone(struct expand *expand, const struct record *record,
		   const uint8_t *row, int fd)
{
	if (expand->is_clone_off)
		return false;
	if (expand->source_top >= 0)
		return clone_source(expand, record, row, fd);
	return expand->leader != NULL && atomic_load(&expand->leader->err) == 0;
}

int
expand_end_clone(struct expand *expand, const struct record *record,
		 const uint8_t *row, uint64_t number, int fd)
{
	struct pf_stat stat;
	bool is_good;

	/* All of it has been hashed by now; is that still what was cloned? */
	if (expand->source_top >= 0)
		is_good = cloner_look(expand->cloner, record, &stat) == 0 &&
			  row_holds(row, &stat);
	else
		is_good = wait_for_leader(expand, number) &&
			  cloner_clone(expand->cloner, record, fd, &stat) ==
				  0 &&
			  stat.size == record->size;
	if (is_good)
		return 0;
	atomic_store(&expand->is_spoiled, true);
	return DSP_EDIFFERS;
}
