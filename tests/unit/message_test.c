/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Messages and the hello, as bytes: each type comes back as it was written,
 * its bytes are the same everywhere, and what breaks a rule is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/chunk/frame.h"
#include "core/image/page.h"
#include "core/link/message.h"
#include "tests/unit/sample_messages.h"
#include "tests/unit/support.h"

static const char *const names[MESSAGE_TYPE_COUNT] = {
	[MESSAGE_OFFER] = "offer", [MESSAGE_GET] = "get",
	[MESSAGE_WANT] = "want",   [MESSAGE_ROOT] = "root",
	[MESSAGE_PAGE] = "page",   [MESSAGE_COPY] = "copy",
	[MESSAGE_FRAME] = "frame", [MESSAGE_DELTA] = "delta",
	[MESSAGE_END] = "end",	   [MESSAGE_PICK] = "pick",
	[MESSAGE_NEED] = "need",   [MESSAGE_BACK] = "back",
	[MESSAGE_ACK] = "ack",	   [MESSAGE_DONE] = "done",
	[MESSAGE_FETCH] = "fetch", [MESSAGE_ERROR] = "error",
};

static struct buffer
put(const struct message *message)
{
	struct buffer out = { 0 };

	assert_int_equal(message_put(&out, message), 0);
	return out;
}

/*
 * Read what was put, from a copy whose end a sanitizer knows; the copy is
 * kept until the next call, for the message points into it.
 */
static int
get(const struct buffer *bytes, size_t payload_size, bool is_newer,
    struct message *ret_message)
{
	static uint8_t *copy;
	struct message_header header;
	int err = message_get_header(bytes->data, &header);

	if (err < 0)
		return err;
	free(copy);
	copy = must_malloc(payload_size + 1);
	copy = realloc(copy, payload_size > 0 ? payload_size : 1);
	assert_non_null(copy);
	memcpy(copy, bytes->data + MESSAGE_HEADER_SIZE, payload_size);
	header.size = (uint32_t)payload_size;
	memset(ret_message, 0, sizeof *ret_message);
	return message_get(&header, copy, is_newer, ret_message);
}

static void
every_message_comes_back(void **state)
{
	(void)state;
	for (int type = 1; type < MESSAGE_TYPE_COUNT; type++) {
		struct message sent = sample_message((enum message_type)type);
		struct buffer bytes = put(&sent);
		struct message_header header;
		struct message got;

		assert_int_equal(message_get_header(bytes.data, &header), 0);
		assert_int_equal(header.size, bytes.size - MESSAGE_HEADER_SIZE);
		assert_int_equal(header.type, type);
		assert_int_equal(header.transfer, sent.transfer);
		assert_int_equal(get(&bytes, header.size, false, &got), 0);
		assert_same_message(&sent, &got);
		buffer_release(&bytes);
	}
}

static void
every_message_is_the_same_bytes_everywhere(void **state)
{
	struct message_hello hello = { .is_opener = true,
				       .can_send = true,
				       .transfer_max = 0x01020304 };
	uint8_t bytes[MESSAGE_HELLO_SIZE];
	struct digest digest;

	(void)state;
	for (int type = 1; type < MESSAGE_TYPE_COUNT; type++) {
		struct message sent = sample_message((enum message_type)type);
		struct buffer out = put(&sent);
		char name[32];

		snprintf(name, sizeof name, "message-%s", names[type]);
		digest_of(out.data, out.size, &digest);
		assert_golden(name, &digest);
		buffer_release(&out);
	}
	message_put_hello(bytes, &hello);
	digest_of(bytes, sizeof bytes, &digest);
	assert_golden("message-hello", &digest);
}

/* docs/protocol.md, offset by offset, of the one that is most often sent. */
static void
a_frame_stands_as_the_document_says(void **state)
{
	static const uint8_t expected[] = {
		19, 0, 0, 0, 0x02, 0x81, 7,   0, /* size, transfer, type */
		3,  0, 0, 0, 4,	   0,	 0,   0, /* page, block */
		1,  0, 0, 0, 'a',  ' ',	 'f', 'r', 'a', 'm', 'e',
	};
	struct message sent = sample_message(MESSAGE_FRAME);
	struct buffer bytes = put(&sent);

	(void)state;
	assert_int_equal(bytes.size, sizeof expected);
	assert_memory_equal(bytes.data, expected, sizeof expected);
	buffer_release(&bytes);
}

/* What is left of each when its end is cut off, still says less than is true. */
static bool
may_be_cut(enum message_type type, size_t size)
{
	switch (type) {
	case MESSAGE_FRAME: /* the frame is what remains */
		return size > 12;
	case MESSAGE_DELTA:
		return size >= 12 + 2 * MESSAGE_RANGE_SIZE;
	case MESSAGE_PAGE: /* so are the digests' frames */
		return size >= 16 + 5;
	case MESSAGE_PICK:
		return size >= 4;
	case MESSAGE_ERROR:
		return size >= 2;
	default:
		return false;
	}
}

static void
every_truncation_is_a_protocol_error(void **state)
{
	(void)state;
	for (int type = 1; type < MESSAGE_TYPE_COUNT; type++) {
		struct message sent = sample_message((enum message_type)type);
		struct buffer bytes = put(&sent);
		size_t whole = bytes.size - MESSAGE_HEADER_SIZE;
		struct message got;

		for (size_t size = 0; size < whole; size++)
			assert_int_equal(get(&bytes, size, false, &got),
					 may_be_cut((enum message_type)type,
						    size)
						 ? 0
						 : DSP_EPROTOCOL);
		buffer_release(&bytes);
	}
}

static bool
has_a_fixed_size(int type)
{
	return type != MESSAGE_ROOT && type != MESSAGE_PAGE &&
	       type != MESSAGE_FRAME && type != MESSAGE_DELTA &&
	       type != MESSAGE_PICK && type != MESSAGE_FETCH &&
	       type != MESSAGE_ERROR;
}

/* Also WANT, which let anything stand behind its versions. */
static void
bytes_behind_a_message_are_for_a_newer_minor_only(void **state)
{
	(void)state;
	for (int type = 1; type < MESSAGE_TYPE_COUNT; type++) {
		struct message sent = sample_message((enum message_type)type);
		struct buffer bytes = put(&sent);
		size_t whole = bytes.size - MESSAGE_HEADER_SIZE;
		uint8_t zeros[300] = { 0 };
		struct message got;

		assert_int_equal(buffer_add(&bytes, zeros, sizeof zeros), 0);
		if (has_a_fixed_size(type)) {
			assert_int_equal(get(&bytes, whole + 1, false, &got),
					 DSP_EPROTOCOL);
			assert_int_equal(get(&bytes, whole + 1, true, &got), 0);
			assert_same_message(&sent, &got);
			assert_int_equal(get(&bytes, whole + 256, true, &got),
					 0);
			assert_int_equal(get(&bytes, whole + 257, true, &got),
					 DSP_EPROTOCOL);
		}
		buffer_release(&bytes);
	}
}

/* One field of a good message is changed: at, size and value. */
struct lie {
	enum message_type type;
	size_t at;
	size_t size;
	uint64_t value;
};

static const struct lie lies[] = {
	{ MESSAGE_OFFER, 32, 1, '/' }, /* no package ID */
	{ MESSAGE_OFFER, 40, 4, 0 },   /* no version */
	{ MESSAGE_OFFER, 44, 1, 3 },   /* no priority */
	{ MESSAGE_GET, 3, 1, 'g' },
	{ MESSAGE_GET, 12, 1, 255 },
	{ MESSAGE_WANT, 14, 2, 3 }, /* versions that are not there */
	{ MESSAGE_WANT, 14, 2, 1 },
	{ MESSAGE_WANT, 14, 2, 9 },
	{ MESSAGE_WANT, 14, 2, 0xffff },
	{ MESSAGE_ROOT, 32, 1, 2 }, /* no method */
	{ MESSAGE_ROOT, 36, 4, 0 },
	{ MESSAGE_ROOT, 36, 4, ROOT_SIZE_MAX + 1 },
	{ MESSAGE_ROOT, 36, 4, UINT32_MAX },
	{ MESSAGE_ROOT, 40, 4, 6 },
	{ MESSAGE_ROOT, 40, 4, 15 },
	{ MESSAGE_ROOT, 40, 4, UINT32_MAX },
	{ MESSAGE_ROOT, 44, 4, 8 },
	{ MESSAGE_ROOT, 44, 4, UINT32_MAX },
	{ MESSAGE_PAGE, 8, 4, 9 }, /* base pages */
	{ MESSAGE_PAGE, 8, 4, UINT32_MAX },
	{ MESSAGE_PAGE, 12, 4, 9 },
	{ MESSAGE_PAGE, 12, 4, UINT32_MAX },
	{ MESSAGE_PAGE, 12, 4, 0 }, /* equal to eight pages */
	{ MESSAGE_COPY, 8, 4, 0 },
	{ MESSAGE_DELTA, 8, 4, 0 }, /* ranges */
	{ MESSAGE_DELTA, 8, 4, 3 },
	{ MESSAGE_DELTA, 8, 4, MESSAGE_RANGE_COUNT_MAX + 1 },
	{ MESSAGE_DELTA, 8, 4, UINT32_MAX },
	{ MESSAGE_DELTA, 20, 4, 0 },
	{ MESSAGE_DELTA, 20, 4, FRAME_BASE_MAX },
	{ MESSAGE_DELTA, 20, 4, UINT32_MAX },
	{ MESSAGE_DELTA, 12, 8, UINT64_MAX },
	{ MESSAGE_FETCH, 32, 1, 0 },
	{ MESSAGE_FETCH, 44, 4, 0 },
	{ MESSAGE_FETCH, 44, 4, 2 },
	{ MESSAGE_FETCH, 44, 4, 4 },
	{ MESSAGE_FETCH, 44, 4, UINT32_MAX },
	{ MESSAGE_FETCH, 44, 4, 1u << 29 }, /* times 8 is 0 in 32 bits */
	{ MESSAGE_FETCH, 52, 4, 0x10203 },  /* not a lie: still ascending */
	{ MESSAGE_FETCH, 68, 4, 0 },	    /* twice the same block */
	{ MESSAGE_FETCH, 64, 4, 0 },	    /* descending */
	{ MESSAGE_ERROR, 0, 2, 0 },
};

static void
every_lie_is_a_protocol_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		const struct lie *lie = &lies[i];
		struct message sent = sample_message(lie->type);
		struct buffer bytes = put(&sent);
		bool is_lie = lie->type != MESSAGE_FETCH || lie->at != 52;
		struct message got;

		for (size_t j = 0; j < lie->size; j++)
			bytes.data[MESSAGE_HEADER_SIZE + lie->at + j] =
				(uint8_t)(lie->value >> 8 * j);
		if (get(&bytes, bytes.size - MESSAGE_HEADER_SIZE, false,
			&got) != (is_lie ? DSP_EPROTOCOL : 0))
			fail_msg("lie %zu of a %s", i, names[lie->type]);
		buffer_release(&bytes);
	}
}

static void
an_empty_frame_is_a_protocol_error(void **state)
{
	struct message sent = sample_message(MESSAGE_FRAME);
	struct message got;
	struct buffer bytes;

	(void)state;
	sent.frame.size = 0;
	bytes = put(&sent);
	assert_int_equal(get(&bytes, 12, false, &got), DSP_EPROTOCOL);
	buffer_release(&bytes);
}

static void
a_header_is_read_whole(void **state)
{
	static const uint8_t bytes[] = { 1, 2, 3, 0xff, 5, 0xfe, 200, 0 };
	static const uint8_t bad[] = { 1, 2, 3, 4, 5, 6, 7, 1 };
	static const unsigned unknown[] = { 0, MESSAGE_TYPE_COUNT, 127, 128 };
	struct message_header header;
	struct message got;

	(void)state;
	assert_int_equal(message_get_header(bytes, &header), 0);
	assert_int_equal(header.size, 0xff030201);
	assert_int_equal(header.transfer, 0xfe05);
	assert_int_equal(header.type, 200);
	assert_int_equal(message_get_header(bad, &header), DSP_EPROTOCOL);
	for (size_t i = 0; i < 4; i++) {
		header.type = unknown[i];
		header.size = 8;
		assert_int_equal(message_get(&header, bytes, true, &got),
				 DSP_EPROTOCOL);
	}
}

static void
an_unknown_error_is_still_an_error(void **state)
{
	struct message sent = sample_message(MESSAGE_ERROR);
	struct buffer bytes = put(&sent);
	struct message got;

	(void)state;
	le16_put(bytes.data + MESSAGE_HEADER_SIZE, 60000);
	assert_int_equal(get(&bytes, 6, false, &got), 0);
	assert_int_equal(got.error.err, DSP_EIO);
	buffer_release(&bytes);
}

static void
the_text_of_an_error_is_limited(void **state)
{
	struct message sent = sample_message(MESSAGE_ERROR);
	char text[MESSAGE_TEXT_MAX + 1];
	struct message got;
	struct buffer bytes;

	(void)state;
	memset(text, 'x', sizeof text);
	sent.error.text = text;
	sent.error.text_size = sizeof text;
	bytes = put(&sent);
	assert_int_equal(get(&bytes, 2 + MESSAGE_TEXT_MAX, false, &got), 0);
	assert_int_equal(got.error.text_size, MESSAGE_TEXT_MAX);
	assert_int_equal(get(&bytes, 3 + MESSAGE_TEXT_MAX, false, &got),
			 DSP_EPROTOCOL);
	buffer_release(&bytes);
}

/* Hello. */

static void
put_hello(uint8_t bytes[MESSAGE_HELLO_SIZE])
{
	struct message_hello hello = { .can_receive = true, .transfer_max = 7 };

	message_put_hello(bytes, &hello);
}

static void
a_hello_is_read_when_all_of_it_is_there(void **state)
{
	uint8_t bytes[MESSAGE_HELLO_SIZE];
	struct message_hello hello = { .transfer_max = 99 };
	size_t size;

	(void)state;
	put_hello(bytes);
	for (size_t have = 0; have <= sizeof bytes; have++) {
		assert_int_equal(message_get_hello(bytes, have, &size, &hello),
				 0);
		assert_int_equal(size, have < 16 ? 0 : MESSAGE_HELLO_SIZE);
		assert_int_equal(hello.transfer_max,
				 have < sizeof bytes ? 99 : 7);
	}
	assert_int_equal(hello.major, 1);
	assert_int_equal(hello.minor, 0);
	assert_true(hello.can_receive);
	assert_false(hello.can_send);
	assert_false(hello.is_opener);
}

static void
another_first_byte_is_no_despool(void **state)
{
	static const char *const others[] = { "S", "HTTP/1.1 400", "DSPLLINX",
					      "DSPLIMAG", "\n" };
	struct message_hello hello;
	size_t size;

	(void)state;
	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		assert_int_equal(message_get_hello((const uint8_t *)others[i],
						   strlen(others[i]), &size,
						   &hello),
				 DSP_EFORMAT);
}

static void
another_major_version_is_a_newer_program(void **state)
{
	uint8_t bytes[MESSAGE_HELLO_SIZE];
	struct message_hello hello;
	size_t size;

	(void)state;
	put_hello(bytes);
	for (unsigned major = 0; major < 5; major++) {
		le16_put(bytes + 8, (uint16_t)major);
		assert_int_equal(message_get_hello(bytes, sizeof bytes, &size,
						   &hello),
				 major == 1 ? 0 : DSP_EVERSION);
	}
}

static void
a_longer_hello_of_a_newer_minor_is_read(void **state)
{
	uint8_t bytes[MESSAGE_HELLO_SIZE_MAX + 1] = { 0 };
	struct message_hello hello = { 0 };
	size_t size;

	(void)state;
	put_hello(bytes);
	le16_put(bytes + 10, 3);
	le32_put(bytes + 12, 4096);
	le32_put(bytes + 16, 0xfffffff8); /* flags that nobody knows yet */
	assert_int_equal(message_get_hello(bytes, 32, &size, &hello), 0);
	assert_int_equal(size, MESSAGE_HELLO_SIZE_MAX);
	assert_int_equal(hello.transfer_max, 0);
	assert_int_equal(message_get_hello(bytes, MESSAGE_HELLO_SIZE_MAX, &size,
					   &hello),
			 0);
	assert_int_equal(hello.minor, 3);
	assert_int_equal(hello.transfer_max, 7);
	assert_false(hello.can_receive);
}

static void
a_hello_that_lies_is_a_protocol_error(void **state)
{
	static const struct {
		size_t at;
		uint32_t value;
	} cases[] = {
		{ 12, 0 },	    { 12, 15 }, { 12, 4097 },
		{ 12, UINT32_MAX }, { 20, 0 },
	};
	struct message_hello hello;
	size_t size;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t bytes[MESSAGE_HELLO_SIZE];

		put_hello(bytes);
		le32_put(bytes + cases[i].at, cases[i].value);
		assert_int_equal(message_get_hello(bytes, sizeof bytes, &size,
						   &hello),
				 DSP_EPROTOCOL);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_comes_back),
		cmocka_unit_test(every_message_is_the_same_bytes_everywhere),
		cmocka_unit_test(a_frame_stands_as_the_document_says),
		cmocka_unit_test(every_truncation_is_a_protocol_error),
		cmocka_unit_test(
			bytes_behind_a_message_are_for_a_newer_minor_only),
		cmocka_unit_test(every_lie_is_a_protocol_error),
		cmocka_unit_test(an_empty_frame_is_a_protocol_error),
		cmocka_unit_test(a_header_is_read_whole),
		cmocka_unit_test(an_unknown_error_is_still_an_error),
		cmocka_unit_test(the_text_of_an_error_is_limited),
		cmocka_unit_test(a_hello_is_read_when_all_of_it_is_there),
		cmocka_unit_test(another_first_byte_is_no_despool),
		cmocka_unit_test(another_major_version_is_a_newer_program),
		cmocka_unit_test(a_longer_hello_of_a_newer_minor_is_read),
		cmocka_unit_test(a_hello_that_lies_is_a_protocol_error),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
