/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAMPLE_IMAGE_H
#define SAMPLE_IMAGE_H

/*
 * sample_image - small images, written record by record and block by block.
 *
 * Nothing of this machine or user is in them: their bytes are the same
 * everywhere.  What goes wrong ends the test.
 */

#include "core/chunk/frame.h"
#include "core/image/image_writer.h"

struct sample {
	struct image_writer *writer;
	struct frame_encoder *encoder;
	struct frame_encoder *local; /* of another level */
};

/* Blocks of 64 to 256 bytes. */
extern const struct cut_rule sample_rule;

struct sample sample_new(int fd, enum image_kind kind);
void sample_free(struct sample *sample);

/* A record of root's with the time 1; fields may be changed before adding. */
struct record sample_record(enum record_type type, const char *path);
void sample_add(struct sample *sample, const struct record *record);

void sample_add_dir(struct sample *sample, const char *path);
void sample_add_link(struct sample *sample, enum record_type type,
		     const char *path, const char *target);

/* A file; its bytes go into a block that the caller adds. */
void sample_add_file(struct sample *sample, const char *path, const void *data,
		     size_t size);

/* is_local: the frame is not the one that the root knows. */
void sample_add_block(struct sample *sample, const void *data, size_t size,
		      bool is_local);
void sample_end_page(struct sample *sample);
void sample_finish(struct sample *sample, struct digest *ret_root_digest);

/* One page, one block: 3 records. */
void sample_write_small(int fd);

/* The same, signed with sample_key(). */
void sample_write_signed(int fd);

/*
 * Everything that the format knows, on 4 pages: a group, a large file, one
 * over two pages, local frames, links, holes, attributes.
 */
void sample_write_rich(int fd, enum image_kind kind);

#endif
