/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Staging: whatever ends the process, the machine or the disk in between, the
 * next one goes on, and what comes of it is the very image.
 *
 * The source file is included, with memory that fails when told to, and with
 * syncs every few blocks instead of every 32 MiB.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/image/image.h"
#include "core/store/staging.h"
#include "core/tree/remove.h"
#include "platform/pf_fault.h"
#include "platform/pf_file.h"
#include "tests/unit/sample_image.h"
#include "tests/unit/support.h"

#include "tests/unit/failing_memory.h"

#undef STAGING_SYNC_SIZE
#define STAGING_SYNC_SIZE 700u
#include "core/base/buffer.c"
#include "core/image/image_out.c"
#undef fail /* cmocka's, which is not used here */
#include "core/store/staging.c"

/* What sample_write_rich() makes. */
enum { PAGE_COUNT = 4, BLOCK_COUNT = 10 };

/* Loops over faults go in larger steps so much sooner: there are three. */
enum { SOONER_MS = 1400 };

static uint8_t *image_bytes;
static size_t image_bytes_size;
static struct image *sample;
static struct page_load loads[PAGE_COUNT];
static struct digest publishers[BLOCK_COUNT];
static struct stored_frame frames[BLOCK_COUNT];
static uint8_t frame_data[BLOCK_COUNT][1024];

/* How many blocks are before this one? */
static unsigned
number_of(struct block_index index)
{
	unsigned number = index.block;

	for (uint32_t i = 0; i < index.page; i++)
		number += image_root(sample)->pages[i].block_count;
	return number;
}

/* Load all of it, so that no fault comes from there. */
static void
load_sample(void)
{
	struct frame_table table = { 0 };
	unsigned number = 0;

	assert_int_equal(image_root(sample)->page_count, PAGE_COUNT);
	assert_int_equal(image_root(sample)->block_count, BLOCK_COUNT);
	for (uint32_t i = 0; i < PAGE_COUNT; i++) {
		assert_int_equal(image_load_page(sample, i, &loads[i]), 0);
		assert_int_equal(image_load_table(sample, i, &table), 0);
		for (uint32_t j = 0; j < loads[i].page.block_count; j++) {
			struct stored_frame *frame = &frames[number];
			struct frame_ref ref;

			assert_int_equal(image_next_frame(sample, &table, &ref),
					 0);
			assert_true(ref.size <= sizeof frame_data[0]);
			assert_int_equal(image_read_frame(sample, &ref,
							  frame_data[number]),
					 0);
			*frame = (struct stored_frame){ frame_data[number],
							ref.size, ref.is_local,
							ref.publisher,
							ref.stored };
			publishers[number++] = ref.publisher;
		}
	}
	frame_table_release(&table);
}

static int
set_up(void **state)
{
	int fd;
	int failed = scratch_setup(state);

	if (failed != 0)
		return failed;
	fd = open("sample", O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	sample_write_rich(fd, IMAGE_WITH_BLOCKS);
	image_bytes = fd_read(fd, &image_bytes_size);
	assert_int_equal(image_open_fd(fd, "sample", &sample), 0);
	load_sample();
	return unlink("sample");
}

static int
tear_down(void **state)
{
	for (size_t i = 0; i < PAGE_COUNT; i++)
		page_load_release(&loads[i]);
	image_close(sample);
	free(image_bytes);
	return scratch_teardown(state);
}

static struct staging *
must_open(void)
{
	struct staging *staging = NULL;

	assert_int_equal(staging_open(PF_CWD, ".", image_root_digest(sample),
				      false, &staging),
			 0);
	return staging;
}

static const char *
path_of(const char *name)
{
	static char path[DIGEST_HEX_SIZE + 20];
	char hex[DIGEST_HEX_SIZE];

	digest_to_hex(image_root_digest(sample), hex);
	snprintf(path, sizeof path, "%s/%s", hex, name);
	return path;
}

static void
start_anew(void)
{
	scratch_clear();
	reports_clear();
}

static int
put_root(struct staging *staging)
{
	const struct buffer *raw = image_root_raw(sample);

	if (staging_root(staging) != NULL)
		return 0;
	return staging_set_root(staging, raw->data, raw->size, "sig", 0, 0);
}

/* Pages that came as deltas are encoded here: every other one. */
static int
put_pages(struct staging *staging)
{
	int err = 0;

	while (err == 0 && staging_page_count(staging) < PAGE_COUNT) {
		uint32_t i = staging_page_count(staging);
		const struct page_load *load = &loads[i];

		err = staging_put_page(
			staging, load->raw.data, load->raw.size,
			i % 2 == 0 ? load->stored.data : NULL,
			load->stored.size,
			publishers[number_of((struct block_index){ i, 0 })]
				.bytes);
	}
	return err;
}

/* Up to count blocks, from the one that is missing on. */
static int
put_blocks(struct staging *staging, unsigned count)
{
	int err = 0;

	while (err == 0 && count-- > 0 &&
	       staging_next(staging).page < PAGE_COUNT) {
		unsigned number = number_of(staging_next(staging));
		struct staged_block expected;

		staging_expected(staging, &expected);
		assert_memory_equal(&expected.publisher, &publishers[number],
				    DIGEST_SIZE);
		err = staging_put_block(staging, &frames[number]);
	}
	return err;
}

/* Everything up to so many blocks more than there are. */
static int
go_on(struct staging *staging, unsigned count)
{
	bool has_pages = staging_root(staging) != NULL &&
			 staging_page_count(staging) == PAGE_COUNT;
	int err = put_root(staging);

	if (err == 0 && !has_pages)
		err = put_pages(staging);
	if (err == 0)
		err = staging_begin_blocks(staging);
	return err < 0 ? err : put_blocks(staging, count);
}

/* A run that gets so many blocks and is killed. */
static void
killed_after(unsigned count)
{
	struct staging *staging = must_open();

	assert_int_equal(go_on(staging, count), 0);
	staging_close(staging);
}

/* How many blocks does the next run find? */
static unsigned
found(void)
{
	struct staging *staging = must_open();
	unsigned number;

	assert_int_equal(go_on(staging, 0), 0);
	number = number_of(staging_next(staging));
	staging_close(staging);
	return number;
}

/* The next run completes it, and it is the image. */
static void
assert_completes(void)
{
	struct staging *staging = must_open();
	uint8_t *bytes;
	size_t size;

	assert_int_equal(go_on(staging, UINT_MAX), 0);
	assert_int_equal(staging_next(staging).page, PAGE_COUNT);
	assert_int_equal(staging_finish(staging), 0);
	staging_close(staging);
	bytes = file_read(path_of("image"), &size);
	assert_int_equal(size, image_bytes_size);
	assert_memory_equal(bytes, image_bytes, size);
	free(bytes);
}

/* Change files as a crash might. */

static size_t
size_of(const char *name)
{
	struct stat st;

	assert_int_equal(stat(path_of(name), &st), 0);
	return (size_t)st.st_size;
}

static void
cut(const char *name, size_t size)
{
	assert_int_equal(truncate(path_of(name), (off_t)size), 0);
}

static void
spoil(const char *name, size_t from, size_t to)
{
	int fd = open(path_of(name), O_RDWR);
	uint8_t byte;

	assert_true(fd >= 0);
	for (size_t i = from; i < to; i++) {
		assert_int_equal(pread(fd, &byte, 1, (off_t)i), 1);
		byte ^= 0xff;
		assert_int_equal(pwrite(fd, &byte, 1, (off_t)i), 1);
	}
	close(fd);
}

/* Going on. */

static void
an_image_that_was_staged_is_the_image(void **state)
{
	(void)state;
	assert_completes();
	assert_int_equal(found(), BLOCK_COUNT);
	assert_completes(); /* ended twice: it was killed before its rename */
}

/* Behind the first page that was not synced nothing was found: S11. */
static void
a_kill_loses_no_block(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= BLOCK_COUNT; i++) {
		start_anew();
		killed_after(i);
		assert_int_equal(found(), i);
		assert_completes();
	}
}

static void
a_kill_after_each_block_loses_none(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BLOCK_COUNT; i++) {
		killed_after(1);
		assert_int_equal(found(), i + 1);
	}
	assert_completes();
}

static void
pages_are_kept_one_by_one(void **state)
{
	struct staging *staging = must_open();

	(void)state;
	assert_null(staging_root(staging));
	assert_int_equal(put_root(staging), 0);
	staging_close(staging);
	staging = must_open();
	assert_non_null(staging_root(staging));
	assert_int_equal(staging_page_count(staging), 0);
	assert_int_equal(put_pages(staging), 0);
	staging_close(staging);
	staging = must_open();
	assert_int_equal(staging_page_count(staging), PAGE_COUNT);
	staging_close(staging);
	assert_completes();
}

static void
one_writer_at_a_time(void **state)
{
	struct staging *staging = must_open();
	struct staging *other = NULL;

	(void)state;
	assert_int_equal(staging_open(PF_CWD, ".", image_root_digest(sample),
				      false, &other),
			 DSP_EBUSY);
	staging_close(staging);
	assert_completes();
}

static void
another_root_or_page_is_not_kept(void **state)
{
	struct staging *staging = must_open();
	const struct page_load *load = &loads[0];
	uint8_t digests[DIGEST_SIZE] = { 0 };
	struct buffer raw = { 0 };

	(void)state;
	assert_int_equal(buffer_add(&raw, image_root_raw(sample)->data,
				    image_root_raw(sample)->size),
			 0);
	raw.data[raw.size - 1] ^= 1;
	assert_int_equal(staging_set_root(staging, raw.data, raw.size, "", 0,
					  0),
			 DSP_ECORRUPT);
	buffer_release(&raw);
	assert_int_equal(put_root(staging), 0);
	assert_int_equal(staging_put_page(staging, load->raw.data,
					  load->raw.size, NULL, 0, digests),
			 DSP_ECORRUPT);
	load->raw.data[load->raw.size - 1] ^= 1;
	assert_int_equal(staging_put_page(staging, load->raw.data,
					  load->raw.size, NULL, 0,
					  publishers[0].bytes),
			 DSP_ECORRUPT);
	load->raw.data[load->raw.size - 1] ^= 1;
	assert_int_equal(staging_page_count(staging), 0);
	staging_close(staging);
	assert_completes();
}

/* Torn and lost. */

static void
a_journal_torn_in_its_last_row_loses_that_block(void **state)
{
	size_t size;

	(void)state;
	killed_after(3); /* the last row is the third block's */
	size = size_of("journal");
	for (size_t lost = 1; lost <= JOURNAL_ROW_SIZE; lost++) {
		start_anew();
		killed_after(3);
		cut("journal", size - lost);
		assert_int_equal(found(), 2);
		start_anew();
		killed_after(3);
		spoil("journal", size - lost, size - lost + 1);
		assert_int_equal(found(), 2);
		if (lost % 8 == 0)
			assert_completes();
	}
}

static void
a_journal_cut_anywhere_gives_the_image(void **state)
{
	size_t size;

	(void)state;
	killed_after(BLOCK_COUNT);
	size = size_of("journal");
	for (size_t at = 0; at <= size; at += 97) {
		start_anew();
		killed_after(BLOCK_COUNT);
		cut("journal", at);
		assert_completes();
		start_anew();
		killed_after(BLOCK_COUNT);
		if (at < size)
			spoil("journal", at, at + 1);
		assert_completes();
	}
}

/* Rows up to and with the last that says synced, and how far the image is. */
static size_t
synced_rows(uint64_t *ret_image_size)
{
	size_t size;
	uint8_t *rows = file_read(path_of("journal"), &size);
	size_t end = 0;

	*ret_image_size = 0;
	for (size_t at = 0; at + JOURNAL_ROW_SIZE <= size;
	     at += JOURNAL_ROW_SIZE) {
		if (le32_get(rows + at) != ROW_SYNCED)
			continue;
		end = at + JOURNAL_ROW_SIZE;
		*ret_image_size = le64_get(rows + at + 8);
	}
	free(rows);
	return end;
}

/* What a loss of power does to what was not synced. */
static void
lose_power(int how)
{
	uint64_t image_synced;
	size_t rows = synced_rows(&image_synced);

	switch (how) {
	case 0: /* dropped */
		cut("journal", rows);
		cut("image", image_synced);
		break;
	case 1: /* the rows are kept, the bytes are anything */
		spoil("image", image_synced, size_of("image"));
		break;
	case 2: /* the rows are kept, the bytes are gone */
		cut("image", image_synced);
		break;
	case 3: /* the bytes are kept, the rows are gone */
		cut("journal", rows);
		break;
	default: /* the rows are zeros */
		spoil("journal", rows, size_of("journal"));
		break;
	}
}

static void
a_loss_of_power_takes_no_more_than_was_not_synced(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= BLOCK_COUNT; i++) {
		for (int how = 0; how < 5; how++) {
			struct staging *staging;
			unsigned synced;

			start_anew();
			staging = must_open();
			assert_int_equal(go_on(staging, i), 0);
			synced = number_of(staging_synced(staging));
			staging_close(staging);
			lose_power(how);
			assert_in_range(found(), synced, i);
			assert_completes();
		}
	}
}

static void
an_image_that_lost_its_end_is_not_believed(void **state)
{
	(void)state;
	for (size_t size = 0; size < 3000; size += 97) {
		start_anew();
		killed_after(BLOCK_COUNT);
		if (size < size_of("image"))
			cut("image", size);
		assert_completes();
	}
	start_anew();
	killed_after(BLOCK_COUNT);
	assert_int_equal(unlink(path_of("image")), 0);
	assert_completes();
}

/* Its first bytes were never looked at again. */
static void
a_header_that_was_lost_is_written_again(void **state)
{
	(void)state;
	killed_after(3);
	spoil("image", 0, IMAGE_HEADER_SIZE);
	assert_completes();
}

/*
 * Nobody had told the sender of blocks whose pages were lost: the first block
 * that came was compared with another one.
 */
static void
blocks_without_their_pages_are_forgotten(void **state)
{
	static const char *const names[] = { "pages", "digests", "root" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (int how = 0; how < 3; how++) {
			start_anew();
			killed_after(5);
			if (how == 0)
				cut(names[i], 0);
			else if (how == 1)
				spoil(names[i], 20, 21);
			else
				assert_int_equal(unlink(path_of(names[i])), 0);
			assert_int_equal(found(), 0);
			assert_completes();
		}
	}
}

static void
a_root_that_has_grown_is_forgotten(void **state)
{
	(void)state;
	killed_after(5);
	cut("root", ROOT_SIZE_MAX + IMAGE_SIGNATURE_MAX + 1000);
	assert_completes();
}

/* S14: the page cache would have said that all is well. */
static void
what_could_not_be_synced_is_made_anew(void **state)
{
	unsigned tried = 0;

	(void)state;
	for (unsigned call = 1; call < 200; call++) {
		struct staging *staging;
		unsigned syncs;
		int err;

		start_anew();
		staging = must_open();
		assert_int_equal(go_on(staging, 0), 0);
		syncs = sync_count();
		pf_fault_set(call, DSP_EIO);
		err = put_blocks(staging, BLOCK_COUNT);
		staging_close(staging);
		if (!pf_fault_clear())
			break;
		/* Was it a sync of the image or the journal? */
		if (err < 0 && sync_count() > syncs &&
		    !path_exists(path_of("journal"))) {
			assert_int_equal(found(), 0);
			tried++;
		}
		assert_completes();
	}
	assert_true(tried >= 2);
}

/* Every single fault. */

static int
run(unsigned count)
{
	struct staging *staging = NULL;
	int err = staging_open(PF_CWD, ".", image_root_digest(sample), false,
			       &staging);

	if (err == 0)
		err = go_on(staging, count);
	if (err == 0 && count > BLOCK_COUNT)
		err = staging_finish(staging);
	staging_close(staging);
	return err;
}

static void
any_fault_leaves_what_the_next_run_completes(void **state)
{
	static const unsigned begun[] = { 0, 4 };
	unsigned fds = open_fd_count();

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int64_t start = now_ms() - SOONER_MS;
		bool fired = true;

		for (unsigned call = 1; fired; call = fault_next(call, start)) {
			int err;

			start_anew();
			if (begun[i] > 0)
				assert_int_equal(run(begun[i]), 0);
			pf_fault_set(call, DSP_EIO);
			err = run(BLOCK_COUNT + 1);
			fired = pf_fault_clear();
			assert_true(err == 0 || fired);
			assert_int_equal(open_fd_count(), fds);
			assert_completes();
		}
	}
}

static void
want_of_memory_leaves_what_the_next_run_completes(void **state)
{
	unsigned fds = open_fd_count();
	int64_t start = now_ms() - SOONER_MS;
	bool fired = true;

	(void)state;
	for (unsigned call = 1; fired; call = fault_next(call, start)) {
		int err;

		start_anew();
		assert_int_equal(run(4), 0);
		memory_fault_set(call);
		err = run(BLOCK_COUNT + 1);
		fired = memory_fault_clear();
		assert_int_equal(err, fired ? DSP_ENOMEM : 0);
		assert_int_equal(open_fd_count(), fds);
		assert_completes();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(an_image_that_was_staged_is_the_image),
		scratch_test(a_kill_loses_no_block),
		scratch_test(a_kill_after_each_block_loses_none),
		scratch_test(pages_are_kept_one_by_one),
		scratch_test(one_writer_at_a_time),
		scratch_test(another_root_or_page_is_not_kept),
		scratch_test(a_journal_torn_in_its_last_row_loses_that_block),
		scratch_test(a_journal_cut_anywhere_gives_the_image),
		scratch_test(a_loss_of_power_takes_no_more_than_was_not_synced),
		scratch_test(an_image_that_lost_its_end_is_not_believed),
		scratch_test(a_header_that_was_lost_is_written_again),
		scratch_test(blocks_without_their_pages_are_forgotten),
		scratch_test(a_root_that_has_grown_is_forgotten),
		scratch_test(what_could_not_be_synced_is_made_anew),
		scratch_test(any_fault_leaves_what_the_next_run_completes),
		scratch_test(want_of_memory_leaves_what_the_next_run_completes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
