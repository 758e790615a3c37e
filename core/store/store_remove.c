/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/store/staging_int.h"
#include "core/store/store_int.h"
#include "platform/pf_dir.h"
#include "platform/pf_file.h"
#include "platform/pf_sync.h"

/* A staging directory of the version that is to go. */
struct staged {
	struct digest root;
	bool is_partial;
};

struct staged_list {
	struct staged *rows;
	size_t count;
};

/* Is it of this version?  What cannot be read is of none. */
static bool
is_of(struct store *store, const char *name, const char *package_id,
      uint32_t version, struct staged *ret_staged)
{
	struct buffer file = { 0 };
	struct staged_root staged;
	struct root root = { 0 };
	int dir = -1;
	bool is_it = false;

	if (pf_open_dir_at(store->staging, name, &dir) == 0 &&
	    staging_read_root(dir, &file, &staged) == 0 &&
	    root_decode(staged.raw, staged.size, &root) == 0) {
		is_it = root.version == version &&
			strcmp(root.package_id, package_id) == 0;
		digest_of(staged.raw, staged.size, &ret_staged->root);
		ret_staged->is_partial = strlen(name) > DIGEST_HEX_SIZE - 1;
	}
	root_release(&root);
	buffer_release(&file);
	pf_close(dir);
	return is_it;
}

/* Everything that is staged of the version. */
static int
find_staged(struct store *store, const char *package_id, uint32_t version,
	    struct staged_list *list)
{
	struct pf_dir *dir = NULL;
	const char *name = NULL;
	int err = pf_dir_open(store->staging, &dir);

	while (err == 0) {
		struct staged staged;
		struct staged *rows;

		err = pf_dir_next(dir, &name);
		if (err < 0 || name == NULL)
			break;
		if (!is_of(store, name, package_id, version, &staged))
			continue;
		rows = realloc(list->rows, (list->count + 1) * sizeof *rows);
		if (rows == NULL) {
			err = DSP_ENOMEM;
			break;
		}
		list->rows = rows;
		rows[list->count++] = staged;
	}
	pf_dir_close(dir);
	return err < 0 ? store_fail(store, err, "reading the store") : 0;
}

/* Remove it, unless somebody is receiving it. */
static int
remove_staged(struct store *store, const struct staged *staged)
{
	struct staging *staging = NULL;
	int err = staging_open(store->staging, store->path, &staged->root,
			       staged->is_partial, &staging);

	if (err == 0)
		err = staging_remove(staging);
	staging_close(staging);
	return err;
}

/* Is anything left of it?  Asked after the directories were synced (S7). */
static int
prove_absent(struct store *store, const char *name, const char *package_id,
	     uint32_t version)
{
	struct staged_list list = { 0 };
	struct pf_stat stat;
	int err = pf_sync(store->dir);

	if (err == 0)
		err = pf_sync(store->staging);
	if (err < 0)
		return store_fail(store, err, name);
	if (pf_stat_at(store->dir, name, &stat) != DSP_ENOENT)
		return report_error(DSP_EEXIST, store->path,
				    "%s is still there", name);
	err = find_staged(store, package_id, version, &list);
	if (err == 0 && list.count > 0)
		err = report_error(DSP_EEXIST, store->path,
				   "%s: something is staged again", name);
	free(list.rows);
	return err;
}

int
store_remove(struct store *store, const char *package_id, uint32_t version)
{
	char name[STORE_NAME_SIZE];
	struct staged_list list = { 0 };
	bool is_held = store_has(store, package_id, version);
	int fd = -1;
	int err = find_staged(store, package_id, version, &list);

	store_file_name(name, package_id, version);
	if (err == 0 && !is_held && list.count == 0)
		err = store_fail(store, DSP_ENOENT, name);
	if (err == 0 && is_held)
		err = store_open_writable(store, package_id, version, &fd);

	/* Nobody may be in the middle of receiving it again. */
	for (size_t i = 0; err == 0 && i < list.count; i++)
		err = remove_staged(store, &list.rows[i]);
	if (err == 0 && is_held) {
		err = pf_unlink_at(store->dir, name);
		if (err < 0)
			store_fail(store, err, name);
	}
	pf_close(fd);
	free(list.rows);
	return err < 0 ? err : prove_absent(store, name, package_id, version);
}
