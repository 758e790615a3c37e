/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_SPARSE_H
#define PF_SPARSE_H

/*
 * pf_sparse - where a file has data and where it has holes.
 *
 *   platform/linux/pf_sparse.c   SEEK_DATA, SEEK_HOLE
 *   platform/none/pf_sparse.c    every file is data from end to end
 */

#include <stdint.h>

/*
 * The first range with data at or behind offset: [*ret_data, *ret_hole).
 * Both are size when there is none.  size is that of the file.
 */
int pf_next_data(int fd, uint64_t offset, uint64_t size, uint64_t *ret_data,
		 uint64_t *ret_hole);

#endif
