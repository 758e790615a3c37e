/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_flock.h"

#include <errno.h>
#include <sys/file.h>

#include "core/base/err.h"
#include "platform/pf_err.h"
#include "platform/pf_fault.h"

int
pf_flock_exclusive(int fd)
{
	int err = pf_fault();

	if (err < 0)
		return err;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ? DSP_EBUSY : pf_err(errno);
}
