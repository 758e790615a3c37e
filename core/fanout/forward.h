/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORWARD_H
#define FORWARD_H

/*
 * forward - passes an image on while it is being received.
 *
 * Each image is pushed by a thread of its own, which reads it as it grows; one
 * that fails, or is slow, costs the receiving nothing (S10).
 *
 * Errors     reported.
 */

#include "core/fanout/serve.h"

struct forward;

/* Begin: push the image with this root out of the store. */
int forward_start(const struct serve_params *params, const struct root *root,
		  struct forward **ret_forward);

bool forward_is_done(struct forward *forward);

/* Wait until it is done.  Returns what it failed with.  NULL is allowed. */
int forward_end(struct forward *forward);

#endif
