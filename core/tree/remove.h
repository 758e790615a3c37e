/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REMOVE_H
#define REMOVE_H

/*
 * remove - take away whole directory trees, and nothing outside them.
 *
 * No symbolic link is followed (S16).  Whatever permission bits the
 * directories have, their owner gets rid of them.
 *
 * Errors     reported, with the path below `shown`, which is what messages
 *            call the tree.  What could be removed has been.
 */

/* Remove name below dir, of any type.  Absent already is success. */
int remove_tree(int dir, const char *name, const char *shown);

/* Remove everything in the directory dir, but not the directory. */
int remove_contents(int dir, const char *shown);

/* And not what is called keep in it. */
int remove_contents_but(int dir, const char *keep, const char *shown);

#endif
