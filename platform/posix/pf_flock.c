/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_flock.h"

#include <errno.h>
#include <sys/file.h>

#include "core/base/err.h"
#include "platform/pf_err.h"
#include "platform/pf_fault.h"

static int
hold(int fd, int how)
{
	int err = pf_fault();

	if (err < 0)
		return err;
	if (flock(fd, how | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ? DSP_EBUSY : pf_err(errno);
}

int
pf_flock_exclusive(int fd)
{
	return hold(fd, LOCK_EX);
}

int
pf_flock_shared(int fd)
{
	return hold(fd, LOCK_SH);
}

void
pf_flock_release(int fd)
{
	(void)hold(fd, LOCK_UN);
}
