/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NAMES_H
#define NAMES_H

/*
 * names - the names in one directory, sorted by their bytes, in little memory.
 *
 * Up to NAMES_MEMORY_MAX bytes they are kept and sorted in memory.  Of a
 * larger directory sorted runs go to an unnamed temporary file and are merged
 * on the way back, so that a million files in one directory cost no more.
 *
 * Errors     DSP_ENOMEM, and what reading a directory or writing the
 *            temporary file says.
 */

#define NAMES_MEMORY_MAX (2u << 20) /* bytes of names, NULs included */

struct names;

/* Read the directory fd.  Gives *ret_names, ended with names_free(). */
int names_read(int fd, struct names **ret_names);
void names_free(struct names *names);

/* The next name, lent until the next call; NULL at the end. */
int names_next(struct names *names, const char **ret_name);

#endif
