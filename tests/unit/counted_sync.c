/* SPDX-License-Identifier: Apache-2.0 */

/*
 * counted_sync - pf_sync that fails on demand, counts, and syncs nothing: the
 * tests' files need to survive no power loss, and fault loops sync thousands
 * of times.  Linked before the library, it takes the place of its pf_sync.
 */
#include "platform/pf_sync.h"

#include <stdatomic.h>

#include "platform/pf_fault.h"
#include "tests/unit/support.h"

static atomic_uint count;
static atomic_uint file_system_count;

unsigned
sync_count(void)
{
	return atomic_load(&count);
}

unsigned
sync_file_system_count(void)
{
	return atomic_load(&file_system_count);
}

int
pf_sync(int fd)
{
	(void)fd;
	atomic_fetch_add(&count, 1);
	return pf_fault();
}

int
pf_sync_file_system(int fd)
{
	(void)fd;
	atomic_fetch_add(&file_system_count, 1);
	atomic_fetch_add(&count, 1);
	return pf_fault();
}
