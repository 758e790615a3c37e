/* SPDX-License-Identifier: Apache-2.0 */

/*
 * tree_list [-o] [-t] [-l] DIR - say everything about a tree, one line an entry.
 *
 * The witness of the round-trip tests: it shares no code with what it judges.
 *
 *   -o  leave out owners, and attributes that only root may set
 *   -t  leave out times
 *   -l  leave out which files are hard links of each other
 *
 * Equal trees give equal bytes: type, path, mode, owner, time, size, digest
 * of the content (a hole is zeros), target of a link, first path of the inode,
 * attributes.  Other bytes than printable ASCII are written as \ooo.
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
#include <sys/xattr.h>
#include <unistd.h>

enum { PIECE = 64 * 1024, ATTRIBUTES_MAX = 64 * 1024 };

static struct {
	bool no_owner, no_time, no_links;
	char *path;
	size_t size, capacity;
} list;

struct seen {
	struct seen *next;
	dev_t device;
	ino_t inode;
	char *path;
};

static struct seen *seen[4096];

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "tree_list: %s: %s: %s\n", what, list.path,
		strerror(errno));
	exit(1);
}

static void *
must(void *memory)
{
	if (memory == NULL)
		die("memory");
	return memory;
}

static void
put(const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c <= ' ' || c == '\\' || c >= 127)
			printf("\\%03o", c);
		else
			putchar(c);
	}
}

static uint64_t
mix(uint64_t hash, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* Over the pieces that are not all zeros, so that holes make no difference. */
static uint64_t
content(int fd, uint64_t size)
{
	static const char zeros[PIECE];
	static char piece[PIECE];
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	off_t at = 0;

	while ((uint64_t)at < size) {
		off_t data = lseek(fd, at, SEEK_DATA);
		ssize_t n;

		if (data < 0 && errno == ENXIO)
			break;
		if (data > at)
			at = data - data % PIECE;
		n = pread(fd, piece, PIECE, at);
		if (n <= 0)
			die("read");
		if (memcmp(piece, zeros, (size_t)n) != 0) {
			hash = mix(hash, &at, sizeof at);
			hash = mix(hash, piece, (size_t)n);
		}
		at += n;
	}
	return hash;
}

static const char *
first_path(const struct stat *st)
{
	struct seen **bucket = &seen[st->st_ino % 4096];
	struct seen *one;

	for (one = *bucket; one != NULL; one = one->next)
		if (one->inode == st->st_ino && one->device == st->st_dev)
			return one->path;
	one = must(calloc(1, sizeof *one));
	one->device = st->st_dev;
	one->inode = st->st_ino;
	one->path = must(strdup(list.path));
	one->next = *bucket;
	*bucket = one;
	return one->path;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
is_privileged(const char *name)
{
	return strncmp(name, "security.", 9) == 0 ||
	       strncmp(name, "trusted.", 8) == 0;
}

/* Through /proc, because no path is short enough for a deep tree. */
static void
attributes(int dir, const char *name)
{
	static char names[ATTRIBUTES_MAX], value[ATTRIBUTES_MAX];
	char path[320];
	char *sorted[1024];
	size_t count = 0;
	ssize_t size;

	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", dir, name);
	size = llistxattr(path, names, sizeof names);
	if (size < 0 && errno == EOPNOTSUPP)
		return;
	if (size < 0)
		die("llistxattr");
	for (char *p = names; p < names + size && count < 1024;
	     p += strlen(p) + 1)
		sorted[count++] = p;
	qsort(sorted, count, sizeof *sorted, compare);
	for (size_t i = 0; i < count; i++) {
		if (list.no_owner && is_privileged(sorted[i]))
			continue;
		size = lgetxattr(path, sorted[i], value, sizeof value);
		if (size < 0)
			die(sorted[i]);
		printf(" ");
		put(sorted[i], strlen(sorted[i]));
		printf("=");
		put(value, (size_t)size);
	}
}

static char
type_of(const struct stat *st)
{
	return S_ISDIR(st->st_mode)   ? 'd'
	       : S_ISREG(st->st_mode) ? 'f'
	       : S_ISLNK(st->st_mode) ? 'l'
				      : '?';
}

static void
entry(int dir, const char *name, const struct stat *st)
{
	static char target[65536];

	printf("%c ", type_of(st));
	put(list.path, list.size);
	if (!S_ISLNK(st->st_mode))
		printf(" %04o", (unsigned)st->st_mode & 07777);
	if (!list.no_owner)
		printf(" %u:%u", (unsigned)st->st_uid, (unsigned)st->st_gid);
	if (!list.no_time)
		printf(" %lld.%09ld", (long long)st->st_mtim.tv_sec,
		       (long)st->st_mtim.tv_nsec);
	if (S_ISREG(st->st_mode)) {
		int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW);

		if (fd < 0)
			die("open");
		printf(" %lld %016llx", (long long)st->st_size,
		       (unsigned long long)content(fd, (uint64_t)st->st_size));
		close(fd);
		if (!list.no_links && st->st_nlink > 1) {
			printf(" first:");
			put(first_path(st), strlen(first_path(st)));
		}
	}
	if (S_ISLNK(st->st_mode)) {
		ssize_t n = readlinkat(dir, name, target, sizeof target);

		if (n < 0)
			die("readlink");
		printf(" -> ");
		put(target, (size_t)n);
	}
	attributes(dir, name);
	putchar('\n');
}

static void walk(int dir, const char *name);

static void
walk_directory(int fd)
{
	char **names = NULL;
	size_t count = 0, size = list.size;
	struct dirent *found;
	DIR *dir = fdopendir(fd);

	if (dir == NULL)
		die("opendir");
	while ((found = readdir(dir)) != NULL) {
		if (strcmp(found->d_name, ".") == 0 ||
		    strcmp(found->d_name, "..") == 0)
			continue;
		if (count % 256 == 0)
			names = must(
				realloc(names, (count + 256) * sizeof *names));
		names[count++] = must(strdup(found->d_name));
	}
	if (count > 0)
		qsort(names, count, sizeof *names, compare);
	for (size_t i = 0; i < count; i++) {
		size_t more = strlen(names[i]) + 2;

		if (size + more > list.capacity) {
			list.capacity = 2 * (size + more);
			list.path = must(realloc(list.path, list.capacity));
		}
		list.size = size;
		if (size > 0)
			list.path[list.size++] = '/';
		memcpy(list.path + list.size, names[i], more - 1);
		list.size += more - 2;
		walk(fd, names[i]);
		free(names[i]);
	}
	free(names);
	list.size = size;
	list.path[size] = '\0';
	closedir(dir);
}

static void
walk(int dir, const char *name)
{
	struct stat st;
	int fd;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		die("stat");
	entry(dir, name, &st);
	if (!S_ISDIR(st.st_mode))
		return;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	if (fd < 0)
		die("open");
	walk_directory(fd);
}

int
main(int argc, char **argv)
{
	struct rlimit limit;
	int option, dir;

	while ((option = getopt(argc, argv, "otl")) != -1) {
		list.no_owner |= option == 'o';
		list.no_time |= option == 't';
		list.no_links |= option == 'l';
		if (option == '?')
			return 2;
	}
	if (argc - optind != 1)
		return 2;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	list.capacity = 4096;
	list.path = must(calloc(1, list.capacity));
	dir = open(argv[optind], O_RDONLY | O_DIRECTORY);
	if (dir < 0)
		die(argv[optind]);
	walk(dir, ".");
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
