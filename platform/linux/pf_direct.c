/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_direct.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "core/base/err.h"
#include "platform/pf_err.h"
#include "platform/pf_file.h"

bool
pf_direct_pays(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == EXT4_SUPER_MAGIC;
}

int
pf_write_direct_at(int fd, const void *data, size_t size, uint64_t offset)
{
	int flags = fcntl(fd, F_GETFL);
	int err;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) < 0)
		return DSP_EUNSUPPORTED;
	err = pf_write_at(fd, data, size, offset);
	if (fcntl(fd, F_SETFL, flags) < 0 && err == 0)
		err = pf_err(errno);
	return err == DSP_EINVAL ? DSP_EUNSUPPORTED : err;
}
