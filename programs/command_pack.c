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
#include "programs/signing.h"
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

/* What can be said to be wrong before anything is read. */
static int
check(const struct options *options, bool to_stdout, struct pf_stat *ret_source)
{
	const char *source = options->arguments[0];
	int err;

	if (options->output == NULL ? !options->dry_run
				    : options->output[0] == '\0')
		return report_error(DSP_EINVAL, NULL,
				    "pack needs -o FILE (or -o -)");
	if (to_stdout && pf_is_terminal(STDOUT_FD))
		return report_error(DSP_EINVAL, NULL,
				    "not writing an image to a terminal");
	err = pf_stat(source, ret_source);
	if (err == 0 && ret_source->type != PF_DIR)
		err = DSP_ENOTDIR;
	if (err < 0)
		return report_error(err, source, "packing");
	if (options->dry_run && options->output != NULL && !to_stdout)
		err = output_check(options->output, options->force, ret_source);
	return err;
}

static int
pack_to_stdout(struct pack_params *params, struct pack_result *ret_result)
{
	struct pf_stat out;

	if (pf_stat_fd(STDOUT_FD, &out) == 0 && out.type == PF_FILE)
		params->scan.output = &out;
	return pack(params, STDOUT_FD, ret_result);
}

static int
pack_to_file(const struct options *options, struct pack_params *params,
	     const struct pf_stat *source, struct pack_result *ret_result)
{
	struct output *output = NULL;
	struct output *seen = NULL;
	int err;

	pf_catch_signals(); /* a half image must be removed */
	pf_ignore_closed_pipes();
	err = output_open(options->output, options->force, source, &output);
	if (err == 0)
		err = open_seen(options->output, &seen);
	if (err == 0 && seen != NULL)
		params->seen_fd = output_fd(seen);
	if (err == 0)
		err = pack(params, output_fd(output), ret_result);

	/* The cache last: it must not be about an image that is not there. */
	if (err == 0)
		err = output_commit(output);
	if (err == 0 && seen != NULL)
		err = output_commit(seen);
	output_close(output);
	output_close(seen);
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
	struct secret_key key = { 0 };
	struct pf_stat source;
	bool to_stdout = options->output != NULL &&
			 strcmp(options->output, "-") == 0;
	json_t *fields = NULL;
	int err;

	talk_start(options, to_stdout);
	err = check(options, to_stdout, &source);
	if (err == 0 && options->sign != NULL) {
		err = secret_key_read(options->sign, &key);
		params.sign = trust_sign_root;
		params.sign_context = &key;
	}
	if (err < 0)
		goto out;
	err = options->dry_run ? pack_dry(&params, &result)
	      : to_stdout      ? pack_to_stdout(&params, &result)
			  : pack_to_file(options, &params, &source, &result);
	talk_end_progress();
	if (err < 0)
		goto out;
	fields = to_json(&result);
	if (options->sign != NULL)
		signing_add_id(fields, key.id);
	if (options->dry_run)
		talk_say("would pack %llu files, %s",
			 (unsigned long long)result.file_count,
			 talk_size(result.file_bytes));
	else
		talk_say("packed %llu files, %s, into %s: %s, version %u, "
			 "%.1f s",
			 (unsigned long long)result.file_count,
			 talk_size(result.file_bytes), options->output,
			 talk_size(result.image_size), params.version,
			 talk_seconds());
out:
	secret_key_wipe(&key);
	talk_summary("pack", err_exit_code(err), fields);
	return err_exit_code(err);
}
