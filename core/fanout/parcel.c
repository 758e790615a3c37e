/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fanout/parcel.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/report.h"
#include "core/fanout/peer.h"
#include "core/fanout/send.h"
#include "platform/pf_file.h"
#include "platform/pf_poll.h"
#include "platform/pf_thread.h"

#define PARCEL_WORD	"DSPLPARC"
#define PARCEL_END_WORD "DSPLPEND"

enum {
	PARCEL_FORMAT = 1,
	PARCEL_HEADER_SIZE = 16,
	PARCEL_TRAILER_SIZE = 48,
	CHUNK_SIZE = 64 * 1024
};

/* Writing: a sender sends to a far end that writes down what it hears. */

struct recorder {
	int fd;
	const char *name;
	struct stream *stream;
	struct digest base; /* that the next package is against; zeros: none */
	struct digest_sum *sum;
	uint64_t size;

	/* The message that is under way. */
	uint8_t head[MESSAGE_HELLO_SIZE];
	size_t head_size;
	bool has_hello;
	uint64_t payload_left;
	struct message_header header;
	struct buffer answer;
	int err;
};

static int
record(struct recorder *recorder, const void *data, size_t size)
{
	int err = pf_write(recorder->fd, data, size);

	digest_sum_add(recorder->sum, data, size);
	recorder->size += size;
	return err < 0 ? report_error(err, recorder->name, "writing the parcel")
		       : 0;
}

/* What a far end that holds the base alone would answer. */
static int
answer(struct recorder *recorder)
{
	struct message message = { .transfer = recorder->header.transfer };

	if (recorder->header.type == MESSAGE_OFFER) {
		message.type = MESSAGE_WANT;
		message.want.have_count = !digest_is_zero(&recorder->base);
		message.want.haves[0].has_tables = true;
		message.want.haves[0].root = recorder->base;
	} else if (recorder->header.type == MESSAGE_END) {
		message.type = MESSAGE_DONE;
	} else {
		return 0;
	}
	return message_put(&recorder->answer, &message);
}

static int
take_head(struct recorder *recorder)
{
	struct message_hello hello = { .can_receive = true, .transfer_max = 1 };
	uint8_t bytes[MESSAGE_HELLO_SIZE];
	int err;

	if (!recorder->has_hello) {
		recorder->has_hello = true;
		message_put_hello(bytes, &hello);
		return buffer_add(&recorder->answer, bytes, sizeof bytes);
	}
	err = message_get_header(recorder->head, &recorder->header);
	recorder->payload_left = recorder->header.size;
	if (err == 0 && recorder->payload_left == 0)
		err = answer(recorder);
	return err;
}

/* Follow the stream from message to message. */
static int
follow(struct recorder *recorder, const uint8_t *data, size_t size)
{
	int err = 0;

	while (err == 0 && size > 0) {
		size_t wanted = recorder->has_hello ? MESSAGE_HEADER_SIZE
						    : MESSAGE_HELLO_SIZE;
		size_t now;

		if (recorder->payload_left > 0) {
			now = recorder->payload_left < size
				      ? (size_t)recorder->payload_left
				      : size;
			recorder->payload_left -= now;
			if (recorder->payload_left == 0)
				err = answer(recorder);
		} else {
			now = wanted - recorder->head_size;
			now = now < size ? now : size;
			memcpy(recorder->head + recorder->head_size, data, now);
			recorder->head_size += now;
			if (recorder->head_size == wanted) {
				recorder->head_size = 0;
				err = take_head(recorder);
			}
		}
		data += now;
		size -= now;
	}
	return err;
}

static void
run_recorder(void *context)
{
	struct recorder *recorder = context;
	uint8_t *data = malloc(CHUNK_SIZE);
	size_t sent = 0;
	bool is_end = false;
	int err = data != NULL ? 0 : DSP_ENOMEM;

	while (err == 0 && !is_end) {
		struct stream_move move = {
			.out = recorder->answer.data + sent,
			.out_size = recorder->answer.size - sent,
			.in = data,
			.in_capacity = CHUNK_SIZE,
			.can_wait = true,
		};

		err = stream_move(recorder->stream, &move);
		sent += move.sent;
		if (sent == recorder->answer.size)
			recorder->answer.size = sent = 0;
		is_end = move.is_end;
		if (err == 0)
			err = record(recorder, data, move.got);
		if (err == 0)
			err = follow(recorder, data, move.got);
	}
	recorder->err = err;
	free(data);
	stream_close(recorder->stream, 0, NULL); /* the sender notices */
}

static struct image *
find_base(void *context, const struct digest *root)
{
	const struct parcel_item *item = context;
	struct image *image = NULL;

	/* It ends with the sending, ours with the parcel. */
	if (item->base != NULL &&
	    digest_equal(image_root_digest(item->base), root))
		(void)image_open(image_name(item->base), &image);
	return image;
}

static int
handle(void *context, const struct message *message)
{
	(void)context;
	return message->is_sending ? sending_handle(message) : 0;
}

static int
write_items(const struct parcel_params *params, struct recorder *recorder,
	    struct peer *peer)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < params->item_count; i++) {
		const struct parcel_item *item = &params->items[i];
		struct send_target target = { .peer = peer };
		struct send_params send = {
			.image = item->image,
			.targets = &target,
			.target_count = 1,
			.worker_count = params->worker_count,
			.delta_level = params->delta_level,
			.priority = MESSAGE_MEDIUM,
			.may_roll_back = true,
			.find_base = find_base,
			.find_context = (void *)item,
		};

		memset(&recorder->base, 0, sizeof recorder->base);
		if (item->base != NULL)
			recorder->base = *image_root_digest(item->base);
		err = send_image(&send);
	}
	return err;
}

static int
write_trailer(const struct parcel_params *params, struct recorder *recorder)
{
	uint8_t bytes[PARCEL_TRAILER_SIZE];
	struct digest digest;
	int err;

	memcpy(bytes, PARCEL_END_WORD, 8);
	le64_put(bytes + 8, params->item_count);
	err = record(recorder, bytes, 16);
	digest_sum_get(recorder->sum, &digest);
	return err < 0 ? err : record(recorder, digest.bytes, DIGEST_SIZE);
}

int
parcel_write(const struct parcel_params *params, int fd, const char *name,
	     uint64_t *ret_size)
{
	struct link_params link = { .is_opener = true,
				    .can_send = true,
				    .transfer_max = 1 };
	uint8_t header[PARCEL_HEADER_SIZE] = { 0 };
	struct recorder recorder = { .fd = fd, .name = name };
	struct pf_thread *thread = NULL;
	struct stream *stream = NULL;
	struct peer *peer = NULL;
	int fds[2];
	int err = pf_stream_pair(fds);

	if (err < 0)
		return report_error(err, name, "writing the parcel");
	recorder.sum = digest_sum_new();
	err = stream_of_fd(fds[0], name, &stream);
	if (err == 0)
		err = stream_of_fd(fds[1], name, &recorder.stream);
	else
		pf_close(fds[1]);
	if (err == 0 && recorder.sum == NULL)
		err = report_error(DSP_ENOMEM, name, "writing the parcel");
	memcpy(header, PARCEL_WORD, 8);
	le32_put(header + 8, PARCEL_FORMAT);
	if (err == 0)
		err = record(&recorder, header, sizeof header);
	if (err == 0) {
		err = peer_new(stream, &link, handle, NULL, &peer);
		stream = NULL;
	}
	if (err == 0) {
		err = pf_thread_start(run_recorder, &recorder, &thread);
		if (err < 0)
			report_error(err, name, "starting a thread");
	}
	if (err == 0)
		err = write_items(params, &recorder, peer);
	peer_close(peer, NULL);
	if (thread != NULL)
		pf_thread_join(thread);
	else
		stream_close(recorder.stream, 0, NULL);
	stream_close(stream, 0, NULL);
	if (err == 0)
		err = recorder.err;
	if (err == 0)
		err = write_trailer(params, &recorder);
	if (err == 0 && ret_size != NULL)
		*ret_size = recorder.size;
	buffer_release(&recorder.answer);
	digest_sum_free(recorder.sum);
	return err;
}

/* Reading. */

struct reader {
	const struct receive_params *params;
	const char *name;
	struct link *link;
	struct receiver *receiver;
	struct buffer answers;
	uint64_t count; /* packages that ended */
	int err;	/* the first that one of them failed with */
};

static void
note_ended(void *context, const struct receive_result *result)
{
	struct reader *reader = context;

	reader->count++;
	if (result->err != 0 && reader->err == 0)
		reader->err = result->err;
	if (reader->params->ended != NULL)
		reader->params->ended(reader->params->ended_context, result);
}

/* A file cannot send a block again: NEED is as good as an error. */
static int
look_at_answers(struct reader *reader)
{
	struct message_header header;
	size_t at = 0;
	int err = link_take_output(reader->link, &reader->answers);

	while (err == 0 && at < reader->answers.size) {
		const uint8_t *bytes = reader->answers.data + at;

		if (memcmp(bytes, "DSPLLINK", 8) == 0) {
			at += MESSAGE_HELLO_SIZE;
			continue;
		}
		err = message_get_header(bytes, &header);
		at += MESSAGE_HEADER_SIZE + header.size;
		if (err == 0 && header.type == MESSAGE_NEED)
			err = report_error(DSP_EDIFFERS, reader->name,
					   "the older version here is not the "
					   "one that the parcel is against");
	}
	reader->answers.size = 0;
	return err;
}

static int
take_bytes(struct reader *reader, const uint8_t *data, size_t size)
{
	int err = 0;

	while (err == 0 && size > 0) {
		struct message message;
		size_t used;
		bool has;

		err = link_take(reader->link, data, size, &used, &message,
				&has);
		if (err < 0)
			return report_error(err, reader->name,
					    "reading the parcel");
		data += used;
		size -= used;
		if (has)
			err = receiver_handle(reader->receiver, &message);
		if (err == 0 && has)
			err = look_at_answers(reader);
	}
	return err;
}

static int
read_at(int fd, const char *name, void *data, size_t size, uint64_t offset)
{
	size_t got = 0;
	int err = pf_read_at(fd, data, size, offset, &got);

	if (err == 0 && got < size)
		err = DSP_ETRUNCATED;
	return err < 0 ? report_error_at(err, name, offset,
					 "reading the parcel")
		       : 0;
}

/* Header and size; *ret_end is where the trailer begins. */
static int
check_ends(int fd, const char *name, uint64_t *ret_end)
{
	uint8_t bytes[PARCEL_HEADER_SIZE];
	struct pf_stat stat;
	int err = pf_stat_fd(fd, &stat);

	if (err < 0)
		return report_error(err, name, "reading the parcel");
	if (stat.size < PARCEL_HEADER_SIZE + PARCEL_TRAILER_SIZE)
		return report_error(DSP_ETRUNCATED, name, "no parcel");
	err = read_at(fd, name, bytes, sizeof bytes, 0);
	if (err < 0)
		return err;
	if (memcmp(bytes, PARCEL_WORD, 8) != 0)
		return report_error(DSP_EFORMAT, name, "no parcel");
	if (le32_get(bytes + 8) != PARCEL_FORMAT || le32_get(bytes + 12) != 0)
		return report_error(DSP_EVERSION, name, "format %u",
				    le32_get(bytes + 8));
	*ret_end = stat.size - PARCEL_TRAILER_SIZE;
	return 0;
}

/* Read all of it; the digest is over all but itself. */
static int
read_all(struct reader *reader, int fd, uint64_t end, struct digest_sum *sum)
{
	uint8_t *data = malloc(CHUNK_SIZE);
	uint8_t trailer[PARCEL_TRAILER_SIZE];
	struct digest digest;
	uint64_t offset = PARCEL_HEADER_SIZE;
	int err = data != NULL ? 0
			       : report_error(DSP_ENOMEM, reader->name,
					      "reading the parcel");

	if (err == 0)
		err = read_at(fd, reader->name, data, PARCEL_HEADER_SIZE, 0);
	if (err == 0)
		digest_sum_add(sum, data, PARCEL_HEADER_SIZE);
	while (err == 0 && offset < end) {
		size_t now = end - offset < CHUNK_SIZE ? (size_t)(end - offset)
						       : CHUNK_SIZE;

		err = read_at(fd, reader->name, data, now, offset);
		if (err < 0)
			break;
		digest_sum_add(sum, data, now);
		offset += now;
		err = take_bytes(reader, data, now);
	}
	free(data);
	if (err == 0)
		err = read_at(fd, reader->name, trailer, sizeof trailer, end);
	if (err < 0)
		return err;
	if (reader->err != 0)
		return 0; /* it says why */
	digest_sum_add(sum, trailer, 16);
	digest_sum_get(sum, &digest);
	if (memcmp(trailer, PARCEL_END_WORD, 8) != 0)
		return report_error_at(DSP_ETRUNCATED, reader->name, end,
				       "the end of the parcel is not there");
	if (memcmp(trailer + 16, digest.bytes, DIGEST_SIZE) != 0 ||
	    le64_get(trailer + 8) != reader->count ||
	    link_take_end(reader->link) < 0)
		return report_error_at(DSP_ECORRUPT, reader->name, end,
				       "the end of the parcel");
	return 0;
}

int
parcel_read(const struct receive_params *params, int fd, const char *name)
{
	struct link_params link = { .can_receive = true,
				    .transfer_max = 1,
				    .is_file = true };
	struct reader reader = { .params = params, .name = name };
	struct receive_params receive = *params;
	struct digest_sum *sum = digest_sum_new();
	uint64_t end = 0;
	int err = check_ends(fd, name, &end);

	receive.is_file = true;
	receive.ended = note_ended;
	receive.ended_context = &reader;
	if (err == 0 && sum == NULL)
		err = report_error(DSP_ENOMEM, name, "reading the parcel");
	if (err == 0 && link_new(&link, &reader.link) < 0)
		err = report_error(DSP_ENOMEM, name, "reading the parcel");
	if (err == 0)
		err = receiver_new(&receive, reader.link, name,
				   &reader.receiver);
	if (err == 0)
		err = read_all(&reader, fd, end, sum);
	receiver_free(reader.receiver);
	link_free(reader.link);
	buffer_release(&reader.answers);
	digest_sum_free(sum);
	return err < 0 ? err : reader.err;
}
