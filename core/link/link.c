/* SPDX-License-Identifier: Apache-2.0 */
#include "core/link/link.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/chunk/frame.h"
#include "core/image/page.h"

enum {
	OPENER_NUMBER_MAX = 0x7fff,
	OTHER_NUMBER_BIT = 0x8000,
	NEEDS_MAX = 64,		/* of one transfer */
	SKIPPED_MAX = 64 << 20, /* bytes that say nothing, one after another */
	OPTIONAL_SIZE_MAX = 1 << 20, /* of a message that we skip */
	FAILED_SIZE_MAX = 1 << 24,   /* of one that crosses an ERROR */
	NEWER_EXTRA_MAX = 256
};

/* Where a transfer is.  Before STATE_ASKED: of one that this end sends in. */
enum state {
	STATE_FREE,
	STATE_GOT_GET, /* we owe OFFER */
	STATE_OFFERED,
	STATE_GOT_WANT, /* we owe ROOT */
	STATE_SENDING,
	STATE_SENT_END,
	STATE_GOT_FETCH, /* we owe FRAMEs and END */
	STATE_ASKED,
	STATE_GOT_OFFER, /* we owe WANT or DONE */
	STATE_WANTED,
	STATE_RECEIVING,
	STATE_GOT_END, /* we owe DONE */
	STATE_FETCHING,
	STATE_FAILED /* we said so; the other end has not answered */
};

struct transfer {
	uint16_t number;
	enum state state;
	enum message_priority priority;
	bool is_ready;
	void *context;
	const struct root *root;
	uint32_t page_next;	 /* the first page that has not come or gone */
	struct block_index next; /* the first block that has not */
	uint32_t pick_next;	 /* of a sender: the page of the next PICK */
	uint32_t fetch_left;
	unsigned need_count; /* NEEDs that came */
	bool is_fetch;
	bool is_picked;
	bool is_plain;	    /* NEED said: no deltas and copies */
	bool is_going_back; /* NEED was sent, BACK has not come */
	bool owes_back;	    /* NEED has come, BACK was not sent */
	bool is_want_known;
};

struct link {
	struct link_params params;
	bool has_peer;
	bool is_newer; /* the other end's minor version */
	struct message_hello peer;
	uint16_t last_number;
	struct transfer transfers[LINK_TRANSFERS_MAX];

	/* What is coming. */
	struct buffer in; /* hello or header, then payload */
	bool has_header;
	struct message_header header;
	uint64_t skip_left; /* of an unknown message */
	uint64_t skipped;   /* since the last message that said something */

	struct buffer out;
	uint64_t out_total; /* bytes that were taken from it */
};

int
link_new(const struct link_params *params, struct link **ret_link)
{
	struct message_hello hello = { .is_opener = params->is_opener,
				       .can_send = params->can_send,
				       .can_receive = params->can_receive,
				       .transfer_max = params->transfer_max };
	struct link *link = calloc(1, sizeof *link);
	uint8_t bytes[MESSAGE_HELLO_SIZE];
	int err = DSP_ENOMEM;

	assert(params->transfer_max > 0);
	assert(params->transfer_max <= LINK_TRANSFERS_MAX);
	if (link == NULL)
		return err;
	link->params = *params;
	message_put_hello(bytes, &hello);
	err = buffer_add(&link->out, bytes, sizeof bytes);
	if (err == 0)
		*ret_link = link;
	else
		link_free(link);
	return err;
}

void
link_free(struct link *link)
{
	if (link == NULL)
		return;
	buffer_release(&link->in);
	buffer_release(&link->out);
	free(link);
}

bool
link_is_in_message(const struct link *link)
{
	return link->has_header || link->in.size > 0 || link->skip_left > 0;
}

const struct message_hello *
link_peer(const struct link *link)
{
	return link->has_peer ? &link->peer : NULL;
}

/* Transfers. */

static struct transfer *
find(const struct link *link, uint16_t number)
{
	for (size_t i = 0; i < LINK_TRANSFERS_MAX; i++) {
		const struct transfer *transfer = &link->transfers[i];

		if (transfer->state != STATE_FREE && transfer->number == number)
			return (struct transfer *)transfer;
	}
	return NULL;
}

unsigned
link_open_count(const struct link *link)
{
	unsigned count = 0;

	for (size_t i = 0; i < LINK_TRANSFERS_MAX; i++)
		count += link->transfers[i].state != STATE_FREE;
	return count;
}

/* A place in the table; NULL: too many are open. */
static struct transfer *
begin(struct link *link, uint16_t number)
{
	if (link_open_count(link) >= link->params.transfer_max)
		return NULL;
	for (size_t i = 0; i < LINK_TRANSFERS_MAX; i++) {
		struct transfer *transfer = &link->transfers[i];

		if (transfer->state != STATE_FREE)
			continue;
		*transfer = (struct transfer){ .number = number };
		return transfer;
	}
	return NULL;
}

bool
link_has_room(const struct link *link)
{
	unsigned limit = link->has_peer ? link->params.transfer_max : 1;

	if (link->has_peer && link->peer.transfer_max < limit)
		limit = link->peer.transfer_max;
	return link_open_count(link) < limit;
}

uint16_t
link_new_transfer(struct link *link)
{
	if (!link_has_room(link))
		return 0;
	do
		link->last_number = link->last_number % OPENER_NUMBER_MAX + 1;
	while (find(link, link->params.is_opener
				  ? link->last_number
				  : link->last_number | OTHER_NUMBER_BIT));
	return link->params.is_opener
		       ? link->last_number
		       : (uint16_t)(link->last_number | OTHER_NUMBER_BIT);
}

bool
link_is_open(const struct link *link, uint16_t number)
{
	const struct transfer *transfer = find(link, number);

	return transfer != NULL && transfer->state != STATE_FAILED;
}

void
link_set_context(struct link *link, uint16_t number, void *context)
{
	struct transfer *transfer = find(link, number);

	assert(transfer != NULL);
	transfer->context = context;
}

void *
link_context(const struct link *link, uint16_t number)
{
	const struct transfer *transfer = find(link, number);

	return transfer != NULL ? transfer->context : NULL;
}

struct block_index
link_block_from(const struct root *root, struct block_index index)
{
	while (index.page < root->page_count &&
	       index.block >= root->pages[index.page].block_count)
		index = (struct block_index){ index.page + 1, 0 };
	return index;
}

struct block_index
link_block_after(const struct root *root, struct block_index index)
{
	index.block++;
	return link_block_from(root, index);
}

void
link_set_root(struct link *link, uint16_t number, const struct root *root)
{
	struct transfer *transfer = find(link, number);

	assert(transfer != NULL);
	transfer->root = root;
	transfer->next = link_block_from(root, transfer->next);
}

struct block_index
link_next_block(const struct link *link, uint16_t number)
{
	const struct transfer *transfer = find(link, number);

	assert(transfer != NULL);
	return transfer->next;
}

/* Whose turn is it? */

void
link_set_ready(struct link *link, uint16_t number, bool is_ready)
{
	struct transfer *transfer = find(link, number);

	if (transfer != NULL)
		transfer->is_ready = is_ready;
}

bool
link_may_send(const struct link *link, uint16_t number)
{
	const struct transfer *mine = find(link, number);

	for (size_t i = 0; mine != NULL && i < LINK_TRANSFERS_MAX; i++) {
		const struct transfer *other = &link->transfers[i];

		if (other->state != STATE_FREE && other->is_ready &&
		    other->priority > mine->priority)
			return false;
	}
	return true;
}

/* Sending. */

int
link_take_output(struct link *link, struct buffer *out)
{
	int err = 0;

	link->out_total += link->out.size;
	if (out->size == 0) {
		struct buffer empty = *out;

		*out = link->out;
		link->out = empty;
	} else {
		err = buffer_add(out, link->out.data, link->out.size);
		link->out.size = 0;
	}
	return err;
}

uint64_t
link_output_total(const struct link *link)
{
	return link->out_total + link->out.size;
}

/* Both ends now know that it is over. */
static void
close_transfer(struct transfer *transfer)
{
	*transfer = (struct transfer){ .state = STATE_FREE };
}

/* Blocks of ours have gone: which one comes next? */
static void
note_blocks(struct transfer *transfer, const struct message *message)
{
	enum state state = transfer->state;
	struct block_index next;
	uint32_t count = 1;

	if (message->type == MESSAGE_FRAME) {
		assert(state == STATE_SENDING || state == STATE_GOT_FETCH);
		next = message->frame.index;
	} else {
		assert(state == STATE_SENDING && !transfer->is_plain);
		next = message->type == MESSAGE_COPY ? message->copy.first
						     : message->delta.index;
		if (message->type == MESSAGE_COPY)
			count = message->copy.count;
	}
	next.block += count;
	transfer->next = next;
}

/* What a message of ours does to its transfer. */
static void
note_sent(struct transfer *transfer, const struct message *message)
{
	enum state state = transfer->state;

	switch (message->type) {
	case MESSAGE_OFFER:
		assert(state == STATE_FREE || state == STATE_GOT_GET);
		transfer->state = STATE_OFFERED;
		transfer->priority = message->offer.priority;
		break;
	case MESSAGE_GET:
		assert(state == STATE_FREE);
		transfer->state = STATE_ASKED;
		transfer->priority = message->get.priority;
		break;
	case MESSAGE_FETCH:
		assert(state == STATE_FREE);
		transfer->state = STATE_FETCHING;
		transfer->is_fetch = true;
		transfer->fetch_left = message->fetch.count;
		break;
	case MESSAGE_WANT:
		assert(state == STATE_GOT_OFFER);
		transfer->state = STATE_WANTED;
		transfer->page_next = message->want.page_count;
		transfer->next = message->want.next;
		break;
	case MESSAGE_ROOT:
		assert(state == STATE_GOT_WANT && transfer->root != NULL);
		transfer->state = STATE_SENDING;
		transfer->is_picked = message->root.is_picked;
		break;
	case MESSAGE_PAGE:
		assert(state == STATE_SENDING);
		transfer->page_next = message->page.index + 1;
		break;
	case MESSAGE_COPY:
	case MESSAGE_DELTA:
	case MESSAGE_FRAME:
		note_blocks(transfer, message);
		break;
	case MESSAGE_BACK:
		assert(state == STATE_SENDING);
		transfer->next = message->back;
		transfer->owes_back = false;
		break;
	case MESSAGE_END:
		assert(state == STATE_SENDING || state == STATE_GOT_FETCH);
		if (state == STATE_GOT_FETCH)
			close_transfer(transfer);
		else
			transfer->state = STATE_SENT_END;
		break;
	case MESSAGE_NEED:
		assert(state == STATE_RECEIVING || state == STATE_GOT_END);
		transfer->state = STATE_RECEIVING;
		transfer->is_going_back = true;
		transfer->is_plain |= message->need.is_plain;
		transfer->next = message->need.index;
		break;
	case MESSAGE_DONE:
		assert(state == STATE_GOT_OFFER || state == STATE_GOT_END);
		close_transfer(transfer);
		break;
	case MESSAGE_ERROR:
		transfer->state = STATE_FAILED;
		transfer->root = NULL; /* its owner may be gone from now on */
		break;
	case MESSAGE_PICK:
	case MESSAGE_ACK:
	case MESSAGE_TYPE_COUNT:
	case MESSAGE_OPTIONAL:
		break;
	}
}

static bool
opens(enum message_type type)
{
	return type == MESSAGE_OFFER || type == MESSAGE_GET ||
	       type == MESSAGE_FETCH;
}

int
link_send(struct link *link, const struct message *message)
{
	struct transfer *transfer = find(link, message->transfer);
	int err;

	if (transfer == NULL && opens(message->type)) {
		transfer = begin(link, message->transfer);
		assert(transfer != NULL); /* link_new_transfer() said so */
	}
	if (transfer == NULL || transfer->state == STATE_FAILED)
		return 0;
	/* What goes before the BACK is of no use to the other end. */
	if (transfer->owes_back && message->type != MESSAGE_BACK)
		return 0;
	err = message_put(&link->out, message);
	if (err == 0)
		note_sent(transfer, message);
	return err;
}

int
link_send_busy(struct link *link)
{
	static const uint8_t bytes[MESSAGE_HEADER_SIZE] = {
		0, 0, 0, 0, 0, 0, MESSAGE_BUSY, 0
	};

	return buffer_add(&link->out, bytes, sizeof bytes);
}

int
link_send_error(struct link *link, uint16_t number, int err, const char *text)
{
	struct transfer *transfer = find(link, number);
	size_t size = strlen(text);
	struct message message = {
		.type = MESSAGE_ERROR,
		.transfer = number,
		.error = { .err = err,
			   .text = text,
			   .text_size = size < MESSAGE_TEXT_MAX
						? size
						: MESSAGE_TEXT_MAX },
	};

	if (number != 0 &&
	    (transfer == NULL || transfer->state == STATE_FAILED))
		return 0;
	err = message_put(&link->out, &message);
	if (err == 0 && transfer != NULL)
		note_sent(transfer, &message);
	return err;
}

/* Receiving: what may come. */

/* The most bytes that the payload of this message may have; 0: it may not come. */
static uint64_t
payload_max(const struct transfer *transfer, unsigned type)
{
	const struct root *root = transfer != NULL ? transfer->root : NULL;
	const struct root_page *page;

	switch (type) {
	case MESSAGE_ROOT:
		return 48 + MESSAGE_SIGNATURE_MAX +
		       frame_size_max(ROOT_SIZE_MAX);
	case MESSAGE_PAGE:
		if (root == NULL || transfer->page_next >= root->page_count)
			return 0;
		page = &root->pages[transfer->page_next];
		return 16 + frame_size_max(page->raw_size) +
		       frame_size_max((size_t)page->block_count * DIGEST_SIZE);
	case MESSAGE_FRAME:
		return root == NULL ? 0 : 12 + frame_size_max(root->rule.max);
	case MESSAGE_DELTA:
		return root == NULL ? 0
				    : 12 + frame_size_max(root->rule.max) +
					      MESSAGE_RANGE_COUNT_MAX *
						      MESSAGE_RANGE_SIZE;
	case MESSAGE_PICK:
		return 4 + PAGE_BLOCKS_MAX / 8;
	case MESSAGE_FETCH:
		return 48 + MESSAGE_FETCH_COUNT_MAX * 8;
	case MESSAGE_WANT:
		return 16 + MESSAGE_HAVE_COUNT_MAX * (4 + DIGEST_SIZE) +
		       NEWER_EXTRA_MAX;
	case MESSAGE_ERROR:
		return 2 + MESSAGE_TEXT_MAX;
	default:
		return 96 + NEWER_EXTRA_MAX;
	}
}

/* In which states may it come?  OFFER, GET and FETCH may open a transfer. */
static bool
may_come(const struct transfer *transfer, enum message_type type)
{
	enum state state = transfer->state;

	switch (type) {
	case MESSAGE_OFFER:
		return state == STATE_ASKED;
	case MESSAGE_WANT:
		return state == STATE_OFFERED;
	case MESSAGE_ROOT:
		return state == STATE_WANTED;
	case MESSAGE_PAGE:
	case MESSAGE_COPY:
	case MESSAGE_DELTA:
	case MESSAGE_BACK:
		return state == STATE_RECEIVING;
	case MESSAGE_FRAME:
	case MESSAGE_END:
		return state == STATE_RECEIVING || state == STATE_FETCHING;
	case MESSAGE_PICK:
		return state == STATE_SENDING && transfer->is_picked;
	case MESSAGE_NEED:
	case MESSAGE_ACK:
		return state == STATE_SENDING || state == STATE_SENT_END;
	case MESSAGE_DONE:
		return state == STATE_OFFERED || state == STATE_SENT_END;
	case MESSAGE_ERROR:
		return true;
	case MESSAGE_GET:
	case MESSAGE_FETCH:
	case MESSAGE_TYPE_COUNT:
	case MESSAGE_OPTIONAL:
		break;
	}
	return false;
}

static bool
is_same(struct block_index a, struct block_index b)
{
	return block_index_compare(a, b) == 0;
}

/* count blocks from first on: are they the ones that come next? */
static int
take_blocks(struct transfer *transfer, struct block_index first, uint32_t count)
{
	const struct root *root = transfer->root;

	if (transfer->state == STATE_FETCHING) {
		if (transfer->fetch_left == 0)
			return DSP_EPROTOCOL;
		transfer->fetch_left--;
		return 0;
	}
	if (transfer->page_next < root->page_count ||
	    first.page >= root->page_count ||
	    first.block >= root->pages[first.page].block_count ||
	    count > root->pages[first.page].block_count - first.block)
		return DSP_EPROTOCOL;
	if (transfer->is_picked ? block_index_compare(first, transfer->next) < 0
				: !is_same(first, transfer->next))
		return DSP_EPROTOCOL;
	first.block += count - 1;
	transfer->next = link_block_after(root, first);
	return 0;
}

static int
take_end(struct transfer *transfer)
{
	if (transfer->state == STATE_FETCHING) {
		if (transfer->fetch_left > 0)
			return DSP_EPROTOCOL;
		close_transfer(transfer);
		return 0;
	}
	if (transfer->page_next < transfer->root->page_count ||
	    (!transfer->is_picked &&
	     transfer->next.page < transfer->root->page_count))
		return DSP_EPROTOCOL;
	transfer->state = STATE_GOT_END;
	return 0;
}

static int
take_want(struct transfer *transfer, const struct message_want *want)
{
	transfer->state = STATE_GOT_WANT;
	transfer->page_next = want->page_count;
	transfer->next = want->next;
	transfer->pick_next = want->next.page;
	return 0;
}

/* A sender's own view: the other end cannot have what did not go. */
static int
take_pick(struct transfer *transfer, const struct message_pick *pick)
{
	uint32_t count;

	if (pick->page != transfer->pick_next ||
	    pick->page >= transfer->root->page_count)
		return DSP_EPROTOCOL;
	count = transfer->root->pages[pick->page].block_count;
	if (pick->size != (count + 7) / 8)
		return DSP_EPROTOCOL;
	transfer->pick_next++;
	return 0;
}

static int
take_need(struct transfer *transfer, const struct message_need *need)
{
	const struct root *root = transfer->root;

	/* Who has picked has asked for whole blocks already. */
	if (transfer->is_picked)
		return DSP_EPROTOCOL;
	if (need->index.page >= root->page_count ||
	    need->index.block >= root->pages[need->index.page].block_count ||
	    block_index_compare(need->index, transfer->next) >= 0)
		return DSP_EPROTOCOL;
	if (++transfer->need_count > NEEDS_MAX)
		return DSP_EPROTOCOL; /* it will never have enough */
	transfer->state = STATE_SENDING;
	transfer->is_plain |= need->is_plain;
	transfer->next = need->index;
	transfer->owes_back = true;
	return 0;
}

/* What a message of the other end does to its transfer, if it may come. */
static int
take_message(struct transfer *transfer, const struct message *message)
{
	switch (message->type) {
	case MESSAGE_OFFER:
		transfer->state = STATE_GOT_OFFER;
		return 0;
	case MESSAGE_WANT:
		return take_want(transfer, &message->want);
	case MESSAGE_ROOT:
		transfer->state = STATE_RECEIVING;
		transfer->is_picked = message->root.is_picked;
		return 0;
	case MESSAGE_PAGE:
		if (message->page.index != transfer->page_next)
			return DSP_EPROTOCOL;
		transfer->page_next++;
		return 0;
	case MESSAGE_COPY:
		if (transfer->is_plain || transfer->is_picked)
			return DSP_EPROTOCOL;
		return take_blocks(transfer, message->copy.first,
				   message->copy.count);
	case MESSAGE_DELTA:
		if (transfer->is_plain || transfer->is_picked)
			return DSP_EPROTOCOL;
		return take_blocks(transfer, message->delta.index, 1);
	case MESSAGE_FRAME:
		return take_blocks(transfer, message->frame.index, 1);
	case MESSAGE_END:
		return take_end(transfer);
	case MESSAGE_PICK:
		return take_pick(transfer, &message->pick);
	case MESSAGE_NEED:
		return take_need(transfer, &message->need);
	case MESSAGE_DONE:
		if ((transfer->state == STATE_OFFERED) !=
		    message->done_was_there)
			return DSP_EPROTOCOL;
		close_transfer(transfer);
		return 0;
	case MESSAGE_BACK: /* see drops(): one that was waited for */
		return DSP_EPROTOCOL;
	default:
		return 0;
	}
}

/* GET, FETCH and OFFER open a transfer under a number of the other end's. */
static int
take_opening(struct link *link, const struct message *message)
{
	bool is_offer = message->type == MESSAGE_OFFER;
	uint16_t number = message->transfer;
	struct transfer *transfer;

	if (number == 0 ||
	    (number & OTHER_NUMBER_BIT) !=
		    (link->params.is_opener ? OTHER_NUMBER_BIT : 0) ||
	    !(is_offer ? link->params.can_receive : link->params.can_send))
		return DSP_EPROTOCOL;
	transfer = begin(link, number);
	if (transfer == NULL)
		return DSP_EPROTOCOL;
	transfer->state = is_offer			 ? STATE_GOT_OFFER
			  : message->type == MESSAGE_GET ? STATE_GOT_GET
							 : STATE_GOT_FETCH;
	if (is_offer)
		transfer->priority = message->offer.priority;
	else if (message->type == MESSAGE_GET)
		transfer->priority = message->get.priority;
	return 0;
}

/* An ERROR: of the stream, or of a transfer, which it closes. */
static int
take_error(struct link *link, struct transfer *transfer, bool *ret_has)
{
	uint16_t number;
	bool is_known;

	*ret_has = true;
	if (transfer == NULL) /* it has crossed our own end of it */
		return 0;
	number = transfer->number;
	is_known = transfer->state == STATE_FAILED;
	*ret_has = !is_known;
	close_transfer(transfer);
	if (!is_known) {
		struct message answer = {
			.type = MESSAGE_ERROR,
			.transfer = number,
			.error = { .err = DSP_ECANCELED, .text = "" },
		};

		return message_put(&link->out, &answer);
	}
	return 0;
}

/* Does it come too late, or before the BACK that is waited for? */
static int
drops(struct transfer *transfer, const struct message *message, bool *ret_drops)
{
	*ret_drops = true;
	if (transfer->state == STATE_FAILED) {
		if (message->type == MESSAGE_DONE ||
		    (message->type == MESSAGE_END && transfer->is_fetch))
			close_transfer(transfer);
		return 0;
	}
	if (transfer->is_going_back && message->type == MESSAGE_BACK) {
		if (!is_same(message->back, transfer->next))
			return DSP_EPROTOCOL;
		transfer->is_going_back = false;
		return 0;
	}
	*ret_drops = transfer->is_going_back;
	return 0;
}

static int
take(struct link *link, struct message *message, bool *ret_has)
{
	struct transfer *transfer = find(link, message->transfer);
	bool is_dropped = false;
	int err;

	link->skipped = 0;
	*ret_has = false;
	message->context = transfer != NULL ? transfer->context : NULL;
	message->is_sending = transfer != NULL && transfer->state < STATE_ASKED;
	if (message->type == MESSAGE_ERROR) {
		err = take_error(link, transfer, ret_has);
		*ret_has &= transfer != NULL || message->transfer == 0;
		return err;
	}
	if (transfer == NULL) {
		if (!opens(message->type))
			return DSP_EPROTOCOL;
		*ret_has = true;
		return take_opening(link, message);
	}
	err = drops(transfer, message, &is_dropped);
	if (err < 0 || is_dropped)
		return err;
	if (!may_come(transfer, message->type))
		return DSP_EPROTOCOL;
	*ret_has = true;
	return take_message(transfer, message);
}

/* Copy bytes into link->in until it holds `wanted`; true: it does. */
static int
gather(struct link *link, size_t wanted, const uint8_t **data, size_t *size,
       bool *ret_is_whole)
{
	size_t more = wanted - link->in.size;
	int err;

	if (more > *size)
		more = *size;
	err = buffer_reserve(&link->in, more);
	if (err == 0 && more > 0)
		err = buffer_add(&link->in, *data, more);
	*data += more;
	*size -= more;
	*ret_is_whole = link->in.size == wanted;
	return err;
}

static int
take_hello(struct link *link, const uint8_t **data, size_t *size)
{
	bool is_whole;
	size_t hello_size = 0;
	int err = 0;

	/* Byte by byte: what is no hello is noticed at once. */
	while (*size > 0 && !link->has_peer) {
		err = gather(link, link->in.size + 1, data, size, &is_whole);
		if (err == 0)
			err = message_get_hello(link->in.data, link->in.size,
						&hello_size, &link->peer);
		if (err < 0)
			return err;
		link->has_peer = hello_size > 0 && link->in.size == hello_size;
	}
	if (!link->has_peer)
		return 0;
	link->in.size = 0;
	link->is_newer = link->peer.minor > 0;
	return link->peer.is_opener == link->params.is_opener ? DSP_EPROTOCOL
							      : 0;
}

/* The payload is of no interest. */
static int
skip_payload(struct link *link)
{
	link->skip_left = link->header.size;
	link->skipped += MESSAGE_HEADER_SIZE + link->header.size;
	link->has_header = false;
	return link->skipped <= SKIPPED_MAX ? 0 : DSP_EPROTOCOL;
}

/* Does it cross an ERROR of ours, and says nothing about the end of that? */
static bool
crosses_error(const struct transfer *transfer, unsigned type)
{
	return transfer != NULL && transfer->state == STATE_FAILED &&
	       type != MESSAGE_ERROR && type != MESSAGE_DONE &&
	       type != MESSAGE_END;
}

/* A header is whole: may so large a payload come? */
static int
check_header(struct link *link)
{
	const struct message_header *header = &link->header;
	const struct transfer *transfer = find(link, header->transfer);
	uint32_t skip_max = header->type >= MESSAGE_OPTIONAL ? OPTIONAL_SIZE_MAX
							     : FAILED_SIZE_MAX;

	if (header->type == 0 || (header->type >= MESSAGE_TYPE_COUNT &&
				  header->type < MESSAGE_OPTIONAL))
		return DSP_EPROTOCOL;
	if (header->type >= MESSAGE_OPTIONAL ||
	    crosses_error(transfer, header->type))
		return header->size <= skip_max ? skip_payload(link)
						: DSP_EPROTOCOL;
	if (link->params.is_file && transfer == NULL &&
	    !opens((enum message_type)header->type)) {
		link->skipped = 0; /* all of a package that is here */
		return skip_payload(link);
	}
	return header->size <= payload_max(transfer, header->type)
		       ? 0
		       : DSP_EPROTOCOL;
}

static void
skip(struct link *link, const uint8_t **data, size_t *size)
{
	size_t now = link->skip_left < *size ? (size_t)link->skip_left : *size;

	link->skip_left -= now;
	*data += now;
	*size -= now;
}

int
link_take(struct link *link, const void *data, size_t size, size_t *ret_used,
	  struct message *ret_message, bool *ret_has)
{
	const uint8_t *bytes = data;
	bool is_whole;
	size_t left = size;
	int err = 0;

	*ret_has = false;
	*ret_used = 0;
	if (!link->has_peer)
		err = take_hello(link, &bytes, &left);
	while (err == 0 && link->has_peer && !*ret_has) {
		if (link->skip_left > 0)
			skip(link, &bytes, &left);
		if (link->skip_left > 0)
			break;
		if (!link->has_header) {
			err = gather(link, MESSAGE_HEADER_SIZE, &bytes, &left,
				     &is_whole);
			if (err < 0 || !is_whole)
				break;
			link->in.size = 0;
			link->has_header = true;
			err = message_get_header(link->in.data, &link->header);
			if (err == 0)
				err = check_header(link);
			continue;
		}
		err = gather(link, link->header.size, &bytes, &left, &is_whole);
		if (err < 0 || !is_whole)
			break;
		link->in.size = 0;
		link->has_header = false;
		err = message_get(&link->header, link->in.data, link->is_newer,
				  ret_message);
		if (err == 0)
			err = take(link, ret_message, ret_has);
	}
	*ret_used = size - left;
	return err;
}

int
link_take_end(struct link *link)
{
	if (!link->has_peer || link->has_header || link->in.size > 0 ||
	    link->skip_left > 0 || link_open_count(link) > 0)
		return DSP_ECLOSED;
	return 0;
}
