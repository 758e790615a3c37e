/* SPDX-License-Identifier: Apache-2.0 */
/*
 * make_tree - make a big tree for the memory figures, quickly.
 *
 * usage: make_tree DIR FILES
 *
 * FILES regular files, 1,000 a directory.  Every fourth holds one line with
 * its own number; the others are empty, for it is the count that weighs.
 * DIR is created and must not exist.  Exits 1 at the first error.
 */
#define _GNU_SOURCE

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_PER_DIR = 1000 };

static int
make_dir(int parent_fd, const char *name)
{
	int fd;

	if (mkdirat(parent_fd, name, 0755) < 0)
		err(1, "mkdir %s", name);
	fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		err(1, "%s", name);
	return fd;
}

static void
make_file(int dir_fd, unsigned long number)
{
	char name[32], line[32];
	int fd;

	snprintf(name, sizeof name, "file-%07lu", number);
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
	if (fd < 0)
		err(1, "create %s", name);
	if (number % 4 == 0) {
		int size = snprintf(line, sizeof line, "%lu\n", number);

		if (write(fd, line, (size_t)size) != size)
			err(1, "write %s", name);
	}
	if (close(fd) < 0)
		err(1, "close %s", name);
}

int
main(int argc, char **argv)
{
	unsigned long file_count;
	int root_fd, dir_fd = -1;

	if (argc != 3)
		errx(2, "usage: make_tree DIR FILES");
	file_count = strtoul(argv[2], NULL, 10);
	root_fd = make_dir(AT_FDCWD, argv[1]);
	for (unsigned long i = 0; i < file_count; i++) {
		if (i % FILES_PER_DIR == 0) {
			char name[32];

			if (dir_fd >= 0)
				close(dir_fd);
			snprintf(name, sizeof name, "dir-%05lu",
				 i / FILES_PER_DIR);
			dir_fd = make_dir(root_fd, name);
		}
		make_file(dir_fd, i);
	}
	return 0;
}
