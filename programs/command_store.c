/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/fanout/scrub.h"
#include "core/store/store.h"
#include "platform/pf_process.h"
#include "programs/command.h"
#include "programs/signing.h"
#include "programs/talk.h"

static int
init(const struct options *options)
{
	const char *path = options->arguments[1];
	int err = options->argument_count > 2
			  ? report_error(DSP_EINVAL, NULL,
					 "store init takes one directory")
			  : store_init(path);

	if (err == 0)
		talk_say("%s is a store", path);
	return err;
}

static int
list_one(struct store *store, const struct store_entry *entry,
	 const struct trust *trust)
{
	struct image *image = NULL;
	char hex[DIGEST_HEX_SIZE];
	int err = store_open_image(store, entry->package_id, entry->version,
				   &image);

	if (err < 0)
		return err;
	if (talk_is_json()) {
		json_t *fields = json_pack("{s:s, s:I, s:I}", "package_id",
					   entry->package_id, "version",
					   (json_int_t)entry->version,
					   "image_bytes",
					   (json_int_t)image_size(image));

		talk_add_digest(fields, "root", image_root_digest(image));
		signing_add_key(fields, image);
		talk_json("image", fields);
	} else {
		digest_to_hex(image_root_digest(image), hex);
		printf("%s@%u\t%llu\t%s\n", entry->package_id, entry->version,
		       (unsigned long long)image_size(image), hex);
	}
	err = signing_check(trust, image);
	image_close(image);
	return err;
}

/* Is it one of those asked for?  None asked for: all are. */
static bool
is_asked(const struct options *options, const struct store_entry *entry)
{
	for (size_t i = 2; i < options->argument_count; i++) {
		char id[PACKAGE_ID_SIZE + 1];
		uint32_t version;

		if (parse_package(options->arguments[i], id, &version) == 0 &&
		    strcmp(id, entry->package_id) == 0 &&
		    (version == 0 || version == entry->version))
			return true;
	}
	return options->argument_count == 2;
}

static int
list(const struct options *options, struct store *store)
{
	struct store_entry *entries = NULL;
	struct trust *trust = NULL;
	size_t count = 0;
	int first_err = signing_read_trust(options, &trust);

	if (first_err == 0)
		first_err = store_list(store, &entries, &count);
	for (size_t i = 0; i < count; i++) {
		int err = 0;

		if (is_asked(options, &entries[i]))
			err = list_one(store, &entries[i], trust);
		if (first_err == 0)
			first_err = err;
	}
	free(entries);
	trust_free(trust);
	return first_err;
}

static int
remove_one(const struct options *options, struct store *store, const char *id,
	   uint32_t version)
{
	int err;

	if (options->dry_run) {
		talk_say("%s version %u would be removed", id, version);
		return 0;
	}
	err = store_remove(store, id, version);
	if (err == 0)
		talk_say("%s version %u is gone", id, version);
	return err;
}

/* A version that is asked for, and is at most staged. */
static int
remove_staged(const struct options *options, struct store *store, size_t i,
	      size_t *removed)
{
	char id[PACKAGE_ID_SIZE + 1];
	uint32_t version;
	int err = parse_package(options->arguments[i], id, &version);

	if (err < 0 || version == 0 || store_has(store, id, version))
		return err;
	++*removed;
	return remove_one(options, store, id, version);
}

static int
remove_all(const struct options *options, struct store *store)
{
	struct store_entry *entries = NULL;
	size_t count = 0, removed = 0;
	int first_err;

	if (options->argument_count == 2)
		return report_error(DSP_EINVAL, NULL,
				    "store rm STORE ID[@VERSION]...: which?");
	first_err = store_list(store, &entries, &count);
	for (size_t i = 2; i < options->argument_count; i++) {
		int err = remove_staged(options, store, i, &removed);

		if (first_err == 0)
			first_err = err;
	}
	for (size_t i = 0; i < count; i++) {
		int err;

		if (!is_asked(options, &entries[i]))
			continue;
		removed++;
		err = remove_one(options, store, entries[i].package_id,
				 entries[i].version);
		if (first_err == 0)
			first_err = err;
	}
	free(entries);
	if (first_err == 0 && removed == 0)
		return report_error(DSP_ENOENT, store_path(store),
				    "no such image");
	return first_err;
}

static void
show(void *context, uint64_t bytes, uint64_t total)
{
	(void)context;
	talk_progress("scrubbing", bytes, total, 0);
}

static void
tell_scrubbed(const struct store_entry *entry,
	      const struct scrub_result *result, int err)
{
	if (talk_is_json()) {
		talk_json("scrubbed",
			  json_pack("{s:s, s:I, s:I, s:I, s:I, s:b}",
				    "package_id", entry->package_id, "version",
				    (json_int_t)entry->version, "bytes_read",
				    (json_int_t)result->bytes_read, "damaged",
				    (json_int_t)result->damaged, "mended",
				    (json_int_t)result->mended, "good",
				    err == 0));
		return;
	}
	if (err == 0)
		talk_say("%s version %u: %s read, %s", entry->package_id,
			 entry->version, talk_size(result->bytes_read),
			 result->mended > 0 ? "mended" : "good");
}

/* Is an image that is whole signed by whom it must be? */
static int
check_signer(struct store *store, const struct store_entry *entry,
	     const struct trust *trust)
{
	struct image *image = NULL;
	int err = 0;

	if (trust != NULL)
		err = store_open_image(store, entry->package_id, entry->version,
				       &image);
	if (err == 0)
		err = signing_check(trust, image);
	image_close(image);
	return err;
}

static int
scrub_all(const struct options *options, struct store *store)
{
	struct scrub_params params = {
		.store = store,
		.peer = options->peer,
		.endpoint = { .rsh = options->rsh,
			      .remote_program = options->remote_program,
			      .transfer_max = 1,
			      .stall_timeout_s = options->stall_timeout_s },
		.rate = options->rate_limit,
		.progress = show,
	};
	struct store_entry *entries = NULL;
	struct trust *trust = NULL;
	size_t count = 0;
	int first_err = signing_read_trust(options, &trust);

	if (first_err == 0)
		first_err = store_list(store, &entries, &count);
	for (size_t i = 0; i < count && !pf_interrupted(); i++) {
		struct scrub_result result;
		int err;

		if (!is_asked(options, &entries[i]))
			continue;
		err = scrub(&params, entries[i].package_id, entries[i].version,
			    &result);
		talk_end_progress();
		tell_scrubbed(&entries[i], &result, err);
		if (err == 0)
			err = check_signer(store, &entries[i], trust);
		if (first_err == 0)
			first_err = err;
	}
	free(entries);
	trust_free(trust);
	return first_err;
}

int
command_store(const struct options *options)
{
	const char *verb = options->arguments[0];
	struct store *store = NULL;
	char id[PACKAGE_ID_SIZE + 1];
	uint32_t version;
	int err = 0;

	talk_start(options, false);
	pf_catch_signals();
	for (size_t i = 2; err == 0 && i < options->argument_count; i++)
		err = parse_package(options->arguments[i], id, &version);
	if (err == 0 && strcmp(verb, "init") != 0 && strcmp(verb, "ls") != 0 &&
	    strcmp(verb, "rm") != 0 && strcmp(verb, "scrub") != 0)
		err = report_error(DSP_EINVAL, NULL,
				   "store takes init, ls, rm or scrub, not "
				   "\"%s\"",
				   verb);
	if (err == 0 && options->trust != NULL && strcmp(verb, "ls") != 0 &&
	    strcmp(verb, "scrub") != 0)
		err = report_error(DSP_EINVAL, NULL,
				   "--trust is for store ls and scrub only");
	if (err == 0 && strcmp(verb, "init") == 0) {
		err = init(options);
	} else if (err == 0) {
		err = store_open(options->arguments[1], &store);
		if (err == 0)
			err = strcmp(verb, "ls") == 0 ? list(options, store)
			      : strcmp(verb, "rm") == 0
				      ? remove_all(options, store)
				      : scrub_all(options, store);
		store_close(store);
	}
	talk_summary("store", err_exit_code(err), NULL);
	return err_exit_code(err);
}
