/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_fault.h"

int
pf_fault(void)
{
	return 0;
}

void
pf_fault_set(unsigned call, int err)
{
	(void)call;
	(void)err;
}

bool
pf_fault_clear(void)
{
	return false;
}
