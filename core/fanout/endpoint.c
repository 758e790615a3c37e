/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fanout/endpoint.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/buffer.h"
#include "core/base/err.h"
#include "core/base/report.h"
#include "core/store/store.h"
#include "platform/pf_file.h"
#include "platform/pf_poll.h"
#include "platform/pf_thread.h"

enum { WORDS_MAX = 32 };

#define EXEC_PREFIX "exec:"

struct endpoint {
	struct peer *peer;

	/* A store of this machine is served by a thread of our own. */
	struct pf_thread *thread;
	struct serve_params serve;
	struct store *store;
	struct stream *far; /* the thread's end */
	int serve_err;
};

/* Where the host ends: the ':' before any '/'; NULL: there is none. */
static const char *
find_colon(const char *spec)
{
	size_t end = strcspn(spec, ":/");

	return spec[end] == ':' && end > 0 ? spec + end : NULL;
}

bool
endpoint_is_local(const char *spec)
{
	return strncmp(spec, EXEC_PREFIX, strlen(EXEC_PREFIX)) != 0 &&
	       find_colon(spec) == NULL;
}

/* Append a word for the shell at the other side. */
static int
add_quoted(struct buffer *out, const char *word)
{
	int err = buffer_add_u8(out, '\'');

	for (; err == 0 && *word != '\0'; word++)
		err = *word == '\'' ? buffer_add(out, "'\\''", 4)
				    : buffer_add(out, word, 1);
	return err == 0 ? buffer_add_u8(out, '\'') : err;
}

static int
add_text(struct buffer *out, const char *text)
{
	return buffer_add(out, text, strlen(text));
}

/* ssh HOST despool link PATH */
static int
start_remote(const char *spec, const struct endpoint_params *params,
	     struct stream **ret_stream)
{
	const char *colon = find_colon(spec);
	const char *rsh = params->rsh != NULL ? params->rsh : "ssh";
	const char *program = params->remote_program != NULL
				      ? params->remote_program
				      : "despool";
	const char *argv[WORDS_MAX + 3] = { NULL };
	struct buffer command = { 0 };
	size_t size = strlen(rsh) + 1;
	size_t host_size = (size_t)(colon - spec);
	char *words = malloc(size);
	char *host = malloc(host_size + 1);
	char *rest = NULL;
	unsigned count = 0;
	int err = words != NULL && host != NULL ? 0 : DSP_ENOMEM;

	if (err == 0) {
		memcpy(words, rsh, size);
		memcpy(host, spec, host_size);
		host[host_size] = '\0';
		for (char *at = words; count < WORDS_MAX; at = NULL) {
			const char *word = strtok_r(at, " ", &rest);

			if (word == NULL)
				break;
			argv[count++] = word;
		}
		err = add_text(&command, program);
	}
	if (err == 0)
		err = add_text(&command, " link ");
	if (err == 0)
		err = add_quoted(&command, colon + 1);
	if (err == 0)
		err = buffer_add_u8(&command, '\0');
	if (err < 0) {
		report_error(err, spec, "starting %s", rsh);
	} else if (host[0] == '-' || count == 0) {
		err = report_error(DSP_EINVAL, spec, "no host");
	} else {
		argv[count++] = host;
		argv[count] = (const char *)command.data;
		err = stream_start(argv, spec, ret_stream);
	}
	buffer_release(&command);
	free(words);
	free(host);
	return err;
}

static void
run_local(void *context)
{
	struct endpoint *endpoint = context;

	endpoint->serve_err = serve(&endpoint->serve, endpoint->far);
}

/* A store of this machine: its far end is a thread. */
static int
start_local(struct endpoint *endpoint, const char *spec,
	    const struct endpoint_params *params, struct stream **ret_stream)
{
	int fds[2];
	int err = store_open(spec, &endpoint->store);

	if (err < 0)
		return err;
	endpoint->serve = params->local;
	endpoint->serve.receive.store = endpoint->store;
	err = pf_stream_pair(fds);
	if (err < 0)
		return report_error(err, spec, "opening the link");
	err = stream_of_fd(fds[0], spec, ret_stream);
	if (err == 0)
		err = stream_of_fd(fds[1], spec, &endpoint->far);
	else
		pf_close(fds[1]);
	if (err < 0)
		goto out;
	err = pf_thread_start(run_local, endpoint, &endpoint->thread);
	if (err < 0) {
		stream_close(endpoint->far, 0, NULL);
		report_error(err, spec, "starting a thread");
	}
out:
	if (err < 0) {
		stream_close(*ret_stream, 0, NULL);
		*ret_stream = NULL;
	}
	return err;
}

int
endpoint_open(const char *spec, const struct endpoint_params *params,
	      peer_handler *handler, void *context,
	      struct endpoint **ret_endpoint)
{
	struct link_params link = { .is_opener = true,
				    .can_send = true,
				    .can_receive = true,
				    .transfer_max = params->transfer_max };
	struct endpoint *endpoint = calloc(1, sizeof *endpoint);
	struct stream *stream = NULL;
	int err;

	if (endpoint == NULL)
		return report_error(DSP_ENOMEM, spec, "opening the link");
	if (strncmp(spec, EXEC_PREFIX, strlen(EXEC_PREFIX)) == 0) {
		const char *const argv[] = { "/bin/sh", "-c",
					     spec + strlen(EXEC_PREFIX), NULL };

		err = stream_start(argv, spec, &stream);
	} else if (find_colon(spec) != NULL) {
		err = start_remote(spec, params, &stream);
	} else {
		err = start_local(endpoint, spec, params, &stream);
	}
	if (err == 0) {
		stream_set_rate(stream, params->rate);
		stream_set_patience(stream, params->stall_timeout_s);
		err = peer_new(stream, &link, handler, context,
			       &endpoint->peer);
	}
	if (err < 0) {
		(void)endpoint_close(endpoint, err);
		return err;
	}
	*ret_endpoint = endpoint;
	return 0;
}

struct peer *
endpoint_peer(const struct endpoint *endpoint)
{
	return endpoint->peer;
}

int
endpoint_close(struct endpoint *endpoint, int err)
{
	int code = 0;

	if (endpoint == NULL)
		return err;
	peer_close(endpoint->peer, &code);
	pf_thread_join(endpoint->thread);
	store_close(endpoint->store);
	if (err == 0)
		err = endpoint->serve_err;
	if (err == 0 && code != 0)
		err = report_error(DSP_ECLOSED, NULL,
				   "the program at the other end ended with %d",
				   code);
	free(endpoint);
	return err;
}
