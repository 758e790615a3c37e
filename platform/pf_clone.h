/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_CLONE_H
#define PF_CLONE_H

/*
 * pf_clone - give one file the blocks of another without copying them.
 *
 *   platform/linux/pf_clone.c   FICLONE; needs Btrfs, XFS or the like
 *   platform/none/pf_clone.c    the platform has no such thing
 *
 * DSP_EUNSUPPORTED  not here; to_fd is unchanged and the caller copies bytes
 */
int pf_clone(int from_fd, int to_fd);

#endif
