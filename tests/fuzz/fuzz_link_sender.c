/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Input: a byte, then what a receiver says.  Bits of the byte: 1, a message
 * comes when it is waited for, else all at once; 2, the older version is at
 * hand; 4, the receiver has opened the stream and asks.
 *
 * Whatever it asks for, it comes to an end, and what is in the store stays.
 */
#include "tests/fuzz/link_rooms.h"

static void
offer(const char *base)
{
	static const char *const targets[] = { "exec:script" };
	struct push_params params = {
		.source = "tests/golden/link-new.pck",
		.base = base,
		.targets = targets,
		.target_count = 1,
		.endpoint = { .transfer_max = LINK_TRANSFERS_MAX / 2 },
		.worker_count = 1,
		.sending_max = 1,
		.delta_level = SEND_DELTA_LEVEL,
		.priority = MESSAGE_MEDIUM,
	};
	struct push_total total;

	(void)push(&params, &total);
	free(total.results);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	unsigned how = take_u8(&input);
	struct store *store;

	script_begin(input.data, input.size);
	script.is_lazy = (how & 1) != 0;
	if ((how & 4) == 0) {
		offer((how & 2) != 0 ? "tests/golden/link-old.pck" : NULL);
		return 0;
	}
	store = open_store((how & 2) != 0, true);
	(void)serve_store(store);
	check_store(store);
	store_close(store);
	return 0;
}
