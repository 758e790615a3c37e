/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BELOW_H
#define BELOW_H

/*
 * below - reach a path below an open directory without following links (S16).
 */

#include <stddef.h>

/*
 * Open the directory that holds path's last component, one component after
 * another from top on.  Gives *ret_dir.  Errors are those of
 * pf_open_dir_at(); not reported.
 */
int below_open_dir(int top, const char *path, size_t size, int *ret_dir);

#endif
