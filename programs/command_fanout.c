/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "core/fanout/fanout.h"
#include "core/fanout/push.h"
#include "core/image/image.h"
#include "core/tree/pack.h"
#include "platform/pf_file.h"
#include "platform/pf_process.h"
#include "platform/pf_temp.h"
#include "platform/pf_thread.h"
#include "programs/command.h"
#include "programs/signing.h"
#include "programs/talk.h"

static void
show(void *context, uint64_t bytes, uint64_t total, uint64_t files)
{
	(void)context;
	talk_progress("publishing", bytes, total, files);
}

/* A word as a shell takes it, in single quotes when it needs them. */
static void
print_word(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_./=:,+@%";

	if (word[0] != '\0' && strspn(word, plain) == strlen(word)) {
		fprintf(stderr, " %s", word);
		return;
	}
	fputs(" '", stderr);
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			fputs("'\\''", stderr);
		else
			fputc(*word, stderr);
	}
	fputc('\'', stderr);
}

/* May it get the version yet?  A conflict stays one. */
static bool
is_left(const struct fanout_dest *dest)
{
	if (dest->state == FANOUT_FAILED)
		return err_exit_code(dest->err) != EXIT_CONFLICT;
	return dest->state == FANOUT_PENDING; /* its turn never came */
}

static bool
can_retry(const struct fanout_params *params)
{
	for (size_t i = 0; i < params->dest_count; i++)
		if (params->dests[i].state == FANOUT_FAILED &&
		    is_left(&params->dests[i]))
			return true;
	return false;
}

/* A mismatch that was read back is mended by --refresh. */
static bool
needs_refresh(const struct fanout_params *params)
{
	for (size_t i = 0; i < params->dest_count; i++)
		if (params->dests[i].err == DSP_EDIFFERS)
			return true;
	return params->refresh;
}

static bool
has_dash(const struct fanout_params *params)
{
	for (size_t i = 0; i < params->dest_count; i++)
		if (params->dests[i].path[0] == '-')
			return true;
	return params->source[0] == '-';
}

static void
print_operands(const struct fanout_params *params)
{
	print_word(params->source);
	for (size_t i = 0; i < params->dest_count; i++)
		if (is_left(&params->dests[i]))
			print_word(params->dests[i].path);
}

/* The command that does again just what failed; version 0: whichever. */
static void
print_retry(const struct options *options, const struct fanout_params *params,
	    uint32_t version, bool is_image)
{
	talk_end_progress();
	fputs("To try again where it failed:\n  despool fanout", stderr);
	if (!has_dash(params))
		print_operands(params);
	if (!is_image) {
		if (strcmp(params->package_id, DEFAULT_PACKAGE_ID) != 0)
			fprintf(stderr, " --id %s", params->package_id);
		if (version > 0)
			fprintf(stderr, " --version %u", version);
	}
	for (size_t i = 0; i < options->exclude_argument_count; i++) {
		fputs(" --exclude", stderr);
		print_word(options->exclude_arguments[i]);
	}
	if (options->exclude_from != NULL) {
		fputs(" --exclude-from", stderr);
		print_word(options->exclude_from);
	}
	if (options->trust != NULL) {
		fputs(" --trust", stderr);
		print_word(options->trust);
	}
	if (params->keep != 2)
		fprintf(stderr, " --keep %u", params->keep);
	if (params->stall_timeout_s != STALL_TIMEOUT_DEFAULT)
		fprintf(stderr, " --stall-timeout %u", params->stall_timeout_s);
	fputs(needs_refresh(params) ? " --refresh" : "", stderr);
	fputs(params->rollback ? " --rollback" : "", stderr);
	fputs(params->readback ? " --readback" : "", stderr);
	fputs(params->no_create ? " --no-create" : "", stderr);
	fputs(options->skip_special ? " --special=skip" : "", stderr);
	fputs(options->allow_empty ? " --allow-empty" : "", stderr);
	if (has_dash(params)) {
		fputs(" --", stderr);
		print_operands(params);
	}
	fputc('\n', stderr);
}

static const char *const states[] = { "pending", "published", "unchanged",
				      "failed" };

static void
tell_dest(const struct fanout_dest *dest, const struct fanout_result *result,
	  bool is_dry)
{
	if (talk_is_json()) {
		json_t *fields = json_pack(
			"{s:s, s:I, s:I, s:I, s:I, s:I}", "state",
			states[dest->state], "version",
			(json_int_t)(dest->state == FANOUT_FAILED ||
						     (dest->state ==
							      FANOUT_PENDING &&
						      !is_dry)
					     ? dest->version_before
					     : result->version),
			"version_before", (json_int_t)dest->version_before,
			"files_written", (json_int_t)dest->files_written,
			"files_kept", (json_int_t)dest->files_kept,
			"bytes_written", (json_int_t)dest->bytes_written);

		talk_add_path(fields, "path", dest->path, strlen(dest->path));
		if (dest->err < 0)
			json_object_set_new(fields, "error",
					    json_string(err_symbol(dest->err)));
		talk_json("destination", fields);
		return;
	}
	switch (dest->state) {
	case FANOUT_PUBLISHED:
		if (!endpoint_is_local(dest->path)) {
			talk_say("%s: version %u, %s sent", dest->path,
				 result->version,
				 talk_size(dest->bytes_written));
			break;
		}
		talk_say("%s: version %u, %llu files and %s written, %llu "
			 "files kept",
			 dest->path, result->version,
			 (unsigned long long)dest->files_written,
			 talk_size(dest->bytes_written),
			 (unsigned long long)dest->files_kept);
		break;
	case FANOUT_UNCHANGED:
		talk_say("%s: version %u, nothing changed", dest->path,
			 dest->version_before);
		break;
	case FANOUT_FAILED:
		talk_say("%s: failed: %s", dest->path, err_text(dest->err));
		break;
	case FANOUT_PENDING:
		if (is_dry)
			talk_say("%s: would publish version %u", dest->path,
				 result->version);
		break;
	}
}

/* An image says itself which package and version it is. */
static int
read_identity(const struct options *options, struct fanout_params *params,
	      bool *ret_is_image)
{
	struct image *image = NULL;
	struct pf_stat stat;
	const struct root *root;
	static char id[PACKAGE_ID_SIZE + 1];
	int err = pf_stat(params->source, &stat);

	if (err < 0)
		return report_error(err, params->source, "publishing");
	*ret_is_image = stat.type != PF_DIR;
	if (!*ret_is_image)
		return 0;
	err = image_open(params->source, &image);
	if (err < 0)
		return err;
	root = image_root(image);
	memcpy(id, root->package_id, sizeof id);
	if ((options->package_id != NULL &&
	     strcmp(options->package_id, id) != 0) ||
	    (options->version != 0 && options->version != root->version))
		err = report_error(DSP_ECONFLICT, params->source,
				   "is package %s version %u", id,
				   root->version);
	params->package_id = id;
	image_close(image);
	return err;
}

static size_t
count_state(const struct fanout_params *params, enum fanout_state state)
{
	size_t count = 0;

	for (size_t i = 0; i < params->dest_count; i++)
		count += params->dests[i].state == state;
	return count;
}

static json_t *
to_json(const struct fanout_params *params, const struct fanout_result *result)
{
	json_t *fields = json_pack(
		"{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "files",
		(json_int_t)result->file_count, "bytes_read",
		(json_int_t)result->bytes_read, "bytes_written",
		(json_int_t)result->bytes_written, "version",
		(json_int_t)result->version, "destinations",
		(json_int_t)params->dest_count, "published",
		(json_int_t)count_state(params, FANOUT_PUBLISHED), "unchanged",
		(json_int_t)count_state(params, FANOUT_UNCHANGED), "failed",
		(json_int_t)count_state(params, FANOUT_FAILED));

	talk_add_digest(fields, "content", &result->content);
	return fields;
}

/* Say how it went, and what is to be done now.  Returns the exit code. */
static int
tell_result(const struct options *options, const struct fanout_params *params,
	    const struct fanout_result *result, bool is_image, int err)
{
	int exit_code = err_exit_code(err);
	size_t failed = count_state(params, FANOUT_FAILED);
	size_t done = count_state(params, FANOUT_PUBLISHED) +
		      count_state(params, FANOUT_UNCHANGED);

	for (size_t i = 0; i < params->dest_count; i++)
		tell_dest(&params->dests[i], result, options->dry_run);
	if (failed > 0 && done > 0 && exit_code != EXIT_USAGE)
		exit_code = EXIT_PARTLY;

	/* A number that nobody got may be the wrong one. */
	if (can_retry(params) && exit_code != EXIT_USAGE && !options->json)
		print_retry(options, params,
			    done > 0 ? result->version : options->version,
			    is_image);
	if (err == 0)
		talk_say("%s %s version %u at %zu of %zu destinations, %s "
			 "written, %.1f s",
			 params->package_id,
			 options->dry_run ? "would be" : "is", result->version,
			 done + (options->dry_run
					 ? count_state(params, FANOUT_PENDING)
					 : 0),
			 params->dest_count, talk_size(result->bytes_written),
			 talk_seconds());
	return exit_code;
}

/* Destinations at the other ends of links, served beside the others. */
struct links {
	struct push_params params;
	struct fanout_dest **dests; /* of each target */
	const char **targets;
	struct pf_thread *thread;
	struct push_total total;
};

static void
run_links(void *context)
{
	struct links *links = context;

	(void)push(&links->params, &links->total);
}

/* What became of them, in the words of a fan-out. */
static int
end_links(struct links *links)
{
	int err = 0;

	pf_thread_join(links->thread);
	for (size_t i = 0; i < links->params.target_count; i++) {
		struct fanout_dest *dest = links->dests[i];
		const struct send_target *sent = NULL;

		if (i < links->total.result_count)
			sent = &links->total.results[i].sent;
		dest->err = sent != NULL ? sent->err : DSP_ECANCELED;
		dest->version_before = sent != NULL && sent->was_there
					       ? links->total.results[i].version
					       : 0;
		dest->state = dest->err != 0	? FANOUT_FAILED
			      : sent->was_there ? FANOUT_UNCHANGED
						: FANOUT_PUBLISHED;
		if (sent != NULL)
			dest->bytes_written = sent->bytes_delta +
					      sent->bytes_plain +
					      sent->bytes_metadata;
		if (err == 0)
			err = dest->err;
	}
	free(links->total.results);
	free(links->dests);
	free(links->targets);
	return err;
}

static int
start_links(const struct options *options, struct fanout_params *params,
	    struct links *links)
{
	int err;

	links->params = (struct push_params){
		.source = params->source,
		.image = params->image,
		.targets = links->targets,
		.target_count = links->params.target_count,
		.endpoint = { .rsh = options->rsh,
			      .remote_program = options->remote_program,
			      .transfer_max = 1,
			      .rate = options->rate_limit,
			      .stall_timeout_s = options->stall_timeout_s },
		.base = options->base,
		.worker_count = options->jobs,
		.sending_max = 1,
		.delta_level = (int)options->delta_level,
		.priority = MESSAGE_MEDIUM,
		.may_roll_back = options->rollback,
	};
	err = pf_thread_start(run_links, links, &links->thread);
	return err < 0 ? report_error(err, params->source, "starting a thread")
		       : 0;
}

/* A directory is packed once, for all who are to get it. */
static int
pack_source(const struct options *options, struct fanout_params *params)
{
	struct pack_params pack_params = {
		.source = params->source,
		.package_id = params->package_id,
		.version = options->version,
		.level = FRAME_LEVEL_DEFAULT,
		.worker_count = options->jobs,
		.allow_empty = options->allow_empty,
		.scan = params->scan,
		.seen_fd = -1,
	};
	struct pack_result result;
	int fd = -1;
	int err;

	if (options->version == 0)
		return report_error(DSP_EINVAL, NULL,
				    "a directory goes over a link with "
				    "--version N");
	err = pf_temp_file(&fd);
	if (err < 0)
		return report_error(err, pf_temp_dir(), "packing");
	err = pack(&pack_params, fd, &result);
	if (err < 0) {
		pf_close(fd);
		return err;
	}
	return image_open_fd(fd, params->source, &params->image);
}

/* Some destinations are links: the image goes to all from one place. */
static int
fan_out_with_links(const struct options *options, struct fanout_params *params,
		   struct fanout_result *result, bool is_image)
{
	struct fanout_params local = *params;
	struct fanout_dest *dests = calloc(params->dest_count, sizeof *dests);
	struct links links = { 0 };
	size_t count = 0;
	int err, link_err;

	links.targets = calloc(params->dest_count, sizeof *links.targets);
	links.dests = calloc(params->dest_count, sizeof *links.dests);
	err = dests != NULL && links.targets != NULL && links.dests != NULL
		      ? 0
		      : report_error(DSP_ENOMEM, NULL, "starting");
	if (err == 0)
		err = is_image ? image_open(params->source, &params->image)
			       : pack_source(options, params);
	if (err == 0)
		err = signing_check(params->trust, params->image);
	for (size_t i = 0; err == 0 && i < params->dest_count; i++) {
		struct fanout_dest *dest = &params->dests[i];

		if (endpoint_is_local(dest->path)) {
			dests[count++] = *dest;
			continue;
		}
		links.targets[links.params.target_count] = dest->path;
		links.dests[links.params.target_count++] = dest;
	}
	if (err == 0)
		err = start_links(options, params, &links);
	if (err < 0) {
		free(dests);
		free(links.targets);
		free(links.dests);
		return err;
	}
	local.image = params->image;
	local.dests = dests;
	local.dest_count = count;
	result->version = image_root(params->image)->version;
	result->content = image_root(params->image)->content;
	result->file_count = image_root(params->image)->file_count;
	if (count > 0)
		err = fanout(&local, result);
	link_err = end_links(&links);
	for (size_t i = 0, j = 0; i < params->dest_count; i++)
		if (endpoint_is_local(params->dests[i].path))
			params->dests[i] = dests[j++];
	free(dests);
	return err < 0 ? err : link_err;
}

static bool
has_links(const struct fanout_params *params)
{
	for (size_t i = 0; i < params->dest_count; i++)
		if (!endpoint_is_local(params->dests[i].path))
			return true;
	return false;
}

int
command_fanout(const struct options *options)
{
	size_t dest_count = options->argument_count - 1;
	struct fanout_dest *dests = calloc(dest_count, sizeof *dests);
	struct fanout_params params = {
		.source = options->arguments[0],
		.package_id = options->package_id != NULL ? options->package_id
							  : DEFAULT_PACKAGE_ID,
		.version = options->version,
		.dests = dests,
		.dest_count = dests != NULL ? dest_count : 0,
		.keep = options->keep,
		.worker_count = options->jobs,
		.stall_timeout_s = options->stall_timeout_s,
		.no_create = options->no_create,
		.refresh = options->refresh,
		.rollback = options->rollback,
		.readback = options->readback,
		.dry_run = options->dry_run,
		.allow_empty = options->allow_empty,
		.scan = { .exclude = &options->exclude,
			  .special = options->skip_special
					     ? SCAN_SKIP_SPECIAL
					     : SCAN_REFUSE_SPECIAL },
		.progress = show,
	};
	struct fanout_result result = { 0 };
	struct trust *trust = NULL;
	bool is_image = false;
	int exit_code;
	int err = dests != NULL ? 0 : DSP_ENOMEM;

	talk_start(options, false);
	/* Staging must be cleaned up. */
	pf_catch_signals();
	pf_ignore_closed_pipes();
	for (size_t i = 0; i < params.dest_count; i++)
		dests[i].path = options->arguments[i + 1];
	if (err == 0)
		err = signing_read_trust(options, &trust);
	params.trust = trust;
	if (err == 0)
		err = read_identity(options, &params, &is_image);
	if (err == 0 && trust != NULL && !is_image)
		err = report_error(DSP_EINVAL, params.source,
				   "a directory is signed by nobody: --trust "
				   "is for images");
	if (err == 0 && has_links(&params))
		err = options->dry_run
			      ? report_error(DSP_EINVAL, NULL,
					     "--dry-run cannot ask the far end "
					     "of a link")
			      : fan_out_with_links(options, &params, &result,
						   is_image);
	else if (err == 0)
		err = fanout(&params, &result);
	exit_code = tell_result(options, &params, &result, is_image, err);
	talk_summary("fanout", exit_code, to_json(&params, &result));
	if (result.is_stalled) {
		fflush(NULL);
		pf_exit_now(exit_code);
	}
	image_close(params.image);
	trust_free(trust);
	free(dests);
	return exit_code;
}
