/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_CHILD_H
#define PF_CHILD_H

/*
 * pf_child - a program that runs beside this one, joined to it by a stream.
 *
 *   platform/posix/pf_child.c   posix_spawn
 */

#include <stdbool.h>

struct pf_child;

/*
 * Start argv[0], found in PATH, with these arguments up to NULL.  Its standard
 * input and output are the other end of *ret_fd, which is the caller's.  Gives
 * *ret_child, ended with pf_child_end().
 */
int pf_child_start(const char *const *argv, struct pf_child **ret_child,
		   int *ret_fd);

/*
 * Wait for its end, which comes by itself when its stream is closed; after
 * timeout_ms it is told to end, and after as long again made to.  *ret_code
 * is its exit code, or 128 and the number of the signal that ended it.  NULL
 * is allowed.
 */
void pf_child_end(struct pf_child *child, unsigned timeout_ms, int *ret_code);

#endif
