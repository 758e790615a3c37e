/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/fanout/receive_int.h"
#include "platform/pf_file.h"

int
receiver_new(const struct receive_params *params, struct link *link,
	     const char *name, struct receiver **ret_receiver)
{
	struct receiver *receiver = calloc(1, sizeof *receiver);

	if (receiver == NULL)
		goto out;
	receiver->params = *params;
	receiver->link = link;
	receiver->name = name;
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
		struct held *held = &receiving->helds[i];

		old_data_free(held->old);
		if (!held->is_lent)
			image_close(held->image);
		pf_close(held->top);
	}
	dp_close(receiving->dp);
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
	return receiving->receiver->link;
}

int
receive_put(struct receiving *receiving, struct message *message)
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
int
receive_give_up(struct receiving *receiving, int err)
{
	int sent =
		link_send_error(link_of(receiving), receiving->number, err, "");

	end(receiving, err);
	return sent;
}

/* It breaks a rule that only a hostile or broken sender breaks. */
int
receive_refuse(struct receiving *receiving, int err, const char *what)
{
	report_error(err, receiving->receiver->name, "%s version %u: %s",
		     receiving->offer.package_id, receiving->offer.version,
		     what);
	return receive_give_up(receiving, err);
}

int
receive_set_size(struct buffer *buffer, size_t size)
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
	struct image *base = receiving->receiver->params.base;
	uint32_t version = UINT32_MAX;

	if (base != NULL)
		receiving->helds[receiving->held_count++] = (struct held){
			.image = base, .is_lent = true, .top = -1
		};
	while (receiving->held_count < RECEIVE_HAVES_MAX) {
		struct image *image = NULL;

		version = store_version_below(
			store, receiving->offer.package_id, version);
		if (version == 0)
			break;
		if (store_open_image(store, receiving->offer.package_id,
				     version, &image) == 0)
			receiving->helds[receiving->held_count++] =
				(struct held){ .image = image, .top = -1 };
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
	return receive_put(receiving, &message);
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
					 receiving->dp != NULL,
					 &receiving->staging);
	if (err == 0 && receiving->receiver->params.is_file &&
	    staging_root(receiving->staging) != NULL) {
		/* A file begins at the beginning. */
		err = staging_remove(receiving->staging);
		staging_close(receiving->staging);
		receiving->staging = NULL;
		if (err == 0)
			err = store_open_staging(store, &receiving->offer.root,
						 receiving->dp != NULL,
						 &receiving->staging);
	}
	if (err < 0)
		return err;
	root = staging_root(receiving->staging);
	if (root != NULL &&
	    staging_page_count(receiving->staging) == root->page_count)
		err = begin_blocks(receiving);
	return err;
}

/* May it come?  *ret_has: it is here. */
static int
check_offer(struct receiving *receiving, bool *ret_has)
{
	const struct receive_params *params = &receiving->receiver->params;
	const struct message_offer *offer = &receiving->offer;

	if (params->expand != NULL)
		return receive_look_at_dp(receiving, ret_has);
	return store_check(params->store, offer->package_id, offer->version,
			   &offer->root,
			   params->may_roll_back && offer->may_roll_back,
			   ret_has);
}

/* Is it signed by whom it must be? */
static int
check_signer(const struct receiving *receiving, const struct buffer *root,
	     const struct buffer *signature)
{
	const struct receive_params *params = &receiving->receiver->params;

	return params->check_root != NULL
		       ? params->check_root(params->check_context, root,
					    signature,
					    receiving->offer.package_id)
		       : 0;
}

/* What is here already must be, too: it may have come otherwise. */
static int
check_held(struct receiving *receiving)
{
	const struct receive_params *params = &receiving->receiver->params;
	const struct message_offer *offer = &receiving->offer;
	const struct image *held;
	struct image *image = NULL;
	int err = 0;

	if (params->check_root == NULL)
		return 0;
	if (receiving->dp == NULL)
		err = store_open_image(params->store, offer->package_id,
				       offer->version, &image);
	held = receiving->dp != NULL
		       ? dp_manifest(receiving->dp, offer->version)
		       : image;
	if (err == 0)
		err = held != NULL
			      ? check_signer(receiving, image_root_raw(held),
					     image_signature(held))
			      : DSP_ENOENT;
	image_close(image);
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
		return link_send_error(receiver->link, message->transfer,
				       DSP_ENOMEM, "");
	receiving->receiver = receiver;
	receiving->following = receiver->first;
	receiver->first = receiving;
	receiving->number = message->transfer;
	receiving->offer = *offer;
	receiving->result.bytes_full = offer->image_size;
	link_set_context(link_of(receiving), receiving->number, receiving);
	err = check_offer(receiving, &has_it);
	if (err == 0 && has_it)
		err = check_held(receiving);
	if (err == 0 && has_it) {
		receiving->result.was_there = true;
		err = receive_put(receiving, &done);
		end(receiving, 0);
		return err;
	}
	if (err == 0)
		err = open_staging(receiving);
	if (err < 0)
		return receive_give_up(receiving, err);
	find_helds(receiving);
	return put_want(receiving);
}

/* ROOT. */

int
receive_open_held(struct held *held)
{
	if (held->old != NULL)
		return 0;
	return held->top >= 0
		       ? old_data_of_tree(held->image, held->top, &held->old)
		       : old_data_of_image(held->image, &held->old);
}

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
		return receive_open_held(held);
	}
	return DSP_EPROTOCOL;
}

/* Is the root the one offered? */
static int
check_root(struct receiving *receiving)
{
	const struct root *root = staging_root(receiving->staging);

	if (strcmp(root->package_id, receiving->offer.package_id) != 0 ||
	    root->version != receiving->offer.version || root->level == 0 ||
	    root->data_bytes != receiving->offer.data_size ||
	    !digest_equal(&root->content, &receiving->offer.content))
		return report_error(DSP_EPROTOCOL, receiving->receiver->name,
				    "the root is not what was offered");
	return 0;
}

static struct buffer
signature_of(const struct message_root *message)
{
	return (struct buffer){ (uint8_t *)message->signature,
				message->signature_size, 0 };
}

/*
 * The root is here, staged earlier.  The signature that comes with it now
 * counts, not the one that came then.
 */
static int
keep_signature(struct receiving *receiving, const struct message_root *message)
{
	const struct buffer signature = signature_of(message);
	int err = check_signer(receiving, staging_root_raw(receiving->staging),
			       &signature);

	return err < 0 ? err
		       : staging_set_signature(receiving->staging,
					       signature.data, signature.size,
					       receiving->offer.image_size);
}

static int
decode_root(struct receiving *receiving, const struct message_root *message)
{
	struct receiver *receiver = receiving->receiver;
	const struct buffer signature = signature_of(message);
	const struct buffer *base =
		receiving->base != NULL ? image_root_raw(receiving->base->image)
					: NULL;
	int err = receive_set_size(&receiver->raw, message->raw_size);

	if (err == 0)
		err = frame_decode(receiver->decoder, message->frame,
				   message->frame_size,
				   base != NULL ? base->data : NULL,
				   base != NULL ? base->size : 0,
				   receiver->raw.data, receiver->raw.size);
	if (err < 0)
		return report_error(err, receiver->name, "the root");

	/* Nothing is kept of what nobody trusts, nor seen by others. */
	err = check_signer(receiving, &receiver->raw, &signature);
	if (err < 0)
		return err;
	return staging_set_root(receiving->staging, receiver->raw.data,
				receiver->raw.size, message->signature,
				message->signature_size,
				receiving->offer.image_size);
}

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
	err = receive_set_size(&receiver->frame, size);
	if (err < 0)
		return err;
	memset(receiver->frame.data, 0, size);
	for (uint32_t i = 0; err == 0 && i < page->block_count; i++) {
		struct block_ref ref = page_block(page, i);

		err = receive_find_own(receiving, &ref.name, &held, &block,
				       &is_found);
		if (!is_found)
			receiver->frame.data[i / 8] |= (uint8_t)(1u << i % 8);
	}
	message.pick.page = index;
	message.pick.size = (uint32_t)size;
	message.pick.bits = receiver->frame.data;
	return err < 0 ? err : receive_put(receiving, &message);
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
	const struct receive_params *params = &receiving->receiver->params;
	struct staging *staging = receiving->staging;
	bool was_staged = staging_root(staging) != NULL;
	int err = find_base(receiving, &message->base);

	receiving->is_picked = message->is_picked;
	receiving->result.bytes_metadata += message->frame_size;
	if (err == DSP_EPROTOCOL && receiving->receiver->params.is_file)
		return receive_refuse(
			receiving, DSP_ENOENT,
			"the older version that it is against is not here");
	if (err == DSP_EPROTOCOL)
		return receive_refuse(receiving, err,
				      "a base that was not listed");
	if (err == 0 && receiving->is_picked && receiving->base != NULL)
		return receive_refuse(receiving, DSP_EPROTOCOL,
				      "picked with a base");
	if (err == 0)
		err = was_staged ? keep_signature(receiving, message)
				 : decode_root(receiving, message);
	if (err == 0)
		err = check_root(receiving);

	/* A root that is refused leaves nothing, and spoils nothing. */
	if (err < 0 && !was_staged)
		(void)staging_remove(staging);
	if (err < 0)
		return receive_give_up(receiving, err);
	link_set_root(link_of(receiving), receiving->number,
		      staging_root(staging));
	if (params->begun != NULL && receiving->dp == NULL)
		params->begun(params->begun_context, staging_root(staging));
	if (receiving->is_picked && staging_page_count(staging) > 0)
		err = put_picks(receiving, receiving->has_blocks
						   ? staging_next(staging).page
						   : 0);
	return err < 0 ? receive_give_up(receiving, err) : 0;
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
		err = receive_set_size(raw, expected->raw_size);
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
		err = receive_set_size(digests, (size_t)expected->block_count *
							DIGEST_SIZE);
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
		return receive_refuse(receiving, err, "a page of its manifest");
	err = staging_put_page(staging, receiver->raw.data, receiver->raw.size,
			       is_plain ? message->frame : NULL,
			       message->frame_size, receiver->frame.data);
	if (err == 0 && receiving->is_picked)
		err = put_pick(receiving, message->index);
	if (err == 0 && staging_page_count(staging) == root->page_count)
		err = begin_blocks(receiving);
	return err < 0 ? receive_give_up(receiving, err) : 0;
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
		return receive_refuse(receiving, DSP_EPROTOCOL,
				      "blocks are missing");
	err = staging_finish(staging);
	if (err == 0 && receiving->dp != NULL)
		err = receive_publish(receiving);
	else if (err == 0)
		err = store_take(receiver->params.store,
				 receiving->offer.package_id,
				 receiving->offer.version,
				 &receiving->offer.root, staging);
	if (err < 0)
		return receive_give_up(receiving, err);
	err = receive_put(receiving, &done);
	end(receiving, 0);
	return err;
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
		err = receive_fill_own(receiving, before);
		if (err < 0 ||
		    link_context(receiver->link, number) != receiving)
			return err;
	}
	switch (message->type) {
	case MESSAGE_ROOT:
		return take_root(receiving, &message->root);
	case MESSAGE_PAGE:
		return take_page(receiving, &message->page);
	case MESSAGE_COPY:
		return receive_copy(receiving, &message->copy);
	case MESSAGE_FRAME:
		return receive_frame(receiving, &message->frame);
	case MESSAGE_DELTA:
		return receive_delta(receiving, &message->delta);
	case MESSAGE_END:
		return take_end(receiving);
	case MESSAGE_ERROR:
		report_error(message->error.err, receiver->name,
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
