/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PEER_H
#define PEER_H

/*
 * peer - a link and the stream that carries it: somebody to talk to.
 *
 * Several threads may send over one peer, each its own transfers.  Whoever
 * waits for something moves the bytes of all, in both directions.
 *
 * Errors     The first error ends the peer; it is reported once, and all who
 *            wait get it.  DSP_ECLOSED: the other end went away.
 * Threads    Any.  The handler is called with the peer's lock held, and may
 *            call link functions on peer_link(), but nothing of this header.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/link/link.h"
#include "core/stream/stream.h"

struct peer;

/* Called for each message that came. */
typedef int peer_handler(void *context, const struct message *message);

/*
 * Takes stream.  Gives *ret_peer, ended with peer_close(); the handler's
 * errors end the peer.
 */
int peer_new(struct stream *stream, const struct link_params *params,
	     peer_handler *handler, void *context, struct peer **ret_peer);

/*
 * Say that no more comes, and end it.  *ret_code: see stream_close(); may be
 * NULL.
 */
void peer_close(struct peer *peer, int *ret_code);

const char *peer_name(const struct peer *peer);
struct stream *peer_stream(const struct peer *peer);

/* For the handler, and between peer_lock() and peer_unlock(). */
struct link *peer_link(const struct peer *peer);
void peer_lock(struct peer *peer);
void peer_unlock(struct peer *peer);

/* Send a message, when it is the transfer's turn; returns when it is gone. */
int peer_send(struct peer *peer, const struct message *message);

/*
 * Wait until is_done(context), asked with the lock held, is true.  Returns
 * the peer's error; 0 also when the stream has ended where it may:
 * then is_done may still be false.
 */
int peer_wait(struct peer *peer, bool (*is_done)(void *context), void *context);

/* Wait for a moment, and let the other end know that there is a reason. */
void peer_say_busy(struct peer *peer);

/* Has the other end said that no more comes? */
bool peer_is_ended(const struct peer *peer);

/* What ended it; 0: nothing yet. */
int peer_err(const struct peer *peer);

#endif
