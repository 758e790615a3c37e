/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ENDPOINT_H
#define ENDPOINT_H

/*
 * endpoint - where a package is to go to, or to come from, as one types it:
 *
 *     /path, ./path, path    a store on this machine
 *     host:/path             a store on another one, through ssh
 *     exec:COMMAND           a program run by /bin/sh that speaks the protocol
 *
 * Errors     reported.
 */

#include <stdbool.h>

#include "core/fanout/peer.h"
#include "core/fanout/serve.h"

struct endpoint;

struct endpoint_params {
	const char *rsh;	    /* words; NULL: "ssh" */
	const char *remote_program; /* NULL: "despool" */
	unsigned transfer_max;
	uint64_t rate; /* bytes a second that are sent; 0: no limit */
	unsigned stall_timeout_s;
	struct serve_params local; /* how a store of this machine is served;
				    * the store is the endpoint's own */
};

/* Is it the path of something on this machine? */
bool endpoint_is_local(const char *spec);

/*
 * Open.  Gives *ret_endpoint, ended with endpoint_close().  The handler is
 * that of endpoint_peer().
 */
int endpoint_open(const char *spec, const struct endpoint_params *params,
		  peer_handler *handler, void *context,
		  struct endpoint **ret_endpoint);

struct peer *endpoint_peer(const struct endpoint *endpoint);

/*
 * End it: nothing more is asked.  NULL is allowed.  Returns the error of a
 * program that ended badly when *err is 0.
 */
int endpoint_close(struct endpoint *endpoint, int err);

#endif
