/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/fanout/push.h"
#include "core/store/store.h"
#include "core/stream/stream.h"
#include "platform/pf_process.h"
#include "programs/command.h"
#include "programs/signing.h"
#include "programs/talk.h"

static void
show(void *context, uint64_t bytes, uint64_t total)
{
	(void)context;
	talk_progress("sending", bytes, total, 0);
}

static struct endpoint_params
endpoint_params(const struct options *options)
{
	return (struct endpoint_params){
		.rsh = options->rsh,
		.remote_program = options->remote_program,
		.transfer_max = LINK_TRANSFERS_MAX / 2,
		.rate = options->rate_limit,
		.stall_timeout_s = options->stall_timeout_s,
		.local = { .receive = { .may_roll_back = options->rollback },
			   .worker_count = options->jobs,
			   .delta_level = (int)options->delta_level,
			   .stall_timeout_s = options->stall_timeout_s },
	};
}

/* What an end by error, or by nothing to do, looks like in words. */
static void
tell_sent(const struct push_result *result)
{
	const struct send_target *sent = &result->sent;

	if (talk_is_json()) {
		json_t *fields = json_pack(
			"{s:s, s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:I}",
			"target", result->target, "package_id",
			result->package_id, "version",
			(json_int_t)result->version, "state",
			sent->err != 0	  ? "failed"
			: sent->was_there ? "unchanged"
					  : "sent",
			"bytes_full", (json_int_t)sent->bytes_full,
			"bytes_delta", (json_int_t)sent->bytes_delta,
			"bytes_plain", (json_int_t)sent->bytes_plain,
			"bytes_reused", (json_int_t)sent->bytes_reused,
			"bytes_metadata", (json_int_t)sent->bytes_metadata);

		if (sent->err != 0)
			json_object_set_new(fields, "error",
					    json_string(err_symbol(sent->err)));
		talk_json("transfer", fields);
	} else if (sent->err != 0) {
		talk_say("%s: %s version %u: failed: %s", result->target,
			 result->package_id, result->version,
			 err_text(sent->err));
	} else if (sent->was_there) {
		talk_say("%s: %s version %u is there already", result->target,
			 result->package_id, result->version);
	} else {
		talk_say("%s: %s version %u, %s of deltas, %s of blocks and %s "
			 "of manifest instead of %s",
			 result->target, result->package_id, result->version,
			 talk_size(sent->bytes_delta),
			 talk_size(sent->bytes_plain),
			 talk_size(sent->bytes_metadata),
			 talk_size(sent->bytes_full));
	}
}

static json_t *
push_to_json(const struct push_total *total)
{
	uint64_t full = 0, delta = 0, plain = 0, reused = 0, metadata = 0;
	unsigned round_trips = 0;
	size_t failed = 0;

	for (size_t i = 0; i < total->result_count; i++) {
		const struct send_target *sent = &total->results[i].sent;

		full += sent->bytes_full;
		delta += sent->bytes_delta;
		plain += sent->bytes_plain;
		reused += sent->bytes_reused;
		metadata += sent->bytes_metadata;
		if (sent->round_trips > round_trips)
			round_trips = sent->round_trips;
		failed += sent->err != 0;
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "bytes_sent", (json_int_t)total->bytes_sent,
			 "bytes_received", (json_int_t)total->bytes_received,
			 "bytes_full", (json_int_t)full, "bytes_delta",
			 (json_int_t)delta, "bytes_plain", (json_int_t)plain,
			 "bytes_reused", (json_int_t)reused, "bytes_metadata",
			 (json_int_t)metadata, "round_trips",
			 (json_int_t)round_trips, "transfers",
			 (json_int_t)total->result_count, "failed",
			 (json_int_t)failed);
}

int
command_push(const struct options *options)
{
	struct push_params params = {
		.source = options->arguments[0],
		.base = options->base,
		.targets = options->arguments + 1,
		.target_count = options->argument_count - 1,
		.endpoint = endpoint_params(options),
		.worker_count = options->jobs,
		.sending_max = options->max_sendings,
		.delta_level = (int)options->delta_level,
		.priority = (enum message_priority)options->priority,
		.may_roll_back = options->rollback,
		.progress = show,
	};
	struct push_total total = { 0 };
	size_t failed = 0;
	int exit_code;
	int err;

	talk_start(options, false);
	pf_catch_signals();
	pf_ignore_closed_pipes();
	err = push(&params, &total);
	talk_end_progress();
	exit_code = err_exit_code(err);
	for (size_t i = 0; i < total.result_count; i++) {
		tell_sent(&total.results[i]);
		failed += total.results[i].sent.err != 0;
	}
	if (failed > 0 && failed < total.result_count)
		exit_code = EXIT_PARTLY;
	if (err == 0)
		talk_say("%s sent, %s received, %.1f s",
			 talk_size(total.bytes_sent),
			 talk_size(total.bytes_received), talk_seconds());
	talk_summary("push", exit_code, push_to_json(&total));
	free(total.results);
	return exit_code;
}

/* ID[@VERSION] */
int
parse_package(const char *text, char id[PACKAGE_ID_SIZE + 1],
	      uint32_t *ret_version)
{
	const char *at = strchr(text, '@');
	size_t size = at != NULL ? (size_t)(at - text) : strlen(text);
	char *end;
	unsigned long long version = 0;

	if (size == PACKAGE_ID_SIZE) {
		memcpy(id, text, size);
		id[size] = '\0';
	}
	if (size != PACKAGE_ID_SIZE || !package_id_is_valid(id))
		return report_error(DSP_EINVAL, NULL,
				    "\"%s\" is no package: ID or ID@VERSION, "
				    "as in 61000012@3",
				    text);
	if (at != NULL) {
		version = strtoull(at + 1, &end, 10);
		if (at[1] < '0' || at[1] > '9' || *end != '\0' ||
		    version == 0 || version > UINT32_MAX)
			return report_error(DSP_EINVAL, NULL,
					    "\"%s\" is no version", at + 1);
	}
	*ret_version = (uint32_t)version;
	return 0;
}

static json_t *
pull_to_json(const struct pull_total *total)
{
	const struct receive_result *result = &total->result;

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "bytes_sent", (json_int_t)total->bytes_sent,
			 "bytes_received", (json_int_t)total->bytes_received,
			 "bytes_full", (json_int_t)result->bytes_full,
			 "bytes_delta", (json_int_t)result->bytes_delta,
			 "bytes_plain", (json_int_t)result->bytes_plain,
			 "bytes_reused", (json_int_t)result->bytes_reused,
			 "bytes_metadata", (json_int_t)result->bytes_metadata,
			 "bytes_resumed", (json_int_t)result->bytes_resumed,
			 "version", (json_int_t)result->version);
}

int
command_pull(const struct options *options)
{
	const char *path = options->store != NULL ? options->store
						  : getenv("DESPOOL_STORE");
	char id[PACKAGE_ID_SIZE + 1];
	struct pull_params params = {
		.target = options->arguments[0],
		.package_id = id,
		.endpoint = endpoint_params(options),
		.priority = (enum message_priority)options->priority,
		.wait_s = options->wait_s,
		.receive = { .progress = show },
	};
	struct pull_total total = { 0 };
	struct trust *trust = NULL;
	int exit_code;
	int err;

	talk_start(options, false);
	pf_catch_signals();
	pf_ignore_closed_pipes();
	err = signing_read_trust(options, &trust);
	signing_set_receive(trust, &params.receive);
	if (err == 0)
		err = parse_package(options->arguments[1], id, &params.version);
	if (err == 0 && path == NULL)
		err = report_error(DSP_EINVAL, NULL,
				   "into which store?  --store DIR or "
				   "$DESPOOL_STORE");
	if (err == 0)
		err = store_open(path, &params.store);
	if (err == 0)
		err = pull(&params, &total);
	store_close(params.store);
	trust_free(trust);
	talk_end_progress();
	exit_code = err_exit_code(err);
	if (err == 0 && total.result.was_there)
		talk_say("%s version %u is here already", id,
			 total.result.version);
	else if (err == 0)
		talk_say("%s version %u: %s received instead of %s, %.1f s", id,
			 total.result.version, talk_size(total.bytes_received),
			 talk_size(total.result.bytes_full), talk_seconds());
	talk_summary("pull", exit_code, pull_to_json(&total));
	return exit_code;
}

int
command_link(const struct options *options)
{
	struct serve_params params = {
		.receive = { .may_roll_back = options->rollback,
			     .expand = options->expand,
			     .keep = options->keep,
			     .worker_count = options->jobs,
			     .stall_timeout_s = options->stall_timeout_s },
		.worker_count = options->jobs,
		.delta_level = (int)options->delta_level,
		.stall_timeout_s = options->stall_timeout_s,
		.forwards = options->forwards,
		.forward_count = options->forward_count,
		.rsh = options->rsh,
		.remote_program = options->remote_program,
		.rate = options->rate_limit,
	};
	struct stream *stream = NULL;
	struct trust *trust = NULL;
	int err;

	talk_start(options, true);
	pf_catch_signals();
	pf_ignore_closed_pipes();
	err = signing_read_trust(options, &trust);
	signing_set_receive(trust, &params.receive);
	if (err == 0)
		err = store_open(options->arguments[0], &params.receive.store);
	if (err == 0)
		err = stream_stdio(&stream);
	if (err == 0) {
		stream_set_patience(stream, options->stall_timeout_s);
		err = serve(&params, stream);
	}
	store_close(params.receive.store);
	trust_free(trust);
	talk_summary("link", err_exit_code(err), NULL);
	return err_exit_code(err);
}
