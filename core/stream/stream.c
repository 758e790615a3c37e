/* SPDX-License-Identifier: Apache-2.0 */
#include "core/stream/stream.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "platform/pf_child.h"
#include "platform/pf_file.h"
#include "platform/pf_poll.h"
#include "platform/pf_process.h"

#define NS_PER_S INT64_C(1000000000)

enum {
	NS_PER_MS = 1000000,
	WAIT_MS = 250, /* how soon a signal is noticed */
	BURST_MS = 50, /* how much of a second a rate may be ahead */
	STDIN = 0,
	STDOUT = 1
};

struct stream {
	char *name;
	int in_fd, out_fd; /* may be one */
	struct pf_child *child;
	bool is_out_ended;

	uint64_t rate; /* bytes a second; 0: no limit */
	int64_t rate_since;
	uint64_t rate_sent; /* since then */

	unsigned timeout_s;
	unsigned min_rate;
	int64_t moved_at;
	int64_t left_at;   /* when stream_move() was left */
	int64_t window_at; /* when the bytes of this window began to count */
	uint64_t window_got;

	uint64_t bytes_sent, bytes_received;
};

static int
new_stream(int in_fd, int out_fd, const char *name, struct stream **ret_stream)
{
	struct stream *stream = calloc(1, sizeof *stream);
	size_t size = strlen(name) + 1;
	int err = DSP_ENOMEM;

	if (stream == NULL)
		goto out;
	stream->in_fd = in_fd;
	stream->out_fd = out_fd;
	stream->moved_at = stream->window_at = pf_now_monotonic();
	stream->left_at = stream->moved_at;
	stream->name = malloc(size);
	if (stream->name == NULL)
		goto out;
	memcpy(stream->name, name, size);
	err = pf_set_nonblocking(in_fd);
	if (err == 0)
		err = pf_set_nonblocking(out_fd);
	if (err < 0)
		goto out;
	*ret_stream = stream;
	return 0;
out:
	if (stream != NULL)
		free(stream->name);
	free(stream);
	return report_error(err, name, "opening the stream");
}

int
stream_of_fd(int fd, const char *name, struct stream **ret_stream)
{
	int err = new_stream(fd, fd, name, ret_stream);

	if (err < 0)
		pf_close(fd);
	return err;
}

int
stream_stdio(struct stream **ret_stream)
{
	return new_stream(STDIN, STDOUT, "the other end", ret_stream);
}

int
stream_start(const char *const *argv, const char *name,
	     struct stream **ret_stream)
{
	struct pf_child *child = NULL;
	int fd = -1;
	int code;
	int err = pf_child_start(argv, &child, &fd);

	if (err < 0)
		return report_error(err, name, "starting %s", argv[0]);
	err = stream_of_fd(fd, name, ret_stream);
	if (err < 0)
		pf_child_end(child, 0, &code);
	else
		(*ret_stream)->child = child;
	return err;
}

void
stream_close(struct stream *stream, unsigned timeout_ms, int *ret_code)
{
	int code = 0;

	if (stream == NULL)
		return;
	if (stream->in_fd > STDOUT)
		pf_close(stream->in_fd);
	pf_child_end(stream->child, timeout_ms, &code);
	if (ret_code != NULL)
		*ret_code = code;
	free(stream->name);
	free(stream);
}

const char *
stream_name(const struct stream *stream)
{
	return stream->name;
}

void
stream_set_rate(struct stream *stream, uint64_t bytes_per_second)
{
	stream->rate = bytes_per_second;
	stream->rate_since = pf_now_monotonic();
	stream->rate_sent = 0;
}

void
stream_set_patience(struct stream *stream, unsigned timeout_s)
{
	stream->timeout_s = timeout_s;
}

void
stream_set_min_rate(struct stream *stream, unsigned min_rate)
{
	if (stream->min_rate == min_rate)
		return;
	stream->min_rate = min_rate;
	stream->window_at = pf_now_monotonic();
	stream->window_got = 0;
}

/* How many bytes may be sent now; *ret_wait_ms: until there are more. */
static size_t
allowance(struct stream *stream, size_t size, unsigned *ret_wait_ms)
{
	uint64_t burst = stream->rate * BURST_MS / 1000 + 1;
	int64_t now = pf_now_monotonic();
	uint64_t allowed;
	int64_t passed;

	*ret_wait_ms = WAIT_MS;
	if (stream->rate == 0)
		return size;

	/* Start counting anew each second, and after each pause. */
	passed = now - stream->rate_since;
	allowed = (uint64_t)((double)stream->rate * (double)passed / 1e9);
	if (allowed > stream->rate_sent + burst) {
		stream->rate_since = now - BURST_MS * NS_PER_MS;
		stream->rate_sent = 0;
		allowed = burst;
	} else if (passed > NS_PER_S && stream->rate_sent >= allowed) {
		stream->rate_sent -= allowed;
		stream->rate_since = now;
		allowed = 0;
	}
	if (allowed <= stream->rate_sent) {
		*ret_wait_ms = BURST_MS / 2;
		return 0;
	}
	allowed -= stream->rate_sent;
	return allowed < size ? (size_t)allowed : size;
}

/* Nothing moved: for too long?  Too little, though something did? */
static int
check_patience(struct stream *stream)
{
	int64_t now = pf_now_monotonic();
	int64_t timeout = (int64_t)stream->timeout_s * NS_PER_S;

	if (stream->timeout_s == 0)
		return 0;
	if (now - stream->moved_at > timeout)
		return report_error(DSP_ESTALLED, stream->name,
				    "nothing moved for %u s",
				    stream->timeout_s);
	if (now - stream->window_at <= timeout)
		return 0;
	if (stream->window_got < (uint64_t)stream->min_rate * stream->timeout_s)
		return report_error(DSP_ESTALLED, stream->name,
				    "%llu bytes came in %u s",
				    (unsigned long long)stream->window_got,
				    stream->timeout_s);
	stream->window_at = now;
	stream->window_got = 0;
	return 0;
}

static void
note_moved(struct stream *stream, const struct stream_move *move)
{
	stream->bytes_sent += move->sent;
	stream->rate_sent += move->sent;
	stream->bytes_received += move->got;
	stream->window_got += move->got + move->sent;
	if (move->sent > 0 || move->got > 0)
		stream->moved_at = pf_now_monotonic();
}

/* While nobody waited for it, the other end was not slow. */
static void
skip_pause(struct stream *stream)
{
	int64_t pause = pf_now_monotonic() - stream->left_at;

	stream->moved_at += pause;
	stream->window_at += pause;
}

int
stream_move(struct stream *stream, struct stream_move *move)
{
	bool wants_out = move->out_size > 0;
	bool wants_in = move->in != NULL;
	bool can_read = wants_in, can_write = wants_out;
	unsigned wait_ms = WAIT_MS;
	size_t allowed;
	int err = 0;

	move->sent = move->got = 0;
	move->is_end = false;
	skip_pause(stream);
	allowed = allowance(stream, move->out_size, &wait_ms);
	if (pf_interrupted())
		return report_error(DSP_ECANCELED, stream->name,
				    "the transfer");
	err = pf_poll(wants_in ? stream->in_fd : -1,
		      allowed > 0 ? stream->out_fd : -1,
		      move->can_wait ? wait_ms : 0, &can_read, &can_write);
	if (err == 0 && can_read)
		err = pf_read_some(stream->in_fd, move->in, move->in_capacity,
				   &move->got, &move->is_end);
	if (err == 0 && can_write)
		err = pf_write_some(stream->out_fd, move->out, allowed,
				    &move->sent);
	note_moved(stream, move);
	stream->left_at = pf_now_monotonic();

	/* What it still had to say is heard, although it hears no more. */
	if (err == DSP_EPIPE && wants_in) {
		stream->is_out_ended = true;
		return DSP_EPIPE;
	}
	if (err < 0)
		return report_error(err, stream->name, "the transfer");
	if (move->can_wait && (wants_in || allowed > 0))
		return check_patience(stream);
	return 0;
}

void
stream_end_output(struct stream *stream)
{
	if (stream->out_fd == stream->in_fd)
		pf_end_writing(stream->out_fd);
	else
		pf_close(stream->out_fd);
	stream->is_out_ended = true;
}

uint64_t
stream_bytes_sent(const struct stream *stream)
{
	return stream->bytes_sent;
}

uint64_t
stream_bytes_received(const struct stream *stream)
{
	return stream->bytes_received;
}
