/* SPDX-License-Identifier: Apache-2.0 */
#include "core/fanout/forward.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/fanout/push.h"
#include "core/store/store.h"
#include "platform/pf_thread.h"

struct forward {
	const struct serve_params *params;
	struct store *store; /* a store is for one thread */
	char package_id[PACKAGE_ID_SIZE + 1];
	uint32_t version;
	struct pf_thread *thread;
	atomic_bool is_done;
	int err;
};

static void
run(void *context)
{
	struct forward *forward = context;
	const struct serve_params *params = forward->params;
	struct push_params push_params = {
		.source = store_path(forward->store),
		.store = forward->store,
		.targets = params->forwards,
		.target_count = params->forward_count,
		.endpoint = { .rsh = params->rsh,
			      .remote_program = params->remote_program,
			      .transfer_max = 1,
			      .rate = params->rate,
			      .stall_timeout_s = params->stall_timeout_s },
		.worker_count = params->worker_count,
		.sending_max = 1,
		.delta_level = params->delta_level,
		.priority = MESSAGE_MEDIUM,
		.may_roll_back = params->receive.may_roll_back,
	};
	struct push_total total = { 0 };
	int err = store_open_growing(forward->store, forward->package_id,
				     forward->version, params->stall_timeout_s,
				     &push_params.image);

	/* It may be complete by now. */
	if (err == DSP_ENOENT)
		err = store_open_image(forward->store, forward->package_id,
				       forward->version, &push_params.image);
	if (err == 0)
		err = push(&push_params, &total);
	image_close(push_params.image);
	free(total.results);
	forward->err = err;
	atomic_store(&forward->is_done, true);
}

int
forward_start(const struct serve_params *params, const struct root *root,
	      struct forward **ret_forward)
{
	struct forward *forward = calloc(1, sizeof *forward);
	int err = forward != NULL ? 0 : DSP_ENOMEM;

	if (err == 0) {
		forward->params = params;
		forward->version = root->version;
		memcpy(forward->package_id, root->package_id,
		       sizeof forward->package_id);
		err = store_open(store_path(params->receive.store),
				 &forward->store);
	}
	if (err == 0)
		err = pf_thread_start(run, forward, &forward->thread);
	if (err < 0) {
		(void)forward_end(forward);
		return report_error(err, NULL, "passing on");
	}
	*ret_forward = forward;
	return 0;
}

bool
forward_is_done(struct forward *forward)
{
	return atomic_load(&forward->is_done);
}

int
forward_end(struct forward *forward)
{
	int err;

	if (forward == NULL)
		return 0;
	pf_thread_join(forward->thread);
	err = forward->err;
	store_close(forward->store);
	free(forward);
	return err;
}
