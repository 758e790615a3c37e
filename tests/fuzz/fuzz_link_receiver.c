/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Input: a byte, then what a sender says.  Bits of the byte: 1, a message
 * comes when it is waited for, else all at once; 2, an older version is in the
 * store; 4, this end has opened the stream and asks.
 *
 * However it lies, it comes to an end, and every image in the store is whole.
 */
#include "tests/fuzz/link_rooms.h"

static void
ask(struct store *store)
{
	struct pull_params params = {
		.target = "exec:script",
		.package_id = "LOC00000",
		.store = store,
		.endpoint = { .transfer_max = LINK_TRANSFERS_MAX / 2 },
		.priority = MESSAGE_MEDIUM,
	};
	struct pull_total total;

	(void)pull(&params, &total);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	unsigned how = take_u8(&input);
	struct store *store = open_store((how & 2) != 0, false);

	script_begin(input.data, input.size);
	script.is_lazy = (how & 1) != 0;
	if ((how & 4) != 0)
		ask(store);
	else
		(void)serve_store(store);
	check_store(store);
	store_close(store);
	return 0;
}
