/* SPDX-License-Identifier: Apache-2.0 */

/*
 * tree_make - makes what a shell cannot.
 *
 *   odd DIR                     names of every byte, in directories, files
 *                               and links
 *   deep DIR LEVELS SIZE        LEVELS directories, each in the one before,
 *                               with names of SIZE bytes; a file in the last
 *   many DIR COUNT SIZE SEED    COUNT files of 0 to 2 * SIZE bytes, 100 to a
 *                               directory
 *   data FILE SIZE SEED         a file that does not compress
 *   sparse FILE SIZE OFFSET...  a file of SIZE bytes, 64 KiB of data at each
 *                               OFFSET
 *   remove DIR                  a tree, however deep
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 64 * 1024 };

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "tree_make: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* xorshift64*: the same on every machine. */
static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

static void
fill_random(uint64_t *state, char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (i % 8 == 0)
			next_random(state);
		bytes[i] = (char)(*state * UINT64_C(2685821657736338717) >>
				  (8 * (i % 8)));
	}
}

static uint64_t
number(const char *text)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*text == '\0' || *end != '\0') {
		fprintf(stderr, "tree_make: %s is no number\n", text);
		exit(2);
	}
	return value;
}

static int
create(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644);

	if (fd < 0)
		die(name);
	return fd;
}

static void
write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0)
			die("write");
		bytes += n;
		size -= (size_t)n;
	}
}

static int
open_directory(int dir, const char *name)
{
	int fd;

	if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
		die(name);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		die(name);
	return fd;
}

static void
make_odd(const char *path)
{
	int top = open_directory(AT_FDCWD, path);
	int dirs = open_directory(top, "directories");
	int links = open_directory(top, "links");
	char name[256];

	for (int c = 1; c < 256; c++) {
		int fd;

		if (c == '/')
			continue;
		snprintf(name, sizeof name, "%c", c);
		if (c == '.')
			snprintf(name, sizeof name, "...");
		fd = create(top, name);
		write_all(fd, name, strlen(name));
		close(fd);
		if (mkdirat(dirs, name, 0755) < 0)
			die("mkdir");
		if (symlinkat(name, links, name) < 0)
			die("symlink");
	}
	/* The longest name, and one of bytes that are no UTF-8 at all. */
	memset(name, 0xff, 255);
	name[255] = '\0';
	close(create(top, name));
	memset(name, 'n', 255);
	close(create(top, name));
	close(dirs);
	close(links);
	close(top);
}

static void
make_deep(const char *path, uint64_t levels, uint64_t size)
{
	int dir = open_directory(AT_FDCWD, path);
	char name[256];
	int fd;

	if (size > 255)
		die("name too long");
	for (uint64_t level = 0; level < levels; level++) {
		int below;

		memset(name, 'a' + (int)(level % 26), (size_t)size);
		name[size] = '\0';
		below = open_directory(dir, name);
		close(dir);
		dir = below;
	}
	fd = create(dir, "bottom");
	write_all(fd, "the bottom\n", 11);
	close(fd);
	if (symlinkat("bottom", dir, "link") < 0)
		die("symlink");
	close(dir);
}

/* Half of a file's bytes compress, half do not. */
static void
make_many(const char *path, uint64_t count, uint64_t size, uint64_t seed)
{
	static char piece[PIECE];
	uint64_t state = seed * 2 + 1;
	int top = open_directory(AT_FDCWD, path);
	int dir = -1;
	char name[64];

	for (uint64_t i = 0; i < count; i++) {
		uint64_t left = size > 0 ? next_random(&state) % (2 * size + 1)
					 : 0;
		int fd;

		if (i % 100 == 0) {
			if (dir >= 0)
				close(dir);
			snprintf(name, sizeof name, "d%05llu",
				 (unsigned long long)i / 100);
			dir = open_directory(top, name);
		}
		snprintf(name, sizeof name, "file-%llu.%s",
			 (unsigned long long)i, i % 3 ? "so" : "h");
		fd = create(dir, name);
		while (left > 0) {
			size_t now = left < PIECE ? (size_t)left : PIECE;

			fill_random(&state, piece, now / 2);
			memset(piece + now / 2, 'x', now - now / 2);
			write_all(fd, piece, now);
			left -= now;
		}
		close(fd);
	}
	if (dir >= 0)
		close(dir);
	close(top);
}

static void
make_data(const char *path, uint64_t size, uint64_t seed)
{
	static char piece[PIECE];
	uint64_t state = seed * 2 + 1;
	int fd = create(AT_FDCWD, path);

	while (size > 0) {
		size_t now = size < PIECE ? (size_t)size : PIECE;

		fill_random(&state, piece, now);
		write_all(fd, piece, now);
		size -= now;
	}
	close(fd);
}

static void
make_sparse(const char *path, uint64_t size, char **offsets)
{
	static char piece[PIECE];
	uint64_t state = 12345;
	int fd = create(AT_FDCWD, path);

	for (; *offsets != NULL; offsets++) {
		off_t at = (off_t)number(*offsets);

		fill_random(&state, piece, PIECE);
		if (pwrite(fd, piece, PIECE, at) != PIECE)
			die("pwrite");
	}
	if (ftruncate(fd, (off_t)size) < 0)
		die("ftruncate");
	close(fd);
}

static void
remove_below(int fd)
{
	struct dirent *found;
	DIR *dir = fdopendir(fd);

	if (dir == NULL)
		die("opendir");
	while ((found = readdir(dir)) != NULL) {
		const char *name = found->d_name;
		int below;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
			continue;
		below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		if (below >= 0)
			remove_below(below);
		if (unlinkat(fd, name, below >= 0 ? AT_REMOVEDIR : 0) < 0)
			die("unlink");
	}
	closedir(dir);
}

int
main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	struct rlimit limit;

	umask(022);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (strcmp(what, "odd") == 0 && argc == 3) {
		make_odd(argv[2]);
	} else if (strcmp(what, "deep") == 0 && argc == 5) {
		make_deep(argv[2], number(argv[3]), number(argv[4]));
	} else if (strcmp(what, "many") == 0 && argc == 6) {
		make_many(argv[2], number(argv[3]), number(argv[4]),
			  number(argv[5]));
	} else if (strcmp(what, "data") == 0 && argc == 5) {
		make_data(argv[2], number(argv[3]), number(argv[4]));
	} else if (strcmp(what, "sparse") == 0 && argc >= 4) {
		make_sparse(argv[2], number(argv[3]), argv + 4);
	} else if (strcmp(what, "remove") == 0 && argc == 3) {
		int fd = open(argv[2], O_RDONLY | O_DIRECTORY);

		if (fd < 0)
			die(argv[2]);
		remove_below(fd);
		if (rmdir(argv[2]) < 0)
			die(argv[2]);
	} else {
		fputs("tree_make: see the head of its source\n", stderr);
		return 2;
	}
	return 0;
}
