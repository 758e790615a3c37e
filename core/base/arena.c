/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Each chunk is twice the one before, for few pieces or many. */
enum {
	CHUNK_MIN = 1024,
	CHUNK_MAX = 32 * 1024,
	ALIGNMENT = alignof(max_align_t)
};

struct arena_chunk {
	struct arena_chunk *next;
	size_t used;
	size_t capacity;
	alignas(max_align_t) unsigned char bytes[];
};

static struct arena_chunk *
add_chunk(struct arena *arena, size_t size)
{
	size_t capacity = CHUNK_MIN;
	struct arena_chunk *chunk;

	if (arena->current != NULL)
		capacity = arena->current->capacity * 2;
	if (capacity > CHUNK_MAX)
		capacity = CHUNK_MAX;
	if (capacity < size)
		capacity = size;
	chunk = malloc(sizeof *chunk + capacity);
	if (chunk == NULL)
		return NULL;
	chunk->used = 0;
	chunk->capacity = capacity;
	if (arena->current == NULL) {
		chunk->next = NULL;
		arena->first = chunk;
	} else {
		chunk->next = arena->current->next;
		arena->current->next = chunk;
	}
	arena->current = chunk;
	return chunk;
}

void *
arena_take(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk = arena->current;
	void *piece;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	while (chunk != NULL && chunk->capacity - chunk->used < size) {
		if (chunk->next == NULL) {
			chunk = NULL;
			break;
		}
		chunk = chunk->next;
		chunk->used = 0;
		arena->current = chunk;
	}
	if (chunk == NULL)
		chunk = add_chunk(arena, size);
	if (chunk == NULL)
		return NULL;
	piece = chunk->bytes + chunk->used;
	chunk->used += size;
	return piece;
}

char *
arena_copy(struct arena *arena, const void *data, size_t size)
{
	char *copy = arena_take(arena, size + 1);

	if (copy == NULL)
		return NULL;
	if (size > 0)
		memcpy(copy, data, size);
	copy[size] = '\0';
	return copy;
}

void
arena_reset(struct arena *arena)
{
	arena->current = arena->first;
	if (arena->first != NULL)
		arena->first->used = 0;
}

void
arena_release(struct arena *arena)
{
	struct arena_chunk *chunk = arena->first;

	while (chunk != NULL) {
		struct arena_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
	*arena = (struct arena){ 0 };
}
