/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIVE_INT_H
#define RECEIVE_INT_H

/* receive_int - what the files of receive share. */

#include "core/chunk/frame.h"
#include "core/fanout/dp.h"
#include "core/fanout/receive.h"
#include "core/store/staging.h"
#include "core/tree/old_data.h"

enum { RECEIVE_HAVES_MAX = 3 };

/* An older version that is here. */
struct held {
	struct image *image;
	bool is_lent;	      /* the caller's */
	int top;	      /* of a manifest: its tree; -1: an image */
	struct old_data *old; /* made when it is first used */
};

/* One transfer. */
struct receiving {
	struct receiver *receiver;
	struct receiving *following;
	uint16_t number;
	struct message_offer offer;
	struct staging *staging;
	struct held helds[RECEIVE_HAVES_MAX];
	unsigned held_count;
	struct held *base; /* that the root names; NULL: none */
	bool is_picked;
	bool is_plain; /* NEED said so */
	unsigned need_count;
	bool has_blocks; /* all pages are there */
	struct dp *dp;	 /* that it is for, looked at only; NULL: the store */
	uint64_t acked;	 /* size of the image at the last ACK */
	struct receive_result result;
};

struct receiver {
	struct receive_params params;
	struct link *link;
	const char *name; /* of the other end */
	struct receiving *first;
	struct frame_decoder *decoder;
	struct frame_encoder *encoder; /* of blocks, for level */
	int level;
	struct buffer raw, base, frame;
};

/* Send a message of the transfer. */
int receive_put(struct receiving *receiving, struct message *message);

/*
 * The transfer cannot go on, for a reason of ours that was reported: it ends,
 * and is gone.  Returns 0, or why nothing can be sent any more.
 */
int receive_give_up(struct receiving *receiving, int err);

/* The same for what only a hostile or broken sender does; reports it. */
int receive_refuse(struct receiving *receiving, int err, const char *what);

/* Make the old data of a version that is held. */
int receive_open_held(struct held *held);

/* Does a version held have this block?  Gives where. */
int receive_find_own(struct receiving *receiving, const struct digest *name,
		     struct held **ret_held, struct old_block *ret_block,
		     bool *ret_found);

/* Handle COPY, DELTA and FRAME. */
int receive_copy(struct receiving *receiving,
		 const struct message_copy *message);
int receive_delta(struct receiving *receiving,
		  const struct message_delta *message);
int receive_frame(struct receiving *receiving,
		  const struct message_frame *message);

/* What was not picked, up to this block, comes from the versions here. */
int receive_fill_own(struct receiving *receiving, struct block_index before);

/* Room for exactly size bytes, which are then in use. */
int receive_set_size(struct buffer *buffer, size_t size);

/*
 * For a distribution point: may it have the version, and what is there?
 * *ret_has: it is published.  Gives receiving->dp.
 */
int receive_look_at_dp(struct receiving *receiving, bool *ret_has);

/* Publish the image that was staged. */
int receive_publish(struct receiving *receiving);

#endif
