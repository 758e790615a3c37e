/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BUFFER_H
#define BUFFER_H

/*
 * buffer - bytes that grow.
 *
 * All zeros is an empty buffer that owns nothing, ready for use.
 *
 * Errors     DSP_ENOMEM; the buffer is then as it was before the call.
 * Ownership  The buffer owns data until buffer_release().  A pointer into
 *            data is good until the next call that may grow it.
 */

#include <stddef.h>
#include <stdint.h>

struct buffer {
	uint8_t *data;
	size_t size;	 /* bytes in use */
	size_t capacity; /* bytes there is room for */
};

/* Free what the buffer owns and make it empty again. */
void buffer_release(struct buffer *buffer);

/* Make room for `more` bytes behind those in use. */
int buffer_reserve(struct buffer *buffer, size_t more);

/* Add bytes behind those in use. */
int buffer_add(struct buffer *buffer, const void *data, size_t size);
int buffer_add_u8(struct buffer *buffer, uint8_t value);
int buffer_add_le16(struct buffer *buffer, uint16_t value);
int buffer_add_le32(struct buffer *buffer, uint32_t value);
int buffer_add_le64(struct buffer *buffer, uint64_t value);

#endif
