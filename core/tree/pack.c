/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/pack.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "core/image/image_writer.h"
#include "core/tree/flow.h"
#include "core/tree/tree_source.h"

struct pack_lane {
	struct image_writer *writer;
	struct tree_source *source;
	const struct pack_params *params;
};

static int
write_rows(struct pack_lane *pack, const struct slot *slot)
{
	int err;

	if (pack->params->seen_fd < 0 || slot->part_offset > 0)
		return 0;
	err = pf_write_at(pack->params->seen_fd, slot->rows,
			  slot->record_count * ROW_SIZE,
			  ROWS_HEADER_SIZE + slot->ordinal * ROW_SIZE);
	return err < 0 ? report_error(err, NULL, "writing the stat cache") : 0;
}

/* Blocks come in order: add what the slot says to the image. */
static int
take_slot(struct lane_thread *thread, const struct slot *slot)
{
	struct pack_lane *pack = thread->lane->context;
	struct image_writer *writer = pack->writer;
	int err = 0;

	for (size_t i = 0; err == 0 && i < slot->record_count; i++)
		if (slot->part_offset == 0)
			err = image_writer_add_record(writer,
						      &slot->records[i]);
	if (err == 0 && slot->raw_size > 0) {
		struct image_block block = {
			.block = { .name = slot->name,
				   .raw_size = (uint32_t)slot->raw_size },
			.frame = slot->frame,
			.frame_size = (uint32_t)slot->frame_size,
			.frame_digest = slot->frame_digest,
		};

		err = image_writer_add_block(writer, &block);
	}
	if (err == 0 && slot->ends_page)
		err = image_writer_end_page(writer);
	if (err < 0)
		return report_error(err, NULL, "writing the image");
	err = write_rows(pack, slot);
	if (err < 0)
		return err;
	if (pack->params->progress != NULL)
		pack->params->progress(pack->params->progress_context,
				       tree_source_bytes_read(pack->source),
				       tree_source_entries(pack->source));
	return 0;
}

/*
 * Open the base with its rows.  That there are none, or not of this image, is
 * no error: everything is then read.
 */
static int
open_base(const struct pack_params *params, struct image **ret_image,
	  struct base **ret_base)
{
	size_t size = strlen(params->base);
	char *path;
	int fd = -1;
	int err = image_open(params->base, ret_image);

	if (err < 0)
		return err;
	path = malloc(size + sizeof PACK_SEEN_SUFFIX);
	if (path == NULL)
		return report_error(DSP_ENOMEM, params->base, "opening");
	memcpy(path, params->base, size);
	memcpy(path + size, PACK_SEEN_SUFFIX, sizeof PACK_SEEN_SUFFIX);
	err = pf_open_read(path, &fd);
	if (err == 0)
		err = base_new(*ret_image, fd, ret_base);
	if (err < 0)
		report_warning(path, "not usable, so every file is read: %s",
			       err_text(err));
	free(path);
	return 0;
}

/* Frames of another level or rule are not those that we would make. */
static bool
fits(const struct pack_params *params, struct image *base)
{
	const struct root *root = image_root(base);

	return image_kind(base) == IMAGE_WITH_BLOCKS &&
	       root->level == params->level &&
	       memcmp(&root->rule, &cut_rule_default, sizeof root->rule) == 0;
}

static int
run(struct pack_lane *pack, struct lane *lane)
{
	const struct pack_params *params = pack->params;
	struct flow_params flow = {
		.worker_count = params->worker_count,
		.slot_count = 2 * params->worker_count + 1,
		.raw_max = cut_rule_default.max,
		.frame_max = frame_size_max(cut_rule_default.max),
		.context = pack->source,
		.fill = tree_source_fill,
		.work = tree_source_work,
	};
	int err = flow_run(&flow, &lane, 1);

	return err == 0 ? lane->err : err;
}

int
pack_dry(const struct pack_params *params, struct pack_result *ret_result)
{
	struct scan_options options = params->scan;
	struct owners *owners = owners_new();
	struct pack_result result = { 0 };
	struct scan_entry *entry;
	struct scan *scan = NULL;
	int err = DSP_ENOMEM;

	if (owners == NULL) {
		report_error(err, params->source, "packing");
		goto out;
	}
	options.owners = owners;
	err = scan_new(params->source, &options, &scan);
	while (err == 0) {
		err = scan_next(scan, &entry);
		if (err < 0 || entry == NULL)
			break;
		result.record_count++;
		result.file_count += entry->record.type == RECORD_FILE;
		result.file_bytes += entry->record.size;
	}
	if (err == 0 && result.record_count == 1 && !params->allow_empty)
		err = report_error(DSP_EEMPTY, params->source,
				   "nothing to pack (--allow-empty packs it)");
	if (err == 0)
		*ret_result = result;
out:
	scan_free(scan);
	owners_free(owners);
	return err;
}

/* Everything is in the image but what stands behind the pages. */
static int
finish(struct pack_lane *pack, struct pack_result *ret_result)
{
	const struct pack_params *params = pack->params;
	const struct root *root = image_writer_root(pack->writer);
	uint8_t header[ROWS_HEADER_SIZE];
	struct pack_result result;
	int err;

	if (root->record_count == 1 && !params->allow_empty)
		return report_error(DSP_EEMPTY, params->source,
				    "nothing to pack (--allow-empty packs it)");
	err = image_writer_finish(pack->writer, &result.root_digest,
				  &result.image_size);
	if (err < 0)
		return report_error(err, NULL, "writing the image");
	if (params->seen_fd >= 0) {
		rows_put_header(header, &result.root_digest);
		err = pf_write_at(params->seen_fd, header, sizeof header, 0);
		if (err < 0)
			return report_error(err, NULL,
					    "writing the stat cache");
	}
	result.content = root->content;
	result.record_count = root->record_count;
	result.file_count = root->file_count;
	result.file_bytes = root->file_bytes;
	result.bytes_read = tree_source_bytes_read(pack->source);
	*ret_result = result;
	return 0;
}

int
pack(const struct pack_params *params, int fd, struct pack_result *ret_result)
{
	struct scan_options options = params->scan;
	struct owners *owners = owners_new();
	struct pack_lane pack = { .params = params };
	struct lane lane = { .context = &pack,
			     .thread_count = 1,
			     .begin = take_slot };
	struct image_params image = { .package_id = params->package_id,
				      .version = params->version,
				      .level = params->level,
				      .rule = cut_rule_default,
				      .sign = params->sign,
				      .sign_context = params->sign_context };
	struct tree_source_params source = {
		.path = params->source,
		.rule = cut_rule_default,
		.worker_count = params->worker_count,
		.level = params->level,
		.has_rows = params->seen_fd >= 0,
	};
	struct image *base_image = NULL;
	struct base *base = NULL;
	int err = DSP_ENOMEM;

	if (owners == NULL) {
		report_error(err, params->source, "packing");
		goto out;
	}
	options.owners = owners;
	err = scan_new(params->source, &options, &source.scan);
	if (err == 0 && params->base != NULL)
		err = open_base(params, &base_image, &base);
	if (err < 0)
		goto out;
	if (base != NULL && fits(params, base_image)) {
		source.base = base;
		source.base_image = base_image;
	}
	err = tree_source_new(&source, &pack.source);
	if (err < 0)
		goto out;
	err = image_writer_new(fd, IMAGE_WITH_BLOCKS, &image, &pack.writer);
	if (err < 0) {
		report_error(err, NULL, "writing the image");
		goto out;
	}
	err = run(&pack, &lane);
	if (err == 0)
		err = finish(&pack, ret_result);
out:
	image_writer_free(pack.writer);
	tree_source_free(pack.source);
	base_free(base);
	image_close(base_image);
	scan_free(source.scan);
	owners_free(owners);
	return err;
}
