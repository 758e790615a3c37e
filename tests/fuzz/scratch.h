/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCRATCH_H
#define SCRATCH_H

/*
 * scratch - a directory for fuzz targets that write trees, and the ordinary
 * user they do it as: no input's owners, bits or attributes reach further.
 *
 * Nothing is synced: it would be all that such a target does.
 */

#include <dirent.h>
#include <sys/stat.h>

#include "core/tree/check.h"
#include "core/tree/remove.h"
#include "platform/pf_file.h"
#include "platform/pf_process.h"
#include "platform/pf_sync.h"
#include "tests/fuzz/fuzz.h"

enum { SCRATCH_NOBODY = 65534 };

static char scratch[64];

/* These take the place of the library's. */
int
pf_sync(int fd)
{
	(void)fd;
	return 0;
}

int
pf_sync_file_system(int fd)
{
	(void)fd;
	return 0;
}

static void
scratch_remove(void)
{
	(void)remove_tree(PF_CWD, scratch, scratch);
}

/* A directory in memory, if there is such a place, made once. */
static inline void
scratch_make(void)
{
	if (scratch[0] != '\0')
		return;
	snprintf(scratch, sizeof scratch, "/dev/shm/despool-fuzz.XXXXXX");
	if (mkdtemp(scratch) == NULL) {
		snprintf(scratch, sizeof scratch, "/tmp/despool-fuzz.XXXXXX");
		must(mkdtemp(scratch) != NULL);
	}
	if (geteuid() == 0)
		must(chown(scratch, SCRATCH_NOBODY, SCRATCH_NOBODY) == 0);
	atexit(scratch_remove);
	pf_clear_umask();
}

/* Names in the scratch directory. */
static inline unsigned
scratch_count(void)
{
	DIR *dir = opendir(scratch);
	unsigned count = 0;

	must(dir != NULL);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 2;
}

/* Be an ordinary user for a while. */
static inline bool
scratch_drop_root(void)
{
	bool is_root = geteuid() == 0;

	if (is_root)
		must(seteuid(SCRATCH_NOBODY) == 0);
	return is_root;
}

static inline void
scratch_regain_root(bool was_root)
{
	if (was_root)
		must(seteuid(0) == 0);
}

/* What may differ: times and bits that this file system or user cannot set. */
static inline void
differs(void *context, const char *path, size_t path_size, unsigned what)
{
	(void)context;
	(void)path;
	(void)path_size;
	must((what & (CHECK_MISSING | CHECK_EXTRA | CHECK_TYPE | CHECK_CONTENT |
		      CHECK_TARGET)) == 0);
}

#endif
