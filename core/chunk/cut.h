/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CUT_H
#define CUT_H

/*
 * cut - where one block ends and the next begins.
 *
 * A large file is cut by its content: behind the first byte, at least `min`
 * bytes into the block, where a Gear hash over the last 32 bytes falls below
 * a threshold; at `max` bytes at the latest.  An insertion moves the cuts
 * near it and no others.  (Gear: Xia et al., "Ddelta", 2014; one comparison
 * instead of a mask, so that any average can be had.)
 *
 * Files below `average` are put together in path order.  A group that holds
 * half the average ends behind a file whose path's hash says so, with
 * probability size / (average / 2): the same files make the same groups,
 * whatever was added or removed elsewhere.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cut_rule {
	uint32_t min;	  /* bytes; no block of a large file is smaller, but
			   * its last */
	uint32_t average; /* bytes; smaller files are grouped */
	uint32_t max;	  /* bytes; no block is larger */
};

#define CUT_MAX_LIMIT (4u << 20) /* bytes; no image may ask for a larger max */

/* The rule of every image made by this version; see docs/why/001. */
extern const struct cut_rule cut_rule_default;

/* 64 <= min <= average < max <= CUT_MAX_LIMIT. */
bool cut_rule_is_valid(const struct cut_rule *rule);

/* How far a search for the end of one block has come. */
struct cut {
	uint32_t hash;
	size_t seen; /* bytes of the block looked at */
};

/*
 * Look for the end of the block that begins at data[0], of which size bytes
 * are there by now; *cut, all zeros at the block's beginning, remembers what
 * was looked at.  Returns the size of the block, or 0 when its end was not
 * among these bytes.
 */
size_t cut_find(const struct cut_rule *rule, struct cut *cut,
		const uint8_t *data, size_t size);

/* 64 hash bits of a path: the low half ends groups, the high half pages. */
uint64_t cut_path_hash(const char *path, size_t size);

/*
 * Does a group that now holds group_size bytes end behind its last file, of
 * file_size bytes, whose path hashes to path_hash?
 */
bool cut_group_ends(const struct cut_rule *rule, uint64_t path_hash,
		    uint64_t file_size, uint64_t group_size);

/* The Gear table: entry i is the first 4 bytes of BLAKE3 over the byte i. */
extern const uint32_t cut_gear[256];

#endif
