/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FRAME_H
#define FRAME_H

/*
 * frame - a block as one zstd frame, with or without a base.
 *
 * A frame is only an encoding; what it holds is named by the block's digest.
 * With a base (ZSTD_CCtx_refPrefix) the frame is a delta: it holds what the
 * block does not share with the base, and needs the same base to be decoded.
 * The same block, level and base give the same bytes on every machine: the
 * zstd library is pinned, and no parameter is left to the processor.
 *
 * Errors     DSP_ENOMEM, DSP_ECORRUPT, DSP_ELIMIT.
 * Threads    One thread at a time per encoder or decoder.
 * Memory     An encoder holds about 1 MiB at level 3 and 12 MiB at level 9;
 *            a decoder 160 KiB.  Neither copies the block.
 */

#include <stddef.h>
#include <stdint.h>

#define FRAME_LEVEL_MIN	    1
#define FRAME_LEVEL_MAX	    19
#define FRAME_LEVEL_DEFAULT 3
#define FRAME_BASE_MAX	    (2u << 20) /* bytes of base a delta may use */

struct frame_encoder;
struct frame_decoder;

/* The most bytes that a frame of a block of raw_size bytes can have. */
size_t frame_size_max(size_t raw_size);

/* Gives an encoder for one level; NULL when out of memory. */
struct frame_encoder *frame_encoder_new(int level);
void frame_encoder_free(struct frame_encoder *encoder);

/*
 * Encode raw[0..raw_size) into frame, of capacity frame_size_max(raw_size).
 * base may be NULL.
 */
int frame_encode(struct frame_encoder *encoder, const void *raw,
		 size_t raw_size, const void *base, size_t base_size,
		 void *frame, size_t capacity, size_t *ret_size);

/* Gives a decoder; NULL when out of memory. */
struct frame_decoder *frame_decoder_new(void);
void frame_decoder_free(struct frame_decoder *decoder);

/*
 * Decode frame into raw, which has room for exactly the raw_size bytes that
 * the manifest says.
 *
 * DSP_ECORRUPT  not one whole frame, or not of raw_size bytes; raw holds
 *               anything
 */
int frame_decode(struct frame_decoder *decoder, const void *frame,
		 size_t frame_size, const void *base, size_t base_size,
		 void *raw, size_t raw_size);

/* The version of the zstd library, "1.5.4". */
const char *frame_library_version(void);

#endif
