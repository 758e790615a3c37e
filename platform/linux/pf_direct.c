/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_direct.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/base/err.h"
#include "platform/pf_err.h"
#include "platform/pf_fault.h"

bool
pf_direct_pays(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == EXT4_SUPER_MAGIC;
}

int
pf_write_direct_at(int fd, const void *data, size_t size, uint64_t offset)
{
	int err = pf_fault();
	int flags = fcntl(fd, F_GETFL);
	size_t done = 0;

	if (err < 0)
		return err;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_DIRECT) < 0)
		return DSP_EUNSUPPORTED;
	while (err == 0 && done < size) {
		ssize_t n = pwrite(fd, (const char *)data + done, size - done,
				   (off_t)(offset + done));

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno != EINTR)
			err = errno == EINVAL ? DSP_EUNSUPPORTED
					      : pf_err(errno);
	}
	if (fcntl(fd, F_SETFL, flags) < 0 && err == 0)
		err = pf_err(errno);
	return err;
}
