/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/move.h"

#include <stdbool.h>

#include "core/base/err.h"
#include "platform/pf_exchange.h"
#include "platform/pf_file.h"
#include "platform/pf_process.h"

/* A tree that was made writable, to be set back. */
struct loosened {
	int fd; /* -1: it was writable */
	unsigned mode;
};

static int
loosen(int dir, const char *name, struct loosened *ret_loosened)
{
	struct loosened loosened = { .fd = -1 };
	struct pf_stat stat;
	int err = 0;

	*ret_loosened = loosened;
	if (pf_is_root())
		return 0;
	err = pf_stat_at(dir, name, &stat);
	if (err < 0 || stat.type != PF_DIR || (stat.mode & 0200) != 0)
		return err;

	/* One that may not be read either cannot be opened before. */
	err = pf_set_mode_at(dir, name, stat.mode | 0700);
	if (err == 0)
		err = pf_open_dir_at(dir, name, &loosened.fd);
	if (err < 0) {
		(void)pf_set_mode_at(dir, name, stat.mode);
		return err;
	}
	loosened.mode = stat.mode;
	*ret_loosened = loosened;
	return 0;
}

static int
tighten(struct loosened *loosened)
{
	int err = 0;

	if (loosened->fd >= 0)
		err = pf_set_mode_fd(loosened->fd, loosened->mode);
	pf_close(loosened->fd);
	return err;
}

int
move_tree(int from_dir, const char *from, int to_dir, const char *to)
{
	struct loosened loosened;
	int err = loosen(from_dir, from, &loosened);
	int tighten_err;

	if (err < 0)
		return err;
	err = pf_rename_at(from_dir, from, to_dir, to);
	tighten_err = tighten(&loosened);
	return err < 0 ? err : tighten_err;
}

static int
exchange(int dir_a, const char *a, int dir_b, const char *b)
{
	struct loosened one, other;
	int err = loosen(dir_a, a, &one);
	int err_one, err_other;

	if (err < 0)
		return err;
	err = loosen(dir_b, b, &other);
	if (err == 0)
		err = pf_exchange_at(dir_a, a, dir_b, b);
	err_one = tighten(&one);
	err_other = tighten(&other);
	if (err == 0)
		err = err_one;
	return err < 0 ? err : err_other;
}

int
move_swap(int dir_a, const char *a, int dir_b, const char *b, const char *aside)
{
	int err = exchange(dir_a, a, dir_b, b);

	if (err != DSP_EUNSUPPORTED)
		return err;

	/* For a moment there is nothing, but never a mix (S2). */
	err = move_tree(dir_b, b, dir_a, aside);
	if (err < 0)
		return err;
	err = move_tree(dir_a, a, dir_b, b);
	if (err < 0 && move_tree(dir_a, aside, dir_b, b) < 0)
		return DSP_EFAULT;
	return err;
}
