/* SPDX-License-Identifier: Apache-2.0 */

/* A stream: bytes in both directions, its end, and how long it is waited for. */
#include <string.h>
#include <time.h>

#include "core/base/err.h"
#include "core/stream/stream.h"
#include "platform/pf_poll.h"
#include "platform/pf_process.h"
#include "tests/unit/support.h"

struct both {
	struct stream *a, *b;
};

static struct both
open_both(void)
{
	struct both both;
	int fds[2];

	assert_int_equal(pf_stream_pair(fds), 0);
	assert_int_equal(stream_of_fd(fds[0], "a", &both.a), 0);
	assert_int_equal(stream_of_fd(fds[1], "b", &both.b), 0);
	return both;
}

static int
receive(struct stream *stream, struct stream_move *move)
{
	static uint8_t bytes[100];

	*move = (struct stream_move){ .in = bytes,
				      .in_capacity = sizeof bytes,
				      .can_wait = true };
	return stream_move(stream, move);
}

static void
bytes_go_both_ways_and_end(void **state)
{
	struct both both = open_both();
	struct stream_move move = { .out = "hello", .out_size = 5 };

	(void)state;
	assert_int_equal(stream_move(both.a, &move), 0);
	assert_int_equal(move.sent, 5);
	assert_int_equal(receive(both.b, &move), 0);
	assert_int_equal(move.got, 5);
	assert_memory_equal(move.in, "hello", 5);
	assert_false(move.is_end);
	move = (struct stream_move){ .out = "back", .out_size = 4 };
	assert_int_equal(stream_move(both.b, &move), 0);
	stream_close(both.b, 0, NULL);
	assert_int_equal(receive(both.a, &move), 0);
	assert_int_equal(move.got, 4);
	assert_int_equal(receive(both.a, &move), 0);
	assert_true(move.is_end);
	assert_int_equal(stream_bytes_sent(both.a), 5);
	assert_int_equal(stream_bytes_received(both.a), 4);
	stream_close(both.a, 0, NULL);
}

static void
who_writes_to_nobody_is_told_and_still_hears(void **state)
{
	struct both both = open_both();
	struct stream_move move = { .out = "last", .out_size = 4 };
	uint8_t bytes[10];

	(void)state;
	pf_ignore_closed_pipes();
	assert_int_equal(stream_move(both.b, &move), 0);
	stream_close(both.b, 0, NULL);
	move = (struct stream_move){ .out = "x",
				     .out_size = 1,
				     .in = bytes,
				     .in_capacity = sizeof bytes };
	assert_int_equal(stream_move(both.a, &move), DSP_EPIPE);
	assert_int_equal(move.got, 4);
	stream_close(both.a, 0, NULL);
}

/* A pause of our own was held against the other end. */
static void
only_waiting_wears_out_patience(void **state)
{
	struct timespec pause = { .tv_sec = 1, .tv_nsec = 200000000 };
	struct both both = open_both();
	struct stream_move move;
	int64_t start;
	int err = 0;

	(void)state;
	stream_set_patience(both.a, 1);
	nanosleep(&pause, NULL);
	assert_int_equal(receive(both.a, &move), 0);
	start = now_ms();
	while (err == 0)
		err = receive(both.a, &move);
	assert_int_equal(err, DSP_ESTALLED);
	assert_true(now_ms() - start >= 500);
	stream_close(both.a, 0, NULL);
	stream_close(both.b, 0, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_both_ways_and_end),
		cmocka_unit_test(who_writes_to_nobody_is_told_and_still_hears),
		cmocka_unit_test(only_waiting_wears_out_patience),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
