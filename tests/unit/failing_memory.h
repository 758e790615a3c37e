/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAILING_MEMORY_H
#define FAILING_MEMORY_H

/*
 * failing_memory - malloc and its like that fail when a test says so.
 *
 * A test includes this and then the one source file of core/ whose reaction it
 * is about: that file's calls come here, and the library's copy of it is not
 * linked, because all its names are there already.  Include the system's
 * headers first.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

static pthread_mutex_t memory_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned memory_calls_left; /* 0: no fault is set */
static bool memory_fired;

/* Let the call-th next allocation fail. */
static inline void
memory_fault_set(unsigned call)
{
	pthread_mutex_lock(&memory_lock);
	memory_calls_left = call;
	memory_fired = false;
	pthread_mutex_unlock(&memory_lock);
}

/* End it; says whether the fault fired. */
static inline bool
memory_fault_clear(void)
{
	bool fired;

	pthread_mutex_lock(&memory_lock);
	fired = memory_fired;
	memory_calls_left = 0;
	memory_fired = false;
	pthread_mutex_unlock(&memory_lock);
	return fired;
}

static inline bool
memory_fails(void)
{
	bool fails;

	pthread_mutex_lock(&memory_lock);
	fails = memory_calls_left > 0 && --memory_calls_left == 0;
	memory_fired = memory_fired || fails;
	pthread_mutex_unlock(&memory_lock);
	return fails;
}

static inline void *
failing_malloc(size_t size)
{
	return memory_fails() ? NULL : malloc(size);
}

static inline void *
failing_calloc(size_t count, size_t size)
{
	return memory_fails() ? NULL : calloc(count, size);
}

static inline void *
failing_realloc(void *p, size_t size)
{
	return memory_fails() ? NULL : realloc(p, size);
}

static inline void *
failing_aligned_alloc(size_t alignment, size_t size)
{
	return memory_fails() ? NULL : aligned_alloc(alignment, size);
}

#define malloc	      failing_malloc
#define calloc	      failing_calloc
#define realloc	      failing_realloc
#define aligned_alloc failing_aligned_alloc

#endif
