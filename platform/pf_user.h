/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_USER_H
#define PF_USER_H

/*
 * pf_user - names of users and groups, and back.
 *
 *   platform/posix/pf_user.c   getpwuid and the like: whatever this machine asks
 *   platform/files/pf_user.c   /etc/passwd and /etc/group only, for static
 *                              programs that cannot load the C library's plugins
 *
 * Threads    Any; one lock for the C library's own static results.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The name of an id, cut to capacity - 1 bytes; "" when it has none. */
void pf_user_name(uint32_t uid, char *name, size_t capacity);
void pf_group_name(uint32_t gid, char *name, size_t capacity);

/* False when this machine does not know the name. */
bool pf_user_id(const char *name, uint32_t *ret_uid);
bool pf_group_id(const char *name, uint32_t *ret_gid);

#endif
