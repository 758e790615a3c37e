/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_DIR_H
#define PF_DIR_H

/*
 * pf_dir - the names in a directory, in whatever order the system has them.
 *
 *   platform/posix/pf_dir.c   fdopendir, readdir
 */

#include <stdbool.h>

struct pf_dir;

/*
 * Read the directory fd from its beginning.  fd stays the caller's.  Gives
 * *ret_dir, ended with pf_dir_close().
 */
int pf_dir_open(int fd, struct pf_dir **ret_dir);

/*
 * The next name except "." and ".."; NULL at the end.  The name is lent until
 * the next call.
 */
int pf_dir_next(struct pf_dir *dir, const char **ret_name);

/* A descriptor of the directory, lent until pf_dir_close(). */
int pf_dir_fd(const struct pf_dir *dir);

void pf_dir_close(struct pf_dir *dir);

#endif
