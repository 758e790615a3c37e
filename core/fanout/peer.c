/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fanout/peer.h"

#include <stdlib.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "platform/pf_poll.h"
#include "platform/pf_process.h"
#include "platform/pf_thread.h"

enum {
	MIN_RATE = 64, /* bytes a second, of a message that has begun */
	IN_SIZE = 64 * 1024,
	END_TIMEOUT_MS = 5000,
	NS_PER_MS = 1000000
};

struct peer {
	struct stream *stream;
	struct link *link;
	peer_handler *handler;
	void *context;
	struct pf_lock *lock;
	struct pf_condition *moved;
	bool is_moving; /* a thread moves bytes; the next four are its own */
	struct buffer out;
	size_t out_sent;
	uint8_t *in;
	size_t in_size;
	uint64_t sent; /* bytes, of link_output_total() */
	bool is_deaf;  /* the other end hears nothing any more */
	bool is_opener;
	bool is_mute; /* nothing of what it says matters any more */
	bool is_ended;
	int64_t busy_at; /* when it was said */
	int err;
};

int
peer_new(struct stream *stream, const struct link_params *params,
	 peer_handler *handler, void *context, struct peer **ret_peer)
{
	struct peer *peer = calloc(1, sizeof *peer);

	if (peer == NULL) {
		stream_close(stream, 0, NULL);
		return report_error(DSP_ENOMEM, NULL, "opening a link");
	}
	peer->stream = stream;
	peer->handler = handler;
	peer->context = context;
	peer->is_opener = params->is_opener;
	peer->lock = pf_lock_new();
	peer->moved = pf_condition_new();
	peer->in = malloc(IN_SIZE);
	if (peer->lock == NULL || peer->moved == NULL || peer->in == NULL ||
	    link_new(params, &peer->link) < 0) {
		peer_close(peer, NULL);
		return report_error(DSP_ENOMEM, NULL, "opening a link");
	}
	*ret_peer = peer;
	return 0;
}

static void move_bytes(struct peer *peer);

/* What was said last goes out, if the other end takes it within a while. */
static void
flush(struct peer *peer)
{
	int64_t end = pf_now_monotonic() + (int64_t)END_TIMEOUT_MS * NS_PER_MS;
	bool has_failed = false;

	if (peer->lock == NULL || peer->link == NULL)
		return;
	pf_lock(peer->lock);
	has_failed = peer->err != 0;
	peer->err = 0;
	while (peer->err == 0 && !peer->is_ended && !peer->is_deaf &&
	       peer->sent < link_output_total(peer->link) &&
	       pf_now_monotonic() < end) {
		/* Of a stream that has failed nothing more is heard. */
		if (has_failed)
			peer->is_mute = true;
		move_bytes(peer);
	}

	/* It may have a reason to take its time: then it says so. */
	if (peer->err == 0 && !has_failed && peer->is_opener) {
		stream_end_output(peer->stream);
		peer->is_mute = peer->is_deaf = true;
		while (peer->err == 0 && !peer->is_ended)
			move_bytes(peer);
	}
	pf_unlock(peer->lock);
}

void
peer_close(struct peer *peer, int *ret_code)
{
	if (peer == NULL)
		return;
	flush(peer);
	stream_close(peer->stream, END_TIMEOUT_MS, ret_code);
	link_free(peer->link);
	pf_lock_free(peer->lock);
	pf_condition_free(peer->moved);
	buffer_release(&peer->out);
	free(peer->in);
	free(peer);
}

const char *
peer_name(const struct peer *peer)
{
	return stream_name(peer->stream);
}

struct stream *
peer_stream(const struct peer *peer)
{
	return peer->stream;
}

struct link *
peer_link(const struct peer *peer)
{
	return peer->link;
}

void
peer_lock(struct peer *peer)
{
	pf_lock(peer->lock);
}

void
peer_unlock(struct peer *peer)
{
	pf_unlock(peer->lock);
}

bool
peer_is_ended(const struct peer *peer)
{
	return peer->is_ended;
}

int
peer_err(const struct peer *peer)
{
	return peer->err;
}

/* The stream is of no use any more; say so to the other end, if it hears. */
static void
end(struct peer *peer, int err)
{
	if (peer->err == 0)
		peer->err = err;
}

/* Give what came to the link, and its messages to the handler. */
static int
take_input(struct peer *peer)
{
	size_t at = 0;
	int err = 0;

	while (err == 0 && at < peer->in_size) {
		struct message message;
		size_t used;
		bool has;

		err = link_take(peer->link, peer->in + at, peer->in_size - at,
				&used, &message, &has);
		at += used;
		if (err < 0) {
			report_error(err, peer_name(peer), "the link");
			(void)link_send_error(peer->link, 0, err, "");
		} else if (has && message.type == MESSAGE_ERROR &&
			   message.transfer == 0) {
			err = report_error(message.error.err, peer_name(peer),
					   "the other end says: %.*s",
					   (int)message.error.text_size,
					   message.error.text);
		} else if (has) {
			err = peer->handler(peer->context, &message);
		}
	}
	peer->in_size = 0;
	return err;
}

/* Move what can be moved; the lock is held, but not while waiting. */
static void
move_bytes(struct peer *peer)
{
	struct stream_move move = { .in = peer->in,
				    .in_capacity = IN_SIZE,
				    .can_wait = true };
	int err = 0;

	peer->is_moving = true;
	if (peer->out_sent == peer->out.size) {
		peer->out.size = peer->out_sent = 0;
		err = link_take_output(peer->link, &peer->out);
	}
	if (peer->is_deaf) {
		peer->sent += peer->out.size - peer->out_sent;
		peer->out_sent = peer->out.size;
	}
	if (peer->out.size > peer->out_sent) {
		move.out = peer->out.data + peer->out_sent;
		move.out_size = peer->out.size - peer->out_sent;
	}
	stream_set_min_rate(peer->stream,
			    link_is_in_message(peer->link) ? MIN_RATE : 0);
	if (err == 0) {
		pf_unlock(peer->lock);
		err = stream_move(peer->stream, &move);
		pf_lock(peer->lock);
	}
	peer->out_sent += move.sent;
	peer->sent += move.sent;
	peer->in_size = move.got;
	if (err == DSP_EPIPE) { /* what it said before it went is heard */
		peer->is_deaf = true;
		err = 0;
	}
	if (peer->is_mute)
		peer->in_size = 0;
	else if (err == 0)
		err = take_input(peer);
	if (err == 0 && move.is_end) {
		peer->is_ended = true;
		err = peer->is_mute ? 0 : link_take_end(peer->link);
		if (err < 0)
			report_error(err, peer_name(peer), "the link");
	}
	if (err < 0)
		end(peer, err);
	peer->is_moving = false;
	pf_signal(peer->moved);
}

/* Move bytes, or wait until who does has moved some.  The lock is held. */
static void
move_or_wait(struct peer *peer)
{
	if (peer->is_moving)
		pf_wait(peer->moved, peer->lock);
	else
		move_bytes(peer);
}

int
peer_send(struct peer *peer, const struct message *message)
{
	uint64_t mark;
	int err = 0;

	pf_lock(peer->lock);
	link_set_ready(peer->link, message->transfer, true);
	while (peer->err == 0 && !peer->is_ended &&
	       !link_may_send(peer->link, message->transfer))
		move_or_wait(peer);
	if (peer->err == 0)
		err = link_send(peer->link, message);
	mark = link_output_total(peer->link);
	while (err == 0 && peer->err == 0 && !peer->is_ended &&
	       peer->sent < mark)
		move_or_wait(peer);
	link_set_ready(peer->link, message->transfer, false);
	if (err < 0)
		end(peer, report_error(err, peer_name(peer), "the link"));
	err = peer->err;
	if (err == 0 && peer->is_ended && peer->sent < mark)
		err = DSP_ECLOSED;
	pf_unlock(peer->lock);
	return err;
}

int
peer_wait(struct peer *peer, bool (*is_done)(void *context), void *context)
{
	int err;

	pf_lock(peer->lock);
	while (peer->err == 0 && !peer->is_ended && !is_done(context))
		move_or_wait(peer);
	err = peer->err;
	pf_unlock(peer->lock);
	return err;
}

void
peer_say_busy(struct peer *peer)
{
	enum { MOMENT_MS = 10, SAY_MS = 1000 };
	int64_t now = pf_now_monotonic();
	bool ignored;

	(void)pf_poll(-1, -1, MOMENT_MS, &ignored, &ignored);
	if (now - peer->busy_at < SAY_MS * (int64_t)NS_PER_MS)
		return;
	pf_lock(peer->lock);
	peer->busy_at = now;
	if (peer->err == 0 && !peer->is_deaf && link_send_busy(peer->link) == 0)
		move_bytes(peer);
	pf_unlock(peer->lock);
}
