/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLONER_H
#define CLONER_H

/*
 * cloner - gives new files the blocks of files that hold the same bytes, on
 * file systems that can share them.
 *
 * Threads    One at a time per cloner.
 */

#include "core/image/record.h"
#include "platform/pf_file.h"

struct cloner;

/* Find files below the directory top, which is borrowed.  NULL: no memory. */
struct cloner *cloner_new(int top);
void cloner_free(struct cloner *cloner);

/*
 * Give to_fd, an empty file, the blocks of the file at the record's path.
 * *ret_stat is about that file after its blocks were taken: what it says not
 * to have changed is what was cloned.  Not reported.
 *
 * DSP_EUNSUPPORTED  not on these file systems; to_fd is as it was
 */
int cloner_clone(struct cloner *cloner, const struct record *record, int to_fd,
		 struct pf_stat *ret_stat);

/* Look again at the file at the record's path. */
int cloner_look(struct cloner *cloner, const struct record *record,
		struct pf_stat *ret_stat);

/* Can two files in the directory dir share blocks?  Tries it. */
bool cloner_works_in(int dir);

#endif
