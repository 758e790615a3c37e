/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PAGE_INT_H
#define PAGE_INT_H

/* page_int - the columns of a page, in the order in which they stand. */

enum page_column {
	PAGE_BLOCK_SIZES,  /* u32 a block: raw size */
	PAGE_BLOCK_NAMES,  /* 32 bytes a block */
	PAGE_SHARED,	   /* u16 a record: bytes shared with the path before */
	PAGE_SUFFIX,	   /* u16 a record: bytes of path in the text */
	PAGE_KIND,	   /* u8 a record: type, PAGE_KIND_SPARSE */
	PAGE_MODE,	   /* u16 a record */
	PAGE_OWNER,	   /* u16 a record: index into the owners */
	PAGE_MTIME,	   /* u16 a record: index into the mtimes */
	PAGE_XATTRS_INDEX, /* u16 a record: 0 or index + 1 into the sets */
	PAGE_SIZE,	   /* u64 a record: of the file, or of the target */
	PAGE_OWNERS,	   /* PAGE_OWNER_SIZE an owner */
	PAGE_MTIMES,	   /* s64 a time */
	PAGE_XATTRS_SIZES, /* u32 a set */
	PAGE_SPARSE,	   /* u32 a sparse record: how many segments */
	PAGE_SEGMENTS,	   /* RECORD_SEGMENT_SIZE a segment */
	PAGE_DIGESTS,	   /* 32 bytes a record that has one */
	PAGE_TEXT,	   /* owner names, then suffixes and targets */
	PAGE_XATTRS,	   /* the sets */
	PAGE_COLUMN_COUNT
};

enum {
	PAGE_HEADER_SIZE = 40,
	PAGE_OWNER_SIZE = 12, /* u32 uid, u32 gid, u16 sizes of both names */
	PAGE_KIND_SPARSE = 0x10
};

#endif
