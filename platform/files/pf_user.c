/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_user.h"

#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

/* The entry of uid, or of name when that is not NULL; lent until the next. */
static struct passwd *
find_user(const char *name, uint32_t uid)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd *entry = NULL;

	if (file == NULL)
		return NULL;
	while ((entry = fgetpwent(file)) != NULL)
		if (name != NULL ? strcmp(entry->pw_name, name) == 0
				 : entry->pw_uid == uid)
			break;
	fclose(file);
	return entry;
}

static struct group *
find_group(const char *name, uint32_t gid)
{
	FILE *file = fopen("/etc/group", "re");
	struct group *entry = NULL;

	if (file == NULL)
		return NULL;
	while ((entry = fgetgrent(file)) != NULL)
		if (name != NULL ? strcmp(entry->gr_name, name) == 0
				 : entry->gr_gid == gid)
			break;
	fclose(file);
	return entry;
}

/* What the C library finds, it keeps in memory of its own. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void
pf_user_name(uint32_t uid, char *name, size_t capacity)
{
	struct passwd *entry;

	pthread_mutex_lock(&lock);
	entry = find_user(NULL, uid);
	snprintf(name, capacity, "%s", entry != NULL ? entry->pw_name : "");
	pthread_mutex_unlock(&lock);
}

void
pf_group_name(uint32_t gid, char *name, size_t capacity)
{
	struct group *entry;

	pthread_mutex_lock(&lock);
	entry = find_group(NULL, gid);
	snprintf(name, capacity, "%s", entry != NULL ? entry->gr_name : "");
	pthread_mutex_unlock(&lock);
}

bool
pf_user_id(const char *name, uint32_t *ret_uid)
{
	struct passwd *entry;

	pthread_mutex_lock(&lock);
	entry = find_user(name, 0);
	if (entry != NULL)
		*ret_uid = entry->pw_uid;
	pthread_mutex_unlock(&lock);
	return entry != NULL;
}

bool
pf_group_id(const char *name, uint32_t *ret_gid)
{
	struct group *entry;

	pthread_mutex_lock(&lock);
	entry = find_group(name, 0);
	if (entry != NULL)
		*ret_gid = entry->gr_gid;
	pthread_mutex_unlock(&lock);
	return entry != NULL;
}
