/* SPDX-License-Identifier: Apache-2.0 */
#include "core/link/message.h"

#include <assert.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/chunk/frame.h"

#define HELLO_WORD  "DSPLLINK"
#define HELLO_MAJOR 1
#define HELLO_MINOR 0

enum {
	HELLO_FIXED_SIZE = 16, /* up to the size of what follows */
	HELLO_REST_MIN = 16,
	HELLO_REST_MAX = 4096,
	HELLO_IS_OPENER = 1,
	HELLO_CAN_SEND = 2,
	HELLO_CAN_RECEIVE = 4,
	INDEX_SIZE = 8,
	HAVE_SIZE = 4 + DIGEST_SIZE,
	NEWER_EXTRA_MAX = 256 /* bytes that a newer minor may add */
};

/* How long each fixed part is; whether more follows it. */
static const struct {
	uint16_t size;
	bool is_open;
} layouts[MESSAGE_TYPE_COUNT] = {
	[MESSAGE_OFFER] = { 96, false }, [MESSAGE_GET] = { 48, false },
	[MESSAGE_WANT] = { 16, true },	 [MESSAGE_ROOT] = { 48, true },
	[MESSAGE_PAGE] = { 16, true },	 [MESSAGE_COPY] = { 24, false },
	[MESSAGE_FRAME] = { 12, true },	 [MESSAGE_DELTA] = { 12, true },
	[MESSAGE_END] = { 0, false },	 [MESSAGE_PICK] = { 4, true },
	[MESSAGE_NEED] = { 16, false },	 [MESSAGE_BACK] = { 8, false },
	[MESSAGE_ACK] = { 16, false },	 [MESSAGE_DONE] = { 4, false },
	[MESSAGE_FETCH] = { 48, true },	 [MESSAGE_ERROR] = { 2, true },
};

void
message_put_hello(uint8_t bytes[MESSAGE_HELLO_SIZE],
		  const struct message_hello *hello)
{
	memset(bytes, 0, MESSAGE_HELLO_SIZE);
	memcpy(bytes, HELLO_WORD, 8);
	le16_put(bytes + 8, HELLO_MAJOR);
	le16_put(bytes + 10, HELLO_MINOR);
	le32_put(bytes + 12, HELLO_REST_MIN);
	le32_put(bytes + 16,
		 (hello->is_opener ? HELLO_IS_OPENER : 0u) |
			 (hello->can_send ? HELLO_CAN_SEND : 0u) |
			 (hello->can_receive ? HELLO_CAN_RECEIVE : 0u));
	le32_put(bytes + 20, hello->transfer_max);
}

int
message_get_hello(const uint8_t *bytes, size_t size, size_t *ret_size,
		  struct message_hello *ret_hello)
{
	struct message_hello hello;
	size_t known = size < 8 ? size : 8;
	uint32_t flags, rest;

	/* Somebody else's first words are told from ours by the first byte. */
	if (memcmp(bytes, HELLO_WORD, known) != 0)
		return DSP_EFORMAT;
	*ret_size = 0;
	if (size < HELLO_FIXED_SIZE)
		return 0;
	hello.major = le16_get(bytes + 8);
	hello.minor = le16_get(bytes + 10);
	rest = le32_get(bytes + 12);
	if (hello.major != HELLO_MAJOR)
		return DSP_EVERSION;
	if (rest < HELLO_REST_MIN || rest > HELLO_REST_MAX)
		return DSP_EPROTOCOL;
	*ret_size = HELLO_FIXED_SIZE + rest;
	if (size < *ret_size)
		return 0;
	flags = le32_get(bytes + 16);
	hello.is_opener = (flags & HELLO_IS_OPENER) != 0;
	hello.can_send = (flags & HELLO_CAN_SEND) != 0;
	hello.can_receive = (flags & HELLO_CAN_RECEIVE) != 0;
	hello.transfer_max = le32_get(bytes + 20);
	if (hello.transfer_max == 0)
		return DSP_EPROTOCOL;
	*ret_hello = hello;
	return 0;
}

int
block_index_compare(struct block_index a, struct block_index b)
{
	if (a.page != b.page)
		return a.page < b.page ? -1 : 1;
	return (a.block > b.block) - (a.block < b.block);
}

/* Writing. */

static void
put_index(uint8_t *bytes, struct block_index index)
{
	le32_put(bytes, index.page);
	le32_put(bytes + 4, index.block);
}

static void
put_offer(uint8_t *bytes, const struct message_offer *offer)
{
	memcpy(bytes, offer->root.bytes, DIGEST_SIZE);
	memcpy(bytes + 32, offer->package_id, PACKAGE_ID_SIZE);
	le32_put(bytes + 40, offer->version);
	bytes[44] = (uint8_t)offer->priority;
	bytes[45] = offer->may_roll_back;
	le64_put(bytes + 48, offer->image_size);
	le64_put(bytes + 56, offer->data_size);
	memcpy(bytes + 64, offer->content.bytes, DIGEST_SIZE);
}

static void
put_get(uint8_t *bytes, const struct message_get *get)
{
	memcpy(bytes, get->package_id, PACKAGE_ID_SIZE);
	le32_put(bytes + 8, get->version);
	bytes[12] = (uint8_t)get->priority;
	le16_put(bytes + 14, get->wait_s);
	memcpy(bytes + 16, get->root.bytes, DIGEST_SIZE);
}

static void
put_want(uint8_t *bytes, const struct message_want *want)
{
	le32_put(bytes, want->page_count);
	put_index(bytes + 4, want->next);
	le16_put(bytes + 12, want->may_pick);
	le16_put(bytes + 14, (uint16_t)want->have_count);
	for (unsigned i = 0; i < want->have_count; i++) {
		uint8_t *have = bytes + 16 + i * HAVE_SIZE;

		le32_put(have, want->haves[i].has_tables);
		memcpy(have + 4, want->haves[i].root.bytes, DIGEST_SIZE);
	}
}

static void
put_root(uint8_t *bytes, const struct message_root *root)
{
	memcpy(bytes, root->base.bytes, DIGEST_SIZE);
	bytes[32] = root->is_picked;
	le32_put(bytes + 36, root->raw_size);
	le32_put(bytes + 40, root->frame_size);
	le32_put(bytes + 44, root->signature_size);
}

static void
put_page(uint8_t *bytes, const struct message_page *page)
{
	le32_put(bytes, page->index);
	le32_put(bytes + 4, page->base_first);
	le32_put(bytes + 8, page->base_count);
	le32_put(bytes + 12, page->frame_size);
}

static void
put_copy(uint8_t *bytes, const struct message_copy *copy)
{
	put_index(bytes, copy->first);
	le32_put(bytes + 8, copy->count);
	le64_put(bytes + 16, copy->old_first);
}

static void
put_fetch(uint8_t *bytes, const struct message_fetch *fetch)
{
	memcpy(bytes, fetch->root.bytes, DIGEST_SIZE);
	memcpy(bytes + 32, fetch->package_id, PACKAGE_ID_SIZE);
	le32_put(bytes + 40, fetch->version);
	le32_put(bytes + 44, fetch->count);
}

/* The fixed part; HAVEs are written with it. */
static void
put_fixed(uint8_t *bytes, const struct message *message)
{
	switch (message->type) {
	case MESSAGE_OFFER:
		put_offer(bytes, &message->offer);
		break;
	case MESSAGE_GET:
		put_get(bytes, &message->get);
		break;
	case MESSAGE_WANT:
		put_want(bytes, &message->want);
		break;
	case MESSAGE_ROOT:
		put_root(bytes, &message->root);
		break;
	case MESSAGE_PAGE:
		put_page(bytes, &message->page);
		break;
	case MESSAGE_COPY:
		put_copy(bytes, &message->copy);
		break;
	case MESSAGE_FRAME:
		put_index(bytes, message->frame.index);
		le32_put(bytes + 8, message->frame.is_local);
		break;
	case MESSAGE_DELTA:
		put_index(bytes, message->delta.index);
		le32_put(bytes + 8, message->delta.range_count);
		break;
	case MESSAGE_PICK:
		le32_put(bytes, message->pick.page);
		break;
	case MESSAGE_NEED:
		put_index(bytes, message->need.index);
		le32_put(bytes + 8, message->need.is_plain);
		break;
	case MESSAGE_BACK:
		put_index(bytes, message->back);
		break;
	case MESSAGE_ACK:
		put_index(bytes, message->ack.written);
		put_index(bytes + INDEX_SIZE, message->ack.synced);
		break;
	case MESSAGE_DONE:
		le32_put(bytes, message->done_was_there);
		break;
	case MESSAGE_FETCH:
		put_fetch(bytes, &message->fetch);
		break;
	case MESSAGE_ERROR:
		le16_put(bytes, (uint16_t)-message->error.err);
		break;
	case MESSAGE_END:
	case MESSAGE_TYPE_COUNT:
	case MESSAGE_OPTIONAL:
		break;
	}
}

/* The variable part: up to two pieces. */
struct pieces {
	const void *data[2];
	size_t size[2];
};

static struct pieces
variable_part(const struct message *message)
{
	struct pieces pieces = { { NULL, NULL }, { 0, 0 } };

	switch (message->type) {
	case MESSAGE_ROOT:
		pieces = (struct pieces){ { message->root.frame,
					    message->root.signature },
					  { message->root.frame_size,
					    message->root.signature_size } };
		break;
	case MESSAGE_PAGE:
		pieces = (struct pieces){
			{ message->page.frame, message->page.digests },
			{ message->page.frame_size, message->page.digests_size }
		};
		break;
	case MESSAGE_DELTA:
		pieces = (struct pieces){ { message->delta.ranges,
					    message->delta.frame },
					  { (size_t)message->delta.range_count *
						    MESSAGE_RANGE_SIZE,
					    message->delta.frame_size } };
		break;
	case MESSAGE_FRAME:
		pieces.data[0] = message->frame.frame;
		pieces.size[0] = message->frame.size;
		break;
	case MESSAGE_PICK:
		pieces.data[0] = message->pick.bits;
		pieces.size[0] = message->pick.size;
		break;
	case MESSAGE_FETCH:
		pieces.data[0] = message->fetch.indexes;
		pieces.size[0] = (size_t)message->fetch.count * INDEX_SIZE;
		break;
	case MESSAGE_ERROR:
		pieces.data[0] = message->error.text;
		pieces.size[0] = message->error.text_size;
		break;
	default:
		break;
	}
	return pieces;
}

int
message_put(struct buffer *out, const struct message *message)
{
	enum { FIXED_MAX = 16 + MESSAGE_HAVE_COUNT_MAX * HAVE_SIZE };
	uint8_t bytes[MESSAGE_HEADER_SIZE + FIXED_MAX] = { 0 };
	struct pieces pieces = variable_part(message);
	size_t fixed = layouts[message->type].size;
	size_t size;
	int err;

	assert(message->type > 0 && message->type < MESSAGE_TYPE_COUNT);
	if (message->type == MESSAGE_WANT) {
		assert(message->want.have_count <= MESSAGE_HAVE_COUNT_MAX);
		fixed += message->want.have_count * HAVE_SIZE;
	}
	size = fixed + pieces.size[0] + pieces.size[1];
	le32_put(bytes, (uint32_t)size);
	le16_put(bytes + 4, message->transfer);
	bytes[6] = (uint8_t)message->type;
	put_fixed(bytes + MESSAGE_HEADER_SIZE, message);
	err = buffer_reserve(out, MESSAGE_HEADER_SIZE + size);
	if (err < 0)
		return err;
	(void)buffer_add(out, bytes, MESSAGE_HEADER_SIZE + fixed);
	for (int i = 0; i < 2; i++)
		if (pieces.size[i] > 0)
			(void)buffer_add(out, pieces.data[i], pieces.size[i]);
	return 0;
}

/* Reading. */

int
message_get_header(const uint8_t bytes[MESSAGE_HEADER_SIZE],
		   struct message_header *ret_header)
{
	if (bytes[7] != 0)
		return DSP_EPROTOCOL;
	ret_header->size = le32_get(bytes);
	ret_header->transfer = le16_get(bytes + 4);
	ret_header->type = bytes[6];
	return 0;
}

static struct block_index
get_index(const uint8_t *bytes)
{
	return (struct block_index){ le32_get(bytes), le32_get(bytes + 4) };
}

static int
get_package_id(const uint8_t *bytes, char id[PACKAGE_ID_SIZE + 1])
{
	memcpy(id, bytes, PACKAGE_ID_SIZE);
	id[PACKAGE_ID_SIZE] = '\0';
	return package_id_is_valid(id) ? 0 : DSP_EPROTOCOL;
}

static int
get_priority(uint8_t byte, enum message_priority *ret_priority)
{
	if (byte > MESSAGE_HIGH)
		return DSP_EPROTOCOL;
	*ret_priority = (enum message_priority)byte;
	return 0;
}

static int
get_offer(const uint8_t *bytes, struct message_offer *offer)
{
	memcpy(offer->root.bytes, bytes, DIGEST_SIZE);
	offer->version = le32_get(bytes + 40);
	offer->may_roll_back = (bytes[45] & 1) != 0;
	offer->image_size = le64_get(bytes + 48);
	offer->data_size = le64_get(bytes + 56);
	memcpy(offer->content.bytes, bytes + 64, DIGEST_SIZE);
	if (offer->version == 0 || digest_is_zero(&offer->root) ||
	    get_priority(bytes[44], &offer->priority) < 0)
		return DSP_EPROTOCOL;
	return get_package_id(bytes + 32, offer->package_id);
}

static int
get_get(const uint8_t *bytes, struct message_get *get)
{
	get->version = le32_get(bytes + 8);
	get->wait_s = le16_get(bytes + 14);
	memcpy(get->root.bytes, bytes + 16, DIGEST_SIZE);
	if (get_priority(bytes[12], &get->priority) < 0)
		return DSP_EPROTOCOL;
	return get_package_id(bytes, get->package_id);
}

static int
get_want(const uint8_t *bytes, size_t size, bool is_newer,
	 struct message_want *want)
{
	size_t whole;

	want->page_count = le32_get(bytes);
	want->next = get_index(bytes + 4);
	want->may_pick = (le16_get(bytes + 12) & 1) != 0;
	want->have_count = le16_get(bytes + 14);
	whole = 16 + (size_t)want->have_count * HAVE_SIZE;
	if (want->have_count > MESSAGE_HAVE_COUNT_MAX || size < whole ||
	    size - whole > (is_newer ? NEWER_EXTRA_MAX : 0))
		return DSP_EPROTOCOL;
	for (unsigned i = 0; i < want->have_count; i++) {
		const uint8_t *have = bytes + 16 + i * HAVE_SIZE;

		want->haves[i].has_tables = (le32_get(have) & 1) != 0;
		memcpy(want->haves[i].root.bytes, have + 4, DIGEST_SIZE);
	}
	return 0;
}

static int
get_root(const uint8_t *bytes, size_t size, struct message_root *root)
{
	size_t rest = size - 48;

	memcpy(root->base.bytes, bytes, DIGEST_SIZE);
	root->is_picked = bytes[32] == 1;
	root->raw_size = le32_get(bytes + 36);
	root->frame_size = le32_get(bytes + 40);
	root->signature_size = le32_get(bytes + 44);
	if (bytes[32] > 1 || root->raw_size == 0 ||
	    root->raw_size > ROOT_SIZE_MAX ||
	    root->signature_size > MESSAGE_SIGNATURE_MAX ||
	    root->frame_size > rest ||
	    root->signature_size != rest - root->frame_size)
		return DSP_EPROTOCOL;
	root->frame = bytes + 48;
	root->signature = root->frame + root->frame_size;
	return 0;
}

static int
get_page(const uint8_t *bytes, size_t size, struct message_page *page)
{
	size_t rest = size - 16;

	page->index = le32_get(bytes);
	page->base_first = le32_get(bytes + 4);
	page->base_count = le32_get(bytes + 8);
	page->frame_size = le32_get(bytes + 12);
	if (page->base_count > MESSAGE_BASE_PAGE_COUNT_MAX ||
	    page->frame_size > rest ||
	    (page->frame_size == 0 && page->base_count != 1))
		return DSP_EPROTOCOL;
	page->frame = bytes + 16;
	page->digests = page->frame + page->frame_size;
	page->digests_size = (uint32_t)(rest - page->frame_size);
	return 0;
}

static int
get_copy(const uint8_t *bytes, struct message_copy *copy)
{
	copy->first = get_index(bytes);
	copy->count = le32_get(bytes + 8);
	copy->old_first = le64_get(bytes + 16);
	return copy->count > 0 ? 0 : DSP_EPROTOCOL;
}

static int
get_delta(const uint8_t *bytes, size_t size, struct message_delta *delta)
{
	size_t rest = size - 12;
	uint64_t total = 0;
	size_t ranges_size;

	delta->index = get_index(bytes);
	delta->range_count = le32_get(bytes + 8);
	if (delta->range_count == 0 ||
	    delta->range_count > MESSAGE_RANGE_COUNT_MAX)
		return DSP_EPROTOCOL;
	ranges_size = (size_t)delta->range_count * MESSAGE_RANGE_SIZE;
	if (ranges_size > rest)
		return DSP_EPROTOCOL;
	delta->ranges = bytes + 12;
	delta->frame = delta->ranges + ranges_size;
	delta->frame_size = (uint32_t)(rest - ranges_size);
	for (uint32_t i = 0; i < delta->range_count; i++) {
		uint64_t offset;
		uint32_t range;

		message_get_range(delta, i, &offset, &range);
		total += range;
		if (range == 0 || offset > UINT64_MAX - range)
			return DSP_EPROTOCOL;
	}
	return total <= FRAME_BASE_MAX ? 0 : DSP_EPROTOCOL;
}

static int
get_fetch(const uint8_t *bytes, size_t size, struct message_fetch *fetch)
{
	memcpy(fetch->root.bytes, bytes, DIGEST_SIZE);
	fetch->version = le32_get(bytes + 40);
	fetch->count = le32_get(bytes + 44);
	fetch->indexes = bytes + 48;
	if (fetch->count == 0 || fetch->count > MESSAGE_FETCH_COUNT_MAX ||
	    size != 48 + (size_t)fetch->count * INDEX_SIZE)
		return DSP_EPROTOCOL;
	for (uint32_t i = 1; i < fetch->count; i++)
		if (block_index_compare(message_get_index(fetch, i - 1),
					message_get_index(fetch, i)) >= 0)
			return DSP_EPROTOCOL;
	return get_package_id(bytes + 32, fetch->package_id);
}

static int
get_error(const uint8_t *bytes, size_t size, struct message_error *error)
{
	int err = -(int)le16_get(bytes);

	error->text = (const char *)bytes + 2;
	error->text_size = size - 2;
	if (err == 0 || error->text_size > MESSAGE_TEXT_MAX)
		return DSP_EPROTOCOL;
	error->err = strcmp(err_symbol(err), "UNKNOWN") != 0 ? err : DSP_EIO;
	return 0;
}

int
message_get(const struct message_header *header, const uint8_t *payload,
	    bool is_newer, struct message *ret_message)
{
	struct message *message = ret_message;
	size_t size = header->size;
	size_t fixed;

	if (header->type == 0 || header->type >= MESSAGE_TYPE_COUNT)
		return DSP_EPROTOCOL;
	fixed = layouts[header->type].size;
	if (size < fixed || (!layouts[header->type].is_open &&
			     size > fixed + (is_newer ? NEWER_EXTRA_MAX : 0)))
		return DSP_EPROTOCOL;
	message->type = (enum message_type)header->type;
	message->transfer = header->transfer;
	switch (message->type) {
	case MESSAGE_OFFER:
		return get_offer(payload, &message->offer);
	case MESSAGE_GET:
		return get_get(payload, &message->get);
	case MESSAGE_WANT:
		return get_want(payload, size, is_newer, &message->want);
	case MESSAGE_ROOT:
		return get_root(payload, size, &message->root);
	case MESSAGE_PAGE:
		return get_page(payload, size, &message->page);
	case MESSAGE_COPY:
		return get_copy(payload, &message->copy);
	case MESSAGE_FRAME:
		message->frame.index = get_index(payload);
		message->frame.is_local = (le32_get(payload + 8) & 1) != 0;
		message->frame.frame = payload + 12;
		message->frame.size = (uint32_t)(size - 12);
		return message->frame.size > 0 ? 0 : DSP_EPROTOCOL;
	case MESSAGE_DELTA:
		return get_delta(payload, size, &message->delta);
	case MESSAGE_PICK:
		message->pick.page = le32_get(payload);
		message->pick.bits = payload + 4;
		message->pick.size = (uint32_t)(size - 4);
		return 0;
	case MESSAGE_NEED:
		message->need.index = get_index(payload);
		message->need.is_plain = (le32_get(payload + 8) & 1) != 0;
		return 0;
	case MESSAGE_BACK:
		message->back = get_index(payload);
		return 0;
	case MESSAGE_ACK:
		message->ack.written = get_index(payload);
		message->ack.synced = get_index(payload + INDEX_SIZE);
		return 0;
	case MESSAGE_DONE:
		message->done_was_there = (le32_get(payload) & 1) != 0;
		return 0;
	case MESSAGE_FETCH:
		return get_fetch(payload, size, &message->fetch);
	case MESSAGE_ERROR:
		return get_error(payload, size, &message->error);
	case MESSAGE_END:
	case MESSAGE_TYPE_COUNT:
	case MESSAGE_OPTIONAL:
		break;
	}
	return 0;
}

void
message_get_range(const struct message_delta *delta, uint32_t i,
		  uint64_t *ret_offset, uint32_t *ret_size)
{
	const uint8_t *range = delta->ranges + (size_t)i * MESSAGE_RANGE_SIZE;

	*ret_offset = le64_get(range);
	*ret_size = le32_get(range + 8);
}

struct block_index
message_get_index(const struct message_fetch *fetch, uint32_t i)
{
	return get_index(fetch->indexes + (size_t)i * INDEX_SIZE);
}
