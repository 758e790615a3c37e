/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_BELOW_H
#define PF_BELOW_H

/*
 * pf_below - open a directory several levels down in one step.
 *
 *   platform/linux/pf_below.c   openat2(RESOLVE_NO_SYMLINKS), Linux 5.6
 *   platform/none/pf_below.c    the platform has no such thing
 *
 * `path` is relative and has no component "..".  No symbolic link on it is
 * followed.
 *
 * DSP_EUNSUPPORTED        go there step by step
 * DSP_ELOOP, DSP_ENOTDIR  something on the way is no directory
 */
int pf_open_dir_below(int dir, const char *path, int *ret_fd);

#endif
