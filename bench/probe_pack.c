/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe_pack - pack a directory under another cut rule than the default.
 *
 * usage: probe_pack DIR OUT.pck AVERAGE_KIB [VERSION]
 *
 * min is half the average, max twice it.  Everything else is as `despool pack`
 * has it: level 3, one worker for each processor, each block read back before
 * it is written.  For the measurement in docs/why/001 only: what the command
 * makes is always cut by cut_rule_default.
 *
 * Prints one line of figures.  OUT.pck must not exist.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/digest.h"
#include "core/base/err.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "core/image/image_writer.h"
#include "core/tree/flow.h"
#include "core/tree/tree_source.h"
#include "platform/pf_process.h"
#include "platform/pf_thread.h"

static void
print_report(void *context, const struct report *report)
{
	(void)context;
	fprintf(stderr, "probe_pack: %s: %s: %s\n",
		report->path != NULL ? report->path : "-", report->text,
		err_text(report->err));
}

/* Blocks come in order: add what the slot says to the image. */
static int
take_slot(struct lane_thread *thread, const struct slot *slot)
{
	struct image_writer *writer = thread->lane->context;
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
	return err < 0 ? report_error(err, NULL, "writing the image") : 0;
}

static int
run(const struct cut_rule *rule, unsigned worker_count,
    struct tree_source *source, struct image_writer *writer)
{
	struct lane lane = { .context = writer,
			     .thread_count = 1,
			     .begin = take_slot };
	struct lane *lanes = &lane;
	struct flow_params flow = {
		.worker_count = worker_count,
		.slot_count = 2 * worker_count + 1,
		.raw_max = rule->max,
		.frame_max = frame_size_max(rule->max),
		.context = source,
		.fill = tree_source_fill,
		.work = tree_source_work,
	};
	int err = flow_run(&flow, &lanes, 1);

	return err == 0 ? lane.err : err;
}

static int
pack_by(const struct cut_rule *rule, const char *dir, int fd, uint32_t version)
{
	int64_t start = pf_now_monotonic();
	struct owners *owners = owners_new();
	struct scan_options options = { .owners = owners };
	struct image_params image = { .package_id = "LOC00000",
				      .version = version,
				      .level = FRAME_LEVEL_DEFAULT,
				      .rule = *rule };
	struct tree_source_params params = {
		.path = dir,
		.rule = *rule,
		.worker_count = pf_processor_count(),
		.level = FRAME_LEVEL_DEFAULT,
	};
	struct scan *scan = NULL;
	struct tree_source *source = NULL;
	struct image_writer *writer = NULL;
	const struct root *root;
	struct digest digest;
	uint64_t size;
	int err = owners != NULL ? 0 : DSP_ENOMEM;

	if (err == 0)
		err = scan_new(dir, &options, &scan);
	params.scan = scan;
	if (err == 0)
		err = tree_source_new(&params, &source);
	if (err == 0)
		err = image_writer_new(fd, IMAGE_WITH_BLOCKS, &image, &writer);
	if (err == 0)
		err = run(rule, params.worker_count, source, writer);
	if (err == 0)
		err = image_writer_finish(writer, &digest, &size);
	if (err < 0)
		goto out;
	root = image_writer_root(writer);
	printf("image=%llu data=%llu records=%llu blocks=%llu pages=%u "
	       "wall_ms=%lld peak_kib=%llu\n",
	       (unsigned long long)size, (unsigned long long)root->data_bytes,
	       (unsigned long long)root->record_count,
	       (unsigned long long)root->block_count, root->page_count,
	       (long long)((pf_now_monotonic() - start) / 1000000),
	       (unsigned long long)pf_peak_memory() / 1024);
out:
	image_writer_free(writer);
	tree_source_free(source);
	scan_free(scan);
	owners_free(owners);
	return err;
}

int
main(int argc, char **argv)
{
	unsigned long average, version;
	struct cut_rule rule;
	int fd, err;

	if (argc != 4 && argc != 5) {
		fputs("usage: probe_pack DIR OUT.pck AVERAGE_KIB [VERSION]\n",
		      stderr);
		return 2;
	}
	average = strtoul(argv[3], NULL, 10) * 1024;
	version = argc == 5 ? strtoul(argv[4], NULL, 10) : 1;
	rule.min = (uint32_t)(average / 2);
	rule.average = (uint32_t)average;
	rule.max = (uint32_t)(average * 2);
	if (version == 0 || average > CUT_MAX_LIMIT / 2 ||
	    !cut_rule_is_valid(&rule)) {
		fputs("probe_pack: not a rule or a version\n", stderr);
		return 2;
	}
	report_set_sink(print_report, NULL);
	digest_start();
	fd = open(argv[2], O_WRONLY | O_CREAT | O_EXCL, 0666);
	if (fd < 0) {
		perror(argv[2]);
		return 1;
	}
	err = pack_by(&rule, argv[1], fd, (uint32_t)version);
	if (close(fd) < 0 || err < 0) {
		fprintf(stderr, "probe_pack: failed: %s\n", err_text(err));
		unlink(argv[2]);
		return 1;
	}
	return 0;
}
