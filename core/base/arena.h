/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ARENA_H
#define ARENA_H

/*
 * arena - many small pieces of memory that end together.
 *
 * All zeros is an empty arena.  Pieces never move, and are aligned for any
 * type.  arena_reset() keeps the memory for the next round, so that a loop
 * over blocks allocates only until it has seen its largest one.
 */

#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *first;
	struct arena_chunk *current;
};

/* size bytes, not cleared; NULL when out of memory. */
void *arena_take(struct arena *arena, size_t size);

/* A copy of size bytes with a NUL behind it; NULL when out of memory. */
char *arena_copy(struct arena *arena, const void *data, size_t size);

/* End all pieces, keep the memory. */
void arena_reset(struct arena *arena);

/* End all pieces, free the memory. */
void arena_release(struct arena *arena);

#endif
