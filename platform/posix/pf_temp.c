/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_temp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/err.h"
#include "platform/pf_err.h"
#include "platform/pf_fault.h"

const char *
pf_temp_dir(void)
{
	const char *dir = getenv("TMPDIR");

	return dir != NULL && dir[0] != '\0' ? dir : "/var/tmp";
}

int
pf_temp_file(int *ret_fd)
{
	char path[1024];
	int err = pf_fault();
	int fd;

	if (err < 0)
		return err;
	if ((size_t)snprintf(path, sizeof path, "%s/despool.XXXXXX",
			     pf_temp_dir()) >= sizeof path)
		return DSP_ENAMETOOLONG;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return pf_err(errno);
	unlink(path);
	*ret_fd = fd;
	return 0;
}
