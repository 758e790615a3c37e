/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/flusher.h"

#include <stdbool.h>
#include <stdlib.h>

#include "platform/pf_file.h"
#include "platform/pf_sync.h"
#include "platform/pf_thread.h"

#define FLUSH_SIZE (64u << 20) /* bytes */

struct flusher {
	int fd;
	struct pf_lock *lock;
	struct pf_condition *changed;
	struct pf_thread *thread;
	uint64_t waiting; /* bytes written since the last flush began */
	bool is_ending;
};

static void
run(void *context)
{
	struct flusher *flusher = context;

	pf_lock(flusher->lock);
	while (!flusher->is_ending) {
		if (flusher->waiting < FLUSH_SIZE) {
			pf_wait(flusher->changed, flusher->lock);
			continue;
		}
		flusher->waiting = 0;
		pf_unlock(flusher->lock);
		(void)pf_sync_file_system(flusher->fd);
		pf_lock(flusher->lock);
	}
	pf_unlock(flusher->lock);
}

struct flusher *
flusher_new(int fd)
{
	struct flusher *flusher = calloc(1, sizeof *flusher);

	if (flusher == NULL)
		return NULL;
	/*
	 * Opened anew: a failure to write back is reported once to each open
	 * file, and the caller's must still hear of it (S6, S14).
	 */
	if (pf_open_dir_at(fd, ".", &flusher->fd) < 0)
		flusher->fd = -1;
	flusher->lock = pf_lock_new();
	flusher->changed = pf_condition_new();
	if (flusher->fd >= 0 && flusher->lock != NULL &&
	    flusher->changed != NULL &&
	    pf_thread_start(run, flusher, &flusher->thread) == 0)
		return flusher;
	flusher_free(flusher);
	return NULL;
}

void
flusher_add(struct flusher *flusher, uint64_t size)
{
	if (flusher == NULL)
		return;
	pf_lock(flusher->lock);
	flusher->waiting += size;
	if (flusher->waiting >= FLUSH_SIZE)
		pf_signal(flusher->changed);
	pf_unlock(flusher->lock);
}

void
flusher_free(struct flusher *flusher)
{
	if (flusher == NULL)
		return;
	if (flusher->thread != NULL) {
		pf_lock(flusher->lock);
		flusher->is_ending = true;
		pf_signal(flusher->changed);
		pf_unlock(flusher->lock);
		pf_thread_join(flusher->thread);
	}
	pf_close(flusher->fd);
	pf_lock_free(flusher->lock);
	pf_condition_free(flusher->changed);
	free(flusher);
}
