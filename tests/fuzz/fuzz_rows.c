/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Input: a byte, three u16 ordinals, then what is in a file of rows.  When the
 * byte is odd, a true header stands before it.
 *
 * A row that the reader gives is the one in the file; none is beyond its end.
 */
#include "core/base/err.h"
#include "core/tree/rows.h"
#include "tests/fuzz/fuzz.h"

static void
check_row(struct rows_reader *reader, uint64_t ordinal, const uint8_t *file,
	  size_t size)
{
	const uint8_t *row = rows_reader_get(reader, ordinal);
	uint64_t at = ROWS_HEADER_SIZE + ordinal * ROW_SIZE;

	must((row != NULL) == (at + ROW_SIZE <= size));
	must(row == NULL || memcmp(row, file + at, ROW_SIZE) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	bool has_header = take_u8(&input) % 2 == 1;
	uint64_t ordinals[3] = { take_u16(&input), take_u16(&input),
				 take_u16(&input) };
	size_t head = has_header ? ROWS_HEADER_SIZE : 0;
	uint8_t *file = malloc(head + input.size + 1);
	struct digest root = { { 1, 2, 3 } };
	struct rows_reader reader;
	int err;

	must(file != NULL);
	if (has_header)
		rows_put_header(file, &root);
	if (input.size > 0)
		memcpy(file + head, input.data, input.size);
	err = rows_reader_init(&reader, file_of(file, head + input.size),
			       &root);
	must(err == 0 || (err == DSP_EFORMAT && !has_header));
	for (int i = 0; err == 0 && i < 4; i++) {
		for (int j = 0; j < 3; j++)
			check_row(&reader, ordinals[j], file,
				  head + input.size);
		check_row(&reader, ordinals[0] << 16 | ordinals[1], file,
			  head + input.size);
		check_row(&reader, (uint64_t)i, file, head + input.size);
	}
	if (err == 0)
		rows_reader_release(&reader);
	free(file);
	return 0;
}
