/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEND_H
#define SEND_H

/*
 * send - brings one image to those at the other ends of some links.
 *
 * The image is read once for all of them, and a delta is made once for all
 * who hold the same older version.  Each receiver is a lane of the flow: one
 * that fails is left behind, one that is slow is served in another round, one
 * that has lost its base goes back to where it needs the whole block.
 *
 * Errors     reported.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fanout/peer.h"
#include "core/image/image.h"

/* One receiver: the first four are the caller's, the rest the result. */
struct send_target {
	struct peer *peer;
	uint16_t transfer; /* a GET of the other end; 0: open one */
	void *context;	   /* whatever the caller likes */

	int err; /* why it has not got it; 0: it has */
	bool was_there;
	uint64_t bytes_full;	 /* what the image is */
	uint64_t bytes_delta;	 /* frames of deltas, and their ranges */
	uint64_t bytes_plain;	 /* frames */
	uint64_t bytes_metadata; /* root and pages */
	uint64_t bytes_reused;	 /* raw bytes of blocks that were there */
	unsigned round_trips;	 /* answers that were waited for */
};

struct send_params {
	struct image *image;
	struct send_target *targets;
	size_t target_count;
	unsigned worker_count;
	int delta_level;
	enum message_priority priority;
	bool may_roll_back;
	unsigned stall_timeout_s;

	/*
	 * Gives the image with this root, which is one of an older version of
	 * the package, or NULL.  Ended with image_close().
	 */
	struct image *(*find_base)(void *context, const struct digest *root);
	void *find_context;

	/* Called now and then; may be NULL. */
	void (*progress)(void *context, uint64_t bytes, uint64_t total);
	void *progress_context;
};

/* A delta's level when nobody says; see docs/why/001. */
#define SEND_DELTA_LEVEL 4

/*
 * Send.  Returns 0 when everybody has it, else what reading the image failed
 * with, or the first target's error.
 */
int send_image(const struct send_params *params);

/*
 * What a peer_handler does with a message of a transfer that is being sent.
 */
int sending_handle(const struct message *message);

#endif
