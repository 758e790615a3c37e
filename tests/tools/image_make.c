/* SPDX-License-Identifier: Apache-2.0 */

/*
 * image_make FILE RECORD... - write an image that says just this.
 *
 * The image is whole and all its digests are right; whether what it says may
 * be believed is for its reader to find out.  RECORD is one of
 *
 *   d=PATH                a directory; PATH empty: the top
 *   f=PATH=DATA           a file
 *   s=PATH=SIZE           a file of SIZE bytes without any data
 *   S=PATH=SIZE=OFF,LEN=OFF,LEN...
 *                         a file of SIZE bytes with data there
 *   l=PATH=TARGET         a symbolic link
 *   h=PATH=TARGET         a hard link
 *   m=MODE  u=ID=NAME     of the records that follow: permission bits, owner
 *   x=NAME=VALUE          an attribute of the next record
 *   n=DATA                what the block is named after, instead of its data
 *
 * in the order in which they are to stand.  All data are one block.
 */

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buffer.h"
#include "core/base/digest.h"
#include "core/base/err.h"
#include "core/chunk/frame.h"
#include "core/image/image_writer.h"
#include "core/image/xattrs.h"

static struct buffer data;     /* of the block */
static struct buffer segments; /* of the record */
static struct buffer xattrs;   /* of the next record */
static const char *false_name;
static const char *owner_name = "";
static uint32_t owner_id;
static unsigned mode = 0755;

static void
must(int err, const char *what)
{
	if (err == 0)
		return;
	fprintf(stderr, "image_make: %s: %s\n", what, err_text(err));
	exit(1);
}

static char *
split(char *text, int separator)
{
	char *at = strchr(text, separator);

	if (at == NULL) {
		fprintf(stderr, "image_make: no %c in %s\n", separator, text);
		exit(2);
	}
	*at = '\0';
	return at + 1;
}

static void
sparse_record(struct record *record, char *text)
{
	char *piece = strchr(text, '=');

	record->is_sparse = true;
	record->size = strtoull(text, NULL, 10);
	record->data_size = 0;
	for (segments.size = 0; piece != NULL; piece = strchr(piece, '=')) {
		uint64_t offset = strtoull(++piece, &piece, 10);
		uint64_t size = *piece == ',' ? strtoull(piece + 1, NULL, 10)
					      : 0;

		must(buffer_add_le64(&segments, offset), "memory");
		must(buffer_add_le64(&segments, size), "memory");
		record->segment_count++;
		record->data_size += size;
		for (uint64_t i = 0; i < size && i < 1 << 20; i++)
			must(buffer_add_u8(&data, 'S'), "memory");
	}
	record->segments = segments.data;
	digest_of(data.data, data.size, &record->digest);
}

static void
fill_record(struct record *record, char *text)
{
	static const char types[] = "?dflh";
	char *value = text[0] == 'd' ? text : NULL;
	const char *type = strchr(types, text[0]);

	record->path = text + 2;
	if (value == NULL)
		value = split(text + 2, '=');
	record->type = type != NULL ? (enum record_type)(type - types)
				    : RECORD_FILE;
	record->path_size = (uint32_t)strlen(record->path);
	switch (text[0]) {
	case 'f':
		record->size = record->data_size = strlen(value);
		digest_of(value, strlen(value), &record->digest);
		must(buffer_add(&data, value, strlen(value)), "memory");
		break;
	case 's':
		record->is_sparse = true;
		record->size = strtoull(value, NULL, 10);
		break;
	case 'S':
		sparse_record(record, value);
		break;
	case 'l':
	case 'h':
		record->target = value;
		record->target_size = (uint32_t)strlen(value);
		break;
	default:
		break;
	}
}

static void
take(struct image_writer *writer, char *text)
{
	struct record record = { .mtime = 1000000000,
				 .uid = owner_id,
				 .gid = owner_id,
				 .user = owner_name,
				 .group = owner_name,
				 .target = "",
				 .mode = mode,
				 .segments = (const uint8_t *)"",
				 .xattrs = xattrs.data,
				 .xattrs_size = (uint32_t)xattrs.size };
	char *value;

	if (text[0] == '\0' || text[1] != '=') {
		fprintf(stderr, "image_make: what is %s?\n", text);
		exit(2);
	}
	switch (text[0]) {
	case 'm':
		mode = (unsigned)strtoul(text + 2, NULL, 8);
		return;
	case 'n':
		false_name = text + 2;
		return;
	case 'u':
		owner_name = split(text + 2, '=');
		owner_id = (uint32_t)strtoul(text + 2, NULL, 10);
		return;
	case 'x':
		value = split(text + 2, '=');
		must(xattrs_add(&xattrs, text + 2, value, strlen(value)), text);
		return;
	default:
		fill_record(&record, text);
	}
	must(image_writer_add_record(writer, &record), text);
	xattrs.size = 0;
}

int
main(int argc, char **argv)
{
	struct image_params params = { .package_id = "EVL00000",
				       .version = 1,
				       .level = 3,
				       .rule = cut_rule_default };
	struct image_writer *writer;
	struct digest root;
	int fd;

	digest_start();
	if (argc < 2)
		return 2;
	fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0) {
		perror(argv[1]);
		return 1;
	}
	must(image_writer_new(fd, IMAGE_WITH_BLOCKS, &params, &writer), "new");
	for (int i = 2; i < argc; i++)
		take(writer, argv[i]);
	if (data.size > 0) {
		struct frame_encoder *encoder = frame_encoder_new(3);
		void *frame = malloc(frame_size_max(data.size));
		struct image_block block = { .frame = frame };
		size_t size;

		assert(encoder != NULL && frame != NULL);
		must(frame_encode(encoder, data.data, data.size, NULL, 0, frame,
				  frame_size_max(data.size), &size),
		     "frame");
		block.frame_size = (uint32_t)size;
		block.block.raw_size = (uint32_t)data.size;
		if (false_name != NULL)
			digest_of(false_name, strlen(false_name),
				  &block.block.name);
		else
			digest_of(data.data, data.size, &block.block.name);
		digest_of(frame, size, &block.frame_digest);
		must(image_writer_add_block(writer, &block), "block");
		frame_encoder_free(encoder);
		free(frame);
	}
	must(image_writer_finish(writer, &root, NULL), "finish");
	image_writer_free(writer);
	buffer_release(&data);
	buffer_release(&segments);
	buffer_release(&xattrs);
	return close(fd) == 0 ? 0 : 1;
}
