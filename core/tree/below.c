/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/below.h"

#include <string.h>

#include "core/base/err.h"
#include "core/base/path.h"
#include "platform/pf_file.h"

enum { NAME_SIZE = 256 };

int
below_open_dir(int top, const char *path, size_t size, int *ret_dir)
{
	size_t end = path_name_start(path, size);
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
