/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/tree/check.h"
#include "core/tree/verify.h"
#include "platform/pf_process.h"
#include "programs/command.h"
#include "programs/signing.h"
#include "programs/talk.h"

static void
show(void *context, uint64_t bytes, uint64_t files)
{
	const struct root *root = context;

	talk_progress("verifying", bytes, root->data_bytes, files);
}

static const struct {
	unsigned bit;
	const char *word;
} words[] = {
	{ CHECK_TYPE, "type" },		{ CHECK_CONTENT, "content" },
	{ CHECK_MODE, "mode" },		{ CHECK_OWNER, "owner" },
	{ CHECK_TIME, "time" },		{ CHECK_TARGET, "target" },
	{ CHECK_XATTRS, "attributes" },
};

static void
tell_difference(void *context, const char *path, size_t size, unsigned what)
{
	const char *kind = what & CHECK_MISSING ? "missing"
			   : what & CHECK_EXTRA ? "extra"
						: "changed";
	json_t *list = json_array();
	char text[128] = "";
	size_t used = 0;

	(void)context;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (!(what & words[i].bit))
			continue;
		json_array_append_new(list, json_string(words[i].word));
		used += (size_t)snprintf(text + used, sizeof text - used,
					 "%s%s", used > 0 ? ", " : " (",
					 words[i].word);
	}
	if (talk_is_json()) {
		json_t *fields =
			json_pack("{s:s, s:O}", "kind", kind, "what", list);

		talk_add_path(fields, "path", path, size);
		talk_json("difference", fields);
	} else {
		talk_end_progress();
		printf("%s %s%s%s\n", kind, size > 0 ? path : ".", text,
		       used > 0 ? ")" : "");
	}
	json_decref(list);
}

static int
verify_directory(const struct options *options, struct image *image,
		 json_t *fields)
{
	struct check_params params = {
		.image = image,
		.path = options->arguments[1],
		.worker_count = options->jobs,
		.differs = tell_difference,
		.progress = show,
		.progress_context = (void *)image_root(image),
	};
	struct check_result result = { 0 };
	int err;

	if (!pf_is_root())
		report_info(NULL, "not root: owners are not compared");
	err = check_tree(&params, &result);
	talk_end_progress();
	if (err < 0)
		return err;
	json_object_set_new(fields, "missing",
			    json_integer((json_int_t)result.missing));
	json_object_set_new(fields, "changed",
			    json_integer((json_int_t)result.changed));
	json_object_set_new(fields, "extra",
			    json_integer((json_int_t)result.extra));
	json_object_set_new(fields, "bytes_read",
			    json_integer((json_int_t)result.bytes_read));
	if (result.missing + result.changed + result.extra == 0)
		return 0;
	return report_error(DSP_EDIFFERS, params.path,
			    "%llu missing, %llu changed, %llu extra",
			    (unsigned long long)result.missing,
			    (unsigned long long)result.changed,
			    (unsigned long long)result.extra);
}

int
command_verify(const struct options *options)
{
	struct image *image = NULL;
	struct trust *trust = NULL;
	json_t *fields = NULL;
	const struct root *root;
	int err;

	talk_start(options, false);
	err = signing_read_trust(options, &trust);
	if (err == 0)
		err = image_open(options->arguments[0], &image);
	if (err == 0)
		err = signing_check(trust, image);
	if (err < 0)
		goto out;
	root = image_root(image);
	fields = json_pack("{s:I, s:I}", "files", (json_int_t)root->file_count,
			   "image_bytes", (json_int_t)image_size(image));
	signing_add_key(fields, image);
	if (options->argument_count == 2) {
		err = verify_directory(options, image, fields);
	} else {
		struct verify_params params = {
			.image = image,
			.worker_count = options->jobs,
			.progress = show,
			.progress_context = (void *)root,
		};

		err = verify_image(&params);
		talk_end_progress();
		json_object_set_new(
			fields, "bytes_read",
			json_integer((json_int_t)image_size(image)));
	}
	if (err == 0)
		talk_say("verified: %s %s version %u, %llu files, %s, %.1f s",
			 options->arguments[options->argument_count - 1],
			 root->package_id, root->version,
			 (unsigned long long)root->file_count,
			 talk_size(root->file_bytes), talk_seconds());
	if (err == 0)
		signing_tell(trust, image);
out:
	image_close(image);
	trust_free(trust);
	talk_summary("verify", err_exit_code(err), fields);
	return err_exit_code(err);
}
