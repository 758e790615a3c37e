/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DIGEST_H
#define DIGEST_H

/*
 * digest - BLAKE3-256, the only hash that names things here.
 *
 * Threads    digest_start() must have returned once before another thread
 *            hashes: the library's first call looks at the processor and
 *            stores what it found without a lock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE	32u			/* bytes */
#define DIGEST_HEX_SIZE (2u * DIGEST_SIZE + 1u) /* with the final NUL */

struct digest {
	uint8_t bytes[DIGEST_SIZE];
};

/* Choose the fastest code this processor has; see Threads. */
void digest_start(void);

/* The digest of size bytes at data. */
void digest_of(const void *data, size_t size, struct digest *ret_digest);

bool digest_equal(const struct digest *a, const struct digest *b);

/* All 32 bytes are zero: "none" in the image format, never a real name. */
bool digest_is_zero(const struct digest *digest);

/* Write 64 lower case hexadecimal digits and a NUL. */
void digest_to_hex(const struct digest *digest, char ret_hex[DIGEST_HEX_SIZE]);

/* A digest over bytes that come in pieces. */
struct digest_sum;

/* Gives a sum over nothing yet; NULL when out of memory. */
struct digest_sum *digest_sum_new(void);
void digest_sum_free(struct digest_sum *sum);
void digest_sum_reset(struct digest_sum *sum);
void digest_sum_add(struct digest_sum *sum, const void *data, size_t size);

/* The digest of all that was added; more may be added afterwards. */
void digest_sum_get(const struct digest_sum *sum, struct digest *ret_digest);

#endif
