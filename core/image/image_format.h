/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAGE_FORMAT_H
#define IMAGE_FORMAT_H

/*
 * image_format - how an image file is laid out; see docs/format-image.md.
 *
 *     header                            skippable frame, 32 bytes
 *     for each page of the manifest:
 *         the page's blocks             zstd frames, one each
 *         the page                      skippable frame around a zstd frame
 *         the frame table               skippable frame
 *     directory                         skippable frame: where each page is
 *     root                              skippable frame
 *     signature                         skippable frame; may be absent
 *     trailer                           skippable frame, 112 bytes
 *
 * `zstd -dc` skips what is skippable and writes the data of all files, one
 * after another.  A manifest file, which a distribution point keeps, is the
 * same without blocks and frame tables.
 */

#define IMAGE_FORMAT	      1u
#define IMAGE_MAGIC_HEADER    0x184D2A50u
#define IMAGE_MAGIC_PAGE      0x184D2A51u
#define IMAGE_MAGIC_TABLE     0x184D2A52u
#define IMAGE_MAGIC_DIR	      0x184D2A53u
#define IMAGE_MAGIC_ROOT      0x184D2A54u
#define IMAGE_MAGIC_TRAILER   0x184D2A55u
#define IMAGE_MAGIC_SIGNATURE 0x184D2A56u

#define IMAGE_SIGNATURE_MAX 4096u /* bytes */

#define IMAGE_HEADER_WORD  "DSPLPACK" /* 8 bytes, without the NUL */
#define IMAGE_TRAILER_WORD "DSPLTAIL"

enum image_kind { IMAGE_WITH_BLOCKS = 0, IMAGE_MANIFEST = 1 };

enum {
	IMAGE_SKIP_SIZE = 8,	/* u32 magic, u32 size of what follows */
	IMAGE_HEADER_SIZE = 32, /* word, u32 format, u32 kind, u64 zero */
	IMAGE_TRAILER_SIZE = 112,
	IMAGE_DIR_ROW_SIZE = 44, /* u64 offset, u32 stored size, digest of it */
	IMAGE_TABLE_ROW_SIZE = 36 /* u32 frame size and flag, digest */
};

/* In a table row's size: the frame is not the publisher's; see there. */
#define IMAGE_FRAME_LOCAL 0x80000000u

/* The zstd level of page frames: small pages, read seldom. */
#define IMAGE_PAGE_LEVEL 9

#endif
