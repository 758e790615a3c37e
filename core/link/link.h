/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINK_H
#define LINK_H

/*
 * link - one end of a stream over which packages are replicated.
 *
 * It does no input or output: bytes that came are given to link_take(), which
 * gives back one message at a time; messages to be sent become bytes in
 * link_take_output().  There is no socket, clock, thread or file inside, so the
 * same code runs over pipes, in a simulation and under a fuzzer.
 *
 * What the two ends say to each other is in docs/protocol.md.  Here is what
 * may be said when:
 *
 *   - A message is given out only when it may come in the state its transfer
 *     is in: pages in order, blocks in order, nothing twice.
 *   - Sizes are compared with what the root and the protocol allow before
 *     memory is taken, and memory is taken as bytes come (S13).
 *   - What comes between a NEED and its BACK, and what crosses an ERROR on
 *     its way, is dropped.
 *
 * What is in pages and blocks is the caller's business: it compares them with
 * their digests, and says NEED or ERROR.
 *
 * Errors     DSP_EPROTOCOL, DSP_EFORMAT, DSP_EVERSION: the stream is of no
 *            use any more; say link_send_error(link, 0, ...) and end it.
 *            DSP_ENOMEM.
 * Threads    One at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/image/root.h"
#include "core/link/message.h"

#define LINK_TRANSFERS_MAX 16u

struct link;

struct link_params {
	bool is_opener;	       /* this end opened the stream */
	bool can_send;	       /* it answers GET and FETCH */
	bool can_receive;      /* it answers OFFER */
	unsigned transfer_max; /* 1 to LINK_TRANSFERS_MAX */
	bool is_file;	       /* what comes is a file: it goes on with a
				* transfer that we have ended */
};

/* Gives *ret_link, ended with link_free(); the hello is in its output. */
int link_new(const struct link_params *params, struct link **ret_link);
void link_free(struct link *link);

/*
 * Take bytes that came, up to the end of one message.  *ret_used says how
 * many were taken.  *ret_has is true when *ret_message is a message for the
 * caller; it is lent until the next call.  Its context is that of the transfer,
 * which may be closed by now; is_sending: this end sends in it.
 */
int link_take(struct link *link, const void *data, size_t size,
	      size_t *ret_used, struct message *ret_message, bool *ret_has);

/*
 * No more bytes come.  DSP_ECLOSED: in the middle of a message, before the
 * hello, or while a transfer is open.
 */
int link_take_end(struct link *link);

/* Has a message begun, of which more is to come? */
bool link_is_in_message(const struct link *link);

/* What the other end said first; NULL: nothing yet. */
const struct message_hello *link_peer(const struct link *link);

/* A number for a transfer that this end opens; 0: too many are open. */
uint16_t link_new_transfer(struct link *link);

/*
 * May this end open one more transfer?  Before the other end has said how many
 * it can have, one.
 */
bool link_has_room(const struct link *link);

/* Is the transfer open: may something still come or be sent in it? */
bool link_is_open(const struct link *link, uint16_t transfer);
unsigned link_open_count(const struct link *link);

/* The caller's own pointer about a transfer; NULL at first. */
void link_set_context(struct link *link, uint16_t transfer, void *context);
void *link_context(const struct link *link, uint16_t transfer);

/*
 * The root of a transfer, borrowed until it is closed.  A receiver says it
 * when it has read ROOT and found it good, before it takes what follows; a
 * sender before it sends ROOT.
 */
void link_set_root(struct link *link, uint16_t transfer,
		   const struct root *root);

/*
 * Send a message, which must be allowed now; to a transfer that has failed
 * meanwhile nothing is sent.
 */
int link_send(struct link *link, const struct message *message);

/* Say that this end is busy, with a reason to wait for it. */
int link_send_busy(struct link *link);

/* Send an ERROR; transfer 0 ends the stream. */
int link_send_error(struct link *link, uint16_t transfer, int err,
		    const char *text);

/*
 * Of the transfers that have something to send, may this one?  Not while one
 * of higher priority is ready.
 */
void link_set_ready(struct link *link, uint16_t transfer, bool is_ready);
bool link_may_send(const struct link *link, uint16_t transfer);

/*
 * Bytes to be sent: adds them to *out and forgets them.  An empty *out changes
 * places with the link's own buffer, so nothing is copied.
 */
int link_take_output(struct link *link, struct buffer *out);

/* How many bytes were ever to be sent; goes up with each message. */
uint64_t link_output_total(const struct link *link);

/* Of a receiving transfer: the first block that has not come. */
struct block_index link_next_block(const struct link *link, uint16_t transfer);

/* The block behind this one; where a page has none left, of a later page. */
struct block_index link_block_after(const struct root *root,
				    struct block_index index);

/* The first block of the image at or behind index. */
struct block_index link_block_from(const struct root *root,
				   struct block_index index);

#endif
