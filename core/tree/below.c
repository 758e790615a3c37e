/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/below.h"

#include <string.h>

#include "core/base/err.h"
#include "core/base/path.h"
#include "platform/pf_below.h"
#include "platform/pf_file.h"

enum { NAME_SIZE = 256, PATH_SIZE = 4096 };

static int
go_step_by_step(int top, const char *path, size_t end, int *ret_dir)
{
	char name[NAME_SIZE];
	int dir = -1;
	int err = pf_duplicate(top, &dir);

	while (err == 0 && end > 0) {
		const char *slash = memchr(path, '/', end);
		size_t name_size = (size_t)(slash - path);
		int next = -1;

		if (name_size >= sizeof name) {
			err = DSP_ENAMETOOLONG;
			break;
		}
		memcpy(name, path, name_size);
		name[name_size] = '\0';
		err = pf_open_dir_at(dir, name, &next);
		pf_close(dir);
		dir = next;
		path = slash + 1;
		end -= name_size + 1;
	}
	if (err < 0)
		pf_close(dir);
	else
		*ret_dir = dir;
	return err;
}

int
below_open_dir(int top, const char *path, size_t size, int *ret_dir)
{
	size_t end = path_name_start(path, size);
	char parent[PATH_SIZE];
	int err = DSP_EUNSUPPORTED;

	if (end > 1 && end <= sizeof parent) {
		memcpy(parent, path, end - 1);
		parent[end - 1] = '\0';
		err = pf_open_dir_below(top, parent, ret_dir);
	}
	if (err == DSP_EUNSUPPORTED)
		err = go_step_by_step(top, path, end, ret_dir);
	return err;
}
