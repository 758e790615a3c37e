/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_user.h"

#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>

/* What the C library finds, it keeps in memory of its own. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void
pf_user_name(uint32_t uid, char *name, size_t capacity)
{
	struct passwd *entry;

	pthread_mutex_lock(&lock);
	entry = getpwuid(uid);
	snprintf(name, capacity, "%s", entry != NULL ? entry->pw_name : "");
	pthread_mutex_unlock(&lock);
}

void
pf_group_name(uint32_t gid, char *name, size_t capacity)
{
	struct group *entry;

	pthread_mutex_lock(&lock);
	entry = getgrgid(gid);
	snprintf(name, capacity, "%s", entry != NULL ? entry->gr_name : "");
	pthread_mutex_unlock(&lock);
}

bool
pf_user_id(const char *name, uint32_t *ret_uid)
{
	struct passwd *entry;

	pthread_mutex_lock(&lock);
	entry = getpwnam(name);
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
	entry = getgrnam(name);
	if (entry != NULL)
		*ret_gid = entry->gr_gid;
	pthread_mutex_unlock(&lock);
	return entry != NULL;
}
