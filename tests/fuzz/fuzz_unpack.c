/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Input: pages, as for fuzz_manifest.c without the flags; made true, wrapped
 * into an image and unpacked into a directory.
 *
 * Nothing is written beside the place; after an error nothing is left at all;
 * what was unpacked is what the manifest says.
 */
#include <dirent.h>

#include "core/image/image.h"
#include "core/tree/check.h"
#include "core/tree/remove.h"
#include "core/tree/unpack.h"
#include "platform/pf_file.h"
#include "platform/pf_process.h"
#include "platform/pf_sync.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/wrap.h"

enum { NOBODY = 65534 };

/* Thousands of syncs would be all that this does.  Takes the place of the
 * library's. */
int
pf_sync(int fd)
{
	(void)fd;
	return 0;
}

int
pf_sync_file_system(int fd)
{
	(void)fd;
	return 0;
}

static char scratch[64], out[80];

static void
remove_scratch(void)
{
	(void)remove_tree(PF_CWD, scratch, scratch);
}

/* A directory in memory, if there is such a place, made once. */
static void
make_scratch(void)
{
	if (scratch[0] != '\0')
		return;
	snprintf(scratch, sizeof scratch, "/dev/shm/fuzz_unpack.XXXXXX");
	if (mkdtemp(scratch) == NULL) {
		snprintf(scratch, sizeof scratch, "/tmp/fuzz_unpack.XXXXXX");
		must(mkdtemp(scratch) != NULL);
	}
	snprintf(out, sizeof out, "%s/out", scratch);
	if (geteuid() == 0)
		must(chown(scratch, NOBODY, NOBODY) == 0);
	atexit(remove_scratch);
	pf_clear_umask();
}

static unsigned
count_entries(void)
{
	DIR *dir = opendir(scratch);
	unsigned count = 0;

	must(dir != NULL);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 2;
}

/* What may differ: times and bits that this file system or user cannot set. */
static void
differs(void *context, const char *path, size_t path_size, unsigned what)
{
	(void)context;
	(void)path;
	(void)path_size;
	must((what & (CHECK_MISSING | CHECK_EXTRA | CHECK_TYPE | CHECK_CONTENT |
		      CHECK_TARGET)) == 0);
}

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

	must(count_entries() == (err == 0));
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
	bool is_root = geteuid() == 0;
	int fd;

	make_scratch();
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
		/* Nothing that a file's bits or owner may open or harm. */
		if (is_root)
			must(seteuid(NOBODY) == 0);
		unpack_and_check(image);
		if (is_root)
			must(seteuid(0) == 0);
		image_close(image);
	}
	buffer_release(&file);
	for (uint32_t i = 0; i < wrap.page_count; i++)
		free((void *)(uintptr_t)wrap.pages[i].raw);
	return 0;
}
