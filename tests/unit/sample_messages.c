/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sample_messages.h"

#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "tests/unit/support.h"

static struct digest
digest_with(uint8_t first)
{
	struct digest digest;

	for (size_t i = 0; i < DIGEST_SIZE; i++)
		digest.bytes[i] = (uint8_t)(first + i);
	return digest;
}

static const uint8_t *
two_ranges(void)
{
	static uint8_t bytes[2 * MESSAGE_RANGE_SIZE];

	le64_put(bytes, 0x1122334455);
	le32_put(bytes + 8, 0x10000);
	le64_put(bytes + 12, 7);
	le32_put(bytes + 20, 1);
	return bytes;
}

static const uint8_t *
three_indexes(void)
{
	static uint8_t bytes[3 * 8];
	static const uint32_t numbers[] = { 0, 5, 1, 0, 1, 0x10203 };

	for (size_t i = 0; i < 6; i++)
		le32_put(bytes + 4 * i, numbers[i]);
	return bytes;
}

static void
fill_opening(struct message *message)
{
	if (message->type == MESSAGE_OFFER)
		message->offer = (struct message_offer){
			.root = digest_with(1),
			.package_id = "61000012",
			.version = 0x01020304,
			.priority = MESSAGE_HIGH,
			.may_roll_back = true,
			.image_size = 0x1122334455667788,
			.data_size = 0x99aabbccddeeff00,
			.content = digest_with(0x40),
		};
	else if (message->type == MESSAGE_GET)
		message->get = (struct message_get){
			.package_id = "LOC0000A",
			.version = 0,
			.priority = MESSAGE_MEDIUM,
			.root = digest_with(0x80),
		};
	else
		message->fetch = (struct message_fetch){
			.root = digest_with(3),
			.package_id = "61000012",
			.version = 9,
			.count = 3,
			.indexes = three_indexes(),
		};
}

static void
fill_metadata(struct message *message)
{
	static const uint8_t bytes[] = "frame and signature";

	if (message->type == MESSAGE_WANT)
		message->want = (struct message_want){
			.page_count = 3,
			.next = { 2, 0x10001 },
			.may_pick = true,
			.have_count = 2,
			.haves = { { true, digest_with(5) },
				   { false, digest_with(6) } },
		};
	else if (message->type == MESSAGE_ROOT)
		message->root = (struct message_root){
			.base = digest_with(7),
			.raw_size = 300,
			.frame_size = 5,
			.signature_size = 9,
			.frame = bytes,
			.signature = bytes + 10,
		};
	else
		message->page = (struct message_page){
			.index = 4,
			.base_first = 2,
			.base_count = 8,
			.frame_size = 5,
			.digests_size = 3,
			.frame = bytes,
			.digests = bytes + 6,
		};
}

static void
fill_block(struct message *message)
{
	static const uint8_t frame[] = "a frame";

	if (message->type == MESSAGE_COPY)
		message->copy = (struct message_copy){
			.first = { 1, 2 },
			.count = 3,
			.old_first = 0x0102030405060708,
		};
	else if (message->type == MESSAGE_FRAME)
		message->frame = (struct message_frame){
			.index = { 3, 4 },
			.is_local = true,
			.size = 7,
			.frame = frame,
		};
	else
		message->delta = (struct message_delta){
			.index = { 5, 6 },
			.range_count = 2,
			.frame_size = 6,
			.ranges = two_ranges(),
			.frame = frame,
		};
}

static void
fill_answer(struct message *message)
{
	if (message->type == MESSAGE_PICK)
		message->pick = (struct message_pick){
			.page = 6,
			.size = 3,
			.bits = (const uint8_t *)"\x81\x00\x01",
		};
	else if (message->type == MESSAGE_NEED)
		message->need = (struct message_need){ { 7, 8 }, true };
	else if (message->type == MESSAGE_BACK)
		message->back = (struct block_index){ 9, 10 };
	else if (message->type == MESSAGE_ACK)
		message->ack = (struct message_ack){ { 11, 12 }, { 10, 0 } };
	else if (message->type == MESSAGE_DONE)
		message->done_was_there = true;
	else if (message->type == MESSAGE_ERROR)
		message->error = (struct message_error){
			.err = DSP_ENOSPC,
			.text_size = 4,
			.text = "full",
		};
}

struct message
sample_message(enum message_type type)
{
	struct message message = { .type = type, .transfer = 0x8102 };

	switch (type) {
	case MESSAGE_OFFER:
	case MESSAGE_GET:
	case MESSAGE_FETCH:
		fill_opening(&message);
		break;
	case MESSAGE_WANT:
	case MESSAGE_ROOT:
	case MESSAGE_PAGE:
		fill_metadata(&message);
		break;
	case MESSAGE_COPY:
	case MESSAGE_FRAME:
	case MESSAGE_DELTA:
		fill_block(&message);
		break;
	default:
		fill_answer(&message);
		break;
	}
	return message;
}

static void
assert_same_bytes(const void *a, size_t a_size, const void *b, size_t b_size)
{
	assert_int_equal(a_size, b_size);
	if (a_size > 0)
		assert_memory_equal(a, b, a_size);
}

static void
assert_same_index(struct block_index a, struct block_index b)
{
	assert_int_equal(block_index_compare(a, b), 0);
}

static void
same_opening(const struct message *a, const struct message *b)
{
	if (a->type == MESSAGE_OFFER) {
		assert_memory_equal(&a->offer.root, &b->offer.root,
				    DIGEST_SIZE);
		assert_memory_equal(&a->offer.content, &b->offer.content,
				    DIGEST_SIZE);
		assert_string_equal(a->offer.package_id, b->offer.package_id);
		assert_int_equal(a->offer.version, b->offer.version);
		assert_int_equal(a->offer.priority, b->offer.priority);
		assert_int_equal(a->offer.may_roll_back,
				 b->offer.may_roll_back);
		assert_true(a->offer.image_size == b->offer.image_size);
		assert_true(a->offer.data_size == b->offer.data_size);
	} else if (a->type == MESSAGE_GET) {
		assert_string_equal(a->get.package_id, b->get.package_id);
		assert_int_equal(a->get.version, b->get.version);
		assert_int_equal(a->get.priority, b->get.priority);
		assert_memory_equal(&a->get.root, &b->get.root, DIGEST_SIZE);
	} else {
		assert_memory_equal(&a->fetch.root, &b->fetch.root,
				    DIGEST_SIZE);
		assert_string_equal(a->fetch.package_id, b->fetch.package_id);
		assert_int_equal(a->fetch.version, b->fetch.version);
		assert_int_equal(a->fetch.count, b->fetch.count);
		for (uint32_t i = 0; i < a->fetch.count; i++)
			assert_same_index(message_get_index(&a->fetch, i),
					  message_get_index(&b->fetch, i));
	}
}

static void
same_metadata(const struct message *a, const struct message *b)
{
	if (a->type == MESSAGE_WANT) {
		assert_int_equal(a->want.page_count, b->want.page_count);
		assert_same_index(a->want.next, b->want.next);
		assert_int_equal(a->want.may_pick, b->want.may_pick);
		assert_int_equal(a->want.have_count, b->want.have_count);
		for (unsigned i = 0; i < a->want.have_count; i++) {
			assert_int_equal(a->want.haves[i].has_tables,
					 b->want.haves[i].has_tables);
			assert_memory_equal(&a->want.haves[i].root,
					    &b->want.haves[i].root,
					    DIGEST_SIZE);
		}
	} else if (a->type == MESSAGE_ROOT) {
		assert_memory_equal(&a->root.base, &b->root.base, DIGEST_SIZE);
		assert_int_equal(a->root.is_picked, b->root.is_picked);
		assert_int_equal(a->root.raw_size, b->root.raw_size);
		assert_same_bytes(a->root.frame, a->root.frame_size,
				  b->root.frame, b->root.frame_size);
		assert_same_bytes(a->root.signature, a->root.signature_size,
				  b->root.signature, b->root.signature_size);
	} else {
		assert_int_equal(a->page.index, b->page.index);
		assert_int_equal(a->page.base_first, b->page.base_first);
		assert_int_equal(a->page.base_count, b->page.base_count);
		assert_same_bytes(a->page.frame, a->page.frame_size,
				  b->page.frame, b->page.frame_size);
		assert_same_bytes(a->page.digests, a->page.digests_size,
				  b->page.digests, b->page.digests_size);
	}
}

static void
same_block(const struct message *a, const struct message *b)
{
	if (a->type == MESSAGE_COPY) {
		assert_same_index(a->copy.first, b->copy.first);
		assert_int_equal(a->copy.count, b->copy.count);
		assert_true(a->copy.old_first == b->copy.old_first);
	} else if (a->type == MESSAGE_FRAME) {
		assert_same_index(a->frame.index, b->frame.index);
		assert_int_equal(a->frame.is_local, b->frame.is_local);
		assert_same_bytes(a->frame.frame, a->frame.size, b->frame.frame,
				  b->frame.size);
	} else {
		assert_same_index(a->delta.index, b->delta.index);
		assert_same_bytes(
			a->delta.ranges,
			(size_t)a->delta.range_count * MESSAGE_RANGE_SIZE,
			b->delta.ranges,
			(size_t)b->delta.range_count * MESSAGE_RANGE_SIZE);
		assert_same_bytes(a->delta.frame, a->delta.frame_size,
				  b->delta.frame, b->delta.frame_size);
	}
}

static void
same_answer(const struct message *a, const struct message *b)
{
	if (a->type == MESSAGE_PICK) {
		assert_int_equal(a->pick.page, b->pick.page);
		assert_same_bytes(a->pick.bits, a->pick.size, b->pick.bits,
				  b->pick.size);
	} else if (a->type == MESSAGE_NEED) {
		assert_same_index(a->need.index, b->need.index);
		assert_int_equal(a->need.is_plain, b->need.is_plain);
	} else if (a->type == MESSAGE_BACK) {
		assert_same_index(a->back, b->back);
	} else if (a->type == MESSAGE_ACK) {
		assert_same_index(a->ack.written, b->ack.written);
		assert_same_index(a->ack.synced, b->ack.synced);
	} else if (a->type == MESSAGE_DONE) {
		assert_int_equal(a->done_was_there, b->done_was_there);
	} else if (a->type == MESSAGE_ERROR) {
		assert_int_equal(a->error.err, b->error.err);
		assert_same_bytes(a->error.text, a->error.text_size,
				  b->error.text, b->error.text_size);
	}
}

void
assert_same_message(const struct message *a, const struct message *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->transfer, b->transfer);
	switch (a->type) {
	case MESSAGE_OFFER:
	case MESSAGE_GET:
	case MESSAGE_FETCH:
		same_opening(a, b);
		break;
	case MESSAGE_WANT:
	case MESSAGE_ROOT:
	case MESSAGE_PAGE:
		same_metadata(a, b);
		break;
	case MESSAGE_COPY:
	case MESSAGE_FRAME:
	case MESSAGE_DELTA:
		same_block(a, b);
		break;
	default:
		same_answer(a, b);
		break;
	}
}
