/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Input: an image or manifest file.
 *
 * Opening, walking and verifying end with an error that is about the file, or
 * well; what verify_image() passes, a walk passes.  Nearly every input fails
 * at some digest: fuzz_manifest.c gets behind them.
 */
#include "core/base/err.h"
#include "core/image/image.h"
#include "core/image/walk.h"
#include "core/tree/verify.h"
#include "tests/fuzz/fuzz.h"

static bool
is_about_the_file(int err)
{
	return err == DSP_EFORMAT || err == DSP_EVERSION ||
	       err == DSP_ECORRUPT || err == DSP_ETRUNCATED ||
	       err == DSP_EINVAL; /* an offset that no file has */
}

static int
walk_through(struct image *image)
{
	enum walk_step step = WALK_RECORD;
	struct walk *walk;
	int err = walk_new(image, &walk);

	must(err == 0);
	while (err == 0 && step != WALK_END)
		err = walk_next(walk, &step);
	walk_free(walk);
	return err;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image *image;
	int fd = dup(file_of(data, size));
	int err, verify_err;

	must(fd >= 0);
	err = image_open_fd(fd, "input", &image);
	must(err == 0 || is_about_the_file(err));
	if (err < 0)
		return 0;
	must(image_size(image) == size);
	err = walk_through(image);
	must(err == 0 || is_about_the_file(err));
	verify_err = verify_image(
		&(struct verify_params){ .image = image, .worker_count = 1 });
	must(verify_err == 0 || is_about_the_file(verify_err));
	must(verify_err < 0 || err == 0);
	image_close(image);
	return 0;
}
