/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fanout/send.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "core/fanout/send_source.h"
#include "core/tree/old_data.h"

enum { SLOTS_PER_WORKER = 2, BASES_MAX = 8 };

/* What goes on with one receiver.  Under the peer's lock: see the handler. */
struct sending {
	struct sender *sender;
	struct send_target *target;
	uint16_t number;
	struct lane lane;
	size_t plan; /* which of the slot's plans: 0, or 1 + the base's index */
	struct block_index next; /* the first block that has not gone */

	/* Blocks that the receiver has, not told yet. */
	struct message_copy copy;

	/* What it said: under the peer's lock, see hear(). */
	bool has_want, is_done, has_failed, was_there;
	int said_err; /* with has_failed */
	struct message_want want;
	bool is_picked;
	struct buffer picks; /* bits of the pages it has picked, in order */
	uint32_t pick_first; /* the first of these pages */
	uint32_t pick_count; /* how many */
	size_t pick_at;	     /* where the bits of page pick_page begin */
	uint32_t pick_page;
	bool is_back; /* it cannot use what came: go back to ... */
	bool is_plain;
	struct block_index back;
	struct block_index whole; /* the block that it asked for as it is */
};

struct sender {
	const struct send_params *params;
	const struct root *root;
	struct sending *sendings;
	struct image *base_images[BASES_MAX];
	struct send_base bases[BASES_MAX];
	size_t base_count;
	uint64_t bytes_filled;
};

/* What the other end says. */

static int
note_error(struct sending *sending, const struct message_error *error)
{
	sending->has_failed = true;
	sending->said_err =
		report_error(error->err, peer_name(sending->target->peer),
			     error->text_size > 0 ? "the other end: %.*s"
						  : "the other end gave up%.*s",
			     (int)error->text_size, error->text);
	return 0;
}

int
sending_handle(const struct message *message)
{
	struct sending *sending = message->context;

	if (sending == NULL) /* it was given up */
		return 0;
	switch (message->type) {
	case MESSAGE_WANT:
		sending->has_want = true;
		sending->want = message->want;
		return 0;
	case MESSAGE_DONE:
		sending->is_done = true;
		sending->was_there = message->done_was_there;
		return 0;
	case MESSAGE_PICK:
		sending->pick_count++;
		return buffer_add(&sending->picks, message->pick.bits,
				  message->pick.size);
	case MESSAGE_NEED:
		sending->is_back = true;
		sending->is_plain |= message->need.is_plain;
		sending->back = message->need.index;
		return 0;
	case MESSAGE_ERROR:
		return note_error(sending, &message->error);
	default:
		return 0;
	}
}

/* Has it said something that decides how to go on? */
static bool
has_answered(void *context)
{
	const struct sending *sending = context;

	return sending->has_want || sending->is_done || sending->has_failed;
}

static bool
has_ended(void *context)
{
	const struct sending *sending = context;

	return sending->is_done || sending->has_failed || sending->is_back;
}

/*
 * What has it said until now?  The handler may run on a thread that sends
 * another image to the same peer.
 */
struct heard {
	bool has_answered, is_done, has_failed, is_back, has_ended;
};

static struct heard
hear(struct sending *sending)
{
	struct send_target *target = sending->target;
	struct heard heard;

	peer_lock(target->peer);
	heard = (struct heard){ has_answered(sending), sending->is_done,
				sending->has_failed, sending->is_back,
				has_ended(sending) };
	if (sending->has_failed && target->err == 0)
		target->err = sending->said_err;
	peer_unlock(target->peer);
	return heard;
}

static bool
is_live(struct sending *sending)
{
	struct heard heard = hear(sending);

	return sending->target->err == 0 && !heard.is_done;
}

/* It has failed, if err says so; the other end hears of it. */
static int
lose(struct sending *sending, int err)
{
	struct peer *peer = sending->target->peer;

	if (err == 0 || sending->target->err != 0)
		return err;
	sending->target->err = err;
	peer_lock(peer);
	(void)link_send_error(peer_link(peer), sending->number, err, "");
	peer_unlock(peer);
	return err;
}

/* Messages. */

static int
put(struct sending *sending, struct message *message)
{
	int err;

	if (hear(sending).has_failed)
		return sending->target->err;
	message->transfer = sending->number;
	err = peer_send(sending->target->peer, message);
	if (err < 0 && sending->target->err == 0)
		sending->target->err = err;
	return sending->target->err;
}

/* An OFFER that waits for a number: there is one again as others end. */
struct opening {
	struct sending *sending;
	struct message *message;
	int err;
};

static bool
try_offer(void *context)
{
	struct opening *opening = context;
	struct sending *sending = opening->sending;
	struct link *link = peer_link(sending->target->peer);

	sending->number = sending->target->transfer;
	if (sending->number == 0)
		sending->number = link_new_transfer(link);
	else if (!link_is_open(link, sending->number))
		opening->err = DSP_ECANCELED; /* it is not wanted any more */
	if (sending->number == 0)
		return false;
	opening->message->transfer = sending->number;
	if (opening->err == 0)
		opening->err = link_send(link, opening->message);
	if (opening->err == 0)
		link_set_context(link, sending->number, sending);
	return true;
}

static int
put_offer(struct sending *sending)
{
	const struct send_params *params = sending->sender->params;
	const struct root *root = sending->sender->root;
	struct peer *peer = sending->target->peer;
	struct message message = {
		.type = MESSAGE_OFFER,
		.offer = {
			.root = *image_root_digest(params->image),
			.version = root->version,
			.priority = params->priority,
			.may_roll_back = params->may_roll_back,
			.image_size = image_size(params->image),
			.data_size = root->data_bytes,
			.content = root->content,
		},
	};
	struct opening opening = { sending, &message, 0 };
	int err;

	memcpy(message.offer.package_id, root->package_id,
	       sizeof message.offer.package_id);
	err = peer_wait(peer, try_offer, &opening);
	if (err == 0 && (opening.err < 0 || sending->number == 0))
		err = report_error(opening.err < 0 ? opening.err : DSP_ECLOSED,
				   peer_name(peer), "beginning a transfer");
	sending->target->err = err;
	return err;
}

/* The image with this root, if we have it: its index + 1, else 0. */
static size_t
find_base(struct sender *sender, const struct message_have *have)
{
	const struct send_params *params = sender->params;
	struct image *image;

	for (size_t i = 0; i < sender->base_count; i++)
		if (sender->bases[i].has_tables == have->has_tables &&
		    digest_equal(&have->root,
				 image_root_digest(sender->base_images[i])))
			return i + 1;
	if (params->find_base == NULL || sender->base_count == BASES_MAX)
		return 0;
	image = params->find_base(params->find_context, &have->root);
	if (image == NULL)
		return 0;
	if (image_kind(image) != IMAGE_WITH_BLOCKS ||
	    old_data_of_image(image, &sender->bases[sender->base_count].old) <
		    0) {
		image_close(image);
		return 0;
	}
	sender->bases[sender->base_count].has_tables = have->has_tables;
	sender->base_images[sender->base_count++] = image;
	return sender->base_count;
}

/* Choose how it is sent: against a base, picked, or all of it. */
static void
choose(struct sending *sending)
{
	const struct message_want *want = &sending->want;

	sending->next = link_block_from(sending->sender->root, want->next);
	sending->pick_first = sending->pick_page = want->next.page;
	for (unsigned i = 0; i < want->have_count && sending->plan == 0; i++)
		sending->plan = find_base(sending->sender, &want->haves[i]);
	sending->is_picked = sending->plan == 0 && want->may_pick;
}

static int
put_root(struct sending *sending)
{
	struct sender *sender = sending->sender;
	struct image *image = sender->params->image;
	const struct buffer *raw = image_root_raw(image);
	const struct buffer *signature = image_signature(image);
	const struct buffer *base = NULL;
	struct peer *peer = sending->target->peer;
	struct message message = { .type = MESSAGE_ROOT };
	struct frame_encoder *encoder =
		frame_encoder_new(sender->params->delta_level);
	uint8_t *frame = malloc(frame_size_max(raw->size));
	size_t size = 0;
	int err = encoder != NULL && frame != NULL ? 0 : DSP_ENOMEM;

	if (sending->plan > 0) {
		base = image_root_raw(sender->base_images[sending->plan - 1]);
		message.root.base = *image_root_digest(
			sender->base_images[sending->plan - 1]);
	}
	if (err == 0)
		err = frame_encode(encoder, raw->data, raw->size,
				   base != NULL ? base->data : NULL,
				   base != NULL ? base->size : 0, frame,
				   frame_size_max(raw->size), &size);
	if (err == 0) {
		message.root.is_picked = sending->is_picked;
		message.root.raw_size = (uint32_t)raw->size;
		message.root.frame = frame;
		message.root.frame_size = (uint32_t)size;
		message.root.signature = signature->data;
		message.root.signature_size = (uint32_t)signature->size;
		peer_lock(peer);
		if (link_is_open(peer_link(peer), sending->number))
			link_set_root(peer_link(peer), sending->number,
				      sender->root);
		peer_unlock(peer);
		sending->target->bytes_metadata += size;
		err = put(sending, &message);
	} else {
		lose(sending, report_error(err, peer_name(peer), "sending"));
	}
	frame_encoder_free(encoder);
	free(frame);
	return err;
}

/* Tell it of the blocks that it has. */
static int
flush_copy(struct sending *sending)
{
	struct message message = { .type = MESSAGE_COPY,
				   .copy = sending->copy };

	if (sending->copy.count == 0)
		return 0;
	sending->copy.count = 0;
	return put(sending, &message);
}

static int
put_page(struct sending *sending, const struct send_item *item)
{
	const struct send_plan *plan = &item->plans[sending->plan];
	struct message message = {
		.type = MESSAGE_PAGE,
		.page = { .index = item->index.page,
			  .base_first = plan->base_first,
			  .base_count = plan->base_count,
			  .frame = plan->page,
			  .frame_size = (uint32_t)plan->page_size,
			  .digests = plan->digests,
			  .digests_size = (uint32_t)plan->digests_size },
	};

	if (item->index.page < sending->want.page_count)
		return 0;
	sending->target->bytes_metadata += plan->page_size + plan->digests_size;
	return put(sending, &message);
}

static int
put_copy(struct sending *sending, const struct send_item *item,
	 const struct send_plan *plan)
{
	struct message_copy *copy = &sending->copy;
	int err = 0;

	sending->target->bytes_reused += item->raw_size;
	if (copy->count > 0 && copy->first.page == item->index.page &&
	    copy->first.block + copy->count == item->index.block &&
	    copy->old_first + copy->count == plan->old_number) {
		copy->count++;
		return 0;
	}
	err = flush_copy(sending);
	*copy = (struct message_copy){ item->index, 1, plan->old_number };
	return err;
}

static int
put_frame(struct sending *sending, const struct slot *slot)
{
	const struct send_item *item = slot->extra;
	struct message message = {
		.type = MESSAGE_FRAME,
		.frame = { .index = item->index,
			   .is_local = item->is_local,
			   .frame = slot->raw,
			   .size = item->frame_size },
	};
	int err = flush_copy(sending);

	sending->target->bytes_plain += item->frame_size;
	return err < 0 ? err : put(sending, &message);
}

static int
put_delta(struct sending *sending, const struct send_item *item,
	  const struct send_plan *plan)
{
	struct message message = {
		.type = MESSAGE_DELTA,
		.delta = { .index = item->index,
			   .range_count = plan->range_count,
			   .ranges = plan->ranges,
			   .frame = plan->delta,
			   .frame_size = (uint32_t)plan->delta_size },
	};
	int err = flush_copy(sending);

	sending->target->bytes_delta +=
		plan->delta_size +
		(size_t)plan->range_count * MESSAGE_RANGE_SIZE;
	return err < 0 ? err : put(sending, &message);
}

/* Picking. */

static bool
has_picked(void *context)
{
	const struct sending *sending = context;

	return sending->pick_page < sending->pick_first + sending->pick_count ||
	       sending->has_failed;
}

/* Has the receiver asked for this block?  Waits until it has said. */
static int
is_wanted(struct sending *sending, struct block_index index,
	  bool *ret_is_wanted)
{
	const struct root *root = sending->sender->root;
	struct peer *peer = sending->target->peer;
	int err;

	while (sending->pick_page < index.page) {
		sending->pick_at +=
			(root->pages[sending->pick_page].block_count + 7) / 8;
		sending->pick_page++;
	}
	err = peer_wait(peer, has_picked, sending);
	if (err < 0 || hear(sending).has_failed)
		return err < 0 ? lose(sending, err) : sending->target->err;
	peer_lock(peer);
	*ret_is_wanted =
		has_picked(sending) &&
		(sending->picks.data[sending->pick_at + index.block / 8] >>
			 index.block % 8 &
		 1) != 0;
	if (!has_picked(sending))
		err = DSP_ECLOSED;
	peer_unlock(peer);
	return err < 0 ? lose(sending, err) : 0;
}

/* The lane. */

static int
put_block(struct sending *sending, const struct slot *slot)
{
	const struct send_item *item = slot->extra;
	const struct send_plan *plan = &item->plans[sending->plan];
	bool wants = true;
	int err = 0;

	if (block_index_compare(item->index, sending->next) < 0)
		return 0;
	if (sending->is_picked)
		err = is_wanted(sending, item->index, &wants);
	if (err == 0 && !wants)
		sending->target->bytes_reused += item->raw_size;
	else if (err == 0 && plan->how == SEND_COPY)
		err = put_copy(sending, item, plan);
	else if (err == 0 && plan->how == SEND_DELTA)
		err = put_delta(sending, item, plan);
	else if (err == 0)
		err = put_frame(sending, slot);
	sending->next = link_block_after(sending->sender->root, item->index);
	return err;
}

static int
begin(struct lane_thread *thread, const struct slot *slot)
{
	struct sending *sending = thread->lane->context;
	const struct send_item *item = slot->extra;
	struct heard heard;
	int err;

	err = item->is_page ? put_page(sending, item)
			    : put_block(sending, slot);

	/* Another round goes back; what is left of this one is of no use. */
	heard = hear(sending);
	if (err == 0 && (heard.is_back || heard.has_failed))
		err = DSP_ECANCELED;
	return err;
}

/* Does anybody need this block as it is? */
static bool
is_whole(void *context, struct block_index index)
{
	const struct sender *sender = context;

	for (size_t i = 0; i < sender->params->target_count; i++) {
		const struct sending *sending = &sender->sendings[i];

		if (block_index_compare(sending->whole, index) == 0)
			return true;
	}
	return false;
}

/* A round: all that still need something, from the first that one needs. */
static int
run_round(struct sender *sender, bool has_pages)
{
	const struct send_params *params = sender->params;
	struct send_source_params source_params = {
		.image = params->image,
		.bases = sender->bases,
		.base_count = sender->base_count,
		.worker_count = params->worker_count,
		.delta_level = params->delta_level,
		.has_pages = has_pages,
		.first = { UINT32_MAX, 0 },
		.is_whole = is_whole,
		.whole_context = sender,
	};
	struct flow_params flow = {
		.worker_count = params->worker_count,
		.slot_count = SLOTS_PER_WORKER * params->worker_count + 1,
		.raw_max = send_source_raw_max(params->image),
		.stall_timeout_ms = params->stall_timeout_s * 1000,
		.fill = send_source_fill,
		.work = send_source_work,
	};
	struct lane **lanes = calloc(params->target_count, sizeof *lanes);
	struct send_source *source = NULL;
	size_t count = 0;
	int err = lanes != NULL ? 0 : DSP_ENOMEM;

	for (size_t i = 0; err == 0 && i < params->target_count; i++) {
		struct sending *sending = &sender->sendings[i];

		if (!is_live(sending))
			continue;
		lanes[count++] = &sending->lane;
		sending->lane.next = 0;
		sending->lane.err = 0;
		source_params.is_frame_wanted |= sending->plan == 0;
		if (block_index_compare(sending->next, source_params.first) < 0)
			source_params.first = sending->next;
	}
	if (err < 0)
		report_error(err, image_name(params->image), "sending");
	if (err == 0 && count > 0)
		err = send_source_new(&source_params, &source);
	flow.context = source;
	if (err == 0 && count > 0)
		err = flow_run(&flow, lanes, count);
	send_source_free(source);
	free(lanes);
	return err;
}

/* Everything has gone: say so, and wait until it is in its place there. */
static int
finish(struct sending *sending)
{
	struct message message = { .type = MESSAGE_END };
	struct peer *peer = sending->target->peer;
	int err = flush_copy(sending);

	if (err == 0)
		err = put(sending, &message);
	sending->target->round_trips++;
	if (err == 0)
		err = peer_wait(peer, has_ended, sending);
	if (err == 0 && !hear(sending).has_ended)
		err = report_error(DSP_ECLOSED, peer_name(peer),
				   "before it said that it is done");
	return lose(sending, err);
}

/* Where it needs to go back, it is told from where on the next round is. */
static bool
goes_back(struct sending *sending)
{
	struct message message = { .type = MESSAGE_BACK,
				   .back = sending->back };
	struct peer *peer = sending->target->peer;

	if (!is_live(sending) || !hear(sending).is_back)
		return false;
	peer_lock(peer);
	sending->is_back = false;
	message.back = sending->back;
	if (sending->is_plain)
		sending->plan = 0;
	sending->whole = sending->back;
	peer_unlock(peer);
	sending->copy.count = 0;
	sending->next = message.back;
	sending->want.page_count = sending->sender->root->page_count;
	return put(sending, &message) == 0;
}

/* Is this target through with its round, or has it to be served again? */
static bool
is_through(const struct sending *sending)
{
	return sending->next.page >= sending->sender->root->page_count;
}

static int
send_blocks(struct sender *sender)
{
	const struct send_params *params = sender->params;
	bool has_pages = false;
	bool is_again = true;
	int err = 0;

	for (size_t i = 0; i < params->target_count; i++)
		if (is_live(&sender->sendings[i]) &&
		    sender->sendings[i].want.page_count <
			    sender->root->page_count)
			has_pages = true;
	while (err == 0 && is_again) {
		is_again = false;
		err = run_round(sender, has_pages);
		for (size_t i = 0; err == 0 && i < params->target_count; i++) {
			struct sending *sending = &sender->sendings[i];

			if (!is_live(sending))
				continue;
			if (sending->lane.is_stalled)
				lose(sending,
				     report_error(
					     DSP_ESTALLED,
					     peer_name(sending->target->peer),
					     "takes nothing"));
			else if (is_through(sending) && !hear(sending).is_back)
				(void)finish(sending);
			if (goes_back(sending) ||
			    (is_live(sending) && !is_through(sending)))
				is_again = true;
		}
		has_pages = false;
	}
	return err;
}

/* Everybody is asked at once; the answers come in any order. */
static void
open_all(struct sender *sender)
{
	const struct send_params *params = sender->params;

	for (size_t i = 0; i < params->target_count; i++)
		(void)put_offer(&sender->sendings[i]);
	for (size_t i = 0; i < params->target_count; i++) {
		struct sending *sending = &sender->sendings[i];
		struct send_target *target = sending->target;
		int err;

		if (target->err != 0)
			continue;
		target->round_trips++;
		err = peer_wait(target->peer, has_answered, sending);
		if (err == 0 && !hear(sending).has_answered)
			err = report_error(DSP_ECLOSED, peer_name(target->peer),
					   "before it answered");
		if (err < 0 && target->err == 0)
			target->err = err;
		if (target->err != 0 || !is_live(sending)) {
			target->was_there = sending->was_there;
			continue;
		}
		choose(sending);
		(void)put_root(sending);
	}
}

static int
set_up(struct sender *sender)
{
	const struct send_params *params = sender->params;

	sender->root = image_root(params->image);
	sender->sendings =
		calloc(params->target_count, sizeof *sender->sendings);
	if (sender->sendings == NULL)
		return report_error(DSP_ENOMEM, image_name(params->image),
				    "sending");
	for (size_t i = 0; i < params->target_count; i++) {
		struct sending *sending = &sender->sendings[i];

		sending->sender = sender;
		sending->whole.page = UINT32_MAX; /* none */
		sending->target = &params->targets[i];
		sending->target->bytes_full = image_size(params->image);
		sending->lane.context = sending;
		sending->lane.thread_count = 1;
		sending->lane.begin = begin;
	}
	return 0;
}

static void
tear_down(struct sender *sender)
{
	for (size_t i = 0; i < sender->base_count; i++) {
		old_data_free(sender->bases[i].old);
		image_close(sender->base_images[i]);
	}
	for (size_t i = 0;
	     sender->sendings != NULL && i < sender->params->target_count;
	     i++) {
		struct sending *sending = &sender->sendings[i];
		struct peer *peer = sending->target->peer;

		/* What still comes of it finds nobody. */
		peer_lock(peer);
		if (sending->number != 0 &&
		    link_context(peer_link(peer), sending->number) == sending)
			link_set_context(peer_link(peer), sending->number,
					 NULL);
		peer_unlock(peer);
		buffer_release(&sending->picks);
	}
	free(sender->sendings);
}

int
send_image(const struct send_params *params)
{
	struct sender sender = { .params = params };
	int err = set_up(&sender);

	if (err == 0) {
		open_all(&sender);
		err = send_blocks(&sender);
	}
	/* What the image failed with is everybody's; a target's is its own. */
	for (size_t i = 0;
	     err < 0 && sender.sendings != NULL && i < params->target_count;
	     i++)
		if (is_live(&sender.sendings[i]))
			(void)lose(&sender.sendings[i], err);
	for (size_t i = 0; err == 0 && i < params->target_count; i++)
		err = params->targets[i].err;
	tear_down(&sender);
	return err;
}
