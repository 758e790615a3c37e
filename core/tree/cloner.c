/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/cloner.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/buffer.h"
#include "core/base/err.h"
#include "core/base/path.h"
#include "core/tree/below.h"
#include "platform/pf_clone.h"

struct cloner {
	int top;
	int dir;	      /* the directory used last, or -1 */
	struct buffer parent; /* its path */
};

struct cloner *
cloner_new(int top)
{
	struct cloner *cloner = calloc(1, sizeof *cloner);

	if (cloner != NULL) {
		cloner->top = top;
		cloner->dir = -1;
	}
	return cloner;
}

void
cloner_free(struct cloner *cloner)
{
	if (cloner == NULL)
		return;
	pf_close(cloner->dir);
	buffer_release(&cloner->parent);
	free(cloner);
}

/* Open the directory that the record is in, unless it is the last one. */
static int
enter(struct cloner *cloner, const struct record *record, const char **ret_name)
{
	size_t start = path_name_start(record->path, record->path_size);
	int err;

	*ret_name = record->path + start;
	if (cloner->dir >= 0 && cloner->parent.size == start &&
	    memcmp(cloner->parent.data, record->path, start) == 0)
		return 0;
	pf_close(cloner->dir);
	cloner->dir = -1;
	cloner->parent.size = 0;
	/* One byte more, so that data is never NULL. */
	err = buffer_reserve(&cloner->parent, start + 1);
	if (err == 0)
		err = buffer_add(&cloner->parent, record->path, start);
	if (err == 0)
		err = below_open_dir(cloner->top, record->path,
				     record->path_size, &cloner->dir);
	return err;
}

int
cloner_clone(struct cloner *cloner, const struct record *record, int to_fd,
	     struct pf_stat *ret_stat)
{
	const char *name;
	int fd = -1;
	int err = enter(cloner, record, &name);

	if (err == 0)
		err = pf_open_read_at(cloner->dir, name, &fd);
	if (err == 0)
		err = pf_clone(fd, to_fd);
	if (err == 0)
		err = pf_stat_fd(fd, ret_stat);
	pf_close(fd);
	return err;
}

int
cloner_look(struct cloner *cloner, const struct record *record,
	    struct pf_stat *ret_stat)
{
	const char *name;
	int err = enter(cloner, record, &name);

	return err == 0 ? pf_stat_at(cloner->dir, name, ret_stat) : err;
}

bool
cloner_works_in(int dir)
{
	static const char from_name[] = "clone-from", to_name[] = "clone-to";
	static const uint8_t bytes[4096];
	int from = -1, to = -1;
	int err = pf_create_at(dir, from_name, 0600, &from);

	if (err == 0)
		err = pf_write(from, bytes, sizeof bytes);
	if (err == 0)
		err = pf_create_at(dir, to_name, 0600, &to);
	if (err == 0)
		err = pf_clone(from, to);
	pf_close(from);
	pf_close(to);
	(void)pf_unlink_at(dir, from_name);
	(void)pf_unlink_at(dir, to_name);
	return err == 0;
}
