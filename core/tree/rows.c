/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/rows.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

enum { ROWS_FORMAT = 1, ROWS_AT_ONCE = 1024 };

static const char word[8] = { 'D', 'S', 'P', 'L', 'R', 'O', 'W', 'S' };

void
row_put(uint8_t row[ROW_SIZE], const struct pf_stat *stat)
{
	le64_put(row, stat->inode);
	le64_put(row + 8, stat->size);
	le64_put(row + 16, (uint64_t)stat->mtime);
	le64_put(row + 24, (uint64_t)stat->ctime);
	le64_put(row + 32, stat->device);
}

bool
row_holds(const uint8_t row[ROW_SIZE], const struct pf_stat *stat)
{
	uint8_t now[ROW_SIZE];

	row_put(now, stat);
	return memcmp(row, now, ROW_SIZE) == 0;
}

void
rows_put_header(uint8_t header[ROWS_HEADER_SIZE], const struct digest *root)
{
	memcpy(header, word, sizeof word);
	le64_put(header + 8, ROWS_FORMAT);
	memcpy(header + 16, root->bytes, DIGEST_SIZE);
}

int
rows_reader_init(struct rows_reader *reader, int fd, const struct digest *root)
{
	uint8_t expected[ROWS_HEADER_SIZE], header[ROWS_HEADER_SIZE];
	size_t got;
	int err;

	*reader = (struct rows_reader){ .fd = fd };
	rows_put_header(expected, root);
	err = pf_read_at(fd, header, sizeof header, 0, &got);
	if (err < 0)
		return err;
	if (got != sizeof header ||
	    memcmp(header, expected, sizeof header) != 0)
		return DSP_EFORMAT;
	reader->data = malloc((size_t)ROWS_AT_ONCE * ROW_SIZE);
	return reader->data != NULL ? 0 : DSP_ENOMEM;
}

void
rows_reader_release(struct rows_reader *reader)
{
	free(reader->data);
	reader->data = NULL;
}

const uint8_t *
rows_reader_get(struct rows_reader *reader, uint64_t ordinal)
{
	uint64_t count = reader->size / ROW_SIZE;

	if (reader->data == NULL)
		return NULL;
	if (ordinal < reader->first || ordinal - reader->first >= count) {
		reader->first = ordinal;
		reader->size = 0;
		if (pf_read_at(reader->fd, reader->data,
			       (size_t)ROWS_AT_ONCE * ROW_SIZE,
			       ROWS_HEADER_SIZE + ordinal * ROW_SIZE,
			       &reader->size) < 0 ||
		    reader->size < ROW_SIZE)
			return NULL;
	}
	return reader->data + (ordinal - reader->first) * ROW_SIZE;
}

bool
rows_reader_holds(struct rows_reader *reader, uint64_t ordinal, int dir,
		  const char *name, struct pf_stat *ret_stat)
{
	const uint8_t *row = rows_reader_get(reader, ordinal);

	if (row == NULL || pf_stat_at(dir, name, ret_stat) < 0)
		return false;
	ret_stat->device = 0;
	return row_holds(row, ret_stat);
}
