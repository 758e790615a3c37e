/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_PROCESS_H
#define PF_PROCESS_H

/*
 * pf_process - this process: clock, memory, user, terminal, signals.
 *
 *   platform/posix/pf_process.c   POSIX.1-2008
 */

#include <stdbool.h>
#include <stdint.h>

/* Nanoseconds since some fixed moment; never goes back. */
int64_t pf_now_monotonic(void);

/* Nanoseconds since 1970 UTC. */
int64_t pf_now(void);

/* The most memory that this process has held at once, bytes. */
uint64_t pf_peak_memory(void);

/* May this process give files to other owners? */
bool pf_is_root(void);

/* Who new files belong to, where no directory says otherwise. */
void pf_own_ids(uint32_t *ret_uid, uint32_t *ret_gid);

/* Permission bits of new files are exactly those asked for. */
void pf_clear_umask(void);

/* What the user's umask was before pf_clear_umask(). */
unsigned pf_umask(void);

/* Ask for as many open files as the system allows; says how many. */
unsigned pf_raise_open_files(void);

bool pf_is_terminal(int fd);

/* Columns of the terminal fd; 80 when unknown. */
unsigned pf_terminal_width(int fd);

/*
 * From now on SIGINT, SIGTERM and SIGHUP set a flag instead of ending the
 * process.  A second such signal ends it at once.  Before threads start.
 */
void pf_catch_signals(void);

/* From now on a write to a closed pipe is an error instead of a signal. */
void pf_ignore_closed_pipes(void);

/* Has one of them come? */
bool pf_interrupted(void);

/* End this process by the signal that came, as its parent expects. */
void pf_end_by_signal(void);

/* End the process now, whatever its other threads do. */
_Noreturn void pf_exit_now(int code);

#endif
