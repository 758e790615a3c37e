/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_FLOCK_H
#define PF_FLOCK_H

/*
 * pf_flock - one holder of a file at a time.
 *
 *   platform/linux/pf_flock.c   open file description locks
 *   platform/posix/pf_flock.c   flock()
 *
 * The lock goes with the descriptor, also when the process is killed.
 */

/*
 * Hold fd, open for writing, alone.  Never waits.
 *
 * DSP_EBUSY         another process holds it
 * DSP_EUNSUPPORTED  this file system has no locks
 */
int pf_flock_exclusive(int fd);

/* Hold fd with others that hold it so, and with nobody who holds it alone. */
int pf_flock_shared(int fd);

/* Let go of it before fd is closed. */
void pf_flock_release(int fd);

#endif
