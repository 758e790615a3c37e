/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fanout/serve.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "core/fanout/forward.h"
#include "core/fanout/send.h"
#include "core/store/store.h"
#include "platform/pf_process.h"

#define NS_PER_S INT64_C(1000000000)

/* Something that the other end wants to be sent. */
struct request {
	bool is_fetch;
	uint16_t transfer;
	struct message_get get;
	struct message_fetch fetch;
	uint8_t *indexes; /* of the fetch */
};

struct server {
	const struct serve_params *params;
	struct peer *peer;
	struct receiver *receiver;
	struct request requests[LINK_TRANSFERS_MAX];
	size_t request_count;
	struct forward **forwards;
	size_t forward_count;
	int err; /* the first that a transfer failed with */
};

static int
take_request(struct server *server, const struct message *message)
{
	struct request *request;

	/*
	 * The link lets no more transfers be open than there is room for, and
	 * those that were closed are not here.
	 */
	assert(server->request_count < LINK_TRANSFERS_MAX);
	request = &server->requests[server->request_count++];
	*request = (struct request){ .transfer = message->transfer };
	if (message->type == MESSAGE_GET) {
		request->get = message->get;
		return 0;
	}
	request->is_fetch = true;
	request->fetch = message->fetch;
	request->indexes = malloc((size_t)message->fetch.count * 8);
	if (request->indexes == NULL)
		return report_error(DSP_ENOMEM, NULL, "serving");
	memcpy(request->indexes, message->fetch.indexes,
	       (size_t)message->fetch.count * 8);
	request->fetch.indexes = request->indexes;
	return 0;
}

/* What was asked for is not wanted any more. */
static void
drop_request(struct server *server, uint16_t transfer)
{
	size_t i = 0;

	while (i < server->request_count &&
	       server->requests[i].transfer != transfer)
		i++;
	if (i == server->request_count)
		return;
	free(server->requests[i].indexes);
	server->request_count--;
	memmove(&server->requests[i], &server->requests[i + 1],
		(server->request_count - i) * sizeof *server->requests);
}

static int
handle(void *context, const struct message *message)
{
	struct server *server = context;

	if (message->type == MESSAGE_ERROR)
		drop_request(server, message->transfer);
	if (message->type == MESSAGE_GET || message->type == MESSAGE_FETCH)
		return take_request(server, message);
	if (message->is_sending)
		return sending_handle(message);
	return receiver_handle(server->receiver, message);
}

static void
note_ended(void *context, const struct receive_result *result)
{
	struct server *server = context;
	const struct receive_params *params = &server->params->receive;

	if (result->err != 0 && server->err == 0)
		server->err = result->err;
	if (params->ended != NULL)
		params->ended(params->ended_context, result);
}

/* What comes goes on from here at once. */
static void
note_begun(void *context, const struct root *root)
{
	struct server *server = context;
	struct forward *forward = NULL;
	struct forward **forwards;

	if (server->params->forward_count == 0 ||
	    forward_start(server->params, root, &forward) < 0)
		return;
	forwards = realloc(server->forwards,
			   (server->forward_count + 1) * sizeof *forwards);
	if (forwards == NULL) {
		(void)forward_end(forward);
		return;
	}
	server->forwards = forwards;
	forwards[server->forward_count++] = forward;
}

/* The other end hears that there is a reason to wait for the end. */
static int
end_forwards(struct server *server)
{
	int first_err = 0;

	for (size_t i = 0; i < server->forward_count; i++) {
		int err;

		while (!forward_is_done(server->forwards[i]))
			peer_say_busy(server->peer);
		err = forward_end(server->forwards[i]);
		if (first_err == 0)
			first_err = err;
	}
	free(server->forwards);
	return first_err;
}

static bool
has_request(void *context)
{
	const struct server *server = context;

	return server->request_count > 0;
}

/*
 * An image that is here, or is being received: what is newer.
 */
static int
open_now(struct server *server, const char *package_id, uint32_t version,
	 struct image **ret_image)
{
	struct store *store = server->params->receive.store;
	uint32_t held = store_version_below(store, package_id, UINT32_MAX);
	int err = store_open_growing(store, package_id, version,
				     server->params->stall_timeout_s,
				     ret_image);

	if (err != DSP_ENOENT && err != 0)
		return err;
	if (err == 0 &&
	    (version != 0 || held < image_root(*ret_image)->version))
		return 0;
	if (err == 0)
		image_close(*ret_image);
	if (version == 0)
		version = held;
	if (version == 0 || !store_has(store, package_id, version))
		return DSP_ENOENT;
	return store_open_image(store, package_id, version, ret_image);
}

/* The other end may have said that it would wait for it to come. */
static int
open_or_wait(struct server *server, const char *package_id, uint32_t version,
	     unsigned wait_s, struct image **ret_image)
{
	int64_t end = pf_now_monotonic() + (int64_t)wait_s * NS_PER_S;
	int err = open_now(server, package_id, version, ret_image);

	while (err == DSP_ENOENT && pf_now_monotonic() < end &&
	       peer_err(server->peer) == 0) {
		peer_say_busy(server->peer);
		err = open_now(server, package_id, version, ret_image);
	}
	return err;
}

/* The image that is asked for; the error is the other end's. */
static int
find_image(struct server *server, const char *package_id, uint32_t version,
	   const struct digest *root, unsigned wait_s, struct image **ret_image)
{
	struct image *image = NULL;
	int err;

	err = open_or_wait(server, package_id, version, wait_s, &image);
	if (err == 0 && !digest_is_zero(root) &&
	    !digest_equal(image_root_digest(image), root)) {
		image_close(image);
		err = DSP_ECONFLICT;
	}
	if (err == 0)
		*ret_image = image;
	return err;
}

static void
refuse(struct server *server, uint16_t transfer, int err)
{
	peer_lock(server->peer);
	(void)link_send_error(peer_link(server->peer), transfer, err,
			      err_text(err));
	peer_unlock(server->peer);
}

struct image *
serve_find_base(void *context, const struct digest *root)
{
	const struct serve_base *base = context;

	return store_find_root(base->store, base->package_id, root);
}

static int
answer_get(struct server *server, const struct request *request)
{
	const struct serve_params *params = server->params;
	struct send_target target = { .peer = server->peer,
				      .transfer = request->transfer };
	struct serve_base base = { params->receive.store, "" };
	struct send_params send = {
		.targets = &target,
		.target_count = 1,
		.worker_count = params->worker_count,
		.delta_level = params->delta_level,
		.priority = request->get.priority,
		.stall_timeout_s = params->stall_timeout_s,
		.find_base = serve_find_base,
		.find_context = &base,
	};
	int err = find_image(server, request->get.package_id,
			     request->get.version, &request->get.root,
			     request->get.wait_s, &send.image);

	memcpy(base.package_id, request->get.package_id,
	       sizeof base.package_id);
	if (err < 0) {
		refuse(server, request->transfer, err);
		return 0;
	}
	send.may_roll_back = true; /* it was asked for */
	err = send_image(&send);
	image_close(send.image);
	return err;
}

/* Send the frames of single blocks. */
static int
send_blocks(struct server *server, const struct request *request,
	    struct image *image)
{
	const struct root *root = image_root(image);
	struct message message = { .type = MESSAGE_FRAME,
				   .transfer = request->transfer };
	uint8_t *data = malloc(frame_size_max(root->rule.max));
	struct frame_table table = { 0 };
	uint32_t loaded = UINT32_MAX;
	int err = data != NULL ? 0 : DSP_ENOMEM;

	for (uint32_t i = 0; err == 0 && i < request->fetch.count; i++) {
		struct block_index index =
			message_get_index(&request->fetch, i);
		struct frame_ref frame;

		if (index.page >= root->page_count ||
		    index.block >= root->pages[index.page].block_count) {
			err = DSP_EPROTOCOL;
			break;
		}
		if (loaded != index.page || table.index > index.block)
			err = image_load_table(image, index.page, &table);
		loaded = index.page;
		while (err == 0 && table.index <= index.block)
			err = image_next_frame(image, &table, &frame);
		if (err == 0 && frame.size > frame_size_max(root->rule.max))
			err = DSP_ECORRUPT;
		if (err == 0)
			err = image_read_frame(image, &frame, data);
		if (err < 0)
			break;
		message.frame.index = index;
		message.frame.is_local = frame.is_local;
		message.frame.frame = data;
		message.frame.size = frame.size;
		err = peer_send(server->peer, &message);
	}
	message.type = MESSAGE_END;
	if (err == 0)
		err = peer_send(server->peer, &message);
	else
		refuse(server, request->transfer, err);
	frame_table_release(&table);
	free(data);
	return err;
}

static int
answer_fetch(struct server *server, const struct request *request)
{
	struct image *image = NULL;
	int err = find_image(server, request->fetch.package_id,
			     request->fetch.version, &request->fetch.root, 0,
			     &image);

	if (err < 0) {
		refuse(server, request->transfer, err);
		return 0;
	}
	peer_lock(server->peer);
	if (link_is_open(peer_link(server->peer), request->transfer))
		link_set_root(peer_link(server->peer), request->transfer,
			      image_root(image));
	peer_unlock(server->peer);
	err = send_blocks(server, request, image);
	image_close(image);
	return err;
}

/* Do what is asked, one after another, highest priority first. */
static int
answer(struct server *server)
{
	struct request request;
	size_t best = 0;
	int err;

	peer_lock(server->peer);
	for (size_t i = 1; i < server->request_count; i++)
		if (server->requests[i].get.priority >
		    server->requests[best].get.priority)
			best = i;
	request = server->requests[best];
	server->request_count--;
	memmove(&server->requests[best], &server->requests[best + 1],
		(server->request_count - best) * sizeof request);
	peer_unlock(server->peer);
	err = request.is_fetch ? answer_fetch(server, &request)
			       : answer_get(server, &request);
	free(request.indexes);
	return err;
}

int
serve(const struct serve_params *params, struct stream *stream)
{
	struct link_params link = { .can_send = true,
				    .can_receive = true,
				    .transfer_max = LINK_TRANSFERS_MAX / 2 };
	struct server server = { .params = params };
	struct receive_params receive = params->receive;
	int forward_err;
	int err = peer_new(stream, &link, handle, &server, &server.peer);

	receive.ended = note_ended;
	receive.ended_context = &server;
	receive.begun = note_begun;
	receive.begun_context = &server;
	if (err == 0)
		err = receiver_new(&receive, peer_link(server.peer),
				   peer_name(server.peer), &server.receiver);
	while (err == 0) {
		err = peer_wait(server.peer, has_request, &server);
		if (err < 0 || server.request_count == 0)
			break;
		(void)answer(&server);
		err = peer_err(server.peer);
	}
	for (size_t i = 0; i < server.request_count; i++)
		free(server.requests[i].indexes);
	receiver_free(server.receiver);
	forward_err = end_forwards(&server);
	peer_close(server.peer, NULL);
	if (err == 0)
		err = server.err;
	return err < 0 ? err : forward_err;
}
