/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_user.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>

void
pf_user_name(uint32_t uid, char *name, size_t capacity)
{
	struct passwd *entry = getpwuid(uid);

	snprintf(name, capacity, "%s", entry != NULL ? entry->pw_name : "");
}

void
pf_group_name(uint32_t gid, char *name, size_t capacity)
{
	struct group *entry = getgrgid(gid);

	snprintf(name, capacity, "%s", entry != NULL ? entry->gr_name : "");
}

bool
pf_user_id(const char *name, uint32_t *ret_uid)
{
	struct passwd *entry = getpwnam(name);

	if (entry == NULL)
		return false;
	*ret_uid = entry->pw_uid;
	return true;
}

bool
pf_group_id(const char *name, uint32_t *ret_gid)
{
	struct group *entry = getgrnam(name);

	if (entry == NULL)
		return false;
	*ret_gid = entry->gr_gid;
	return true;
}
