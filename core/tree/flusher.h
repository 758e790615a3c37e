/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLUSHER_H
#define FLUSHER_H

/*
 * flusher - sends what is written to disk while more is being written.
 *
 * A tree is synced before it is shown.  Left to the end, the disk would idle
 * while the processors work and the processors while the disk does; see
 * docs/why/002.  A thread of its own syncs the file system each time enough
 * has been written; its errors are found again by the sync that counts (S14).
 *
 * Threads    flusher_add() from any thread.
 */

#include <stdint.h>

struct flusher;

/* Flush the file system of fd, which is borrowed.  NULL: do without. */
struct flusher *flusher_new(int fd);

/* So many more bytes were written.  NULL is allowed. */
void flusher_add(struct flusher *flusher, uint64_t size);

/* Wait for the flush under way, and end.  NULL is allowed. */
void flusher_free(struct flusher *flusher);

#endif
