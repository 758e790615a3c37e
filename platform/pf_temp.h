/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_TEMP_H
#define PF_TEMP_H

/*
 * pf_temp - a file without a name, for what does not fit into memory.
 *
 *   platform/posix/pf_temp.c   mkstemp in $TMPDIR or /var/tmp, unlinked at once
 */

/* Where they are made, for messages. */
const char *pf_temp_dir(void);

/* Gives *ret_fd, open for reading and writing; it is gone when closed. */
int pf_temp_file(int *ret_fd);

#endif
