/* SPDX-License-Identifier: Apache-2.0 */

/* Out of memory in the lower rooms, and on the way in; see memory_runs.h. */
#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/support.h"
#include "tests/unit/failing_memory.h"
/* Here, so that their allocations can fail. */
#include "core/base/arena.c"
#include "core/base/buffer.c"
#include "core/image/page_build.c"
#include "core/image/walk.c"
#include "core/tree/flow.c"
#include "core/tree/names.c"
#include "core/tree/scan.c"

#include "tests/unit/memory_runs.h"

int
main(void)
{
	return run_memory_tests();
}
