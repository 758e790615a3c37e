/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_below.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/err.h"
#include "platform/pf_err.h"
#include "platform/pf_fault.h"

/* By number: neither C library has a wrapper. */
int
pf_open_dir_below(int dir, const char *path, int *ret_fd)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_NO_SYMLINKS };
	int err = pf_fault();
	long fd;

	if (err < 0)
		return err;
	fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
	if (fd < 0) {
		/* An older kernel, a filter, or a path beyond PATH_MAX. */
		if (errno == ENOSYS || errno == EPERM || errno == E2BIG ||
		    errno == EINVAL || errno == ENAMETOOLONG)
			return DSP_EUNSUPPORTED;
		return pf_err(errno);
	}
	*ret_fd = (int)fd;
	return 0;
}
