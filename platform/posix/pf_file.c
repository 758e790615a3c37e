/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/err.h"
#include "platform/pf_err.h"
#include "platform/pf_fault.h"
#include "platform/pf_process.h"

#define NS_PER_S 1000000000

enum { READ_FLAGS = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK };

static int
at(int dir)
{
	return dir == PF_CWD ? AT_FDCWD : dir;
}

static int
result(int returned)
{
	return returned < 0 ? pf_err(errno) : 0;
}

static int
open_at(int dir, const char *name, int flags, unsigned mode, int *ret_fd)
{
	int err = pf_fault();
	int fd;

	if (err < 0)
		return err;
	do
		fd = openat(dir, name, flags, (mode_t)mode);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return pf_err(errno);
	*ret_fd = fd;
	return 0;
}

int
pf_open_dir(const char *path, int *ret_fd)
{
	return open_at(AT_FDCWD, path, READ_FLAGS | O_DIRECTORY, 0, ret_fd);
}

int
pf_open_read(const char *path, int *ret_fd)
{
	return open_at(AT_FDCWD, path, READ_FLAGS & ~O_NONBLOCK, 0, ret_fd);
}

int
pf_open_dir_at(int dir, const char *name, int *ret_fd)
{
	return open_at(at(dir), name, READ_FLAGS | O_DIRECTORY | O_NOFOLLOW, 0,
		       ret_fd);
}

int
pf_open_read_at(int dir, const char *name, int *ret_fd)
{
	return open_at(at(dir), name, READ_FLAGS | O_NOFOLLOW, 0, ret_fd);
}

int
pf_open_parent(int dir, int *ret_fd)
{
	return open_at(dir, "..", O_PATH | O_DIRECTORY | O_CLOEXEC, 0, ret_fd);
}

int
pf_create_at(int dir, const char *name, unsigned mode, int *ret_fd)
{
	return open_at(at(dir), name,
		       O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode,
		       ret_fd);
}

int
pf_open_or_create_at(int dir, const char *name, unsigned mode, int *ret_fd)
{
	return open_at(at(dir), name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		       mode, ret_fd);
}

int
pf_duplicate(int fd, int *ret_fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return pf_err(errno);
	*ret_fd = copy;
	return 0;
}

void
pf_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

int
pf_close_checked(int fd)
{
	int err = pf_fault();
	int returned = close(fd);

	/* Linux has closed it even when it says EINTR. */
	if (err < 0)
		return err;
	return returned < 0 && errno != EINTR ? pf_err(errno) : 0;
}

int
pf_read(int fd, void *data, size_t size, size_t *ret_size)
{
	int err = pf_fault();
	size_t done = 0;

	while (err == 0 && done < size) {
		ssize_t n = read(fd, (char *)data + done, size - done);

		if (n == 0)
			break;
		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			err = pf_err(errno);
	}
	if (err == 0)
		*ret_size = done;
	return err;
}

int
pf_read_at(int fd, void *data, size_t size, uint64_t offset, size_t *ret_size)
{
	int err = pf_fault();
	size_t done = 0;

	while (err == 0 && done < size) {
		ssize_t n = pread(fd, (char *)data + done, size - done,
				  (off_t)(offset + done));

		if (n == 0)
			break;
		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			err = pf_err(errno);
	}
	if (err == 0)
		*ret_size = done;
	return err;
}

int
pf_write(int fd, const void *data, size_t size)
{
	int err = pf_fault();
	size_t done = 0;

	while (err == 0 && done < size) {
		ssize_t n = write(fd, (const char *)data + done, size - done);

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno != EINTR)
			err = pf_err(errno);
	}
	return err;
}

int
pf_write_at(int fd, const void *data, size_t size, uint64_t offset)
{
	int err = pf_fault();
	size_t done = 0;

	while (err == 0 && done < size) {
		ssize_t n = pwrite(fd, (const char *)data + done, size - done,
				   (off_t)(offset + done));

		if (n > 0)
			done += (size_t)n;
		else if (n < 0 && errno != EINTR)
			err = pf_err(errno);
	}
	return err;
}

int
pf_set_size(int fd, uint64_t size)
{
	int err = pf_fault();

	return err < 0 ? err : result(ftruncate(fd, (off_t)size));
}

/* False when the time is beyond int64 nanoseconds; *ret_ns is then clamped. */
static bool
to_ns(const struct timespec *time, int64_t *ret_ns)
{
	int64_t seconds = time->tv_sec;

	if (seconds >= INT64_MAX / NS_PER_S ||
	    seconds <= INT64_MIN / NS_PER_S) {
		*ret_ns = seconds > 0 ? INT64_MAX : INT64_MIN;
		return false;
	}
	*ret_ns = seconds * NS_PER_S + time->tv_nsec;
	return true;
}

static void
convert(const struct stat *from, struct pf_stat *to)
{
	to->type = S_ISREG(from->st_mode)   ? PF_FILE
		   : S_ISDIR(from->st_mode) ? PF_DIR
		   : S_ISLNK(from->st_mode) ? PF_LINK
					    : PF_SPECIAL;
	to->mode = from->st_mode & 07777;
	to->uid = from->st_uid;
	to->gid = from->st_gid;
	to->size = (uint64_t)from->st_size;
	to->mtime_clamped = !to_ns(&from->st_mtim, &to->mtime);
	(void)to_ns(&from->st_ctim, &to->ctime);
	to->device = from->st_dev;
	to->inode = from->st_ino;
	to->link_count = from->st_nlink;
	to->allocated = (uint64_t)from->st_blocks * 512;
}

int
pf_stat(const char *path, struct pf_stat *ret_stat)
{
	int err = pf_fault();
	struct stat st;

	if (err < 0)
		return err;
	if (stat(path, &st) < 0)
		return pf_err(errno);
	convert(&st, ret_stat);
	return 0;
}

int
pf_stat_at(int dir, const char *name, struct pf_stat *ret_stat)
{
	int err = pf_fault();
	struct stat st;

	if (err < 0)
		return err;
	if (fstatat(at(dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return pf_err(errno);
	convert(&st, ret_stat);
	return 0;
}

int
pf_stat_fd(int fd, struct pf_stat *ret_stat)
{
	int err = pf_fault();
	struct stat st;

	if (err < 0)
		return err;
	if (fstat(fd, &st) < 0)
		return pf_err(errno);
	convert(&st, ret_stat);
	return 0;
}

int
pf_mkdir_at(int dir, const char *name, unsigned mode)
{
	int err = pf_fault();

	return err < 0 ? err : result(mkdirat(at(dir), name, (mode_t)mode));
}

int
pf_mkdir(const char *path)
{
	int err = pf_fault();

	return err < 0 ? err : result(mkdir(path, 0777 & ~pf_umask()));
}

int
pf_symlink_at(const char *target, int dir, const char *name)
{
	int err = pf_fault();

	return err < 0 ? err : result(symlinkat(target, at(dir), name));
}

int
pf_link_at(int from_dir, const char *from, int to_dir, const char *to)
{
	int err = pf_fault();

	return err < 0 ? err
		       : result(linkat(at(from_dir), from, at(to_dir), to, 0));
}

int
pf_unlink_at(int dir, const char *name)
{
	int err = pf_fault();

	return err < 0 ? err : result(unlinkat(at(dir), name, 0));
}

int
pf_rmdir_at(int dir, const char *name)
{
	int err = pf_fault();

	return err < 0 ? err : result(unlinkat(at(dir), name, AT_REMOVEDIR));
}

int
pf_rename_at(int from_dir, const char *from, int to_dir, const char *to)
{
	int err = pf_fault();

	return err < 0 ? err
		       : result(renameat(at(from_dir), from, at(to_dir), to));
}

int
pf_read_link_at(int dir, const char *name, char *target, size_t capacity,
		size_t *ret_size)
{
	int err = pf_fault();
	ssize_t n;

	if (err < 0)
		return err;
	n = readlinkat(at(dir), name, target, capacity);
	if (n < 0)
		return pf_err(errno);
	if ((size_t)n >= capacity)
		return DSP_ELIMIT;
	target[n] = '\0';
	*ret_size = (size_t)n;
	return 0;
}

int
pf_set_mode_at(int dir, const char *name, unsigned mode)
{
	int err = pf_fault();

	return err < 0 ? err
		       : result(fchmodat(at(dir), name, (mode_t)mode,
					 AT_SYMLINK_NOFOLLOW));
}

int
pf_set_mode_fd(int fd, unsigned mode)
{
	int err = pf_fault();

	return err < 0 ? err : result(fchmod(fd, (mode_t)mode));
}

int
pf_set_owner_at(int dir, const char *name, uint32_t uid, uint32_t gid)
{
	int err = pf_fault();

	return err < 0 ? err
		       : result(fchownat(at(dir), name, uid, gid,
					 AT_SYMLINK_NOFOLLOW));
}

int
pf_set_owner_fd(int fd, uint32_t uid, uint32_t gid)
{
	int err = pf_fault();

	return err < 0 ? err : result(fchown(fd, uid, gid));
}

static void
to_timespec(int64_t ns, struct timespec times[2])
{
	int64_t seconds = ns / NS_PER_S;
	int64_t rest = ns % NS_PER_S;

	if (rest < 0) {
		seconds--;
		rest += NS_PER_S;
	}
	times[0] = (struct timespec){ .tv_nsec = UTIME_OMIT };
	times[1] = (struct timespec){ .tv_sec = (time_t)seconds,
				      .tv_nsec = (long)rest };
}

int
pf_set_mtime_at(int dir, const char *name, int64_t mtime)
{
	int err = pf_fault();
	struct timespec times[2];

	to_timespec(mtime, times);
	return err < 0 ? err
		       : result(utimensat(at(dir), name, times,
					  AT_SYMLINK_NOFOLLOW));
}

int
pf_set_mtime_fd(int fd, int64_t mtime)
{
	int err = pf_fault();
	struct timespec times[2];

	to_timespec(mtime, times);
	return err < 0 ? err : result(futimens(fd, times));
}

int
pf_free_space(int fd, uint64_t *ret_size)
{
	int err = pf_fault();
	struct statvfs st;

	if (err < 0)
		return err;
	if (fstatvfs(fd, &st) < 0)
		return pf_err(errno);
	/* The rest is for root. */
	*ret_size = (uint64_t)(geteuid() == 0 ? st.f_bfree : st.f_bavail) *
		    st.f_frsize;
	return 0;
}
