/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/report.h"
#include "core/store/growing.h"
#include "core/store/store_int.h"
#include "core/tree/remove.h"
#include "platform/pf_dir.h"
#include "platform/pf_file.h"
#include "platform/pf_flock.h"
#include "platform/pf_sync.h"

enum {
	KNOWN_ROW_SIZE = 4 + DIGEST_SIZE, /* u32 version, digest of the root */
	KNOWN_COUNT_MAX = 1 << 20,
	ROOM_TO_SPARE = 1 << 20 /* bytes */
};

int
store_fail(const struct store *store, int err, const char *what)
{
	return report_error(err, store->path, "%s", what);
}

void
store_file_name(char name[STORE_NAME_SIZE], const char *package_id,
		uint32_t version)
{
	snprintf(name, STORE_NAME_SIZE, "%s.%u.pck", package_id, version);
}

bool
store_is_one(const char *path)
{
	struct pf_stat stat;
	int dir = -1;
	bool is_one = false;

	if (pf_open_dir(path, &dir) == 0)
		is_one = pf_stat_at(dir, "lock", &stat) == 0 &&
			 stat.type == PF_FILE &&
			 pf_stat_at(dir, "staging", &stat) == 0 &&
			 stat.type == PF_DIR;
	pf_close(dir);
	return is_one;
}

int
store_init(const char *path)
{
	int dir = -1;
	int lock = -1;
	int err = pf_mkdir(path);

	if (err == DSP_EEXIST)
		err = 0;
	if (err == 0)
		err = pf_open_dir(path, &dir);
	if (err == 0)
		err = pf_mkdir_at(dir, "staging", 0700);
	if (err == DSP_EEXIST)
		err = 0;
	if (err == 0)
		err = pf_open_or_create_at(dir, "lock", 0600, &lock);
	if (err == 0)
		err = pf_sync(dir);
	pf_close(lock);
	pf_close(dir);
	return err < 0 ? report_error(err, path, "making a store") : 0;
}

int
store_open(const char *path, struct store **ret_store)
{
	struct store *store = calloc(1, sizeof *store);
	size_t size = strlen(path) + 1;
	int err = DSP_ENOMEM;

	if (store == NULL)
		return report_error(err, path, "opening the store");
	store->dir = store->staging = -1;
	store->path = malloc(size);
	if (store->path == NULL) {
		store_close(store);
		return report_error(err, path, "opening the store");
	}
	memcpy(store->path, path, size);
	err = pf_open_dir(path, &store->dir);
	if (err == 0 && !store_is_one(path))
		err = DSP_ENOENT;
	if (err == 0)
		err = pf_open_dir_at(store->dir, "staging", &store->staging);
	if (err < 0) {
		report_error(err, path,
			     err == DSP_ENOENT || err == DSP_ENOTDIR
				     ? "no store (despool store init makes one)"
				     : "opening the store");
		store_close(store);
		return err;
	}
	*ret_store = store;
	return 0;
}

void
store_close(struct store *store)
{
	if (store == NULL)
		return;
	pf_close(store->staging);
	pf_close(store->dir);
	free(store->path);
	free(store);
}

const char *
store_path(const struct store *store)
{
	return store->path;
}

/* Is it "<id>.<version>.pck", written as we write it? */
static bool
parse_name(const char *name, struct store_entry *ret_entry)
{
	char again[STORE_NAME_SIZE];
	char *end;
	unsigned long long version;

	if (strlen(name) < PACKAGE_ID_SIZE + 6 ||
	    strlen(name) >= STORE_NAME_SIZE || name[PACKAGE_ID_SIZE] != '.')
		return false;
	memcpy(ret_entry->package_id, name, PACKAGE_ID_SIZE);
	ret_entry->package_id[PACKAGE_ID_SIZE] = '\0';
	version = strtoull(name + PACKAGE_ID_SIZE + 1, &end, 10);
	if (version == 0 || version > UINT32_MAX ||
	    !package_id_is_valid(ret_entry->package_id))
		return false;
	ret_entry->version = (uint32_t)version;
	store_file_name(again, ret_entry->package_id, ret_entry->version);
	return strcmp(again, name) == 0;
}

static int
compare_entries(const void *left, const void *right)
{
	const struct store_entry *a = left, *b = right;
	int order = strcmp(a->package_id, b->package_id);

	if (order != 0)
		return order;
	return (a->version > b->version) - (a->version < b->version);
}

int
store_list(struct store *store, struct store_entry **ret_entries,
	   size_t *ret_count)
{
	struct store_entry *entries = NULL;
	struct pf_dir *dir = NULL;
	size_t count = 0, capacity = 0;
	const char *name = NULL;
	int err = pf_dir_open(store->dir, &dir);

	while (err == 0) {
		struct store_entry entry;

		err = pf_dir_next(dir, &name);
		if (err < 0 || name == NULL)
			break;
		if (!parse_name(name, &entry))
			continue;
		if (count == capacity) {
			struct store_entry *more;

			capacity = capacity * 2 + 16;
			more = realloc(entries, capacity * sizeof *entries);
			if (more == NULL) {
				err = DSP_ENOMEM;
				break;
			}
			entries = more;
		}
		entries[count++] = entry;
	}
	pf_dir_close(dir);
	if (err < 0) {
		free(entries);
		return store_fail(store, err, "reading the store");
	}
	if (count > 0)
		qsort(entries, count, sizeof *entries, compare_entries);
	*ret_entries = entries;
	*ret_count = count;
	return 0;
}

uint32_t
store_version_below(struct store *store, const char *package_id, uint32_t below)
{
	struct store_entry *entries = NULL;
	size_t count = 0;
	uint32_t found = 0;

	if (store_list(store, &entries, &count) < 0)
		return 0;
	for (size_t i = 0; i < count; i++)
		if (strcmp(entries[i].package_id, package_id) == 0 &&
		    entries[i].version < below)
			found = entries[i].version;
	free(entries);
	return found;
}

bool
store_has(struct store *store, const char *package_id, uint32_t version)
{
	char name[STORE_NAME_SIZE];
	struct pf_stat stat;

	store_file_name(name, package_id, version);
	return pf_stat_at(store->dir, name, &stat) == 0;
}

int
store_open_image(struct store *store, const char *package_id, uint32_t version,
		 struct image **ret_image)
{
	char name[STORE_NAME_SIZE];
	struct image *image = NULL;
	size_t size = strlen(store->path) + STORE_NAME_SIZE + 1;
	char *path = malloc(size);
	int fd = -1;
	int err = path != NULL ? 0 : DSP_ENOMEM;

	store_file_name(name, package_id, version);
	if (err == 0)
		err = pf_open_read_at(store->dir, name, &fd);
	if (err == 0)
		err = pf_flock_shared(fd);
	if (err == DSP_EUNSUPPORTED)
		err = 0;
	if (err < 0) {
		pf_close(fd);
		free(path);
		return store_fail(store, err, name);
	}
	snprintf(path, size, "%s/%s", store->path, name);
	err = image_open_fd(fd, path, &image);
	if (err == 0 &&
	    (image_kind(image) != IMAGE_WITH_BLOCKS ||
	     image_root(image)->version != version ||
	     strcmp(image_root(image)->package_id, package_id) != 0)) {
		err = report_error(DSP_EDIFFERS, path,
				   "it is another image than its name says");
		image_close(image);
	}
	free(path);
	if (err == 0)
		*ret_image = image;
	return err;
}

int
store_open_growing(struct store *store, const char *package_id,
		   uint32_t version, unsigned timeout_s,
		   struct image **ret_image)
{
	struct pf_dir *dir = NULL;
	struct image *found = NULL;
	const char *name = NULL;
	int err = pf_dir_open(store->staging, &dir);

	while (err == 0) {
		struct image *image = NULL;
		const struct root *root;

		err = pf_dir_next(dir, &name);
		if (err < 0 || name == NULL)
			break;
		if (strlen(name) != DIGEST_HEX_SIZE - 1 ||
		    growing_open(store->staging, name, store->path, timeout_s,
				 &image) < 0)
			continue;
		root = image_root(image);
		if (strcmp(root->package_id, package_id) == 0 &&
		    (version == 0 || version == root->version) &&
		    (found == NULL ||
		     root->version > image_root(found)->version)) {
			image_close(found);
			found = image;
		} else {
			image_close(image);
		}
	}
	pf_dir_close(dir);
	if (err < 0) {
		image_close(found);
		return store_fail(store, err, "reading the store");
	}
	if (found == NULL)
		return DSP_ENOENT;
	*ret_image = found;
	return 0;
}

struct image *
store_find_root(struct store *store, const char *package_id,
		const struct digest *root)
{
	uint32_t version = UINT32_MAX;

	for (;;) {
		struct image *image = NULL;

		version = store_version_below(store, package_id, version);
		if (version == 0)
			return NULL;
		if (store_open_image(store, package_id, version, &image) < 0)
			continue;
		if (digest_equal(image_root_digest(image), root))
			return image;
		image_close(image);
	}
}

/* What was ever here. */

struct known {
	uint32_t highest;
	bool has_version;
	struct digest root; /* of that version */
};

static int
read_known(struct store *store, const char *package_id, uint32_t version,
	   struct known *ret_known)
{
	char name[STORE_NAME_SIZE];
	uint8_t row[KNOWN_ROW_SIZE];
	int fd = -1;
	int err;

	memset(ret_known, 0, sizeof *ret_known);
	snprintf(name, sizeof name, "%s.known", package_id);
	err = pf_open_read_at(store->dir, name, &fd);
	if (err == DSP_ENOENT)
		return 0;
	for (unsigned i = 0; err == 0 && i < KNOWN_COUNT_MAX; i++) {
		size_t got = 0;
		uint32_t found;

		err = pf_read_at(fd, row, sizeof row, (uint64_t)i * sizeof row,
				 &got);
		if (err < 0 || got < sizeof row)
			break;
		found = le32_get(row);
		if (found > ret_known->highest)
			ret_known->highest = found;
		if (found != version)
			continue;
		ret_known->has_version = true;
		memcpy(ret_known->root.bytes, row + 4, DIGEST_SIZE);
	}
	pf_close(fd);
	return err < 0 ? store_fail(store, err, name) : 0;
}

/* Remember a root for ever, before its image has a name. */
static int
add_known(struct store *store, const char *package_id, uint32_t version,
	  const struct digest *root)
{
	char name[STORE_NAME_SIZE];
	uint8_t row[KNOWN_ROW_SIZE];
	struct known known;
	struct pf_stat stat;
	int fd = -1;
	int err;

	le32_put(row, version);
	memcpy(row + 4, root->bytes, DIGEST_SIZE);
	snprintf(name, sizeof name, "%s.known", package_id);
	err = pf_open_or_create_at(store->dir, name, 0600, &fd);

	/* Two who add a row at once would both write the same one. */
	if (err == 0)
		err = pf_flock_exclusive(fd);
	if (err == DSP_EUNSUPPORTED)
		err = 0;
	if (err < 0) {
		pf_close(fd);
		return store_fail(store, err, name);
	}
	err = read_known(store, package_id, version, &known);
	if (err == 0 && known.has_version && !digest_equal(&known.root, root))
		err = report_error(DSP_ECONFLICT, store->path,
				   "%s: version %u came with another root "
				   "meanwhile",
				   name, version);
	if (err < 0 || known.has_version) {
		pf_close(fd);
		return err;
	}
	err = pf_stat_fd(fd, &stat);
	if (err == 0) /* over what a crash left of a row */
		err = pf_write_at(fd, row, sizeof row,
				  stat.size - stat.size % sizeof row);
	if (err == 0)
		err = pf_sync(fd);
	pf_close(fd);
	return err < 0 ? store_fail(store, err, name) : 0;
}

int
store_check(struct store *store, const char *package_id, uint32_t version,
	    const struct digest *root, bool may_roll_back, bool *ret_has)
{
	char name[STORE_NAME_SIZE];
	struct known known;
	struct pf_stat stat;
	int err = read_known(store, package_id, version, &known);

	*ret_has = false;
	if (err < 0)
		return err;
	store_file_name(name, package_id, version);
	if (known.has_version && !digest_equal(&known.root, root))
		return report_error(DSP_ECONFLICT, store->path,
				    "%s: the version is known with another "
				    "root: a changed package is a new version",
				    name);
	*ret_has = pf_stat_at(store->dir, name, &stat) == 0;
	if (*ret_has && !known.has_version) { /* copied in by hand */
		struct image *image = NULL;

		err = store_open_image(store, package_id, version, &image);
		if (err == 0 && !digest_equal(image_root_digest(image), root))
			err = report_error(DSP_ECONFLICT, store->path,
					   "%s: it is here with another root",
					   name);
		image_close(image);
		return err;
	}
	if (!*ret_has && version < known.highest && !may_roll_back)
		return report_error(DSP_ECONFLICT, store->path,
				    "%s: version %u was here, this one is "
				    "older (--rollback takes it)",
				    name, known.highest);
	return 0;
}

int
store_check_room(struct store *store, uint64_t size)
{
	uint64_t room = 0;
	int err = pf_free_space(store->dir, &room);

	if (err < 0)
		return store_fail(store, err, "looking at its file system");
	if (size <= room && room - size >= ROOM_TO_SPARE)
		return 0;
	return report_error(DSP_ENOSPC, store->path,
			    "%llu bytes are needed, %llu are free",
			    (unsigned long long)size, (unsigned long long)room);
}

int
store_open_staging(struct store *store, const struct digest *root,
		   bool is_partial, struct staging **ret_staging)
{
	return staging_open(store->staging, store->path, root, is_partial,
			    ret_staging);
}

int
store_take(struct store *store, const char *package_id, uint32_t version,
	   const struct digest *root, struct staging *staging)
{
	char name[STORE_NAME_SIZE];
	bool has;
	int err = store_check(store, package_id, version, root, true, &has);

	if (err == 0)
		err = add_known(store, package_id, version, root);
	if (err < 0)
		return err;
	store_file_name(name, package_id, version);
	err = pf_rename_at(staging_dir(staging), "image", store->dir, name);
	if (err == 0) {
		err = pf_sync(store->dir);
		if (err < 0) /* S14 */
			(void)pf_unlink_at(store->dir, name);
	}
	if (err < 0)
		return store_fail(store, err, name);
	(void)staging_remove(staging);
	return 0;
}

int
store_open_writable(struct store *store, const char *package_id,
		    uint32_t version, int *ret_fd)
{
	char name[STORE_NAME_SIZE];
	struct pf_stat stat;
	int fd = -1;
	int err;

	store_file_name(name, package_id, version);
	err = pf_stat_at(store->dir, name, &stat);
	if (err == 0)
		err = pf_open_or_create_at(store->dir, name, 0600, &fd);
	if (err == 0)
		err = pf_flock_exclusive(fd);
	if (err == DSP_EUNSUPPORTED)
		err = 0;
	if (err < 0) {
		pf_close(fd);
		return store_fail(store, err, name);
	}
	*ret_fd = fd;
	return 0;
}
