/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MESSAGE_H
#define MESSAGE_H

/*
 * message - what the two ends of a link say to each other, as bytes.
 *
 * docs/protocol.md has who sends what and the offsets.  Here one message is
 * written or read; whether it may come now is the business of link.h.
 *
 * Errors     DSP_EPROTOCOL: the bytes break a rule.  DSP_ENOMEM.
 * Ownership  Pointers in a message that was read are into the payload.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/base/digest.h"
#include "core/image/root.h"

enum message_type {
	MESSAGE_OFFER = 1,
	MESSAGE_GET = 2,
	MESSAGE_WANT = 3,
	MESSAGE_ROOT = 4,
	MESSAGE_PAGE = 5,
	MESSAGE_COPY = 6,
	MESSAGE_FRAME = 7,
	MESSAGE_DELTA = 8,
	MESSAGE_END = 9,
	MESSAGE_PICK = 10,
	MESSAGE_NEED = 11,
	MESSAGE_BACK = 12,
	MESSAGE_ACK = 13,
	MESSAGE_DONE = 14,
	MESSAGE_FETCH = 15,
	MESSAGE_ERROR = 16,
	MESSAGE_TYPE_COUNT,
	MESSAGE_OPTIONAL = 128, /* from here on: skip what is not known */
	MESSAGE_BUSY = 128	/* nothing to say, but still there */
};

enum {
	MESSAGE_HEADER_SIZE = 8,
	MESSAGE_HELLO_SIZE = 32,
	MESSAGE_HELLO_SIZE_MAX = 16 + 4096,
	MESSAGE_HAVE_COUNT_MAX = 8,
	MESSAGE_RANGE_SIZE = 12,	/* u64 offset, u32 size */
	MESSAGE_RANGE_COUNT_MAX = 1024, /* of one delta */
	MESSAGE_BASE_PAGE_COUNT_MAX = 8,
	MESSAGE_FETCH_COUNT_MAX = 1024,
	MESSAGE_TEXT_MAX = 500, /* bytes of an error's text */
	MESSAGE_SIGNATURE_MAX = 4096
};

/* Bytes of old pages, and of old frames' digests, that a page may use. */
#define MESSAGE_PAGE_BASE_MAX (2u << 20)

enum message_priority { MESSAGE_LOW, MESSAGE_MEDIUM, MESSAGE_HIGH };

/* Hello: what an end says before all else. */
struct message_hello {
	unsigned major, minor;
	bool is_opener; /* it opened the stream */
	bool can_send, can_receive;
	uint32_t transfer_max; /* open at once */
};

void message_put_hello(uint8_t bytes[MESSAGE_HELLO_SIZE],
		       const struct message_hello *hello);

/*
 * Read a hello of which size bytes are there.  *ret_size is its whole size,
 * 0 while there are too few bytes to know; *ret_hello is only written when
 * all of it is there.  DSP_EFORMAT: the other end is no Despool.
 * DSP_EVERSION: another major version.
 */
int message_get_hello(const uint8_t *bytes, size_t size, size_t *ret_size,
		      struct message_hello *ret_hello);

/* Which block of an image: its page, and the block in that page. */
struct block_index {
	uint32_t page;
	uint32_t block;
};

struct message_offer {
	struct digest root;
	char package_id[PACKAGE_ID_SIZE + 1];
	uint32_t version;
	enum message_priority priority;
	bool may_roll_back;
	uint64_t image_size;
	uint64_t data_size;
	struct digest content;
};

struct message_get {
	char package_id[PACKAGE_ID_SIZE + 1];
	uint32_t version; /* 0: the highest */
	enum message_priority priority;
	uint16_t wait_s;    /* for it to come, where it is not yet */
	struct digest root; /* zeros: any */
};

struct message_have {
	bool has_tables; /* not a manifest only */
	struct digest root;
};

struct message_want {
	uint32_t page_count;	 /* that are here */
	struct block_index next; /* first block that is not */
	bool may_pick;
	unsigned have_count;
	struct message_have haves[MESSAGE_HAVE_COUNT_MAX];
};

struct message_root {
	struct digest base; /* zeros: none */
	bool is_picked;
	uint32_t raw_size;
	uint32_t frame_size;
	uint32_t signature_size;
	const uint8_t *frame;
	const uint8_t *signature;
};

struct message_page {
	uint32_t index;
	uint32_t base_first;
	uint32_t base_count;
	uint32_t frame_size; /* 0: equal to the base's */
	uint32_t digests_size;
	const uint8_t *frame;
	const uint8_t *digests;
};

struct message_copy {
	struct block_index first;
	uint32_t count;
	uint64_t old_first;
};

struct message_frame {
	struct block_index index;
	bool is_local;
	uint32_t size;
	const uint8_t *frame;
};

struct message_delta {
	struct block_index index;
	uint32_t range_count;
	uint32_t frame_size;
	const uint8_t *ranges; /* MESSAGE_RANGE_SIZE each */
	const uint8_t *frame;
};

struct message_pick {
	uint32_t page;
	uint32_t size;
	const uint8_t *bits;
};

struct message_need {
	struct block_index index;
	bool is_plain; /* no deltas and copies any more */
};

struct message_ack {
	struct block_index written; /* first that is missing */
	struct block_index synced;  /* first that power loss could take */
};

struct message_fetch {
	struct digest root;
	char package_id[PACKAGE_ID_SIZE + 1];
	uint32_t version;
	uint32_t count;
	const uint8_t *indexes; /* u32 page, u32 block each; ascending */
};

struct message_error {
	int err; /* a negative enum dsp_err; DSP_EIO for an unknown number */
	size_t text_size;
	const char *text; /* not NUL-terminated; printable */
};

struct message {
	enum message_type type;
	uint16_t transfer;

	/* Of one that came, said by the link: see link_take(). */
	void *context;
	bool is_sending;

	union {
		struct message_offer offer;
		struct message_get get;
		struct message_want want;
		struct message_root root;
		struct message_page page;
		struct message_copy copy;
		struct message_frame frame;
		struct message_delta delta;
		struct message_pick pick;
		struct message_need need;
		struct block_index back;
		struct message_ack ack;
		bool done_was_there;
		struct message_fetch fetch;
		struct message_error error;
	};
};

/* Append a message, with its header, to *out. */
int message_put(struct buffer *out, const struct message *message);

/* What a header says. */
struct message_header {
	uint32_t size; /* of the payload */
	uint16_t transfer;
	unsigned type;
};

int message_get_header(const uint8_t bytes[MESSAGE_HEADER_SIZE],
		       struct message_header *ret_header);

/*
 * Read a payload of a known type.  is_newer: the other end's minor version is
 * higher than ours, and messages of fixed size may be longer.
 */
int message_get(const struct message_header *header, const uint8_t *payload,
		bool is_newer, struct message *ret_message);

/* The i-th range of a delta. */
void message_get_range(const struct message_delta *delta, uint32_t i,
		       uint64_t *ret_offset, uint32_t *ret_size);

/* The i-th index of a FETCH. */
struct block_index message_get_index(const struct message_fetch *fetch,
				     uint32_t i);

/* Below 0, 0 or above 0: order in the image. */
int block_index_compare(struct block_index a, struct block_index b);

#endif
