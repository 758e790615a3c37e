/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCRIPT_STREAM_H
#define SCRIPT_STREAM_H

/*
 * script_stream - a stream whose other end says what was written down.
 *
 * It takes the place of core/stream: nothing waits, no thread and no
 * descriptor is behind it, and each run is like the one before.  Whatever is
 * opened, stream_start() included, is the stream of `script`.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/link/message.h"
#include "core/stream/stream.h"

struct script {
	const uint8_t *says; /* what the other end says */
	size_t size;
	bool is_lazy;	    /* one message at a time, when it is waited for */
	size_t piece_max;   /* bytes that come at once; 0: any */
	struct buffer said; /* what our end said */

	size_t at;	   /* what is left of `says` */
	size_t piece_left; /* of the message that comes */
};

static struct script script;

struct stream {
	uint64_t sent, received;
};

/* How large is what comes next: the hello, or a message? */
static size_t
script_next_size(void)
{
	const uint8_t *next = script.says + script.at;
	size_t left = script.size - script.at;
	uint64_t size;

	if (script.at == 0 && left >= 16)
		size = (uint64_t)16 + le32_get(next + 12);
	else if (left >= MESSAGE_HEADER_SIZE)
		size = (uint64_t)MESSAGE_HEADER_SIZE + le32_get(next);
	else
		size = left;
	return size < left ? (size_t)size : left;
}

static int
script_open(struct stream **ret_stream)
{
	*ret_stream = calloc(1, sizeof **ret_stream);
	return *ret_stream != NULL ? 0 : DSP_ENOMEM;
}

int
stream_start(const char *const *argv, const char *name,
	     struct stream **ret_stream)
{
	(void)argv;
	(void)name;
	return script_open(ret_stream);
}

int
stream_stdio(struct stream **ret_stream)
{
	return script_open(ret_stream);
}

int
stream_of_fd(int fd, const char *name, struct stream **ret_stream)
{
	(void)fd;
	(void)name;
	return script_open(ret_stream);
}

void
stream_close(struct stream *stream, unsigned timeout_ms, int *ret_code)
{
	(void)timeout_ms;
	if (stream != NULL && ret_code != NULL)
		*ret_code = 0;
	free(stream);
}

const char *
stream_name(const struct stream *stream)
{
	(void)stream;
	return "script";
}

void
stream_set_rate(struct stream *stream, uint64_t bytes_per_second)
{
	(void)stream;
	(void)bytes_per_second;
}

void
stream_set_patience(struct stream *stream, unsigned timeout_s)
{
	(void)stream;
	(void)timeout_s;
}

void
stream_set_min_rate(struct stream *stream, unsigned min_rate)
{
	(void)stream;
	(void)min_rate;
}

/* How many bytes come now? */
static size_t
script_allowed(const struct stream_move *move)
{
	size_t allowed = script.size - script.at;

	if (script.is_lazy) {
		if (script.piece_left == 0 && move->out_size == 0)
			script.piece_left = script_next_size();
		allowed = script.piece_left;
	}
	if (script.piece_max > 0 && allowed > script.piece_max)
		allowed = script.piece_max;
	return allowed < move->in_capacity ? allowed : move->in_capacity;
}

int
stream_move(struct stream *stream, struct stream_move *move)
{
	size_t allowed = move->in != NULL ? script_allowed(move) : 0;

	if (buffer_add(&script.said, move->out, move->out_size) < 0)
		return DSP_ENOMEM;
	move->sent = move->out_size;
	move->got = allowed;
	if (allowed > 0)
		memcpy(move->in, script.says + script.at, allowed);
	script.at += allowed;
	script.piece_left -= script.is_lazy ? allowed : 0;
	move->is_end = move->out_size == 0 && allowed == 0 &&
		       script.at == script.size;
	stream->sent += move->sent;
	stream->received += move->got;
	return 0;
}

void
stream_end_output(struct stream *stream)
{
	(void)stream;
}

uint64_t
stream_bytes_sent(const struct stream *stream)
{
	return stream->sent;
}

uint64_t
stream_bytes_received(const struct stream *stream)
{
	return stream->received;
}

/* Begin a new script; what was said before is forgotten. */
static inline void
script_begin(const void *says, size_t size)
{
	buffer_release(&script.said);
	script = (struct script){ .says = says, .size = size };
}

#endif
