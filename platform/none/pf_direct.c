/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_direct.h"

#include "core/base/err.h"

bool
pf_direct_pays(int fd)
{
	(void)fd;
	return false;
}

int
pf_write_direct_at(int fd, const void *data, size_t size, uint64_t offset)
{
	(void)fd;
	(void)data;
	(void)size;
	(void)offset;
	return DSP_EUNSUPPORTED;
}
