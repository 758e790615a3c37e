/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "platform/pf_err.h"
#include "platform/pf_fault.h"

struct pf_dir {
	DIR *stream;
};

int
pf_dir_open(int fd, struct pf_dir **ret_dir)
{
	struct pf_dir *dir = NULL;
	int copy = -1;
	int err = pf_fault();

	if (err < 0)
		return err;
	dir = malloc(sizeof *dir);
	if (dir == NULL)
		return DSP_ENOMEM;
	/* Opened anew, not duplicated: a duplicate shares the read position. */
	copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copy < 0) {
		err = pf_err(errno);
		goto out;
	}
	dir->stream = fdopendir(copy);
	if (dir->stream == NULL) {
		err = pf_err(errno);
		goto out;
	}
	*ret_dir = dir;
	return 0;
out:
	if (copy >= 0)
		close(copy);
	free(dir);
	return err;
}

int
pf_dir_next(struct pf_dir *dir, const char **ret_name)
{
	int err = pf_fault();

	if (err < 0)
		return err;
	for (;;) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir->stream);
		if (entry == NULL && errno != 0)
			return pf_err(errno);
		if (entry == NULL) {
			*ret_name = NULL;
			return 0;
		}
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0) {
			*ret_name = entry->d_name;
			return 0;
		}
	}
}

int
pf_dir_fd(const struct pf_dir *dir)
{
	return dirfd(dir->stream);
}

void
pf_dir_close(struct pf_dir *dir)
{
	if (dir == NULL)
		return;
	closedir(dir->stream);
	free(dir);
}
