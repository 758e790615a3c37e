/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_clone.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "core/base/err.h"
#include "platform/pf_err.h"
#include "platform/pf_fault.h"

int
pf_clone(int from_fd, int to_fd)
{
	int err = pf_fault();

	if (err < 0)
		return err;
	if (ioctl(to_fd, FICLONE, from_fd) == 0)
		return 0;
	if (errno == EINVAL || errno == EXDEV || errno == EPERM)
		return DSP_EUNSUPPORTED;
	return pf_err(errno);
}
