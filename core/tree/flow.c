/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/flow.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "platform/pf_direct.h"
#include "platform/pf_process.h"
#include "platform/pf_thread.h"

/*
 * Locking: one lock for everything below.  It is taken a few times a slot,
 * that is, per about 1 MiB of data.
 */

enum slot_state {
	SLOT_FREE,
	SLOT_FILLING, /* the filler's alone */
	SLOT_FILLED,  /* waits for a worker */
	SLOT_WORKING,
	SLOT_READY, /* for the lanes */
};

enum {
	/* How long the filler waits before it looks for a lane to set aside. */
	PATIENCE_MS = 250
};

struct worker {
	struct flow *flow;
	unsigned index;
	struct pf_thread *thread;
};

struct flow {
	struct flow_params params;
	struct lane **lanes;
	size_t lane_count;

	struct pf_lock *lock;

	/* The same one when a lane does all that takes waiting for. */
	struct pf_condition *filled; /* workers wait: there is work */
	struct pf_condition *ready;  /* lanes wait: there is a slot to take */
	struct pf_condition *freed;  /* the filler waits: a lane moved on */

	struct pf_condition *ended; /* flow_run() waits: a thread is through */
	struct slot **slots;
	size_t slot_count; /* grows: see set_aside_laggards() */
	size_t slot_capacity;
	uint64_t next_number; /* of the slot to be filled */
	unsigned in_source;   /* threads inside fill or work */
	bool is_filling;
	bool is_filled;	  /* no more slots will come */
	bool is_stopping; /* give everything up */
	int err;
};

struct record *
slot_add_record(struct slot *slot)
{
	if (slot->record_count == slot->record_capacity) {
		size_t capacity = slot->record_capacity * 2 + 64;
		struct record *records =
			realloc(slot->records, capacity * sizeof *records);

		if (records == NULL)
			return NULL;
		slot->records = records;
		slot->record_capacity = capacity;
	}
	memset(&slot->records[slot->record_count], 0, sizeof *slot->records);
	return &slot->records[slot->record_count++];
}

void
slot_align(struct slot *slot, uint64_t offset)
{
	slot->raw = slot->raw_memory + offset % PF_DIRECT_ALIGNMENT;
}

static void
free_slot(struct slot *slot)
{
	if (slot == NULL)
		return;
	arena_release(&slot->arena);
	free(slot->records);
	free(slot->raw_memory);
	free(slot->frame);
	free(slot);
}

/* One more slot; the lock is held, or nobody else is there yet. */
static int
add_slot(struct flow *flow)
{
	struct slot *slot = calloc(1, sizeof *slot);
	const size_t page = PF_DIRECT_ALIGNMENT;
	/* Whole pages, and one for slot_align(). */
	size_t raw_size = (flow->params.raw_max / page + 2) * page;

	if (slot == NULL || flow->slot_count == flow->slot_capacity)
		goto out;
	slot->raw_memory = aligned_alloc(page, raw_size);
	if (flow->params.frame_max > 0)
		slot->frame = malloc(flow->params.frame_max);
	if (slot->raw_memory == NULL ||
	    (flow->params.frame_max > 0 && slot->frame == NULL))
		goto out;
	flow->slots[flow->slot_count++] = slot;
	return 0;
out:
	free_slot(slot);
	return DSP_ENOMEM;
}

static void
wake_all(struct flow *flow)
{
	pf_signal(flow->filled);
	pf_signal(flow->ready);
	pf_signal(flow->freed);
	pf_signal(flow->ended);
}

static void
stop(struct flow *flow, int err)
{
	if (flow->err == 0)
		flow->err = err;
	flow->is_stopping = true;
	wake_all(flow);
}

/* The slot with this number in this state, or NULL. */
static struct slot *
find_slot(struct flow *flow, uint64_t number, enum slot_state state)
{
	for (size_t i = 0; i < flow->slot_count; i++) {
		struct slot *slot = flow->slots[i];

		if (slot->state == (int)state &&
		    (state == SLOT_FREE || slot->number == number))
			return slot;
	}
	return NULL;
}

/* The filled slot with the lowest number, or NULL. */
static struct slot *
find_work(struct flow *flow)
{
	struct slot *found = NULL;

	for (size_t i = 0; i < flow->slot_count; i++) {
		struct slot *slot = flow->slots[i];

		if (slot->state == SLOT_FILLED &&
		    (found == NULL || slot->number < found->number))
			found = slot;
	}
	return found;
}

static void
let_go(struct slot *slot)
{
	assert(slot->holders > 0);
	if (--slot->holders == 0)
		slot->state = SLOT_FREE;
}

static bool
is_live(const struct lane *lane)
{
	return lane->err == 0 && !lane->is_aside;
}

/* A lane that goes no further gives back what it has not begun. */
static void
drop_rest(struct flow *flow, const struct lane *lane)
{
	for (size_t i = 0; i < flow->slot_count; i++) {
		struct slot *slot = flow->slots[i];

		if (slot->state >= SLOT_FILLED && slot->number >= lane->next)
			let_go(slot);
	}
	pf_signal(flow->freed);
	pf_signal(flow->ready);
}

/* Take a slot from filled to ready.  The lock is held. */
static void
work_on(struct flow *flow, unsigned worker, struct slot *slot)
{
	int err;

	slot->state = SLOT_WORKING;
	slot->holders++; /* lanes may drop it meanwhile */
	flow->in_source++;
	pf_unlock(flow->lock);
	err = flow->params.work(flow->params.context, worker, slot);
	pf_lock(flow->lock);
	flow->in_source--;
	slot->state = SLOT_READY;
	let_go(slot);
	if (err < 0)
		stop(flow, err);
	pf_signal(slot->state == SLOT_READY ? flow->ready : flow->freed);
}

static void
empty_slot(struct slot *slot)
{
	arena_reset(&slot->arena);
	slot->record_count = 0;
	slot->ordinal = 0;
	slot->is_part = slot->ends_page = slot->is_skipped = false;
	slot->part_offset = 0;
	slot->old = NULL;
	slot->gone = NULL;
	slot->rows = NULL;
	slot->extra = NULL;
	slot->gone_count = 0;
	slot->raw = slot->raw_memory;
	slot->raw_size = slot->frame_size = 0;
}

/* Fill a free slot, or find that there is no more.  The lock is held. */
static void
fill_one(struct flow *flow, struct slot *slot)
{
	bool is_end = false;
	int err;

	empty_slot(slot);
	slot->number = flow->next_number;
	slot->state = SLOT_FILLING;
	slot->holders = 1;
	flow->is_filling = true;
	flow->in_source++;
	pf_unlock(flow->lock);
	err = flow->params.fill(flow->params.context, slot, &is_end);
	pf_lock(flow->lock);
	flow->in_source--;
	flow->is_filling = false;
	if (err < 0)
		stop(flow, err);
	if (err < 0 || is_end) {
		let_go(slot);
		flow->is_filled = true;
		wake_all(flow);
		return;
	}
	for (size_t i = 0; i < flow->lane_count; i++)
		if (is_live(flow->lanes[i]) &&
		    flow->lanes[i]->next <= slot->number)
			slot->holders++;
	flow->next_number++;
	slot->state = SLOT_FILLED;
	slot->holders--;

	/* Without lanes the worker alone holds it: see work_on(). */
	if (slot->holders == 0 && flow->lane_count > 0)
		slot->state = SLOT_FREE;
	pf_signal(flow->filled);
}

static void
run_worker(void *context)
{
	struct worker *worker = context;
	struct flow *flow = worker->flow;

	pf_lock(flow->lock);
	for (;;) {
		struct slot *slot = find_work(flow);

		if (flow->is_stopping || (slot == NULL && flow->is_filled))
			break;
		if (slot != NULL)
			work_on(flow, worker->index, slot);
		else
			pf_wait(flow->filled, flow->lock);
	}
	pf_unlock(flow->lock);
}

/* Take the lane's next slot through begin and finish.  The lock is held. */
static void
serve(struct lane_thread *thread, struct slot *slot)
{
	struct lane *lane = thread->lane;
	struct flow *flow = lane->flow;
	int err;

	lane->is_beginning = true;
	lane->busy++;
	lane->next++;
	lane->busy_since = pf_now_monotonic();
	pf_unlock(flow->lock);
	err = lane->begin(thread, slot);
	pf_lock(flow->lock);
	lane->is_beginning = false;
	if (err == 0 && lane->finish != NULL) {
		if (lane->thread_count > 1)
			pf_signal(flow->ready);
		pf_unlock(flow->lock);
		err = lane->finish(thread, slot);
		pf_lock(flow->lock);
	}
	lane->busy--;
	lane->busy_since = pf_now_monotonic();
	let_go(slot);
	if (err < 0 && lane->err == 0) {
		bool was_live = is_live(lane);

		lane->err = err;
		if (was_live)
			drop_rest(flow, lane);
	}
	pf_signal(flow->freed);
}

/*
 * What the threads of a lane that works do when there is nothing to write.
 * False: nothing at all to do.  The lock is held.
 */
static bool
help(struct lane_thread *thread)
{
	struct flow *flow = thread->lane->flow;
	struct slot *slot = find_work(flow);

	if (pf_interrupted()) {
		stop(flow, DSP_ECANCELED);
		return true;
	}
	if (slot != NULL) {
		work_on(flow, (unsigned)(thread - thread->lane->threads), slot);
		return true;
	}
	if (!flow->is_filling && !flow->is_filled)
		slot = find_slot(flow, 0, SLOT_FREE);
	if (slot != NULL)
		fill_one(flow, slot);
	return slot != NULL;
}

static void
run_lane(void *context)
{
	struct lane_thread *thread = context;
	struct lane *lane = thread->lane;
	struct flow *flow = lane->flow;

	pf_lock(flow->lock);
	while (!flow->is_stopping && is_live(lane)) {
		struct slot *slot = NULL;

		if (!lane->is_beginning)
			slot = find_slot(flow, lane->next, SLOT_READY);
		if (slot != NULL)
			serve(thread, slot);
		else if (flow->params.lane_works && help(thread))
			continue;
		else if (flow->is_filled && lane->next >= flow->next_number)
			break;
		else
			pf_wait(flow->ready, flow->lock);
	}
	pf_signal(flow->ended);
	pf_unlock(flow->lock);
	if (lane->end_thread != NULL)
		lane->end_thread(thread);
}

/* Has it been inside one call for longer than the caller has patience? */
static bool
has_stalled(const struct flow *flow, const struct lane *lane)
{
	int64_t timeout = (int64_t)flow->params.stall_timeout_ms * 1000000;

	return timeout > 0 && lane->busy > 0 &&
	       pf_now_monotonic() - lane->busy_since > timeout;
}

/* Is a lane that was set aside before in the middle of the same slot? */
static bool
is_kept_by_another(const struct flow *flow, const struct lane *lane)
{
	for (size_t i = 0; i < flow->lane_count; i++) {
		const struct lane *other = flow->lanes[i];

		if (other != lane && other->is_aside && other->busy > 0 &&
		    other->next == lane->next)
			return true;
	}
	return false;
}

/*
 * No slot came free for a while.  When some lane has done all there is, the
 * ones that hold the oldest slot are what it waits for: set them aside.  So
 * is, whatever the others do, a lane that has stalled.
 */
static void
set_aside_laggards(struct flow *flow)
{
	uint64_t oldest = UINT64_MAX;
	bool is_anyone_idle = false;

	for (size_t i = 0; i < flow->slot_count; i++) {
		const struct slot *slot = flow->slots[i];

		if (slot->state == SLOT_FILLED || slot->state == SLOT_WORKING)
			return; /* the workers are what all wait for */
		if (slot->state == SLOT_READY && slot->number < oldest)
			oldest = slot->number;
	}
	for (size_t i = 0; i < flow->lane_count; i++) {
		const struct lane *lane = flow->lanes[i];

		if (is_live(lane) && !lane->is_patient && lane->busy == 0 &&
		    lane->next == flow->next_number)
			is_anyone_idle = true;
	}
	for (size_t i = 0; i < flow->lane_count; i++) {
		struct lane *lane = flow->lanes[i];
		bool holds_up = is_anyone_idle &&
				lane->next <= oldest + lane->busy;

		if (!is_live(lane) || (!holds_up && !has_stalled(flow, lane)))
			continue;
		lane->is_aside = true;
		drop_rest(flow, lane);

		/* It may keep one slot for ever: the others get a new one. */
		if (lane->busy > 0 && !is_kept_by_another(flow, lane))
			(void)add_slot(flow);
	}
}

/* Wait for a free slot; NULL when the flow is stopping.  The lock is held. */
static struct slot *
wait_for_slot(struct flow *flow)
{
	while (!flow->is_stopping) {
		struct slot *slot = find_slot(flow, 0, SLOT_FREE);

		if (pf_interrupted())
			stop(flow, DSP_ECANCELED);
		else if (slot != NULL)
			return slot;
		else if (!pf_wait_for(flow->freed, flow->lock, PATIENCE_MS))
			set_aside_laggards(flow);
	}
	return NULL;
}

static bool
any_lane_is_live(const struct flow *flow)
{
	for (size_t i = 0; i < flow->lane_count; i++)
		if (is_live(flow->lanes[i]))
			return true;
	return flow->lane_count == 0;
}

static void
fill_all(struct flow *flow)
{
	pf_lock(flow->lock);
	while (!flow->is_filled) {
		struct slot *slot = wait_for_slot(flow);

		if (slot == NULL || !any_lane_is_live(flow))
			break;
		fill_one(flow, slot);
	}
	flow->is_filled = true;
	wake_all(flow);
	pf_unlock(flow->lock);
}

static bool
lane_is_through(const struct flow *flow, const struct lane *lane)
{
	if (lane->busy > 0)
		return false;
	return flow->is_stopping || !is_live(lane) ||
	       (flow->is_filled && lane->next >= flow->next_number);
}

/* Join the lanes' threads, but for those that hang in a call. */
static void
end_lanes(struct flow *flow)
{
	for (size_t i = 0; i < flow->lane_count; i++) {
		struct lane *lane = flow->lanes[i];

		pf_lock(flow->lock);
		while (!lane_is_through(flow, lane)) {
			if (pf_interrupted())
				stop(flow, DSP_ECANCELED);
			if (has_stalled(flow, lane)) {
				/* When it wakes up it ends. */
				lane->is_stalled = lane->is_aside = true;
				break;
			}
			(void)pf_wait_for(flow->ended, flow->lock, PATIENCE_MS);
		}

		/* The threads that do not hang leave the source alone. */
		if (lane->is_stalled && flow->params.lane_works) {
			stop(flow, 0);
			while (flow->in_source > 0)
				pf_wait_for(flow->ended, flow->lock,
					    PATIENCE_MS);
		}
		pf_unlock(flow->lock);
		for (unsigned j = 0;
		     lane->threads != NULL && j < lane->thread_count; j++) {
			struct pf_thread *thread = lane->threads[j].thread;

			if (thread == NULL)
				continue;
			if (lane->is_stalled)
				pf_thread_abandon(thread);
			else
				pf_thread_join(thread);
		}
	}
}

static int
start_lane(struct flow *flow, struct lane *lane)
{
	int err = 0;

	lane->flow = flow;
	lane->is_aside = lane->is_stalled = lane->is_beginning = false;
	lane->busy = 0;
	lane->busy_since = pf_now_monotonic();
	lane->threads = calloc(lane->thread_count, sizeof *lane->threads);
	if (lane->threads == NULL)
		return DSP_ENOMEM;
	for (unsigned i = 0; err == 0 && i < lane->thread_count; i++) {
		lane->threads[i].lane = lane;
		err = pf_thread_start(run_lane, &lane->threads[i],
				      &lane->threads[i].thread);
	}
	return err;
}

static void
free_flow(struct flow *flow)
{
	bool is_stalled = false;

	for (size_t i = 0; i < flow->lane_count; i++) {
		if (flow->lanes[i]->is_stalled)
			is_stalled = true;
		else
			free(flow->lanes[i]->threads);
	}

	/* A thread that was left behind still looks at all of this. */
	if (is_stalled)
		return;
	for (size_t i = 0; i < flow->slot_count; i++)
		free_slot(flow->slots[i]);
	free(flow->slots);
	pf_condition_free(flow->filled);
	if (flow->ready != flow->filled) {
		pf_condition_free(flow->ready);
		pf_condition_free(flow->freed);
	}
	pf_condition_free(flow->ended);
	pf_lock_free(flow->lock);
	free(flow);
}

int
flow_run(const struct flow_params *params, struct lane **lanes,
	 size_t lane_count)
{
	struct flow *flow = calloc(1, sizeof *flow);
	struct worker *workers = calloc(params->worker_count, sizeof *workers);
	unsigned worker_count = params->lane_works ? 0 : params->worker_count;
	int err = DSP_ENOMEM;

	assert(params->worker_count > 0 && params->slot_count > 0);
	assert(!params->lane_works ||
	       (lane_count == 1 &&
		lanes[0]->thread_count == params->worker_count));
	if (flow == NULL || workers == NULL) {
		report_error(err, NULL, "setting up the transfer");
		goto out;
	}
	flow->params = *params;
	flow->lanes = lanes;
	flow->slot_capacity = params->slot_count + lane_count;
	flow->slots = calloc(flow->slot_capacity, sizeof *flow->slots);
	flow->lock = pf_lock_new();
	flow->filled = pf_condition_new();
	flow->ready = params->lane_works ? flow->filled : pf_condition_new();
	flow->freed = params->lane_works ? flow->filled : pf_condition_new();
	flow->ended = pf_condition_new();
	if (flow->slots == NULL || flow->lock == NULL || flow->filled == NULL ||
	    flow->ready == NULL || flow->freed == NULL || flow->ended == NULL) {
		report_error(err, NULL, "setting up the transfer");
		goto out;
	}
	err = 0;
	for (unsigned i = 0; err == 0 && i < params->slot_count; i++)
		err = add_slot(flow);
	if (err < 0) {
		report_error(err, NULL, "setting up the transfer");
		goto out;
	}

	/* From here on threads may run: errors stop the flow, not us. */
	for (unsigned i = 0; err == 0 && i < worker_count; i++) {
		workers[i].flow = flow;
		workers[i].index = i;
		err = pf_thread_start(run_worker, &workers[i],
				      &workers[i].thread);
	}
	for (size_t i = 0; err == 0 && i < lane_count; i++) {
		flow->lane_count++;
		err = start_lane(flow, lanes[i]);
	}
	if (err < 0) {
		report_error(err, NULL, "starting threads");
		pf_lock(flow->lock);
		stop(flow, err);
		pf_unlock(flow->lock);
	}
	if (!params->lane_works)
		fill_all(flow);
	for (unsigned i = 0; i < worker_count; i++)
		pf_thread_join(workers[i].thread);
	end_lanes(flow);
	err = flow->err == 0 && pf_interrupted() ? DSP_ECANCELED : flow->err;
out:
	if (flow != NULL)
		free_flow(flow);
	free(workers);
	return err;
}
