/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_EXCHANGE_H
#define PF_EXCHANGE_H

/*
 * pf_exchange - let two names swap what they name, in one step.
 *
 *   platform/linux/pf_exchange.c   renameat2(RENAME_EXCHANGE)
 *   platform/none/pf_exchange.c    the platform has no such thing
 *
 * DSP_EUNSUPPORTED  not here; nothing was changed
 */
int pf_exchange_at(int dir_a, const char *a, int dir_b, const char *b);

#endif
