/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/remove.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/err.h"
#include "core/base/report.h"
#include "platform/pf_dir.h"
#include "platform/pf_file.h"

/* A directory on the way down; the innermost comes first. */
struct remove_level {
	struct remove_level *outer;
	int fd; /* the list's: one descriptor a level */
	struct pf_dir *list;
	char *name; /* in the outer one */
};

/* Open name below dir, giving its owner the permission that it takes. */
static int
enter(int dir, const char *name, struct remove_level **innermost)
{
	struct remove_level *level = calloc(1, sizeof *level);
	struct pf_stat stat;
	int fd = -1;
	int err = DSP_ENOMEM;

	if (level == NULL)
		return err;
	level->name = malloc(strlen(name) + 1);
	if (level->name == NULL)
		goto out;
	memcpy(level->name, name, strlen(name) + 1);
	err = pf_open_dir_at(dir, name, &fd);
	if (err == DSP_EACCES && pf_set_mode_at(dir, name, 0700) == 0)
		err = pf_open_dir_at(dir, name, &fd);
	if (err == 0)
		err = pf_stat_fd(fd, &stat);
	/* Readable is not enough: entries are looked at and unlinked. */
	if (err == 0 && (stat.mode & 0700) != 0700)
		err = pf_set_mode_fd(fd, 0700);
	if (err == 0)
		err = pf_dir_open(fd, &level->list);
	pf_close(fd);
	if (err < 0)
		goto out;
	level->fd = pf_dir_fd(level->list);
	level->outer = *innermost;
	*innermost = level;
	return 0;
out:
	free(level->name);
	free(level);
	return err;
}

static void
leave(struct remove_level **innermost)
{
	struct remove_level *level = *innermost;

	*innermost = level->outer;
	pf_dir_close(level->list);
	free(level->name);
	free(level);
}

/* Unlink a name, in a directory that may lack write permission. */
static int
unlink_one(int dir, const char *name, bool is_dir)
{
	int err = is_dir ? pf_rmdir_at(dir, name) : pf_unlink_at(dir, name);

	if (err == DSP_EACCES && pf_set_mode_fd(dir, 0700) == 0)
		err = is_dir ? pf_rmdir_at(dir, name) : pf_unlink_at(dir, name);
	return err == DSP_ENOENT ? 0 : err;
}

/* Remove one entry of the innermost level; a directory is entered. */
static int
remove_entry(struct remove_level **innermost, const char *name)
{
	struct pf_stat stat;
	int err = pf_stat_at((*innermost)->fd, name, &stat);

	if (err < 0)
		return err == DSP_ENOENT ? 0 : err;
	if (stat.type == PF_DIR)
		return enter((*innermost)->fd, name, innermost);
	return unlink_one((*innermost)->fd, name, false);
}

static int
remove_level(struct remove_level *innermost, const char *shown)
{
	int first_err = 0;

	while (innermost != NULL) {
		const char *name;
		int err = pf_dir_next(innermost->list, &name);

		if (err == 0 && name != NULL) {
			err = remove_entry(&innermost, name);
		} else if (innermost->outer != NULL) {
			int dir = innermost->outer->fd;

			if (err == 0)
				err = unlink_one(dir, innermost->name, true);
			leave(&innermost);
		} else {
			leave(&innermost);
		}
		if (err < 0 && first_err == 0)
			first_err = report_error(err, shown, "removing");
	}
	return first_err;
}

int
remove_contents_but(int dir, const char *keep, const char *shown)
{
	struct pf_dir *list = NULL;
	const char *name;
	int first_err = 0;
	int err = pf_dir_open(dir, &list);

	while (err == 0) {
		int remove_err;

		err = pf_dir_next(list, &name);
		if (err < 0 || name == NULL)
			break;
		if (keep != NULL && strcmp(name, keep) == 0)
			continue;
		remove_err = remove_tree(dir, name, shown);
		if (first_err == 0)
			first_err = remove_err;
	}
	pf_dir_close(list);
	if (err < 0)
		report_error(err, shown, "removing");
	return err < 0 ? err : first_err;
}

int
remove_contents(int dir, const char *shown)
{
	return remove_contents_but(dir, NULL, shown);
}

int
remove_tree(int dir, const char *name, const char *shown)
{
	struct remove_level *innermost = NULL;
	struct pf_stat stat;
	int err = pf_stat_at(dir, name, &stat);

	if (err == DSP_ENOENT)
		return 0;
	if (err == 0 && stat.type != PF_DIR) {
		err = unlink_one(dir, name, false);
	} else if (err == 0) {
		err = enter(dir, name, &innermost);
		if (err == 0) {
			err = remove_level(innermost, shown);
			if (err < 0)
				return err;
			err = unlink_one(dir, name, true);
		}
	}
	return err < 0 ? report_error(err, shown, "removing") : 0;
}
