/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_sync.h"

#include <errno.h>
#include <unistd.h>

#include "platform/pf_err.h"
#include "platform/pf_fault.h"

int
pf_sync(int fd)
{
	int err = pf_fault();

	if (err < 0)
		return err;
	return fsync(fd) < 0 ? pf_err(errno) : 0;
}

int
pf_sync_file_system(int fd)
{
	int err = pf_fault();

	if (err < 0)
		return err;
	return syncfs(fd) < 0 ? pf_err(errno) : 0;
}
