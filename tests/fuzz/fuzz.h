/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_H
#define FUZZ_H

/*
 * fuzz - what the fuzz targets share.
 *
 * Each target says in its first comment what its input is and what must hold.
 * A target that finds something else ends the program; so do the sanitizers.
 */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold, also where assert() is compiled away. */
#define must(claim)                                                   \
	do {                                                          \
		if (!(claim)) {                                       \
			fprintf(stderr, "%s:%d: does not hold: %s\n", \
				__FILE__, __LINE__, #claim);          \
			abort();                                      \
		}                                                     \
	} while (0)

/* Input that is eaten from the front; zeros when there is no more. */
struct input {
	const uint8_t *data;
	size_t size;
};

static inline unsigned
take_u8(struct input *input)
{
	unsigned value;

	if (input->size == 0)
		return 0;
	value = *input->data++;
	input->size--;
	return value;
}

static inline unsigned
take_u16(struct input *input)
{
	unsigned low = take_u8(input);

	return low | take_u8(input) << 8;
}

/* At most size bytes; input->size less. */
static inline struct input
take_bytes(struct input *input, size_t size)
{
	struct input taken = { input->data, size };

	if (taken.size > input->size)
		taken.size = input->size;
	input->data += taken.size;
	input->size -= taken.size;
	return taken;
}

/* A copy that a sanitizer knows the end of; free() it. */
static inline void *
copy_of(const void *data, size_t size)
{
	void *copy = malloc(size > 0 ? size : 1);

	must(copy != NULL);
	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

/* The one file that inputs become, in memory; open for reading and writing. */
static inline int
file_of(const void *data, size_t size)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("input", MFD_CLOEXEC);
	must(fd >= 0);
	must(ftruncate(fd, 0) == 0);
	must(pwrite(fd, data, size, 0) == (ssize_t)size);
	return fd;
}

/* A base for delta frames that is always the same. */
enum { FUZZ_BASE_SIZE = 20000 };

static inline const uint8_t *
fuzz_base(void)
{
	static uint8_t base[FUZZ_BASE_SIZE];
	static int is_made;
	uint32_t state = 1;

	for (size_t i = 0; i < FUZZ_BASE_SIZE && !is_made; i++) {
		state = state * 1103515245 + 12345;
		base[i] = (uint8_t)('a' + (state >> 16) % 26);
	}
	is_made = 1;
	return base;
}

#endif
