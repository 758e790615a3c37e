/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/image/xattrs.h"
#include "core/tree/expand_int.h"
#include "platform/pf_process.h"
#include "platform/pf_xattr.h"

/* Attributes that only root may set. */
static bool
is_privileged(const char *attribute)
{
	return strncmp(attribute, "security.", 9) == 0 ||
	       strncmp(attribute, "trusted.", 8) == 0;
}

int
expand_clear_attributes(int dir, const char *name)
{
	char *list = malloc(PF_XATTR_SIZE_MAX);
	size_t size = 0;
	int err = list == NULL ? DSP_ENOMEM
			       : pf_xattr_list(dir, name, list,
					       PF_XATTR_SIZE_MAX, &size);

	for (size_t at = 0; err == 0 && at < size;
	     at += strlen(list + at) + 1) {
		err = pf_xattr_remove(dir, name, list + at);

		/* The system's own labels stay. */
		if (err == DSP_EACCES || err == DSP_EUNSUPPORTED)
			err = 0;
	}
	free(list);
	return err;
}

static int
set_xattrs(struct expand *expand, struct node *node, const char *name,
	   const struct record *record)
{
	struct xattr xattr;
	size_t offset = 0;

	while (xattrs_next(record->xattrs, record->xattrs_size, &offset,
			   &xattr)) {
		int err = pf_xattr_set(node->fd, name, xattr.name, xattr.value,
				       xattr.value_size);

		if (err == DSP_EACCES && is_privileged(xattr.name) &&
		    !pf_is_root()) {
			if (!atomic_exchange(&expand->has_left_xattrs, true))
				report_warning(expand->params.shown,
					       "not root: attributes such as "
					       "%s are left out",
					       xattr.name);
			continue;
		}
		if (err < 0) {
			char what[XATTRS_NAME_MAX + 64];

			snprintf(what, sizeof what, "setting attribute %s",
				 xattr.name);
			return expand_fail(expand, err, record, what);
		}
	}
	return 0;
}

static int
set_owner(struct expand *expand, struct node *node, const char *name, int fd,
	  const struct record *record, const struct pf_stat *known,
	  bool *ret_is_new)
{
	uint32_t uid, gid;
	int err;

	*ret_is_new = false;

	if (expand->params.owners == NULL)
		return 0;
	err = owners_to_ids(expand->params.owners, record->user, record->uid,
			    record->group, record->gid, &uid, &gid);
	if (err < 0)
		return expand_fail(expand, err, record, "setting the owner");
	if (known != NULL && known->uid == uid && known->gid == gid)
		return 0;
	if (known == NULL && expand->has_own && expand->own_uid == uid &&
	    expand->own_gid == gid)
		return 0;
	*ret_is_new = true;
	err = fd >= 0 ? pf_set_owner_fd(fd, uid, gid)
		      : pf_set_owner_at(node->fd, name, uid, gid);
	return err < 0 ? expand_fail(expand, err, record, "setting the owner")
		       : 0;
}

/*
 * The packed bits at once where that is enough.  Set-id bits would be cleared
 * by a new owner; and whoever is not root can set no attribute on a file made
 * read-only.
 */
unsigned
expand_first_mode(const struct record *record)
{
	if (record->xattrs_size > 0 || (record->mode & 07000) != 0)
		return 0600;
	return record->mode;
}

/*
 * The order matters: a new owner clears set-id bits and capabilities, and
 * whoever is not root can set no attribute on a file made read-only.
 */
int
expand_set_attributes(struct expand *expand, struct node *node,
		      const char *name, int fd, const struct record *record,
		      struct pf_stat *ret_stat)
{
	bool is_link = record->type == RECORD_SYMLINK;
	bool is_new;
	int err = set_owner(expand, node, name, fd, record, NULL, &is_new);

	if (err == 0)
		err = set_xattrs(expand, node, name, record);
	if (err < 0)
		return err;
	if (!is_link && (record->type == RECORD_DIR ||
			 expand_first_mode(record) != record->mode)) {
		err = pf_set_mode_fd(fd, record->mode);
		if (err < 0)
			return expand_fail(expand, err, record,
					   "setting permissions");
	}
	err = is_link ? pf_set_mtime_at(node->fd, name, record->mtime)
		      : pf_set_mtime_fd(fd, record->mtime);
	if (err < 0)
		return expand_fail(expand, err, record, "setting the time");
	if (expand->params.rows < 0)
		return 0;
	err = is_link ? pf_stat_at(node->fd, name, ret_stat)
		      : pf_stat_fd(fd, ret_stat);
	return err < 0 ? expand_fail(expand, err, record, "looking at") : 0;
}

int
expand_adjust_attributes(struct expand *expand, struct node *node,
			 const char *name, const struct record *record,
			 struct pf_stat *stat)
{
	struct pf_stat before = *stat;
	bool is_new;
	int err = set_owner(expand, node, name, -1, record, stat, &is_new);

	/* A new owner clears capabilities and set-id bits: set them again. */
	if (err == 0 && is_new)
		err = set_xattrs(expand, node, name, record);
	if (err == 0 && record->type != RECORD_SYMLINK &&
	    (before.mode != record->mode || (record->mode & 06000) != 0)) {
		err = pf_set_mode_at(node->fd, name, record->mode);
		if (err < 0)
			return expand_fail(expand, err, record,
					   "setting permissions");
	}
	if (err == 0 && before.mtime != record->mtime) {
		err = pf_set_mtime_at(node->fd, name, record->mtime);
		if (err < 0)
			return expand_fail(expand, err, record,
					   "setting the time");
	}
	if (err == 0) {
		err = pf_stat_at(node->fd, name, stat);
		if (err < 0)
			return expand_fail(expand, err, record, "looking at");
	}
	return err;
}
