/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "core/fanout/parcel.h"
#include "core/store/store.h"
#include "core/tree/output.h"
#include "core/tree/remove.h"
#include "platform/pf_file.h"
#include "platform/pf_process.h"
#include "platform/pf_sync.h"
#include "programs/command.h"
#include "programs/signing.h"
#include "programs/talk.h"

static int
start(const struct options *options)
{
	talk_start(options, false);
	pf_catch_signals(); /* a half file must be removed */
	pf_ignore_closed_pipes();
	return 0;
}

static int
open_with_blocks(const char *path, struct image **ret_image)
{
	int err = image_open(path, ret_image);

	if (err == 0 && image_kind(*ret_image) != IMAGE_WITH_BLOCKS)
		err = report_error(DSP_EFORMAT, path,
				   "a manifest without blocks");
	return err;
}

/* Write items to the file that -o names. */
static int
write_parcel(const struct options *options, const struct parcel_item *items,
	     size_t count, uint64_t *ret_size)
{
	struct parcel_params params = {
		.items = items,
		.item_count = count,
		.worker_count = options->jobs,
		.delta_level = (int)options->delta_level,
	};
	struct output *output = NULL;
	int err;

	if (options->output == NULL || options->output[0] == '\0')
		return report_error(DSP_EINVAL, NULL, "%s needs -o FILE",
				    options->command->name);
	err = output_open(options->output, options->force, NULL, &output);
	if (err == 0)
		err = parcel_write(&params, output_fd(output), options->output,
				   ret_size);
	if (err == 0)
		err = output_commit(output);
	output_close(output);
	return err;
}

static json_t *
sizes_to_json(uint64_t size, uint64_t full)
{
	return json_pack("{s:I, s:I}", "bytes_written", (json_int_t)size,
			 "bytes_full", (json_int_t)full);
}

int
command_delta(const struct options *options)
{
	struct parcel_item item = { 0 };
	uint64_t size = 0, full = 0;
	int err = start(options);

	err = open_with_blocks(options->arguments[0], &item.base);
	if (err == 0)
		err = open_with_blocks(options->arguments[1], &item.image);
	if (err == 0 && strcmp(image_root(item.base)->package_id,
			       image_root(item.image)->package_id) != 0)
		err = report_error(DSP_ECONFLICT, options->arguments[1],
				   "is package %s, not %s",
				   image_root(item.image)->package_id,
				   image_root(item.base)->package_id);
	if (err == 0)
		err = write_parcel(options, &item, 1, &size);
	if (err == 0) {
		full = image_size(item.image);
		talk_say("%s: %s instead of %s, %.1f s", options->output,
			 talk_size(size), talk_size(full), talk_seconds());
	}
	image_close(item.base);
	image_close(item.image);
	talk_summary("delta", err_exit_code(err), sizes_to_json(size, full));
	return err_exit_code(err);
}

/* Which image came of it? */
struct taken {
	char package_id[PACKAGE_ID_SIZE + 1];
	uint32_t version;
	size_t count;
};

static void
note_taken(void *context, const struct receive_result *result)
{
	struct taken *taken = context;

	if (result->err != 0)
		return;
	memcpy(taken->package_id, result->package_id, sizeof taken->package_id);
	taken->version = result->version;
	taken->count++;
	talk_say("%s version %u%s", result->package_id, result->version,
		 result->was_there ? " is here already" : "");
}

/* Read the parcel into a store, and give its one image the name that -o says. */
static int
apply_in(const struct options *options, struct image *base, struct trust *trust,
	 const char *path, int dir, const char *name)
{
	struct taken taken = { 0 };
	struct receive_params receive = { .base = base,
					  .may_roll_back = true,
					  .ended = note_taken,
					  .ended_context = &taken };
	char file[PACKAGE_ID_SIZE + 32];
	int fd = -1;
	int temp = -1;
	int err = store_init(path);

	signing_set_receive(trust, &receive);
	if (err == 0)
		err = store_open(path, &receive.store);
	if (err == 0) {
		err = pf_open_read(options->arguments[1], &fd);
		if (err < 0)
			report_error(err, options->arguments[1],
				     "reading the delta");
	}
	if (err == 0)
		err = parcel_read(&receive, fd, options->arguments[1]);
	if (err == 0 && taken.count != 1)
		err = report_error(DSP_EINVAL, options->arguments[1],
				   "a parcel of %zu packages, not a delta "
				   "(despool parcel add)",
				   taken.count);
	if (err == 0) {
		snprintf(file, sizeof file, "%s.%u.pck", taken.package_id,
			 taken.version);
		err = pf_open_dir(path, &temp);
		if (err == 0)
			err = pf_rename_at(temp, file, dir, name);
		if (err == 0)
			err = pf_sync(dir);
		if (err < 0)
			report_error(err, options->output, "writing the image");
	}
	pf_close(temp);
	pf_close(fd);
	store_close(receive.store);
	return err;
}

/* The store is made beside the image that it is for, under output's name. */
static int
apply(const struct options *options, struct image *base, struct trust *trust)
{
	char *name = NULL;
	char *temp = NULL;
	char *path = NULL;
	size_t prefix = 0, size = 0;
	int dir = -1;
	int err = output_check(options->output, options->force, NULL);

	if (err < 0)
		return err;
	err = output_split(options->output, &dir, &name);
	if (err == 0) {
		temp = output_temp_name(name);
		prefix = (size_t)path_name_start(options->output,
						 strlen(options->output));
		size = prefix + (temp != NULL ? strlen(temp) : 0) + 1;
		path = malloc(size);
		if (temp == NULL || path == NULL)
			err = DSP_ENOMEM;
	}
	if (err < 0) {
		report_error(err, options->output, "writing the image");
	} else {
		memcpy(path, options->output, prefix);
		memcpy(path + prefix, temp, size - prefix);
		(void)remove_tree(dir, temp, path);
		err = apply_in(options, base, trust, path, dir, name);
		(void)remove_tree(dir, temp, path);
	}
	pf_close(dir);
	free(name);
	free(temp);
	free(path);
	return err;
}

int
command_apply(const struct options *options)
{
	struct image *base = NULL;
	struct trust *trust = NULL;
	int err = start(options);

	if (options->output == NULL || options->output[0] == '\0')
		err = report_error(DSP_EINVAL, NULL, "apply needs -o FILE");
	if (err == 0)
		err = signing_read_trust(options, &trust);
	if (err == 0)
		err = open_with_blocks(options->arguments[0], &base);
	if (err == 0)
		err = apply(options, base, trust);
	image_close(base);
	trust_free(trust);
	talk_summary("apply", err_exit_code(err), NULL);
	return err_exit_code(err);
}

/* Open what is asked for of the store; a base is for the same package. */
static int
open_item(const struct options *options, struct store *store, const char *what,
	  struct parcel_item *item)
{
	char id[PACKAGE_ID_SIZE + 1];
	uint32_t version;
	int err = parse_package(what, id, &version);

	if (err == 0 && version == 0)
		version = store_version_below(store, id, UINT32_MAX);
	if (err == 0 && version == 0)
		err = report_error(DSP_ENOENT, store_path(store),
				   "no image of %s", id);
	if (err == 0)
		err = store_open_image(store, id, version, &item->image);
	if (err == 0 && options->base != NULL)
		err = open_with_blocks(options->base, &item->base);
	if (err == 0 && item->base != NULL &&
	    strcmp(image_root(item->base)->package_id, id) != 0) {
		image_close(item->base);
		item->base = NULL;
	}
	return err;
}

static int
make(const struct options *options, uint64_t *ret_size, uint64_t *ret_full)
{
	size_t count = options->argument_count - 2;
	struct parcel_item *items = calloc(count, sizeof *items);
	struct store *store = NULL;
	int err = items != NULL ? store_open(options->arguments[1], &store)
				: report_error(DSP_ENOMEM, NULL, "starting");

	for (size_t i = 0; err == 0 && i < count; i++) {
		err = open_item(options, store, options->arguments[i + 2],
				&items[i]);
		if (err == 0)
			*ret_full += image_size(items[i].image);
	}
	if (err == 0)
		err = write_parcel(options, items, count, ret_size);
	for (size_t i = 0; items != NULL && i < count; i++) {
		image_close(items[i].image);
		image_close(items[i].base);
	}
	free(items);
	store_close(store);
	if (err == 0)
		talk_say("%s: %zu packages, %s instead of %s, %.1f s",
			 options->output, count, talk_size(*ret_size),
			 talk_size(*ret_full), talk_seconds());
	return err;
}

static int
add(const struct options *options)
{
	struct taken taken = { 0 };
	struct receive_params receive = { .may_roll_back = options->rollback,
					  .ended = note_taken,
					  .ended_context = &taken };
	const char *path = options->arguments[1];
	struct trust *trust = NULL;
	int fd = -1;
	int err = signing_read_trust(options, &trust);

	signing_set_receive(trust, &receive);
	if (err == 0)
		err = store_open(options->arguments[2], &receive.store);
	if (err == 0) {
		err = pf_open_read(path, &fd);
		if (err < 0)
			report_error(err, path, "reading the parcel");
	}
	if (err == 0)
		err = parcel_read(&receive, fd, path);
	pf_close(fd);
	store_close(receive.store);
	trust_free(trust);
	return err;
}

int
command_parcel(const struct options *options)
{
	const char *verb = options->arguments[0];
	uint64_t size = 0, full = 0;
	int err = start(options);

	if (strcmp(verb, "make") == 0 && options->trust != NULL)
		err = report_error(DSP_EINVAL, NULL,
				   "--trust is for parcel add only");
	else if (strcmp(verb, "make") == 0)
		err = make(options, &size, &full);
	else if (strcmp(verb, "add") == 0 && options->argument_count == 3)
		err = add(options);
	else
		err = report_error(DSP_EINVAL, NULL, "usage: despool parcel %s",
				   options->command->synopsis);
	talk_summary("parcel", err_exit_code(err), sizes_to_json(size, full));
	return err_exit_code(err);
}
