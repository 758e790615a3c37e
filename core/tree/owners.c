/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/owners.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/err.h"
#include "core/image/record.h"
#include "platform/pf_thread.h"
#include "platform/pf_user.h"

enum { OWNER_NAME_SIZE = RECORD_NAME_MAX + 1 };

/* One name with its id, whichever of the two was asked for. */
struct owner_entry {
	struct owner_entry *next;
	bool is_group;
	bool is_by_name; /* name was asked for, id is the answer */
	uint32_t id;
	bool is_known;
	char name[OWNER_NAME_SIZE];
};

struct owners {
	struct pf_lock *lock;
	struct owner_entry *entries; /* the one used last comes first */
};

struct owners *
owners_new(void)
{
	struct owners *owners = calloc(1, sizeof *owners);

	if (owners == NULL)
		return NULL;
	owners->lock = pf_lock_new();
	if (owners->lock == NULL) {
		free(owners);
		return NULL;
	}
	return owners;
}

void
owners_free(struct owners *owners)
{
	if (owners == NULL)
		return;
	while (owners->entries != NULL) {
		struct owner_entry *next = owners->entries->next;

		free(owners->entries);
		owners->entries = next;
	}
	pf_lock_free(owners->lock);
	free(owners);
}

/* Find the entry, or ask the machine; NULL when out of memory. */
static struct owner_entry *
find(struct owners *owners, bool is_group, const char *name, uint32_t id)
{
	struct owner_entry **link = &owners->entries;
	struct owner_entry *entry;

	for (; (entry = *link) != NULL; link = &entry->next) {
		if (entry->is_group != is_group ||
		    entry->is_by_name != (name != NULL))
			continue;
		if (name != NULL ? strcmp(entry->name, name) == 0
				 : entry->id == id)
			break;
	}
	if (entry != NULL) {
		*link = entry->next;
	} else {
		entry = calloc(1, sizeof *entry);
		if (entry == NULL)
			return NULL;
		entry->is_group = is_group;
		entry->is_by_name = name != NULL;
		entry->id = id;
		if (name == NULL && is_group)
			pf_group_name(id, entry->name, OWNER_NAME_SIZE);
		else if (name == NULL)
			pf_user_name(id, entry->name, OWNER_NAME_SIZE);
		else {
			memcpy(entry->name, name, strlen(name) + 1);
			entry->is_known =
				is_group ? pf_group_id(name, &entry->id)
					 : pf_user_id(name, &entry->id);
		}
	}
	entry->next = owners->entries;
	owners->entries = entry;
	return entry;
}

static int
to_id(struct owners *owners, bool is_group, const char *name, uint32_t id,
      uint32_t *ret_id)
{
	struct owner_entry *entry;

	*ret_id = id;
	if (name[0] == '\0')
		return 0;
	entry = find(owners, is_group, name, id);
	if (entry == NULL)
		return DSP_ENOMEM;
	if (entry->is_known)
		*ret_id = entry->id;
	return 0;
}

int
owners_to_ids(struct owners *owners, const char *user, uint32_t uid,
	      const char *group, uint32_t gid, uint32_t *ret_uid,
	      uint32_t *ret_gid)
{
	int err;

	pf_lock(owners->lock);
	err = to_id(owners, false, user, uid, ret_uid);
	if (err == 0)
		err = to_id(owners, true, group, gid, ret_gid);
	pf_unlock(owners->lock);
	return err;
}

int
owners_to_names(struct owners *owners, uint32_t uid, uint32_t gid,
		const char **ret_user, const char **ret_group)
{
	struct owner_entry *user, *group;

	pf_lock(owners->lock);
	user = find(owners, false, NULL, uid);
	group = find(owners, true, NULL, gid);
	pf_unlock(owners->lock);
	if (user == NULL || group == NULL)
		return DSP_ENOMEM;
	*ret_user = user->name;
	*ret_group = group->name;
	return 0;
}
