/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/err.h"
#include "core/tree/expand_int.h"
#include "platform/pf_direct.h"

/* Below that, a direct write costs more than the copy it saves. */
enum { DIRECT_SIZE_MIN = 64 * 1024 };

/*
 * Write what can be written past the page cache, whole aligned pages, and
 * give where that is; the rest, less than a page at each end, is left.
 */
static int
write_direct(struct large *large, const uint8_t *data, size_t size, uint64_t at,
	     size_t *ret_start, size_t *ret_end)
{
	size_t start = (size_t)(-at % PF_DIRECT_ALIGNMENT);
	size_t end;
	int err;

	*ret_start = *ret_end = size;
	if (!large->is_direct || size < start + DIRECT_SIZE_MIN ||
	    (uintptr_t)(data + start) % PF_DIRECT_ALIGNMENT != 0)
		return 0;
	end = size - (size - start) % PF_DIRECT_ALIGNMENT;
	err = pf_write_direct_at(large->fd, data + start, end - start,
				 at + start);
	if (err == DSP_EUNSUPPORTED) {
		large->is_direct = false;
		return 0;
	}
	*ret_start = start;
	*ret_end = end;
	return err;
}

/* Write a run of data that is one run in the file, too. */
static int
write_run(struct expand *expand, struct large *large, int fd,
	  const uint8_t *data, size_t size, uint64_t at)
{
	size_t start = size, end = size;
	int err = 0;

	if (large != NULL)
		err = write_direct(large, data, size, at, &start, &end);
	if (err == 0 && start > 0)
		err = pf_write_at(fd, data, start, at);
	if (err == 0 && end < size)
		err = pf_write_at(fd, data + end, size - end, at + end);
	atomic_fetch_add(&expand->bytes_written, size);
	flusher_add(expand->flusher, start + (size - end));
	return err;
}

/* Write data[0..size) of the record, from offset of its data on. */
static int
write_data(struct expand *expand, struct large *large, int fd,
	   const struct record *record, uint64_t offset, const uint8_t *data,
	   size_t size)
{
	while (size > 0) {
		uint64_t run;
		uint64_t at = record_file_offset(record, offset, &run);
		size_t now = run < size ? (size_t)run : size;
		int err = write_run(expand, large, fd, data, now, at);

		if (err < 0)
			return expand_fail(expand, err, record, "writing");
		data += now;
		offset += now;
		size -= now;
	}
	return 0;
}

int
expand_write_small(struct expand *expand, int fd, const struct record *record,
		   const uint8_t *data)
{
	return write_data(expand, NULL, fd, record, 0, data,
			  (size_t)record->data_size);
}

int
expand_write_part(struct expand *expand, struct large *large,
		  const struct slot *slot)
{
	return write_data(expand, large, large->fd, &large->record,
			  slot->part_offset, slot->raw, slot->raw_size);
}
