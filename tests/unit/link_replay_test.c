/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What both ends of a link said when tests/fuzz/make_streams recorded them:
 * each end still understands the other's bytes, and answers with the same,
 * also when the other end is of a newer minor version.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/fanout/push.h"
#include "core/store/store.h"
#include "core/tree/verify.h"
#include "tests/fuzz/script_stream.h"
#include "tests/unit/support.h"

struct bytes {
	uint8_t *data;
	size_t size;
};

static struct bytes
golden(const char *name, const char *suffix)
{
	char path[100];
	struct bytes bytes;

	snprintf(path, sizeof path, "tests/golden/link-%s%s", name, suffix);
	bytes.data = file_read(source_path(path), &bytes.size);
	return bytes;
}

static void
copy_golden(const char *name, const char *to)
{
	struct bytes bytes = golden(name, ".pck");

	file_write(to, bytes.data, bytes.size);
	free(bytes.data);
}

/* The store `store`, with these versions. */
static void
make_store(bool has_old, bool has_new)
{
	scratch_clear();
	reports_clear();
	assert_int_equal(store_init("store"), 0);
	if (has_old)
		copy_golden("old", "store/LOC00000.1.pck");
	if (has_new)
		copy_golden("new", "store/LOC00000.2.pck");
}

static struct store *
open_store(void)
{
	struct store *store;

	assert_int_equal(store_open("store", &store), 0);
	return store;
}

/* The new version is in the store, whole, and nothing is left in staging. */
static void
assert_received(bool is_exact)
{
	struct verify_params params = { .worker_count = 1 };
	struct bytes expected = golden("new", ".pck");
	size_t size;
	uint8_t *bytes = file_read("store/LOC00000.2.pck", &size);

	if (is_exact) {
		assert_int_equal(size, expected.size);
		assert_memory_equal(bytes, expected.data, size);
	}
	free(bytes);
	free(expected.data);
	assert_int_equal(image_open("store/LOC00000.2.pck", &params.image), 0);
	assert_int_equal(verify_image(&params), 0);
	image_close(params.image);
	assert_int_equal(dir_count("store/staging"), 0);
}

/* How the recorded bytes come. */
struct how {
	size_t piece_max;
	bool is_lazy, is_newer;
};

static const struct how hows[] = {
	{ 0, false, false }, { 1, false, false },  { 7, false, false },
	{ 0, true, false },  { 4096, true, true }, { 5, false, true },
};

/* Of a newer minor: it says more than we know, between and in messages. */
static struct bytes
make_newer(struct bytes old)
{
	static const uint8_t unknown[] = { 3,	0, 0,	 0,    9,   0,
					   200, 0, 0xff, 0xff, 0xff };
	struct buffer out = { 0 };
	size_t at = MESSAGE_HELLO_SIZE;

	assert_int_equal(buffer_add(&out, old.data, at), 0);
	out.data[10] = 1;
	while (at < old.size) {
		size_t size = MESSAGE_HEADER_SIZE + le32_get(old.data + at);
		unsigned type = old.data[at + 6];
		size_t start = out.size + sizeof unknown;
		bool is_fixed = type == MESSAGE_OFFER || type == MESSAGE_GET ||
				type == MESSAGE_COPY || type == MESSAGE_END ||
				type == MESSAGE_NEED || type == MESSAGE_BACK ||
				type == MESSAGE_ACK || type == MESSAGE_DONE;

		assert_int_equal(buffer_add(&out, unknown, sizeof unknown), 0);
		assert_int_equal(buffer_add(&out, old.data + at, size), 0);
		if (is_fixed) {
			assert_int_equal(buffer_add(&out, unknown, 5), 0);
			le32_put(out.data + start,
				 (uint32_t)size - MESSAGE_HEADER_SIZE + 5);
		}
		at += size;
	}
	assert_int_equal(at, old.size);
	free(old.data);
	return (struct bytes){ out.data, out.size };
}

static struct bytes
begin(const char *name, const char *suffix, const struct how *how)
{
	struct bytes says = golden(name, suffix);

	if (how->is_newer)
		says = make_newer(says);
	script_begin(says.data, says.size);
	script.piece_max = how->piece_max;
	script.is_lazy = how->is_lazy;
	return says;
}

/* What our end said is what it said then. */
static void
assert_said(const char *name, const char *suffix)
{
	struct bytes expected = golden(name, suffix);

	assert_int_equal(script.said.size, expected.size);
	assert_memory_equal(script.said.data, expected.data, expected.size);
	free(expected.data);
}

static int
run_serve(struct store *store)
{
	struct serve_params params = { .receive = { .store = store },
				       .worker_count = 1,
				       .delta_level = SEND_DELTA_LEVEL };
	struct stream *stream;

	assert_int_equal(script_open(&stream), 0);
	return serve(&params, stream);
}

static void
receive_as_recorded(const char *name, bool has_old)
{
	for (size_t i = 0; i < sizeof hows / sizeof *hows; i++) {
		struct bytes says = begin(name, ".sender", &hows[i]);
		struct store *store;

		make_store(has_old, false);
		if (strcmp(name, "back") == 0) { /* as make_streams does */
			FILE *file = fopen("store/LOC00000.1.pck", "r+");

			assert_non_null(file);
			assert_int_equal(fseek(file, 2925, SEEK_SET), 0);
			assert_int_equal(fputc('X', file), 'X');
			assert_int_equal(fclose(file), 0);
		}
		store = open_store();
		assert_int_equal(run_serve(store), 0);
		store_close(store);
		assert_said(name, ".receiver");
		assert_received(strcmp(name, "plain") == 0);
		free(says.data);
	}
}

static void
a_recorded_sender_of_everything_is_received(void **state)
{
	(void)state;
	receive_as_recorded("plain", false);
}

static void
a_recorded_sender_of_deltas_is_received(void **state)
{
	(void)state;
	receive_as_recorded("delta", true);
}

static void
a_recorded_sender_of_picked_blocks_is_received(void **state)
{
	(void)state;
	receive_as_recorded("pick", true);
}

static void
a_recorded_sender_that_went_back_is_received(void **state)
{
	(void)state;
	receive_as_recorded("back", true);
}

/* Push to the script. */
static int
run_push(const char *base, struct push_total *ret_total)
{
	static const char *const targets[] = { "exec:script" };
	struct push_params params = {
		.source = "new.pck",
		.base = base,
		.targets = targets,
		.target_count = 1,
		.endpoint = { .transfer_max = LINK_TRANSFERS_MAX / 2 },
		.worker_count = 1,
		.sending_max = 1,
		.delta_level = SEND_DELTA_LEVEL,
		.priority = MESSAGE_MEDIUM,
	};

	return push(&params, ret_total);
}

static void
send_as_recorded(const char *name, bool has_base, bool says_the_same)
{
	for (size_t i = 0; i < sizeof hows / sizeof *hows; i++) {
		struct push_total total = { 0 };
		struct bytes says;

		/* Its answers came when it was asked. */
		if (!hows[i].is_lazy)
			continue;
		scratch_clear();
		copy_golden("old", "old.pck");
		copy_golden("new", "new.pck");
		says = begin(name, ".receiver", &hows[i]);
		assert_int_equal(run_push(has_base ? "old.pck" : NULL, &total),
				 0);
		assert_int_equal(total.result_count, 1);
		assert_int_equal(total.results[0].sent.err, 0);
		assert_int_equal(total.bytes_received, says.size);
		if (says_the_same)
			assert_said(name, ".sender");
		free(total.results);
		free(says.data);
	}
}

static void
a_recorded_receiver_of_everything_is_served(void **state)
{
	(void)state;
	send_as_recorded("plain", false, true);
}

static void
a_recorded_receiver_of_deltas_is_served(void **state)
{
	(void)state;
	send_as_recorded("delta", true, true);
}

static void
a_recorded_receiver_that_picked_is_served(void **state)
{
	(void)state;
	send_as_recorded("pick", false, true);
}

/* When the NEED is seen is a matter of moments. */
static void
a_recorded_receiver_that_went_back_is_served(void **state)
{
	(void)state;
	send_as_recorded("back", true, false);
}

/* Asking for it. */

static int
run_pull(struct store *store, uint32_t version, struct pull_total *ret_total)
{
	struct pull_params params = {
		.target = "exec:script",
		.package_id = "LOC00000",
		.version = version,
		.store = store,
		.endpoint = { .transfer_max = LINK_TRANSFERS_MAX / 2 },
		.priority = MESSAGE_MEDIUM,
	};

	return pull(&params, ret_total);
}

static void
a_recorded_answer_to_a_get_is_received(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof hows / sizeof *hows; i++) {
		struct bytes says = begin("get", ".sender", &hows[i]);
		struct pull_total total = { 0 };
		struct store *store;

		make_store(true, false);
		store = open_store();
		assert_int_equal(run_pull(store, 0, &total), 0);
		store_close(store);
		assert_int_equal(total.result.version, 2);
		assert_said("get", ".receiver");
		assert_received(false);
		free(says.data);
	}
}

static void
a_recorded_get_is_answered(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof hows / sizeof *hows; i++) {
		struct store *store;
		struct bytes says;

		if (!hows[i].is_lazy)
			continue;
		says = begin("get", ".receiver", &hows[i]);
		make_store(true, true);
		store = open_store();
		assert_int_equal(run_serve(store), 0);
		store_close(store);
		assert_said("get", ".sender");
		free(says.data);
	}
}

/* S15: another version than the one that was asked for was taken. */
static void
what_was_not_asked_for_is_not_received(void **state)
{
	struct bytes says = begin("get", ".sender", &hows[0]);
	struct pull_total total = { 0 };
	struct store *store;

	(void)state;
	make_store(true, false);
	store = open_store();
	assert_int_equal(run_pull(store, 7, &total), DSP_EPROTOCOL);
	store_close(store);
	assert_false(path_exists("store/LOC00000.2.pck"));
	free(says.data);
}

/* See tests/site/push.sh for how it goes on. */
static void
a_stream_cut_anywhere_is_told(void **state)
{
	struct bytes says = golden("delta", ".sender");
	const char *nightly = getenv("NIGHTLY");
	size_t step = nightly != NULL && *nightly != '\0' ? 1 : 37;

	(void)state;
	for (size_t size = 0; size < says.size; size += step) {
		struct store *store;

		make_store(true, false);
		store = open_store();
		script_begin(says.data, size);
		/* Behind the hello one may go without a word. */
		assert_int_equal(run_serve(store),
				 size == MESSAGE_HELLO_SIZE ? 0 : DSP_ECLOSED);
		assert_false(path_exists("store/LOC00000.2.pck"));
		assert_int_equal(reports_errors() > 0,
				 size != MESSAGE_HELLO_SIZE);
		store_close(store);
	}
	free(says.data);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(a_recorded_sender_of_everything_is_received),
		scratch_test(a_recorded_sender_of_deltas_is_received),
		scratch_test(a_recorded_sender_of_picked_blocks_is_received),
		scratch_test(a_recorded_sender_that_went_back_is_received),
		scratch_test(a_recorded_receiver_of_everything_is_served),
		scratch_test(a_recorded_receiver_of_deltas_is_served),
		scratch_test(a_recorded_receiver_that_picked_is_served),
		scratch_test(a_recorded_receiver_that_went_back_is_served),
		scratch_test(a_recorded_answer_to_a_get_is_received),
		scratch_test(a_recorded_get_is_answered),
		scratch_test(what_was_not_asked_for_is_not_received),
		scratch_test(a_stream_cut_anywhere_is_told),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
