/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Input: u16 size of an old page; that page; the rest is a new one.  Each is
 * made true and wrapped into an image (wrap.h).  The old one is published at a
 * distribution point, then one with nothing in it, then the new one, whose
 * tree is made of the old one's.
 *
 * What is published is what the new manifest says, all of it and nothing
 * else; or it is still the version before.
 */
#include "core/fanout/fanout.h"
#include "core/image/image.h"
#include "core/tree/check.h"
#include "tests/fuzz/scratch.h"
#include "tests/fuzz/wrap.h"

static char dp[80];
static uint32_t version;

static void
set_version(struct root *root)
{
	root->version = version;
}

/* An image file in memory, of one page; gives its descriptor. */
static int
make_image(struct input page, uint32_t as_version)
{
	struct wrap wrap = wrap_new();
	struct buffer file = { 0 };
	uint8_t *raw = copy_of(page.data, page.size);
	int fd = memfd_create("image", MFD_CLOEXEC);

	must(fd >= 0);
	version = as_version;
	wrap.edit = set_version;
	wrap_fix_page(&wrap, raw, page.size);
	wrap_add_page(&wrap, raw, page.size);
	wrap_make(&wrap, &file);
	must(write(fd, file.data, file.size) == (ssize_t)file.size);
	buffer_release(&file);
	free(raw);
	return fd;
}

static int
make_empty_image(uint32_t as_version)
{
	struct record top = { .type = RECORD_DIR,
			      .mode = 0755,
			      .path = "",
			      .user = "",
			      .group = "",
			      .target = "",
			      .xattrs = (const uint8_t *)"",
			      .segments = (const uint8_t *)"" };
	struct page_builder *builder = page_builder_new();
	struct buffer raw = { 0 };
	int fd;

	must(builder != NULL && page_builder_add(builder, &top) == 0);
	must(page_builder_finish(builder, &raw) == 0);
	fd = make_image((struct input){ raw.data, raw.size }, as_version);
	page_builder_free(builder);
	buffer_release(&raw);
	return fd;
}

static int
publish(int fd)
{
	struct fanout_dest dest = { .path = dp };
	struct fanout_params params = { .package_id = "LOC00000",
					.dests = &dest,
					.dest_count = 1,
					.keep = 2,
					.worker_count = 1,
					.allow_empty = true };
	struct fanout_result result;
	char path[40];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	params.source = path;
	return fanout(&params, &result);
}

static void
check_published(int fd)
{
	struct image *image;
	struct check_params params = { .worker_count = 1, .differs = differs };
	struct check_result result;
	char path[120];
	int copy = dup(fd);

	must(copy >= 0 && image_open_fd(copy, "image", &image) == 0);
	snprintf(path, sizeof path, "%s/LOC00000/current/.", dp);
	params.image = image;
	params.path = path;
	(void)check_tree(&params, &result);
	image_close(image);
}

static void
update(int old_fd, int empty_fd, int new_fd)
{
	bool is_old = publish(old_fd) == 0;

	if (is_old)
		check_published(old_fd);
	must(publish(empty_fd) == 0);
	check_published(empty_fd);
	check_published(publish(new_fd) == 0 ? new_fd : empty_fd);
	must(remove_tree(PF_CWD, dp, dp) == 0);
	must(scratch_count() == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	struct input old = take_bytes(&input, take_u16(&input));
	struct page page;
	int old_fd, empty_fd, new_fd;
	bool was_root;

	/* What is no page at all is for fuzz_manifest.c, which is quicker. */
	if (page_parse(old.data, old.size, &page) < 0 ||
	    page_parse(input.data, input.size, &page) < 0)
		return 0;
	scratch_make();
	snprintf(dp, sizeof dp, "%s/dp", scratch);
	old_fd = make_image(old, 1);
	empty_fd = make_empty_image(2);
	new_fd = make_image(input, 3);
	was_root = scratch_drop_root();
	update(old_fd, empty_fd, new_fd);
	scratch_regain_root(was_root);
	close(old_fd);
	close(empty_fd);
	close(new_fd);
	return 0;
}
