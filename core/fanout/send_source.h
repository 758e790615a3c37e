/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEND_SOURCE_H
#define SEND_SOURCE_H

/*
 * send_source - fills the slots of a flow with what is to be sent of an image.
 *
 * First every page, then every block, a slot each.  For each base that some
 * receiver holds, a slot says how its page or block is to be sent to those who
 * hold it; deltas are made once, however many they are.  Plan 0 is for those
 * who hold nothing.
 *
 * Errors     reported.
 * Memory     old_data and counterpart of each base; a worker has an encoder
 *            and three blocks.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/link/message.h"
#include "core/tree/flow.h"
#include "core/tree/old_data.h"

enum send_how {
	SEND_FRAME, /* as it is stored */
	SEND_COPY,  /* the receiver has it */
	SEND_DELTA
};

struct send_plan {
	enum send_how how;
	uint64_t old_number; /* SEND_COPY: of the block in the base */

	/* SEND_DELTA of a block; its ranges as they go into the message. */
	uint8_t *ranges;
	uint32_t range_count;
	uint8_t *delta;
	size_t delta_size;

	/* Of a page. */
	uint32_t base_first, base_count;
	uint8_t *page; /* size 0: equal to the base's */
	size_t page_size;
	uint8_t *digests;
	size_t digests_size;
};

/* What slot->extra is. */
struct send_item {
	bool is_page;
	struct block_index index; /* of a page: its number, 0 */
	bool is_local;		  /* slot->raw, raw_size: the stored frame */
	struct send_plan *plans;
	uint32_t frame_size;
	const uint8_t *raw; /* of a page */
	size_t raw_size;
	const uint8_t *digests; /* of a page: the publisher's frames' */
};

struct send_source;

/* What some receivers hold. */
struct send_base {
	struct old_data *old;
	bool has_tables; /* they have its frame tables, too */
};

struct send_source_params {
	struct image *image;
	const struct send_base *bases; /* plan i + 1 is for bases[i] */
	size_t base_count;
	unsigned worker_count;
	int delta_level;
	bool has_pages;	      /* are they to be sent, too? */
	bool is_frame_wanted; /* does somebody need blocks without a base? */
	struct block_index first; /* blocks before it are sent to nobody */

	/* Has somebody asked for this block as it is?  May be NULL. */
	bool (*is_whole)(void *context, struct block_index index);
	void *whole_context;
};

int send_source_new(const struct send_source_params *params,
		    struct send_source **ret_source);
void send_source_free(struct send_source *source);

/* For struct flow_params; raw_max is send_source_raw_max(). */
int send_source_fill(void *context, struct slot *slot, bool *ret_is_end);
int send_source_work(void *context, unsigned worker, struct slot *slot);
size_t send_source_raw_max(const struct image *image);

#endif
