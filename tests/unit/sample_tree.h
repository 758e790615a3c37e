/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SAMPLE_TREE_H
#define SAMPLE_TREE_H

/*
 * sample_tree - directory trees to pack, and what is in one, as text.
 *
 * What goes wrong ends the test.
 */

#include <stdbool.h>

#include "core/base/buffer.h"

/* A handful of entries of every kind, for loops that pack it often. */
void sample_tree_small(const char *top);

/*
 * Everything that a package may hold: modes, times to the nanosecond, links,
 * holes, attributes where the file system has them, odd names, a path beyond
 * 4,096 bytes, files of several blocks.
 */
void sample_tree_rich(const char *top);

/*
 * What is in a tree, read without any of core/: one line an entry, sorted by
 * name, with type, mode, time, size, digest, link, attributes and, for root,
 * owners; hard links as the first name of their file.
 */
void tree_list(const char *top, struct buffer *ret_text);

/* Both trees are the same in all that. */
void assert_same_trees(const char *a, const char *b);

#endif
