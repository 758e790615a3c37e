/* SPDX-License-Identifier: Apache-2.0 */

/* Out of memory with files, and on the way out; see memory_runs.h. */
#include <assert.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/support.h"
#include "tests/unit/failing_memory.h"
/* Here, so that their allocations can fail. */
#include "core/image/image.c"
#include "core/image/image_writer.c"
#include "core/image/root.c"
#include "core/tree/expand.c"
#include "core/tree/image_source.c"
#include "core/tree/output.c"
#include "core/tree/owners.c"
#include "core/tree/remove.c"
#include "core/tree/unpack.c"

#include "tests/unit/memory_runs.h"

int
main(void)
{
	return run_memory_tests();
}
