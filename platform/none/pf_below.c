/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_below.h"

#include "core/base/err.h"

int
pf_open_dir_below(int dir, const char *path, int *ret_fd)
{
	(void)dir;
	(void)path;
	(void)ret_fd;
	return DSP_EUNSUPPORTED;
}
