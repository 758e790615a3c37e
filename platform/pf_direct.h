/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PF_DIRECT_H
#define PF_DIRECT_H

/*
 * pf_direct - write past the page cache.
 *
 *   platform/linux/pf_direct.c   O_DIRECT
 *   platform/none/pf_direct.c    never pays
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What memory, offset and size must be multiples of. */
#define PF_DIRECT_ALIGNMENT 4096u

/*
 * Is the file on a file system where that is faster for large files, and
 * where nothing else is different?
 */
bool pf_direct_pays(int fd);

/*
 * As pf_write_at(), with all three aligned.  Nobody else writes to fd
 * meanwhile.
 *
 * DSP_EUNSUPPORTED  not here after all; some of it may be written
 */
int pf_write_direct_at(int fd, const void *data, size_t size, uint64_t offset);

#endif
