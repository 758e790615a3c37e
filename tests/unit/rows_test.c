/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/rows.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "platform/pf_fault.h"
#include "tests/unit/support.h"

static struct digest root;

/* What stat might say about the file with this ordinal. */
static struct pf_stat
stat_of(uint64_t ordinal)
{
	return (struct pf_stat){ .inode = 1000 + ordinal,
				 .size = ordinal * 3,
				 .mtime = (int64_t)ordinal - 50,
				 .ctime = INT64_MAX - (int64_t)ordinal,
				 .device = 7 };
}

static int
write_rows(uint64_t count)
{
	uint8_t header[ROWS_HEADER_SIZE], row[ROW_SIZE];
	int fd = temp_fd();

	digest_of("root", 4, &root);
	rows_put_header(header, &root);
	assert_int_equal(pf_write(fd, header, sizeof header), 0);
	for (uint64_t i = 0; i < count; i++) {
		struct pf_stat stat = stat_of(i);

		row_put(row, &stat);
		assert_int_equal(pf_write(fd, row, sizeof row), 0);
	}
	return fd;
}

static void
row_holds_only_for_the_very_file(void **state)
{
	struct pf_stat stat = stat_of(100), other;
	uint8_t row[ROW_SIZE];

	(void)state;
	row_put(row, &stat);
	assert_true(row_holds(row, &stat));
	other = stat;
	other.inode ^= UINT64_C(1) << 40;
	assert_false(row_holds(row, &other));
	other = stat;
	other.size++;
	assert_false(row_holds(row, &other));
	other = stat;
	other.mtime++;
	assert_false(row_holds(row, &other));
	other = stat;
	other.ctime--;
	assert_false(row_holds(row, &other));
	other = stat;
	other.device = 0;
	assert_false(row_holds(row, &other));

	/* Mode and owner are not in it: a change of them moves ctime. */
	other = stat;
	other.mode = 0777;
	assert_true(row_holds(row, &other));
	memset(row, 0, sizeof row);
	assert_false(row_holds(row, &stat));
}

static void
row_encoding_is_the_documented_one(void **state)
{
	struct pf_stat stat = {
		.inode = 1, .size = 2, .mtime = -1, .ctime = 4, .device = 5
	};
	uint8_t row[ROW_SIZE], header[ROWS_HEADER_SIZE];

	(void)state;
	row_put(row, &stat);
	assert_int_equal(le64_get(row), 1);
	assert_int_equal(le64_get(row + 8), 2);
	assert_true(le64_get(row + 16) == UINT64_MAX);
	assert_int_equal(le64_get(row + 24), 4);
	assert_int_equal(le64_get(row + 32), 5);
	digest_of("x", 1, &root);
	rows_put_header(header, &root);
	assert_memory_equal(header, "DSPLROWS", 8);
	assert_int_equal(le64_get(header + 8), 1);
	assert_memory_equal(header + 16, root.bytes, DIGEST_SIZE);
}

static void
check_row(struct rows_reader *reader, uint64_t ordinal, uint64_t count)
{
	const uint8_t *row = rows_reader_get(reader, ordinal);
	struct pf_stat stat = stat_of(ordinal);

	assert_int_equal(row != NULL, ordinal < count);
	if (row != NULL)
		assert_true(row_holds(row, &stat));
}

static void
rows_reader_gives_each_row_in_any_order(void **state)
{
	enum { COUNT = 5000 };
	struct rows_reader reader;
	int fd = write_rows(COUNT);
	uint64_t random = 1;

	(void)state;
	assert_int_equal(rows_reader_init(&reader, fd, &root), 0);
	for (uint64_t i = 0; i < COUNT + 10; i++)
		check_row(&reader, i, COUNT);
	for (uint64_t i = COUNT + 10; i-- > 0;)
		check_row(&reader, i, COUNT);
	for (int i = 0; i < 1000; i++)
		check_row(&reader, random_below(&random, COUNT + 100), COUNT);
	rows_reader_release(&reader);
	rows_reader_release(&reader);
	close(fd);
}

static void
rows_reader_gives_no_row_beyond_the_file(void **state)
{
	struct rows_reader reader;
	int fd = write_rows(3);

	(void)state;
	/* Half a row is none. */
	assert_int_equal(ftruncate(fd, ROWS_HEADER_SIZE + 2 * ROW_SIZE + 39),
			 0);
	assert_int_equal(rows_reader_init(&reader, fd, &root), 0);
	check_row(&reader, 2, 2);
	check_row(&reader, 1, 2);
	check_row(&reader, 2, 2);
	check_row(&reader, UINT32_MAX, 2);
	check_row(&reader, UINT64_C(1) << 50, 2);
	check_row(&reader, 0, 2);
	rows_reader_release(&reader);
	close(fd);
}

static void
rows_reader_refuses_another_root_s_rows(void **state)
{
	struct rows_reader reader;
	int fd = write_rows(3);

	(void)state;
	for (off_t at = 0; at < ROWS_HEADER_SIZE; at++) {
		uint8_t before, after;

		assert_int_equal(pread(fd, &before, 1, at), 1);
		after = before ^ 0x10;
		assert_int_equal(pwrite(fd, &after, 1, at), 1);
		assert_int_equal(rows_reader_init(&reader, fd, &root),
				 DSP_EFORMAT);
		rows_reader_release(&reader);
		assert_int_equal(pwrite(fd, &before, 1, at), 1);
	}
	for (off_t size = 0; size < ROWS_HEADER_SIZE; size++) {
		int short_fd = temp_fd();
		uint8_t header[ROWS_HEADER_SIZE];

		rows_put_header(header, &root);
		assert_int_equal(pwrite(short_fd, header, (size_t)size, 0),
				 size);
		assert_int_equal(rows_reader_init(&reader, short_fd, &root),
				 DSP_EFORMAT);
		rows_reader_release(&reader);
		close(short_fd);
	}
	close(fd);
}

/* Not to know is safe: the file is then read, or written anew. */
static void
rows_reader_under_a_failing_read_knows_nothing(void **state)
{
	struct rows_reader reader;
	int fd = write_rows(3000);

	(void)state;
	pf_fault_set(1, DSP_EIO);
	assert_int_equal(rows_reader_init(&reader, fd, &root), DSP_EIO);
	rows_reader_release(&reader);
	assert_true(pf_fault_clear());
	assert_int_equal(rows_reader_init(&reader, fd, &root), 0);
	pf_fault_set(1, DSP_EIO);
	assert_null(rows_reader_get(&reader, 5));
	assert_true(pf_fault_clear());
	check_row(&reader, 5, 3000);
	pf_fault_set(1, DSP_EIO);
	check_row(&reader, 6, 3000); /* it is there already */
	assert_null(rows_reader_get(&reader, 2000));
	assert_true(pf_fault_clear());
	check_row(&reader, 6, 3000);
	check_row(&reader, 2000, 3000);
	rows_reader_release(&reader);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(row_holds_only_for_the_very_file),
		cmocka_unit_test(row_encoding_is_the_documented_one),
		cmocka_unit_test(rows_reader_gives_each_row_in_any_order),
		cmocka_unit_test(rows_reader_gives_no_row_beyond_the_file),
		cmocka_unit_test(rows_reader_refuses_another_root_s_rows),
		cmocka_unit_test(
			rows_reader_under_a_failing_read_knows_nothing),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
