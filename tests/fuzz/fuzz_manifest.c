/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Input: a byte of flags, then pages: u16 size, so many bytes; the last one is
 * what is left.  They become an image of which all else is true (wrap.h).
 *
 *   flags  1  names of blocks and digests of files are made true as well
 *          2  a manifest file, without blocks
 *          4  nobody made frames (with 2)
 *
 * What a walk passes keeps what walk.h promises; what it does not pass,
 * verify_image() does not pass either.
 */
#include "core/image/image.h"
#include "core/image/walk.h"
#include "core/tree/verify.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/wrap.h"

enum { FLAG_FIX = 1, FLAG_MANIFEST = 2, FLAG_NO_FRAMES = 4 };

/* The promises, by means that are not the walk's own. */
struct promises {
	char previous[PATH_SIZE_MAX + 1];
	size_t previous_size;
	uint64_t records;
	uint64_t data_bytes; /* of the files met */
	uint64_t block_bytes;
	uint64_t small_waiting; /* data without a block */
	struct buffer dirs;	/* their paths, each with a NUL */
};

static bool
has_dir(const struct buffer *dirs, const char *path, size_t size)
{
	for (size_t at = 0; at < dirs->size;) {
		const char *dir = (const char *)dirs->data + at;

		if (strlen(dir) == size && memcmp(dir, path, size) == 0)
			return true;
		at += strlen(dir) + 1;
	}
	return false;
}

static void
look_at_record(struct promises *promises, const struct walk_view *view)
{
	const struct record *record = &view->record;
	size_t parent = path_name_start(record->path, record->path_size);

	must(view->ordinal == promises->records++);
	must(path_is_valid(record->path, record->path_size));
	if (view->ordinal == 0) {
		must(record->type == RECORD_DIR && record->path_size == 0);
	} else {
		must(path_compare(promises->previous, promises->previous_size,
				  record->path, record->path_size) < 0);
		must(has_dir(&promises->dirs, record->path,
			     parent > 0 ? parent - 1 : 0));
	}
	memcpy(promises->previous, record->path, record->path_size + 1);
	promises->previous_size = record->path_size;
	if (record->type == RECORD_DIR)
		must(buffer_add(&promises->dirs, record->path,
				record->path_size + 1) == 0);
	if (record->type == RECORD_FILE)
		promises->data_bytes += record->data_size;
}

static void
look_at_block(struct promises *promises, const struct walk_view *view)
{
	must(view->block.raw_size > 0);
	promises->block_bytes += view->block.raw_size;
	if (view->is_part)
		must(view->part_offset + view->block.raw_size <=
		     view->record.data_size);
	/* Blocks never run ahead of the files they hold. */
	must(promises->block_bytes <= promises->data_bytes);
}

static int
walk_through(struct image *image)
{
	struct promises *promises = calloc(1, sizeof *promises);
	enum walk_step step = WALK_RECORD;
	struct walk *walk;
	int err = walk_new(image, &walk);

	must(err == 0 && promises != NULL);
	while (err == 0 && step != WALK_END) {
		err = walk_next(walk, &step);
		if (err == 0 && step == WALK_RECORD)
			look_at_record(promises, walk_view(walk));
		if (err == 0 && step == WALK_BLOCK)
			look_at_block(promises, walk_view(walk));
	}
	if (err == 0) {
		must(promises->block_bytes == promises->data_bytes);
		must(promises->records == image_root(image)->record_count);
	}
	walk_free(walk);
	buffer_release(&promises->dirs);
	free(promises);
	return err;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	unsigned flags = take_u8(&input);
	struct wrap wrap = wrap_new();
	struct buffer file = { 0 };
	struct image *image;
	int fd, err;

	if (flags & FLAG_MANIFEST) {
		wrap.kind = IMAGE_MANIFEST;
		wrap.level = flags & FLAG_NO_FRAMES ? 0 : 3;
	}
	while (input.size > 0 && wrap.page_count < WRAP_PAGES_MAX) {
		struct input page = take_bytes(&input, take_u16(&input));
		uint8_t *raw = copy_of(page.data, page.size);

		if (page.size == 0) {
			free(raw);
			continue;
		}
		if (flags & FLAG_FIX)
			wrap_fix_page(&wrap, raw, page.size);
		wrap_add_page(&wrap, raw, page.size);
	}
	if (wrap.page_count == 0)
		return 0;
	wrap_make(&wrap, &file);
	fd = dup(file_of(file.data, file.size));
	must(fd >= 0);
	must(image_open_fd(fd, "input", &image) == 0);
	err = walk_through(image);
	must(err == 0 || err == DSP_ECORRUPT);
	if (wrap.kind == IMAGE_WITH_BLOCKS) {
		int verify_err = verify_image(&(struct verify_params){
			.image = image, .worker_count = 1 });

		must(verify_err == 0 || verify_err == DSP_ECORRUPT);
		must(verify_err < 0 || err == 0);
	}
	image_close(image);
	buffer_release(&file);
	for (uint32_t i = 0; i < wrap.page_count; i++)
		free((void *)(uintptr_t)wrap.pages[i].raw);
	return 0;
}
