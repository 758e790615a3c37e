/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fanout/push.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "core/store/store.h"
#include "platform/pf_thread.h"

struct pushed {
	struct image *image;
	struct push_result *results; /* one for each target */
};

struct pusher {
	const struct push_params *params;
	struct store *store; /* where bases are; NULL: nowhere */
	struct endpoint **endpoints;
	struct pushed *images;
	size_t image_count;
	struct pf_lock *lock;
	size_t next; /* the first image that nobody has begun with */
	int err;
};

/* Where an older version with this root is. */
static struct image *
find_base(void *context, const struct digest *root)
{
	struct pusher *pusher = context;
	const char *path = pusher->params->base;
	struct image *image = NULL;

	if (path != NULL && image_open(path, &image) == 0) {
		if (digest_equal(image_root_digest(image), root))
			return image;
		image_close(image);
	}
	if (pusher->store == NULL)
		return NULL;
	for (size_t i = 0; i < pusher->image_count; i++) {
		const struct root *ours = image_root(pusher->images[i].image);

		image = store_find_root(pusher->store, ours->package_id, root);
		if (image != NULL)
			return image;
	}
	return NULL;
}

static int
handle(void *context, const struct message *message)
{
	(void)context;
	return message->is_sending ? sending_handle(message) : 0;
}

static int
add_image(struct pusher *pusher, struct image *image)
{
	size_t count = pusher->image_count + 1;
	struct pushed *images = realloc(pusher->images, count * sizeof *images);

	if (images == NULL) {
		image_close(image);
		return report_error(DSP_ENOMEM, pusher->params->source,
				    "sending");
	}
	pusher->images = images;
	images[pusher->image_count++] = (struct pushed){ .image = image };
	if (image_kind(image) != IMAGE_WITH_BLOCKS)
		return report_error(DSP_EFORMAT, image_name(image),
				    "a manifest without blocks");
	return 0;
}

/* The newest version of each package of the store. */
static int
add_store(struct pusher *pusher)
{
	struct store_entry *entries = NULL;
	size_t count = 0;
	int err = store_list(pusher->store, &entries, &count);

	for (size_t i = 0; err == 0 && i < count; i++) {
		struct image *image = NULL;

		if (i + 1 < count && strcmp(entries[i].package_id,
					    entries[i + 1].package_id) == 0)
			continue;
		err = store_open_image(pusher->store, entries[i].package_id,
				       entries[i].version, &image);
		if (err == 0)
			err = add_image(pusher, image);
	}
	free(entries);
	if (err == 0 && pusher->image_count == 0)
		err = report_error(DSP_ENOENT, pusher->params->source,
				   "no image in the store");
	return err;
}

/* An image that is in a store finds its bases there. */
static int
open_around(struct pusher *pusher)
{
	const char *source = pusher->params->source;
	size_t size = path_name_start(source, strlen(source));
	char *dir = malloc(size + 2);
	int err = 0;

	if (dir == NULL)
		return report_error(DSP_ENOMEM, source, "sending");
	memcpy(dir, source, size);
	memcpy(dir + size, size > 0 ? "" : ".", size > 0 ? 1 : 2);
	if (store_is_one(dir))
		err = store_open(dir, &pusher->store);
	free(dir);
	return err;
}

static int
open_images(struct pusher *pusher)
{
	const char *source = pusher->params->source;
	struct image *image = NULL;
	int err;

	if (pusher->params->image != NULL) {
		pusher->store = pusher->params->store;
		return add_image(pusher, pusher->params->image);
	}
	if (store_is_one(source)) {
		err = store_open(source, &pusher->store);
		return err < 0 ? err : add_store(pusher);
	}
	err = image_open(source, &image);
	if (err == 0)
		err = add_image(pusher, image);
	return err < 0 ? err : open_around(pusher);
}

/* A target that cannot be reached has failed for every image. */
static void
open_endpoints(struct pusher *pusher)
{
	const struct push_params *params = pusher->params;

	for (size_t i = 0; i < params->target_count; i++) {
		int err = endpoint_open(params->targets[i], &params->endpoint,
					handle, pusher, &pusher->endpoints[i]);

		for (size_t j = 0; j < pusher->image_count; j++)
			pusher->images[j].results[i].sent.err = err;
		if (err < 0 && pusher->err == 0)
			pusher->err = err;
	}
}

/* Send one image to all targets that are there. */
static int
send_one(struct pusher *pusher, struct pushed *pushed)
{
	const struct push_params *params = pusher->params;
	struct send_params send = {
		.image = pushed->image,
		.worker_count = params->worker_count,
		.delta_level = params->delta_level,
		.priority = params->priority,
		.may_roll_back = params->may_roll_back,
		.stall_timeout_s = params->endpoint.stall_timeout_s,
		.find_base = find_base,
		.find_context = pusher,
		.progress = params->progress,
		.progress_context = params->progress_context,
	};
	struct send_target *targets =
		calloc(params->target_count, sizeof *targets);
	size_t count = 0;
	int err = 0;

	if (targets == NULL)
		return report_error(DSP_ENOMEM, params->source, "sending");
	for (size_t i = 0; i < params->target_count; i++) {
		if (pusher->endpoints[i] == NULL)
			continue;
		targets[count].peer = endpoint_peer(pusher->endpoints[i]);
		targets[count++].context = &pushed->results[i];
	}
	send.targets = targets;
	send.target_count = count;
	if (count > 0)
		err = send_image(&send);
	for (size_t i = 0; i < count; i++) {
		struct push_result *result = targets[i].context;

		result->sent = targets[i];
	}
	free(targets);
	return err;
}

static void
run(void *context)
{
	struct pusher *pusher = context;

	for (;;) {
		struct pushed *pushed = NULL;
		int err;

		pf_lock(pusher->lock);
		if (pusher->next < pusher->image_count)
			pushed = &pusher->images[pusher->next++];
		pf_unlock(pusher->lock);
		if (pushed == NULL)
			return;
		err = send_one(pusher, pushed);
		pf_lock(pusher->lock);
		if (pusher->err == 0)
			pusher->err = err;
		pf_unlock(pusher->lock);
	}
}

/* As many images at once as may be, each by a thread. */
static void
run_all(struct pusher *pusher)
{
	unsigned count = pusher->params->sending_max;
	struct pf_thread **threads;

	if (count > pusher->image_count)
		count = (unsigned)pusher->image_count;
	threads = calloc(count, sizeof *threads);
	for (unsigned i = 1; threads != NULL && i < count; i++)
		if (pf_thread_start(run, pusher, &threads[i]) < 0)
			break; /* the others do its work */
	run(pusher);
	for (unsigned i = 1; threads != NULL && i < count; i++)
		pf_thread_join(threads[i]);
	free(threads);
}

static void
close_endpoints(struct pusher *pusher, struct push_total *total)
{
	for (size_t i = 0; i < pusher->params->target_count; i++) {
		struct endpoint *endpoint = pusher->endpoints[i];
		struct stream *stream;
		int err;

		if (endpoint == NULL)
			continue;
		stream = peer_stream(endpoint_peer(endpoint));
		total->bytes_sent += stream_bytes_sent(stream);
		total->bytes_received += stream_bytes_received(stream);
		err = endpoint_close(endpoint, pusher->err);
		if (pusher->err == 0)
			pusher->err = err;
	}
}

int
push(const struct push_params *params, struct push_total *ret_total)
{
	struct pusher pusher = { .params = params };
	struct push_total total = { 0 };
	int err = open_images(&pusher);

	if (err == 0) {
		total.result_count = pusher.image_count * params->target_count;
		total.results =
			calloc(total.result_count, sizeof *total.results);
		pusher.endpoints =
			calloc(params->target_count, sizeof *pusher.endpoints);
		pusher.lock = pf_lock_new();
		if (total.results == NULL || pusher.endpoints == NULL ||
		    pusher.lock == NULL)
			err = report_error(DSP_ENOMEM, params->source,
					   "sending");
	}
	for (size_t i = 0; err == 0 && i < total.result_count; i++) {
		struct push_result *result = &total.results[i];
		size_t image = i / params->target_count;
		const struct root *root =
			image_root(pusher.images[image].image);

		if (i % params->target_count == 0)
			pusher.images[image].results = result;
		result->target = params->targets[i % params->target_count];
		result->version = root->version;
		memcpy(result->package_id, root->package_id,
		       sizeof result->package_id);
	}
	if (err == 0) {
		open_endpoints(&pusher);
		run_all(&pusher);
		close_endpoints(&pusher, &total);
		err = pusher.err;
	}
	for (size_t i = 0; params->image == NULL && i < pusher.image_count; i++)
		image_close(pusher.images[i].image);
	free(pusher.images);
	free(pusher.endpoints);
	pf_lock_free(pusher.lock);
	if (params->image == NULL)
		store_close(pusher.store);
	*ret_total = total;
	return err;
}

/* Pulling. */

struct puller {
	const struct pull_params *params;
	struct receiver *receiver;
	struct peer *peer;
	uint16_t transfer;
	bool is_ended;
	struct receive_result result;
};

/* Is it the answer to our GET, and what was asked for? (S15) */
static bool
is_asked_for(const struct puller *puller, const struct message *message)
{
	const struct message_offer *offer = &message->offer;
	uint32_t version = puller->params->version;

	return message->transfer == puller->transfer &&
	       strcmp(offer->package_id, puller->params->package_id) == 0 &&
	       (version == 0 || version == offer->version);
}

static int
refuse_offer(struct puller *puller, uint16_t transfer)
{
	int err = report_error(DSP_EPROTOCOL, puller->params->target,
			       "it offers what nobody has asked for");

	if (transfer == puller->transfer) {
		puller->is_ended = true;
		puller->result.err = err;
	}
	return link_send_error(peer_link(puller->peer), transfer, err, "");
}

static int
handle_pull(void *context, const struct message *message)
{
	struct puller *puller = context;

	if (message->type == MESSAGE_ERROR &&
	    message->transfer == puller->transfer && message->context == NULL) {
		puller->is_ended = true;
		puller->result.err = report_error(
			message->error.err, puller->params->target,
			"%s: the other end: %.*s", puller->params->package_id,
			(int)message->error.text_size, message->error.text);
		return 0;
	}
	if (message->type == MESSAGE_OFFER && !is_asked_for(puller, message))
		return refuse_offer(puller, message->transfer);
	return receiver_handle(puller->receiver, message);
}

static void
note_ended(void *context, const struct receive_result *result)
{
	struct puller *puller = context;

	puller->is_ended = true;
	puller->result = *result;
	puller->result.package_id = puller->params->package_id;
}

static bool
is_ended(void *context)
{
	const struct puller *puller = context;

	return puller->is_ended;
}

int
pull(const struct pull_params *params, struct pull_total *ret_total)
{
	struct puller puller = { .params = params };
	struct receive_params receive = params->receive;
	struct message message = { .type = MESSAGE_GET,
				   .get = { .version = params->version,
					    .wait_s = (uint16_t)params->wait_s,
					    .priority = params->priority } };
	struct endpoint *endpoint = NULL;
	struct stream *stream;
	struct peer *peer;
	int err = endpoint_open(params->target, &params->endpoint, handle_pull,
				&puller, &endpoint);

	memset(ret_total, 0, sizeof *ret_total);
	if (err < 0)
		return err;
	puller.peer = peer = endpoint_peer(endpoint);
	receive.store = params->store;
	receive.may_roll_back = true; /* it is asked for */
	receive.ended = note_ended;
	receive.ended_context = &puller;
	err = receiver_new(&receive, peer_link(peer), params->target,
			   &puller.receiver);
	memcpy(message.get.package_id, params->package_id,
	       sizeof message.get.package_id);
	if (err == 0) {
		peer_lock(peer);
		puller.transfer = link_new_transfer(peer_link(peer));
		peer_unlock(peer);
		message.transfer = puller.transfer;
		err = peer_send(peer, &message);
	}
	if (err == 0)
		err = peer_wait(peer, is_ended, &puller);
	if (err == 0 && !puller.is_ended)
		err = report_error(DSP_ECLOSED, params->target,
				   "before the package was here");
	if (err == 0)
		err = puller.result.err;
	ret_total->result = puller.result;
	stream = peer_stream(peer);
	receiver_free(puller.receiver);
	ret_total->bytes_sent = stream_bytes_sent(stream);
	ret_total->bytes_received = stream_bytes_received(stream);
	return endpoint_close(endpoint, err);
}
