/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OWNERS_H
#define OWNERS_H

/*
 * owners - names of users and groups to ids of this machine and back.
 *
 * A record names its owner twice.  The name counts where this machine knows
 * it, else the number, as tar does.
 *
 * Threads    Any; one lock inside.
 */

#include <stdint.h>

struct owners;

struct owners *owners_new(void); /* NULL when out of memory */
void owners_free(struct owners *owners);

/* The ids to give a file that belongs to these names and numbers.  DSP_ENOMEM. */
int owners_to_ids(struct owners *owners, const char *user, uint32_t uid,
		  const char *group, uint32_t gid, uint32_t *ret_uid,
		  uint32_t *ret_gid);

/* The names of these ids, "" for none; lent until owners_free().  DSP_ENOMEM. */
int owners_to_names(struct owners *owners, uint32_t uid, uint32_t gid,
		    const char **ret_user, const char **ret_group);

#endif
