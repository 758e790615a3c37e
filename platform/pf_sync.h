/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_SYNC_H
#define PF_SYNC_H

/*
 * pf_sync - make what was written survive a power loss.
 *
 *   platform/linux/pf_sync.c   syncfs
 *   platform/posix/pf_sync.c   fsync and sync
 *
 * After an error the written object must be taken as absent (S14).
 */

/* The file or directory fd is on disk when this returns 0. */
int pf_sync(int fd);

/* Everything on the file system of fd is. */
int pf_sync_file_system(int fd);

#endif
