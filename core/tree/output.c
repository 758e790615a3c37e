/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/output.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"
#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "platform/pf_flock.h"
#include "platform/pf_process.h"
#include "platform/pf_sync.h"

struct output {
	char *path;
	char *name; /* in dir */
	char *temp; /* ".NAME.despool" */
	int dir;
	int fd;
	bool is_made; /* temp is ours and there */
};

int
output_split(const char *path, int *ret_dir, char **ret_name)
{
	size_t size = strlen(path);
	size_t start;
	char *parent = NULL;
	char *name = NULL;
	int err = DSP_ENOMEM;

	while (size > 1 && path[size - 1] == '/')
		size--;
	start = path_name_start(path, size);
	if (size == start || strncmp(path + start, "..", size - start) == 0)
		return DSP_EINVAL;
	parent = malloc(start + 2);
	name = malloc(size - start + 1);
	if (parent == NULL || name == NULL)
		goto out;
	memcpy(parent, start > 0 ? path : ".", start > 0 ? start : 1);
	parent[start > 0 ? start : 1] = '\0';
	memcpy(name, path + start, size - start);
	name[size - start] = '\0';
	err = pf_open_dir(parent, ret_dir);
	if (err == 0) {
		*ret_name = name;
		name = NULL;
	}
out:
	free(parent);
	free(name);
	return err;
}

int
output_is_inside(int dir, const struct pf_stat *top, bool *ret_is_inside)
{
	struct pf_stat below = { 0 };
	int fd = -1;
	int err = pf_duplicate(dir, &fd);

	*ret_is_inside = false;
	while (err == 0) {
		struct pf_stat stat;
		int parent = -1;

		err = pf_stat_fd(fd, &stat);
		if (err < 0)
			break;
		if (stat.device == top->device && stat.inode == top->inode) {
			*ret_is_inside = true;
			break;
		}
		/* The root is its own parent. */
		if (stat.device == below.device && stat.inode == below.inode)
			break;
		below = stat;
		err = pf_open_parent(fd, &parent);
		if (err == DSP_EACCES) {
			/* What we may not even search is no source of ours. */
			err = 0;
			break;
		}
		pf_close(fd);
		fd = parent;
	}
	pf_close(fd);
	return err;
}

int
output_own_dir(int fd, uint32_t also)
{
	struct pf_stat stat;
	uint32_t uid, gid;
	int err = pf_stat_fd(fd, &stat);

	if (err < 0)
		return err;
	pf_own_ids(&uid, &gid);
	if (stat.uid != uid && stat.uid != also)
		return DSP_EACCES;
	return (stat.mode & 0777) == 0700 ? 0 : pf_set_mode_fd(fd, 0700);
}

/* "." part hex suffix */
static void
join_name(char *to, const char *part, size_t size, const char *hex,
	  const char *suffix)
{
	*to++ = '.';
	memcpy(to, part, size);
	to += size;
	memcpy(to, hex, strlen(hex));
	to += strlen(hex);
	memcpy(to, suffix, strlen(suffix) + 1);
}

char *
output_temp_name(const char *name)
{
	enum { NAME_MAX_SIZE = 255, PART_SIZE = 200, HEX_SIZE = 16 };
	static const char suffix[] = ".despool";
	size_t size = strlen(name);
	struct digest digest;
	char hex[DIGEST_HEX_SIZE];
	char *temp = malloc(size + HEX_SIZE + sizeof suffix + 2);

	if (temp == NULL)
		return NULL;
	if (1 + size + sizeof suffix - 1 <= NAME_MAX_SIZE) {
		join_name(temp, name, size, "", suffix);
	} else {
		digest_of(name, size, &digest);
		digest_to_hex(&digest, hex);
		hex[HEX_SIZE] = '\0';
		join_name(temp, name, PART_SIZE, hex, suffix);
	}
	return temp;
}

static int
make_names(struct output *output, const char *path)
{
	int err;

	output->path = malloc(strlen(path) + 1);
	if (output->path == NULL)
		return DSP_ENOMEM;
	memcpy(output->path, path, strlen(path) + 1);
	err = output_split(path, &output->dir, &output->name);
	if (err < 0)
		return err;
	output->temp = output_temp_name(output->name);
	return output->temp != NULL ? 0 : DSP_ENOMEM;
}

/* Make the temporary file, over one whose process is gone. */
static int
make_temp(struct output *output)
{
	unsigned mode = 0666 & ~pf_umask();
	struct pf_stat ours, there;
	int err = pf_create_at(output->dir, output->temp, mode, &output->fd);

	if (err == DSP_EEXIST) {
		int old = -1;

		err = pf_open_or_create_at(output->dir, output->temp, mode,
					   &old);
		if (err == 0)
			err = pf_flock_exclusive(old);
		if (err == 0 || err == DSP_EUNSUPPORTED)
			err = pf_unlink_at(output->dir, output->temp);
		if (err == 0)
			err = pf_create_at(output->dir, output->temp, mode,
					   &output->fd);
		pf_close(old);
	}
	if (err < 0)
		return err;
	err = pf_flock_exclusive(output->fd);
	if (err == DSP_EUNSUPPORTED)
		err = 0;

	/* Before it was locked, another process may have taken it for dead. */
	if (err == 0)
		err = pf_stat_fd(output->fd, &ours);
	if (err == 0)
		err = pf_stat_at(output->dir, output->temp, &there);
	if (err == DSP_ENOENT || (err == 0 && (ours.inode != there.inode ||
					       ours.device != there.device)))
		err = DSP_EBUSY;
	output->is_made = err != DSP_EBUSY;
	return err;
}

/* May there be an output of that name? */
static int
check_place(const struct output *output, bool replace,
	    const struct pf_stat *outside)
{
	struct pf_stat stat;
	bool is_inside = false;
	int err = pf_stat_at(output->dir, output->name, &stat);

	/* Never a directory, or a device such as /dev/null. */
	if (err == 0 &&
	    (!replace || (stat.type != PF_FILE && stat.type != PF_LINK)))
		return DSP_EEXIST;
	if (err < 0 && err != DSP_ENOENT)
		return err;
	err = 0;
	if (outside != NULL)
		err = output_is_inside(output->dir, outside, &is_inside);
	return err == 0 && is_inside ? DSP_EOVERLAP : err;
}

/* An output that has nothing of its own on disk yet. */
static int
find_place(const char *path, bool replace, const struct pf_stat *outside,
	   struct output **ret_output)
{
	struct output *output = calloc(1, sizeof *output);
	int err = DSP_ENOMEM;

	if (output == NULL)
		return report_error(err, path, "making the file");
	output->dir = output->fd = -1;
	err = make_names(output, path);
	if (err == 0)
		err = check_place(output, replace, outside);
	if (err < 0) {
		output_close(output);
		return report_error(err, path, "%s",
				    err != DSP_EEXIST ? "making the file"
				    : replace
					    ? "no regular file, not overwritten"
					    : "not overwritten (--force does)");
	}
	*ret_output = output;
	return 0;
}

int
output_check(const char *path, bool replace, const struct pf_stat *outside)
{
	struct output *output;
	int err = find_place(path, replace, outside, &output);

	if (err == 0)
		output_close(output);
	return err;
}

int
output_open(const char *path, bool replace, const struct pf_stat *outside,
	    struct output **ret_output)
{
	struct output *output;
	int err = find_place(path, replace, outside, &output);

	if (err < 0)
		return err;
	err = make_temp(output);
	if (err < 0) {
		output_close(output);
		return report_error(err, path, "making the file");
	}
	*ret_output = output;
	return 0;
}

int
output_fd(const struct output *output)
{
	return output->fd;
}

int
output_commit(struct output *output)
{
	int err = pf_sync(output->fd);

	if (err == 0)
		err = pf_rename_at(output->dir, output->temp, output->dir,
				   output->name);
	if (err == 0) {
		output->is_made = false;
		err = pf_sync(output->dir);
		/* S14: what a failed sync leaves does not exist. */
		if (err < 0)
			(void)pf_unlink_at(output->dir, output->name);
	}
	return err < 0 ? report_error(err, output->path, "writing") : 0;
}

void
output_close(struct output *output)
{
	if (output == NULL)
		return;
	if (output->is_made)
		(void)pf_unlink_at(output->dir, output->temp);
	pf_close(output->fd);
	pf_close(output->dir);
	free(output->path);
	free(output->name);
	free(output->temp);
	free(output);
}
