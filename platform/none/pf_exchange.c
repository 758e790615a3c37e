/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_exchange.h"

#include "core/base/err.h"

int
pf_exchange_at(int dir_a, const char *a, int dir_b, const char *b)
{
	(void)dir_a;
	(void)a;
	(void)dir_b;
	(void)b;
	return DSP_EUNSUPPORTED;
}
