/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STREAM_H
#define STREAM_H

/*
 * stream - an ordered stream of bytes in both directions: to a program that
 * this one starts, over this process's own standard input and output, or to
 * another thread.
 *
 * Bytes are moved in both directions at once, so two ends that both have much
 * to say never wait for each other.
 *
 * Errors     DSP_EPIPE: nobody reads at the other end.  DSP_ESTALLED.
 *            DSP_ECANCELED: a signal came.  Reported.
 * Threads    One at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream;

/*
 * Start argv[0] with these arguments up to NULL; its standard input and output
 * are the stream.  name is for messages and copied.  Gives *ret_stream, ended
 * with stream_close().
 */
int stream_start(const char *const *argv, const char *name,
		 struct stream **ret_stream);

/* This process's standard input and output. */
int stream_stdio(struct stream **ret_stream);

/* One end of a pair that somebody else made; takes fd. */
int stream_of_fd(int fd, const char *name, struct stream **ret_stream);

/*
 * End it.  A program that was started gets timeout_ms to end by itself;
 * *ret_code, which may be NULL, is its exit code, else 0.
 */
void stream_close(struct stream *stream, unsigned timeout_ms, int *ret_code);

const char *stream_name(const struct stream *stream);

/* Send at most so many bytes a second on average; 0: no limit. */
void stream_set_rate(struct stream *stream, uint64_t bytes_per_second);

/*
 * Give up when nothing moved for timeout_s seconds while something was waited
 * for; 0: never.
 */
void stream_set_patience(struct stream *stream, unsigned timeout_s);

/*
 * From now on at least so many bytes a second have to move, on average over
 * that time; 0: any that do.  The time begins anew when this changes.
 */
void stream_set_min_rate(struct stream *stream, unsigned min_rate);

struct stream_move {
	const void *out; /* to be sent */
	size_t out_size;
	void *in; /* room for what comes; NULL: do not read */
	size_t in_capacity;
	bool can_wait; /* until something moves; else only what goes at once */

	/* Results. */
	size_t sent;
	size_t got;
	bool is_end; /* the other end will send no more */
};

/* Send and receive what can be. */
int stream_move(struct stream *stream, struct stream_move *move);

/* Say that no more will be sent. */
void stream_end_output(struct stream *stream);

uint64_t stream_bytes_sent(const struct stream *stream);
uint64_t stream_bytes_received(const struct stream *stream);

#endif
