/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_H
#define COMMAND_H

/*
 * command - what `despool NAME` runs.  Each returns the exit code.
 */

#include "core/image/root.h"
#include "programs/option.h"

enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_PARTLY = 3,
	EXIT_CONFLICT = 5,
	EXIT_DAMAGED = 8
};

#define DEFAULT_PACKAGE_ID    "LOC00000"
#define STALL_TIMEOUT_DEFAULT 60 /* seconds */

/*
 * Read ID[@VERSION]; version 0: none was given.  DSP_EINVAL, reported.
 */
int parse_package(const char *text, char id[PACKAGE_ID_SIZE + 1],
		  uint32_t *ret_version);

int command_pack(const struct options *options);
int command_unpack(const struct options *options);
int command_verify(const struct options *options);
int command_info(const struct options *options);
int command_ls(const struct options *options);
int command_cat(const struct options *options);
int command_diff(const struct options *options);
int command_push(const struct options *options);
int command_pull(const struct options *options);
int command_link(const struct options *options);
int command_store(const struct options *options);
int command_delta(const struct options *options);
int command_apply(const struct options *options);
int command_parcel(const struct options *options);
int command_key(const struct options *options);
int command_fanout(const struct options *options);

#endif
