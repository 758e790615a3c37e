/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/buffer.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/err.h"

enum { BUFFER_CAPACITY_MIN = 256 };

void
buffer_release(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){ 0 };
}

int
buffer_reserve(struct buffer *buffer, size_t more)
{
	size_t capacity = buffer->capacity;
	uint8_t *data;

	if (more <= buffer->capacity - buffer->size)
		return 0;
	if (more > SIZE_MAX / 4 || buffer->size > SIZE_MAX / 4)
		return DSP_ENOMEM;
	if (capacity < BUFFER_CAPACITY_MIN)
		capacity = BUFFER_CAPACITY_MIN;
	while (capacity < buffer->size + more)
		capacity += capacity / 2;
	data = realloc(buffer->data, capacity);
	if (data == NULL)
		return DSP_ENOMEM;
	buffer->data = data;
	buffer->capacity = capacity;
	return 0;
}

int
buffer_add(struct buffer *buffer, const void *data, size_t size)
{
	int err = buffer_reserve(buffer, size);

	if (err == 0 && size > 0) {
		memcpy(buffer->data + buffer->size, data, size);
		buffer->size += size;
	}
	return err;
}

int
buffer_add_u8(struct buffer *buffer, uint8_t value)
{
	return buffer_add(buffer, &value, 1);
}

int
buffer_add_le16(struct buffer *buffer, uint16_t value)
{
	uint8_t bytes[2];

	le16_put(bytes, value);
	return buffer_add(buffer, bytes, sizeof bytes);
}

int
buffer_add_le32(struct buffer *buffer, uint32_t value)
{
	uint8_t bytes[4];

	le32_put(bytes, value);
	return buffer_add(buffer, bytes, sizeof bytes);
}

int
buffer_add_le64(struct buffer *buffer, uint64_t value)
{
	uint8_t bytes[8];

	le64_put(bytes, value);
	return buffer_add(buffer, bytes, sizeof bytes);
}
