/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sample_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/base/digest.h"
#include "tests/unit/support.h"

enum { LONG_NAME = 240, LONG_DEPTH = 19, LINKS_MAX = 64 };

static void
make_dir(int dir, const char *name, unsigned mode)
{
	assert_int_equal(mkdirat(dir, name, 0700), 0);
	assert_int_equal(fchmodat(dir, name, mode, 0), 0);
}

static void
set_time(int dir, const char *name, int64_t seconds, long ns)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
				     { .tv_sec = (time_t)seconds,
				       .tv_nsec = ns } };

	assert_int_equal(utimensat(dir, name, times, AT_SYMLINK_NOFOLLOW), 0);
}

static void
make_file(int dir, const char *name, unsigned mode, const void *data,
	  size_t size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), (ssize_t)size);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	set_time(dir, name, 1000000000 + (int64_t)size, 123456789);
}

static void
make_filled(int dir, const char *name, size_t size, bool is_text)
{
	uint8_t *data = must_malloc(size);

	if (is_text)
		fill_text(data, size, size);
	else
		fill_random(data, size, size);
	make_file(dir, name, 0644, data, size);
	free(data);
}

/* Some data, a hole, some data, and a hole to the end. */
static void
make_sparse(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
	uint8_t data[5000];

	assert_true(fd >= 0);
	fill_random(data, sizeof data, 1);
	assert_int_equal(pwrite(fd, data, sizeof data, 200000), sizeof data);
	assert_int_equal(pwrite(fd, data, sizeof data, 3000000), sizeof data);
	assert_int_equal(ftruncate(fd, (off_t)5 << 20), 0);
	close(fd);
}

/* Attributes that an ordinary user may set, if there are any here. */
static void
make_attributes(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY);

	assert_true(fd >= 0);
	(void)fsetxattr(fd, "user.DOSATTRIB", "0x20\0", 5, 0);
	(void)fsetxattr(fd, "user.empty", "", 0, 0);
	(void)fsetxattr(fd, "user.binary", "\0\1\2\xff", 4, 0);
	close(fd);
}

static int
open_top(const char *top)
{
	int fd;

	assert_int_equal(mkdir(top, 0755), 0);
	fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

void
sample_tree_small(const char *top)
{
	int dir = open_top(top);

	make_dir(dir, "dir", 0755);
	make_file(dir, "dir/a", 0644, "some text", 9);
	make_file(dir, "dir/b", 0755, "", 0);
	assert_int_equal(linkat(dir, "dir/a", dir, "dir/c", 0), 0);
	assert_int_equal(symlinkat("../nowhere", dir, "dir/d"), 0);
	make_dir(dir, "dir/empty", 0700);
	make_file(dir, "e", 0600, "more text", 9);
	make_attributes(dir, "e");
	make_sparse(dir, "sparse");
	set_time(dir, "dir", 1, 1);
	close(dir);
	set_time(AT_FDCWD, top, 2, 2);
}

/* 19 directories with names of 240 bytes each, and a file at the end. */
static void
make_long_path(int top)
{
	char name[LONG_NAME + 1];
	int dir = dup(top);

	memset(name, 'l', LONG_NAME);
	name[LONG_NAME] = '\0';
	for (int i = 0; i < LONG_DEPTH; i++) {
		int next;

		make_dir(dir, name, 0755);
		next = openat(dir, name, O_RDONLY | O_DIRECTORY);
		assert_true(next >= 0);
		close(dir);
		dir = next;
	}
	make_file(dir, "the end", 0644, "x", 1);
	assert_int_equal(symlinkat("the end", dir, "link"), 0);
	assert_int_equal(linkat(dir, "the end", dir, "the end again", 0), 0);
	close(dir);
}

static void
make_many(int dir)
{
	for (int i = 0; i < 300; i++) {
		char name[32];

		snprintf(name, sizeof name, "many/%d", i * 7919 % 300);
		make_filled(dir, name, (size_t)i * 37 % 9000, i % 2);
	}
}

static void
make_odd_names(int dir)
{
	static const char *const names[] = {
		" ",	 "a b",		"new\nline", "tab\t", "\xff\xfe",
		"\xc3",	 "caf\xc3\xa9", "-rf",	     "*",     "a\\b",
		"\"q\"", "'",		".hidden",   "...",   "..a",
		"$HOME", "\x01\x02",	"~",	     "#",     "CON",
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[64];

		snprintf(path, sizeof path, "odd/%s", names[i]);
		make_file(dir, path, 0644, names[i], strlen(names[i]));
	}
}

static void
make_times(int dir)
{
	static const int64_t seconds[] = { 0,	       1,
					   -1,	       -1000000000,
					   1,	       INT64_C(0x7fffffff),
					   0x80000000, 0xffffffff };
	char name[] = "times/0";

	make_dir(dir, "times", 0755);
	for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
		name[6] = (char)('0' + i);
		make_file(dir, name, 0644, "t", 1);
		set_time(dir, name, seconds[i], (long)i * 123456789);
	}
}

static void
make_modes(int dir)
{
	static const unsigned modes[] = { 0,	0400, 0222, 0111,
					  0777, 0640, 0604, 01644 };
	char name[] = "modes/0";

	make_dir(dir, "modes", 0755);
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		/* Whoever may not read it cannot pack it. */
		unsigned mode = geteuid() == 0 ? modes[i] : modes[i] | 0400;

		name[6] = (char)('0' + i);
		make_file(dir, name, mode, "m", 1);
		set_time(dir, name, 5, 5);
		name[6] = (char)('A' + i);
		make_dir(dir, name, modes[i] | 0500);
		set_time(dir, name, 6, 6);
	}
	make_file(dir, "modes/setuid", 04755, "s", 1);
	make_dir(dir, "modes/sticky", 01777);
}

void
sample_tree_rich(const char *top)
{
	int dir = open_top(top);

	make_dir(dir, "a", 0755);
	make_dir(dir, "a/empty", 0711);
	make_file(dir, "a/file", 0644, "text", 4);
	make_file(dir, "a/none", 0644, "", 0);
	make_file(dir, "a.file", 0644, "sorts behind a/", 15);
	assert_int_equal(symlinkat("/absolute/nowhere", dir, "a/absolute"), 0);
	assert_int_equal(symlinkat("..", dir, "a/up"), 0);
	assert_int_equal(symlinkat("new\nline \xff", dir, "a/odd link"), 0);
	set_time(dir, "a/up", 77, 777777777);
	assert_int_equal(linkat(dir, "a/file", dir, "a/hard", 0), 0);
	assert_int_equal(linkat(dir, "a/file", dir, "hard", 0), 0);
	make_dir(dir, "many", 0755);
	make_many(dir);
	make_dir(dir, "odd", 0755);
	make_odd_names(dir);
	make_times(dir);
	make_modes(dir);
	make_sparse(dir, "sparse");
	make_filled(dir, "large random", 2500000, false);
	make_filled(dir, "large text", 1500000, true);
	make_filled(dir, "just a block", 1 << 20, true);
	make_filled(dir, "just small", (1 << 20) - 1, true);
	make_attributes(dir, "a/file");
	make_attributes(dir, "a/empty");
	make_long_path(dir);
	set_time(dir, "a/empty", 3, 3);
	set_time(dir, "a", -5, 5);
	close(dir);
	set_time(AT_FDCWD, top, 1234567890, 987654321);
}

/* The listing. */

struct lister {
	struct buffer *text;
	struct buffer path;
	size_t link_count;
	struct {
		ino_t inode;
		char *path;
	} links[LINKS_MAX];
};

static void say(struct lister *lister, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void
say(struct lister *lister, const char *format, ...)
{
	char line[1024];
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	assert_true(n >= 0 && (size_t)n < sizeof line);
	assert_int_equal(buffer_add(lister->text, line, (size_t)n), 0);
}

static void
say_hex(struct lister *lister, const void *data, size_t size)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i++)
		say(lister, "%02x", p[i]);
}

static void
say_digest(struct lister *lister, int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW);
	char hex[DIGEST_HEX_SIZE];
	struct digest digest;
	uint8_t *data;
	size_t size;

	if (fd < 0) { /* mode 0, and not root */
		say(lister, " unreadable");
		return;
	}
	data = fd_read(fd, &size);
	digest_of(data, size, &digest);
	digest_to_hex(&digest, hex);
	say(lister, " %zu %s", size, hex);
	free(data);
	close(fd);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
say_attributes(struct lister *lister, int dir, const char *name)
{
	char path[400], list[4096], *sorted[64];
	size_t count = 0;
	ssize_t size;

	if (dir == AT_FDCWD)
		snprintf(path, sizeof path, "%s", name);
	else
		snprintf(path, sizeof path, "/proc/self/fd/%d/%s", dir, name);
	size = llistxattr(path, list, sizeof list);
	for (ssize_t i = 0; i < size && count < 64;) {
		sorted[count++] = list + i;
		i += (ssize_t)strlen(list + i) + 1;
	}
	qsort(sorted, count, sizeof *sorted, compare);
	for (size_t i = 0; i < count; i++) {
		char value[4096];
		ssize_t n;

		if (strncmp(sorted[i], "user.", 5) != 0)
			continue;
		n = lgetxattr(path, sorted[i], value, sizeof value);
		assert_true(n >= 0);
		say(lister, " %s=", sorted[i]);
		say_hex(lister, value, (size_t)n);
	}
}

/* A file met before under another name?  Says so. */
static bool
say_known(struct lister *lister, const struct stat *st)
{
	size_t i;

	if (st->st_nlink < 2)
		return false;
	for (i = 0; i < lister->link_count; i++) {
		if (lister->links[i].inode == st->st_ino) {
			say(lister, " is ");
			say_hex(lister, lister->links[i].path,
				strlen(lister->links[i].path));
			return true;
		}
	}
	assert_true(i < LINKS_MAX);
	lister->links[i].inode = st->st_ino;
	lister->links[i].path = must_malloc(lister->path.size + 1);
	memcpy(lister->links[i].path, lister->path.data, lister->path.size);
	lister->links[i].path[lister->path.size] = '\0';
	lister->link_count++;
	return false;
}

static void list_dir(struct lister *lister, int dir);

static void
list_entry(struct lister *lister, int dir, const char *name)
{
	struct stat st;
	char target[5000];
	ssize_t n;

	assert_int_equal(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	say(lister, "%o %lld.%09ld", (unsigned)st.st_mode,
	    (long long)st.st_mtim.tv_sec, (long)st.st_mtim.tv_nsec);
	if (geteuid() == 0)
		say(lister, " %u:%u", (unsigned)st.st_uid, (unsigned)st.st_gid);
	say(lister, " ");
	/* In hexadecimal: any byte may be in a name. */
	say_hex(lister, lister->path.data, lister->path.size);
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(dir, name, target, sizeof target);
		assert_true(n >= 0);
		say(lister, " -> ");
		say_hex(lister, target, (size_t)n);
	}
	if (S_ISREG(st.st_mode) && !say_known(lister, &st))
		say_digest(lister, dir, name);
	say_attributes(lister, dir, name);
	say(lister, "\n");
	if (S_ISDIR(st.st_mode)) {
		int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW);

		assert_true(fd >= 0);
		list_dir(lister, fd);
		close(fd);
	}
}

/* The names in a directory, sorted; musl has no scandirat(). */
static char **
sorted_names(int dir, size_t *ret_count)
{
	DIR *stream = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY));
	char **names = NULL;
	size_t count = 0;
	struct dirent *entry;

	assert_non_null(stream);
	while ((entry = readdir(stream)) != NULL) {
		size_t size = strlen(entry->d_name) + 1;

		names = realloc(names, (count + 1) * sizeof *names);
		assert_non_null(names);
		names[count] = must_malloc(size);
		memcpy(names[count++], entry->d_name, size);
	}
	closedir(stream);
	qsort(names, count, sizeof *names, compare);
	*ret_count = count;
	return names;
}

static void
list_dir(struct lister *lister, int dir)
{
	size_t size = lister->path.size;
	size_t count;
	char **names = sorted_names(dir, &count);

	for (size_t i = 0; i < count; i++) {
		if (strcmp(names[i], ".") != 0 && strcmp(names[i], "..") != 0) {
			lister->path.size = size;
			if (size > 0)
				buffer_add(&lister->path, "/", 1);
			buffer_add(&lister->path, names[i], strlen(names[i]));
			list_entry(lister, dir, names[i]);
		}
		free(names[i]);
	}
	lister->path.size = size;
	free(names);
}

void
tree_list(const char *top, struct buffer *ret_text)
{
	struct lister lister = { .text = ret_text };

	list_entry(&lister, AT_FDCWD, top);
	for (size_t i = 0; i < lister.link_count; i++)
		free(lister.links[i].path);
	buffer_release(&lister.path);
	assert_int_equal(buffer_add_u8(ret_text, 0), 0);
}

void
assert_same_trees(const char *a, const char *b)
{
	struct buffer x = { 0 }, y = { 0 };
	size_t line = 0, i = 0;

	tree_list(a, &x);
	tree_list(b, &y);
	for (; x.data[i] == y.data[i] && x.data[i] != '\0'; i++)
		if (x.data[i] == '\n')
			line = i + 1;
	if (x.data[i] != y.data[i])
		fail_msg("trees differ:\n%.400s\n%.400s", (char *)x.data + line,
			 (char *)y.data + line);
	buffer_release(&x);
	buffer_release(&y);
}
