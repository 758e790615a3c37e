/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_clone.h"

#include "core/base/err.h"

int
pf_clone(int from_fd, int to_fd)
{
	(void)from_fd;
	(void)to_fd;
	return DSP_EUNSUPPORTED;
}
