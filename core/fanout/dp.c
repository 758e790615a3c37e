/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fanout/dp.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/report.h"
#include "core/fanout/dp_int.h"
#include "core/tree/check.h"
#include "core/tree/cloner.h"
#include "core/tree/move.h"
#include "core/tree/output.h"
#include "core/tree/remove.h"
#include "platform/pf_dir.h"
#include "platform/pf_flock.h"
#include "platform/pf_process.h"
#include "platform/pf_sync.h"

void
dp_name(char name[DP_NAME_SIZE], const struct dp *dp, uint32_t version,
	const char *kind)
{
	snprintf(name, DP_NAME_SIZE, "%s.%u.%s", dp->params.package_id, version,
		 kind);
}

int
dp_fail(const struct dp *dp, int err, const char *what)
{
	return report_error(err, dp->params.path, "%s", what);
}

/* The directory, and those above it that are missing; dry: may they be? */
static int
make_dirs(const char *path, const struct pf_stat *source, bool is_dry)
{
	size_t size = strlen(path);
	char *part = malloc(size + 1);
	bool is_inside = false;
	size_t end = size;
	int fd = -1;
	int err = DSP_ENOENT;

	if (part == NULL)
		return DSP_ENOMEM;

	/* The longest part that exists must not be in the source. */
	memcpy(part, path, size + 1);
	while (err == DSP_ENOENT) {
		err = pf_open_dir(end > 0 ? part : ".", &fd);
		if (err != DSP_ENOENT || end == 0)
			break;
		while (end > 0 && part[end - 1] == '/')
			end--;
		while (end > 0 && part[end - 1] != '/')
			end--;
		part[end] = '\0';
	}
	if (err == 0 && source != NULL)
		err = output_is_inside(fd, source, &is_inside);
	if (err == 0 && is_inside)
		err = DSP_EOVERLAP;
	pf_close(fd);

	memcpy(part, path, size + 1);
	for (size_t i = end + 1; err == 0 && !is_dry && i <= size; i++) {
		char c = part[i];

		if (c != '/' && c != '\0')
			continue;
		part[i] = '\0';
		err = pf_mkdir(part);
		if (err == DSP_EEXIST)
			err = 0;
		part[i] = c;
	}
	free(part);
	return err;
}

/* Neither may hold the other (Q263376). */
static int
check_overlap(struct dp *dp, const char *source)
{
	struct pf_stat stat, here;
	bool is_inside = false;
	int fd = -1;
	int err = pf_open_dir(source, &fd);

	if (err == DSP_ENOTDIR) /* an image */
		return 0;
	if (err == 0)
		err = pf_stat_fd(fd, &stat);
	if (err == 0)
		err = pf_stat_fd(dp->root, &here);
	if (err == 0)
		err = output_is_inside(dp->root, &stat, &is_inside);
	if (err == 0 && !is_inside)
		err = output_is_inside(fd, &here, &is_inside);
	pf_close(fd);
	return err == 0 && is_inside ? DSP_EOVERLAP : err;
}

static int
open_root(struct dp *dp)
{
	const struct dp_params *params = &dp->params;
	struct pf_stat source, root;
	bool has_source = params->source != NULL &&
			  pf_stat(params->source, &source) == 0 &&
			  source.type == PF_DIR;
	int err = pf_open_dir(params->path, &dp->root);

	if (err == DSP_ENOENT && params->may_create) {
		err = make_dirs(params->path, has_source ? &source : NULL,
				params->is_dry);
		if (err == 0)
			err = pf_open_dir(params->path, &dp->root);
	}
	if (err == 0 && params->source != NULL)
		err = check_overlap(dp, params->source);
	if (err == 0)
		err = pf_stat_fd(dp->root, &root);
	if (err == 0 && !params->claim(params->claim_context, &root))
		err = DSP_EINVAL;
	return err;
}

/* Open the directory name below dir, made when absent. */
static int
open_or_make(int dir, const char *name, unsigned mode, int *ret_fd)
{
	int err = pf_mkdir_at(dir, name, mode);

	if (err == 0 || err == DSP_EEXIST)
		err = pf_open_dir_at(dir, name, ret_fd);
	return err;
}

static int
open_dirs(struct dp *dp)
{
	const char *id = dp->params.package_id;
	unsigned mode = 0777 & ~pf_umask();
	struct pf_stat root;
	int err = pf_stat_fd(dp->root, &root);

	/* Who owns the root may own what is in it: we trust it with that. */
	if (err == 0)
		err = open_or_make(dp->root, ".despool", 0700, &dp->control);
	if (err == 0)
		err = output_own_dir(dp->control, root.uid);
	if (err == DSP_EACCES && dp->control >= 0)
		return dp_fail(dp, err, ".despool is somebody else's");
	if (err == 0)
		err = pf_open_or_create_at(dp->control, "lock", 0600,
					   &dp->lock);
	if (err == 0)
		err = pf_flock_exclusive(dp->lock);
	if (err == DSP_EUNSUPPORTED)
		err = 0;
	if (err == 0)
		err = open_or_make(dp->control, "state", 0700, &dp->state);
	if (err == 0)
		err = open_or_make(dp->control, "staging", 0700,
				   &dp->all_staging);
	if (err == 0)
		err = open_or_make(dp->root, id, mode, &dp->package);
	if (err < 0)
		return err;
	dp->is_ours = true;
	err = remove_tree(dp->all_staging, id, dp->params.path);
	return err < 0 ? err
		       : open_or_make(dp->all_staging, id, 0700, &dp->staging);
}

/* Only look; what is not there stays away. */
static int
open_dirs_dry(struct dp *dp)
{
	int err = pf_open_dir_at(dp->root, ".despool", &dp->control);

	if (err == 0)
		err = pf_open_dir_at(dp->control, "state", &dp->state);
	if (err == 0)
		err = pf_open_dir_at(dp->root, dp->params.package_id,
				     &dp->package);
	return err == DSP_ENOENT ? 0 : err;
}

/* "17" is a version; "current", "017" and "x" are none. */
static uint32_t
parse_version(const char *name)
{
	uint64_t version = 0;

	if (name[0] == '0' || strlen(name) > 10)
		return 0;
	for (const char *p = name; *p != '\0'; p++) {
		if (*p < '0' || *p > '9')
			return 0;
		version = version * 10 + (uint64_t)(*p - '0');
	}
	return version <= UINT32_MAX ? (uint32_t)version : 0;
}

static int
compare_descending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x > y ? -1 : x < y;
}

/* Which versions are there? */
static int
list_versions(struct dp *dp)
{
	struct pf_dir *list = NULL;
	int err = pf_dir_open(dp->package, &list);

	dp->version_count = 0;
	while (err == 0) {
		const char *name = NULL;
		uint32_t version;
		uint32_t *versions;

		err = pf_dir_next(list, &name);
		if (err < 0 || name == NULL)
			break;
		version = parse_version(name);
		if (version == 0)
			continue;
		versions = realloc(dp->versions,
				   (dp->version_count + 1) * sizeof *versions);
		if (versions == NULL) {
			err = DSP_ENOMEM;
			break;
		}
		dp->versions = versions;
		versions[dp->version_count++] = version;
	}
	pf_dir_close(list);
	if (dp->version_count > 1)
		qsort(dp->versions, dp->version_count, sizeof *dp->versions,
		      compare_descending);
	return err;
}

/*
 * A version has one content for ever (S3), also when its tree is gone: the
 * highest number given out is remembered.
 */
static void
read_highest(struct dp *dp)
{
	char name[DP_NAME_SIZE];
	uint8_t bytes[4];
	size_t got = 0;
	int fd = -1;

	snprintf(name, sizeof name, "%s.highest", dp->params.package_id);
	if (dp->state >= 0 && pf_open_read_at(dp->state, name, &fd) == 0 &&
	    pf_read(fd, bytes, sizeof bytes, &got) == 0 && got == sizeof bytes)
		dp->highest = le32_get(bytes);
	pf_close(fd);
	if (dp->version_count > 0 && dp->versions[0] > dp->highest)
		dp->highest = dp->versions[0];
}

static int
read_current(struct dp *dp)
{
	char target[16];
	size_t size;
	int err = pf_read_link_at(dp->package, "current", target, sizeof target,
				  &size);
	int fd = -1;

	dp->published = 0;
	if (err == DSP_ENOENT || err == DSP_EINVAL || err == DSP_ELIMIT)
		return 0;
	if (err < 0)
		return err;
	/* A link to a version that is gone publishes nothing. */
	if (pf_open_dir_at(dp->package, target, &fd) == 0)
		dp->published = parse_version(target);
	pf_close(fd);
	return 0;
}

int
dp_open(const struct dp_params *params, struct dp **ret_dp)
{
	struct dp *dp = calloc(1, sizeof *dp);
	int err = DSP_ENOMEM;

	if (dp == NULL)
		return report_error(err, params->path, "opening");
	dp->params = *params;
	dp->root = dp->control = dp->lock = dp->state = -1;
	dp->all_staging = dp->staging = dp->package = dp->rows = -1;
	dp->old_rows_fd = -1;
	err = open_root(dp);
	if (err == DSP_ENOENT && params->is_dry && params->may_create) {
		*ret_dp = dp; /* it would be made */
		return 0;
	}
	if (err == 0)
		err = params->is_dry ? open_dirs_dry(dp) : open_dirs(dp);
	if (err == 0 && dp->package >= 0)
		err = list_versions(dp);
	if (err == 0 && dp->package >= 0)
		err = read_current(dp);
	read_highest(dp);
	if (err < 0) {
		dp_fail(dp, err,
			err == DSP_EINVAL ? "this destination is given twice"
					  : "opening the distribution point");
		dp_close(dp);
		return err;
	}
	*ret_dp = dp;
	return 0;
}

void
dp_close(struct dp *dp)
{
	if (dp == NULL)
		return;
	dp_abandon(dp);
	if (dp->is_ours)
		(void)remove_tree(dp->all_staging, dp->params.package_id,
				  dp->params.path);
	image_close(dp->manifest);
	free(dp->versions);
	pf_close(dp->staging);
	pf_close(dp->all_staging);
	pf_close(dp->package);
	pf_close(dp->state);
	pf_close(dp->lock);
	pf_close(dp->control);
	pf_close(dp->root);
	free(dp);
}

uint32_t
dp_published(const struct dp *dp)
{
	return dp->published;
}

uint32_t
dp_highest(const struct dp *dp)
{
	return dp->highest;
}

int
dp_check_room(struct dp *dp, uint64_t size)
{
	uint64_t room;
	int err = pf_free_space(dp->root, &room);

	if (err < 0)
		return dp_fail(dp, err, "looking at its file system");
	if (room >= size)
		return 0;
	return report_error(DSP_ENOSPC, dp->params.path,
			    "%llu bytes are needed, %llu are free",
			    (unsigned long long)size, (unsigned long long)room);
}

char *
dp_path(const struct dp *dp, const char *below)
{
	size_t size = strlen(dp->params.path) + strlen(below) + 2;
	char *path = malloc(size);

	if (path != NULL)
		snprintf(path, size, "%s/%s", dp->params.path, below);
	return path;
}

struct image *
dp_manifest(struct dp *dp, uint32_t version)
{
	char name[DP_NAME_SIZE];
	char below[DP_NAME_SIZE + sizeof ".despool/"];
	char *path;
	int fd = -1;

	if (version == 0 || dp->control < 0)
		return NULL;
	if (dp->manifest != NULL &&
	    image_root(dp->manifest)->version == version)
		return dp->manifest;
	image_close(dp->manifest);
	dp->manifest = NULL;
	dp_name(name, dp, version, "manifest");
	snprintf(below, sizeof below, ".despool/%s", name);
	path = dp_path(dp, below);
	if (path == NULL)
		return NULL;
	if (pf_open_read_at(dp->control, name, &fd) == 0)
		(void)image_open_fd(fd, path, &dp->manifest);
	free(path);
	if (dp->manifest == NULL)
		return NULL;
	if (image_root(dp->manifest)->version != version ||
	    strcmp(image_root(dp->manifest)->package_id,
		   dp->params.package_id) != 0) {
		image_close(dp->manifest);
		dp->manifest = NULL;
	}
	return dp->manifest;
}

struct image *
dp_whole_manifest(struct dp *dp, uint32_t version)
{
	struct image *manifest;

	if (version == dp->damaged) /* said already */
		return NULL;
	manifest = dp_manifest(dp, version);
	if (manifest == NULL || image_check_pages(manifest) == 0)
		return manifest;
	dp->damaged = version;
	report_warning(dp->params.path,
		       "the manifest of version %u is damaged and not used; "
		       "--refresh mends a published one",
		       version);
	return NULL;
}

struct image *
dp_take_manifest(struct dp *dp)
{
	struct image *manifest = dp->manifest;

	dp->manifest = NULL;
	return manifest;
}

int
dp_open_tree(struct dp *dp, uint32_t version, int *ret_fd)
{
	char number[16];

	snprintf(number, sizeof number, "%u", version);
	return pf_open_dir_at(dp->package, number, ret_fd);
}

int
dp_open_seen(struct dp *dp)
{
	char name[DP_NAME_SIZE];
	int fd = -1;

	dp_name(name, dp, dp->published, "seen");
	if (dp->published == 0 || dp->state < 0 ||
	    pf_open_read_at(dp->state, name, &fd) < 0)
		return -1;
	return fd;
}

bool
dp_stays(const struct dp *dp, uint32_t candidate, uint32_t version,
	 unsigned keep)
{
	unsigned kept = 1;

	if (candidate == version)
		return true;
	if (dp->published != 0 && dp->published != version && keep > 1) {
		if (candidate == dp->published)
			return true;
		kept++;
	}
	for (size_t i = 0; i < dp->version_count && kept < keep; i++) {
		if (dp->versions[i] == version ||
		    dp->versions[i] == dp->published)
			continue;
		if (dp->versions[i] == candidate)
			return true;
		kept++;
	}
	return false;
}

uint32_t
dp_recyclable(struct dp *dp, uint32_t version, unsigned keep)
{
	for (size_t i = 0; i < dp->version_count; i++) {
		uint32_t candidate = dp->versions[i];
		struct image *manifest;

		/* What is published is in use (S2). */
		if (candidate == dp->published ||
		    dp_stays(dp, candidate, version, keep))
			continue;
		manifest = dp_manifest(dp, candidate);
		if (manifest != NULL &&
		    image_root(manifest)->hardlink_count == 0)
			return candidate;
	}
	return 0;
}

/* Take the tree, the manifest and the rows of a version into staging. */
static int
take_old(struct dp *dp, uint32_t version)
{
	char name[DP_NAME_SIZE];
	char number[16];
	struct image *manifest = dp_manifest(dp, version);
	struct pf_stat stat;
	int err;

	if (manifest == NULL)
		return DSP_EIO;
	snprintf(number, sizeof number, "%u", version);
	dp_name(name, dp, version, "rows");
	err = pf_open_read_at(dp->state, name, &dp->old_rows_fd);
	if (err == 0)
		err = rows_reader_init(&dp->old_rows, dp->old_rows_fd,
				       image_root_digest(manifest));

	/*
	 * Is the top as it was when it was published?  The other directories
	 * are looked at as they are met; this row does not outlive the top's
	 * next renaming.
	 */
	if (err == 0 &&
	    !rows_reader_holds(&dp->old_rows, 0, dp->package, number, &stat))
		err = DSP_EDIFFERS;
	if (err < 0)
		return err;
	(void)pf_unlink_at(dp->state, name);
	dp_name(name, dp, version, "seen");
	(void)pf_unlink_at(dp->state, name);
	dp_name(name, dp, version, "manifest");
	(void)pf_unlink_at(dp->control, name);
	return move_tree(dp->package, number, dp->staging, "tree");
}

void
dp_release_old(struct dp *dp)
{
	rows_reader_release(&dp->old_rows);
	pf_close(dp->old_rows_fd);
	dp->old_rows_fd = -1;
}

int
dp_begin(struct dp *dp, uint32_t *recycle, struct owners *owners,
	 unsigned thread_count, struct expand **ret_expand)
{
	struct expand_params params = {
		.parent = dp->staging,
		.name = "tree",
		.shown = dp->params.path,
		.owners = owners,
		.thread_count = thread_count,
	};
	int err = 0;

	dp_abandon(dp);
	if (*recycle != 0 && take_old(dp, *recycle) == 0) {
		params.old_rows = &dp->old_rows;
	} else { /* everything is written */
		*recycle = 0;
		dp_release_old(dp);
		err = remove_tree(dp->staging, "tree", dp->params.path);
	}
	if (err < 0)
		return err;
	err = pf_create_at(dp->staging, "rows", 0600, &dp->rows);
	if (err < 0)
		return dp_fail(dp, err, "making its state file");
	params.rows = dp->rows;
	err = expand_new(&params, &dp->expand);
	if (err == 0)
		*ret_expand = dp->expand;
	return err;
}

int
dp_look(struct dp *dp, uint64_t *ret_device, bool *ret_can_clone)
{
	struct pf_stat stat;
	int err = pf_stat_fd(dp->staging, &stat);

	if (err < 0)
		return dp_fail(dp, err, "looking at its file system");
	*ret_device = stat.device;
	*ret_can_clone = cloner_works_in(dp->staging);
	return 0;
}

int
dp_fd(const struct dp *dp)
{
	return dp->root;
}

void
dp_abandon(struct dp *dp)
{
	if (dp->expand != NULL) {
		(void)expand_finish(dp->expand);
		expand_free(dp->expand);
		dp->expand = NULL;
	}
	dp_release_old(dp);
	pf_close(dp->rows);
	dp->rows = -1;
	if (dp->staging >= 0)
		(void)remove_contents(dp->staging, dp->params.path);
}
