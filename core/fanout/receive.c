/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fanout/receive.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "core/store/staging.h"
#include "core/tree/old_data.h"

enum {
	HAVES_MAX = 3,
	ACK_SIZE = 4 << 20, /* bytes of the image between two ACKs */
	LEVEL_MAX = 4	    /* that a block is encoded with again */
};

/* An older version that is here. */
struct held {
	struct image *image;
	struct old_data *old; /* made when it is first used */
};

/* One transfer. */
struct receiving {
	struct receiver *receiver;
	struct receiving *following;
	uint16_t number;
	struct message_offer offer;
	struct staging *staging;
	struct held helds[HAVES_MAX];
	unsigned held_count;
	struct held *base; /* that the root names; NULL: none */
	bool is_picked;
	bool is_plain;	 /* NEED said so */
	bool has_blocks; /* all pages are there */
	uint64_t acked;	 /* size of the image at the last ACK */
	struct receive_result result;
};

struct receiver {
	struct receive_params params;
	struct peer *peer;
	struct receiving *first;
	struct frame_decoder *decoder;
	struct frame_encoder *encoder; /* of blocks, for level */
	int level;
	struct buffer raw, base, frame;
};

int
receiver_new(const struct receive_params *params, struct peer *peer,
	     struct receiver **ret_receiver)
{
	struct receiver *receiver = calloc(1, sizeof *receiver);

	if (receiver == NULL)
		goto out;
	receiver->params = *params;
	receiver->peer = peer;
	receiver->decoder = frame_decoder_new();
	if (receiver->decoder == NULL)
		goto out;
	*ret_receiver = receiver;
	return 0;
out:
	receiver_free(receiver);
	return report_error(DSP_ENOMEM, NULL, "receiving");
}

static void
free_receiving(struct receiving *receiving)
{
	for (unsigned i = 0; i < receiving->held_count; i++) {
		old_data_free(receiving->helds[i].old);
		image_close(receiving->helds[i].image);
	}
	staging_close(receiving->staging);
	free(receiving);
}

void
receiver_free(struct receiver *receiver)
{
	if (receiver == NULL)
		return;
	while (receiver->first != NULL) {
		struct receiving *receiving = receiver->first;

		receiver->first = receiving->following;
		free_receiving(receiving);
	}
	frame_decoder_free(receiver->decoder);
	frame_encoder_free(receiver->encoder);
	buffer_release(&receiver->raw);
	buffer_release(&receiver->base);
	buffer_release(&receiver->frame);
	free(receiver);
}

unsigned
receiver_open_count(const struct receiver *receiver)
{
	unsigned count = 0;

	for (const struct receiving *receiving = receiver->first;
	     receiving != NULL; receiving = receiving->following)
		count++;
	return count;
}

static struct link *
link_of(const struct receiving *receiving)
{
	return peer_link(receiving->receiver->peer);
}

static int
put(struct receiving *receiving, struct message *message)
{
	message->transfer = receiving->number;
	return link_send(link_of(receiving), message);
}

/* The transfer has ended, well or badly: tell who wants to know. */
static void
end(struct receiving *receiving, int err)
{
	struct receiver *receiver = receiving->receiver;
	struct receiving **place = &receiver->first;

	receiving->result.err = err;
	receiving->result.package_id = receiving->offer.package_id;
	receiving->result.version = receiving->offer.version;
	if (receiver->params.ended != NULL)
		receiver->params.ended(receiver->params.ended_context,
				       &receiving->result);
	if (link_context(link_of(receiving), receiving->number) == receiving)
		link_set_context(link_of(receiving), receiving->number, NULL);
	while (*place != receiving)
		place = &(*place)->following;
	*place = receiving->following;
	free_receiving(receiving);
}

/* It cannot go on, for a reason of ours, which was reported. */
static int
give_up(struct receiving *receiving, int err)
{
	int sent = link_send_error(link_of(receiving), receiving->number, err,
				   err_text(err));

	end(receiving, err);
	return sent;
}

/* It breaks a rule that only a hostile or broken sender breaks. */
static int
refuse(struct receiving *receiving, int err, const char *what)
{
	report_error(err, peer_name(receiving->receiver->peer),
		     "%s version %u: %s", receiving->offer.package_id,
		     receiving->offer.version, what);
	return give_up(receiving, err);
}

static int
set_size(struct buffer *buffer, size_t size)
{
	int err;

	buffer->size = 0;
	err = buffer_reserve(buffer, size + 1);
	if (err == 0)
		buffer->size = size;
	return err;
}

/* OFFER. */

/* What of this package is here and may serve as a base? */
static void
find_helds(struct receiving *receiving)
{
	struct store *store = receiving->receiver->params.store;
	uint32_t version = UINT32_MAX;

	while (receiving->held_count < HAVES_MAX) {
		struct image *image = NULL;

		version = store_version_below(
			store, receiving->offer.package_id, version);
		if (version == 0)
			break;
		if (store_open_image(store, receiving->offer.package_id,
				     version, &image) == 0)
			receiving->helds[receiving->held_count++].image = image;
	}
}

/* Say what is here and where to go on. */
static int
put_want(struct receiving *receiving)
{
	struct staging *staging = receiving->staging;
	struct message message = { .type = MESSAGE_WANT };
	struct message_want *want = &message.want;

	if (staging_root(staging) != NULL) {
		want->page_count = staging_page_count(staging);
		if (receiving->has_blocks) {
			want->next = staging_next(staging);
			receiving->acked = staging_size(staging);
			receiving->result.bytes_resumed = receiving->acked;
		}
	}
	for (unsigned i = 0; i < receiving->held_count; i++) {
		const struct image *image = receiving->helds[i].image;

		want->haves[i].has_tables = image_kind(image) ==
					    IMAGE_WITH_BLOCKS;
		want->haves[i].root = *image_root_digest(image);
	}
	want->have_count = receiving->held_count;
	want->may_pick = receiving->held_count > 0;
	return put(receiving, &message);
}

/* All pages are there: go on with the blocks. */
static int
begin_blocks(struct receiving *receiving)
{
	int err = staging_begin_blocks(receiving->staging);

	receiving->has_blocks = err == 0;
	return err;
}

static int
open_staging(struct receiving *receiving)
{
	struct store *store = receiving->receiver->params.store;
	const struct root *root;
	int err = store_check_room(store, receiving->offer.image_size);

	if (err == 0)
		err = store_open_staging(store, &receiving->offer.root,
					 &receiving->staging);
	if (err < 0)
		return err;
	root = staging_root(receiving->staging);
	if (root != NULL &&
	    staging_page_count(receiving->staging) == root->page_count)
		err = begin_blocks(receiving);
	return err;
}

static int
take_offer(struct receiver *receiver, const struct message *message)
{
	const struct message_offer *offer = &message->offer;
	struct receiving *receiving = calloc(1, sizeof *receiving);
	struct message done = { .type = MESSAGE_DONE, .done_was_there = true };
	bool has_it = false;
	int err;

	if (receiving == NULL)
		return link_send_error(peer_link(receiver->peer),
				       message->transfer, DSP_ENOMEM, "");
	receiving->receiver = receiver;
	receiving->following = receiver->first;
	receiver->first = receiving;
	receiving->number = message->transfer;
	receiving->offer = *offer;
	receiving->result.bytes_full = offer->image_size;
	link_set_context(link_of(receiving), receiving->number, receiving);
	err = store_check(receiver->params.store, offer->package_id,
			  offer->version, &offer->root,
			  receiver->params.may_roll_back &&
				  offer->may_roll_back,
			  &has_it);
	if (err == 0 && has_it) {
		receiving->result.was_there = true;
		err = put(receiving, &done);
		end(receiving, 0);
		return err;
	}
	if (err == 0)
		err = open_staging(receiving);
	if (err < 0)
		return give_up(receiving, err);
	find_helds(receiving);
	return put_want(receiving);
}

/* ROOT. */

/* The older version that the root is against. */
static int
find_base(struct receiving *receiving, const struct digest *root)
{
	if (digest_is_zero(root))
		return 0;
	for (unsigned i = 0; i < receiving->held_count; i++) {
		struct held *held = &receiving->helds[i];

		if (!digest_equal(image_root_digest(held->image), root))
			continue;
		receiving->base = held;
		return old_data_of_image(held->image, &held->old);
	}
	return DSP_EPROTOCOL;
}

/* Is the root the one offered, and signed by whom it must be? */
static int
check_root(struct receiving *receiving)
{
	const struct receive_params *params = &receiving->receiver->params;
	const struct root *root = staging_root(receiving->staging);

	if (strcmp(root->package_id, receiving->offer.package_id) != 0 ||
	    root->version != receiving->offer.version || root->level == 0 ||
	    root->data_bytes != receiving->offer.data_size ||
	    !digest_equal(&root->content, &receiving->offer.content))
		return report_error(DSP_EPROTOCOL,
				    peer_name(receiving->receiver->peer),
				    "the root is not what was offered");
	if (params->check_root == NULL)
		return 0;
	return params->check_root(params->check_context,
				  staging_root_raw(receiving->staging),
				  staging_signature(receiving->staging),
				  root->package_id);
}

static int
decode_root(struct receiving *receiving, const struct message_root *message)
{
	struct receiver *receiver = receiving->receiver;
	const struct buffer *base =
		receiving->base != NULL ? image_root_raw(receiving->base->image)
					: NULL;
	int err = set_size(&receiver->raw, message->raw_size);

	if (err == 0)
		err = frame_decode(receiver->decoder, message->frame,
				   message->frame_size,
				   base != NULL ? base->data : NULL,
				   base != NULL ? base->size : 0,
				   receiver->raw.data, receiver->raw.size);
	if (err < 0)
		return report_error(err, peer_name(receiver->peer), "the root");
	return staging_set_root(receiving->staging, receiver->raw.data,
				receiver->raw.size, message->signature,
				message->signature_size);
}

/* Does the other version hold this block?  Gives where. */
static int find_own(struct receiving *receiving, const struct digest *name,
		    struct held **ret_held, struct old_block *ret_block,
		    bool *ret_found);

/* Say which blocks of the page are to be sent. */
static int
put_pick(struct receiving *receiving, uint32_t index)
{
	struct receiver *receiver = receiving->receiver;
	struct message message = { .type = MESSAGE_PICK };
	const struct page *page = NULL;
	const uint8_t *digests;
	struct old_block block;
	struct held *held;
	bool is_found;
	size_t size;
	int err = staging_load_page(receiving->staging, index, &page, &digests);

	if (err < 0)
		return err;
	size = (page->block_count + 7) / 8;
	err = set_size(&receiver->frame, size);
	if (err < 0)
		return err;
	memset(receiver->frame.data, 0, size);
	for (uint32_t i = 0; err == 0 && i < page->block_count; i++) {
		struct block_ref ref = page_block(page, i);

		err = find_own(receiving, &ref.name, &held, &block, &is_found);
		if (!is_found)
			receiver->frame.data[i / 8] |= (uint8_t)(1u << i % 8);
	}
	message.pick.page = index;
	message.pick.size = (uint32_t)size;
	message.pick.bits = receiver->frame.data;
	return err < 0 ? err : put(receiving, &message);
}

static int
put_picks(struct receiving *receiving, uint32_t first)
{
	uint32_t count = staging_page_count(receiving->staging);
	int err = 0;

	for (uint32_t i = first; err == 0 && i < count; i++)
		err = put_pick(receiving, i);
	return err;
}

static int
take_root(struct receiving *receiving, const struct message_root *message)
{
	struct staging *staging = receiving->staging;
	int err = find_base(receiving, &message->base);

	receiving->is_picked = message->is_picked;
	receiving->result.bytes_metadata += message->frame_size;
	if (err == DSP_EPROTOCOL)
		return refuse(receiving, err, "a base that was not listed");
	if (err == 0 && receiving->is_picked && receiving->base != NULL)
		return refuse(receiving, DSP_EPROTOCOL, "picked with a base");
	if (err == 0 && staging_root(staging) == NULL)
		err = decode_root(receiving, message);
	if (err == 0)
		err = check_root(receiving);
	if (err == DSP_EUNTRUSTED || err == DSP_EPROTOCOL)
		(void)staging_remove(staging);
	if (err < 0)
		return give_up(receiving, err);
	link_set_root(link_of(receiving), receiving->number,
		      staging_root(staging));
	if (receiving->is_picked && staging_page_count(staging) > 0)
		err = put_picks(receiving, receiving->has_blocks
						   ? staging_next(staging).page
						   : 0);
	return err < 0 ? give_up(receiving, err) : 0;
}

/* PAGE. */

/* The raw page and the digests of its frames, from the message and the base. */
static int
decode_page(struct receiving *receiving, const struct message_page *message,
	    struct buffer *raw, struct buffer *digests)
{
	struct receiver *receiver = receiving->receiver;
	const struct root *root = staging_root(receiving->staging);
	const struct root_page *expected = &root->pages[message->index];
	struct old_data *old = NULL;
	struct buffer *base = &receiver->base;
	int err;

	if (message->base_count > 0) {
		if (receiving->base == NULL)
			return DSP_EPROTOCOL;
		old = receiving->base->old;
	}
	base->size = 0;
	err = old == NULL ? 0
			  : old_data_pages(old, message->base_first,
					   message->base_count,
					   MESSAGE_PAGE_BASE_MAX, base);
	if (err == 0)
		err = set_size(raw, expected->raw_size);
	if (err < 0)
		return err;
	if (message->frame_size == 0) {
		if (base->size != raw->size)
			return DSP_EPROTOCOL;
		memcpy(raw->data, base->data, raw->size);
	} else {
		err = frame_decode(receiver->decoder, message->frame,
				   message->frame_size, base->data, base->size,
				   raw->data, raw->size);
	}
	base->size = 0;
	if (err == 0 && old != NULL)
		err = old_data_digests(old, message->base_first,
				       message->base_count,
				       MESSAGE_PAGE_BASE_MAX, base);
	if (err == 0)
		err = set_size(digests,
			       (size_t)expected->block_count * DIGEST_SIZE);
	if (err < 0 || expected->block_count == 0)
		return err;
	if (message->digests_size > 0)
		return frame_decode(receiver->decoder, message->digests,
				    message->digests_size, base->data,
				    base->size, digests->data, digests->size);
	if (base->size != digests->size)
		return DSP_EPROTOCOL;
	memcpy(digests->data, base->data, digests->size);
	return 0;
}

static int
take_page(struct receiving *receiving, const struct message_page *message)
{
	struct receiver *receiver = receiving->receiver;
	struct staging *staging = receiving->staging;
	const struct root *root = staging_root(staging);
	bool is_plain = message->base_count == 0 && message->frame_size > 0;
	int err = decode_page(receiving, message, &receiver->raw,
			      &receiver->frame);

	receiving->result.bytes_metadata +=
		message->frame_size + message->digests_size;
	if (err < 0)
		return refuse(receiving, err, "a page of its manifest");
	err = staging_put_page(staging, receiver->raw.data, receiver->raw.size,
			       is_plain ? message->frame : NULL,
			       message->frame_size, receiver->frame.data);
	if (err == 0 && receiving->is_picked)
		err = put_pick(receiving, message->index);
	if (err == 0 && staging_page_count(staging) == root->page_count)
		err = begin_blocks(receiving);
	return err < 0 ? give_up(receiving, err) : 0;
}

/* Blocks. */

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
	return put(receiving, &message);
}

static int
keep(struct receiving *receiving, const struct stored_frame *frame)
{
	int err = staging_put_block(receiving->staging, frame);

	if (err < 0)
		return give_up(receiving, err);
	return note_kept(receiving);
}

/* The block that comes next is asked for as it is: a delta of no use. */
static int
put_need(struct receiving *receiving)
{
	struct message message = {
		.type = MESSAGE_NEED,
		.need = { staging_next(receiving->staging), true },
	};

	if (receiving->is_plain || receiving->is_picked)
		return refuse(receiving, DSP_EPROTOCOL, "a block");
	report_warning(peer_name(receiving->receiver->peer),
		       "%s version %u: the older version here does not serve; "
		       "whole blocks are asked for",
		       receiving->offer.package_id, receiving->offer.version);
	receiving->is_plain = true;
	return put(receiving, &message);
}

/* Decode a frame into receiver->raw; is it the block that is expected? */
static int
decode_block(struct receiver *receiver, const struct staged_block *expected,
	     const uint8_t *frame, size_t frame_size, const struct buffer *base)
{
	struct digest name;
	int err = set_size(&receiver->raw, expected->block.raw_size);

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
static int
take_frame(struct receiving *receiving, const struct message_frame *message)
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
		return refuse(receiving, DSP_ECORRUPT,
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
		err = set_size(&receiver->frame,
			       frame_size_max(receiver->raw.size));
	if (err == 0)
		err = frame_encode(receiver->encoder, receiver->raw.data,
				   receiver->raw.size, NULL, 0,
				   receiver->frame.data, receiver->frame.size,
				   &size);
	if (err < 0) {
		report_error(err, peer_name(receiver->peer),
			     "encoding a block");
		return give_up(receiving, err);
	}
	frame.data = receiver->frame.data;
	frame.size = (uint32_t)size;
	digest_of(frame.data, frame.size, &frame.local);
	frame.is_local = !digest_equal(&frame.local, &frame.publisher);
	return keep(receiving, &frame);
}

static int
take_delta(struct receiving *receiving, const struct message_delta *message)
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
	return encode_again(receiving, &expected);
}

/* Copy a block that an older image holds, if it is the one expected. */
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
	if (!digest_equal(&old->block.name, &expected.block.name) ||
	    old->block.raw_size != expected.block.raw_size ||
	    set_size(&receiver->frame, old->frame.size) < 0 ||
	    image_read_frame(held->image, &old->frame, receiver->frame.data) <
		    0)
		return 0;
	frame.data = receiver->frame.data;
	frame.publisher = expected.publisher;
	frame.local = old->frame.stored;
	frame.is_local = !digest_equal(&frame.local, &frame.publisher);

	/* No root has ever vouched for a local frame's digest (S6). */
	if (frame.is_local && decode_block(receiver, &expected, frame.data,
					   frame.size, &nothing) < 0)
		return 0;
	*ret_is_there = true;
	receiving->result.bytes_reused += old->block.raw_size;
	return keep(receiving, &frame);
}

static int
take_copy(struct receiving *receiving, const struct message_copy *message)
{
	struct receiver *receiver = receiving->receiver;
	uint16_t number = receiving->number;

	if (receiving->base == NULL)
		return refuse(receiving, DSP_EPROTOCOL, "a copy of nothing");
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
		if (err < 0 || link_context(peer_link(receiver->peer),
					    number) != receiving)
			return err;
		if (!is_there)
			return put_need(receiving);
	}
	return 0;
}

/* What was not picked, up to this block, comes from the versions here. */
static int
fill_own(struct receiving *receiving, struct block_index before)
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
		err = find_own(receiving, &expected.block.name, &held, &old,
			       &is_there);
		if (err == 0 && is_there)
			err = copy_block(receiving, held, &old, &is_there);
		if (err < 0 || link_context(peer_link(receiver->peer),
					    number) != receiving)
			return err;
		if (!is_there)
			return refuse(receiving, DSP_ECORRUPT,
				      "a block of an older version is damaged");
	}
	return 0;
}

/* END. */

static int
take_end(struct receiving *receiving)
{
	struct receiver *receiver = receiving->receiver;
	struct staging *staging = receiving->staging;
	struct message done = { .type = MESSAGE_DONE };
	int err;

	if (staging_next(staging).page < staging_root(staging)->page_count)
		return refuse(receiving, DSP_EPROTOCOL, "blocks are missing");
	err = staging_finish(staging);
	if (err == 0)
		err = store_take(receiver->params.store,
				 receiving->offer.package_id,
				 receiving->offer.version,
				 &receiving->offer.root, staging);
	if (err < 0)
		return give_up(receiving, err);
	err = put(receiving, &done);
	end(receiving, 0);
	return err;
}

/* Finding blocks by name in the versions here: for picking. */

static int
find_own(struct receiving *receiving, const struct digest *name,
	 struct held **ret_held, struct old_block *ret_block, bool *ret_found)
{
	*ret_found = false;
	for (unsigned i = 0; i < receiving->held_count && !*ret_found; i++) {
		struct held *held = &receiving->helds[i];
		int err = 0;

		if (held->old == NULL)
			err = old_data_of_image(held->image, &held->old);
		if (err == 0)
			err = old_data_find(held->old, name, ret_block,
					    ret_found);
		if (err < 0)
			return err;
		*ret_held = held;
	}
	return 0;
}

int
receiver_handle(struct receiver *receiver, const struct message *message)
{
	struct receiving *receiving;
	struct block_index before = { UINT32_MAX, 0 };
	uint16_t number = message->transfer;
	int err = 0;

	if (message->type == MESSAGE_OFFER)
		return take_offer(receiver, message);
	receiving = message->context;
	if (receiving == NULL)
		return 0;

	/* What was not picked lies between the blocks that come. */
	if (receiving->is_picked &&
	    (message->type == MESSAGE_FRAME || message->type == MESSAGE_END)) {
		if (message->type == MESSAGE_FRAME)
			before = message->frame.index;
		else
			before.page =
				staging_root(receiving->staging)->page_count;
		err = fill_own(receiving, before);
		if (err < 0 || link_context(peer_link(receiver->peer),
					    number) != receiving)
			return err;
	}
	switch (message->type) {
	case MESSAGE_ROOT:
		return take_root(receiving, &message->root);
	case MESSAGE_PAGE:
		return take_page(receiving, &message->page);
	case MESSAGE_COPY:
		return take_copy(receiving, &message->copy);
	case MESSAGE_FRAME:
		return take_frame(receiving, &message->frame);
	case MESSAGE_DELTA:
		return take_delta(receiving, &message->delta);
	case MESSAGE_END:
		return take_end(receiving);
	case MESSAGE_ERROR:
		report_error(message->error.err, peer_name(receiver->peer),
			     "%s version %u: the other end gave up: %.*s",
			     receiving->offer.package_id,
			     receiving->offer.version,
			     (int)message->error.text_size,
			     message->error.text);
		end(receiving, message->error.err);
		return 0;
	default:
		return 0;
	}
}
