/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_sparse.h"

#include <errno.h>
#include <unistd.h>

#include "platform/pf_err.h"
#include "platform/pf_fault.h"

int
pf_next_data(int fd, uint64_t offset, uint64_t size, uint64_t *ret_data,
	     uint64_t *ret_hole)
{
	int err = pf_fault();
	off_t data, hole;

	if (err < 0)
		return err;
	data = lseek(fd, (off_t)offset, SEEK_DATA);
	if (data < 0 && errno == ENXIO) { /* a hole up to the end */
		*ret_data = *ret_hole = size;
		return 0;
	}
	if (data < 0 && errno == EINVAL) { /* the file system cannot tell */
		*ret_data = offset;
		*ret_hole = size;
		return 0;
	}
	if (data < 0)
		return pf_err(errno);
	hole = lseek(fd, data, SEEK_HOLE);
	if (hole < 0)
		return pf_err(errno);
	*ret_data = (uint64_t)data < size ? (uint64_t)data : size;
	*ret_hole = (uint64_t)hole < size ? (uint64_t)hole : size;
	return 0;
}
