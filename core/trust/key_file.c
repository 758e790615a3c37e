/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "core/trust/trust_int.h"
#include "platform/pf_file.h"
#include "platform/pf_process.h"
#include "platform/pf_sync.h"

enum { SECRET_MODE = 0600, OTHERS_MODE = 0077, PUBLIC_MODE = 0644 };

static const char *
what_is_wrong(int err)
{
	switch (err) {
	case DSP_EUNSUPPORTED:
		return "the secret key is encrypted with a password; minisign "
		       "-C -W -s FILE takes it off";
	case DSP_ECORRUPT:
		return "the secret key is damaged";
	default:
		return "no secret key in minisign's form";
	}
}

int
secret_key_take(const char *path, const struct buffer *text,
		struct secret_key *ret_key)
{
	int err =
		secret_key_parse((const char *)text->data, text->size, ret_key);

	return err < 0 ? report_error(DSP_EINVAL, path, "%s",
				      what_is_wrong(err))
		       : 0;
}

int
secret_key_read(const char *path, struct secret_key *ret_key)
{
	struct buffer text = { 0 };
	struct pf_stat stat;
	int err = text_read(path, KEY_FILE_SIZE_MAX, &text);

	if (err < 0)
		return err;
	err = secret_key_take(path, &text, ret_key);
	text_wipe(&text);
	if (err < 0)
		return err;
	if (pf_stat(path, &stat) == 0 && stat.type == PF_FILE &&
	    (stat.mode & OTHERS_MODE) != 0)
		report_warning(path,
			       "others have permissions on this secret key "
			       "(mode %04o)",
			       stat.mode);
	return 0;
}

/* A file in the making. */
struct new_file {
	char *path;
	const char *name; /* in path: the last component */
	int dir;
	int fd; /* -1: not ours, or not made yet */
};

/*
 * It gets its own name at once: to be renamed to it would replace what has
 * that name by then.
 */
static int
begin_file(const char *stem, const char *suffix, unsigned mode,
	   struct new_file *file)
{
	size_t size = strlen(stem), suffix_size = strlen(suffix);
	size_t start = path_name_start(stem, size);
	char *parent = malloc(start + 2);
	int err = DSP_ENOMEM;

	file->path = malloc(size + suffix_size + 1);
	if (parent == NULL || file->path == NULL) {
		free(parent);
		return report_error(err, stem, "making the key");
	}
	memcpy(parent, start > 0 ? stem : ".", start > 0 ? start : 1);
	parent[start > 0 ? start : 1] = '\0';
	memcpy(file->path, stem, size);
	memcpy(file->path + size, suffix, suffix_size + 1);
	file->name = file->path + start;
	err = start == size ? DSP_EINVAL : pf_open_dir(parent, &file->dir);
	if (err == 0)
		err = pf_create_at(file->dir, file->name, mode, &file->fd);
	free(parent);
	if (err == 0)
		return 0;
	return report_error(err, file->path, "%s",
			    err == DSP_EEXIST ? "a key is never overwritten"
					      : "making the key");
}

static int
write_file(struct new_file *file, const void *data, size_t size)
{
	int err = pf_write(file->fd, data, size);

	if (err == 0)
		err = pf_sync(file->fd);
	if (err == 0)
		err = pf_sync(file->dir);
	return err < 0 ? report_error(err, file->path, "making the key") : 0;
}

static void
end_file(struct new_file *file, int err)
{
	if (err < 0 && file->fd >= 0)
		(void)pf_unlink_at(file->dir, file->name);
	pf_close(file->fd);
	pf_close(file->dir);
	free(file->path);
}

int
key_make_files(const char *name, struct public_key *ret_public)
{
	struct new_file secret_file = { .dir = -1, .fd = -1 };
	struct new_file public_file = { .dir = -1, .fd = -1 };
	char secret_text[SECRET_FILE_SIZE];
	struct buffer public_text = { 0 };
	struct secret_key key;
	struct public_key public;
	int err = secret_key_new(&key);

	if (err < 0)
		return report_error(err, name, "making the key");
	secret_key_public(&key, &public);
	secret_key_to_file(&key, secret_text);
	secret_key_wipe(&key);
	err = public_key_add_file(&public, &public_text);
	if (err < 0)
		report_error(err, name, "making the key");
	if (err == 0)
		err = begin_file(name, ".key", SECRET_MODE, &secret_file);
	if (err == 0)
		err = begin_file(name, ".pub", PUBLIC_MODE & ~pf_umask(),
				 &public_file);
	if (err == 0)
		err = write_file(&public_file, public_text.data,
				 public_text.size);
	if (err == 0)
		err = write_file(&secret_file, secret_text,
				 strlen(secret_text));
	sodium_memzero(secret_text, sizeof secret_text);
	end_file(&secret_file, err);
	end_file(&public_file, err);
	buffer_release(&public_text);
	if (err == 0)
		*ret_public = public;
	return err;
}
