/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPTION_H
#define OPTION_H

/*
 * option - the command line: one table says what there is, to the parser and
 * to the help alike.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/tree/exclude.h"

enum command_id {
	COMMAND_PACK,
	COMMAND_UNPACK,
	COMMAND_VERIFY,
	COMMAND_INFO,
	COMMAND_LS,
	COMMAND_CAT,
	COMMAND_DIFF,
	COMMAND_FANOUT,
	COMMAND_PUSH,
	COMMAND_PULL,
	COMMAND_LINK,
	COMMAND_STORE,
	COMMAND_DELTA,
	COMMAND_APPLY,
	COMMAND_PARCEL,
	COMMAND_KEY,
	COMMAND_HELP,
	COMMAND_COUNT
};

enum progress_mode {
	PROGRESS_AUTO,
	PROGRESS_TTY,
	PROGRESS_PLAIN,
	PROGRESS_JSON,
	PROGRESS_NONE
};

struct options;

struct command {
	enum command_id id;
	const char *name;
	const char *synopsis; /* the arguments */
	const char *summary;  /* one line */
	const char *text;     /* more, or "" */
	size_t argument_min, argument_max;
	size_t path_first; /* arguments from here on are paths in the image */
	int (*run)(const struct options *options);
};

struct options {
	const struct command *command;
	const char **arguments;
	size_t argument_count;

	const char *output;
	const char *sign;  /* a secret key */
	const char *trust; /* a list of public keys */
	const char *store;
	const char *expand;
	const char *peer;
	const char **forwards;
	size_t forward_count;
	unsigned wait_s;
	const char *rsh;
	const char *remote_program;
	uint64_t rate_limit; /* bytes a second; 0: none */
	unsigned max_sendings;
	unsigned delta_level;
	unsigned priority;
	const char *base;
	const char *package_id;
	uint32_t version; /* 0: not given */
	unsigned level;
	unsigned jobs;
	unsigned keep;
	unsigned stall_timeout_s;
	struct exclude exclude;
	const char **exclude_arguments; /* as they were typed */
	size_t exclude_argument_count;
	const char *exclude_from;
	enum progress_mode progress;
	bool json;
	bool quiet;
	bool dry_run;
	bool force;
	bool allow_empty;
	bool skip_special;
	bool replace;
	bool no_create;
	bool refresh;
	bool rollback;
	bool readback;
	bool root;
	bool signature;
	bool long_listing;
	bool help;
};

/*
 * Parse argv[1...].  Gives what *ret_options holds, ended with
 * options_release().  Errors are reported: DSP_EINVAL, DSP_ENOMEM, and what
 * reading a file of patterns says.
 */
int options_parse(int argc, char **argv, const struct command *commands,
		  struct options *ret_options);
void options_release(struct options *options);

/* Write the options of a command, for help, to standard output. */
void options_print(enum command_id command);

/* The known word closest to what was typed, or NULL when none is close. */
const char *closest_word(const char *typed, const char *const *words,
			 size_t count);

#endif
