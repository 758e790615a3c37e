/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_err.h"

#include <errno.h>

#include "core/base/err.h"

int
pf_err(int system_error)
{
	switch (system_error) {
	case ENOMEM:
		return DSP_ENOMEM;
	case ENOENT:
		return DSP_ENOENT;
	case EEXIST:
		return DSP_EEXIST;
	case EACCES:
	case EPERM:
		return DSP_EACCES;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return DSP_ENOSPC;
	case EROFS:
		return DSP_EROFS;
	case ENOTDIR:
		return DSP_ENOTDIR;
	case EISDIR:
		return DSP_EISDIR;
	case ENOTEMPTY:
		return DSP_ENOTEMPTY;
	case ELOOP:
		return DSP_ELOOP;
	case EBUSY:
	case ETXTBSY:
	case EAGAIN:
		return DSP_EBUSY;
	case EINVAL:
		return DSP_EINVAL;
	case ENAMETOOLONG:
		return DSP_ENAMETOOLONG;
	case EXDEV:
		return DSP_EXDEV;
	case EMFILE:
	case ENFILE:
		return DSP_EMFILE;
	case EPIPE:
		return DSP_EPIPE;
	case ENXIO: /* a fifo or a device without the other end */
		return DSP_ESPECIAL;
	case EOPNOTSUPP:
	case ENOSYS:
	case ENOTTY:
		return DSP_EUNSUPPORTED;
	default:
		return DSP_EIO;
	}
}
