/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/fanout/fanout.h"
#include "core/fanout/receive_int.h"
#include "platform/pf_file.h"

static bool
claim(void *context, const struct pf_stat *root)
{
	(void)context;
	(void)root;
	return true;
}

/* The version published is the base, when its tree and manifest are good. */
static void
hold_published(struct receiving *receiving)
{
	uint32_t version = dp_published(receiving->dp);
	struct held held = { .top = -1 };

	if (version == 0 || dp_whole_manifest(receiving->dp, version) == NULL ||
	    dp_open_tree(receiving->dp, version, &held.top) < 0)
		return;
	held.image = dp_take_manifest(receiving->dp);
	receiving->helds[receiving->held_count++] = held;
}

int
receive_look_at_dp(struct receiving *receiving, bool *ret_has)
{
	const struct receive_params *params = &receiving->receiver->params;
	const struct message_offer *offer = &receiving->offer;
	struct dp_params dp = { .path = params->expand,
				.package_id = offer->package_id,
				.may_create = true,
				.is_dry = true,
				.claim = claim };
	struct image *manifest;
	int err = dp_open(&dp, &receiving->dp);

	if (err < 0)
		return err;
	manifest = dp_manifest(receiving->dp, offer->version);
	if (manifest != NULL &&
	    !digest_equal(image_root_digest(manifest), &offer->root))
		return report_error(DSP_ECONFLICT, params->expand,
				    "version %u is there with another root: a "
				    "changed package is a new version",
				    offer->version);
	*ret_has = manifest != NULL &&
		   dp_published(receiving->dp) == offer->version;
	if (!*ret_has && offer->version < dp_highest(receiving->dp) &&
	    !(params->may_roll_back && offer->may_roll_back))
		return report_error(DSP_ECONFLICT, params->expand,
				    "version %u was there, version %u is older "
				    "(--rollback publishes it)",
				    dp_highest(receiving->dp), offer->version);
	if (!*ret_has)
		hold_published(receiving);
	return 0;
}

/* A block that is not in the staged image is in the tree. */
static int
read_absent(void *context, struct slot *slot)
{
	struct receiving *receiving = context;

	for (unsigned i = 0; i < receiving->held_count; i++) {
		struct held *held = &receiving->helds[i];
		struct old_block block;
		bool is_found;
		int err = receive_open_held(held);

		if (err == 0)
			err = old_data_find(held->old, &slot->name, &block,
					    &is_found);
		if (err < 0)
			return err;
		if (is_found && block.block.raw_size == slot->raw_size)
			return old_data_read(held->old, block.offset,
					     slot->raw_size, slot->raw);
	}
	return report_error(DSP_EDIFFERS, receiving->receiver->params.expand,
			    "the older version lacks a block");
}

int
receive_publish(struct receiving *receiving)
{
	const struct receive_params *params = &receiving->receiver->params;
	struct fanout_dest dest = { .path = params->expand };
	struct image *image = NULL;
	struct fanout_params fanout_params = {
		.source = params->expand,
		.read_absent = read_absent,
		.read_context = receiving,
		.package_id = receiving->offer.package_id,
		.dests = &dest,
		.dest_count = 1,
		.keep = params->keep,
		.worker_count = params->worker_count,
		.stall_timeout_s = params->stall_timeout_s,
		.rollback = params->may_roll_back,
	};
	struct fanout_result result;
	int fd = -1;
	int err =
		pf_open_read_at(staging_dir(receiving->staging), "image", &fd);

	if (err < 0)
		return report_error(err, params->expand, "publishing");
	err = image_open_fd(fd, params->expand, &image);

	/* Several threads read what is absent: it is opened here. */
	for (unsigned i = 0; err == 0 && i < receiving->held_count; i++)
		err = receive_open_held(&receiving->helds[i]);
	fanout_params.image = image;
	if (err == 0)
		err = fanout(&fanout_params, &result);
	image_close(image);

	/* What is staged is no good if the tree is not what it was. */
	if (err == 0 || err_exit_code(err) == 8)
		(void)staging_remove(receiving->staging);
	return err;
}
