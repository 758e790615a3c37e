/* SPDX-License-Identifier: Apache-2.0 */
#include "programs/option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "core/fanout/send.h"
#include "core/image/root.h"
#include "platform/pf_thread.h"
#include "programs/command.h"

enum option_id {
	OPTION_OUTPUT,
	OPTION_LEVEL,
	OPTION_ID,
	OPTION_VERSION,
	OPTION_BASE,
	OPTION_EXCLUDE,
	OPTION_EXCLUDE_FROM,
	OPTION_ALLOW_EMPTY,
	OPTION_SPECIAL,
	OPTION_FORCE,
	OPTION_REPLACE,
	OPTION_KEEP,
	OPTION_REFRESH,
	OPTION_ROLLBACK,
	OPTION_READBACK,
	OPTION_NO_CREATE,
	OPTION_STALL_TIMEOUT,
	OPTION_SIGN,
	OPTION_TRUST,
	OPTION_STORE,
	OPTION_EXPAND,
	OPTION_PEER,
	OPTION_FORWARD,
	OPTION_WAIT,
	OPTION_RSH,
	OPTION_REMOTE_PROGRAM,
	OPTION_RATE_LIMIT,
	OPTION_MAX_SENDINGS,
	OPTION_DELTA_LEVEL,
	OPTION_PRIORITY,
	OPTION_ROOT,
	OPTION_SIGNATURE,
	OPTION_LONG,
	OPTION_JOBS,
	OPTION_DRY_RUN,
	OPTION_JSON,
	OPTION_PROGRESS,
	OPTION_QUIET,
	OPTION_HELP
};

#define ON(command) (1u << COMMAND_##command)
#define ON_ALL	    (~0u)
#define ON_LINKS    (ON(PUSH) | ON(PULL) | ON(LINK) | ON(STORE) | ON(FANOUT))

struct option_row {
	enum option_id id;
	char letter; /* 0: none */
	const char *name;
	const char *argument; /* NULL: takes none */
	unsigned commands;    /* a bit for each that knows it */
	const char *help;
};

static const struct option_row rows[] = {
	{ OPTION_OUTPUT, 'o', "output", "FILE",
	  ON(PACK) | ON(DELTA) | ON(APPLY) | ON(PARCEL),
	  "write to FILE; of pack, - is standard output" },
	{ OPTION_ID, 0, "id", "ID", ON(PACK) | ON(FANOUT),
	  "site code and five hex digits (LOC00000)" },
	{ OPTION_VERSION, 0, "version", "N", ON(PACK) | ON(FANOUT),
	  "source version (1; fanout: current + 1)" },
	{ OPTION_LEVEL, 0, "level", "N", ON(PACK),
	  "compression level, 1 to 19 (3)" },
	{ OPTION_BASE, 0, "base", "OLD.pck",
	  ON(PACK) | ON(PUSH) | ON(PARCEL) | ON(FANOUT),
	  "an older image: what has not changed is left out" },
	{ OPTION_EXCLUDE, 0, "exclude", "GLOB", ON(PACK) | ON(FANOUT),
	  "leave out what matches; may be repeated" },
	{ OPTION_EXCLUDE_FROM, 0, "exclude-from", "FILE", ON(PACK) | ON(FANOUT),
	  "leave out what matches a line of FILE" },
	{ OPTION_SPECIAL, 0, "special", "refuse|skip", ON(PACK) | ON(FANOUT),
	  "devices, sockets and fifos (refuse)" },
	{ OPTION_ALLOW_EMPTY, 0, "allow-empty", NULL, ON(PACK) | ON(FANOUT),
	  "accept a source with nothing in it" },
	{ OPTION_FORCE, 'f', "force", NULL,
	  ON(PACK) | ON(DELTA) | ON(APPLY) | ON(PARCEL),
	  "overwrite an existing file" },
	{ OPTION_REPLACE, 0, "replace", NULL, ON(UNPACK),
	  "swap an existing DIR for it, in one step" },
	{ OPTION_KEEP, 0, "keep", "N", ON(FANOUT) | ON(LINK),
	  "versions to keep at each destination (2)" },
	{ OPTION_REFRESH, 0, "refresh", NULL, ON(FANOUT),
	  "write every file of the same version again" },
	{ OPTION_ROLLBACK, 0, "rollback", NULL,
	  ON(FANOUT) | ON(PUSH) | ON(LINK) | ON(PARCEL),
	  "an older version than the one there is right" },
	{ OPTION_READBACK, 0, "readback", NULL, ON(FANOUT),
	  "read every file back before it is published" },
	{ OPTION_NO_CREATE, 0, "no-create", NULL, ON(FANOUT),
	  "a DEST that does not exist is an error" },
	{ OPTION_STALL_TIMEOUT, 0, "stall-timeout", "SECONDS", ON_LINKS,
	  "without progress, give up (60; 0: never)" },
	{ OPTION_SIGN, 0, "sign", "KEY", ON(PACK),
	  "sign it with this secret key (despool key new)" },
	{ OPTION_TRUST, 0, "trust", "FILE",
	  ON(UNPACK) | ON(VERIFY) | ON(FANOUT) | ON(PULL) | ON(LINK) |
		  ON(STORE) | ON(APPLY) | ON(PARCEL),
	  "refuse what no public key in FILE has signed" },
	{ OPTION_STORE, 0, "store", "DIR", ON(PULL),
	  "the store that takes it ($DESPOOL_STORE)" },
	{ OPTION_EXPAND, 0, "expand", "ROOT", ON(LINK),
	  "publish what comes at this distribution point" },
	{ OPTION_FORWARD, 0, "forward", "TARGET", ON(LINK),
	  "pass on what comes, while it comes; may be repeated" },
	{ OPTION_WAIT, 0, "wait", "SECONDS", ON(PULL),
	  "for the package to come there, if it is not yet" },
	{ OPTION_PEER, 0, "peer", "TARGET", ON(STORE),
	  "scrub fetches damaged blocks from this store" },
	{ OPTION_RSH, 'e', "rsh", "COMMAND", ON_LINKS,
	  "how another host is reached (ssh)" },
	{ OPTION_REMOTE_PROGRAM, 0, "remote-program", "PROGRAM", ON_LINKS,
	  "what is run there (despool)" },
	{ OPTION_RATE_LIMIT, 0, "rate-limit", "RATE",
	  ON(PUSH) | ON(LINK) | ON(STORE) | ON(FANOUT),
	  "bytes a second on each link; k, M, G are allowed" },
	{ OPTION_MAX_SENDINGS, 0, "max-sendings", "N", ON(PUSH),
	  "images under way at once, 1 to 8 (3)" },
	{ OPTION_DELTA_LEVEL, 0, "delta-level", "N",
	  ON(PUSH) | ON(LINK) | ON(DELTA) | ON(PARCEL) | ON(FANOUT),
	  "compression level of deltas, 1 to 19 (4)" },
	{ OPTION_PRIORITY, 0, "priority", "low|medium|high",
	  ON(PUSH) | ON(PULL), "what goes first on a link (medium)" },
	{ OPTION_ROOT, 0, "root", NULL, ON(CAT),
	  "write the image's root, which is what is signed" },
	{ OPTION_SIGNATURE, 0, "signature", NULL, ON(CAT),
	  "write the signature, as minisign reads it" },
	{ OPTION_LONG, 'l', "long", NULL, ON(LS),
	  "with mode, owner, size and time" },
	{ OPTION_JOBS, 'j', "jobs", "N",
	  ON(PACK) | ON(UNPACK) | ON(VERIFY) | ON(FANOUT) | ON(PUSH) |
		  ON(LINK) | ON(DELTA) | ON(PARCEL),
	  "workers (one a processor, at most 8)" },
	{ OPTION_DRY_RUN, 'n', "dry-run", NULL,
	  ON(PACK) | ON(UNPACK) | ON(FANOUT) | ON(STORE),
	  "say what would be done, change nothing" },
	{ OPTION_JSON, 0, "json", NULL, ON_ALL,
	  "one JSON object a line (docs/json.md)" },
	{ OPTION_PROGRESS, 0, "progress", "auto|tty|plain|json|none",
	  ON(PACK) | ON(UNPACK) | ON(VERIFY) | ON(FANOUT) | ON(PUSH) | ON(PULL),
	  "how to show progress (auto)" },
	{ OPTION_QUIET, 'q', "quiet", NULL, ON_ALL, "say errors only" },
	{ OPTION_HELP, 'h', "help", NULL, ON_ALL, "show this help" },
};

enum {
	ROW_COUNT = sizeof rows / sizeof rows[0],
	JOBS_MAX = 64,
	SENDINGS_MAX = 8
};

/* How many letters must be added, removed or changed to get b from a. */
static unsigned
word_distance(const char *a, const char *b)
{
	enum { WORD_MAX = 32 };
	unsigned row[WORD_MAX + 1];
	size_t a_size = strlen(a), b_size = strlen(b);

	if (a_size > WORD_MAX || b_size > WORD_MAX)
		return WORD_MAX;
	for (unsigned j = 0; j <= b_size; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_size; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_size; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b_size];
}

const char *
closest_word(const char *typed, const char *const *words, size_t count)
{
	const char *closest = NULL;
	unsigned best = 3; /* more mistakes than that are another word */

	for (size_t i = 0; i < count; i++) {
		unsigned distance = word_distance(typed, words[i]);

		if (distance < best) {
			best = distance;
			closest = words[i];
		}
	}
	return closest;
}

static int
unknown_option(const struct command *command, const char *typed)
{
	const char *names[ROW_COUNT];
	const char *closest;
	size_t count = 0;

	for (size_t i = 0; i < ROW_COUNT; i++)
		if (rows[i].commands & 1u << command->id)
			names[count++] = rows[i].name;
	closest = typed[1] == '-' ? closest_word(typed + 2, names, count)
				  : NULL;
	if (closest != NULL)
		return report_error(DSP_EINVAL, NULL,
				    "unknown option %s of %s: did you mean "
				    "--%s?",
				    typed, command->name, closest);
	return report_error(DSP_EINVAL, NULL,
			    "unknown option %s: see despool help %s", typed,
			    command->name);
}

/* A whole number from min to max, and nothing else. */
static int
parse_number(const char *text, const char *option, unsigned long min,
	     unsigned long max, unsigned long *ret_number)
{
	char *end;
	unsigned long long number;

	if (text[0] < '0' || text[0] > '9')
		goto out;
	number = strtoull(text, &end, 10);
	if (*end != '\0' || number < min || number > max || strlen(text) > 10)
		goto out;
	*ret_number = (unsigned long)number;
	return 0;
out:
	return report_error(DSP_EINVAL, NULL,
			    "--%s takes a number from %lu to %lu, not \"%s\"",
			    option, min, max, text);
}

/* Bytes a second: a number, and perhaps k, M or G (1000s). */
static int
parse_rate(const char *text, uint64_t *ret_rate)
{
	static const char units[] = "kMG";
	uint64_t factor = 1;
	char *end;
	unsigned long long number = strtoull(text, &end, 10);
	const char *unit = *end != '\0' ? strchr(units, *end) : NULL;

	if (unit != NULL) {
		for (const char *at = units; at <= unit; at++)
			factor *= 1000;
		end++;
	}
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || number == 0 ||
	    number > UINT32_MAX)
		return report_error(DSP_EINVAL, NULL,
				    "--rate-limit takes bytes a second, as in "
				    "500k or 20M, not \"%s\"",
				    text);
	*ret_rate = number * factor;
	return 0;
}

static int
parse_word(const char *text, const char *option, const char *const *words,
	   size_t count, size_t *ret_index)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(text, words[i]) == 0) {
			*ret_index = i;
			return 0;
		}
	}
	return report_error(DSP_EINVAL, NULL, "--%s does not take \"%s\"",
			    option, text);
}

static int
set_number(struct options *options, const struct option_row *row,
	   const char *value)
{
	unsigned long number;
	int err;

	switch (row->id) {
	case OPTION_LEVEL:
		err = parse_number(value, row->name, FRAME_LEVEL_MIN,
				   FRAME_LEVEL_MAX, &number);
		if (err == 0)
			options->level = (unsigned)number;
		return err;
	case OPTION_VERSION:
		err = parse_number(value, row->name, 1, UINT32_MAX, &number);
		if (err == 0)
			options->version = (uint32_t)number;
		return err;
	case OPTION_KEEP:
		err = parse_number(value, row->name, 1, 1000, &number);
		if (err == 0)
			options->keep = (unsigned)number;
		return err;
	case OPTION_STALL_TIMEOUT:
		err = parse_number(value, row->name, 0, 86400, &number);
		if (err == 0)
			options->stall_timeout_s = (unsigned)number;
		return err;
	case OPTION_WAIT:
		err = parse_number(value, row->name, 0, 65535, &number);
		if (err == 0)
			options->wait_s = (unsigned)number;
		return err;
	case OPTION_MAX_SENDINGS:
		err = parse_number(value, row->name, 1, SENDINGS_MAX, &number);
		if (err == 0)
			options->max_sendings = (unsigned)number;
		return err;
	case OPTION_DELTA_LEVEL:
		err = parse_number(value, row->name, FRAME_LEVEL_MIN,
				   FRAME_LEVEL_MAX, &number);
		if (err == 0)
			options->delta_level = (unsigned)number;
		return err;
	default:
		err = parse_number(value, row->name, 1, JOBS_MAX, &number);
		if (err == 0)
			options->jobs = (unsigned)number;
		return err;
	}
}

/* Where the text of an option goes that takes any; NULL: another. */
static const char **
plain_text(struct options *options, enum option_id id)
{
	switch (id) {
	case OPTION_OUTPUT:
		return &options->output;
	case OPTION_BASE:
		return &options->base;
	case OPTION_SIGN:
		return &options->sign;
	case OPTION_TRUST:
		return &options->trust;
	case OPTION_STORE:
		return &options->store;
	case OPTION_EXPAND:
		return &options->expand;
	case OPTION_PEER:
		return &options->peer;
	case OPTION_RSH:
		return &options->rsh;
	case OPTION_REMOTE_PROGRAM:
		return &options->remote_program;
	default:
		return NULL;
	}
}

static int
set_text(struct options *options, const struct option_row *row,
	 const char *value)
{
	const char **plain = plain_text(options, row->id);
	static const char *const specials[] = { "refuse", "skip" };
	static const char *const priorities[] = { "low", "medium", "high" };
	static const char *const modes[] = { "auto", "tty", "plain", "json",
					     "none" };
	size_t index = 0;
	int err = 0;

	if (plain != NULL) {
		*plain = value;
		return 0;
	}
	switch (row->id) {
	case OPTION_ID:
		if (!package_id_is_valid(value))
			return report_error(
				DSP_EINVAL, NULL,
				"\"%s\" is no package ID: three of A-Z and "
				"0-9, then five of 0-9 and A-F, as in 61000012",
				value);
		options->package_id = value;
		return 0;
	case OPTION_EXCLUDE:
		options->exclude_arguments[options->exclude_argument_count++] =
			value;
		err = exclude_add(&options->exclude, value);
		return err < 0 ? report_error(err, NULL, "--exclude \"%s\"",
					      value)
			       : 0;
	case OPTION_EXCLUDE_FROM:
		options->exclude_from = value;
		return exclude_add_file(&options->exclude, value);
	case OPTION_SPECIAL:
		err = parse_word(value, row->name, specials, 2, &index);
		if (err == 0)
			options->skip_special = index == 1;
		return err;
	case OPTION_FORWARD:
		options->forwards[options->forward_count++] = value;
		return 0;
	case OPTION_RATE_LIMIT:
		return parse_rate(value, &options->rate_limit);
	case OPTION_PRIORITY:
		err = parse_word(value, row->name, priorities, 3, &index);
		if (err == 0)
			options->priority = (unsigned)index;
		return err;
	case OPTION_PROGRESS:
		err = parse_word(value, row->name, modes, 5, &index);
		if (err == 0)
			options->progress = (enum progress_mode)index;
		return err;
	default:
		return set_number(options, row, value);
	}
}

static void
set_flag(struct options *options, enum option_id id)
{
	switch (id) {
	case OPTION_ALLOW_EMPTY:
		options->allow_empty = true;
		break;
	case OPTION_FORCE:
		options->force = true;
		break;
	case OPTION_REPLACE:
		options->replace = true;
		break;
	case OPTION_REFRESH:
		options->refresh = true;
		break;
	case OPTION_ROLLBACK:
		options->rollback = true;
		break;
	case OPTION_READBACK:
		options->readback = true;
		break;
	case OPTION_NO_CREATE:
		options->no_create = true;
		break;
	case OPTION_ROOT:
		options->root = true;
		break;
	case OPTION_SIGNATURE:
		options->signature = true;
		break;
	case OPTION_LONG:
		options->long_listing = true;
		break;
	case OPTION_DRY_RUN:
		options->dry_run = true;
		break;
	case OPTION_JSON:
		options->json = true;
		break;
	case OPTION_QUIET:
		options->quiet = true;
		break;
	case OPTION_HELP:
		options->help = true;
		break;
	default:
		break;
	}
}

/* The row of an option that this command knows; NULL when it does not. */
static const struct option_row *
find_row(const struct command *command, const char *name, size_t size,
	 char letter)
{
	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (!(rows[i].commands & 1u << command->id))
			continue;
		if (letter != 0 ? rows[i].letter == letter
				: strlen(rows[i].name) == size &&
					  memcmp(rows[i].name, name, size) == 0)
			return &rows[i];
	}
	return NULL;
}

/* Parse the option at argv[i]; *ret_used says how many words it took. */
static int
parse_option(struct options *options, char **argv, int *ret_used)
{
	const char *word = argv[0];
	const struct option_row *row;
	const char *value = NULL;

	*ret_used = 1;
	if (word[1] == '-') {
		const char *equals = strchr(word, '=');
		size_t size = equals != NULL ? (size_t)(equals - word) - 2
					     : strlen(word) - 2;

		row = find_row(options->command, word + 2, size, 0);
		if (equals != NULL)
			value = equals + 1;
	} else {
		row = find_row(options->command, NULL, 0, word[1]);
		if (word[2] != '\0')
			value = word + 2;
	}
	if (row == NULL)
		return unknown_option(options->command, word);
	if (row->argument == NULL) {
		if (value != NULL)
			return report_error(DSP_EINVAL, NULL,
					    "--%s takes no argument",
					    row->name);
		set_flag(options, row->id);
		return 0;
	}
	if (value == NULL) {
		value = argv[1];
		*ret_used = 2;
	}
	if (value == NULL)
		return report_error(DSP_EINVAL, NULL, "--%s takes %s",
				    row->name, row->argument);
	return set_text(options, row, value);
}

static int
find_command(const char *name, const struct command *commands,
	     const struct command **ret_command)
{
	const char *names[COMMAND_COUNT];
	const char *closest;

	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		names[i] = commands[i].name;
		if (strcmp(name, names[i]) == 0) {
			*ret_command = &commands[i];
			return 0;
		}
	}
	closest = closest_word(name, names, COMMAND_COUNT);
	if (closest != NULL)
		return report_error(DSP_EINVAL, NULL,
				    "unknown command %s: did you mean %s?",
				    name, closest);
	return report_error(DSP_EINVAL, NULL,
			    "unknown command %s: see despool help", name);
}

static int
check_arguments(const struct options *options)
{
	const struct command *command = options->command;

	if (options->argument_count < command->argument_min)
		return report_error(DSP_EINVAL, NULL, "usage: despool %s %s",
				    command->name, command->synopsis);
	if (options->argument_count > command->argument_max)
		return report_error(DSP_EINVAL, NULL,
				    "too many arguments: despool %s %s",
				    command->name, command->synopsis);
	for (size_t i = 0; i < options->argument_count; i++)
		if (options->arguments[i][0] == '\0')
			return report_error(DSP_EINVAL, NULL,
					    "an argument is empty");
	return 0;
}

/* A path in an image as people type it: "./dir/" is "dir", "." the top. */
static const char *
trim_path(char *path)
{
	size_t size;

	while (path[0] == '.' && path[1] == '/') {
		path += 2;
		while (path[0] == '/')
			path++;
	}
	size = strlen(path);
	while (size > 1 && path[size - 1] == '/')
		path[--size] = '\0';
	return strcmp(path, ".") == 0 ? path + 1 : path;
}

int
options_parse(int argc, char **argv, const struct command *commands,
	      struct options *ret_options)
{
	unsigned processors = pf_processor_count();
	struct options options = {
		.level = FRAME_LEVEL_DEFAULT,
		.jobs = processors < 8 ? processors : 8,
		.keep = 2,
		.max_sendings = 3,
		.delta_level = SEND_DELTA_LEVEL,
		.priority = MESSAGE_MEDIUM,
		.stall_timeout_s = STALL_TIMEOUT_DEFAULT,
	};
	bool only_arguments = false;
	int err;

	err = find_command(argv[1], commands, &options.command);
	if (err < 0)
		return err;
	options.arguments = calloc((size_t)argc, sizeof *options.arguments);
	options.exclude_arguments =
		calloc((size_t)argc, sizeof *options.exclude_arguments);
	options.forwards = calloc((size_t)argc, sizeof *options.forwards);
	if (options.arguments == NULL || options.exclude_arguments == NULL ||
	    options.forwards == NULL)
		return report_error(DSP_ENOMEM, NULL, "starting");
	for (int i = 2, used; err == 0 && i < argc; i += used) {
		used = 1;
		if (only_arguments || argv[i][0] != '-' || argv[i][1] == '\0')
			options.arguments[options.argument_count++] = argv[i];
		else if (strcmp(argv[i], "--") == 0)
			only_arguments = true;
		else
			err = parse_option(&options, argv + i, &used);
	}
	if (err == 0 && !options.help)
		err = check_arguments(&options);
	for (size_t i = options.command->path_first; i < options.argument_count;
	     i++)
		options.arguments[i] = trim_path((char *)options.arguments[i]);
	*ret_options = options;
	return err;
}

void
options_release(struct options *options)
{
	exclude_release(&options->exclude);
	free(options->arguments);
	free(options->exclude_arguments);
	free(options->forwards);
	options->forwards = NULL;
	options->arguments = options->exclude_arguments = NULL;
}

void
options_print(enum command_id command)
{
	for (size_t i = 0; i < ROW_COUNT; i++) {
		const struct option_row *row = &rows[i];
		char left[64];

		if (!(row->commands & 1u << command))
			continue;
		snprintf(left, sizeof left, "%c%c%s--%s%s%s",
			 row->letter != 0 ? '-' : ' ',
			 row->letter != 0 ? row->letter : ' ',
			 row->letter != 0 ? ", " : "  ", row->name,
			 row->argument != NULL ? " " : "",
			 row->argument != NULL ? row->argument : "");
		if (strlen(left) > 28)
			printf("  %s\n%32s%s\n", left, "", row->help);
		else
			printf("  %-29s %s\n", left, row->help);
	}
}
