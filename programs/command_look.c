/* SPDX-License-Identifier: Apache-2.0 */

/* command_look - info, ls, cat and diff: what is in an image. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "core/fanout/parcel.h"
#include "core/fanout/send.h"
#include "core/image/walk.h"
#include "core/tree/image_source.h"
#include "platform/pf_file.h"
#include "programs/command.h"
#include "programs/signing.h"
#include "programs/talk.h"

#define NS_PER_S 1000000000

enum { TIME_SIZE = 40 };

/* RFC 3339, UTC, to the nanosecond. */
static void
format_time(int64_t ns, char text[TIME_SIZE])
{
	int64_t rest = ns % NS_PER_S;
	int64_t whole = ns / NS_PER_S;
	char date[TIME_SIZE] = "";
	time_t seconds;
	struct tm tm;

	if (rest < 0) {
		rest += NS_PER_S;
		whole--;
	}
	seconds = (time_t)whole;
	if (gmtime_r(&seconds, &tm) != NULL)
		strftime(date, 24, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, TIME_SIZE, "%.24s.%09dZ", date, (int)rest);
}

static json_t *
info_json(struct image *image)
{
	const struct root *root = image_root(image);
	json_t *fields = json_pack(
		"{s:s, s:I, s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"package_id", root->package_id, "version",
		(json_int_t)root->version, "level", root->level, "kind",
		image_kind(image) == IMAGE_MANIFEST ? "manifest" : "image",
		"files", (json_int_t)root->file_count, "directories",
		(json_int_t)root->dir_count, "symlinks",
		(json_int_t)root->symlink_count, "hard_links",
		(json_int_t)root->hardlink_count, "blocks",
		(json_int_t)root->block_count, "pages",
		(json_int_t)root->page_count, "file_bytes",
		(json_int_t)root->file_bytes, "image_bytes",
		(json_int_t)image_size(image));

	json_object_set_new(fields, "block_average",
			    json_integer(root->rule.average));
	talk_add_digest(fields, "root", image_root_digest(image));
	talk_add_digest(fields, "content", &root->content);
	signing_add_key(fields, image);
	return fields;
}

static void
info_text(struct image *image)
{
	const struct root *root = image_root(image);
	char digest[DIGEST_HEX_SIZE], words[SIGNING_WORDS_SIZE];

	printf("package     %s version %u\n", root->package_id, root->version);
	digest_to_hex(image_root_digest(image), digest);
	printf("root        %s\n", digest);
	digest_to_hex(&root->content, digest);
	printf("content     %s\n", digest);
	printf("signature   %s\n", signing_in_words(image, words));
	printf("holds       %llu files, %llu directories, %llu symbolic links, "
	       "%llu hard links\n",
	       (unsigned long long)root->file_count,
	       (unsigned long long)root->dir_count,
	       (unsigned long long)root->symlink_count,
	       (unsigned long long)root->hardlink_count);
	printf("size        %llu bytes, of which data %llu\n",
	       (unsigned long long)root->file_bytes,
	       (unsigned long long)root->data_bytes);
	printf("image       %llu bytes, level %d, %llu blocks of about %u "
	       "bytes\n",
	       (unsigned long long)image_size(image), root->level,
	       (unsigned long long)root->block_count, root->rule.average);
}

int
command_info(const struct options *options)
{
	struct image *image = NULL;
	int err;

	talk_start(options, false);
	err = image_open(options->arguments[0], &image);
	if (err == 0 && talk_is_json())
		talk_json("image", info_json(image));
	else if (err == 0)
		info_text(image);
	image_close(image);
	talk_summary("info", err_exit_code(err), NULL);
	return err_exit_code(err);
}

static const char type_letters[] = { '?', 'd', '-', 'l', 'h' };
static const char *const type_words[] = { "?", "directory", "file", "symlink",
					  "hardlink" };

static void
list_json(const struct record *record)
{
	char time_text[TIME_SIZE];
	char mode[8];
	json_t *fields;

	format_time(record->mtime, time_text);
	snprintf(mode, sizeof mode, "%04o", record->mode);
	fields = json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s}", "kind",
			   type_words[record->type], "mode", mode, "size",
			   (json_int_t)record->size, "uid",
			   (json_int_t)record->uid, "gid",
			   (json_int_t)record->gid, "user", record->user,
			   "group", record->group, "mtime", time_text);
	if (fields == NULL) /* a name that is not UTF-8 */
		fields = json_pack("{s:s, s:s, s:I, s:I, s:I, s:s}", "kind",
				   type_words[record->type], "mode", mode,
				   "size", (json_int_t)record->size, "uid",
				   (json_int_t)record->uid, "gid",
				   (json_int_t)record->gid, "mtime", time_text);
	talk_add_path(fields, "path", record->path, record->path_size);
	if (record->target_size > 0)
		talk_add_path(fields, "target", record->target,
			      record->target_size);
	talk_json("entry", fields);
}

static void
list_text(const struct record *record, bool is_long)
{
	const char *path = record->path_size > 0 ? record->path : ".";
	char time_text[TIME_SIZE];

	if (!is_long) {
		printf("%s\n", path);
		return;
	}
	format_time(record->mtime, time_text);
	printf("%c%04o %s/%s %12llu %.19sZ %s%s%s\n",
	       type_letters[record->type], record->mode,
	       record->user[0] != '\0' ? record->user : "?",
	       record->group[0] != '\0' ? record->group : "?",
	       (unsigned long long)record->size, time_text, path,
	       record->target_size > 0 ? " -> " : "", record->target);
}

/* Which of the paths asked for (behind the image) is this record below? */
static bool
is_asked_for(const struct options *options, const struct record *record,
	     bool *found)
{
	bool result = options->argument_count == 1;

	for (size_t i = 1; i < options->argument_count; i++) {
		const char *path = options->arguments[i];

		if (path_is_below(record->path, record->path_size, path,
				  strlen(path)))
			result = found[i] = true;
	}
	return result;
}

static int
list(const struct options *options, struct image *image, bool *found)
{
	struct walk *walk = NULL;
	enum walk_step step = WALK_RECORD;
	int err = walk_new(image, &walk);

	while (err == 0 && step != WALK_END) {
		const struct record *record = &walk_view(walk)->record;

		err = walk_next(walk, &step);
		if (err < 0 || step != WALK_RECORD ||
		    !is_asked_for(options, record, found))
			continue;
		if (talk_is_json())
			list_json(record);
		else
			list_text(record, options->long_listing);
	}
	walk_free(walk);
	for (size_t i = 1; err == 0 && i < options->argument_count; i++)
		if (!found[i])
			err = report_error(DSP_ENOENT, options->arguments[i],
					   "not in %s", image_name(image));
	return err;
}

int
command_ls(const struct options *options)
{
	bool *found = calloc(options->argument_count, sizeof *found);
	struct image *image = NULL;
	int err = DSP_ENOMEM;

	talk_start(options, false);
	if (found == NULL)
		report_error(err, NULL, "listing");
	else
		err = image_open(options->arguments[0], &image);
	if (err == 0)
		err = list(options, image, found);
	image_close(image);
	free(found);
	talk_summary("ls", err_exit_code(err), NULL);
	return err_exit_code(err);
}

/* cat: find the file, then write the data its blocks hold. */
struct cat {
	struct image *image;
	const char *path;
	size_t path_size;
	bool is_found;
	uint64_t written; /* bytes of the file */
};

static bool
cat_wants(void *context, const struct record *record)
{
	const struct cat *cat = context;

	return record->type == RECORD_FILE &&
	       record->path_size == cat->path_size &&
	       memcmp(record->path, cat->path, cat->path_size) == 0;
}

static int
put(const void *data, size_t size)
{
	return fwrite(data, 1, size, stdout) == size
		       ? 0
		       : report_error(DSP_EIO, NULL,
				      "writing to standard output");
}

static int
put_zeros(struct cat *cat, uint64_t end)
{
	static const uint8_t zeros[4096];
	int err = 0;

	while (err == 0 && cat->written < end) {
		uint64_t left = end - cat->written;
		size_t size = left < sizeof zeros ? (size_t)left : sizeof zeros;

		err = put(zeros, size);
		cat->written += size;
	}
	return err;
}

static int
put_data(struct cat *cat, const struct record *record, uint64_t offset,
	 const uint8_t *data, size_t size)
{
	int err = 0;

	while (err == 0 && size > 0) {
		uint64_t run;
		uint64_t at = record_file_offset(record, offset, &run);
		size_t now = run < size ? (size_t)run : size;

		err = put_zeros(cat, at);
		if (err == 0)
			err = put(data, now);
		cat->written += now;
		data += now;
		offset += now;
		size -= now;
	}
	return err;
}

/* A hard link's bytes are those of its target: look for that instead. */
static int
cat_begin(struct lane_thread *thread, const struct slot *slot)
{
	struct cat *cat = thread->lane->context;
	const uint8_t *data = slot->raw;
	int err = 0;

	for (size_t i = 0; err == 0 && i < slot->record_count; i++) {
		const struct record *record = &slot->records[i];

		if (cat_wants(cat, record)) {
			cat->is_found = true;
			err = put_data(cat, record, slot->part_offset, data,
				       slot->is_part
					       ? slot->raw_size
					       : (size_t)record->data_size);
			if (err == 0 && (!slot->is_part ||
					 slot->part_offset + slot->raw_size ==
						 record->data_size))
				err = put_zeros(cat, record->size);
		}
		if (record->type == RECORD_FILE)
			data += record->data_size;
	}
	return err;
}

/* Follow a hard link to the file it names; other types have no bytes. */
static int
cat_resolve(struct cat *cat, char **ret_target)
{
	struct walk *walk = NULL;
	enum walk_step step = WALK_RECORD;
	bool is_there = false;
	int err = walk_new(cat->image, &walk);

	while (err == 0 && step != WALK_END && !is_there) {
		const struct record *record = &walk_view(walk)->record;

		err = walk_next(walk, &step);
		if (err < 0 || step != WALK_RECORD ||
		    record->path_size != cat->path_size ||
		    memcmp(record->path, cat->path, cat->path_size) != 0)
			continue;
		is_there = true;
		if (record->type == RECORD_HARDLINK) {
			*ret_target = malloc(record->target_size + 1);
			if (*ret_target == NULL)
				err = DSP_ENOMEM;
			else
				memcpy(*ret_target, record->target,
				       record->target_size + 1);
		} else if (record->type != RECORD_FILE) {
			err = report_error(DSP_EINVAL,
					   cat->path_size > 0 ? cat->path : ".",
					   "is a %s, not a file",
					   type_words[record->type]);
		}
	}
	walk_free(walk);
	if (err == 0 && !is_there)
		err = report_error(DSP_ENOENT, cat->path, "not in %s",
				   image_name(cat->image));
	return err;
}

static int
cat_file(struct cat *cat)
{
	struct image_source *source = NULL;
	char *target = NULL;
	struct flow_params flow = {
		.worker_count = 1,
		.slot_count = 2,
		.raw_max = image_root(cat->image)->rule.max,
		.fill = image_source_fill,
		.work = image_source_work,
	};
	struct lane lane = { .context = cat,
			     .thread_count = 1,
			     .begin = cat_begin };
	struct lane *lanes = &lane;
	const char *asked = cat->path;
	int err = cat_resolve(cat, &target);

	if (err < 0)
		return err;
	if (target != NULL) {
		cat->path = target;
		cat->path_size = strlen(target);
	}
	err = image_source_new(cat->image, 1, cat_wants, cat, &source);
	flow.context = source;
	if (err == 0)
		err = flow_run(&flow, &lanes, 1);
	if (err == 0)
		err = lane.err;
	image_source_free(source);
	if (err == 0 && !cat->is_found) /* a hard link to a symbolic link */
		err = report_error(
			DSP_EINVAL, asked,
			"is a further name of a symlink, not a file");
	free(target);
	return err;
}

/* The root, or the signature over it. */
static int
cat_part(const struct options *options, const struct image *image)
{
	const struct buffer *part = options->root ? image_root_raw(image)
						  : image_signature(image);

	return part->size > 0 ? put(part->data, part->size)
			      : report_error(DSP_ENOENT, image_name(image),
					     "it has no signature");
}

int
command_cat(const struct options *options)
{
	struct cat cat = { 0 };
	unsigned part_count = options->root + options->signature;
	int err = 0;

	talk_start(options, true);
	if (part_count + options->argument_count != 2)
		err = report_error(DSP_EINVAL, NULL,
				   "usage: despool cat IMAGE PATH, or "
				   "despool cat --root IMAGE, or "
				   "despool cat --signature IMAGE");
	if (err == 0)
		err = image_open(options->arguments[0], &cat.image);
	if (err == 0 && part_count > 0) {
		err = cat_part(options, cat.image);
	} else if (err == 0 && image_kind(cat.image) != IMAGE_WITH_BLOCKS) {
		err = report_error(DSP_EFORMAT, options->arguments[0],
				   "a manifest without blocks");
	} else if (err == 0) {
		cat.path = options->arguments[1];
		cat.path_size = strlen(cat.path);
		err = cat_file(&cat);
	}
	image_close(cat.image);
	talk_summary("cat", err_exit_code(err), NULL);
	return err_exit_code(err);
}

/* diff: both manifests are in the same order; go through them side by side. */
struct side {
	struct walk *walk;
	bool has_record; /* the walk's view is a record not dealt with yet */
};

static int
advance(struct side *side)
{
	enum walk_step step;
	int err;

	do
		err = walk_next(side->walk, &step);
	while (err == 0 && step != WALK_RECORD && step != WALK_END);
	side->has_record = err == 0 && step == WALK_RECORD;
	return err;
}

struct diff_counts {
	uint64_t added, removed, changed, metadata;
	uint64_t changed_bytes;
};

static void
tell(const char *kind, const struct record *record)
{
	if (talk_is_json()) {
		json_t *fields = json_pack("{s:s, s:I}", "kind", kind, "size",
					   (json_int_t)record->size);

		talk_add_path(fields, "path", record->path, record->path_size);
		talk_json("difference", fields);
	} else {
		printf("%-8s %s\n", kind,
		       record->path_size > 0 ? record->path : ".");
	}
}

static void
compare(const struct record *old, const struct record *new,
	struct diff_counts *counts)
{
	bool same_data = old->type == new->type && (old->type != RECORD_FILE ||
						    record_same_data(old, new));

	if (!same_data) {
		counts->changed++;
		counts->changed_bytes += new->size;
		tell("changed", new);
	} else if (!record_same_metadata(old, new)) {
		counts->metadata++;
		tell("metadata", new);
	}
}

static int
diff(struct side *old, struct side *new, struct diff_counts *counts)
{
	int err = advance(old);

	if (err == 0)
		err = advance(new);
	while (err == 0 && (old->has_record || new->has_record)) {
		const struct record *a = &walk_view(old->walk)->record;
		const struct record *b = &walk_view(new->walk)->record;
		int order = !old->has_record ? 1
			    : !new->has_record
				    ? -1
				    : path_compare(a->path, a->path_size,
						   b->path, b->path_size);

		if (order < 0) {
			counts->removed++;
			tell("removed", a);
		} else if (order > 0) {
			counts->added++;
			counts->changed_bytes += b->size;
			tell("added", b);
		} else {
			compare(a, b, counts);
		}
		if (order <= 0)
			err = advance(old);
		if (err == 0 && order >= 0)
			err = advance(new);
	}
	return err;
}

/*
 * What a link would carry to who holds the old one: a delta that nobody keeps.
 * 0: there is none between these.
 */
static int
estimate(struct image *old, struct image *new, unsigned worker_count,
	 uint64_t *ret_size)
{
	struct parcel_item item = { .image = new, .base = old };
	struct parcel_params params = { .items = &item,
					.item_count = 1,
					.worker_count = worker_count,
					.delta_level = SEND_DELTA_LEVEL };
	int fd = -1;
	int err;

	*ret_size = 0;
	if (image_kind(old) != IMAGE_WITH_BLOCKS ||
	    image_kind(new) != IMAGE_WITH_BLOCKS)
		return 0;
	err = pf_open_or_create_at(PF_CWD, "/dev/null", 0666, &fd);
	if (err < 0)
		return report_error(err, "/dev/null", "estimating a delta");
	err = parcel_write(&params, fd, image_name(new), ret_size);
	pf_close(fd);
	return err;
}

int
command_diff(const struct options *options)
{
	struct image *images[2] = { NULL, NULL };
	struct side sides[2] = { { 0 }, { 0 } };
	struct diff_counts counts = { 0 };
	json_t *fields = NULL;
	uint64_t delta = 0;
	int err = 0;

	talk_start(options, false);
	for (size_t i = 0; err == 0 && i < 2; i++) {
		err = image_open(options->arguments[i], &images[i]);
		if (err == 0)
			err = walk_new(images[i], &sides[i].walk);
	}
	if (err == 0)
		err = diff(&sides[0], &sides[1], &counts);
	if (err == 0)
		err = estimate(images[0], images[1], options->jobs, &delta);
	if (err == 0) {
		fields = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "added",
				   (json_int_t)counts.added, "removed",
				   (json_int_t)counts.removed, "changed",
				   (json_int_t)counts.changed, "metadata",
				   (json_int_t)counts.metadata, "changed_bytes",
				   (json_int_t)counts.changed_bytes,
				   "delta_bytes", (json_int_t)delta);
		talk_say("%llu added, %llu removed, %llu changed, %llu with "
			 "other metadata, %s in changed and added files",
			 (unsigned long long)counts.added,
			 (unsigned long long)counts.removed,
			 (unsigned long long)counts.changed,
			 (unsigned long long)counts.metadata,
			 talk_size(counts.changed_bytes));
		if (delta > 0)
			talk_say("an update of a store that holds %s: %s "
				 "instead "
				 "of %s",
				 options->arguments[0], talk_size(delta),
				 talk_size(image_size(images[1])));
	}
	for (size_t i = 0; i < 2; i++) {
		walk_free(sides[i].walk);
		image_close(images[i]);
	}
	talk_summary("diff", err_exit_code(err), fields);
	return err_exit_code(err);
}
