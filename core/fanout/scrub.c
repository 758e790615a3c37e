/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fanout/scrub.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "core/image/walk.h"
#include "platform/pf_file.h"
#include "platform/pf_poll.h"
#include "platform/pf_process.h"
#include "platform/pf_sync.h"

#define NS_PER_S INT64_C(1000000000)

enum { STEP_MS = 100, LEVEL_MAX = 4 };

/* A block whose frame is not what it should be. */
struct damage {
	struct block_index index;
	struct frame_ref frame;
	struct block_ref block;
	bool is_mended;
};

struct scrubber {
	const struct scrub_params *params;
	struct image *image;
	struct scrub_result result;
	struct damage *damages;
	size_t damage_count;
	int64_t start;
	int fd; /* the image, to be written */

	/* While blocks are fetched. */
	uint16_t transfer;
	size_t next; /* the damage that the next frame is for */
	bool is_ended;
	int err;
};

/* Not faster than asked for. */
static int
keep_rate(struct scrubber *scrubber)
{
	uint64_t rate = scrubber->params->rate;
	bool ignored;
	int err = 0;

	while (err == 0 && rate > 0 &&
	       (double)scrubber->result.bytes_read * 1e9 / (double)rate >
		       (double)(pf_now_monotonic() - scrubber->start)) {
		if (pf_interrupted())
			return report_error(DSP_ECANCELED,
					    image_name(scrubber->image),
					    "scrubbing");
		err = pf_poll(-1, -1, STEP_MS, &ignored, &ignored);
	}
	return pf_interrupted()
		       ? report_error(DSP_ECANCELED,
				      image_name(scrubber->image), "scrubbing")
		       : err;
}

static int
add_damage(struct scrubber *scrubber, struct block_index index,
	   const struct walk_view *view)
{
	struct damage *damages;

	scrubber->result.damaged++;
	if (scrubber->damage_count == MESSAGE_FETCH_COUNT_MAX)
		return 0; /* the rest another time */
	damages = realloc(scrubber->damages,
			  (scrubber->damage_count + 1) * sizeof *damages);
	if (damages == NULL)
		return report_error(DSP_ENOMEM, image_name(scrubber->image),
				    "scrubbing");
	scrubber->damages = damages;
	damages[scrubber->damage_count++] = (struct damage){
		.index = index, .frame = view->frame, .block = view->block
	};
	return 0;
}

/* Read everything; note which blocks are damaged. */
static int
look(struct scrubber *scrubber)
{
	struct image *image = scrubber->image;
	uint8_t *data = malloc(frame_size_max(image_root(image)->rule.max));
	struct block_index index = { 0, 0 };
	enum walk_step step = WALK_RECORD;
	struct walk *walk = NULL;
	int err = data != NULL ? walk_new(image, &walk)
			       : report_error(DSP_ENOMEM, image_name(image),
					      "scrubbing");

	while (err == 0) {
		const struct walk_view *view = walk_view(walk);

		err = walk_next(walk, &step);
		if (err < 0 || step == WALK_END)
			break;
		if (step == WALK_PAGE_END)
			index = (struct block_index){ index.page + 1, 0 };
		if (step != WALK_BLOCK)
			continue;
		if (view->frame.size >
		    frame_size_max(image_root(image)->rule.max))
			err = DSP_ECORRUPT;
		else if (image_read_frame(image, &view->frame, data) < 0)
			err = add_damage(scrubber, index, view);
		index.block++;
		scrubber->result.bytes_read += view->frame.size;
		if (err == 0)
			err = keep_rate(scrubber);
		if (scrubber->params->progress != NULL)
			scrubber->params->progress(
				scrubber->params->progress_context,
				scrubber->result.bytes_read, image_size(image));
	}
	walk_free(walk);
	free(data);
	return err;
}

/* The frame as it was stored, made of the publisher's; *frame may change. */
static int
make_local(struct scrubber *scrubber, const struct damage *damage,
	   struct buffer *frame)
{
	int level = image_root(scrubber->image)->level;
	struct frame_encoder *encoder =
		frame_encoder_new(level < LEVEL_MAX ? level : LEVEL_MAX);
	struct frame_decoder *decoder = frame_decoder_new();
	struct buffer raw = { 0 };
	struct digest name;
	int err = DSP_ENOMEM;

	if (encoder != NULL && decoder != NULL)
		err = buffer_reserve(&raw, damage->block.raw_size);
	if (err == 0)
		err = frame_decode(decoder, frame->data, frame->size, NULL, 0,
				   raw.data, damage->block.raw_size);
	if (err == 0) {
		digest_of(raw.data, damage->block.raw_size, &name);
		if (!digest_equal(&name, &damage->block.name))
			err = DSP_ECORRUPT;
	}
	frame->size = 0;
	if (err == 0)
		err = buffer_reserve(frame,
				     frame_size_max(damage->block.raw_size));
	if (err == 0)
		err = frame_encode(encoder, raw.data, damage->block.raw_size,
				   NULL, 0, frame->data, frame->capacity,
				   &frame->size);
	buffer_release(&raw);
	frame_encoder_free(encoder);
	frame_decoder_free(decoder);
	return err;
}

/* A frame that came: is it what stood there?  Then it stands there again. */
static int
mend(struct scrubber *scrubber, struct damage *damage,
     const struct message_frame *message)
{
	struct buffer frame = { 0 };
	struct digest digest;
	int err = buffer_add(&frame, message->frame, message->size);

	digest_of(message->frame, message->size, &digest);
	if (err == 0 && !digest_equal(&digest, &damage->frame.stored)) {
		err = make_local(scrubber, damage, &frame);
		digest_of(frame.data, frame.size, &digest);
	}
	if (err == 0 && (frame.size != damage->frame.size ||
			 !digest_equal(&digest, &damage->frame.stored)))
		err = DSP_EDIFFERS;
	if (err == 0)
		err = pf_write_at(scrubber->fd, frame.data, frame.size,
				  damage->frame.offset);
	buffer_release(&frame);
	if (err < 0)
		return report_error_at(err, image_name(scrubber->image),
				       damage->frame.offset, "mending a block");
	damage->is_mended = true;
	scrubber->result.mended++;
	return 0;
}

static int
handle(void *context, const struct message *message)
{
	struct scrubber *scrubber = context;

	if (message->transfer != scrubber->transfer)
		return 0;
	if (message->type == MESSAGE_ERROR) {
		scrubber->is_ended = true;
		scrubber->err = report_error(message->error.err,
					     scrubber->params->peer,
					     "the other end: %.*s",
					     (int)message->error.text_size,
					     message->error.text);
	} else if (message->type == MESSAGE_END) {
		scrubber->is_ended = true;
	} else if (message->type == MESSAGE_FRAME) {
		struct damage *damage = &scrubber->damages[scrubber->next];

		if (scrubber->next >= scrubber->damage_count ||
		    block_index_compare(damage->index, message->frame.index) !=
			    0)
			return report_error(DSP_EPROTOCOL,
					    scrubber->params->peer,
					    "another block than asked for");
		scrubber->next++;
		(void)mend(scrubber, damage, &message->frame);
	}
	return 0;
}

static bool
is_ended(void *context)
{
	const struct scrubber *scrubber = context;

	return scrubber->is_ended;
}

/* Ask for the damaged blocks, and wait until they are there. */
static int
ask(struct scrubber *scrubber, struct peer *peer)
{
	const struct root *root = image_root(scrubber->image);
	struct message message = {
		.type = MESSAGE_FETCH,
		.fetch = { .root = *image_root_digest(scrubber->image),
			   .version = root->version,
			   .count = (uint32_t)scrubber->damage_count },
	};
	uint8_t *indexes = malloc(scrubber->damage_count * 8);
	int err;

	if (indexes == NULL)
		return report_error(DSP_ENOMEM, scrubber->params->peer,
				    "fetching blocks");
	for (size_t i = 0; i < scrubber->damage_count; i++) {
		le32_put(indexes + i * 8, scrubber->damages[i].index.page);
		le32_put(indexes + i * 8 + 4, scrubber->damages[i].index.block);
	}
	message.fetch.indexes = indexes;
	memcpy(message.fetch.package_id, root->package_id,
	       sizeof message.fetch.package_id);
	peer_lock(peer);
	scrubber->transfer = link_new_transfer(peer_link(peer));
	message.transfer = scrubber->transfer;
	err = link_send(peer_link(peer), &message);
	link_set_root(peer_link(peer), message.transfer, root);
	peer_unlock(peer);
	free(indexes);
	if (err == 0)
		err = peer_wait(peer, is_ended, scrubber);
	if (err == 0 && !scrubber->is_ended)
		err = report_error(DSP_ECLOSED, scrubber->params->peer,
				   "fetching blocks");
	return err == 0 ? scrubber->err : err;
}

static int
fetch(struct scrubber *scrubber)
{
	const struct scrub_params *params = scrubber->params;
	const struct root *root = image_root(scrubber->image);
	struct endpoint *endpoint = NULL;
	int err;

	/* Readers have it open together: alone now, and never two at it. */
	image_unlock(scrubber->image);
	err = store_open_writable(params->store, root->package_id,
				  root->version, &scrubber->fd);
	if (err == 0)
		err = endpoint_open(params->peer, &params->endpoint, handle,
				    scrubber, &endpoint);
	if (err == 0)
		err = ask(scrubber, endpoint_peer(endpoint));
	err = endpoint_close(endpoint, err);
	if (scrubber->fd >= 0 && scrubber->result.mended > 0 &&
	    pf_sync(scrubber->fd) < 0 && err == 0)
		err = report_error(DSP_EIO, image_name(scrubber->image),
				   "mending");
	pf_close(scrubber->fd);
	return err;
}

int
scrub(const struct scrub_params *params, const char *package_id,
      uint32_t version, struct scrub_result *ret_result)
{
	struct scrubber scrubber = { .params = params, .fd = -1 };
	int err = store_open_image(params->store, package_id, version,
				   &scrubber.image);

	memset(ret_result, 0, sizeof *ret_result);
	if (err < 0)
		return err;
	scrubber.start = pf_now_monotonic();
	err = look(&scrubber);
	if (err == 0 && scrubber.damage_count > 0 && params->peer != NULL)
		err = fetch(&scrubber);
	if (err == 0 && scrubber.result.mended < scrubber.result.damaged)
		err = report_error(DSP_ECORRUPT, image_name(scrubber.image),
				   "%llu of %llu damaged blocks mended",
				   (unsigned long long)scrubber.result.mended,
				   (unsigned long long)scrubber.result.damaged);
	*ret_result = scrubber.result;
	image_close(scrubber.image);
	free(scrubber.damages);
	return err;
}
