/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - copy a tree to many directories, as plainly as it can be done fast.
 *
 * usage: loop SOURCE DEST...
 *
 * The yardstick for `despool fanout`: two threads take files from one list,
 * read each file once and write every buffer to all destinations.  Directories,
 * symlinks and modes are kept; owners, times and all else are not.  Nothing is
 * hashed, synced or switched, so what it takes is what the writes take.
 *
 * Each DEST is created and must not exist.  Exits 1 at the first error.
 */
#define _GNU_SOURCE

#include <err.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	THREAD_COUNT = 2,
	DEST_COUNT_MAX = 1000,	  /* open files: two a destination */
	BUFFER_SIZE = 128 * 1024, /* stays in a core's cache */
};

struct file {
	char *path; /* below SOURCE and below each DEST */
	mode_t mode;
};

struct job {
	int source_fd;
	int dest_fds[DEST_COUNT_MAX];
	size_t dest_count;
	struct file *files;
	size_t file_count;
	size_t file_capacity;
	atomic_size_t next_file; /* index of the file that nobody took yet */
};

static void
add_file(struct job *job, const char *path, mode_t mode)
{
	if (job->file_count == job->file_capacity) {
		job->file_capacity = job->file_capacity ? 2 * job->file_capacity
							: 1024;
		job->files = realloc(job->files,
				     job->file_capacity * sizeof *job->files);
		if (job->files == NULL)
			err(1, "realloc");
	}
	struct file *file = &job->files[job->file_count++];
	file->path = strdup(path);
	file->mode = mode;
	if (file->path == NULL)
		err(1, "strdup");
}

static void
make_dirs(const struct job *job, const char *path, mode_t mode)
{
	for (size_t i = 0; i < job->dest_count; i++)
		if (mkdirat(job->dest_fds[i], path, mode | S_IRWXU) < 0)
			err(1, "mkdir %s", path);
}

static void
make_symlinks(const struct job *job, const char *path)
{
	char target[PATH_MAX];
	ssize_t size =
		readlinkat(job->source_fd, path, target, sizeof target - 1);

	if (size < 0)
		err(1, "readlink %s", path);
	target[size] = '\0';
	for (size_t i = 0; i < job->dest_count; i++)
		if (symlinkat(target, job->dest_fds[i], path) < 0)
			err(1, "symlink %s", path);
}

/* Make the directories and symlinks of every destination, list the files. */
static void
scan(struct job *job, char *source)
{
	char *roots[] = { source, NULL };
	size_t skip = strlen(source) + 1;
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *entry;

	if (fts == NULL)
		err(1, "%s", source);
	while ((entry = fts_read(fts)) != NULL) {
		const char *path = entry->fts_path + skip;

		if (entry->fts_level == 0 && entry->fts_info == FTS_D)
			continue;
		switch (entry->fts_info) {
		case FTS_D:
			make_dirs(job, path, entry->fts_statp->st_mode & 07777);
			break;
		case FTS_DP:
			break;
		case FTS_F:
			add_file(job, path, entry->fts_statp->st_mode & 07777);
			break;
		case FTS_SL:
		case FTS_SLNONE:
			make_symlinks(job, path);
			break;
		default:
			errx(1, "%s: cannot copy this", entry->fts_path);
		}
	}
	fts_close(fts);
}

static void
write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t written = write(fd, data, size);

		if (written < 0)
			err(1, "write");
		data += written;
		size -= (size_t)written;
	}
}

static void
copy_file(const struct job *job, const struct file *file, char *buffer)
{
	int fds[DEST_COUNT_MAX];
	int from = openat(job->source_fd, file->path, O_RDONLY | O_NOFOLLOW);
	ssize_t size;

	if (from < 0)
		err(1, "%s", file->path);
	for (size_t i = 0; i < job->dest_count; i++) {
		fds[i] = openat(job->dest_fds[i], file->path,
				O_WRONLY | O_CREAT | O_EXCL, file->mode);
		if (fds[i] < 0)
			err(1, "create %s", file->path);
	}
	while ((size = read(from, buffer, BUFFER_SIZE)) > 0)
		for (size_t i = 0; i < job->dest_count; i++)
			write_all(fds[i], buffer, (size_t)size);
	if (size < 0)
		err(1, "read %s", file->path);
	for (size_t i = 0; i < job->dest_count; i++)
		if (close(fds[i]) < 0)
			err(1, "close %s", file->path);
	close(from);
}

static void *
copy_files(void *arg)
{
	struct job *job = arg;
	char *buffer = malloc(BUFFER_SIZE);
	size_t i;

	if (buffer == NULL)
		err(1, "malloc");
	while ((i = atomic_fetch_add(&job->next_file, 1)) < job->file_count)
		copy_file(job, &job->files[i], buffer);
	free(buffer);
	return NULL;
}

int
main(int argc, char **argv)
{
	static struct job job;
	pthread_t threads[THREAD_COUNT];
	size_t length;

	if (argc < 3 || argc - 2 > DEST_COUNT_MAX)
		errx(2, "usage: loop SOURCE DEST...");
	length = strlen(argv[1]);
	while (length > 1 && argv[1][length - 1] == '/')
		argv[1][--length] = '\0';

	umask(0);
	job.source_fd = open(argv[1], O_RDONLY | O_DIRECTORY);
	if (job.source_fd < 0)
		err(1, "%s", argv[1]);
	for (int i = 2; i < argc; i++) {
		int fd;

		if (mkdir(argv[i], 0755) < 0)
			err(1, "mkdir %s", argv[i]);
		fd = open(argv[i], O_RDONLY | O_DIRECTORY);
		if (fd < 0)
			err(1, "%s", argv[i]);
		job.dest_fds[job.dest_count++] = fd;
	}
	scan(&job, argv[1]);

	for (int i = 0; i < THREAD_COUNT; i++)
		if (pthread_create(&threads[i], NULL, copy_files, &job) != 0)
			errx(1, "pthread_create");
	for (int i = 0; i < THREAD_COUNT; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
