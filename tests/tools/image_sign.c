/* SPDX-License-Identifier: Apache-2.0 */

/*
 * image_sign IN OUT [SIGNATURE] - copy an image, or a manifest, with what is in
 * the file SIGNATURE as its signature, whatever that is; without it, with none.
 *
 * All digests are made right.  So a signature that somebody else made can be
 * put where it belongs, and one that does not belong there, too.
 */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buffer.h"
#include "core/base/bytes.h"
#include "core/base/digest.h"
#include "core/image/image_format.h"

static void
must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "image_sign: %s\n", what);
	exit(1);
}

static struct buffer
read_file(const char *path)
{
	struct buffer bytes = { 0 };
	FILE *file = fopen(path, "rb");
	uint8_t some[4096];
	size_t size;

	must(file != NULL, path);
	while ((size = fread(some, 1, sizeof some, file)) > 0)
		must(buffer_add(&bytes, some, size) == 0, "out of memory");
	must(ferror(file) == 0, path);
	fclose(file);
	return bytes;
}

static void
put(FILE *file, const void *data, size_t size)
{
	must(size == 0 || fwrite(data, 1, size, file) == size, "writing");
}

int
main(int argc, char **argv)
{
	struct buffer image, signature = { 0 };
	uint8_t trailer[IMAGE_TRAILER_SIZE], head[IMAGE_SKIP_SIZE];
	struct digest_sum *sum = digest_sum_new();
	size_t directory, root, root_size;
	struct digest digest;
	FILE *file;

	must(argc == 3 || argc == 4, "usage: image_sign IN OUT [SIGNATURE]");
	must(sum != NULL, "out of memory");
	image = read_file(argv[1]);
	if (argc == 4)
		signature = read_file(argv[3]);
	must(image.size > IMAGE_HEADER_SIZE + IMAGE_TRAILER_SIZE, "no image");
	memcpy(trailer, image.data + image.size - IMAGE_TRAILER_SIZE,
	       IMAGE_TRAILER_SIZE);
	directory = (size_t)le64_get(trailer + 16) + IMAGE_SKIP_SIZE;
	root = (size_t)le64_get(trailer + 24) + IMAGE_SKIP_SIZE;
	root_size = le32_get(trailer + 32);
	must(directory < root && root + root_size < image.size, "no image");

	le32_put(trailer + 36, (uint32_t)signature.size);
	digest_sum_add(sum, image.data + directory,
		       root - IMAGE_SKIP_SIZE - directory);
	digest_sum_add(sum, image.data + root, root_size);
	digest_sum_add(sum, signature.data, signature.size);
	digest_sum_get(sum, &digest);
	digest_sum_free(sum);
	memcpy(trailer + 48 + DIGEST_SIZE, digest.bytes, DIGEST_SIZE);

	file = fopen(argv[2], "wb");
	must(file != NULL, argv[2]);
	put(file, image.data, root + root_size);
	le32_put(head, IMAGE_MAGIC_SIGNATURE);
	le32_put(head + 4, (uint32_t)signature.size);
	if (signature.size > 0)
		put(file, head, sizeof head);
	put(file, signature.data, signature.size);
	put(file, trailer, sizeof trailer);
	must(fclose(file) == 0, argv[2]);
	buffer_release(&image);
	buffer_release(&signature);
	return 0;
}
