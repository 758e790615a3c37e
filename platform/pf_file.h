/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_FILE_H
#define PF_FILE_H

/*
 * pf_file - files, directories and what is known about them.
 *
 *   platform/posix/pf_file.c   POSIX.1-2008 *at() calls
 *
 * A `name` is one path component below the open directory `dir`; it is never
 * followed when it is a symbolic link (S16).  Functions that take a `path`
 * instead follow it as the system does: only for what the user typed.
 * Descriptors are closed on exec.  Interrupted calls are repeated.
 *
 * Errors     0 or a negative enum dsp_err, as the system says it.
 * Ownership  A returned descriptor is the caller's, ended with pf_close().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pf_type { PF_FILE, PF_DIR, PF_LINK, PF_SPECIAL };

struct pf_stat {
	enum pf_type type;
	unsigned mode; /* the 12 permission bits */
	uint32_t uid;
	uint32_t gid;
	uint64_t size; /* bytes */
	int64_t mtime; /* ns since 1970 UTC; clamped to what int64 holds */
	int64_t ctime;
	uint64_t device;
	uint64_t inode;
	uint64_t link_count;
	uint64_t allocated; /* bytes of disk the file occupies */
	bool mtime_clamped; /* the true time is beyond what int64 ns holds */
};

#define PF_CWD (-1) /* as `dir`: the working directory */

/* Open what the user typed. */
int pf_open_dir(const char *path, int *ret_fd);
int pf_open_read(const char *path, int *ret_fd);

/* Open below a directory; DSP_ELOOP or DSP_ENOTDIR on a symbolic link. */
int pf_open_dir_at(int dir, const char *name, int *ret_fd);
int pf_open_read_at(int dir, const char *name, int *ret_fd);

/*
 * The directory that holds `dir` now, to be looked at and gone up from; it
 * need not be readable.
 */
int pf_open_parent(int dir, int *ret_fd);

/*
 * Make a new file for writing and reading, with exactly these permission
 * bits.  DSP_EEXIST when anything has the name.
 */
int pf_create_at(int dir, const char *name, unsigned mode, int *ret_fd);

/* Open for reading and writing, made when absent (lock and state files). */
int pf_open_or_create_at(int dir, const char *name, unsigned mode, int *ret_fd);

/* A second descriptor for the same open file. */
int pf_duplicate(int fd, int *ret_fd);

/* Close; a negative fd is allowed.  The checked form tells of late errors. */
void pf_close(int fd);
int pf_close_checked(int fd);

/* Read up to size bytes; *ret_size < size only at the end of the file. */
int pf_read(int fd, void *data, size_t size, size_t *ret_size);
int pf_read_at(int fd, void *data, size_t size, uint64_t offset,
	       size_t *ret_size);

/* Write all of it, or fail. */
int pf_write(int fd, const void *data, size_t size);
int pf_write_at(int fd, const void *data, size_t size, uint64_t offset);

int pf_set_size(int fd, uint64_t size);

int pf_stat(const char *path, struct pf_stat *ret_stat);
int pf_stat_at(int dir, const char *name, struct pf_stat *ret_stat);
int pf_stat_fd(int fd, struct pf_stat *ret_stat);

/* Make a directory with exactly these permission bits. */
int pf_mkdir_at(int dir, const char *name, unsigned mode);
int pf_mkdir(const char *path); /* what the user typed; under the umask */
int pf_symlink_at(const char *target, int dir, const char *name);
int pf_link_at(int from_dir, const char *from, int to_dir, const char *to);
int pf_unlink_at(int dir, const char *name);
int pf_rmdir_at(int dir, const char *name);

/* Rename, replacing a file or an empty directory that has the new name. */
int pf_rename_at(int from_dir, const char *from, int to_dir, const char *to);

/*
 * The target of a symbolic link, NUL-terminated.  DSP_ELIMIT when it does not
 * fit into capacity bytes.
 */
int pf_read_link_at(int dir, const char *name, char *target, size_t capacity,
		    size_t *ret_size);

/* Set permission bits, owner (both ids) and modification time. */
int pf_set_mode_at(int dir, const char *name, unsigned mode);
int pf_set_mode_fd(int fd, unsigned mode);
int pf_set_owner_at(int dir, const char *name, uint32_t uid, uint32_t gid);
int pf_set_owner_fd(int fd, uint32_t uid, uint32_t gid);
int pf_set_mtime_at(int dir, const char *name, int64_t mtime);
int pf_set_mtime_fd(int fd, int64_t mtime);

/* Bytes that this user may still write on the file system of fd. */
int pf_free_space(int fd, uint64_t *ret_size);

#endif
