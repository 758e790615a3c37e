/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/digest.h"

#include <string.h>

#include "tests/unit/support.h"

enum { INPUT_SIZE = 102400 };

/*
 * From the algorithm's authors: test_vectors.json of BLAKE3.  The input is
 * 0, 1, ... 250, 0, 1, ...
 */
static const struct {
	size_t size;
	const char *hex;
} vectors[] = {
	{ 0,
	  "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262" },
	{ 1,
	  "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213" },
	{ 1023,
	  "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11" },
	{ 1024,
	  "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7" },
	{ 1025,
	  "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444" },
	{ 2048,
	  "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a" },
	{ 2049,
	  "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030" },
	{ 3072,
	  "b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2" },
	{ 4097,
	  "9b4052b38f1c5fc8b1f9ff7ac7b27cd242487b3d890d15c96a1c25b8aa0fb995" },
	{ 5121,
	  "628bd2cb2004694adaab7bbd778a25df25c47b9d4155a55f8fbd79f2fe154cff" },
	{ 8192,
	  "aae792484c8efe4f19e2ca7d371d8c467ffb10748d8a5a1ae579948f718a2a63" },
	{ 16384,
	  "f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041ddde4" },
	{ 31744,
	  "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47" },
	{ INPUT_SIZE,
	  "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085" },
};

enum { VECTOR_COUNT = sizeof vectors / sizeof vectors[0] };

static uint8_t input[INPUT_SIZE];

static void
assert_hex(const struct digest *digest, const char *hex)
{
	char found[DIGEST_HEX_SIZE];

	digest_to_hex(digest, found);
	assert_int_equal(strlen(found), DIGEST_HEX_SIZE - 1);
	assert_memory_equal(found, hex, DIGEST_HEX_SIZE - 1);
}

static void
digest_of_is_blake3_as_published(void **state)
{
	struct digest digest;

	(void)state;
	for (size_t i = 0; i < VECTOR_COUNT; i++) {
		digest_of(input, vectors[i].size, &digest);
		assert_hex(&digest, vectors[i].hex);
	}
}

static void
digest_sum_does_not_depend_on_the_pieces(void **state)
{
	struct digest_sum *sum = digest_sum_new();
	uint64_t random = 1;
	struct digest digest;

	(void)state;
	assert_non_null(sum);
	for (size_t i = 0; i < VECTOR_COUNT; i++) {
		size_t done = 0;

		digest_sum_reset(sum);
		while (done < vectors[i].size) {
			size_t n = 1 + random_below(&random, 3000);

			if (n > vectors[i].size - done)
				n = vectors[i].size - done;
			digest_sum_add(sum, input + done, n);
			done += n;
		}
		digest_sum_get(sum, &digest);
		assert_hex(&digest, vectors[i].hex);
	}
	digest_sum_free(sum);
	digest_sum_free(NULL);
}

static void
digest_sum_may_go_on_after_it_was_asked(void **state)
{
	struct digest_sum *sum = digest_sum_new();
	struct digest digest;

	(void)state;
	digest_sum_get(sum, &digest);
	assert_hex(&digest, vectors[0].hex);
	digest_sum_add(sum, input, 1);
	digest_sum_get(sum, &digest);
	assert_hex(&digest, vectors[1].hex);
	digest_sum_add(sum, input + 1, 1023);
	digest_sum_get(sum, &digest);
	assert_hex(&digest, vectors[3].hex);
	digest_sum_free(sum);
}

static void
digest_equal_looks_at_every_bit(void **state)
{
	struct digest a, b;

	(void)state;
	digest_of(input, 100, &a);
	b = a;
	assert_true(digest_equal(&a, &b));
	for (unsigned bit = 0; bit < DIGEST_SIZE * 8; bit++) {
		b = a;
		b.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(digest_equal(&a, &b));
	}
}

static void
digest_is_zero_only_when_every_bit_is(void **state)
{
	struct digest digest = { { 0 } };

	(void)state;
	assert_true(digest_is_zero(&digest));
	for (unsigned bit = 0; bit < DIGEST_SIZE * 8; bit++) {
		digest = (struct digest){ { 0 } };
		digest.bytes[bit / 8] |= (uint8_t)(1u << bit % 8);
		assert_false(digest_is_zero(&digest));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digest_of_is_blake3_as_published),
		cmocka_unit_test(digest_sum_does_not_depend_on_the_pieces),
		cmocka_unit_test(digest_sum_may_go_on_after_it_was_asked),
		cmocka_unit_test(digest_equal_looks_at_every_bit),
		cmocka_unit_test(digest_is_zero_only_when_every_bit_is),
	};

	digest_start();
	for (size_t i = 0; i < INPUT_SIZE; i++)
		input[i] = (uint8_t)(i % 251);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
