/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Two links joined in memory: what may be said when, in whole transfers and
 * against an end that keeps to no rule.
 */
#include <stdlib.h>
#include <string.h>

/* How much a buffer ever asked for; this copy of buffer.c is the one used. */
static size_t largest;

static void *
noted_realloc(void *p, size_t size)
{
	if (size > largest)
		largest = size;
	return realloc(p, size);
}

#define realloc noted_realloc
#include "core/base/buffer.c"
#undef realloc

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/chunk/frame.h"
#include "core/image/page.h"
#include "core/link/link.h"
#include "tests/unit/sample_messages.h"
#include "tests/unit/support.h"

/* Three pages of 3, 0 and 2 blocks. */
static struct root_page pages[] = { { .raw_size = 100, .block_count = 3 },
				    { .raw_size = 200, .block_count = 0 },
				    { .raw_size = 300, .block_count = 2 } };
static const struct root root = { .package_id = "61000012",
				  .version = 2,
				  .rule = { 64, 128, 256 },
				  .block_count = 5,
				  .page_count = 3,
				  .pages = pages };

enum { GOT_MAX = 32 };

/* One end, and what came to it; pointers in messages are not looked at. */
struct side {
	struct link *link;
	struct message got[GOT_MAX];
	size_t got_count;
	size_t taken; /* by the test */
	int err;
};

/* The opener is a, and sends; b receives. */
struct pair {
	struct side a, b;
	size_t piece; /* bytes at a time */
};

static struct link *
new_link(bool is_opener, unsigned transfer_max)
{
	struct link_params params = { .is_opener = is_opener,
				      .can_send = true,
				      .can_receive = true,
				      .transfer_max = transfer_max };
	struct link *link;

	assert_int_equal(link_new(&params, &link), 0);
	return link;
}

static struct pair
new_pair(size_t piece)
{
	return (struct pair){ .a.link = new_link(true, 4),
			      .b.link = new_link(false, 4),
			      .piece = piece };
}

static void
free_pair(struct pair *pair)
{
	link_free(pair->a.link);
	link_free(pair->b.link);
}

/* Give bytes to one end, piece by piece, each with an end that is known. */
static void
feed(struct side *to, const uint8_t *data, size_t size, size_t piece)
{
	size_t at = 0;

	while (at < size && to->err == 0) {
		size_t now = size - at < piece ? size - at : piece;
		uint8_t *copy = must_malloc(now);
		size_t used = 0;

		memcpy(copy, data + at, now);
		while (used < now && to->err == 0) {
			struct message message;
			size_t taken;
			bool has;

			to->err = link_take(to->link, copy + used, now - used,
					    &taken, &message, &has);
			used += taken;
			if (has && to->err == 0) {
				assert_true(to->got_count < GOT_MAX);
				to->got[to->got_count++] = message;
			}
		}
		free(copy);
		at += now;
	}
}

static void
move(struct pair *pair, struct side *from, struct side *to)
{
	struct buffer out = { 0 };

	assert_int_equal(link_take_output(from->link, &out), 0);
	feed(to, out.data, out.size, pair->piece);
	buffer_release(&out);
}

/* Both say all that they have to say. */
static void
exchange(struct pair *pair)
{
	for (int i = 0; i < 4; i++) {
		move(pair, &pair->a, &pair->b);
		move(pair, &pair->b, &pair->a);
	}
}

static struct message
plain(enum message_type type, uint16_t transfer)
{
	struct message message = sample_message(type);

	message.transfer = transfer;
	if (type == MESSAGE_WANT)
		message.want = (struct message_want){ 0 };
	return message;
}

static void
say(struct side *side, struct message message)
{
	assert_int_equal(link_send(side->link, &message), 0);
}

static void
say_page(struct side *side, uint16_t transfer, uint32_t index)
{
	struct message message = plain(MESSAGE_PAGE, transfer);

	message.page.index = index;
	say(side, message);
}

static void
say_frame(struct side *side, uint16_t transfer, uint32_t page, uint32_t block)
{
	struct message message = plain(MESSAGE_FRAME, transfer);

	message.frame.index = (struct block_index){ page, block };
	say(side, message);
}

static void
say_copy(struct side *side, uint16_t transfer, uint32_t page, uint32_t block,
	 uint32_t count)
{
	struct message message = plain(MESSAGE_COPY, transfer);

	message.copy.first = (struct block_index){ page, block };
	message.copy.count = count;
	say(side, message);
}

static void
say_need(struct side *side, uint16_t transfer, uint32_t page, uint32_t block,
	 bool is_plain)
{
	struct message message = plain(MESSAGE_NEED, transfer);

	message.need = (struct message_need){ { page, block }, is_plain };
	say(side, message);
}

static void
say_back(struct side *side, uint16_t transfer, uint32_t page, uint32_t block)
{
	struct message message = plain(MESSAGE_BACK, transfer);

	message.back = (struct block_index){ page, block };
	say(side, message);
}

/* The next message that came, which is of this type. */
static const struct message *
expect(struct side *side, enum message_type type)
{
	if (side->taken >= side->got_count)
		fail_msg("nothing came instead of type %d (error %d)", type,
			 side->err);
	assert_int_equal(side->got[side->taken].type, type);
	return &side->got[side->taken++];
}

static void
expect_nothing(const struct side *side)
{
	assert_int_equal(side->err, 0);
	assert_int_equal(side->taken, side->got_count);
}

/* Up to the ROOT: the transfer's number. */
static uint16_t
open_transfer(struct pair *pair, const struct message_want *want,
	      bool is_picked)
{
	uint16_t number = link_new_transfer(pair->a.link);
	struct message message = plain(MESSAGE_WANT, number);

	assert_int_not_equal(number, 0);
	say(&pair->a, plain(MESSAGE_OFFER, number));
	exchange(pair);
	expect(&pair->b, MESSAGE_OFFER);
	if (want != NULL)
		message.want = *want;
	say(&pair->b, message);
	exchange(pair);
	expect(&pair->a, MESSAGE_WANT);
	link_set_root(pair->a.link, number, &root);
	message = plain(MESSAGE_ROOT, number);
	message.root.is_picked = is_picked;
	say(&pair->a, message);
	exchange(pair);
	expect(&pair->b, MESSAGE_ROOT);
	link_set_root(pair->b.link, number, &root);
	return number;
}

static void
send_pages(struct pair *pair, uint16_t number)
{
	for (uint32_t i = 0; i < root.page_count; i++)
		say_page(&pair->a, number, i);
	exchange(pair);
	for (uint32_t i = 0; i < root.page_count; i++)
		expect(&pair->b, MESSAGE_PAGE);
}

/* Whole transfers. */

static void
transfer_whole(size_t piece)
{
	struct pair pair = new_pair(piece);
	uint16_t number = open_transfer(&pair, NULL, false);
	struct message delta = plain(MESSAGE_DELTA, number);

	assert_ptr_equal(link_context(pair.b.link, number), NULL);
	link_set_context(pair.b.link, number, &pair);
	send_pages(&pair, number);
	say_copy(&pair.a, number, 0, 0, 2);
	delta.delta.index = (struct block_index){ 0, 2 };
	say(&pair.a, delta);
	say_frame(&pair.a, number, 2, 0);
	say_frame(&pair.a, number, 2, 1);
	say(&pair.a, plain(MESSAGE_END, number));
	exchange(&pair);
	expect(&pair.b, MESSAGE_COPY);
	expect(&pair.b, MESSAGE_DELTA);
	expect(&pair.b, MESSAGE_FRAME);
	assert_ptr_equal(expect(&pair.b, MESSAGE_FRAME)->context, &pair);
	assert_false(expect(&pair.b, MESSAGE_END)->is_sending);
	say(&pair.b, plain(MESSAGE_ACK, number));
	delta = plain(MESSAGE_DONE, number);
	delta.done_was_there = false;
	say(&pair.b, delta);
	assert_int_equal(link_open_count(pair.b.link), 0);
	exchange(&pair);
	assert_true(expect(&pair.a, MESSAGE_ACK)->is_sending);
	assert_true(expect(&pair.a, MESSAGE_DONE)->is_sending);
	expect_nothing(&pair.a);
	expect_nothing(&pair.b);
	assert_int_equal(link_take_end(pair.a.link), 0);
	assert_int_equal(link_take_end(pair.b.link), 0);
	free_pair(&pair);
}

static void
a_transfer_is_the_same_in_pieces_of_any_size(void **state)
{
	(void)state;
	transfer_whole(1);
	transfer_whole(7);
	transfer_whole(4096);
}

static void
what_is_there_already_is_done_at_once(void **state)
{
	struct pair pair = new_pair(4096);
	uint16_t number = link_new_transfer(pair.a.link);
	uint64_t a_bytes, b_bytes;

	(void)state;
	say(&pair.a, plain(MESSAGE_OFFER, number));
	exchange(&pair);
	expect(&pair.b, MESSAGE_OFFER);
	say(&pair.b, plain(MESSAGE_DONE, number));
	exchange(&pair);
	assert_true(expect(&pair.a, MESSAGE_DONE)->done_was_there);
	assert_int_equal(link_open_count(pair.a.link), 0);
	a_bytes = link_output_total(pair.a.link);
	b_bytes = link_output_total(pair.b.link);
	assert_true(a_bytes <= 256 && b_bytes <= 256);
	free_pair(&pair);
}

static void
a_get_is_answered_in_its_own_transfer(void **state)
{
	struct pair pair = new_pair(7);
	uint16_t number;

	(void)state;
	exchange(&pair);
	number = link_new_transfer(pair.b.link);
	assert_true(number > 0x8000);
	say(&pair.b, plain(MESSAGE_GET, number));
	exchange(&pair);
	expect(&pair.a, MESSAGE_GET);
	say(&pair.a, plain(MESSAGE_OFFER, number));
	exchange(&pair);
	expect(&pair.b, MESSAGE_OFFER);
	say(&pair.b, plain(MESSAGE_DONE, number));
	exchange(&pair);
	expect(&pair.a, MESSAGE_DONE);
	expect_nothing(&pair.b);
	free_pair(&pair);
}

static uint16_t
open_fetch(struct pair *pair)
{
	uint16_t number;

	exchange(pair);
	number = link_new_transfer(pair->b.link);
	say(&pair->b, plain(MESSAGE_FETCH, number));
	link_set_root(pair->b.link, number, &root);
	exchange(pair);
	assert_int_equal(expect(&pair->a, MESSAGE_FETCH)->fetch.count, 3);
	link_set_root(pair->a.link, number, &root);
	return number;
}

static void
a_fetch_is_answered_with_its_frames(void **state)
{
	struct pair pair = new_pair(7);
	uint16_t number = open_fetch(&pair);

	(void)state;
	say_frame(&pair.a, number, 0, 1);
	say_frame(&pair.a, number, 0, 2);
	say_frame(&pair.a, number, 2, 1);
	say(&pair.a, plain(MESSAGE_END, number));
	exchange(&pair);
	for (int i = 0; i < 3; i++)
		expect(&pair.b, MESSAGE_FRAME);
	expect(&pair.b, MESSAGE_END);
	assert_int_equal(link_take_end(pair.a.link), 0);
	assert_int_equal(link_take_end(pair.b.link), 0);
	free_pair(&pair);
}

/* Its END did not close it: the number was never free again. */
static void
a_fetch_given_up_when_all_has_come_is_closed(void **state)
{
	struct pair pair = new_pair(4096);
	uint16_t number = open_fetch(&pair);

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		say_frame(&pair.a, number, 0, i);
	say(&pair.a, plain(MESSAGE_END, number));
	for (int i = 0; i < 2; i++) {
		struct buffer out = { 0 };
		size_t end = 0;

		assert_int_equal(link_take_output(pair.a.link, &out), 0);
		if (i == 0)
			end = out.size - MESSAGE_HEADER_SIZE;
		feed(&pair.b, out.data, end, 4096);
		if (i == 0)
			link_send_error(pair.b.link, number, DSP_EIO, "");
		feed(&pair.b, out.data + end, out.size - end, 4096);
		buffer_release(&out);
	}
	exchange(&pair);
	assert_int_equal(link_open_count(pair.a.link), 0);
	assert_int_equal(link_open_count(pair.b.link), 0);
	assert_int_equal(pair.a.err, 0);
	assert_int_equal(pair.b.err, 0);
	free_pair(&pair);
}

static void
picked_blocks_come_with_gaps(void **state)
{
	struct pair pair = new_pair(7);
	uint16_t number = open_transfer(&pair, NULL, true);
	struct message pick = plain(MESSAGE_PICK, number);

	(void)state;
	send_pages(&pair, number);
	for (uint32_t i = 0; i < 3; i++) {
		pick.pick.page = i;
		pick.pick.size = pages[i].block_count > 0;
		say(&pair.b, pick);
	}
	exchange(&pair);
	for (int i = 0; i < 3; i++)
		expect(&pair.a, MESSAGE_PICK);
	say_frame(&pair.a, number, 0, 1);
	say_frame(&pair.a, number, 2, 1);
	say(&pair.a, plain(MESSAGE_END, number));
	exchange(&pair);
	expect(&pair.b, MESSAGE_FRAME);
	expect(&pair.b, MESSAGE_FRAME);
	expect(&pair.b, MESSAGE_END);
	free_pair(&pair);
}

static void
a_transfer_goes_on_where_it_stopped(void **state)
{
	struct message_want want = { .page_count = 3, .next = { 0, 3 } };
	struct pair pair = new_pair(4096);
	uint16_t number = open_transfer(&pair, &want, false);

	(void)state;
	/* {0, 3} is behind page 0, and page 1 has nothing. */
	say_frame(&pair.a, number, 2, 0);
	exchange(&pair);
	expect(&pair.b, MESSAGE_FRAME);
	free_pair(&pair);
}

/* Going back. */

static void
what_was_on_its_way_before_a_back_is_dropped(void **state)
{
	struct pair pair = new_pair(7);
	uint16_t number = open_transfer(&pair, NULL, false);

	(void)state;
	send_pages(&pair, number);
	say_copy(&pair.a, number, 0, 0, 3);
	exchange(&pair);
	expect(&pair.b, MESSAGE_COPY);
	say_frame(&pair.a, number, 2, 0);
	say_frame(&pair.a, number, 2, 1);
	say(&pair.a, plain(MESSAGE_END, number));
	say_need(&pair.b, number, 0, 1, true);
	exchange(&pair);
	expect_nothing(&pair.b);
	assert_true(expect(&pair.a, MESSAGE_NEED)->need.is_plain);
	say_back(&pair.a, number, 0, 1);
	say_frame(&pair.a, number, 0, 1);
	exchange(&pair);
	expect(&pair.b, MESSAGE_FRAME);
	expect_nothing(&pair.b);
	free_pair(&pair);
}

/* Who waited for its turn has not seen the NEED: this was an assertion. */
static void
nothing_goes_between_need_and_back(void **state)
{
	struct pair pair = new_pair(7);
	uint16_t number = open_transfer(&pair, NULL, false);
	struct message delta = plain(MESSAGE_DELTA, number);
	uint64_t total;

	(void)state;
	send_pages(&pair, number);
	say_copy(&pair.a, number, 0, 0, 2);
	exchange(&pair);
	expect(&pair.b, MESSAGE_COPY);
	say_need(&pair.b, number, 0, 0, true);
	exchange(&pair);
	expect(&pair.a, MESSAGE_NEED);
	total = link_output_total(pair.a.link);
	say_copy(&pair.a, number, 0, 2, 1);
	delta.delta.index = (struct block_index){ 0, 2 };
	say(&pair.a, delta);
	say_frame(&pair.a, number, 2, 0);
	say(&pair.a, plain(MESSAGE_END, number));
	assert_true(total == link_output_total(pair.a.link));
	say_back(&pair.a, number, 0, 0);
	say_frame(&pair.a, number, 0, 0);
	exchange(&pair);
	expect(&pair.b, MESSAGE_FRAME);
	expect_nothing(&pair.b);
	free_pair(&pair);
}

/* Errors and crossings. */

static void
an_error_is_answered_and_frees_the_number(void **state)
{
	struct pair pair = new_pair(7);
	uint16_t number = open_transfer(&pair, NULL, false);
	const struct message *error;

	(void)state;
	assert_int_equal(
		link_send_error(pair.b.link, number, DSP_ENOSPC, "full"), 0);
	assert_false(link_is_open(pair.b.link, number));
	assert_int_equal(link_open_count(pair.b.link), 1);
	exchange(&pair);
	error = expect(&pair.a, MESSAGE_ERROR);
	assert_int_equal(error->error.err, DSP_ENOSPC);
	assert_true(error->is_sending);
	expect_nothing(&pair.a);
	expect_nothing(&pair.b); /* the answer is for the link only */
	assert_int_equal(link_open_count(pair.a.link), 0);
	assert_int_equal(link_open_count(pair.b.link), 0);
	free_pair(&pair);
}

/*
 * The root was freed by then, and the size of a page was compared with it.
 */
static void
what_crosses_an_error_is_dropped_without_the_root(void **state)
{
	struct root *own = must_malloc(sizeof *own);
	struct pair pair = new_pair(7);
	uint16_t number = open_transfer(&pair, NULL, false);

	(void)state;
	*own = root;
	link_set_root(pair.b.link, number, own);
	send_pages(&pair, number);
	say_frame(&pair.a, number, 0, 0);
	say_copy(&pair.a, number, 0, 1, 2);
	link_send_error(pair.b.link, number, DSP_ENOSPC, "");
	free(own);
	move(&pair, &pair.a, &pair.b);
	expect_nothing(&pair.b);
	exchange(&pair);
	expect(&pair.a, MESSAGE_ERROR);
	expect_nothing(&pair.b);
	assert_int_equal(link_open_count(pair.b.link), 0);
	free_pair(&pair);
}

static void
two_errors_that_cross_close_both_ends(void **state)
{
	struct pair pair = new_pair(7);
	uint16_t number = open_transfer(&pair, NULL, false);

	(void)state;
	link_send_error(pair.b.link, number, DSP_ENOSPC, "");
	link_send_error(pair.a.link, number, DSP_EIO, "");
	link_send_error(pair.a.link, number, DSP_EIO, "twice");
	exchange(&pair);
	expect_nothing(&pair.a);
	expect_nothing(&pair.b);
	assert_int_equal(link_open_count(pair.a.link), 0);
	assert_int_equal(link_open_count(pair.b.link), 0);
	free_pair(&pair);
}

static void
an_error_that_crosses_a_done_is_forgotten(void **state)
{
	struct pair pair = new_pair(7);
	uint16_t number = link_new_transfer(pair.a.link);

	(void)state;
	say(&pair.a, plain(MESSAGE_OFFER, number));
	exchange(&pair);
	expect(&pair.b, MESSAGE_OFFER);
	say(&pair.b, plain(MESSAGE_DONE, number));
	link_send_error(pair.a.link, number, DSP_EIO, "");
	exchange(&pair);
	expect_nothing(&pair.a);
	expect_nothing(&pair.b);
	assert_int_equal(link_open_count(pair.a.link), 0);
	assert_int_equal(link_open_count(pair.b.link), 0);

	/* And the number serves again. */
	say(&pair.a, plain(MESSAGE_OFFER, number));
	exchange(&pair);
	expect(&pair.b, MESSAGE_OFFER);
	free_pair(&pair);
}

static void
to_a_transfer_that_is_over_nothing_is_sent(void **state)
{
	struct pair pair = new_pair(7);
	uint16_t number = open_transfer(&pair, NULL, false);
	uint64_t total;

	(void)state;
	link_send_error(pair.b.link, number, DSP_ENOSPC, "");
	exchange(&pair);
	expect(&pair.a, MESSAGE_ERROR);
	total = link_output_total(pair.a.link);
	say_page(&pair.a, number, 0);
	say(&pair.a, plain(MESSAGE_END, number));
	assert_int_equal(link_send_error(pair.a.link, number, DSP_EIO, ""), 0);
	assert_true(total == link_output_total(pair.a.link));
	free_pair(&pair);
}

static void
an_error_of_the_stream_is_for_the_caller(void **state)
{
	struct pair pair = new_pair(1);
	const struct message *error;

	(void)state;
	link_send_error(pair.a.link, 0, DSP_EPROTOCOL, "why");
	exchange(&pair);
	error = expect(&pair.b, MESSAGE_ERROR);
	assert_int_equal(error->transfer, 0);
	assert_int_equal(error->error.err, DSP_EPROTOCOL);
	free_pair(&pair);
}

/* Priorities. */

static uint16_t
offer_with(struct pair *pair, enum message_priority priority)
{
	struct message message = plain(MESSAGE_OFFER, 0);

	message.transfer = link_new_transfer(pair->a.link);
	message.offer.priority = priority;
	say(&pair->a, message);
	return message.transfer;
}

static void
a_ready_transfer_of_higher_priority_goes_first(void **state)
{
	struct pair pair = new_pair(7);
	struct link *link = pair.a.link;
	uint16_t low, high, other;

	(void)state;
	exchange(&pair);
	low = offer_with(&pair, MESSAGE_LOW);
	high = offer_with(&pair, MESSAGE_HIGH);
	other = offer_with(&pair, MESSAGE_HIGH);
	assert_true(link_may_send(link, low));
	link_set_ready(link, low, true);
	link_set_ready(link, high, true);
	link_set_ready(link, other, true);
	assert_false(link_may_send(link, low));
	assert_true(link_may_send(link, high));
	assert_true(link_may_send(link, other));
	link_set_ready(link, high, false);
	assert_false(link_may_send(link, low));
	link_send_error(pair.a.link, other, DSP_EIO, "");
	exchange(&pair);
	assert_true(link_may_send(link, low)); /* the other is over */
	free_pair(&pair);
}

static void
no_more_transfers_than_both_allow(void **state)
{
	struct pair pair = { .a.link = new_link(true, 4),
			     .b.link = new_link(false, 2),
			     .piece = 7 };

	(void)state;
	/* How many it may be is in the hello. */
	offer_with(&pair, MESSAGE_LOW);
	assert_false(link_has_room(pair.a.link));
	exchange(&pair);
	assert_true(link_has_room(pair.a.link));
	offer_with(&pair, MESSAGE_LOW);
	assert_int_equal(link_new_transfer(pair.a.link), 0);
	exchange(&pair);
	assert_int_equal(pair.b.err, 0);
	free_pair(&pair);
}

/* Against an end that keeps to no rule: its bytes are made by hand. */

static void
put_message(struct buffer *out, struct message message)
{
	assert_int_equal(message_put(out, &message), 0);
}

static void
put_hello(struct buffer *out, bool is_opener, unsigned minor)
{
	struct message_hello hello = { .is_opener = is_opener,
				       .can_send = true,
				       .can_receive = true,
				       .transfer_max = 8 };
	uint8_t bytes[MESSAGE_HELLO_SIZE];

	message_put_hello(bytes, &hello);
	le16_put(bytes + 10, (uint16_t)minor);
	assert_int_equal(buffer_add(out, bytes, sizeof bytes), 0);
}

/* The bytes' end was refused with err. */
static void
assert_refused(struct side *side, struct buffer *bytes, int err)
{
	feed(side, bytes->data, bytes->size, 4096);
	assert_int_equal(side->err, err);
	bytes->size = 0;
}

/* To an end in the state of `pair`, this message is a protocol error. */
static void
refused(struct pair *pair, bool is_by_sender, struct message message)
{
	struct buffer bytes = { 0 };

	put_message(&bytes, message);
	assert_refused(is_by_sender ? &pair->a : &pair->b, &bytes,
		       DSP_EPROTOCOL);
	buffer_release(&bytes);
}

typedef void prepare(struct pair *pair, uint16_t number);

static void
after_root(struct pair *pair, uint16_t number)
{
	(void)pair;
	(void)number;
}

static void
after_pages(struct pair *pair, uint16_t number)
{
	send_pages(pair, number);
}

static void
after_two_blocks(struct pair *pair, uint16_t number)
{
	send_pages(pair, number);
	say_copy(&pair->a, number, 0, 0, 2);
	exchange(pair);
	expect(&pair->b, MESSAGE_COPY);
}

static void
after_a_plain_need(struct pair *pair, uint16_t number)
{
	after_two_blocks(pair, number);
	say_need(&pair->b, number, 0, 1, true);
	exchange(pair);
	expect(&pair->a, MESSAGE_NEED);
	say_back(&pair->a, number, 0, 1);
	exchange(pair);
}

static void
after_a_need(struct pair *pair, uint16_t number)
{
	after_two_blocks(pair, number);
	say_need(&pair->b, number, 0, 1, false);
}

/* What a sender may not say, after what. */
static const struct wrong {
	prepare *prepare;
	enum message_type type;
	struct block_index index; /* or the page */
	uint32_t count;
} wrongs[] = {
	{ after_root, MESSAGE_PAGE, { 1, 0 }, 0 },
	{ after_root, MESSAGE_PAGE, { UINT32_MAX, 0 }, 0 },
	{ after_root, MESSAGE_ROOT, { 0, 0 }, 0 },
	{ after_root, MESSAGE_OFFER, { 0, 0 }, 0 },
	{ after_root, MESSAGE_FRAME, { 0, 0 }, 0 }, /* before the pages */
	{ after_root, MESSAGE_END, { 0, 0 }, 0 },
	{ after_root, MESSAGE_BACK, { 0, 0 }, 0 },
	{ after_pages, MESSAGE_PAGE, { 0, 0 }, 0 }, /* twice */
	{ after_pages, MESSAGE_PAGE, { 3, 0 }, 0 },
	{ after_pages, MESSAGE_FRAME, { 0, 1 }, 0 },
	{ after_pages, MESSAGE_FRAME, { 1, 0 }, 0 }, /* has no block */
	{ after_pages, MESSAGE_FRAME, { 3, 0 }, 0 },
	{ after_pages, MESSAGE_FRAME, { UINT32_MAX, UINT32_MAX }, 0 },
	{ after_pages, MESSAGE_DELTA, { 2, 0 }, 0 },
	{ after_pages, MESSAGE_COPY, { 0, 0 }, 4 },
	{ after_pages, MESSAGE_COPY, { 0, 1 }, 2 },
	{ after_pages, MESSAGE_COPY, { 0, 0 }, UINT32_MAX },
	{ after_pages, MESSAGE_END, { 0, 0 }, 0 },
	{ after_pages, MESSAGE_NEED, { 0, 0 }, 0 }, /* a receiver's */
	{ after_pages, MESSAGE_WANT, { 0, 0 }, 0 },
	{ after_pages, MESSAGE_ACK, { 0, 0 }, 0 },
	{ after_pages, MESSAGE_PICK, { 0, 0 }, 0 },
	{ after_pages, MESSAGE_DONE, { 0, 0 }, 0 },
	{ after_pages, MESSAGE_GET, { 0, 0 }, 0 },
	{ after_pages, MESSAGE_FETCH, { 0, 0 }, 0 },
	{ after_two_blocks, MESSAGE_FRAME, { 0, 1 }, 0 }, /* twice */
	{ after_two_blocks, MESSAGE_COPY, { 0, 2 }, 2 },
	{ after_two_blocks, MESSAGE_BACK, { 0, 0 }, 0 }, /* nobody asked */
	{ after_two_blocks, MESSAGE_END, { 0, 0 }, 0 },
	{ after_a_need, MESSAGE_BACK, { 0, 0 }, 0 }, /* another place */
	{ after_a_need, MESSAGE_BACK, { 0, 2 }, 0 },
	{ after_a_plain_need, MESSAGE_COPY, { 0, 1 }, 1 },
	{ after_a_plain_need, MESSAGE_DELTA, { 0, 1 }, 0 },
	{ after_a_plain_need, MESSAGE_BACK, { 0, 1 }, 0 }, /* twice */
};

static void
a_sender_that_breaks_the_order_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
		const struct wrong *wrong = &wrongs[i];
		struct pair pair = new_pair(4096);
		uint16_t number = open_transfer(&pair, NULL, false);
		struct message message = plain(wrong->type, number);

		wrong->prepare(&pair, number);
		if (wrong->type == MESSAGE_PAGE)
			message.page.index = wrong->index.page;
		else if (wrong->type == MESSAGE_FRAME)
			message.frame.index = wrong->index;
		else if (wrong->type == MESSAGE_DELTA)
			message.delta.index = wrong->index;
		else if (wrong->type == MESSAGE_BACK)
			message.back = wrong->index;
		else if (wrong->type == MESSAGE_COPY)
			message.copy = (struct message_copy){ wrong->index,
							      wrong->count, 0 };
		refused(&pair, false, message);
		free_pair(&pair);
	}
}

static void
a_receiver_that_breaks_the_order_is_refused(void **state)
{
	static const struct block_index nowhere[] = {
		{ 0, 2 }, /* it has not gone yet */
		{ 0, 3 }, { 1, 0 }, { 3, 0 }, { UINT32_MAX, UINT32_MAX },
	};
	static const enum message_type types[] = {
		MESSAGE_WANT,  /* twice */ MESSAGE_DONE, /* before END */
		MESSAGE_GET,   MESSAGE_FETCH,
		MESSAGE_OFFER, MESSAGE_ROOT,
		MESSAGE_PAGE,  MESSAGE_FRAME,
		MESSAGE_END,   MESSAGE_BACK,
		MESSAGE_PICK, /* nobody picks */
	};

	(void)state;
	for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
		struct pair pair = new_pair(4096);
		uint16_t number = open_transfer(&pair, NULL, false);
		struct message need = plain(MESSAGE_NEED, number);

		after_two_blocks(&pair, number);
		need.need.index = nowhere[i];
		refused(&pair, true, need);
		free_pair(&pair);
	}
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		struct pair pair = new_pair(4096);
		uint16_t number = open_transfer(&pair, NULL, false);

		after_two_blocks(&pair, number);
		refused(&pair, true, plain(types[i], number));
		free_pair(&pair);
	}
}

/* The sender looked for the block among the picks of another page. */
static void
who_picks_may_not_go_back(void **state)
{
	struct pair pair = new_pair(4096);
	uint16_t number = open_transfer(&pair, NULL, true);
	struct message need = plain(MESSAGE_NEED, number);

	(void)state;
	send_pages(&pair, number);
	say_frame(&pair.a, number, 0, 0);
	say_frame(&pair.a, number, 2, 0);
	need.need = (struct message_need){ { 0, 0 }, true };
	refused(&pair, true, need);
	free_pair(&pair);
}

static void
picks_out_of_order_or_of_another_size_are_refused(void **state)
{
	static const uint32_t cases[][2] = {
		{ 1, 0 }, { 3, 0 }, { UINT32_MAX, 1 }, { 0, 0 }, { 0, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct pair pair = new_pair(4096);
		uint16_t number = open_transfer(&pair, NULL, true);
		struct message pick = plain(MESSAGE_PICK, number);

		send_pages(&pair, number);
		pick.pick.page = cases[i][0];
		pick.pick.size = cases[i][1];
		refused(&pair, true, pick);
		free_pair(&pair);
	}
}

static void
deltas_and_gaps_backwards_are_refused_when_picking(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct pair pair = new_pair(4096);
		uint16_t number = open_transfer(&pair, NULL, true);
		struct message message = plain(i == 0	? MESSAGE_COPY
					       : i == 1 ? MESSAGE_DELTA
							: MESSAGE_FRAME,
					       number);

		send_pages(&pair, number);
		say_frame(&pair.a, number, 0, 1);
		exchange(&pair);
		expect(&pair.b, MESSAGE_FRAME);
		if (i == 0)
			message.copy = (struct message_copy){ { 0, 2 }, 1, 0 };
		else if (i == 1)
			message.delta.index = (struct block_index){ 0, 2 };
		else
			message.frame.index = (struct block_index){ 0, 0 };
		refused(&pair, false, message);
		free_pair(&pair);
	}
}

/* Numbers. */

static void
an_opening_under_a_wrong_number_is_refused(void **state)
{
	static const uint16_t numbers[] = { 0, 1, 0x7fff };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct side side = { .link = new_link(true, 4) };
		struct buffer bytes = { 0 };

		put_hello(&bytes, false, 0);
		put_message(&bytes, plain(MESSAGE_OFFER, numbers[i]));
		assert_refused(&side, &bytes, DSP_EPROTOCOL);
		buffer_release(&bytes);
		link_free(side.link);
		side = (struct side){ .link = new_link(false, 4) };
		put_hello(&bytes, true, 0);
		put_message(&bytes, plain(MESSAGE_GET,
					  (uint16_t)(numbers[i] ^ 0x8000)));
		assert_refused(&side, &bytes, DSP_EPROTOCOL);
		buffer_release(&bytes);
		link_free(side.link);
	}
}

static void
too_many_transfers_are_refused(void **state)
{
	struct side side = { .link = new_link(false, 4) };
	struct buffer bytes = { 0 };

	(void)state;
	put_hello(&bytes, true, 0);
	for (uint16_t i = 1; i <= 4; i++)
		put_message(&bytes, plain(MESSAGE_OFFER, i));
	assert_refused(&side, &bytes, 0);
	put_message(&bytes, plain(MESSAGE_OFFER, 5));
	assert_refused(&side, &bytes, DSP_EPROTOCOL);
	buffer_release(&bytes);
	link_free(side.link);
}

static void
what_this_end_cannot_do_is_refused(void **state)
{
	struct link_params params = { .can_send = false,
				      .can_receive = true,
				      .transfer_max = 1 };
	struct buffer bytes = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		enum message_type type = i == 0	  ? MESSAGE_OFFER
					 : i == 1 ? MESSAGE_GET
						  : MESSAGE_FETCH;
		struct side side = { 0 };

		params.can_receive = i != 0;
		assert_int_equal(link_new(&params, &side.link), 0);
		put_hello(&bytes, true, 0);
		put_message(&bytes, plain(type, 1));
		assert_refused(&side, &bytes, DSP_EPROTOCOL);
		link_free(side.link);
	}
	buffer_release(&bytes);
}

static void
a_message_of_no_transfer_is_refused(void **state)
{
	(void)state;
	for (int type = 1; type < MESSAGE_TYPE_COUNT; type++) {
		struct side side = { .link = new_link(false, 4) };
		struct buffer bytes = { 0 };

		if (type == MESSAGE_OFFER || type == MESSAGE_GET ||
		    type == MESSAGE_FETCH || type == MESSAGE_ERROR)
			bytes.size = 0;
		put_hello(&bytes, true, 0);
		put_message(&bytes, plain((enum message_type)type, 9));
		assert_refused(&side, &bytes,
			       type == MESSAGE_OFFER || type == MESSAGE_GET ||
					       type == MESSAGE_FETCH ||
					       type == MESSAGE_ERROR
				       ? 0
				       : DSP_EPROTOCOL);
		buffer_release(&bytes);
		link_free(side.link);
	}
}

/* The hello and other versions. */

static void
a_second_hello_is_refused(void **state)
{
	struct side side = { .link = new_link(false, 4) };
	struct buffer bytes = { 0 };

	(void)state;
	put_hello(&bytes, true, 0);
	put_hello(&bytes, true, 0);
	assert_refused(&side, &bytes, DSP_EPROTOCOL);
	buffer_release(&bytes);
	link_free(side.link);
}

static void
two_openers_do_not_talk(void **state)
{
	struct side side = { .link = new_link(true, 4) };
	struct buffer bytes = { 0 };

	(void)state;
	put_hello(&bytes, true, 0);
	assert_refused(&side, &bytes, DSP_EPROTOCOL);
	buffer_release(&bytes);
	link_free(side.link);
}

static void
another_major_version_ends_the_link(void **state)
{
	struct side side = { .link = new_link(true, 4) };
	struct buffer bytes = { 0 };

	(void)state;
	put_hello(&bytes, false, 0);
	bytes.data[8] = 2;
	assert_refused(&side, &bytes, DSP_EVERSION);
	buffer_release(&bytes);
	link_free(side.link);
}

static void
unknown_messages_are_skipped_from_128_on(void **state)
{
	static const unsigned types[] = { 128, 200, 255, 17, 100, 127, 0 };

	(void)state;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		struct side side = { .link = new_link(false, 4) };
		bool is_optional = types[i] >= 128;
		struct buffer bytes = { 0 };
		uint8_t unknown[8 + 5] = { 5, 0,    0,	 0,   7,   0,  0,
					   0, 0xff, 'H', 'e', 'l', 'l' };

		unknown[6] = (uint8_t)types[i];
		put_hello(&bytes, true, 0);
		assert_int_equal(buffer_add(&bytes, unknown, sizeof unknown),
				 0);
		unknown[0] = 0;
		assert_int_equal(buffer_add(&bytes, unknown, 8), 0);
		put_message(&bytes, plain(MESSAGE_OFFER, 3));
		feed(&side, bytes.data, bytes.size, 3);
		assert_int_equal(side.err, is_optional ? 0 : DSP_EPROTOCOL);
		assert_int_equal(side.got_count, is_optional);
		buffer_release(&bytes);
		link_free(side.link);
	}
}

static void
fixed_messages_of_a_newer_minor_may_be_longer(void **state)
{
	(void)state;
	for (unsigned minor = 0; minor < 2; minor++) {
		struct side side = { .link = new_link(false, 4) };
		struct buffer bytes = { 0 };
		uint8_t more[256] = { 1 };

		put_hello(&bytes, true, minor);
		put_message(&bytes, plain(MESSAGE_OFFER, 3));
		le32_put(bytes.data + MESSAGE_HELLO_SIZE, 96 + sizeof more);
		assert_int_equal(buffer_add(&bytes, more, sizeof more), 0);
		put_message(&bytes, plain(MESSAGE_ERROR, 3));
		feed(&side, bytes.data, bytes.size, 100);
		assert_int_equal(side.err, minor > 0 ? 0 : DSP_EPROTOCOL);
		assert_int_equal(side.got_count, minor > 0 ? 2 : 0);
		buffer_release(&bytes);
		link_free(side.link);
	}
}

/* Lengths and memory. */

static void
a_payload_larger_than_may_be_is_refused_by_its_header(void **state)
{
	static const struct {
		enum message_type type;
		size_t size; /* the most there may be */
	} cases[] = {
		{ MESSAGE_PICK, 0 },
		{ MESSAGE_WANT, 0 },
		{ MESSAGE_ERROR, 2 + MESSAGE_TEXT_MAX },
		{ MESSAGE_ACK, 352 },
		{ MESSAGE_END, 352 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct pair pair = new_pair(4096);
		uint16_t number = open_transfer(&pair, NULL, false);
		uint8_t header[8] = { 0 };

		le32_put(header, cases[i].size > 0 ? (uint32_t)cases[i].size + 1
						   : UINT32_MAX);
		le16_put(header + 4, number);
		header[6] = (uint8_t)cases[i].type;
		feed(&pair.a, header, sizeof header, 8);
		assert_int_equal(pair.a.err, DSP_EPROTOCOL);
		free_pair(&pair);
	}
}

static void
a_page_or_block_has_no_more_room_than_the_root_says(void **state)
{
	static const enum message_type types[] = { MESSAGE_PAGE, MESSAGE_FRAME,
						   MESSAGE_DELTA };

	(void)state;
	for (int i = 0; i < 6; i++) {
		struct pair pair = new_pair(4096);
		uint16_t number = open_transfer(&pair, NULL, false);
		size_t most[] = {
			16 + frame_size_max(pages[0].raw_size) +
				frame_size_max(pages[0].block_count * 32),
			12 + frame_size_max(root.rule.max),
			12 + frame_size_max(root.rule.max) +
				MESSAGE_RANGE_COUNT_MAX * MESSAGE_RANGE_SIZE,
		};
		uint8_t header[8] = { 0 };

		le32_put(header, (uint32_t)most[i / 2] + (unsigned)(i % 2));
		le16_put(header + 4, number);
		header[6] = (uint8_t)types[i / 2];
		feed(&pair.b, header, sizeof header, 8);
		assert_int_equal(pair.b.err, i % 2 == 0 ? 0 : DSP_EPROTOCOL);
		free_pair(&pair);
	}
}

static void
memory_is_taken_as_bytes_come(void **state)
{
	struct pair pair = new_pair(4096);
	struct message want = plain(MESSAGE_WANT, 0);
	uint16_t number = link_new_transfer(pair.a.link);
	uint8_t bytes[1000] = { 0 };

	(void)state;
	say(&pair.a, plain(MESSAGE_OFFER, number));
	exchange(&pair);
	expect(&pair.b, MESSAGE_OFFER);
	want.transfer = number;
	say(&pair.b, want);
	le32_put(bytes, 8u << 20); /* a ROOT of 8 MiB is announced */
	le16_put(bytes + 4, number);
	bytes[6] = MESSAGE_ROOT;
	largest = 0;
	feed(&pair.b, bytes, sizeof bytes, 100);
	assert_int_equal(pair.b.err, 0);
	assert_true(largest < 2 * sizeof bytes);
	free_pair(&pair);
}

static void
a_stream_that_ends_in_the_middle_is_closed_too_early(void **state)
{
	struct side side = { .link = new_link(false, 4) };
	struct buffer bytes = { 0 };

	(void)state;
	put_hello(&bytes, true, 0);
	for (size_t i = 0; i < bytes.size; i++) {
		assert_int_equal(link_take_end(side.link), DSP_ECLOSED);
		feed(&side, bytes.data + i, 1, 1);
	}
	assert_int_equal(link_take_end(side.link), 0);
	bytes.size = 0;
	put_message(&bytes, plain(MESSAGE_OFFER, 3));
	for (size_t i = 0; i < bytes.size; i++) {
		feed(&side, bytes.data + i, 1, 1);
		assert_int_equal(link_take_end(side.link), DSP_ECLOSED);
	}
	link_free(side.link);
	buffer_release(&bytes);
}

static int
run_transfers(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_transfer_is_the_same_in_pieces_of_any_size),
		cmocka_unit_test(what_is_there_already_is_done_at_once),
		cmocka_unit_test(a_get_is_answered_in_its_own_transfer),
		cmocka_unit_test(a_fetch_is_answered_with_its_frames),
		cmocka_unit_test(a_fetch_given_up_when_all_has_come_is_closed),
		cmocka_unit_test(picked_blocks_come_with_gaps),
		cmocka_unit_test(a_transfer_goes_on_where_it_stopped),
		cmocka_unit_test(what_was_on_its_way_before_a_back_is_dropped),
		cmocka_unit_test(nothing_goes_between_need_and_back),
		cmocka_unit_test(an_error_is_answered_and_frees_the_number),
		cmocka_unit_test(
			what_crosses_an_error_is_dropped_without_the_root),
		cmocka_unit_test(two_errors_that_cross_close_both_ends),
		cmocka_unit_test(an_error_that_crosses_a_done_is_forgotten),
		cmocka_unit_test(to_a_transfer_that_is_over_nothing_is_sent),
		cmocka_unit_test(an_error_of_the_stream_is_for_the_caller),
		cmocka_unit_test(
			a_ready_transfer_of_higher_priority_goes_first),
		cmocka_unit_test(no_more_transfers_than_both_allow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

static int
run_hostile(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sender_that_breaks_the_order_is_refused),
		cmocka_unit_test(a_receiver_that_breaks_the_order_is_refused),
		cmocka_unit_test(who_picks_may_not_go_back),
		cmocka_unit_test(
			picks_out_of_order_or_of_another_size_are_refused),
		cmocka_unit_test(
			deltas_and_gaps_backwards_are_refused_when_picking),
		cmocka_unit_test(an_opening_under_a_wrong_number_is_refused),
		cmocka_unit_test(too_many_transfers_are_refused),
		cmocka_unit_test(what_this_end_cannot_do_is_refused),
		cmocka_unit_test(a_message_of_no_transfer_is_refused),
		cmocka_unit_test(a_second_hello_is_refused),
		cmocka_unit_test(two_openers_do_not_talk),
		cmocka_unit_test(another_major_version_ends_the_link),
		cmocka_unit_test(unknown_messages_are_skipped_from_128_on),
		cmocka_unit_test(fixed_messages_of_a_newer_minor_may_be_longer),
		cmocka_unit_test(
			a_payload_larger_than_may_be_is_refused_by_its_header),
		cmocka_unit_test(
			a_page_or_block_has_no_more_room_than_the_root_says),
		cmocka_unit_test(memory_is_taken_as_bytes_come),
		cmocka_unit_test(
			a_stream_that_ends_in_the_middle_is_closed_too_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int
main(void)
{
	int failures = run_transfers();

	return failures + run_hostile();
}
