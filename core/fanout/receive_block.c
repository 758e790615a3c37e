/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/fanout/receive_int.h"

enum {
	ACK_SIZE = 4 << 20, /* bytes of the image between two ACKs */
	LEVEL_MAX = 4,	    /* that a block is encoded with again */
	NEEDS_MAX = 8	    /* then no more deltas are wanted at all */
};

static int
note_kept(struct receiving *receiving)
{
	const struct receive_params *params = &receiving->receiver->params;
	struct staging *staging = receiving->staging;
	uint64_t size = staging_size(staging);
	struct message message = { .type = MESSAGE_ACK,
				   .ack = { staging_next(staging),
					    staging_synced(staging) } };

	if (params->progress != NULL)
		params->progress(params->progress_context, size,
				 receiving->offer.image_size);
	if (size - receiving->acked < ACK_SIZE)
		return 0;
	receiving->acked = size;
	return receive_put(receiving, &message);
}

static int
keep(struct receiving *receiving, const struct stored_frame *frame)
{
	int err = staging_put_block(receiving->staging, frame);

	if (err < 0)
		return receive_give_up(receiving, err);
	return note_kept(receiving);
}

/* The block that comes next is asked for as it is: a delta of no use. */
static int
put_need(struct receiving *receiving)
{
	bool is_plain = ++receiving->need_count > NEEDS_MAX;
	struct message message = {
		.type = MESSAGE_NEED,
		.need = { staging_next(receiving->staging), is_plain },
	};

	if (receiving->is_plain || receiving->is_picked)
		return receive_refuse(receiving, DSP_EPROTOCOL, "a block");
	if (receiving->need_count == 1)
		report_warning(receiving->receiver->name,
			       "%s version %u: the older version here is "
			       "damaged; blocks are asked for as they are",
			       receiving->offer.package_id,
			       receiving->offer.version);
	receiving->is_plain = is_plain;
	return receive_put(receiving, &message);
}

/* Decode a frame into receiver->raw; is it the block that is expected? */
static int
decode_block(struct receiver *receiver, const struct staged_block *expected,
	     const uint8_t *frame, size_t frame_size, const struct buffer *base)
{
	struct digest name;
	int err = receive_set_size(&receiver->raw, expected->block.raw_size);

	if (err == 0)
		err = frame_decode(receiver->decoder, frame, frame_size,
				   base->size > 0 ? base->data : NULL,
				   base->size, receiver->raw.data,
				   receiver->raw.size);
	if (err < 0)
		return err;
	digest_of(receiver->raw.data, receiver->raw.size, &name);
	return digest_equal(&name, &expected->block.name) ? 0 : DSP_ECORRUPT;
}

/* A frame that came: the publisher's is known by its digest. */
int
receive_frame(struct receiving *receiving, const struct message_frame *message)
{
	struct receiver *receiver = receiving->receiver;
	static const struct buffer nothing = { 0 };
	struct staged_block expected;
	struct stored_frame frame = { .data = message->frame,
				      .size = message->size };
	struct digest digest;

	staging_expected(receiving->staging, &expected);
	digest_of(message->frame, message->size, &digest);
	frame.publisher = expected.publisher;
	frame.is_local = !digest_equal(&digest, &expected.publisher);
	frame.local = digest;
	receiving->result.bytes_plain += message->size;
	if (frame.is_local && (!message->is_local ||
			       decode_block(receiver, &expected, message->frame,
					    message->size, &nothing) < 0))
		return receive_refuse(receiving, DSP_ECORRUPT,
				      "a block is not what its root says");
	return keep(receiving, &frame);
}

/* Encode receiver->raw again, as the publisher did if that is not too dear. */
static int
encode_again(struct receiving *receiving, const struct staged_block *expected)
{
	struct receiver *receiver = receiving->receiver;
	int level = staging_root(receiving->staging)->level;
	struct stored_frame frame = { .publisher = expected->publisher };
	size_t size = 0;
	int err = 0;

	if (level > LEVEL_MAX)
		level = LEVEL_MAX;
	if (receiver->encoder == NULL || receiver->level != level) {
		frame_encoder_free(receiver->encoder);
		receiver->encoder = frame_encoder_new(level);
		receiver->level = level;
	}
	if (receiver->encoder == NULL)
		err = DSP_ENOMEM;
	if (err == 0)
		err = receive_set_size(&receiver->frame,
				       frame_size_max(receiver->raw.size));
	if (err == 0)
		err = frame_encode(receiver->encoder, receiver->raw.data,
				   receiver->raw.size, NULL, 0,
				   receiver->frame.data, receiver->frame.size,
				   &size);
	if (err < 0) {
		report_error(err, receiver->name, "encoding a block");
		return receive_give_up(receiving, err);
	}
	frame.data = receiver->frame.data;
	frame.size = (uint32_t)size;
	digest_of(frame.data, frame.size, &frame.local);
	frame.is_local = !digest_equal(&frame.local, &frame.publisher);
	return keep(receiving, &frame);
}

int
receive_delta(struct receiving *receiving, const struct message_delta *message)
{
	struct receiver *receiver = receiving->receiver;
	struct buffer *base = &receiver->base;
	struct staged_block expected;
	int err = receiving->base != NULL ? 0 : DSP_EPROTOCOL;

	staging_expected(receiving->staging, &expected);
	receiving->result.bytes_delta +=
		message->frame_size +
		(size_t)message->range_count * MESSAGE_RANGE_SIZE;
	base->size = 0;
	for (uint32_t i = 0; err == 0 && i < message->range_count; i++) {
		uint64_t offset;
		uint32_t size;

		message_get_range(message, i, &offset, &size);
		err = buffer_reserve(base, size);
		if (err == 0)
			err = old_data_read(receiving->base->old, offset, size,
					    base->data + base->size);
		base->size += size;
	}
	if (err == 0)
		err = decode_block(receiver, &expected, message->frame,
				   message->frame_size, base);
	if (err < 0)
		return put_need(receiving);
	if (receiver->params.begun != NULL && receiving->dp == NULL)
		err = staging_put_delta(
			receiving->staging,
			image_root_digest(receiving->base->image),
			message->ranges,
			(size_t)message->range_count * MESSAGE_RANGE_SIZE,
			message->frame, message->frame_size);
	return err < 0 ? receive_give_up(receiving, err)
		       : encode_again(receiving, &expected);
}

/* Is the block in the old tree as it should be?  It stays there. */
static bool
tree_holds(struct receiver *receiver, struct held *held,
	   const struct old_block *old)
{
	struct digest name;

	if (receive_set_size(&receiver->raw, old->block.raw_size) < 0 ||
	    old_data_read(held->old, old->offset, old->block.raw_size,
			  receiver->raw.data) < 0)
		return false;
	digest_of(receiver->raw.data, receiver->raw.size, &name);
	return digest_equal(&name, &old->block.name);
}

/* Copy a block that an older version holds, if it is the one expected. */
static int
copy_block(struct receiving *receiving, struct held *held,
	   const struct old_block *old, bool *ret_is_there)
{
	static const struct buffer nothing = { 0 };
	struct receiver *receiver = receiving->receiver;
	struct staged_block expected;
	struct stored_frame frame = { .size = old->frame.size };

	*ret_is_there = false;
	staging_expected(receiving->staging, &expected);
	frame.publisher = expected.publisher;
	if (!digest_equal(&old->block.name, &expected.block.name) ||
	    old->block.raw_size != expected.block.raw_size)
		return 0;
	if (held->top >= 0) {
		if (!tree_holds(receiver, held, old))
			return 0;
	} else {
		if (receive_set_size(&receiver->frame, old->frame.size) < 0 ||
		    image_read_frame(held->image, &old->frame,
				     receiver->frame.data) < 0)
			return 0;
		frame.data = receiver->frame.data;
		frame.local = old->frame.stored;
		frame.is_local = !digest_equal(&frame.local, &frame.publisher);

		/* No root has ever vouched for a local frame's digest (S6). */
		if (frame.is_local &&
		    decode_block(receiver, &expected, frame.data, frame.size,
				 &nothing) < 0)
			return 0;
	}
	*ret_is_there = true;
	receiving->result.bytes_reused += old->block.raw_size;
	return keep(receiving, &frame);
}

int
receive_copy(struct receiving *receiving, const struct message_copy *message)
{
	struct receiver *receiver = receiving->receiver;
	uint16_t number = receiving->number;

	if (receiving->base == NULL)
		return receive_refuse(receiving, DSP_EPROTOCOL,
				      "a copy of nothing");
	for (uint32_t i = 0; i < message->count; i++) {
		struct old_block old;
		bool is_there = false;
		int err = old_data_block(receiving->base->old,
					 message->old_first + i, &old);

		if (err == 0)
			err = copy_block(receiving, receiving->base, &old,
					 &is_there);
		else
			err = 0;

		/* It may have ended in there, for want of room. */
		if (err < 0 ||
		    link_context(receiver->link, number) != receiving)
			return err;
		if (!is_there)
			return put_need(receiving);
	}
	return 0;
}

/* What was not picked, up to this block, comes from the versions here. */
int
receive_fill_own(struct receiving *receiving, struct block_index before)
{
	struct receiver *receiver = receiving->receiver;
	uint16_t number = receiving->number;

	while (block_index_compare(staging_next(receiving->staging), before) <
	       0) {
		struct staged_block expected;
		struct old_block old;
		struct held *held = NULL;
		bool is_there = false;
		int err;

		staging_expected(receiving->staging, &expected);
		err = receive_find_own(receiving, &expected.block.name, &held,
				       &old, &is_there);
		if (err == 0 && is_there)
			err = copy_block(receiving, held, &old, &is_there);
		if (err < 0 ||
		    link_context(receiver->link, number) != receiving)
			return err;
		if (!is_there)
			return receive_refuse(
				receiving, DSP_ECORRUPT,
				"a block of an older version is damaged");
	}
	return 0;
}

int
receive_find_own(struct receiving *receiving, const struct digest *name,
		 struct held **ret_held, struct old_block *ret_block,
		 bool *ret_found)
{
	*ret_found = false;
	for (unsigned i = 0; i < receiving->held_count && !*ret_found; i++) {
		struct held *held = &receiving->helds[i];
		int err = receive_open_held(held);

		if (err == 0)
			err = old_data_find(held->old, name, ret_block,
					    ret_found);
		if (err < 0)
			return err;
		*ret_held = held;
	}
	return 0;
}
