/* SPDX-License-Identifier: Apache-2.0 */
#include "core/store/staging_int.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/base/report.h"
#include "core/chunk/frame.h"
#include "core/image/image.h"
#include "core/tree/remove.h"
#include "platform/pf_file.h"
#include "platform/pf_flock.h"
#include "platform/pf_process.h"
#include "platform/pf_sync.h"

enum { ROWS_AT_ONCE = 512 };

struct staging {
	const char *shown;
	struct digest digest;
	char name[DIGEST_HEX_SIZE + sizeof PARTIAL_SUFFIX];
	int parent, dir, lock;
	int pages, digests, deltas, journal;
	uint64_t deltas_size;

	struct buffer root_raw, signature;
	struct root root;
	bool has_root;
	uint64_t image_size; /* as it was offered */

	uint32_t page_count;	 /* that are there */
	uint64_t *page_offsets;	 /* in `pages`, and the end */
	uint64_t *digest_starts; /* in `digests`, in digests, and the end */

	struct image_out out;
	uint64_t row_count; /* of the journal */
	struct block_index next, synced;
	uint64_t unsynced; /* bytes of the image */
	bool can_go_on;	   /* all pages were there when it was opened */
	bool is_kept;	   /* root, pages and digests were synced */

	/* The page that `next` is in. */
	uint32_t loaded; /* UINT32_MAX: none */
	struct page_load load;
	struct buffer load_digests;

	struct frame_encoder *encoder; /* of pages */
	struct frame_decoder *decoder;
	struct buffer frame;
};

static int
fail(const struct staging *staging, int err, const char *what)
{
	return report_error(err, staging->shown, "staging %.8s: %s",
			    staging->name, what);
}

/* Read a file below the directory into *ret; absent: nothing. */
static int
read_file(int dir, const char *name, size_t size_max, struct buffer *ret)
{
	struct pf_stat stat;
	int fd = -1;
	int err = pf_open_read_at(dir, name, &fd);

	if (err == DSP_ENOENT)
		return 0;
	if (err == 0)
		err = pf_stat_fd(fd, &stat);
	if (err == 0 && stat.size > size_max)
		err = DSP_ELIMIT;
	if (err == 0)
		err = buffer_reserve(ret, (size_t)stat.size + 1);
	if (err == 0)
		err = pf_read_at(fd, ret->data, (size_t)stat.size, 0,
				 &ret->size);
	pf_close(fd);
	return err;
}

/* Take the root from bytes; is it the one that the directory is for? */
static int
take_root(struct staging *staging, const void *raw, size_t size,
	  const void *signature, size_t signature_size)
{
	struct digest digest;
	uint64_t total = 0;
	int err = 0;

	digest_of(raw, size, &digest);
	if (!digest_equal(&digest, &staging->digest))
		return DSP_ECORRUPT;
	err = root_decode(raw, size, &staging->root);
	if (err < 0)
		return err;
	staging->root_raw.size = staging->signature.size = 0;
	err |= buffer_add(&staging->root_raw, raw, size);
	err |= buffer_add(&staging->signature, signature, signature_size);
	staging->page_offsets = calloc(staging->root.page_count + 1,
				       sizeof *staging->page_offsets);
	staging->digest_starts = calloc(staging->root.page_count + 1,
					sizeof *staging->digest_starts);
	if (err != 0 || staging->page_offsets == NULL ||
	    staging->digest_starts == NULL)
		return DSP_ENOMEM;
	for (uint32_t i = 0; i < staging->root.page_count; i++) {
		staging->digest_starts[i] = total;
		total += staging->root.pages[i].block_count;
	}
	staging->digest_starts[staging->root.page_count] = total;
	staging->has_root = true;
	return 0;
}

int
staging_read_root(int dir, struct buffer *file, struct staged_root *ret_root)
{
	struct digest check;
	size_t rest;
	int err = read_file(dir, "root",
			    STAGING_ROOT_HEADER_SIZE + ROOT_SIZE_MAX +
				    IMAGE_SIGNATURE_MAX + DIGEST_SIZE,
			    file);

	if (err == DSP_EIO || err == DSP_ENOMEM)
		return err;
	if (err < 0 || file->size < STAGING_ROOT_HEADER_SIZE + DIGEST_SIZE)
		return DSP_ENOENT;
	rest = file->size - DIGEST_SIZE;
	digest_of(file->data, rest, &check);
	if (memcmp(check.bytes, file->data + rest, DIGEST_SIZE) != 0)
		return DSP_ENOENT;
	rest -= STAGING_ROOT_HEADER_SIZE;
	ret_root->size = le32_get(file->data);
	ret_root->image_size = le64_get(file->data + 8);
	ret_root->raw = file->data + STAGING_ROOT_HEADER_SIZE;
	if (ret_root->size > rest ||
	    rest - ret_root->size > IMAGE_SIGNATURE_MAX)
		return DSP_ENOENT;
	ret_root->signature = ret_root->raw + ret_root->size;
	ret_root->signature_size = rest - ret_root->size;
	return 0;
}

/* The root as it was kept, if it was; one that is damaged is forgotten. */
static int
restore_root(struct staging *staging)
{
	struct buffer file = { 0 };
	struct staged_root root;
	int err = staging_read_root(staging->dir, &file, &root);

	if (err == 0) {
		staging->image_size = root.image_size;
		err = take_root(staging, root.raw, root.size, root.signature,
				root.signature_size);
	}
	buffer_release(&file);
	return err == DSP_EIO || err == DSP_ENOMEM ? err : 0;
}

/* Write root and signature, in place of what was kept. */
static int
write_root(struct staging *staging)
{
	struct buffer *file = &staging->frame;
	struct digest check;
	int fd = -1;
	int err = 0;

	file->size = 0;
	err |= buffer_add_le32(file, (uint32_t)staging->root_raw.size);
	err |= buffer_add_le32(file, 0);
	err |= buffer_add_le64(file, staging->image_size);
	err |= buffer_add(file, staging->root_raw.data, staging->root_raw.size);
	err |= buffer_add(file, staging->signature.data,
			  staging->signature.size);
	digest_of(file->data, file->size, &check);
	err |= buffer_add(file, check.bytes, sizeof check.bytes);
	err = err != 0 ? DSP_ENOMEM : 0;
	(void)pf_unlink_at(staging->dir, "root.new");
	if (err == 0)
		err = pf_create_at(staging->dir, "root.new", 0600, &fd);
	if (err == 0)
		err = pf_write(fd, file->data, file->size);
	if (err == 0) {
		err = pf_close_checked(fd);
		fd = -1;
	}
	pf_close(fd);
	if (err == 0) /* others look at it */
		err = pf_rename_at(staging->dir, "root.new", staging->dir,
				   "root");
	return err < 0 ? fail(staging, err, "keeping the root") : 0;
}

int
staging_set_root(struct staging *staging, const void *raw, size_t size,
		 const void *signature, size_t signature_size,
		 uint64_t image_size)
{
	int err;

	assert(!staging->has_root && signature_size <= IMAGE_SIGNATURE_MAX);
	err = take_root(staging, raw, size, signature, signature_size);
	staging->image_size = image_size;
	return err < 0 ? fail(staging, err, "the root") : write_root(staging);
}

int
staging_set_signature(struct staging *staging, const void *signature,
		      size_t size, uint64_t image_size)
{
	struct buffer *kept = &staging->signature;

	assert(staging->has_root && size <= IMAGE_SIGNATURE_MAX);
	if (kept->size == size &&
	    (size == 0 || memcmp(kept->data, signature, size) == 0))
		return 0;
	staging->image_size = image_size;
	kept->size = 0;
	if (buffer_add(kept, signature, size) < 0)
		return fail(staging, DSP_ENOMEM, "keeping the root");
	return write_root(staging);
}

/* Pages. */

static int
read_exactly(int fd, void *data, size_t size, uint64_t offset)
{
	size_t got;
	int err = pf_read_at(fd, data, size, offset, &got);

	return err == 0 && got < size ? DSP_ETRUNCATED : err;
}

/* Room for exactly size bytes, which are then in use. */
static int
set_size(struct buffer *buffer, size_t size)
{
	int err;

	buffer->size = 0;
	err = buffer_reserve(buffer, size + 1);
	if (err == 0)
		buffer->size = size;
	return err;
}

/* Are these what the root says of the page? */
static int
check_page(const struct staging *staging, uint32_t index, const void *raw,
	   const uint8_t *digests, struct page *ret_page)
{
	const struct root_page *expected = &staging->root.pages[index];
	struct digest digest;
	int err;

	digest_of(raw, expected->raw_size, &digest);
	if (!digest_equal(&digest, &expected->digest))
		return DSP_ECORRUPT;
	digest_of(digests, (size_t)expected->block_count * DIGEST_SIZE,
		  &digest);
	if (!digest_equal(&digest, &expected->frames))
		return DSP_ECORRUPT;
	err = page_parse(raw, expected->raw_size, ret_page);
	if (err == 0 && ret_page->block_count != expected->block_count)
		err = DSP_ECORRUPT;
	for (uint32_t i = 0; err == 0 && i < ret_page->block_count; i++) {
		uint32_t size = page_block(ret_page, i).raw_size;

		if (size == 0 || size > staging->root.rule.max)
			err = DSP_ECORRUPT;
	}
	return err;
}

/* Load the page that stands at its offset in `pages`; *ret_end is behind it. */
static int
load_page(struct staging *staging, uint32_t index, uint64_t *ret_end)
{
	const struct root_page *expected = &staging->root.pages[index];
	uint64_t offset = staging->page_offsets[index];
	struct page_load *load = &staging->load;
	uint8_t bytes[4];
	uint32_t size;
	int err = read_exactly(staging->pages, bytes, sizeof bytes, offset);

	staging->loaded = UINT32_MAX;
	if (err < 0)
		return err;
	size = le32_get(bytes);
	if (size > frame_size_max(expected->raw_size))
		return DSP_ECORRUPT;
	err = set_size(&load->stored, size);
	if (err == 0)
		err = read_exactly(staging->pages, load->stored.data, size,
				   offset + sizeof bytes);
	if (err == 0)
		err = set_size(&load->raw, expected->raw_size);
	if (err == 0)
		err = frame_decode(staging->decoder, load->stored.data, size,
				   NULL, 0, load->raw.data, load->raw.size);
	if (err == 0)
		err = set_size(&staging->load_digests,
			       (size_t)expected->block_count * DIGEST_SIZE);
	if (err == 0)
		err = read_exactly(staging->digests, staging->load_digests.data,
				   staging->load_digests.size,
				   staging->digest_starts[index] * DIGEST_SIZE);
	if (err == 0)
		err = check_page(staging, index, load->raw.data,
				 staging->load_digests.data, &load->page);
	if (err < 0)
		return err;
	staging->loaded = index;
	*ret_end = offset + sizeof bytes + size;
	return 0;
}

/* How many of the pages that were kept are good? */
static int
restore_pages(struct staging *staging)
{
	int err;

	while (staging->page_count < staging->root.page_count) {
		uint64_t end = 0;

		err = load_page(staging, staging->page_count, &end);
		if (err == DSP_ENOMEM)
			return err;
		if (err < 0)
			break;
		staging->page_offsets[++staging->page_count] = end;
	}

	/* Who reads while it grows finds nothing behind what is good. */
	err = pf_set_size(staging->pages,
			  staging->page_offsets[staging->page_count]);
	if (err == 0)
		err = pf_set_size(staging->digests,
				  staging->digest_starts[staging->page_count] *
					  DIGEST_SIZE);
	return err;
}

int
staging_load_page(struct staging *staging, uint32_t index,
		  const struct page **ret_page, const uint8_t **ret_digests)
{
	uint64_t end;
	int err = 0;

	assert(index < staging->page_count);
	if (staging->loaded != index)
		err = load_page(staging, index, &end);
	if (err < 0)
		return fail(staging, err, "reading a page");
	*ret_page = &staging->load.page;
	*ret_digests = staging->load_digests.data;
	return 0;
}

int
staging_put_page(struct staging *staging, const void *raw, size_t size,
		 const void *stored, size_t stored_size, const uint8_t *digests)
{
	uint32_t index = staging->page_count;
	uint64_t offset = staging->page_offsets[index];
	struct page page;
	uint8_t bytes[4];
	int err;

	assert(index < staging->root.page_count);
	assert(size == staging->root.pages[index].raw_size);
	err = check_page(staging, index, raw, digests, &page);
	if (err == 0 && stored == NULL) {
		err = set_size(&staging->frame, frame_size_max(size));
		if (err == 0)
			err = frame_encode(staging->encoder, raw, size, NULL, 0,
					   staging->frame.data,
					   staging->frame.size, &stored_size);
		stored = staging->frame.data;
	}
	if (err < 0)
		return fail(staging, err, "a page");
	le32_put(bytes, (uint32_t)stored_size);
	err = pf_write_at(staging->pages, bytes, sizeof bytes, offset);
	if (err == 0)
		err = pf_write_at(staging->pages, stored, stored_size,
				  offset + sizeof bytes);
	if (err == 0)
		err = pf_write_at(staging->digests, digests,
				  (size_t)page.block_count * DIGEST_SIZE,
				  staging->digest_starts[index] * DIGEST_SIZE);
	if (err < 0)
		return fail(staging, err, "keeping a page");
	staging->page_offsets[index + 1] = offset + sizeof bytes + stored_size;
	staging->page_count++;
	return 0;
}

/* The journal. */

void
journal_put_check(uint64_t number, const uint8_t *row, uint8_t check[8])
{
	uint8_t bytes[8 + ROW_CHECK];
	struct digest digest;

	le64_put(bytes, number);
	memcpy(bytes + 8, row, ROW_CHECK);
	digest_of(bytes, sizeof bytes, &digest);
	memcpy(check, digest.bytes, 8);
}

static int
add_row(struct staging *staging, uint8_t row[JOURNAL_ROW_SIZE])
{
	uint64_t number = staging->row_count;
	int err;

	journal_put_check(number, row, row + ROW_CHECK);
	err = pf_write_at(staging->journal, row, JOURNAL_ROW_SIZE,
			  number * JOURNAL_ROW_SIZE);
	if (err == 0)
		staging->row_count++;
	return err;
}

static int
add_frame_row(struct staging *staging, const struct stored_frame *frame,
	      uint64_t offset)
{
	uint8_t row[JOURNAL_ROW_SIZE] = { 0 };

	le32_put(row, ROW_FRAME);
	le32_put(row + 4,
		 frame->size | (frame->is_local ? IMAGE_FRAME_LOCAL : 0));
	le64_put(row + 8, offset);
	memcpy(row + 16, frame->publisher.bytes, DIGEST_SIZE);
	if (frame->is_local)
		memcpy(row + 48, frame->local.bytes, DIGEST_SIZE);
	return add_row(staging, row);
}

static int
add_page_row(struct staging *staging, uint64_t offset)
{
	const struct buffer *stored = &staging->load.stored;
	uint8_t row[JOURNAL_ROW_SIZE] = { 0 };
	struct digest digest;

	digest_of(stored->data, stored->size, &digest);
	le32_put(row, ROW_PAGE);
	le32_put(row + 4, (uint32_t)stored->size);
	le64_put(row + 8, offset);
	memcpy(row + 16, digest.bytes, DIGEST_SIZE);
	return add_row(staging, row);
}

/* What says where the blocks belong is there after a loss of power, too. */
static int
sync_metadata(struct staging *staging)
{
	int fd = -1;
	int err = staging->is_kept ? 0 : pf_sync(staging->pages);

	if (err < 0 || staging->is_kept)
		return err;
	err = pf_sync(staging->digests);
	if (err == 0)
		err = pf_open_read_at(staging->dir, "root", &fd);
	if (err == 0)
		err = pf_sync(fd);
	pf_close(fd);
	if (err == 0)
		err = pf_sync(staging->dir);
	if (err == 0)
		err = pf_sync(staging->parent);
	staging->is_kept = err == 0;
	return err;
}

/* S14: a file that could not be synced is made anew, by the next process. */
static int
sync_or_forget(struct staging *staging, int fd)
{
	int err = pf_sync(fd);

	if (err < 0) {
		(void)pf_unlink_at(staging->dir, "journal");
		(void)pf_unlink_at(staging->dir, "image");
	}
	return err;
}

/* Sync the image, and note how far it is. */
static int
sync_image(struct staging *staging)
{
	uint8_t row[JOURNAL_ROW_SIZE] = { 0 };
	int err = sync_metadata(staging);

	if (err == 0)
		err = sync_or_forget(staging, staging->out.fd);
	if (err < 0)
		return err;
	le32_put(row, ROW_SYNCED);
	le64_put(row + 8, staging->out.offset);
	err = add_row(staging, row);
	if (err == 0)
		err = sync_or_forget(staging, staging->journal);
	staging->unsynced = 0;
	staging->synced = staging->next;
	return err;
}

/* Which rows are about bytes that must be looked at again? */
struct replay {
	uint64_t synced; /* bytes of the image that are safe */
	bool is_over;
};

/* Are the bytes at offset those with this digest? */
static int
holds(struct staging *staging, uint64_t offset, uint32_t size,
      const uint8_t *digest, bool *ret_holds)
{
	struct digest found;
	int err = set_size(&staging->frame, size);

	*ret_holds = false;
	if (err == 0)
		err = read_exactly(staging->out.fd, staging->frame.data, size,
				   offset);
	if (err == DSP_ETRUNCATED)
		return 0;
	if (err < 0)
		return err;
	digest_of(staging->frame.data, size, &found);
	*ret_holds = memcmp(found.bytes, digest, DIGEST_SIZE) == 0;
	return 0;
}

static int
replay_frame(struct staging *staging, const uint8_t *row, struct replay *replay)
{
	const struct root_page *page;
	uint32_t size = le32_get(row + 4);
	struct stored_frame frame = {
		.size = size & ~IMAGE_FRAME_LOCAL,
		.is_local = (size & IMAGE_FRAME_LOCAL) != 0,
	};
	bool is_good = true;
	int err = 0;

	memcpy(frame.publisher.bytes, row + 16, DIGEST_SIZE);
	memcpy(frame.local.bytes, row + 48, DIGEST_SIZE);
	page = staging->next.page < staging->root.page_count
		       ? &staging->root.pages[staging->next.page]
		       : NULL;
	if (page == NULL || staging->next.block >= page->block_count ||
	    frame.size > frame_size_max(staging->root.rule.max))
		is_good = false;
	else if (frame.size > 0 &&
		 staging->out.offset + frame.size > replay->synced)
		err = holds(staging, staging->out.offset, frame.size,
			    row + (frame.is_local ? 48 : 16), &is_good);
	replay->is_over = !is_good;
	if (err < 0 || !is_good)
		return err;
	staging->out.offset += frame.size;
	staging->next.block++;
	return image_out_row(&staging->out, &frame);
}

/* What was not synced is simply written again. */
static int
rewrite_page(struct staging *staging, const uint8_t *row, struct replay *replay)
{
	const struct buffer *stored = &staging->load.stored;
	struct digest digest;
	uint64_t end;
	int err = load_page(staging, staging->next.page, &end);

	if (err < 0)
		return err;
	digest_of(stored->data, stored->size, &digest);
	if (stored->size != le32_get(row + 4) ||
	    memcmp(digest.bytes, row + 16, DIGEST_SIZE) != 0) {
		replay->is_over = true;
		return 0;
	}
	err = image_out_page(&staging->out, stored->data, stored->size);
	staging->next = (struct block_index){ staging->next.page + 1, 0 };
	return err;
}

static int
replay_page(struct staging *staging, const uint8_t *row, struct replay *replay)
{
	uint64_t part = IMAGE_SKIP_SIZE + le32_get(row + 4);
	uint64_t end = staging->out.offset + part + IMAGE_SKIP_SIZE +
		       staging->out.table.size + staging->out.local.size;
	struct digest digest;
	int err;

	if (staging->next.page >= staging->root.page_count ||
	    staging->next.block !=
		    staging->root.pages[staging->next.page].block_count) {
		replay->is_over = true;
		return 0;
	}
	if (end > replay->synced)
		return rewrite_page(staging, row, replay);
	memcpy(digest.bytes, row + 16, DIGEST_SIZE);
	err = image_out_skip_page(&staging->out, le32_get(row + 4), &digest);
	staging->next = (struct block_index){ staging->next.page + 1, 0 };
	return err;
}

/* Take one row of the journal into account, unless it does not hold. */
static int
replay_row(struct staging *staging, const uint8_t *row, struct replay *replay)
{
	uint8_t check[8];
	int err = 0;

	journal_put_check(staging->row_count, row, check);
	if (memcmp(check, row + ROW_CHECK, 8) != 0) {
		replay->is_over = true;
		return 0;
	}
	if (le32_get(row) == ROW_DELTA) /* of no use to us */
		staging->deltas_size = le64_get(row + 8) + le32_get(row + 4);
	else if (le32_get(row) != ROW_SYNCED &&
		 le64_get(row + 8) != staging->out.offset) {
		replay->is_over = true;
		return 0;
	}
	if (le32_get(row) == ROW_FRAME)
		err = replay_frame(staging, row, replay);
	else if (le32_get(row) == ROW_PAGE)
		err = replay_page(staging, row, replay);
	if (err == 0 && !replay->is_over)
		staging->row_count++;
	return err;
}

/* The last row that says how far the image was synced. */
static void
find_synced(const uint8_t *rows, size_t count, uint64_t first,
	    struct replay *replay)
{
	uint8_t check[8];

	for (size_t i = 0; i < count && !replay->is_over; i++) {
		const uint8_t *row = rows + i * JOURNAL_ROW_SIZE;

		journal_put_check(first + i, row, check);
		replay->is_over = memcmp(check, row + ROW_CHECK, 8) != 0;
		if (!replay->is_over && le32_get(row) == ROW_SYNCED)
			replay->synced = le64_get(row + 8);
	}
}

/* Go through the journal twice: how far was it synced, and what is there? */
static int
replay_journal(struct staging *staging, uint64_t image_size)
{
	struct replay replay = { 0 };
	uint8_t *rows = malloc((size_t)ROWS_AT_ONCE * JOURNAL_ROW_SIZE);
	int err = rows != NULL ? 0 : DSP_ENOMEM;

	for (int pass = 0; err == 0 && pass < 2; pass++) {
		uint64_t number = 0;
		size_t got, count = ROWS_AT_ONCE;

		replay.is_over = false;
		while (err == 0 && count == ROWS_AT_ONCE && !replay.is_over) {
			err = pf_read_at(staging->journal, rows,
					 (size_t)ROWS_AT_ONCE *
						 JOURNAL_ROW_SIZE,
					 number * JOURNAL_ROW_SIZE, &got);
			count = got / JOURNAL_ROW_SIZE;
			if (err == 0 && pass == 0)
				find_synced(rows, count, number, &replay);
			for (size_t i = 0; err == 0 && pass == 1 && i < count &&
					   !replay.is_over;
			     i++)
				err = replay_row(staging,
						 rows + i * JOURNAL_ROW_SIZE,
						 &replay);
			number += count;
		}
		/* An image that has lost its end has kept nothing for sure. */
		if (replay.synced > image_size)
			replay.synced = 0;
	}
	free(rows);
	if (staging->row_count > 0 && staging->out.offset > replay.synced)
		staging->unsynced = staging->out.offset - replay.synced;
	return err;
}

/* Opening. */

static int
open_files(struct staging *staging)
{
	int err = pf_mkdir_at(staging->parent, staging->name, 0700);

	if (err == DSP_EEXIST)
		err = 0;
	if (err == 0)
		err = pf_open_dir_at(staging->parent, staging->name,
				     &staging->dir);
	if (err == 0)
		err = pf_open_or_create_at(staging->dir, "lock", 0600,
					   &staging->lock);
	if (err == 0)
		err = pf_flock_exclusive(staging->lock);
	if (err == 0)
		err = pf_open_or_create_at(staging->dir, "pages", 0600,
					   &staging->pages);
	if (err == 0)
		err = pf_open_or_create_at(staging->dir, "digests", 0600,
					   &staging->digests);
	if (err == 0)
		err = pf_open_or_create_at(staging->dir, "deltas", 0600,
					   &staging->deltas);
	if (err == 0)
		err = pf_open_or_create_at(staging->dir, "journal", 0600,
					   &staging->journal);
	if (err == 0)
		err = pf_open_or_create_at(staging->dir, "image",
					   0666 & ~pf_umask(),
					   &staging->out.fd);
	return err;
}

int
staging_open(int dir, const char *shown, const struct digest *root,
	     bool is_partial, struct staging **ret_staging)
{
	struct staging *staging = calloc(1, sizeof *staging);
	int err = DSP_ENOMEM;

	if (staging == NULL)
		return report_error(err, shown, "staging");
	staging->shown = shown;
	staging->digest = *root;
	staging->parent = dir;
	staging->dir = staging->lock = staging->pages = -1;
	staging->digests = staging->deltas = staging->journal = -1;
	staging->out.fd = -1;
	staging->out.kind = IMAGE_WITH_BLOCKS;
	staging->out.is_placed = true;
	staging->loaded = UINT32_MAX;
	digest_to_hex(root, staging->name);
	if (is_partial)
		memcpy(staging->name + DIGEST_HEX_SIZE - 1, PARTIAL_SUFFIX,
		       sizeof PARTIAL_SUFFIX);
	staging->encoder = frame_encoder_new(IMAGE_PAGE_LEVEL);
	staging->decoder = frame_decoder_new();
	if (staging->encoder != NULL && staging->decoder != NULL)
		err = open_files(staging);
	if (err == 0)
		err = restore_root(staging);
	if (err == 0 && staging->has_root)
		err = restore_pages(staging);
	staging->can_go_on = staging->has_root &&
			     staging->page_count == staging->root.page_count;
	if (err < 0) {
		fail(staging, err, "opening");
		staging_close(staging);
		return err;
	}
	*ret_staging = staging;
	return 0;
}

void
staging_close(struct staging *staging)
{
	if (staging == NULL)
		return;
	pf_close(staging->pages);
	pf_close(staging->digests);
	pf_close(staging->deltas);
	pf_close(staging->journal);
	pf_close(staging->out.fd);
	pf_close(staging->lock);
	pf_close(staging->dir);
	image_out_release(&staging->out);
	buffer_release(&staging->root_raw);
	buffer_release(&staging->signature);
	root_release(&staging->root);
	free(staging->page_offsets);
	free(staging->digest_starts);
	page_load_release(&staging->load);
	buffer_release(&staging->load_digests);
	buffer_release(&staging->frame);
	frame_encoder_free(staging->encoder);
	frame_decoder_free(staging->decoder);
	free(staging);
}

const struct root *
staging_root(const struct staging *staging)
{
	return staging->has_root ? &staging->root : NULL;
}

const struct buffer *
staging_root_raw(const struct staging *staging)
{
	return &staging->root_raw;
}

const struct buffer *
staging_signature(const struct staging *staging)
{
	return &staging->signature;
}

uint32_t
staging_page_count(const struct staging *staging)
{
	return staging->page_count;
}

/* Blocks. */

/* Where `next` is at the end of a page, write the page and go on. */
static int
pass_pages(struct staging *staging)
{
	const struct root *root = &staging->root;
	uint64_t end;
	int err = 0;

	while (err == 0 && staging->next.page < root->page_count) {
		uint32_t index = staging->next.page;
		uint64_t offset = staging->out.offset;

		if (staging->loaded != index)
			err = load_page(staging, index, &end);
		if (err < 0 ||
		    staging->next.block < root->pages[index].block_count)
			break;
		err = image_out_page(&staging->out, staging->load.stored.data,
				     staging->load.stored.size);
		if (err == 0)
			err = add_page_row(staging, offset);
		staging->unsynced += staging->out.offset - offset;
		staging->next = (struct block_index){ index + 1, 0 };
	}
	return err;
}

int
staging_begin_blocks(struct staging *staging)
{
	struct pf_stat stat;
	int err = pf_stat_fd(staging->out.fd, &stat);

	assert(staging->has_root &&
	       staging->page_count == staging->root.page_count);

	/* The sender has been told to begin with the first block. */
	if (err == 0 && !staging->can_go_on)
		err = pf_set_size(staging->journal, 0);
	if (err == 0)
		err = image_out_start(&staging->out);
	if (err == 0)
		err = replay_journal(staging, stat.size);
	if (err == 0)
		err = pf_set_size(staging->out.fd, staging->out.offset);
	if (err == 0)
		err = pf_set_size(staging->journal,
				  staging->row_count * JOURNAL_ROW_SIZE);
	staging->synced = staging->next;
	if (err == 0 && staging->unsynced > 0)
		err = sync_image(staging);
	if (err == 0)
		err = pass_pages(staging);
	return err < 0 ? fail(staging, err, "going on") : 0;
}

struct block_index
staging_next(const struct staging *staging)
{
	return staging->next;
}

struct block_index
staging_synced(const struct staging *staging)
{
	return staging->synced;
}

void
staging_expected(const struct staging *staging, struct staged_block *ret_block)
{
	uint32_t index = staging->next.block;

	assert(staging->next.page < staging->root.page_count &&
	       staging->loaded == staging->next.page);
	ret_block->block = page_block(&staging->load.page, index);
	memcpy(ret_block->publisher.bytes,
	       staging->load_digests.data + (size_t)index * DIGEST_SIZE,
	       DIGEST_SIZE);
}

int
staging_put_block(struct staging *staging, const struct stored_frame *frame)
{
	uint64_t offset = staging->out.offset;
	int err = image_out_frame(&staging->out, frame);

	if (err == 0)
		err = add_frame_row(staging, frame, offset);
	if (err == 0) {
		staging->next.block++;
		staging->unsynced += frame->size;
		err = pass_pages(staging);
	}
	if (err == 0 && staging->unsynced >= STAGING_SYNC_SIZE)
		err = sync_image(staging);
	return err < 0 ? fail(staging, err, "keeping a block") : 0;
}

int
staging_put_delta(struct staging *staging, const struct digest *base,
		  const void *ranges, size_t ranges_size, const void *frame,
		  size_t frame_size)
{
	uint8_t row[JOURNAL_ROW_SIZE] = { 0 };
	uint64_t offset = staging->deltas_size;
	int err = pf_write_at(staging->deltas, ranges, ranges_size, offset);

	if (err == 0)
		err = pf_write_at(staging->deltas, frame, frame_size,
				  offset + ranges_size);
	le32_put(row, ROW_DELTA);
	le32_put(row + 4, (uint32_t)(ranges_size + frame_size));
	le64_put(row + 8, offset);
	memcpy(row + 16, base->bytes, DIGEST_SIZE);
	le32_put(row + 48, (uint32_t)ranges_size);
	if (err == 0)
		err = add_row(staging, row);
	if (err < 0)
		return fail(staging, err, "keeping a delta");
	staging->deltas_size += ranges_size + frame_size;
	return 0;
}

int
staging_finish(struct staging *staging)
{
	struct digest digest;
	int err;

	assert(staging->next.page == staging->root.page_count);
	err = image_out_finish(&staging->out, &staging->root_raw,
			       &staging->signature, &digest);
	if (err == 0)
		err = sync_or_forget(staging, staging->out.fd);
	return err < 0 ? fail(staging, err, "ending the image") : 0;
}

int
staging_dir(const struct staging *staging)
{
	return staging->dir;
}

uint64_t
staging_size(const struct staging *staging)
{
	return staging->out.offset;
}

int
staging_remove(struct staging *staging)
{
	return remove_tree(staging->parent, staging->name, staging->shown);
}
