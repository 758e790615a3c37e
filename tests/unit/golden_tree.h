/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GOLDEN_TREE_H
#define GOLDEN_TREE_H

/*
 * golden_tree - one fixed tree: about 200 files, 3 MB, every byte, bit and
 * time of it the same wherever and by whomever it is made.
 *
 * Only owners are as found.  No attributes, no holes that a file system might
 * not have, no set-id bits that an ordinary user might not get.
 */

#include <stdint.h>

/*
 * Make the tree.  Its entries are made in an order that depends on seed, so
 * that the directories have theirs in another order too.
 */
void golden_tree_make(const char *top, uint64_t seed);

#endif
