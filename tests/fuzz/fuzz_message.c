/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Input: a byte, then a message or a hello as it stands in a stream.  When the
 * byte is odd, it is of a newer minor version; from 128 on it is a hello.
 *
 * What is read points into the payload, and written again it is read as the
 * same.
 */
#include "core/base/err.h"
#include "core/chunk/frame.h"
#include "core/link/message.h"
#include "tests/fuzz/fuzz.h"

static void
read_hello(struct input input)
{
	uint8_t *bytes = copy_of(input.data, input.size);
	struct message_hello hello = { 0 }, again;
	uint8_t written[MESSAGE_HELLO_SIZE];
	size_t size = 0;
	int err = message_get_hello(bytes, input.size, &size, &hello);

	must(err == 0 || err == DSP_EFORMAT || err == DSP_EVERSION ||
	     err == DSP_EPROTOCOL);
	must(err < 0 || size <= MESSAGE_HELLO_SIZE_MAX);
	if (err == 0 && hello.transfer_max > 0) {
		must(size >= MESSAGE_HELLO_SIZE && size <= input.size);
		message_put_hello(written, &hello);
		must(message_get_hello(written, sizeof written, &size,
				       &again) == 0);
		must(again.transfer_max == hello.transfer_max);
		must(again.can_send == hello.can_send);
	}
	free(bytes);
}

static void
check_parts(const struct message *message)
{
	uint64_t total = 0, offset;
	uint32_t size;

	if (message->type == MESSAGE_DELTA) {
		for (uint32_t i = 0; i < message->delta.range_count; i++) {
			message_get_range(&message->delta, i, &offset, &size);
			must(size > 0 && offset <= UINT64_MAX - size);
			total += size;
		}
		must(total <= FRAME_BASE_MAX);
	}
	if (message->type == MESSAGE_FETCH)
		for (uint32_t i = 0; i < message->fetch.count; i++)
			(void)message_get_index(&message->fetch, i);
	if (message->type == MESSAGE_WANT)
		must(message->want.have_count <= MESSAGE_HAVE_COUNT_MAX);
	if (message->type == MESSAGE_ERROR)
		must(message->error.err < 0 &&
		     message->error.text_size <= MESSAGE_TEXT_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	unsigned how = take_u8(&input);
	struct buffer first = { 0 }, second = { 0 };
	struct message_header header;
	struct message message = { 0 }, again = { 0 };
	uint8_t *payload;
	int err;

	if (how >= 128)
		read_hello(input);
	if (how >= 128 || input.size < MESSAGE_HEADER_SIZE ||
	    message_get_header(input.data, &header) < 0)
		return 0;
	header.size = (uint32_t)(input.size - MESSAGE_HEADER_SIZE);
	payload = copy_of(input.data + MESSAGE_HEADER_SIZE, header.size);
	err = message_get(&header, payload, how % 2 == 1, &message);
	must(err == 0 || err == DSP_EPROTOCOL);
	if (err == 0) {
		check_parts(&message);
		must(message_put(&first, &message) == 0);
		must(message_get_header(first.data, &header) == 0);
		must(header.size == first.size - MESSAGE_HEADER_SIZE);
		must(message_get(&header, first.data + MESSAGE_HEADER_SIZE,
				 false, &again) == 0);
		must(message_put(&second, &again) == 0);
		must(first.size == second.size &&
		     memcmp(first.data, second.data, first.size) == 0);
	}
	buffer_release(&first);
	buffer_release(&second);
	free(payload);
	return 0;
}
