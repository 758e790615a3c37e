/* SPDX-License-Identifier: Apache-2.0 */
#include "core/chunk/frame.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/digest.h"
#include "core/base/err.h"
#include "tests/unit/support.h"

enum { RAW_MAX = 300000 };

static uint8_t raw[RAW_MAX], base[RAW_MAX], decoded[RAW_MAX];

struct coder {
	struct frame_encoder *encoder;
	struct frame_decoder *decoder;
	uint8_t *frame;
	size_t capacity;
	size_t size;
};

static struct coder
new_coder(int level)
{
	struct coder coder = { .encoder = frame_encoder_new(level),
			       .decoder = frame_decoder_new(),
			       .capacity = frame_size_max(RAW_MAX) };

	coder.frame = must_malloc(coder.capacity);
	assert_non_null(coder.encoder);
	assert_non_null(coder.decoder);
	return coder;
}

static void
end_coder(struct coder *coder)
{
	frame_encoder_free(coder->encoder);
	frame_decoder_free(coder->decoder);
	free(coder->frame);
}

static void
encode(struct coder *coder, size_t raw_size, size_t base_size)
{
	assert_int_equal(frame_encode(coder->encoder, raw, raw_size,
				      base_size > 0 ? base : NULL, base_size,
				      coder->frame, frame_size_max(raw_size),
				      &coder->size),
			 0);
	assert_true(coder->size <= frame_size_max(raw_size));
}

static int
decode(struct coder *coder, size_t frame_size, size_t raw_size,
       size_t base_size)
{
	memset(decoded, 0x55, sizeof decoded);
	return frame_decode(coder->decoder, coder->frame, frame_size,
			    base_size > 0 ? base : NULL, base_size, decoded,
			    raw_size);
}

static void
check_round_trip(struct coder *coder, size_t raw_size, size_t base_size)
{
	encode(coder, raw_size, base_size);
	assert_int_equal(decode(coder, coder->size, raw_size, base_size), 0);
	assert_memory_equal(decoded, raw, raw_size);
}

static void
frame_round_trips_any_block(void **state)
{
	static const size_t sizes[] = { 1,     2,      3,      63,
					255,   256,    1000,   65535,
					65536, 131072, 131073, RAW_MAX };
	static const int levels[] = { 1, 3, 4, 9 };

	(void)state;
	for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
		struct coder coder = new_coder(levels[l]);

		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			fill_random(raw, sizes[i], i);
			check_round_trip(&coder, sizes[i], 0);
			fill_text(raw, sizes[i], i);
			check_round_trip(&coder, sizes[i], 0);
			memset(raw, (int)i, sizes[i]);
			check_round_trip(&coder, sizes[i], 0);
		}
		end_coder(&coder);
	}
}

static void
frame_of_the_highest_level_round_trips(void **state)
{
	struct coder coder = new_coder(FRAME_LEVEL_MAX);

	(void)state;
	fill_text(raw, 20000, 1);
	check_round_trip(&coder, 20000, 0);
	end_coder(&coder);
}

/* A new version is the old one, a few bytes changed and moved. */
static void
make_similar(size_t size)
{
	fill_random(base, size, 7);
	memcpy(raw, base + 100, size - 100);
	fill_random(raw + size - 100, 100, 8);
	for (size_t i = 0; i < size; i += 5000)
		raw[i] ^= 0x40;
}

static void
frame_with_a_base_round_trips_and_is_small(void **state)
{
	static const size_t sizes[] = { 200, 5000, 140000, RAW_MAX };
	struct coder coder = new_coder(4);

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		make_similar(sizes[i]);
		check_round_trip(&coder, sizes[i], sizes[i]);
		assert_true(coder.size < sizes[i] / 10 + 200);

		/* A base of another size than the block. */
		check_round_trip(&coder, sizes[i], sizes[i] / 2);
		check_round_trip(&coder, sizes[i] / 2, sizes[i]);
	}
	end_coder(&coder);
}

/* A base is for one call: the next frame knows nothing of it. */
static void
frame_does_not_remember_the_base_of_the_one_before(void **state)
{
	struct coder coder = new_coder(3);
	size_t plain_size;

	(void)state;
	make_similar(50000);
	encode(&coder, 50000, 0);
	plain_size = coder.size;
	encode(&coder, 50000, 50000);
	assert_true(coder.size < plain_size);
	encode(&coder, 50000, 0);
	assert_int_equal(coder.size, plain_size);
	assert_int_equal(decode(&coder, coder.size, 50000, 0), 0);
	assert_memory_equal(decoded, raw, 50000);
	end_coder(&coder);
}

static void
frame_without_its_base_is_not_the_block(void **state)
{
	struct coder coder = new_coder(4);
	int err;

	(void)state;
	make_similar(50000);
	encode(&coder, 50000, 50000);
	err = decode(&coder, coder.size, 50000, 0);
	assert_true(err == DSP_ECORRUPT || memcmp(decoded, raw, 50000) != 0);
	base[20000] ^= 1;
	err = decode(&coder, coder.size, 50000, 50000);
	assert_true(err == DSP_ECORRUPT || memcmp(decoded, raw, 50000) != 0);
	end_coder(&coder);
}

static void
frame_of_another_size_is_corrupt(void **state)
{
	struct coder coder = new_coder(3);

	(void)state;
	fill_text(raw, 1000, 1);
	encode(&coder, 1000, 0);
	for (size_t size = 0; size < 3000; size++)
		assert_int_equal(decode(&coder, coder.size, size, 0),
				 size == 1000 ? 0 : DSP_ECORRUPT);
	end_coder(&coder);
}

static void
frame_truncated_is_corrupt(void **state)
{
	struct coder coder = new_coder(3);

	(void)state;
	fill_text(raw, 3000, 1);
	encode(&coder, 3000, 0);
	for (size_t size = 0; size < coder.size; size++)
		assert_int_equal(decode(&coder, size, 3000, 0), DSP_ECORRUPT);
	end_coder(&coder);
}

/* Nothing may hide behind a frame: no byte, no skippable frame, no frame. */
static void
frame_with_something_behind_it_is_corrupt(void **state)
{
	static const uint8_t skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 1,
					     0,	   0,	 0,    0 };
	struct coder coder = new_coder(3);
	size_t size;

	(void)state;
	fill_text(raw, 3000, 1);
	encode(&coder, 3000, 0);
	size = coder.size;
	coder.frame[size] = 0;
	assert_int_equal(decode(&coder, size + 1, 3000, 0), DSP_ECORRUPT);
	memcpy(coder.frame + size, skippable, sizeof skippable);
	assert_int_equal(decode(&coder, size + sizeof skippable, 3000, 0),
			 DSP_ECORRUPT);
	memcpy(coder.frame + size, coder.frame, size);
	assert_int_equal(decode(&coder, 2 * size, 3000, 0), DSP_ECORRUPT);
	assert_int_equal(decode(&coder, 2 * size, 6000, 0), DSP_ECORRUPT);
	assert_int_equal(decode(&coder, size, 3000, 0), 0);
	end_coder(&coder);
}

static void
frame_skippable_or_foreign_is_corrupt(void **state)
{
	static const uint8_t skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 1,
					     0,	   0,	 0,    0 };
	static const uint8_t gzip[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3,
					3,    0,    0, 0, 0, 0, 0, 0, 0, 0 };
	struct coder coder = new_coder(3);

	(void)state;
	memcpy(coder.frame, skippable, sizeof skippable);
	assert_int_equal(decode(&coder, sizeof skippable, 1, 0), DSP_ECORRUPT);
	memcpy(coder.frame, gzip, sizeof gzip);
	assert_int_equal(decode(&coder, sizeof gzip, 1, 0), DSP_ECORRUPT);
	assert_int_equal(decode(&coder, 0, 1, 0), DSP_ECORRUPT);
	end_coder(&coder);
}

/*
 * A frame has no checksum of its own: the block's name is it.  A flipped bit
 * is an error, other bytes of exactly this size, or without effect.
 */
static void
frame_with_a_bit_flipped_never_passes_for_the_block(void **state)
{
	struct coder coder = new_coder(3);
	size_t corrupt = 0, harmless = 0;

	(void)state;
	fill_text(raw, 600, 1);
	fill_random(raw + 600, 200, 1);
	encode(&coder, 800, 0);
	for (size_t bit = 0; bit < coder.size * 8; bit++) {
		struct digest name, found;
		int err;

		coder.frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
		err = decode(&coder, coder.size, 800, 0);
		coder.frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(err == 0 || err == DSP_ECORRUPT);
		assert_int_equal(decoded[800], 0x55); /* nothing beyond */
		corrupt += err < 0;
		if (err < 0)
			continue;
		digest_of(raw, 800, &name);
		digest_of(decoded, 800, &found);
		assert_int_equal(digest_equal(&name, &found),
				 memcmp(raw, decoded, 800) == 0);
		harmless += digest_equal(&name, &found);
	}
	assert_true(corrupt > 100);
	assert_true(harmless < coder.size / 4);
	end_coder(&coder);
}

/* The decoder is as good as new after it met garbage. */
static void
frame_decoder_survives_garbage(void **state)
{
	struct coder coder = new_coder(3);
	uint8_t *good;
	size_t size;

	(void)state;
	make_similar(3000);
	encode(&coder, 3000, 3000);
	size = coder.size;
	good = must_malloc(size);
	memcpy(good, coder.frame, size);
	for (uint64_t seed = 0; seed < 300; seed++) {
		/* Behind a true magic number it goes deeper. */
		fill_random(coder.frame + 4, 500, seed);
		(void)decode(&coder, 504, 3000, seed % 2 * 3000);
		memcpy(coder.frame, good, size);
		assert_int_equal(decode(&coder, size, 3000, 3000), 0);
		assert_memory_equal(decoded, raw, 3000);
	}
	free(good);
	end_coder(&coder);
}

/* A frame that says it is 1 TB costs no memory: its room is the caller's. */
static void
frame_bomb_is_corrupt(void **state)
{
	static const uint8_t head[] = {
		0x28, 0xb5, 0x2f, 0xfd, 0xe0, /* single segment, 8-byte size */
		0,    0,    0,	  0,	0,    1, 0, 0
	};
	struct coder coder = new_coder(3);
	uint8_t *p = coder.frame;
	size_t size = sizeof head;

	(void)state;
	memcpy(p, head, sizeof head);
	for (int i = 0; i < 8; i++) { /* blocks of one byte 128 KiB times */
		static const uint8_t rle[] = { 0x02, 0x00, 0x10, 0xaa };

		memcpy(p + size, rle, sizeof rle);
		size += sizeof rle;
	}
	p[size - 4] |= 1; /* the last one */
	assert_int_equal(decode(&coder, size, RAW_MAX, 0), DSP_ECORRUPT);
	assert_int_equal(decode(&coder, size, 100, 0), DSP_ECORRUPT);
	end_coder(&coder);
}

/* An empty block is never stored, but asking is no crime. */
static void
frame_of_nothing_round_trips(void **state)
{
	struct coder coder = new_coder(3);

	(void)state;
	check_round_trip(&coder, 0, 0);
	assert_int_equal(decode(&coder, coder.size, 1, 0), DSP_ECORRUPT);
	end_coder(&coder);
}

static void
add_frames(struct digest_sum *sum, int level, size_t size, size_t base_size)
{
	struct coder coder = new_coder(level);

	/* Twice: what an encoder did before does not show. */
	for (int round = 0; round < 2; round++) {
		encode(&coder, size, base_size);
		digest_sum_add(sum, coder.frame, coder.size);
	}
	end_coder(&coder);
}

static void
frame_bytes_are_the_same_on_every_target(void **state)
{
	static const int levels[] = { 1, 3, 4, 6, 9 };
	struct digest_sum *sum = digest_sum_new();
	struct digest digest;

	(void)state;
	for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
		fill_text(raw, 200000, l);
		add_frames(sum, levels[l], 200000, 0);
		fill_random(raw + 1000, 5000, l);
		add_frames(sum, levels[l], 10000, 0);
		make_similar(200000);
		add_frames(sum, levels[l], 200000, 150000);
	}
	digest_sum_get(sum, &digest);
	digest_sum_free(sum);
	assert_golden("frames", &digest);
	assert_string_equal(frame_library_version(), "1.5.4");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_round_trips_any_block),
		cmocka_unit_test(frame_of_the_highest_level_round_trips),
		cmocka_unit_test(frame_with_a_base_round_trips_and_is_small),
		cmocka_unit_test(
			frame_does_not_remember_the_base_of_the_one_before),
		cmocka_unit_test(frame_without_its_base_is_not_the_block),
		cmocka_unit_test(frame_of_another_size_is_corrupt),
		cmocka_unit_test(frame_truncated_is_corrupt),
		cmocka_unit_test(frame_with_something_behind_it_is_corrupt),
		cmocka_unit_test(frame_skippable_or_foreign_is_corrupt),
		cmocka_unit_test(
			frame_with_a_bit_flipped_never_passes_for_the_block),
		cmocka_unit_test(frame_decoder_survives_garbage),
		cmocka_unit_test(frame_bomb_is_corrupt),
		cmocka_unit_test(frame_of_nothing_round_trips),
		cmocka_unit_test(frame_bytes_are_the_same_on_every_target),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
