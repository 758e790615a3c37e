/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_xattr.h"

#include <errno.h>
#include <stdio.h>
#include <sys/xattr.h>

#include "core/base/err.h"
#include "platform/pf_err.h"
#include "platform/pf_fault.h"
#include "platform/pf_file.h"

/*
 * There is no lgetxattrat().  The held directory is reached through its entry
 * in /proc, so that no other component is looked up (S16); the last one is
 * not followed by the l-calls.
 */
enum { PATH_SIZE = 300 };

static int
make_path(int dir, const char *name, char path[PATH_SIZE])
{
	int n = dir == PF_CWD ? snprintf(path, PATH_SIZE, "%s", name)
			      : snprintf(path, PATH_SIZE, "/proc/self/fd/%d/%s",
					 dir, name);

	return n < 0 || n >= PATH_SIZE ? DSP_ENAMETOOLONG : 0;
}

static int
result(ssize_t returned)
{
	if (returned >= 0)
		return 0;
	if (errno == ENODATA)
		return DSP_ENOENT;
	return errno == ERANGE ? DSP_ELIMIT : pf_err(errno);
}

int
pf_xattr_list(int dir, const char *name, char *list, size_t capacity,
	      size_t *ret_size)
{
	char path[PATH_SIZE];
	ssize_t n;
	int err = pf_fault();

	if (err == 0)
		err = make_path(dir, name, path);
	if (err < 0)
		return err;
	n = llistxattr(path, list, capacity);
	if (n < 0 && errno == EOPNOTSUPP)
		n = 0;
	err = result(n);
	if (err == 0)
		*ret_size = (size_t)n;
	return err;
}

int
pf_xattr_get(int dir, const char *name, const char *attribute, void *value,
	     size_t capacity, size_t *ret_size)
{
	char path[PATH_SIZE];
	ssize_t n;
	int err = pf_fault();

	if (err == 0)
		err = make_path(dir, name, path);
	if (err < 0)
		return err;
	n = lgetxattr(path, attribute, value, capacity);
	err = result(n);
	if (err == 0)
		*ret_size = (size_t)n;
	return err;
}

int
pf_xattr_set(int dir, const char *name, const char *attribute,
	     const void *value, size_t size)
{
	char path[PATH_SIZE];
	int err = pf_fault();

	if (err == 0)
		err = make_path(dir, name, path);
	if (err < 0)
		return err;
	return result(lsetxattr(path, attribute, value, size, 0));
}

int
pf_xattr_remove(int dir, const char *name, const char *attribute)
{
	char path[PATH_SIZE];
	int err = pf_fault();

	if (err == 0)
		err = make_path(dir, name, path);
	if (err < 0)
		return err;
	err = result(lremovexattr(path, attribute));
	return err == DSP_ENOENT || err == DSP_EUNSUPPORTED ? 0 : err;
}
