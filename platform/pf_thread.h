/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_THREAD_H
#define PF_THREAD_H

/*
 * pf_thread - threads, locks and conditions.
 *
 *   platform/posix/pf_thread.c   POSIX threads
 *
 * Locking cannot fail: the only errors are mistakes of ours, and assert.
 */

#include <stdbool.h>

struct pf_thread;
struct pf_lock;
struct pf_condition;

/*
 * Run body(context) in a new thread.  Gives *ret_thread, ended with
 * pf_thread_join() or pf_thread_abandon().  DSP_ENOMEM: no thread to be had.
 */
int pf_thread_start(void (*body)(void *), void *context,
		    struct pf_thread **ret_thread);

/* Wait for the end of the thread; NULL is allowed. */
void pf_thread_join(struct pf_thread *thread);

/* Leave the thread to itself: it hangs in a call that nothing can end. */
void pf_thread_abandon(struct pf_thread *thread);

/* NULL when out of memory. */
struct pf_lock *pf_lock_new(void);
void pf_lock_free(struct pf_lock *lock);
void pf_lock(struct pf_lock *lock);
void pf_unlock(struct pf_lock *lock);

struct pf_condition *pf_condition_new(void);
void pf_condition_free(struct pf_condition *condition);
void pf_wait(struct pf_condition *condition, struct pf_lock *lock);

/* False when timeout_ms went by without a signal. */
bool pf_wait_for(struct pf_condition *condition, struct pf_lock *lock,
		 unsigned timeout_ms);

/* Wake everyone who waits. */
void pf_signal(struct pf_condition *condition);

/* Processors this process may use, at least 1. */
unsigned pf_processor_count(void);

#endif
