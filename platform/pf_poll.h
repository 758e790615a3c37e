/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_POLL_H
#define PF_POLL_H

/*
 * pf_poll - pipes and sockets, without waiting in the middle of a transfer.
 *
 *   platform/posix/pf_poll.c   poll, non-blocking read and write
 */

#include <stdbool.h>
#include <stddef.h>

/* A pair of connected ends: what is written to one is read from the other. */
int pf_stream_pair(int ret_fds[2]);

/*
 * Let reads and writes of fd never wait.  Files and terminals stay as they
 * are: they are shared with others, and never make one wait for a peer.
 */
int pf_set_nonblocking(int fd);

/*
 * Wait until read_fd can be read or write_fd be written; -1: not asked for.
 * Both false after timeout_ms, or when a signal came.
 */
int pf_poll(int read_fd, int write_fd, unsigned timeout_ms, bool *ret_can_read,
	    bool *ret_can_write);

/*
 * Read what is there, up to capacity bytes; 0: nothing is there now, or, with
 * *ret_is_end, ever.
 */
int pf_read_some(int fd, void *data, size_t capacity, size_t *ret_size,
		 bool *ret_is_end);

/* Write what there is room for.  DSP_EPIPE: nobody reads any more. */
int pf_write_some(int fd, const void *data, size_t size, size_t *ret_size);

/* No more will be written: the other end reads the end.  For a socket. */
void pf_end_writing(int fd);

#endif
