/* SPDX-License-Identifier: Apache-2.0 */
#include "core/chunk/frame.h"

#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_c_useRowMatchFinder */
#include <zstd.h>
#include <zstd_errors.h>

#include "core/base/err.h"

/*
 * Both are zstd's own contexts; the names are ours so that zstd.h shows in
 * this file only.
 */

size_t
frame_size_max(size_t raw_size)
{
	return ZSTD_compressBound(raw_size);
}

static int
result(size_t returned)
{
	if (!ZSTD_isError(returned))
		return 0;
	return ZSTD_getErrorCode(returned) == ZSTD_error_memory_allocation
		       ? DSP_ENOMEM
		       : DSP_ECORRUPT;
}

struct frame_encoder *
frame_encoder_new(int level)
{
	/* Level 3's tables are for more than a block: these stay in a cache. */
	int table_log = level == FRAME_LEVEL_DEFAULT ? 16 : 0;
	const struct {
		ZSTD_cParameter parameter;
		int value;
	} settings[] = {
		{ ZSTD_c_compressionLevel, level },
		{ ZSTD_c_hashLog, table_log },
		{ ZSTD_c_chainLog, table_log },
		{ ZSTD_c_contentSizeFlag, 1 },
		{ ZSTD_c_checksumFlag, 0 },
		/* Its default depends on whether the machine has SSE2. */
		{ ZSTD_c_useRowMatchFinder, ZSTD_ps_enable },
	};
	ZSTD_CCtx *cctx = ZSTD_createCCtx();

	if (cctx == NULL)
		return NULL;
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
		if (ZSTD_isError(ZSTD_CCtx_setParameter(
			    cctx, settings[i].parameter, settings[i].value))) {
			ZSTD_freeCCtx(cctx);
			return NULL;
		}
	}
	return (struct frame_encoder *)cctx;
}

void
frame_encoder_free(struct frame_encoder *encoder)
{
	ZSTD_freeCCtx((ZSTD_CCtx *)encoder);
}

int
frame_encode(struct frame_encoder *encoder, const void *raw, size_t raw_size,
	     const void *base, size_t base_size, void *frame, size_t capacity,
	     size_t *ret_size)
{
	ZSTD_CCtx *cctx = (ZSTD_CCtx *)encoder;
	size_t returned;
	int err;

	returned = ZSTD_CCtx_refPrefix(cctx, base, base_size);
	err = result(returned);
	if (err < 0)
		return err;
	returned = ZSTD_compress2(cctx, frame, capacity, raw, raw_size);
	err = result(returned);
	if (err == 0)
		*ret_size = returned;
	return err;
}

struct frame_decoder *
frame_decoder_new(void)
{
	return (struct frame_decoder *)ZSTD_createDCtx();
}

void
frame_decoder_free(struct frame_decoder *decoder)
{
	ZSTD_freeDCtx((ZSTD_DCtx *)decoder);
}

int
frame_decode(struct frame_decoder *decoder, const void *frame,
	     size_t frame_size, const void *base, size_t base_size, void *raw,
	     size_t raw_size)
{
	ZSTD_DCtx *dctx = (ZSTD_DCtx *)decoder;
	size_t returned;
	int err;

	/* One frame and nothing behind it: else bytes could hide there. */
	returned = ZSTD_findFrameCompressedSize(frame, frame_size);
	if (ZSTD_isError(returned) || returned != frame_size)
		return DSP_ECORRUPT;
	returned = ZSTD_DCtx_refPrefix(dctx, base, base_size);
	err = result(returned);
	if (err < 0)
		return err;
	returned = ZSTD_decompressDCtx(dctx, raw, raw_size, frame, frame_size);
	err = result(returned);
	if (err == 0 && returned != raw_size)
		err = DSP_ECORRUPT;
	return err;
}

const char *
frame_library_version(void)
{
	return ZSTD_versionString();
}
