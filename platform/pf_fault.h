/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_FAULT_H
#define PF_FAULT_H

/*
 * pf_fault - the seam where tests make the machine fail.
 *
 *   platform/none/pf_fault.c    never fails; what programs are built with
 *   platform/fault/pf_fault.c   fails the call that a test names
 *
 * Every pf_ function that can fail asks pf_fault() first.
 */

#include <stdbool.h>

/* 0, or the error that the calling pf_ function must return at once. */
int pf_fault(void);

/* Let the call-th next call of pf_fault() return err.  Only in fault/. */
void pf_fault_set(unsigned call, int err);

/* End it; says whether the fault fired. */
bool pf_fault_clear(void);

#endif
