/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PUSH_H
#define PUSH_H

/*
 * push - brings images to other stores, and fetches one from another store.
 *
 * All targets get an image at once: see send.h.  Several images go over the
 * same streams at the same time, block by block, highest priority first.
 *
 * Errors     reported.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fanout/endpoint.h"
#include "core/fanout/receive.h"
#include "core/fanout/send.h"

/* What became of one image at one target. */
struct push_result {
	const char *target; /* as given */
	char package_id[PACKAGE_ID_SIZE + 1];
	uint32_t version;
	struct send_target sent;
};

struct push_params {
	const char *source; /* an image, or a store: the newest of each package */
	struct image *image; /* instead: one that is open; with its store */
	struct store *store;
	const char *base; /* an older image, besides those of a store; or NULL */
	const char *const *targets;
	size_t target_count;
	struct endpoint_params endpoint;
	unsigned worker_count;
	unsigned sending_max; /* images under way at once */
	int delta_level;
	enum message_priority priority;
	bool may_roll_back;

	/* Called now and then; may be NULL. */
	void (*progress)(void *context, uint64_t bytes, uint64_t total);
	void *progress_context;
};

struct push_total {
	struct push_result *results; /* of each image, of each target */
	size_t result_count;
	uint64_t bytes_sent, bytes_received; /* on all streams */
};

/*
 * Push.  Gives ret_total->results, ended with free().  Returns 0 when all is
 * where it should be, else the first error.
 */
int push(const struct push_params *params, struct push_total *ret_total);

struct pull_params {
	const char *target;
	const char *package_id;
	uint32_t version; /* 0: the highest there is */
	unsigned wait_s;  /* for it to come there */
	struct store *store;
	struct endpoint_params endpoint;
	enum message_priority priority;
	struct receive_params receive; /* but the store and `ended` */
};

struct pull_total {
	struct receive_result result;
	uint64_t bytes_sent, bytes_received;
};

/* Fetch one version of a package into a store. */
int pull(const struct pull_params *params, struct pull_total *ret_total);

#endif
