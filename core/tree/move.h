/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MOVE_H
#define MOVE_H

/*
 * move - gives whole trees their places.
 *
 * A directory that its owner may not write cannot be moved to another one by
 * anybody but root, because its ".." changes: such a tree is made writable
 * for the moment of the move.
 *
 * Errors     those of pf_rename_at(); not reported.
 */

/* Rename a tree; `to` must be absent or an empty directory. */
int move_tree(int from_dir, const char *from, int to_dir, const char *to);

/*
 * Let the trees a and b change places, in one step where the system can.
 * Where it cannot, there is nothing at b for a moment, and b's old tree ends
 * as `aside` in dir_a instead of a.
 *
 * After an error both are where they were; but when even that cannot be had,
 * DSP_EFAULT, and b's old tree is `aside`.
 */
int move_swap(int dir_a, const char *a, int dir_b, const char *b,
	      const char *aside);

#endif
