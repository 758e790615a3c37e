/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVE_H
#define SERVE_H

/*
 * serve - the far end of a link: it has a store, and does what the other end
 * asks: takes what is offered, and sends what is wanted.
 *
 * Errors     What concerns one transfer is reported and told to the other
 *            end; what ends the stream is returned.
 */

#include "core/fanout/peer.h"
#include "core/fanout/receive.h"
#include "core/store/store.h"

struct serve_params {
	struct receive_params receive; /* the store is there */
	unsigned worker_count;
	int delta_level;
	unsigned stall_timeout_s;

	/*
	 * Where what comes goes on to, block by block as it comes (cut-through);
	 * see endpoint.h.
	 */
	const char *const *forwards;
	size_t forward_count;
	const char *rsh;
	const char *remote_program;
	uint64_t rate;
};

/* For send_params: bases come from this store. */
struct serve_base {
	struct store *store;
	char package_id[PACKAGE_ID_SIZE + 1];
};
struct image *serve_find_base(void *context, const struct digest *root);

/*
 * Serve until the other end has nothing more to ask.  Takes stream.  Returns
 * 0, or what a transfer failed with.
 */
int serve(const struct serve_params *params, struct stream *stream);

#endif
