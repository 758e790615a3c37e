/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "core/tree/output.h"
#include "core/tree/pack.h"
#include "platform/pf_process.h"
#include "programs/command.h"
#include "programs/talk.h"

enum { STDOUT_FD = 1, NAME_SIZE_MAX = 255 };

static void
show(void *context, uint64_t bytes_read, uint64_t entries)
{
	(void)context;
	talk_progress("packing", bytes_read, 0, entries);
}

static json_t *
to_json(const struct pack_result *result)
{
	json_t *fields =
		json_pack("{s:I, s:I, s:I, s:I, s:I}", "files",
			  (json_int_t)result->file_count, "file_bytes",
			  (json_int_t)result->file_bytes, "bytes_read",
			  (json_int_t)result->bytes_read, "bytes_written",
			  (json_int_t)result->image_size, "image_bytes",
			  (json_int_t)result->image_size);

	talk_add_digest(fields, "root", &result->root_digest);
	talk_add_digest(fields, "content", &result->content);
	return fields;
}

/* The stat cache beside the image, for a later --base. */
static int
open_seen(const char *image, struct output **ret_output)
{
	size_t size = strlen(image);
	char *path = malloc(size + sizeof PACK_SEEN_SUFFIX);
	int err = 0;

	if (path == NULL)
		return report_error(DSP_ENOMEM, image, "packing");
	memcpy(path, image, size);
	memcpy(path + size, PACK_SEEN_SUFFIX, sizeof PACK_SEEN_SUFFIX);
	if (size - path_name_start(image, size) + strlen(PACK_SEEN_SUFFIX) >
	    NAME_SIZE_MAX)
		report_warning(path, "not kept: its name is too long");
	else
		err = output_open(path, true, NULL, ret_output);
	free(path);
	return err;
}

int
command_pack(const struct options *options)
{
	struct pack_params params = {
		.source = options->arguments[0],
		.package_id = options->package_id != NULL ? options->package_id
							  : DEFAULT_PACKAGE_ID,
		.version = options->version != 0 ? options->version : 1,
		.level = (int)options->level,
		.worker_count = options->jobs,
		.allow_empty = options->allow_empty,
		.scan = { .exclude = &options->exclude,
			  .special = options->skip_special
					     ? SCAN_SKIP_SPECIAL
					     : SCAN_REFUSE_SPECIAL },
		.base = options->base,
		.seen_fd = -1,
		.progress = show,
	};
	struct pack_result result = { 0 };
	struct output *output = NULL;
	struct output *seen = NULL;
	struct pf_stat source, out;
	bool to_stdout = options->output != NULL &&
			 strcmp(options->output, "-") == 0;
	json_t *fields = NULL;
	int err = 0;

	talk_start(options, to_stdout);
	if (!to_stdout) { /* a half image must be removed */
		pf_catch_signals();
		pf_ignore_closed_pipes();
	}
	if (options->output == NULL && !options->dry_run) {
		err = report_error(DSP_EINVAL, NULL,
				   "pack needs -o FILE (or -o -)");
		goto out;
	}
	if (to_stdout && pf_is_terminal(STDOUT_FD)) {
		err = report_error(DSP_EINVAL, NULL,
				   "not writing an image to a terminal");
		goto out;
	}
	err = pf_stat(params.source, &source);
	if (err == 0 && source.type != PF_DIR)
		err = DSP_ENOTDIR;
	if (err < 0) {
		report_error(err, params.source, "packing");
		goto out;
	}
	if (to_stdout && pf_stat_fd(STDOUT_FD, &out) == 0 &&
	    out.type == PF_FILE)
		params.scan.output = &out;
	if (options->dry_run) {
		err = pack_dry(&params, &result);
	} else if (to_stdout) {
		err = pack(&params, STDOUT_FD, &result);
	} else {
		err = output_open(options->output, options->force, &source,
				  &output);
		if (err == 0)
			err = open_seen(options->output, &seen);
		if (err == 0) {
			if (seen != NULL)
				params.seen_fd = output_fd(seen);
			err = pack(&params, output_fd(output), &result);
		}
		/* The cache last: it must not be about an image that is not. */
		if (err == 0)
			err = output_commit(output);
		if (err == 0 && seen != NULL)
			err = output_commit(seen);
	}
	talk_end_progress();
	if (err < 0)
		goto out;
	fields = to_json(&result);
	talk_say("%s %llu files, %s, into %s: %s, version %u, %.1f s",
		 options->dry_run ? "would pack" : "packed",
		 (unsigned long long)result.file_count,
		 talk_size(result.file_bytes),
		 options->output != NULL ? options->output : "nothing",
		 talk_size(result.image_size), params.version, talk_seconds());
out:
	output_close(output);
	output_close(seen);
	talk_summary("pack", err_exit_code(err), fields);
	return err_exit_code(err);
}
