/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_HASH_H
#define PF_HASH_H

/*
 * pf_hash - lets the hash library use what is fast here, not what is new.
 *
 *   platform/x86/pf_hash.c    measures: an emulated processor offers vector
 *                             instructions that are slower than plain ones
 *   platform/none/pf_hash.c   takes what the library found
 */

/* Choose.  Once, after digest_start() and before threads start. */
void pf_hash_tune(void);

#endif
