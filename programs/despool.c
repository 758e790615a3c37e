/* SPDX-License-Identifier: Apache-2.0 */

/* despool - the program: finds the command and runs it. */

#include <stdio.h>
#include <string.h>

#include "core/base/digest.h"
#include "core/base/err.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "core/image/image_format.h"
#include "platform/pf_hash.h"
#include "platform/pf_process.h"
#include "programs/command.h"
#include "programs/talk.h"
#include "programs/version.h"

static int command_help(const struct options *options);

static const struct command commands[COMMAND_COUNT] = {
	{ COMMAND_PACK, "pack", "SOURCE -o IMAGE.pck",
	  "make a package image of a directory", "", 1, 1, SIZE_MAX,
	  command_pack },
	{ COMMAND_UNPACK, "unpack", "IMAGE DIR [PATH...]",
	  "make a directory of an image, or only some paths of it",
	  "DIR must be absent or empty.  Nothing of the new tree is seen in "
	  "DIR\nbefore all of it is written and verified.",
	  2, SIZE_MAX, 2, command_unpack },
	{ COMMAND_VERIFY, "verify", "IMAGE [DIR]",
	  "prove that an image is whole, or a directory exactly that version",
	  "", 1, 2, SIZE_MAX, command_verify },
	{ COMMAND_INFO, "info", "IMAGE", "say what an image is", "", 1, 1,
	  SIZE_MAX, command_info },
	{ COMMAND_LS, "ls", "IMAGE [PATH...]", "list what is in an image", "",
	  1, SIZE_MAX, 1, command_ls },
	{ COMMAND_CAT, "cat", "IMAGE PATH", "write one file's bytes",
	  "cat --root IMAGE writes the raw root, cat --signature IMAGE the "
	  "signature over\nit; minisign -Vm ROOT -x SIGNATURE -p KEY.pub "
	  "checks it.",
	  1, 2, 1, command_cat },
	{ COMMAND_DIFF, "diff", "OLD NEW", "say what differs between images",
	  "", 2, 2, SIZE_MAX, command_diff },
	{ COMMAND_FANOUT, "fanout", "SOURCE|IMAGE DEST...",
	  "publish a directory or an image at many distribution points",
	  "Each DEST is a distribution point: a directory that holds "
	  "PACKAGE-ID/VERSION/\nand the link PACKAGE-ID/current, which is "
	  "switched in one step when all of the\nnew version is written, "
	  "verified and synced.  A DEST may also be\na TARGET of push, where "
	  "despool link STORE --expand ROOT keeps one.",
	  2, SIZE_MAX, SIZE_MAX, command_fanout },
	{ COMMAND_PUSH, "push", "IMAGE|STORE TARGET...",
	  "bring an image to other stores, sending only what is new",
	  "A TARGET is the directory of a store, HOST:DIRECTORY (through ssh), "
	  "or\nexec:COMMAND, a program that speaks the protocol, such as "
	  "despool link DIRECTORY.\nOf a STORE the newest version of each "
	  "package is sent.",
	  2, SIZE_MAX, SIZE_MAX, command_push },
	{ COMMAND_PULL, "pull", "TARGET ID[@VERSION]",
	  "fetch a package from another store, only what is new",
	  "TARGET as of push.  Without VERSION the newest that is there.", 2, 2,
	  SIZE_MAX, command_pull },
	{ COMMAND_LINK, "link", "STORE",
	  "the far end of push and pull: talk over standard input and output",
	  "", 1, 1, SIZE_MAX, command_link },
	{ COMMAND_STORE, "store", "init|ls|rm|scrub STORE [ID[@VERSION]...]",
	  "make, list, clean and mend a store of images",
	  "init makes a store of the directory STORE.  ls lists what it holds. "
	  " "
	  "rm removes\nimages and proves that they are gone.",
	  2, SIZE_MAX, SIZE_MAX, command_store },
	{ COMMAND_DELTA, "delta", "OLD.pck NEW.pck -o FILE",
	  "write what makes one image of an older one", "", 2, 2, SIZE_MAX,
	  command_delta },
	{ COMMAND_APPLY, "apply", "OLD.pck DELTA -o NEW.pck",
	  "make the newer image of an older one and a delta",
	  "The image is the one that was packed, byte for byte, or there is an "
	  "error.",
	  2, 2, SIZE_MAX, command_apply },
	{ COMMAND_PARCEL, "parcel",
	  "make STORE ID[@VERSION]... -o FILE | add FILE STORE",
	  "carry packages by hand: into a file, out of a file",
	  "make writes images of STORE; with --base against an older one, "
	  "which "
	  "whoever\nadds it must hold.  add takes what is in FILE into STORE.",
	  3, SIZE_MAX, SIZE_MAX, command_parcel },
	{ COMMAND_KEY, "key", "new NAME | show FILE",
	  "make a key to sign images with, or show one",
	  "new makes NAME.key, which signs (pack --sign) and must be kept "
	  "secret, and\nNAME.pub, which is to be trusted (--trust).  Both are "
	  "minisign's.  show writes\nthe public keys of either.",
	  2, 2, SIZE_MAX, command_key },
	{ COMMAND_HELP, "help", "[COMMAND | exit-codes]", "show help", "", 0, 1,
	  SIZE_MAX, command_help },
};

static const char exit_codes[] =
	"Exit codes\n"
	"   0  done and verified\n"
	"   1  failed\n"
	"   2  wrong usage\n"
	"   3  partly done: some destinations failed, they are named\n"
	"   4  not found\n"
	"   5  conflicts with what is there\n"
	"   6  not permitted, or not signed by a trusted key\n"
	"   8  damaged, or not what it should be\n"
	"  75  in use: try again\n"
	"A command ended by a signal ends by that signal (128 + its number in "
	"a shell).\n";

static void
print_overview(void)
{
	printf("despool - software packages, from one place to many, "
	       "verified\n\n"
	       "usage: despool COMMAND [OPTION...] [ARGUMENT...]\n\n");
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].summary);
	printf("\ndespool help COMMAND shows a command's options;\n"
	       "despool help exit-codes what a command's end means;\n"
	       "despool --version which version this is.\n");
}

static void
print_command(const struct command *command)
{
	printf("usage: despool %s %s [OPTION...]\n\n%s\n", command->name,
	       command->synopsis, command->summary);
	if (command->text[0] != '\0')
		printf("\n%s\n", command->text);
	printf("\nOptions\n");
	options_print(command->id);
}

static int
command_help(const struct options *options)
{
	const char *names[COMMAND_COUNT];
	const char *closest;
	const char *topic;

	if (options->argument_count == 0) {
		print_overview();
		return EXIT_DONE;
	}
	topic = options->arguments[0];
	if (strcmp(topic, "exit-codes") == 0) {
		fputs(exit_codes, stdout);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		names[i] = commands[i].name;
		if (strcmp(topic, commands[i].name) == 0) {
			print_command(&commands[i]);
			return EXIT_DONE;
		}
	}
	closest = closest_word(topic, names, COMMAND_COUNT);
	report_error(DSP_EINVAL, NULL, "no help on %s%s%s", topic,
		     closest != NULL ? ": did you mean " : "",
		     closest != NULL ? closest : "");
	return EXIT_USAGE;
}

static void
print_version(void)
{
	printf("despool %s (image format %u, zstd %s)\n", DESPOOL_VERSION,
	       IMAGE_FORMAT, frame_library_version());
}

/* Data that did not reach standard output were not delivered. */
static int
check_stdout(int exit_code)
{
	if ((fflush(stdout) != 0 || ferror(stdout)) && exit_code == EXIT_DONE) {
		report_error(DSP_EIO, NULL, "writing to standard output");
		return EXIT_FAILED;
	}
	return exit_code;
}

static int
run(int argc, char **argv)
{
	struct options options = { .progress = PROGRESS_NONE };
	int exit_code;
	int err;

	/* How to say what is wrong with the command line is part of it. */
	for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
		options.json |= strcmp(argv[i], "--json") == 0;
		options.quiet |= strcmp(argv[i], "--quiet") == 0;
	}
	talk_start(&options, false);
	err = options_parse(argc, argv, commands, &options);
	if (err < 0) {
		if (options.command != NULL)
			talk_summary(options.command->name, err_exit_code(err),
				     NULL);
		exit_code = err_exit_code(err);
	} else if (options.help) {
		print_command(options.command);
		exit_code = EXIT_DONE;
	} else {
		exit_code = options.command->run(&options);
	}
	options_release(&options);
	return exit_code;
}

int
main(int argc, char **argv)
{
	int exit_code;

	digest_start();
	pf_hash_tune();
	pf_clear_umask();
	(void)pf_raise_open_files();
	talk_start(NULL, false);
	if (argc < 2) {
		print_overview();
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		print_version();
		return check_stdout(EXIT_DONE);
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_overview();
		return check_stdout(EXIT_DONE);
	}
	exit_code = check_stdout(run(argc, argv));
	if (exit_code != EXIT_DONE && pf_interrupted())
		pf_end_by_signal();
	return exit_code;
}
