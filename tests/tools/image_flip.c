/* SPDX-License-Identifier: Apache-2.0 */

/*
 * image_flip FILE SCRATCH [STEP] - flip every bit of the image FILE (every
 * STEP-th, when given), one at a time, and verify: each must be found and the
 * error be one that ends a command with exit code 8.  Also cut off the image
 * at every STEP-th byte.
 *
 * Prints how many it tried; a line for each that was not found.
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/digest.h"
#include "core/base/err.h"
#include "core/tree/verify.h"

static uint8_t *bytes;
static size_t size;
static const char *scratch;
static int scratch_fd;

static void
must(int ok)
{
	if (ok)
		return;
	perror(scratch);
	exit(1);
}

static void
put(size_t at, uint8_t byte)
{
	must(pwrite(scratch_fd, &byte, 1, (off_t)at) == 1);
}

static int
verify(void)
{
	struct verify_params params = { .worker_count = 1 };
	int err = image_open(scratch, &params.image);

	if (err == 0)
		err = verify_image(&params);
	image_close(params.image);
	return err;
}

static unsigned
judge(const char *what, size_t at)
{
	int err = verify();

	if (err < 0 && err_exit_code(err) == 8)
		return 0;
	printf("%s %zu: %s\n", what, at, err_text(err));
	return 1;
}

int
main(int argc, char **argv)
{
	unsigned long tried = 0, missed = 0;
	size_t step = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
	struct stat st;
	int fd;

	if (argc < 3 || step == 0)
		return 2;
	digest_start();
	scratch = argv[2];
	fd = open(argv[1], O_RDONLY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return 1;
	size = (size_t)st.st_size;
	bytes = malloc(size);
	if (bytes == NULL || read(fd, bytes, size) != (ssize_t)size)
		return 1;
	close(fd);
	scratch_fd = open(scratch, O_RDWR | O_CREAT | O_TRUNC, 0644);
	must(write(scratch_fd, bytes, size) == (ssize_t)size);
	if (verify() != 0) {
		puts("the image is not whole to begin with");
		return 1;
	}
	for (size_t bit = 0; bit < 8 * size; bit += step, tried++) {
		put(bit / 8, bytes[bit / 8] ^ (uint8_t)(1u << bit % 8));
		missed += judge("bit", bit);
		put(bit / 8, bytes[bit / 8]);
	}
	for (size_t cut = 1; cut <= size; cut += step, tried++) {
		must(ftruncate(scratch_fd, (off_t)(size - cut)) == 0);
		missed += judge("length", size - cut);
	}
	close(scratch_fd);
	printf("tried %lu missed %lu\n", tried, missed);
	free(bytes);
	return missed == 0 ? 0 : 1;
}
