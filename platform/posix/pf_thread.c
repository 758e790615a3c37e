/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_thread.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/err.h"
#include "platform/pf_fault.h"

#define NS_PER_MS 1000000L
#define NS_PER_S  1000000000L

/* Enough for every frame of ours; the default costs 8 MiB of addresses. */
enum { STACK_SIZE = 256 * 1024 };

struct pf_thread {
	pthread_t id;
	void (*body)(void *);
	void *context;
};

struct pf_lock {
	pthread_mutex_t mutex;
};

struct pf_condition {
	pthread_cond_t cond;
};

static void *
run(void *argument)
{
	struct pf_thread *thread = argument;

	thread->body(thread->context);
	return NULL;
}

int
pf_thread_start(void (*body)(void *), void *context,
		struct pf_thread **ret_thread)
{
	struct pf_thread *thread;
	pthread_attr_t attr;
	sigset_t all, before;
	int returned;
	int err = pf_fault();

	if (err < 0)
		return err;
	thread = malloc(sizeof *thread);
	if (thread == NULL)
		return DSP_ENOMEM;
	thread->body = body;
	thread->context = context;

	/* Signals go to the main thread, whose waits they must interrupt. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	returned = pthread_create(&thread->id, &attr, run, thread);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (returned != 0) {
		free(thread);
		return DSP_ENOMEM;
	}
	*ret_thread = thread;
	return 0;
}

void
pf_thread_join(struct pf_thread *thread)
{
	if (thread == NULL)
		return;
	pthread_join(thread->id, NULL);
	free(thread);
}

void
pf_thread_abandon(struct pf_thread *thread)
{
	/* run() may still read *thread: it stays. */
	pthread_detach(thread->id);
}

struct pf_lock *
pf_lock_new(void)
{
	struct pf_lock *lock = malloc(sizeof *lock);

	if (lock != NULL)
		pthread_mutex_init(&lock->mutex, NULL);
	return lock;
}

void
pf_lock_free(struct pf_lock *lock)
{
	if (lock == NULL)
		return;
	pthread_mutex_destroy(&lock->mutex);
	free(lock);
}

void
pf_lock(struct pf_lock *lock)
{
	int returned = pthread_mutex_lock(&lock->mutex);

	assert(returned == 0);
	(void)returned;
}

void
pf_unlock(struct pf_lock *lock)
{
	int returned = pthread_mutex_unlock(&lock->mutex);

	assert(returned == 0);
	(void)returned;
}

struct pf_condition *
pf_condition_new(void)
{
	struct pf_condition *condition = malloc(sizeof *condition);
	pthread_condattr_t attr;

	if (condition == NULL)
		return NULL;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&condition->cond, &attr);
	pthread_condattr_destroy(&attr);
	return condition;
}

void
pf_condition_free(struct pf_condition *condition)
{
	if (condition == NULL)
		return;
	pthread_cond_destroy(&condition->cond);
	free(condition);
}

void
pf_wait(struct pf_condition *condition, struct pf_lock *lock)
{
	pthread_cond_wait(&condition->cond, &lock->mutex);
}

bool
pf_wait_for(struct pf_condition *condition, struct pf_lock *lock,
	    unsigned timeout_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * NS_PER_MS;
	if (until.tv_nsec >= NS_PER_S) {
		until.tv_sec++;
		until.tv_nsec -= NS_PER_S;
	}
	return pthread_cond_timedwait(&condition->cond, &lock->mutex, &until) !=
	       ETIMEDOUT;
}

void
pf_signal(struct pf_condition *condition)
{
	pthread_cond_broadcast(&condition->cond);
}

unsigned
pf_processor_count(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) < 1)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}
