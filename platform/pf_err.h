/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_ERR_H
#define PF_ERR_H

/*
 * pf_err - turns the system's error number into ours.
 *
 *   platform/posix/pf_err.c   errno
 *
 * Only other files below platform/ call it.
 */

/* The enum dsp_err for the system's error number; never 0. */
int pf_err(int system_error);

#endif
