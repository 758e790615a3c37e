/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/pack.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/image/image.h"
#include "core/tree/check.h"
#include "core/tree/unpack.h"
#include "core/tree/verify.h"
#include "tests/unit/sample_image.h"
#include "tests/unit/sample_tree.h"
#include "tests/unit/support.h"

static struct pack_params
params_for(const char *source)
{
	return (struct pack_params){ .source = source,
				     .package_id = "LOC00000",
				     .version = 1,
				     .level = 3,
				     .worker_count = 2,
				     .seen_fd = -1 };
}

static int
pack_with(const struct pack_params *params, const char *image,
	  struct pack_result *ret_result)
{
	int fd = open(image, O_RDWR | O_CREAT | O_TRUNC, 0644);
	int err;

	assert_true(fd >= 0);
	reports_clear();
	err = pack(params, fd, ret_result);
	assert_int_equal(reports_errors() > 0, err < 0);
	close(fd);
	return err;
}

static void
must_pack(const char *source, const char *image)
{
	struct pack_params params = params_for(source);
	struct pack_result result;

	assert_int_equal(pack_with(&params, image, &result), 0);
}

static struct image *
must_open(const char *path)
{
	struct image *image;

	assert_int_equal(image_open(path, &image), 0);
	return image;
}

static int
unpack_some(const char *path, const char *to, const char *const *select,
	    size_t select_count)
{
	struct image *image = must_open(path);
	struct unpack_params params = { .image = image,
					.path = to,
					.select = select,
					.select_count = select_count,
					.worker_count = 2 };
	struct unpack_result result;
	int err;

	reports_clear();
	err = unpack(&params, &result);
	assert_int_equal(reports_errors() > 0, err < 0);
	image_close(image);
	return err;
}

static int
unpack_all(const char *path, const char *to)
{
	return unpack_some(path, to, NULL, 0);
}

static int
unpack_over(const char *path, const char *to)
{
	struct image *image = must_open(path);
	struct unpack_params params = {
		.image = image, .path = to, .replace = true, .worker_count = 2
	};
	struct unpack_result result;
	int err = unpack(&params, &result);

	image_close(image);
	return err;
}

static void
must_verify(const char *path)
{
	struct image *image = must_open(path);

	assert_int_equal(verify_image(&(struct verify_params){
				 .image = image, .worker_count = 2 }),
			 0);
	image_close(image);
}

/* What check_tree() says differs: the last path, all bits, how often. */
struct differences {
	char path[256];
	unsigned what;
	unsigned count;
};

static void
differs(void *context, const char *path, size_t path_size, unsigned what)
{
	struct differences *differences = context;
	size_t size = path_size < 255 ? path_size : 255;

	memcpy(differences->path, path, size);
	differences->path[size] = '\0';
	differences->what |= what;
	differences->count++;
}

static struct differences
check(const char *path, const char *tree)
{
	struct image *image = must_open(path);
	struct differences differences = { .count = 0 };
	struct check_params params = { .image = image,
				       .path = tree,
				       .worker_count = 2,
				       .differs = differs,
				       .context = &differences };
	struct check_result result;

	assert_int_equal(check_tree(&params, &result), 0);
	assert_int_equal(result.missing + result.changed + result.extra,
			 differences.count);
	image_close(image);
	return differences;
}

static void
pack_and_unpack_give_the_same_tree(void **state)
{
	unsigned fds = open_fd_count();

	(void)state;
	sample_tree_rich("tree");
	must_pack("tree", "image");
	must_verify("image");
	assert_int_equal(unpack_all("image", "out"), 0);
	assert_same_trees("tree", "out");
	assert_int_equal(check("image", "out").count, 0);
	assert_int_equal(check("image", "tree").count, 0);
	assert_int_equal(dir_count("."), 3);
	assert_int_equal(open_fd_count(), fds);
}

static void
assert_same_files(const char *a, const char *b)
{
	size_t a_size, b_size;
	uint8_t *x = file_read(a, &a_size), *y = file_read(b, &b_size);

	assert_int_equal(a_size, b_size);
	assert_memory_equal(x, y, a_size);
	free(x);
	free(y);
}

static void
pack_gives_the_same_bytes_for_any_number_of_workers(void **state)
{
	struct pack_params params = params_for("tree");
	struct pack_result one, other;

	(void)state;
	sample_tree_rich("tree");
	params.worker_count = 1;
	assert_int_equal(pack_with(&params, "one", &one), 0);
	params.worker_count = 4;
	assert_int_equal(pack_with(&params, "four", &other), 0);
	assert_same_files("one", "four");
	assert_true(digest_equal(&one.root_digest, &other.root_digest));
	assert_true(one.image_size == other.image_size);
	assert_true(one.file_bytes == other.file_bytes);
}

/* A hole is the same bytes; only what the source says of it differs. */
static void
pack_keeps_the_holes_of_sparse_files(void **state)
{
	struct stat before, after;

	(void)state;
	sample_tree_small("tree");
	assert_int_equal(stat("tree/sparse", &before), 0);
	must_pack("tree", "image");
	assert_int_equal(unpack_all("image", "out"), 0);
	assert_int_equal(stat("out/sparse", &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	/* Where the source's file system has holes, so has the copy. */
	if ((int64_t)before.st_blocks * 512 < before.st_size / 2)
		assert_true((int64_t)after.st_blocks * 512 < after.st_size / 2);
}

static void
pack_level_changes_frames_but_not_content(void **state)
{
	struct pack_params params = params_for("tree");
	struct pack_result three, nine;

	(void)state;
	sample_tree_small("tree");
	assert_int_equal(pack_with(&params, "three", &three), 0);
	params.level = 9;
	params.version = 7;
	assert_int_equal(pack_with(&params, "nine", &nine), 0);
	assert_true(digest_equal(&three.content, &nine.content));
	assert_false(digest_equal(&three.root_digest, &nine.root_digest));
	must_verify("nine");
}

static void
pack_of_an_empty_source_is_eempty_unless_allowed(void **state)
{
	struct pack_params params = params_for("tree");
	struct pack_result result;

	(void)state;
	assert_int_equal(mkdir("tree", 0755), 0);
	assert_int_equal(pack_with(&params, "image", &result), DSP_EEMPTY);
	assert_int_equal(pack_dry(&params, &result), DSP_EEMPTY);
	params.allow_empty = true;
	assert_int_equal(pack_dry(&params, &result), 0);
	assert_int_equal(pack_with(&params, "image", &result), 0);
	assert_int_equal(result.record_count, 1);
	must_verify("image");
	assert_int_equal(unpack_all("image", "out"), 0);
	assert_same_trees("tree", "out");
}

static void
pack_dry_counts_what_pack_would_do(void **state)
{
	struct pack_params params = params_for("tree");
	struct pack_result wet, dry;

	(void)state;
	sample_tree_small("tree");
	assert_int_equal(pack_with(&params, "image", &wet), 0);
	assert_int_equal(pack_dry(&params, &dry), 0);
	assert_true(dry.record_count == wet.record_count);
	assert_true(dry.file_count == wet.file_count);
	assert_true(dry.file_bytes == wet.file_bytes);
}

static void
pack_of_no_directory_is_an_error(void **state)
{
	struct pack_params params = params_for("absent");
	struct pack_result result;

	(void)state;
	assert_int_equal(pack_with(&params, "image", &result), DSP_ENOENT);
	file_write("file", "x", 1);
	params.source = "file";
	assert_int_equal(pack_with(&params, "image", &result), DSP_ENOTDIR);
}

static void
pack_refuses_a_fifo_unless_it_is_skipped(void **state)
{
	struct pack_params params = params_for("tree");
	struct pack_result result;

	(void)state;
	sample_tree_small("tree");
	assert_int_equal(mkfifo("tree/dir/fifo", 0644), 0);
	assert_int_equal(pack_with(&params, "image", &result), DSP_ESPECIAL);
	params.scan.special = SCAN_SKIP_SPECIAL;
	assert_int_equal(pack_with(&params, "image", &result), 0);
	assert_int_equal(reports_warnings(), 1);
	assert_int_equal(unpack_all("image", "out"), 0);
	assert_false(path_exists("out/dir/fifo"));
	assert_true(path_exists("out/dir/a"));
	assert_int_equal(check("image", "tree").what, CHECK_EXTRA);
}

static void
pack_leaves_out_what_is_excluded_and_all_below(void **state)
{
	struct exclude exclude = { 0 };
	struct pack_params params = params_for("tree");
	struct pack_result result;

	(void)state;
	sample_tree_small("tree");
	assert_int_equal(mkdir("tree/x", 0755), 0);
	assert_int_equal(mkdir("tree/x/dir", 0755), 0);
	file_write("tree/x/dir/file", "x", 1);
	/* The first name of dir/a and dir/c: the other one is then the file. */
	exclude_add(&exclude, "/dir/a");
	exclude_add(&exclude, "x/*/");
	exclude_add(&exclude, "sparse");
	params.scan.exclude = &exclude;
	assert_int_equal(pack_with(&params, "image", &result), 0);
	assert_int_equal(unpack_all("image", "out"), 0);
	assert_false(path_exists("out/dir/a"));
	assert_true(path_exists("out/dir/c"));
	assert_true(path_exists("out/x"));
	assert_int_equal(dir_count("out/x"), 0);
	assert_false(path_exists("out/sparse"));
	exclude_release(&exclude);
}

/* The file changes when its first blocks are written and others not read. */
static void
change_file(void *context, uint64_t bytes_read, uint64_t entries)
{
	bool *is_done = context;

	(void)bytes_read;
	(void)entries;
	if (!*is_done) {
		int fd = open("tree/z", O_WRONLY | O_APPEND);

		*is_done = true;
		assert_int_equal(write(fd, "x", 1), 1);
		close(fd);
	}
}

static void
pack_of_a_file_that_changes_meanwhile_is_echanged(void **state)
{
	struct pack_params params = params_for("tree");
	struct pack_result result;
	size_t size = 16 << 20;
	uint8_t *zeros = calloc(size, 1);
	bool is_done = false;

	(void)state;
	assert_non_null(zeros);
	assert_int_equal(mkdir("tree", 0755), 0);
	file_write("tree/z", zeros, size);
	params.worker_count = 1;
	params.progress = change_file;
	params.progress_context = &is_done;
	assert_int_equal(pack_with(&params, "image", &result), DSP_ECHANGED);
	assert_true(is_done);
	free(zeros);
}

static void
unpack_does_not_touch_a_directory_with_something_in_it(void **state)
{
	(void)state;
	sample_tree_small("tree");
	must_pack("tree", "image");
	assert_int_equal(mkdir("out", 0700), 0);
	file_write("out/mine", "x", 1);
	assert_int_equal(unpack_all("image", "out"), DSP_ENOTEMPTY);
	assert_int_equal(dir_count("out"), 1);
	assert_int_equal(unpack_all("image", "out/mine"), DSP_EEXIST);
	assert_int_equal(symlink("nowhere", "link"), 0);
	assert_int_equal(unpack_all("image", "link"), DSP_EEXIST);
	assert_int_equal(unpack_all("image", "absent/out"), DSP_ENOENT);
	assert_int_equal(unpack_all("image", "."), DSP_ENOTEMPTY);
	assert_int_equal(dir_count("."), 4);
	unlink("out/mine");
	assert_int_equal(unpack_all("image", "out"), 0);
	assert_same_trees("tree", "out");
}

/* There is no name to give to a new directory: what is in it moves. */
static void
unpack_into_the_current_directory_gives_the_same_tree(void **state)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 0 } };

	(void)state;
	sample_tree_small("tree");
	assert_int_equal(chmod("tree", 0711), 0);
	assert_int_equal(utimensat(AT_FDCWD, "tree", times, 0), 0);
	must_pack("tree", "image");
	assert_int_equal(mkdir("out", 0700), 0);
	assert_int_equal(chdir("out"), 0);
	assert_int_equal(unpack_all("../image", "."), 0);
	assert_int_equal(unpack_all("../image", "."), DSP_ENOTEMPTY);
	assert_int_equal(chdir(".."), 0);
	assert_same_trees("tree", "out");
}

static void
unpack_replaces_what_is_there_when_asked(void **state)
{
	(void)state;
	sample_tree_small("tree");
	must_pack("tree", "image");
	assert_int_equal(mkdir("out", 0700), 0);
	file_write("out/mine", "x", 1);
	assert_int_equal(unpack_over("image", "out"), 0);
	assert_same_trees("tree", "out");
	assert_int_equal(unpack_over("image", "out"), 0);
	assert_same_trees("tree", "out");
	assert_int_equal(unpack_over("image", "new"), 0);
	assert_same_trees("tree", "new");
	assert_int_equal(dir_count("."), 4);
}

static void
unpack_takes_over_from_a_killed_process(void **state)
{
	(void)state;
	sample_tree_small("tree");
	must_pack("tree", "image");
	assert_int_equal(mkdir(".out.despool", 0700), 0);
	assert_int_equal(mkdir(".out.despool/tree", 0700), 0);
	file_write(".out.despool/tree/half", "x", 1);
	file_write(".out.despool/lock", "", 0);
	assert_int_equal(unpack_all("image", "out"), 0);
	assert_same_trees("tree", "out");
	assert_int_equal(dir_count("."), 3);
}

static void
unpack_of_selected_paths_gives_these_and_what_is_below(void **state)
{
	static const char *const some[] = { "dir/empty", "e" };
	static const char *const whole[] = { "dir" };
	static const char *const missing[] = { "e", "absent" };

	(void)state;
	sample_tree_small("tree");
	must_pack("tree", "image");
	assert_int_equal(unpack_some("image", "some", some, 2), 0);
	assert_int_equal(dir_count("some"), 2);
	assert_int_equal(dir_count("some/dir"), 1);
	assert_true(path_exists("some/dir/empty"));
	assert_same_files("some/e", "tree/e");
	assert_int_equal(unpack_some("image", "whole", whole, 1), 0);
	assert_int_equal(dir_count("whole"), 1);
	assert_same_trees("whole/dir", "tree/dir");
	assert_int_equal(unpack_some("image", "missing", missing, 2),
			 DSP_ENOENT);
	assert_false(path_exists("missing"));
	assert_int_equal(dir_count("."), 4);
}

/* Its first name was not asked for, but the bytes were. */
static void
unpack_of_a_selected_hard_link_alone_gives_the_file(void **state)
{
	static const char *const link[] = { "dir/c" };

	(void)state;
	sample_tree_small("tree");
	must_pack("tree", "image");
	assert_int_equal(unpack_some("image", "out", link, 1), 0);
	assert_same_files("out/dir/c", "tree/dir/c");
}

static void
unpack_dry_writes_nothing_and_counts(void **state)
{
	struct image *image;
	struct unpack_params params = { .path = "out",
					.dry_run = true,
					.worker_count = 1 };
	struct unpack_result dry, wet;

	(void)state;
	sample_tree_small("tree");
	must_pack("tree", "image");
	image = must_open("image");
	params.image = image;
	assert_int_equal(unpack(&params, &dry), 0);
	assert_int_equal(dir_count("."), 2);
	params.dry_run = false;
	assert_int_equal(unpack(&params, &wet), 0);
	assert_true(dry.files_written == wet.files_written);
	assert_true(dry.bytes_written == wet.bytes_written);
	image_close(image);
}

/* The whole round as an ordinary user, with directories made read-only. */
static void
pack_and_unpack_work_for_an_ordinary_user(void **state)
{
	(void)state;
	become_ordinary();
	sample_tree_rich("tree");
	must_pack("tree", "image");
	assert_int_equal(unpack_all("image", "out"), 0);
	assert_same_trees("tree", "out");
	assert_int_equal(check("image", "out").count, 0);
	assert_int_equal(dir_count("."), 3);
}

/* Renaming a directory needs permission to write it, for its "..". */
static void
unpack_of_a_read_only_top_works_for_an_ordinary_user(void **state)
{
	(void)state;
	become_ordinary();
	sample_tree_small("tree");
	assert_int_equal(chmod("tree", 0555), 0);
	assert_int_equal(chmod("tree/dir", 0555), 0);
	must_pack("tree", "image");
	assert_int_equal(unpack_all("image", "out"), 0);
	assert_same_trees("tree", "out");
	assert_int_equal(unpack_over("image", "out"), 0);
	assert_same_trees("tree", "out");
	assert_int_equal(dir_count("."), 3);
}

/* What was packed by somebody else is unpacked without its owners. */
static void
unpack_by_an_ordinary_user_leaves_owners_out(void **state)
{
	struct stat st;
	int fd = open("image", O_RDWR | O_CREAT, 0644);

	(void)state;
	sample_write_rich(fd, IMAGE_WITH_BLOCKS);
	close(fd);
	assert_int_equal(unpack_all("image", "as I am"), 0);
	assert_int_equal(stat("as I am/dir/with attributes", &st), 0);
	assert_int_equal(st.st_uid, geteuid() == 0 ? 1000 : geteuid());
	become_ordinary();
	assert_int_equal(unpack_all("image", "out"), 0);
	assert_int_equal(stat("out/dir/with attributes", &st), 0);
	assert_int_equal(st.st_uid, geteuid());
	assert_int_equal(st.st_mode & 07777, 04711);
	assert_int_equal(check("image", "out").count, 0);
}

/* Differences, one at a time. */

static void
start_check(void)
{
	sample_tree_small("tree");
	must_pack("tree", "image");
	assert_int_equal(check("image", "tree").count, 0);
}

static void
keep_time(const char *path, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };

	assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW),
			 0);
}

static void
assert_differs(const char *path, unsigned what)
{
	struct differences found = check("image", "tree");

	assert_int_equal(found.count, 1);
	assert_string_equal(found.path, path);
	assert_int_equal(found.what, what);
	scratch_clear();
}

static void
write_at(const char *path, off_t at, const char *text)
{
	struct stat st;
	int fd = open(path, O_WRONLY);

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pwrite(fd, text, strlen(text), at), strlen(text));
	close(fd);
	keep_time(path, &st);
}

static void
check_finds_changed_bytes(void **state)
{
	(void)state;
	start_check();
	write_at("tree/e", 3, "E");
	assert_differs("e", CHECK_CONTENT);
	start_check();
	write_at("tree/e", 9, "!");
	assert_differs("e", CHECK_CONTENT);
	start_check();
	write_at("tree/sparse", 200001, "x");
	assert_differs("sparse", CHECK_CONTENT);
}

/* A hole that was written is a difference, unless with zeros. */
static void
check_finds_changed_holes(void **state)
{
	static const uint8_t zeros[100000];
	struct stat st;
	int fd;

	(void)state;
	start_check();
	write_at("tree/sparse", 4 << 20, "x");
	assert_differs("sparse", CHECK_CONTENT);
	start_check();
	write_at("tree/sparse", 10, "x");
	assert_differs("sparse", CHECK_CONTENT);
	start_check();
	write_at("tree/sparse", (5 << 20) - 1, "x");
	assert_differs("sparse", CHECK_CONTENT);
	start_check();
	assert_int_equal(stat("tree/sparse", &st), 0);
	fd = open("tree/sparse", O_WRONLY);
	assert_int_equal(pwrite(fd, zeros, sizeof zeros, 1 << 20),
			 sizeof zeros);
	close(fd);
	keep_time("tree/sparse", &st);
	assert_int_equal(check("image", "tree").count, 0);
}

static void
check_finds_metadata_that_differs(void **state)
{
	struct stat st;

	(void)state;
	start_check();
	assert_int_equal(chmod("tree/dir/b", 0711), 0);
	assert_differs("dir/b", CHECK_MODE);
	start_check();
	assert_int_equal(stat("tree/dir/b", &st), 0);
	st.st_mtim.tv_nsec ^= 1;
	keep_time("tree/dir/b", &st);
	assert_differs("dir/b", CHECK_TIME);
	start_check();
	if (setxattr("tree/e", "user.more", "x", 1, 0) == 0)
		assert_differs("e", CHECK_XATTRS);
}

static void
check_finds_a_link_that_leads_elsewhere(void **state)
{
	struct stat dir, link;

	(void)state;
	start_check();
	assert_int_equal(stat("tree/dir", &dir), 0);
	assert_int_equal(lstat("tree/dir/d", &link), 0);
	assert_int_equal(unlink("tree/dir/d"), 0);
	assert_int_equal(symlink("../nowherE", "tree/dir/d"), 0);
	keep_time("tree/dir/d", &link);
	keep_time("tree/dir", &dir);
	assert_differs("dir/d", CHECK_TARGET);
}

static void
check_finds_what_is_missing_extra_or_another_kind(void **state)
{
	struct stat dir;

	(void)state;
	start_check();
	assert_int_equal(stat("tree/dir", &dir), 0);
	assert_int_equal(unlink("tree/dir/b"), 0);
	keep_time("tree/dir", &dir);
	assert_differs("dir/b", CHECK_MISSING);
	start_check();
	assert_int_equal(stat("tree/dir", &dir), 0);
	file_write("tree/dir/bb", "", 0);
	keep_time("tree/dir", &dir);
	assert_differs("dir/bb", CHECK_EXTRA);
	start_check();
	assert_int_equal(stat("tree/dir", &dir), 0);
	assert_int_equal(unlink("tree/dir/b"), 0);
	assert_int_equal(mkdir("tree/dir/b", 0755), 0);
	keep_time("tree/dir", &dir);
	assert_differs("dir/b", CHECK_TYPE);

	/* A hard link that became a file of its own. */
	start_check();
	assert_int_equal(stat("tree/dir", &dir), 0);
	assert_int_equal(unlink("tree/dir/c"), 0);
	file_write("tree/dir/c", "some text", 9);
	keep_time("tree/dir", &dir);
	assert_differs("dir/c", CHECK_TYPE);
}

/* The last entry, and all of them, are missing. */
static void
check_of_an_empty_directory_finds_everything_missing(void **state)
{
	struct differences found;

	(void)state;
	start_check();
	assert_int_equal(mkdir("empty", 0755), 0);
	found = check("image", "empty");
	assert_true((found.what & CHECK_MISSING) != 0);
	/* 8 entries below the top, and the top's own time. */
	assert_int_equal(found.count, 9);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		scratch_test(pack_and_unpack_give_the_same_tree),
		scratch_test(
			pack_gives_the_same_bytes_for_any_number_of_workers),
		scratch_test(pack_keeps_the_holes_of_sparse_files),
		scratch_test(pack_level_changes_frames_but_not_content),
		scratch_test(pack_of_an_empty_source_is_eempty_unless_allowed),
		scratch_test(pack_dry_counts_what_pack_would_do),
		scratch_test(pack_of_no_directory_is_an_error),
		scratch_test(pack_refuses_a_fifo_unless_it_is_skipped),
		scratch_test(pack_leaves_out_what_is_excluded_and_all_below),
		scratch_test(pack_of_a_file_that_changes_meanwhile_is_echanged),
		scratch_test(
			unpack_does_not_touch_a_directory_with_something_in_it),
		scratch_test(
			unpack_into_the_current_directory_gives_the_same_tree),
		scratch_test(unpack_replaces_what_is_there_when_asked),
		scratch_test(unpack_takes_over_from_a_killed_process),
		scratch_test(
			unpack_of_selected_paths_gives_these_and_what_is_below),
		scratch_test(
			unpack_of_a_selected_hard_link_alone_gives_the_file),
		scratch_test(unpack_dry_writes_nothing_and_counts),
		scratch_test(pack_and_unpack_work_for_an_ordinary_user),
		scratch_test(
			unpack_of_a_read_only_top_works_for_an_ordinary_user),
		scratch_test(unpack_by_an_ordinary_user_leaves_owners_out),
		scratch_test(check_finds_changed_bytes),
		scratch_test(check_finds_changed_holes),
		scratch_test(check_finds_metadata_that_differs),
		scratch_test(check_finds_a_link_that_leads_elsewhere),
		scratch_test(check_finds_what_is_missing_extra_or_another_kind),
		scratch_test(
			check_of_an_empty_directory_finds_everything_missing),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
