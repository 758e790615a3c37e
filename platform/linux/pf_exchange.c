/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_exchange.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/err.h"
#include "platform/pf_err.h"
#include "platform/pf_fault.h"

/* By number: musl 1.2.3 has no wrapper. */
int
pf_exchange_at(int dir_a, const char *a, int dir_b, const char *b)
{
	int err = pf_fault();

	if (err < 0)
		return err;
	if (syscall(SYS_renameat2, dir_a, a, dir_b, b, RENAME_EXCHANGE) == 0)
		return 0;
	return errno == EINVAL ? DSP_EUNSUPPORTED : pf_err(errno);
}
