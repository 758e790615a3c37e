/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/growing.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "core/store/staging_int.h"
#include "platform/pf_file.h"
#include "platform/pf_flock.h"
#include "platform/pf_poll.h"
#include "platform/pf_process.h"

#define NS_PER_S INT64_C(1000000000)

enum {
	LOOK_MS = 4,
	ALONE_MS = 1000 /* that nobody may hold the lock: it is being opened */
};

struct growing {
	char *shown;
	int dir, pages, digests, deltas, journal;
	unsigned timeout_s;
	struct root root;
	uint64_t *page_offsets; /* in `pages`, of those found so far */
	uint32_t page_count;	/* found so far */

	/* Where in the journal we are: this block comes next. */
	uint64_t row;
	struct block_index next;
};

/* Has nobody the lock?  Then nothing more will come. */
static bool
is_alone(const struct growing *growing)
{
	int fd = -1;
	bool is_free = pf_open_read_at(growing->dir, "lock", &fd) < 0 ||
		       pf_flock_shared(fd) == 0;

	pf_close(fd);
	return is_free;
}

/* Wait a moment for more; how long is it since something came? */
static int
wait_for_more(const struct growing *growing, int64_t since)
{
	int64_t waited = pf_now_monotonic() - since;
	bool ignored;
	int err;

	if (pf_interrupted())
		return report_error(DSP_ECANCELED, growing->shown, "waiting");
	if (waited > ALONE_MS * (NS_PER_S / 1000) && is_alone(growing))
		return report_error(DSP_ECLOSED, growing->shown,
				    "it is not received any more");
	if (growing->timeout_s > 0 &&
	    waited > (int64_t)growing->timeout_s * NS_PER_S)
		return report_error(DSP_ESTALLED, growing->shown,
				    "nothing came for %u s",
				    growing->timeout_s);
	err = pf_poll(-1, -1, LOOK_MS, &ignored, &ignored);
	return err < 0 ? report_error(err, growing->shown, "waiting") : 0;
}

/* Read exactly these bytes, when they are there. */
static int
read_when_there(const struct growing *growing, int fd, void *data, size_t size,
		uint64_t offset)
{
	int64_t since = pf_now_monotonic();

	for (;;) {
		size_t got = 0;
		int err = pf_read_at(fd, data, size, offset, &got);

		if (err < 0)
			return report_error(err, growing->shown, "reading");
		if (got == size)
			return 0;
		err = wait_for_more(growing, since);
		if (err < 0)
			return err;
	}
}

/* Find where the page at index begins, page after page. */
static int
find_page(struct growing *growing, uint32_t index, uint32_t *ret_size)
{
	uint8_t bytes[4];
	int err = 0;

	for (;;) {
		uint32_t at = growing->page_count < index ? growing->page_count
							  : index;

		err = read_when_there(growing, growing->pages, bytes,
				      sizeof bytes, growing->page_offsets[at]);
		if (err < 0)
			return err;
		*ret_size = le32_get(bytes);
		if (*ret_size > frame_size_max(PAGE_SIZE_MAX))
			return report_error(DSP_ECORRUPT, growing->shown,
					    "a page");
		if (growing->page_count <= at) {
			growing->page_count = at + 1;
			growing->page_offsets[at + 1] =
				growing->page_offsets[at] + sizeof bytes +
				*ret_size;
		}
		if (at == index)
			return 0;
	}
}

static int
load_page(void *context, uint32_t index, struct buffer *stored)
{
	struct growing *growing = context;
	uint32_t size = 0;
	int err = find_page(growing, index, &size);

	if (err < 0)
		return err;
	stored->size = 0;
	if (buffer_reserve(stored, size + 1) < 0)
		return report_error(DSP_ENOMEM, growing->shown, "a page");
	stored->size = size;
	return read_when_there(growing, growing->pages, stored->data, size,
			       growing->page_offsets[index] + 4);
}

static int
load_digests(void *context, uint32_t index, struct buffer *digests)
{
	struct growing *growing = context;
	size_t size =
		(size_t)growing->root.pages[index].block_count * DIGEST_SIZE;
	uint64_t offset = 0;

	for (uint32_t i = 0; i < index; i++)
		offset += (uint64_t)growing->root.pages[i].block_count *
			  DIGEST_SIZE;
	digests->size = 0;
	if (buffer_reserve(digests, size + 1) < 0)
		return report_error(DSP_ENOMEM, growing->shown, "a page");
	digests->size = size;
	return read_when_there(growing, growing->digests, digests->data, size,
			       offset);
}

/* The next row, which must hold: what is being written is waited for. */
static int
read_row(struct growing *growing, uint8_t row[JOURNAL_ROW_SIZE])
{
	int64_t since = pf_now_monotonic();
	uint8_t check[8];

	for (;;) {
		int err = read_when_there(growing, growing->journal, row,
					  JOURNAL_ROW_SIZE,
					  growing->row * JOURNAL_ROW_SIZE);

		if (err < 0)
			return err;
		journal_put_check(growing->row, row, check);
		if (memcmp(check, row + ROW_CHECK, sizeof check) == 0)
			break;
		err = wait_for_more(growing, since);
		if (err < 0)
			return err;
	}
	growing->row++;
	return 0;
}

static int
next_frame(void *context, uint32_t page, uint32_t block,
	   struct frame_ref *ret_frame)
{
	struct growing *growing = context;
	struct block_index wanted = { page, block };
	uint8_t row[JOURNAL_ROW_SIZE];

	if (block_index_compare(wanted, growing->next) < 0) {
		growing->row = 0;
		growing->next = (struct block_index){ 0, 0 };
	}
	ret_frame->delta_size = 0;
	for (;;) {
		uint32_t size;
		int err = read_row(growing, row);

		if (err < 0)
			return err;
		if (le32_get(row) == ROW_DELTA) {
			ret_frame->delta_size = le32_get(row + 4);
			ret_frame->delta_ranges_size = le32_get(row + 48);
			ret_frame->delta_offset = le64_get(row + 8);
			memcpy(ret_frame->delta_base.bytes, row + 16,
			       DIGEST_SIZE);
		}
		if (le32_get(row) == ROW_PAGE)
			growing->next =
				(struct block_index){ growing->next.page + 1,
						      0 };
		if (le32_get(row) != ROW_FRAME)
			continue;
		growing->next.block++;
		if (growing->next.page != page ||
		    growing->next.block != block + 1) {
			ret_frame->delta_size = 0;
			continue;
		}
		size = le32_get(row + 4);
		ret_frame->offset = le64_get(row + 8);
		ret_frame->size = size & ~IMAGE_FRAME_LOCAL;
		ret_frame->is_local = (size & IMAGE_FRAME_LOCAL) != 0;
		memcpy(ret_frame->publisher.bytes, row + 16, DIGEST_SIZE);
		memcpy(ret_frame->stored.bytes,
		       row + (ret_frame->is_local ? 48 : 16), DIGEST_SIZE);
		return 0;
	}
}

static int
read_delta(void *context, const struct frame_ref *frame, void *data)
{
	struct growing *growing = context;

	return read_when_there(growing, growing->deltas, data,
			       frame->delta_size, frame->delta_offset);
}

static void
close_growing(void *context)
{
	struct growing *growing = context;

	if (growing == NULL)
		return;
	pf_close(growing->pages);
	pf_close(growing->digests);
	pf_close(growing->deltas);
	pf_close(growing->journal);
	pf_close(growing->dir);
	root_release(&growing->root);
	free(growing->page_offsets);
	free(growing->shown);
	free(growing);
}

static int
open_files(struct growing *growing, int dir, const char *name, int *ret_image)
{
	int err = pf_open_dir_at(dir, name, &growing->dir);

	if (err == 0)
		err = pf_open_read_at(growing->dir, "pages", &growing->pages);
	if (err == 0)
		err = pf_open_read_at(growing->dir, "digests",
				      &growing->digests);
	if (err == 0)
		err = pf_open_read_at(growing->dir, "deltas", &growing->deltas);
	if (err == 0)
		err = pf_open_read_at(growing->dir, "journal",
				      &growing->journal);
	if (err == 0)
		err = pf_open_read_at(growing->dir, "image", ret_image);
	return err;
}

/* The root as staging has written it. */
static int
read_root(struct growing *growing, struct buffer *root,
	  struct buffer *signature, uint64_t *ret_size)
{
	struct buffer file = { 0 };
	struct staged_root staged;
	int err = staging_read_root(growing->dir, &file, &staged);

	if (err == 0) {
		*ret_size = staged.image_size;
		err = buffer_add(root, staged.raw, staged.size);
	}
	if (err == 0)
		err = buffer_add(signature, staged.signature,
				 staged.signature_size);
	if (err == 0)
		err = root_decode(staged.raw, staged.size, &growing->root);
	buffer_release(&file);
	return err;
}

int
growing_open(int dir, const char *name, const char *shown, unsigned timeout_s,
	     struct image **ret_image)
{
	struct growing *growing = calloc(1, sizeof *growing);
	struct image_feed feed = { .context = growing,
				   .load_page = load_page,
				   .load_digests = load_digests,
				   .next_frame = next_frame,
				   .read_delta = read_delta,
				   .close = close_growing };
	struct buffer root = { 0 }, signature = { 0 };
	size_t name_size = strlen(shown) + 1;
	uint64_t size = 0;
	int fd = -1;
	int err = DSP_ENOMEM;

	if (growing == NULL)
		return err;
	growing->dir = growing->pages = growing->digests = -1;
	growing->deltas = growing->journal = -1;
	growing->timeout_s = timeout_s;
	growing->shown = malloc(name_size);
	if (growing->shown == NULL)
		goto out;
	memcpy(growing->shown, shown, name_size);
	err = open_files(growing, dir, name, &fd);
	if (err == 0)
		err = read_root(growing, &root, &signature, &size);
	if (err == 0) {
		growing->page_offsets = calloc(growing->root.page_count + 1,
					       sizeof *growing->page_offsets);
		if (growing->page_offsets == NULL)
			err = DSP_ENOMEM;
	}
	if (err < 0)
		goto out;
	err = image_open_feed(fd, shown, &root, &signature, size, &feed,
			      ret_image);
	fd = -1;
	if (err == 0)
		growing = NULL;
out:
	buffer_release(&root);
	buffer_release(&signature);
	pf_close(fd);
	close_growing(growing);
	return err;
}
