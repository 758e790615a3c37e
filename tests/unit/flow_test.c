/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/flow.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "platform/pf_fault.h"
#include "platform/pf_process.h"
#include "tests/unit/support.h"

enum { SLOTS = 200, RAW_MAX = 64 };

/* A source that counts, and what may go wrong with it. */
struct source {
	uint64_t count;	     /* slots there are */
	uint64_t fill_fails; /* at this slot; UINT64_MAX: never */
	uint64_t work_fails;
	atomic_uint in_work; /* workers at once */
	atomic_uint worked;
};

static int
fill(void *context, struct slot *slot, bool *ret_is_end)
{
	struct source *source = context;
	struct record *record;

	if (slot->number == source->count) {
		*ret_is_end = true;
		return 0;
	}
	if (slot->number == source->fill_fails)
		return DSP_EIO;

	/* A slot comes empty, whatever was in it before. */
	assert_int_equal(slot->record_count, 0);
	assert_int_equal(slot->raw_size, 0);
	assert_null(slot->extra);
	record = slot_add_record(slot);
	assert_non_null(record);
	record->path = arena_copy(&slot->arena, "path", 4);
	slot->raw_size = RAW_MAX;
	le64_put(slot->raw, slot->number);
	return 0;
}

static int
work(void *context, unsigned worker, struct slot *slot)
{
	struct source *source = context;

	assert_true(worker < 4);
	atomic_fetch_add(&source->worked, 1);
	if (slot->number == source->work_fails)
		return DSP_ECORRUPT;
	assert_true(le64_get(slot->raw) == slot->number);
	le64_put(slot->raw + 8, ~slot->number);
	return 0;
}

/* A lane that checks what it gets, and what may go wrong with it. */
struct sink {
	struct lane lane;
	uint64_t begin_fails; /* at this slot; UINT64_MAX: never */
	uint64_t finish_fails;
	uint64_t begun; /* slots, which come in order */
	atomic_uint finished;
	atomic_uint ended;     /* threads */
	pthread_mutex_t *gate; /* who holds it keeps this lane waiting */
};

static int
begin(struct lane_thread *thread, const struct slot *slot)
{
	struct sink *sink = thread->lane->context;

	assert_true(slot->number == sink->begun);
	assert_true(le64_get(slot->raw + 8) == ~slot->number);
	assert_string_equal(slot->records[0].path, "path");
	sink->begun++;
	return slot->number == sink->begin_fails ? DSP_ENOSPC : 0;
}

static int
finish(struct lane_thread *thread, const struct slot *slot)
{
	struct sink *sink = thread->lane->context;

	if (sink->gate != NULL) {
		pthread_mutex_lock(sink->gate);
		pthread_mutex_unlock(sink->gate);
	}
	assert_true(le64_get(slot->raw + 8) == ~slot->number);
	if (slot->number == sink->finish_fails)
		return DSP_EACCES;
	atomic_fetch_add(&sink->finished, 1);
	return 0;
}

static void
end_thread(struct lane_thread *thread)
{
	struct sink *sink = thread->lane->context;

	atomic_fetch_add(&sink->ended, 1);
}

static struct source
new_source(void)
{
	return (struct source){ .count = SLOTS,
				.fill_fails = UINT64_MAX,
				.work_fails = UINT64_MAX };
}

static void
init_sink(struct sink *sink, unsigned thread_count)
{
	*sink = (struct sink){ .begin_fails = UINT64_MAX,
			       .finish_fails = UINT64_MAX };
	sink->lane.context = sink;
	sink->lane.thread_count = thread_count;
	sink->lane.begin = begin;
	sink->lane.finish = finish;
	sink->lane.end_thread = end_thread;
}

static int
run(struct source *source, unsigned worker_count, unsigned slot_count,
    struct lane **lanes, size_t lane_count)
{
	struct flow_params params = { .worker_count = worker_count,
				      .slot_count = slot_count,
				      .raw_max = RAW_MAX,
				      .context = source,
				      .fill = fill,
				      .work = work };

	return flow_run(&params, lanes, lane_count);
}

static void
flow_gives_every_lane_every_slot_in_order(void **state)
{
	(void)state;
	for (unsigned workers = 1; workers <= 4; workers++) {
		for (unsigned slots = 1; slots <= 9; slots += 4) {
			struct source source = new_source();
			struct sink sinks[3];
			struct lane *lanes[3];

			for (unsigned i = 0; i < 3; i++) {
				init_sink(&sinks[i], i + 1);
				lanes[i] = &sinks[i].lane;
			}
			assert_int_equal(run(&source, workers, slots, lanes, 3),
					 0);
			for (unsigned i = 0; i < 3; i++) {
				assert_int_equal(sinks[i].begun, SLOTS);
				assert_int_equal(sinks[i].finished, SLOTS);
				assert_int_equal(sinks[i].ended, i + 1);
				assert_int_equal(lanes[i]->err, 0);
				assert_int_equal(lanes[i]->next, SLOTS);
				assert_false(lanes[i]->is_aside);
			}
			assert_int_equal(source.worked, SLOTS);
		}
	}
}

static void
flow_without_lanes_works_on_every_slot(void **state)
{
	struct source source = new_source();

	(void)state;
	assert_int_equal(run(&source, 2, 5, NULL, 0), 0);
	assert_int_equal(source.worked, SLOTS);
	source = new_source();
	source.count = 0;
	assert_int_equal(run(&source, 2, 5, NULL, 0), 0);
	assert_int_equal(source.worked, 0);
}

static void
flow_lane_that_fails_does_not_stop_the_others(void **state)
{
	(void)state;
	for (int where = 0; where < 2; where++) {
		for (uint64_t at = 0; at < SLOTS; at += 33) {
			struct source source = new_source();
			struct sink sinks[3];
			struct lane *lanes[3];

			for (unsigned i = 0; i < 3; i++) {
				init_sink(&sinks[i], 2);
				lanes[i] = &sinks[i].lane;
			}
			if (where == 0)
				sinks[1].begin_fails = at;
			else
				sinks[1].finish_fails = at;
			assert_int_equal(run(&source, 2, 5, lanes, 3), 0);
			assert_int_equal(lanes[1]->err,
					 where == 0 ? DSP_ENOSPC : DSP_EACCES);
			assert_int_equal(sinks[1].ended, 2);
			assert_int_equal(sinks[0].finished, SLOTS);
			assert_int_equal(sinks[2].finished, SLOTS);
			assert_int_equal(lanes[0]->err, 0);
			assert_int_equal(lanes[2]->err, 0);
		}
	}
}

/* When nobody is left to take it, nothing more is read. */
static void
flow_ends_when_every_lane_has_failed(void **state)
{
	struct source source = new_source();
	struct sink sinks[2];
	struct lane *lanes[2];

	(void)state;
	source.count = UINT64_MAX;
	for (unsigned i = 0; i < 2; i++) {
		init_sink(&sinks[i], 1);
		sinks[i].begin_fails = 3 + i;
		lanes[i] = &sinks[i].lane;
	}
	assert_int_equal(run(&source, 2, 5, lanes, 2), 0);
	assert_int_equal(lanes[0]->err, DSP_ENOSPC);
	assert_int_equal(lanes[1]->err, DSP_ENOSPC);
}

static void
flow_ends_with_the_error_of_its_source(void **state)
{
	(void)state;
	for (uint64_t at = 0; at < SLOTS; at += 33) {
		struct source source = new_source();
		struct sink sink;
		struct lane *lane = &sink.lane;

		init_sink(&sink, 2);
		source.fill_fails = at;
		assert_int_equal(run(&source, 2, 5, &lane, 1), DSP_EIO);
		assert_true(sink.begun <= at);
		assert_int_equal(sink.ended, 2);
		init_sink(&sink, 2);
		source = new_source();
		source.work_fails = at;
		assert_int_equal(run(&source, 2, 5, &lane, 1), DSP_ECORRUPT);
		assert_true(sink.begun <= at);
		assert_int_equal(sink.ended, 2);
		source = new_source();
		source.work_fails = at;
		assert_int_equal(run(&source, 2, 5, NULL, 0), DSP_ECORRUPT);
	}
}

/* Opens the gate when the other lane has got everything. */
struct watcher {
	struct sink *quick;
	pthread_mutex_t *gate;
};

static void *
open_gate_when_done(void *context)
{
	struct watcher *watcher = context;

	while (atomic_load(&watcher->quick->finished) < SLOTS)
		sched_yield();
	pthread_mutex_unlock(watcher->gate);
	return NULL;
}

static void *
hold_gate(void *context)
{
	struct watcher *watcher = context;

	pthread_mutex_lock(watcher->gate);
	return open_gate_when_done(watcher);
}

/* The slow lane is set aside, and goes on where it stood in another run. */
static void
flow_slow_lane_is_set_aside_and_can_go_on(void **state)
{
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	struct source source = new_source();
	struct sink quick, slow;
	struct lane *lanes[2] = { &quick.lane, &slow.lane };
	struct lane *again = &slow.lane;
	struct watcher watcher = { &quick, &gate };
	pthread_t thread;

	(void)state;
	init_sink(&quick, 1);
	init_sink(&slow, 1);
	slow.gate = &gate;
	assert_int_equal(pthread_create(&thread, NULL, hold_gate, &watcher), 0);
	while (pthread_mutex_trylock(&gate) == 0) {
		pthread_mutex_unlock(&gate);
		sched_yield();
	}
	assert_int_equal(run(&source, 2, 4, lanes, 2), 0);
	pthread_join(thread, NULL);
	assert_int_equal(quick.finished, SLOTS);
	assert_true(slow.lane.is_aside);
	assert_int_equal(slow.lane.err, 0);
	assert_true(slow.lane.next < SLOTS);
	assert_true(slow.lane.next == slow.begun);

	/* The caller skips what it has, by the slot's number. */
	slow.gate = NULL;
	source = new_source();
	assert_int_equal(run(&source, 2, 4, &again, 1), 0);
	assert_false(slow.lane.is_aside);
	assert_int_equal(slow.begun, SLOTS);
	assert_int_equal(slow.finished, SLOTS);
	assert_int_equal(slow.lane.next, SLOTS);
}

/*
 * Of several lanes one hangs.  When it wakes up it ends: it went on, and looked
 * at parameters that were gone.
 */
static void
flow_leaves_a_lane_that_hangs_for_good(void **state)
{
	static struct sink sinks[2];
	static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	struct lane *lanes[2] = { &sinks[0].lane, &sinks[1].lane };
	struct source source = new_source();
	struct flow_params *params = must_malloc(sizeof *params);
	uint64_t begun;

	(void)state;
	*params = (struct flow_params){ .worker_count = 2,
					.slot_count = SLOTS + 1,
					.raw_max = RAW_MAX,
					.stall_timeout_ms = 300,
					.context = &source,
					.fill = fill,
					.work = work };
	init_sink(&sinks[0], 1);
	init_sink(&sinks[1], 1);
	sinks[1].gate = &gate;
	pthread_mutex_lock(&gate);
	assert_int_equal(flow_run(params, lanes, 2), 0);
	free(params);
	assert_int_equal(sinks[0].finished, SLOTS);
	assert_true(sinks[1].lane.is_stalled);
	begun = sinks[1].begun;
	assert_true(begun < SLOTS);
	pthread_mutex_unlock(&gate);
	while (atomic_load(&sinks[1].ended) < 1)
		sched_yield();
	assert_int_equal(sinks[1].begun, begun);
}

static void *
hold_gate_a_second(void *context)
{
	struct timespec second = { .tv_sec = 1 };

	pthread_mutex_lock(context);
	nanosleep(&second, NULL);
	pthread_mutex_unlock(context);
	return NULL;
}

/* A slow lane that nobody waits for is not set aside: it gets the time. */
static void
flow_of_slow_lanes_alone_waits_for_them(void **state)
{
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	struct source source = new_source();
	struct sink sink;
	struct lane *lane = &sink.lane;

	(void)state;
	init_sink(&sink, 2);
	sink.gate = &gate;
	assert_int_equal(run(&source, 1, 2, &lane, 1), 0);
	assert_false(lane->is_aside);
	assert_int_equal(sink.finished, SLOTS);
}

/* They were, all of them, when only the manifest had nothing left to do. */
static void
flow_sets_no_lane_aside_for_a_patient_one(void **state)
{
	pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	struct source source = new_source();
	struct sink patient, slow;
	struct lane *lanes[2] = { &patient.lane, &slow.lane };
	pthread_t thread;

	(void)state;
	init_sink(&patient, 1);
	patient.lane.is_patient = true;
	init_sink(&slow, 1);
	slow.gate = &gate;
	assert_int_equal(
		pthread_create(&thread, NULL, hold_gate_a_second, &gate), 0);
	while (pthread_mutex_trylock(&gate) == 0) {
		pthread_mutex_unlock(&gate);
		sched_yield();
	}
	assert_int_equal(run(&source, 2, 4, lanes, 2), 0);
	pthread_join(thread, NULL);
	assert_false(slow.lane.is_aside);
	assert_int_equal(slow.finished, SLOTS);
	assert_int_equal(patient.begun, SLOTS);
}

static void
flow_under_any_failing_call_ends_with_its_error(void **state)
{
	bool fired = true;

	(void)state;
	for (unsigned call = 1; fired; call++) {
		struct source source = new_source();
		struct sink sinks[2];
		struct lane *lanes[2] = { &sinks[0].lane, &sinks[1].lane };
		int err;

		init_sink(&sinks[0], 2);
		init_sink(&sinks[1], 1);
		pf_fault_set(call, DSP_ENOMEM);
		err = run(&source, 3, 4, lanes, 2);
		fired = pf_fault_clear();
		assert_int_equal(err, fired ? DSP_ENOMEM : 0);
		if (!fired)
			assert_int_equal(sinks[1].finished, SLOTS);
	}
}

static int
run_working(struct source *source, struct sink *sink, unsigned timeout_ms)
{
	struct lane *lane = &sink->lane;
	struct flow_params params = { .worker_count = sink->lane.thread_count,
				      .lane_works = true,
				      .slot_count = 5,
				      .raw_max = RAW_MAX,
				      .stall_timeout_ms = timeout_ms,
				      .context = source,
				      .fill = fill,
				      .work = work };

	return flow_run(&params, &lane, 1);
}

static void
flow_whose_lane_works_does_all_in_order(void **state)
{
	(void)state;
	for (unsigned threads = 1; threads <= 4; threads++) {
		struct source source = new_source();
		struct sink sink;

		init_sink(&sink, threads);
		assert_int_equal(run_working(&source, &sink, 0), 0);
		assert_int_equal(sink.begun, SLOTS);
		assert_int_equal(sink.finished, SLOTS);
		assert_int_equal(source.worked, SLOTS);
		assert_int_equal(sink.ended, threads);
		assert_int_equal(sink.lane.err, 0);
	}
}

static void
flow_whose_lane_works_ends_with_any_error(void **state)
{
	(void)state;
	for (unsigned what = 0; what < 4; what++) {
		struct source source = new_source();
		struct sink sink;
		int err;

		init_sink(&sink, 2);
		*(what == 0   ? &source.fill_fails
		  : what == 1 ? &source.work_fails
		  : what == 2 ? &sink.begin_fails
			      : &sink.finish_fails) = 70;
		err = run_working(&source, &sink, 0);
		assert_int_equal(err, what == 0	  ? DSP_EIO
				      : what == 1 ? DSP_ECORRUPT
						  : 0);
		assert_int_equal(sink.lane.err, what == 2   ? DSP_ENOSPC
						: what == 3 ? DSP_EACCES
							    : 0);
		assert_true(sink.begun >= 60 && sink.begun < SLOTS);
		assert_int_equal(sink.ended, 2);
	}
}

/* The signal arrives while slot 70 is filled; the last test, for it stays. */
static int
fill_and_be_interrupted(void *context, struct slot *slot, bool *ret_is_end)
{
	if (slot->number == 70) {
		kill(getpid(), SIGTERM);
		while (!pf_interrupted())
			sched_yield();
	}
	return fill(context, slot, ret_is_end);
}

static void
flow_whose_lane_works_ends_when_a_signal_comes(void **state)
{
	struct source source = new_source();
	struct sink sink;
	struct lane *lane = &sink.lane;
	struct flow_params params = { .worker_count = 2,
				      .lane_works = true,
				      .slot_count = 5,
				      .raw_max = RAW_MAX,
				      .context = &source,
				      .fill = fill_and_be_interrupted,
				      .work = work };

	(void)state;
	pf_catch_signals();
	init_sink(&sink, 2);
	assert_int_equal(flow_run(&params, &lane, 1), DSP_ECANCELED);
	assert_true(sink.begun < 80);
}

/*
 * It hung for ever when the only lane did.  What is left behind is static, as
 * its thread still looks at it.
 */
static void
flow_whose_only_lane_hangs_ends(void **state)
{
	static struct sink sinks[2];
	static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
	struct lane *lane = &sinks[0].lane;
	struct source source = new_source();
	struct flow_params params = { .worker_count = 2,
				      .slot_count = 5,
				      .raw_max = RAW_MAX,
				      .stall_timeout_ms = 300,
				      .context = &source,
				      .fill = fill,
				      .work = work };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		init_sink(&sinks[i], 2);
		sinks[i].gate = &gate;
	}
	pthread_mutex_lock(&gate);
	assert_int_equal(flow_run(&params, &lane, 1), 0);
	assert_int_equal(run_working(&source, &sinks[1], 300), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(sinks[i].lane.is_stalled);
		assert_true(sinks[i].begun < SLOTS);
	}
	pthread_mutex_unlock(&gate);
	for (unsigned i = 0; i < 2; i++)
		while (atomic_load(&sinks[i].ended) < 2)
			sched_yield();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flow_whose_lane_works_does_all_in_order),
		cmocka_unit_test(flow_whose_lane_works_ends_with_any_error),
		cmocka_unit_test(flow_whose_only_lane_hangs_ends),
		cmocka_unit_test(flow_leaves_a_lane_that_hangs_for_good),
		cmocka_unit_test(flow_gives_every_lane_every_slot_in_order),
		cmocka_unit_test(flow_without_lanes_works_on_every_slot),
		cmocka_unit_test(flow_lane_that_fails_does_not_stop_the_others),
		cmocka_unit_test(flow_ends_when_every_lane_has_failed),
		cmocka_unit_test(flow_ends_with_the_error_of_its_source),
		cmocka_unit_test(flow_slow_lane_is_set_aside_and_can_go_on),
		cmocka_unit_test(flow_of_slow_lanes_alone_waits_for_them),
		cmocka_unit_test(flow_sets_no_lane_aside_for_a_patient_one),
		cmocka_unit_test(
			flow_under_any_failing_call_ends_with_its_error),
		cmocka_unit_test(
			flow_whose_lane_works_ends_when_a_signal_comes),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
