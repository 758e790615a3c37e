/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/report.h"
#include "core/fanout/dp_int.h"
#include "core/tree/check.h"
#include "core/tree/move.h"
#include "core/tree/remove.h"
#include "platform/pf_sync.h"

static int
write_highest(struct dp *dp, uint32_t version)
{
	char name[DP_NAME_SIZE];
	uint8_t bytes[4];
	int fd = -1;
	int err;

	if (version <= dp->highest)
		return 0;
	snprintf(name, sizeof name, "%s.highest", dp->params.package_id);
	le32_put(bytes, version);
	err = pf_create_at(dp->staging, "highest", 0600, &fd);
	if (err == 0)
		err = pf_write(fd, bytes, sizeof bytes);
	if (err == 0)
		err = pf_sync(fd);
	pf_close(fd);
	if (err == 0)
		err = pf_rename_at(dp->staging, "highest", dp->state, name);
	if (err == 0)
		dp->highest = version;
	return err;
}

/* Write the row of the tree's top, now that the tree has its name. */
static int
write_top(struct dp *dp, const char *number, const char *rows_name)
{
	uint8_t row[ROW_SIZE];
	struct pf_stat stat;
	int fd = -1;
	int err = pf_stat_at(dp->package, number, &stat);

	if (err == 0)
		err = pf_open_or_create_at(dp->state, rows_name, 0600, &fd);
	if (err == 0) {
		stat.device = 0;
		row_put(row, &stat);
		err = pf_write_at(fd, row, sizeof row, ROWS_HEADER_SIZE);
	}
	if (err == 0)
		err = pf_sync(fd);
	pf_close(fd);
	return err;
}

/* A copy of the file from, from its start, as name in staging. */
static int
copy_file(struct dp *dp, int from, const char *name)
{
	enum { SIZE = 64 * 1024 };
	uint8_t *data = malloc(SIZE);
	uint64_t offset = 0;
	size_t got = SIZE;
	int fd = -1;
	int err = data != NULL ? pf_create_at(dp->staging, name, 0600, &fd)
			       : DSP_ENOMEM;

	while (err == 0 && got == SIZE) {
		err = pf_read_at(from, data, SIZE, offset, &got);
		if (err == 0)
			err = pf_write(fd, data, got);
		offset += got;
	}
	if (err == 0) {
		err = pf_close_checked(fd);
		fd = -1;
	}
	pf_close(fd);
	free(data);
	return err;
}

/* Everything that is to be shown is in staging. */
static int
stage_state(struct dp *dp, const struct dp_publication *publication)
{
	uint8_t header[ROWS_HEADER_SIZE];
	int err;

	rows_put_header(header, publication->root_digest);
	err = pf_write_at(dp->rows, header, sizeof header, 0);
	if (err == 0)
		err = pf_close_checked(dp->rows);
	else
		pf_close(dp->rows);
	dp->rows = -1;
	if (err == 0)
		err = copy_file(dp, publication->manifest_fd, "manifest");
	if (err == 0 && publication->seen_fd >= 0)
		err = copy_file(dp, publication->seen_fd, "seen");
	return err < 0 ? dp_fail(dp, err, "writing its state") : 0;
}

static void
ignore_difference(void *context, const char *path, size_t size, unsigned what)
{
	(void)context;
	(void)path;
	(void)size;
	(void)what;
}

/* Compare the tree at a path below the dp with a manifest. */
static int
check_path(struct dp *dp, const char *below, struct image *manifest,
	   unsigned worker_count)
{
	struct check_params params = { .image = manifest,
				       .worker_count = worker_count,
				       .differs = ignore_difference };
	struct check_result result = { 0 };
	char *path = dp_path(dp, below);
	int err;

	if (path == NULL)
		return dp_fail(dp, DSP_ENOMEM, "reading back");
	params.path = path;
	err = check_tree(&params, &result);
	if (err == 0 && result.missing + result.changed + result.extra > 0)
		err = report_error(DSP_EDIFFERS, path,
				   "%llu files missing, %llu changed, %llu "
				   "extra (--refresh mends it)",
				   (unsigned long long)result.missing,
				   (unsigned long long)result.changed,
				   (unsigned long long)result.extra);
	free(path);
	return err;
}

/* Read the whole tree again, as it will be shown. */
static int
read_back(struct dp *dp, const struct dp_publication *publication)
{
	struct image *manifest = NULL;
	char below[DP_NAME_SIZE + 32];
	int fd = -1;
	int err = pf_open_read_at(dp->staging, "manifest", &fd);

	if (err < 0)
		return dp_fail(dp, err, "reading back");
	snprintf(below, sizeof below, ".despool/staging/%s/tree",
		 dp->params.package_id);
	err = image_open_fd(fd, below, &manifest);
	if (err == 0)
		err = check_path(dp, below, manifest,
				 publication->worker_count);
	image_close(manifest);
	return err;
}

int
dp_check_published(struct dp *dp, unsigned worker_count)
{
	struct image *manifest = dp_manifest(dp, dp->published);
	char below[DP_NAME_SIZE];

	if (manifest == NULL)
		return dp_fail(dp, DSP_ENOENT, "its manifest");
	snprintf(below, sizeof below, "%s/%u", dp->params.package_id,
		 dp->published);
	return check_path(dp, below, manifest, worker_count);
}

/* The tree gets its name; one that has it already changes places with it. */
static int
name_tree(struct dp *dp, const char *number)
{
	int err = move_tree(dp->staging, "tree", dp->package, number);

	if (err != DSP_EEXIST && err != DSP_ENOTEMPTY)
		return err;
	return move_swap(dp->staging, "tree", dp->package, number, "old");
}

/* S2, S6: everything is on disk before its name, its name before current. */
static int
show(struct dp *dp, const struct dp_publication *publication)
{
	char number[16], name[DP_NAME_SIZE];
	int err = write_highest(dp, publication->version);

	if (err == 0)
		err = pf_sync_file_system(dp->root);
	snprintf(number, sizeof number, "%u", publication->version);
	if (err == 0) {
		dp_name(name, dp, publication->version, "rows");
		err = pf_rename_at(dp->staging, "rows", dp->state, name);
	}
	if (err == 0 && publication->seen_fd >= 0) {
		dp_name(name, dp, publication->version, "seen");
		err = pf_rename_at(dp->staging, "seen", dp->state, name);
	}
	if (err == 0)
		err = name_tree(dp, number);
	if (err == 0) {
		dp_name(name, dp, publication->version, "rows");
		err = write_top(dp, number, name);
	}
	if (err == 0) {
		dp_name(name, dp, publication->version, "manifest");
		err = pf_rename_at(dp->staging, "manifest", dp->control, name);
	}
	if (err == 0)
		err = pf_sync(dp->state);
	if (err == 0)
		err = pf_sync(dp->control);
	if (err == 0)
		err = pf_sync(dp->package);
	if (err == 0)
		err = dp_switch(dp, publication->version);
	return err < 0 ? dp_fail(dp, err, "publishing") : 0;
}

int
dp_switch(struct dp *dp, uint32_t version)
{
	char number[16];
	int err;

	snprintf(number, sizeof number, "%u", version);
	err = pf_symlink_at(number, dp->staging, "current");
	if (err == 0)
		err = pf_rename_at(dp->staging, "current", dp->package,
				   "current");
	if (err == DSP_EISDIR) {
		err = DSP_ECONFLICT;
		dp_fail(dp, err, "\"current\" is a directory, not a link");
	}
	return err == 0 ? pf_sync(dp->package) : err;
}

/*
 * Delete what is beyond keep.  It is out of sight before it is taken apart.
 * What cannot be deleted is reported; the version is published all the same.
 */
static int
delete_old(struct dp *dp, const struct dp_publication *publication)
{
	int first_err = 0;

	for (size_t i = 0; i < dp->version_count; i++) {
		uint32_t version = dp->versions[i];
		char number[16], name[DP_NAME_SIZE];
		int err;

		if (dp_stays(dp, version, publication->version,
			     publication->keep))
			continue;
		snprintf(number, sizeof number, "%u", version);
		err = move_tree(dp->package, number, dp->staging, number);
		if (err == DSP_ENOENT) /* it was recycled */
			err = 0;
		for (size_t j = 0; j < 3 && err == 0; j++) {
			static const char *const kinds[] = { "rows", "seen",
							     "manifest" };

			dp_name(name, dp, version, kinds[j]);
			err = pf_unlink_at(j < 2 ? dp->state : dp->control,
					   name);
			if (err == DSP_ENOENT)
				err = 0;
		}
		if (err < 0 && first_err == 0)
			first_err = dp_fail(dp, err, "deleting old versions");
	}
	if (first_err == 0)
		first_err = remove_contents(dp->staging, dp->params.path);
	return first_err;
}

int
dp_publish(struct dp *dp, const struct dp_publication *publication)
{
	int err;

	assert(dp->expand != NULL);
	err = expand_finish(dp->expand);
	expand_free(dp->expand);
	dp->expand = NULL;
	dp_release_old(dp);
	if (err == 0)
		err = stage_state(dp, publication);
	if (err == 0 && publication->readback)
		err = read_back(dp, publication);
	if (err == 0)
		err = show(dp, publication);
	if (err < 0)
		return err;
	dp->published = publication->version;
	if (delete_old(dp, publication) < 0)
		report_warning(dp->params.path,
			       "version %u is published, but not all of the "
			       "old ones could be deleted",
			       publication->version);
	return 0;
}
