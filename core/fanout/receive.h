/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIVE_H
#define RECEIVE_H

/*
 * receive - takes the images that a peer offers into a store.
 *
 * It answers each message as it comes, through the link's output, so it runs
 * inside a peer_handler, or on what is read from a file.
 *
 * Invariants
 *   S3   One (package, version) has one root for ever; a version below the
 *        highest that was here is refused unless both ends allow it.
 *   S6   DONE is said when the image is verified, synced and in its place.
 *   S11  What is in staging is not asked for again.
 *   S13  A root, page or block that does not fit into its limits is refused
 *        before memory or disk is given to it.
 *
 * Errors     What concerns one transfer ends that transfer, and the other end
 *            hears of it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/link/link.h"
#include "core/store/store.h"

struct receive_result {
	const char *package_id; /* lent for the call */
	uint32_t version;
	int err; /* 0: it is in the store */
	bool was_there;
	uint64_t bytes_full;
	uint64_t bytes_delta;
	uint64_t bytes_plain;
	uint64_t bytes_metadata;
	uint64_t bytes_reused;
	uint64_t bytes_resumed; /* of the image: were in staging before */
};

struct receive_params {
	struct store *store;
	bool may_roll_back;

	/*
	 * A distribution point that gets what comes, instead of the store, as
	 * fanout() would publish it: older versions there are bases.  NULL: none.
	 */
	const char *expand;
	unsigned keep;
	unsigned worker_count;
	unsigned stall_timeout_s;

	struct image *base; /* an older version besides the store's; or NULL */
	bool is_file;	    /* nobody answers: nothing is left out, and what
			     * was staged is of no use */

	/* Whom does a root have to be signed by?  Reported; NULL: nobody. */
	int (*check_root)(void *context, const struct buffer *root,
			  const struct buffer *signature,
			  const char *package_id);
	void *check_context;

	/*
	 * Called when the root of an image that goes into the store is good:
	 * it can be read while it grows.  May be NULL.
	 */
	void (*begun)(void *context, const struct root *root);
	void *begun_context;

	/* Called at the end of each transfer; may be NULL. */
	void (*ended)(void *context, const struct receive_result *result);
	void *ended_context;

	/* Called now and then; may be NULL. */
	void (*progress)(void *context, uint64_t bytes, uint64_t total);
	void *progress_context;
};

struct receiver;

/*
 * Receive over link, which is borrowed as what params point to; name is what
 * messages call the other end.
 */
int receiver_new(const struct receive_params *params, struct link *link,
		 const char *name, struct receiver **ret_receiver);

/* What is under way is left in staging.  NULL is allowed. */
void receiver_free(struct receiver *receiver);

/* Handle a message of a transfer in which this end receives, or an OFFER. */
int receiver_handle(struct receiver *receiver, const struct message *message);

/* How many transfers are under way, and how many were ended badly. */
unsigned receiver_open_count(const struct receiver *receiver);

#endif
