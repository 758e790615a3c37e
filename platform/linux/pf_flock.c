/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_flock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "core/base/err.h"
#include "platform/pf_err.h"
#include "platform/pf_fault.h"

static int
hold(int fd, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
	int err = pf_fault();

	if (err < 0)
		return err;
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == EACCES || errno == EAGAIN)
		return DSP_EBUSY;
	return errno == EINVAL || errno == ENOLCK ? DSP_EUNSUPPORTED
						  : pf_err(errno);
}

int
pf_flock_exclusive(int fd)
{
	return hold(fd, F_WRLCK);
}

int
pf_flock_shared(int fd)
{
	return hold(fd, F_RDLCK);
}

void
pf_flock_release(int fd)
{
	(void)hold(fd, F_UNLCK);
}
