/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROWS_H
#define ROWS_H

/*
 * rows - what the system says about each file of a tree, beside the tree.
 *
 * One row a record, in the manifest's order.  A file whose row still holds
 * has not been touched since the row was written: it need not be read again
 * to know what is in it (S1).
 *
 *     offset  size  what
 *          0     8  "DSPLROWS"
 *          8     8  format, 1
 *         16    32  digest of the root that the manifest belongs to
 *         48        rows: inode, size, mtime, ctime, device; 8 bytes each,
 *                   all zeros: nothing is known
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/digest.h"
#include "platform/pf_file.h"

enum { ROWS_HEADER_SIZE = 48, ROW_SIZE = 40 };

/* Put what stat says into a row. */
void row_put(uint8_t row[ROW_SIZE], const struct pf_stat *stat);

/* Is the row about this very file, as it was then? */
bool row_holds(const uint8_t row[ROW_SIZE], const struct pf_stat *stat);

/* The header of a file of rows. */
void rows_put_header(uint8_t header[ROWS_HEADER_SIZE],
		     const struct digest *root);

/* Rows read one after another through a buffer. */
struct rows_reader {
	int fd; /* borrowed */
	uint8_t *data;
	size_t size;	/* bytes in data */
	uint64_t first; /* ordinal of the row at data[0] */
};

/*
 * Begin to read.  DSP_EFORMAT when fd does not hold rows of this root.
 * rows_reader_release() frees what it holds; all zeros is allowed there.
 */
int rows_reader_init(struct rows_reader *reader, int fd,
		     const struct digest *root);
void rows_reader_release(struct rows_reader *reader);

/* The row of a record, lent until the next call; NULL when there is none. */
const uint8_t *rows_reader_get(struct rows_reader *reader, uint64_t ordinal);

/*
 * Is what stands at name in dir that which the row is about, whatever its
 * device is called now?  Gives *ret_stat, with device 0, when it is.
 */
bool rows_reader_holds(struct rows_reader *reader, uint64_t ordinal, int dir,
		       const char *name, struct pf_stat *ret_stat);

#endif
