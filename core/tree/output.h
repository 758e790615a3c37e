/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OUTPUT_H
#define OUTPUT_H

/*
 * output - a file that appears whole or not at all.
 *
 * It is written under ".NAME.despool" beside its place, synced, and renamed.
 * What a killed process left there is removed by the next one; a process that
 * is still at it holds a lock.
 *
 * Errors     reported.
 */

#include <stdbool.h>

#include "platform/pf_file.h"

struct output;

/*
 * Begin the file at path.  Gives *ret_output, ended with output_close().
 *
 * DSP_EEXIST    path exists and replace is false
 * DSP_EBUSY     another process is writing it
 * DSP_EOVERLAP  it would be inside the directory that `outside` is about
 */
int output_open(const char *path, bool replace, const struct pf_stat *outside,
		struct output **ret_output);

/* Would output_open() have something against it?  Makes nothing. */
int output_check(const char *path, bool replace, const struct pf_stat *outside);

/* Where to write; lent until output_close(). */
int output_fd(const struct output *output);

/*
 * Put it in its place.  After an error it is not there; nor is what it was to
 * replace, when the very last step failed.
 */
int output_commit(struct output *output);

/* End it; what was not committed is removed.  NULL is allowed. */
void output_close(struct output *output);

/*
 * The name under which name's successor is made beside it: ".NAME.despool",
 * or a shorter one with a digest in it when that is too long for a file
 * system.  Gives the caller a string to free(); NULL: out of memory.
 */
char *output_temp_name(const char *name);

/*
 * The open directory fd is one we work in, found or made: is it ours, or of
 * the user `also`?  Others' could be changed under our hands (S1).  Takes the
 * permissions that others have on it away.  DSP_EACCES.
 */
int output_own_dir(int fd, uint32_t also);

/* Split path into an open directory and a name in it; *ret_name is inside
 * path or ".".  DSP_EINVAL for a path without a name, such as "..". */
int output_split(const char *path, int *ret_dir, char **ret_name);

/* Is the directory dir the one that top is about, or below it? */
int output_is_inside(int dir, const struct pf_stat *top, bool *ret_is_inside);

#endif
