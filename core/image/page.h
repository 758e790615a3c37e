/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PAGE_H
#define PAGE_H

/*
 * page - a stretch of the manifest: some records and the blocks of their data.
 *
 * A page is made of columns (all modes, all sizes, ...), which compress and
 * delta better than rows.  docs/format-image.md has the offsets.
 *
 * Invariants
 *   The data of a page's records are the page's blocks, one after another.
 *   The one exception is a file too large for one page: the pages that follow
 *   it have no records, only blocks, until its data are complete.
 *
 * Errors     DSP_ECORRUPT: the bytes break a rule of the format.  DSP_ENOMEM.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buffer.h"
#include "core/base/digest.h"
#include "core/image/record.h"

#define PAGE_RECORDS_MAX 4096u
#define PAGE_BLOCKS_MAX	 65536u
#define PAGE_SIZE_MAX	 (8u << 20) /* bytes, raw */
#define PAGE_SIZE_FULL	 (1u << 20) /* bytes; a page this large takes no more */

/* Probability 1 / PAGE_RECORDS_AVERAGE that a page ends behind a record. */
#define PAGE_RECORDS_AVERAGE 1024u

struct block_ref {
	struct digest name; /* BLAKE3-256 of the raw bytes */
	uint32_t raw_size;
};

/* Making one. */

struct page_builder;

struct page_builder *page_builder_new(void); /* NULL when out of memory */
void page_builder_free(struct page_builder *builder);

/* Add a record; copies it. */
int page_builder_add(struct page_builder *builder, const struct record *record);

/* Say the digest of the record added last, which is a file with data. */
void page_builder_set_digest(struct page_builder *builder,
			     const struct digest *digest);

/* Add a block behind those already there. */
int page_builder_add_block(struct page_builder *builder,
			   const struct block_ref *block);

unsigned page_builder_record_count(const struct page_builder *builder);
unsigned page_builder_block_count(const struct page_builder *builder);

/* Does a page end behind a record whose path hashes to path_hash? */
bool page_ends_after(uint64_t path_hash);

/* Append the page's bytes to *raw and make the builder empty again. */
int page_builder_finish(struct page_builder *builder, struct buffer *raw);

/* Reading one. */

struct page {
	const uint8_t *raw; /* borrowed from the caller of page_parse() */
	size_t raw_size;
	uint32_t record_count;
	uint32_t block_count;

	/* What follows is page.c's: where each column stands in raw. */
	uint32_t owner_count, mtime_count, xattrs_count, sparse_count;
	uint32_t digest_count, text_size, xattrs_size, segment_count;
	const uint8_t *block_sizes, *block_names;
	const uint8_t *shared, *suffix, *kind, *mode, *owner, *mtime_index;
	const uint8_t *xattrs_index, *size;
	const uint8_t *owners, *mtimes, *xattrs_sizes, *sparse, *segments;
	const uint8_t *digests, *text, *xattrs;
};

/* Where the next record of a page is. */
struct page_cursor {
	const struct page *page;
	uint32_t index;
	uint32_t text_offset, sparse_index, segment_index, digest_index;
	uint32_t path_size;
	char *path; /* PATH_SIZE_MAX + 1 bytes, the caller's */
};

/*
 * Look at raw[0..raw_size), which stays the caller's and must outlive *page.
 * Checks the counts and sizes; records are checked when they are read.
 */
int page_parse(const void *raw, size_t raw_size, struct page *ret_page);

/* The block at index < block_count. */
struct block_ref page_block(const struct page *page, uint32_t index);

/* Begin at the first record.  path is room for PATH_SIZE_MAX + 1 bytes. */
int page_cursor_start(struct page_cursor *cursor, const struct page *page,
		      char *path);

/*
 * The next record, checked by itself and against the one before it in this
 * page.  *ret_is_end instead when there is none.  Its strings are lent until
 * the next call.
 */
int page_next(struct page_cursor *cursor, struct record *ret_record,
	      bool *ret_is_end);

#endif
