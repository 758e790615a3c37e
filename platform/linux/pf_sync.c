/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_sync.h"

#include <errno.h>
#include <fcntl.h>
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

void
pf_start_writing(int fd, uint64_t offset, uint64_t size)
{
	(void)sync_file_range(fd, (off_t)offset, (off_t)size,
			      SYNC_FILE_RANGE_WRITE);
}
