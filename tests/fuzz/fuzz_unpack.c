/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Input: pages, as for fuzz_manifest.c without the flags; made true, wrapped
 * into an image and unpacked into a directory.
 *
 * Nothing is written beside the place; after an error nothing is left at all;
 * what was unpacked is what the manifest says.
 */
#include "core/image/image.h"
#include "core/tree/check.h"
#include "core/tree/unpack.h"
#include "tests/fuzz/scratch.h"
#include "tests/fuzz/wrap.h"

static char out[80];

static void
unpack_and_check(struct image *image)
{
	struct unpack_params params = { .image = image,
					.path = out,
					.worker_count = 1 };
	struct unpack_result result;
	struct check_params check = { .image = image,
				      .path = out,
				      .worker_count = 1,
				      .differs = differs };
	struct check_result check_result;
	int err = unpack(&params, &result);

	must(scratch_count() == (err == 0));
	if (err == 0)
		(void)check_tree(&check, &check_result);
	must(remove_tree(PF_CWD, out, out) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct wrap wrap = wrap_new();
	struct buffer file = { 0 };
	struct image *image;
	int fd;

	scratch_make();
	snprintf(out, sizeof out, "%s/out", scratch);
	while (input.size > 0 && wrap.page_count < WRAP_PAGES_MAX) {
		struct input page = take_bytes(&input, take_u16(&input));
		uint8_t *raw = copy_of(page.data, page.size);

		wrap_fix_page(&wrap, raw, page.size);
		wrap_add_page(&wrap, raw, page.size);
		if (page.size == 0)
			break;
	}
	if (wrap.page_count == 0)
		return 0;
	wrap_make(&wrap, &file);
	fd = dup(file_of(file.data, file.size));
	must(fd >= 0);
	if (image_open_fd(fd, "input", &image) == 0) {
		bool was_root = scratch_drop_root();

		unpack_and_check(image);
		scratch_regain_root(was_root);
		image_close(image);
	}
	buffer_release(&file);
	for (uint32_t i = 0; i < wrap.page_count; i++)
		free((void *)(uintptr_t)wrap.pages[i].raw);
	return 0;
}
