/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/err.h"
#include "core/base/report.h"
#include "core/tree/unpack.h"
#include "platform/pf_process.h"
#include "programs/command.h"
#include "programs/signing.h"
#include "programs/talk.h"

static void
show(void *context, uint64_t bytes_written, uint64_t files)
{
	const struct root *root = context;

	talk_progress("unpacking", bytes_written, root->data_bytes, files);
}

int
command_unpack(const struct options *options)
{
	struct unpack_params params = {
		.path = options->arguments[1],
		.replace = options->replace,
		.select = options->arguments + 2,
		.select_count = options->argument_count - 2,
		.worker_count = options->jobs,
		.dry_run = options->dry_run,
		.progress = show,
	};
	struct unpack_result result = { 0 };
	struct trust *trust = NULL;
	json_t *fields = NULL;
	int err;

	talk_start(options, false);
	/* Staging must be cleaned up. */
	pf_catch_signals();
	pf_ignore_closed_pipes();
	err = signing_read_trust(options, &trust);
	if (err == 0)
		err = image_open(options->arguments[0], &params.image);
	if (err == 0)
		err = signing_check(trust, params.image);
	if (err < 0)
		goto out;
	params.progress_context = (void *)image_root(params.image);
	err = unpack(&params, &result);
	talk_end_progress();
	if (err < 0)
		goto out;
	fields = json_pack("{s:I, s:I, s:I}", "files",
			   (json_int_t)result.files_written, "bytes_written",
			   (json_int_t)result.bytes_written, "bytes_read",
			   (json_int_t)image_size(params.image));
	signing_add_key(fields, params.image);
	talk_say("%s %llu files, %s, %s %s, %.1f s",
		 options->dry_run ? "would unpack" : "unpacked",
		 (unsigned long long)result.files_written,
		 talk_size(result.bytes_written), "into", params.path,
		 talk_seconds());
out:
	image_close(params.image);
	trust_free(trust);
	talk_summary("unpack", err_exit_code(err), fields);
	return err_exit_code(err);
}
