/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Input: u16 raw size, u16 size of the base (of fuzz_base()), then a frame.
 *
 * Decoding writes no byte beyond the raw size, whatever the frame says; the
 * decoder is as good as new afterwards; what was decoded round-trips.
 */
#include "core/base/err.h"
#include "core/chunk/frame.h"
#include "tests/fuzz/fuzz.h"

static struct frame_encoder *encoder;
static struct frame_decoder *decoder;

static void
check_round_trip(const uint8_t *raw, size_t raw_size, size_t base_size)
{
	size_t capacity = frame_size_max(raw_size);
	uint8_t *frame = malloc(capacity);
	uint8_t *again = malloc(raw_size + 1);
	size_t size;

	must(frame != NULL && again != NULL);
	must(frame_encode(encoder, raw, raw_size, fuzz_base(), base_size, frame,
			  capacity, &size) == 0);
	must(frame_decode(decoder, frame, size, fuzz_base(), base_size, again,
			  raw_size) == 0);
	must(memcmp(raw, again, raw_size) == 0);
	free(frame);
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	size_t raw_size = take_u16(&input);
	size_t base_size = take_u16(&input);
	uint8_t *raw = malloc(raw_size > 0 ? raw_size : 1);
	uint8_t *frame = copy_of(input.data, input.size);
	int err;

	must(raw != NULL);
	if (encoder == NULL) {
		encoder = frame_encoder_new(1);
		decoder = frame_decoder_new();
		must(encoder != NULL && decoder != NULL);
	}
	if (base_size > FUZZ_BASE_SIZE)
		base_size = FUZZ_BASE_SIZE;
	memset(raw, 0, raw_size);
	err = frame_decode(decoder, frame, input.size, fuzz_base(), base_size,
			   raw, raw_size);
	must(err == 0 || err == DSP_ECORRUPT || err == DSP_ENOMEM);
	if (err == 0)
		check_round_trip(raw, raw_size, base_size);
	free(raw);
	free(frame);
	return 0;
}
