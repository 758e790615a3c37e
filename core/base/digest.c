/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/digest.h"

#include <blake3.h>
#include <stdlib.h>
#include <string.h>

struct digest_sum {
	blake3_hasher hasher;
};

void
digest_start(void)
{
	struct digest ignored;

	digest_of("", 1, &ignored);
}

void
digest_of(const void *data, size_t size, struct digest *ret_digest)
{
	blake3_hasher hasher;

	blake3_hasher_init(&hasher);
	blake3_hasher_update(&hasher, data, size);
	blake3_hasher_finalize(&hasher, ret_digest->bytes, DIGEST_SIZE);
}

bool
digest_equal(const struct digest *a, const struct digest *b)
{
	return memcmp(a->bytes, b->bytes, DIGEST_SIZE) == 0;
}

bool
digest_is_zero(const struct digest *digest)
{
	static const struct digest zero;

	return digest_equal(digest, &zero);
}

void
digest_to_hex(const struct digest *digest, char ret_hex[DIGEST_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < DIGEST_SIZE; i++) {
		ret_hex[2 * i] = digits[digest->bytes[i] >> 4];
		ret_hex[2 * i + 1] = digits[digest->bytes[i] & 15];
	}
	ret_hex[2 * DIGEST_SIZE] = '\0';
}

struct digest_sum *
digest_sum_new(void)
{
	struct digest_sum *sum = malloc(sizeof *sum);

	if (sum != NULL)
		digest_sum_reset(sum);
	return sum;
}

void
digest_sum_free(struct digest_sum *sum)
{
	free(sum);
}

void
digest_sum_reset(struct digest_sum *sum)
{
	blake3_hasher_init(&sum->hasher);
}

void
digest_sum_add(struct digest_sum *sum, const void *data, size_t size)
{
	blake3_hasher_update(&sum->hasher, data, size);
}

void
digest_sum_get(const struct digest_sum *sum, struct digest *ret_digest)
{
	blake3_hasher_finalize(&sum->hasher, ret_digest->bytes, DIGEST_SIZE);
}
