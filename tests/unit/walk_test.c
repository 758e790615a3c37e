/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a hostile packer may write: manifests in images of which every digest
 * is true (tests/fuzz/wrap.h), so that only the walk can find the lie.
 */
#include "core/image/walk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/err.h"
#include "core/image/page_int.h"
#include "core/tree/verify.h"
#include "tests/fuzz/wrap.h"
#include "tests/unit/sample_image.h"
#include "tests/unit/support.h"

/* A manifest in the making. */
struct maker {
	struct page_builder *builder;
	struct buffer pages[WRAP_PAGES_MAX];
	struct wrap wrap;
};

static struct maker
new_maker(void)
{
	struct maker maker = { .builder = page_builder_new(),
			       .wrap = wrap_new() };

	assert_non_null(maker.builder);
	return maker;
}

static void
add(struct maker *maker, const struct record *record)
{
	assert_int_equal(page_builder_add(maker->builder, record), 0);
}

static void
add_dir(struct maker *maker, const char *path)
{
	struct record record = sample_record(RECORD_DIR, path);

	add(maker, &record);
}

static void
add_link(struct maker *maker, enum record_type type, const char *path,
	 const char *target)
{
	struct record record = sample_record(type, path);

	record.target = target;
	record.target_size = (uint32_t)strlen(target);
	add(maker, &record);
}

/* Files are zeros, as blocks are; small below 128 bytes. */
static void
add_file(struct maker *maker, const char *path, uint64_t size)
{
	struct record record = sample_record(RECORD_FILE, path);

	record.size = record.data_size = size;
	if (size > 0)
		wrap_zeros_digest(size, &record.digest);
	add(maker, &record);
}

static void
add_block(struct maker *maker, uint32_t size)
{
	struct block_ref block = { .raw_size = size };

	wrap_zeros_digest(size, &block.name);
	assert_int_equal(page_builder_add_block(maker->builder, &block), 0);
}

/* Say that the large file added last consists of blocks of these sizes. */
static void
set_large_digest(struct maker *maker, const uint32_t *sizes, size_t count)
{
	struct digest_sum *sum = digest_sum_new();
	struct digest digest;

	for (size_t i = 0; i < count; i++) {
		struct digest name;

		wrap_zeros_digest(sizes[i], &name);
		digest_sum_add(sum, name.bytes, DIGEST_SIZE);
	}
	digest_sum_get(sum, &digest);
	digest_sum_free(sum);
	page_builder_set_digest(maker->builder, &digest);
}

/* A large file of two blocks on this page. */
static void
add_large(struct maker *maker, const char *path, uint32_t first,
	  uint32_t second)
{
	uint32_t sizes[2] = { first, second };

	add_file(maker, path, (uint64_t)first + second);
	set_large_digest(maker, sizes, 2);
	add_block(maker, first);
	add_block(maker, second);
}

/* A large file whose blocks go on behind its page: its digest is zero. */
static void
add_larger(struct maker *maker, const char *path, uint64_t size)
{
	static const struct digest zero;

	add_file(maker, path, size);
	page_builder_set_digest(maker->builder, &zero);
}

static void
end_page(struct maker *maker)
{
	struct buffer *raw = &maker->pages[maker->wrap.page_count];

	assert_int_equal(page_builder_finish(maker->builder, raw), 0);
	wrap_add_page(&maker->wrap, raw->data, raw->size);
}

/* Walk to the end, or to the error. */
static int
walk_through(struct image *image)
{
	struct walk *walk;
	enum walk_step step = WALK_RECORD;
	int err;

	assert_int_equal(walk_new(image, &walk), 0);
	do
		err = walk_next(walk, &step);
	while (err == 0 && step != WALK_END);
	walk_free(walk);
	return err;
}

/* End the manifest; what a walk through the image says. */
static int
walk_result(struct maker *maker)
{
	struct buffer file = { 0 };
	struct image *image;
	int fd = temp_fd();
	int err, verify_err;

	if (page_builder_record_count(maker->builder) +
		    page_builder_block_count(maker->builder) >
	    0)
		end_page(maker);
	wrap_make(&maker->wrap, &file);
	assert_int_equal(pwrite(fd, file.data, file.size, 0),
			 (ssize_t)file.size);
	reports_clear();
	assert_int_equal(image_open_fd(fd, "hostile", &image), 0);
	err = walk_through(image);
	assert_int_equal(reports_errors(), err < 0);

	/* A proof of the image includes a walk. */
	if (maker->wrap.kind == IMAGE_WITH_BLOCKS) {
		verify_err = verify_image(&(struct verify_params){
			.image = image, .worker_count = 1 });
		assert_int_equal(verify_err, err);
	}
	image_close(image);
	buffer_release(&file);
	for (uint32_t i = 0; i < WRAP_PAGES_MAX; i++)
		buffer_release(&maker->pages[i]);
	page_builder_free(maker->builder);
	return err;
}

#define assert_good(maker) assert_int_equal(walk_result(&(maker)), 0)
#define assert_corrupt(maker) \
	assert_int_equal(walk_result(&(maker)), DSP_ECORRUPT)

/* First: what is as it should be passes. */
static void
walk_passes_what_is_true(void **state)
{
	struct maker m = new_maker();

	(void)state;
	add_dir(&m, "");
	add_file(&m, "a", 40);
	add_file(&m, "b", 60);
	add_file(&m, "c", 0);
	add_block(&m, 100);
	add_dir(&m, "d");
	add_file(&m, "d/x", 127);
	add_block(&m, 127);
	end_page(&m);
	add_link(&m, RECORD_HARDLINK, "d.y", "d/x");
	add_large(&m, "e", 200, 100);
	add_large(&m, "f", 64, 64);
	add_larger(&m, "g", 500);
	add_block(&m, 250);
	end_page(&m);
	add_block(&m, 150);
	end_page(&m);
	add_block(&m, 100);
	end_page(&m);
	add_dir(&m, "h");
	add_dir(&m, "h/i");
	end_page(&m);
	add_dir(&m, "h/i/j");
	add_file(&m, "h/i/j/k", 5);
	add_block(&m, 5);
	add_link(&m, RECORD_SYMLINK, "h/z", "../../../etc/passwd");
	assert_good(m);
}

static void
walk_of_the_top_alone_is_good(void **state)
{
	struct maker m = new_maker();

	(void)state;
	add_dir(&m, "");
	assert_good(m);
}

static void
walk_that_does_not_begin_at_the_top_is_corrupt(void **state)
{
	struct maker m = new_maker();

	(void)state;
	add_file(&m, "a", 0);
	assert_corrupt(m);
	m = new_maker();
	add_dir(&m, "a");
	assert_corrupt(m);
	m = new_maker();
	add_file(&m, "", 0);
	assert_corrupt(m);
	m = new_maker();
	add_link(&m, RECORD_SYMLINK, "", "/etc");
	add_file(&m, "passwd", 0);
	assert_corrupt(m);
	m = new_maker(); /* an image of no record at all */
	add_block(&m, 10);
	assert_corrupt(m);
}

static void
walk_path_that_leads_out_is_corrupt(void **state)
{
	static const char *const bad[] = { "..",
					   "../a",
					   ".",
					   "./a",
					   "/",
					   "/etc",
					   "a/..",
					   "a/../b",
					   "a/.",
					   "a//b",
					   "a/",
					   "//",
					   "a/b/c/../../../../x" };

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		for (int split = 0; split < 2; split++) {
			struct maker m = new_maker();

			add_dir(&m, "");
			if (bad[i][0] == 'a')
				add_dir(&m, "a");
			if (split)
				end_page(&m);
			add_file(&m, bad[i], 0);
			assert_corrupt(m);
		}
	}
}

static void
walk_path_with_a_nul_is_corrupt(void **state)
{
	struct maker m = new_maker();
	struct record record = sample_record(RECORD_FILE, "a?b");

	(void)state;
	record.path = "a\0b";
	add_dir(&m, "");
	add(&m, &record);
	assert_corrupt(m);
}

/* In one page, at its border, and behind a file whose pages have no record. */
static void
check_pair(const char *first, const char *second, int err)
{
	struct maker m = new_maker();

	add_dir(&m, "");
	add_file(&m, first, 0);
	add_file(&m, second, 0);
	assert_int_equal(walk_result(&m), err);
	m = new_maker();
	add_dir(&m, "");
	add_file(&m, first, 0);
	end_page(&m);
	add_file(&m, second, 0);
	assert_int_equal(walk_result(&m), err);
}

static void
walk_path_twice_is_corrupt(void **state)
{
	(void)state;
	check_pair("a", "b", 0);
	check_pair("a", "a", DSP_ECORRUPT);
	check_pair("abc", "abc", DSP_ECORRUPT);
}

static void
walk_top_twice_is_corrupt(void **state)
{
	(void)state;
	for (int split = 0; split < 2; split++) {
		struct maker m = new_maker();

		add_dir(&m, "");
		if (split)
			end_page(&m);
		add_dir(&m, "");
		assert_corrupt(m);
		m = new_maker();
		add_dir(&m, "");
		add_file(&m, "a", 0);
		if (split)
			end_page(&m);
		add_dir(&m, "");
		assert_corrupt(m);
	}
}

static void
walk_paths_out_of_order_are_corrupt(void **state)
{
	(void)state;
	check_pair("b", "a", DSP_ECORRUPT);
	check_pair("ab", "a", DSP_ECORRUPT);
	check_pair("\x80", "z", DSP_ECORRUPT);
	check_pair("z", "\x80", 0);
}

/* The pages between them hold only blocks of the large file "m". */
static int
behind_a_larger_file(const char *path, enum record_type type)
{
	struct maker m = new_maker();

	add_dir(&m, "");
	add_dir(&m, "d");
	add_larger(&m, "m", 500);
	add_block(&m, 250);
	end_page(&m);
	add_block(&m, 250);
	end_page(&m);
	if (type == RECORD_DIR)
		add_dir(&m, path);
	else
		add_file(&m, path, 0);
	return walk_result(&m);
}

static void
walk_path_twice_behind_a_page_without_records_is_corrupt(void **state)
{
	(void)state;
	assert_int_equal(behind_a_larger_file("n", RECORD_FILE), 0);
	assert_int_equal(behind_a_larger_file("m", RECORD_FILE), DSP_ECORRUPT);
	assert_int_equal(behind_a_larger_file("m", RECORD_DIR), DSP_ECORRUPT);
}

static void
walk_paths_out_of_order_behind_a_page_without_records_are_corrupt(void **state)
{
	(void)state;
	assert_int_equal(behind_a_larger_file("a", RECORD_FILE), DSP_ECORRUPT);
	assert_int_equal(behind_a_larger_file("d", RECORD_DIR), DSP_ECORRUPT);
	assert_int_equal(behind_a_larger_file("d/x", RECORD_FILE),
			 DSP_ECORRUPT);
}

static void
check_below(enum record_type type, const char *target)
{
	for (int split = 0; split < 2; split++) {
		for (int deep = 0; deep < 2; deep++) {
			struct maker m = new_maker();

			add_dir(&m, "");
			add_file(&m, "0", 0);
			if (type == RECORD_FILE)
				add_file(&m, "a", 0);
			else
				add_link(&m, type, "a", target);
			if (split)
				end_page(&m);
			add_file(&m, deep ? "a/b/c" : "a/b", 0);
			assert_corrupt(m);
		}
	}
}

static void
walk_path_below_a_link_or_a_file_is_corrupt(void **state)
{
	(void)state;
	check_below(RECORD_SYMLINK, "/etc");
	check_below(RECORD_SYMLINK, ".");
	check_below(RECORD_HARDLINK, "0");
	check_below(RECORD_FILE, NULL);
}

static void
walk_path_below_nothing_is_corrupt(void **state)
{
	static const char *const missing[][3] = {
		{ "a", "b/c" },	    { "a", "a/b/c" },	  { "a", "ab/c" },
		{ "ab", "ab/c/d" }, { "a", "b/c/d/e/f" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
		struct maker m = new_maker();

		add_dir(&m, "");
		add_dir(&m, missing[i][0]);
		add_file(&m, missing[i][1], 0);
		assert_corrupt(m);
	}
	{ /* behind its directory, but the walk has left that */
		struct maker m = new_maker();

		add_dir(&m, "");
		add_dir(&m, "a");
		add_dir(&m, "a/b");
		add_file(&m, "a.c", 0);
		add_file(&m, "a.c/d", 0);
		assert_corrupt(m);
	}
}

static void
walk_hard_link_that_leads_elsewhere_is_corrupt(void **state)
{
	static const char *const bad[] = {
		"m", "n",      "m/x", "../a", "/a", "/etc/passwd",
		".", "a/../b", "..",  "a/",   "",
	};
	struct maker m = new_maker();

	(void)state;
	add_dir(&m, "");
	add_file(&m, "a", 0);
	add_link(&m, RECORD_HARDLINK, "m", "a");
	assert_good(m);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		m = new_maker();
		add_dir(&m, "");
		add_file(&m, "a", 0);
		add_link(&m, RECORD_HARDLINK, "m", bad[i]);
		assert_corrupt(m);
	}
}

static void
walk_symbolic_link_to_nothing_is_corrupt(void **state)
{
	struct maker m = new_maker();

	(void)state;
	add_dir(&m, "");
	add_link(&m, RECORD_SYMLINK, "a", "");
	assert_corrupt(m);
}

static void
walk_group_that_is_not_its_block_is_corrupt(void **state)
{
	struct maker m;

	(void)state;
	for (uint32_t size = 90; size <= 110; size++) {
		m = new_maker();
		add_dir(&m, "");
		add_file(&m, "a", 40);
		add_file(&m, "b", 60);
		add_block(&m, size);
		assert_int_equal(walk_result(&m),
				 size == 100 ? 0 : DSP_ECORRUPT);
	}
	m = new_maker(); /* no block */
	add_dir(&m, "");
	add_file(&m, "a", 40);
	assert_corrupt(m);
	m = new_maker(); /* a block too many */
	add_dir(&m, "");
	add_file(&m, "a", 40);
	add_block(&m, 40);
	add_block(&m, 40);
	assert_corrupt(m);
	m = new_maker(); /* of nothing */
	add_dir(&m, "");
	add_file(&m, "a", 40);
	add_block(&m, 0);
	add_block(&m, 40);
	assert_corrupt(m);
	m = new_maker();
	add_dir(&m, "");
	add_block(&m, 0);
	assert_corrupt(m);
	m = new_maker(); /* in two blocks, though it is small */
	add_dir(&m, "");
	add_file(&m, "a", 100);
	add_block(&m, 64);
	add_block(&m, 36);
	assert_corrupt(m);
	m = new_maker(); /* on the page behind its record's */
	add_dir(&m, "");
	add_file(&m, "a", 40);
	end_page(&m);
	add_block(&m, 40);
	assert_corrupt(m);
	m = new_maker(); /* over the end of a page */
	add_dir(&m, "");
	add_file(&m, "a", 40);
	end_page(&m);
	add_file(&m, "b", 60);
	add_block(&m, 100);
	assert_corrupt(m);
}

static void
walk_block_beyond_the_rule_s_max_is_corrupt(void **state)
{
	struct maker m = new_maker();
	uint32_t sizes[] = { 257 };

	(void)state;
	add_dir(&m, "");
	add_file(&m, "a", 127); /* a group of more than a block holds */
	add_file(&m, "b", 127);
	add_file(&m, "c", 3);
	add_block(&m, 257);
	assert_corrupt(m);
	m = new_maker();
	add_dir(&m, "");
	add_file(&m, "a", 257);
	set_large_digest(&m, sizes, 1);
	add_block(&m, 257);
	assert_corrupt(m);
	m = new_maker();
	add_dir(&m, "");
	add_file(&m, "a", UINT32_MAX);
	sizes[0] = UINT32_MAX;
	set_large_digest(&m, sizes, 1);
	add_block(&m, UINT32_MAX);
	assert_corrupt(m);
}

static void
walk_large_file_that_is_not_its_blocks_is_corrupt(void **state)
{
	static const uint32_t two[] = { 200, 100 };
	struct maker m;

	(void)state;
	m = new_maker(); /* one is missing, and nothing follows */
	add_dir(&m, "");
	add_file(&m, "a", 300);
	set_large_digest(&m, two, 1);
	add_block(&m, 200);
	assert_corrupt(m);
	m = new_maker(); /* one is missing, and a record follows */
	add_dir(&m, "");
	add_file(&m, "a", 300);
	set_large_digest(&m, two, 1);
	add_block(&m, 200);
	add_file(&m, "b", 0);
	assert_corrupt(m);
	m = new_maker(); /* one is missing, and a page with a record follows */
	add_dir(&m, "");
	add_larger(&m, "a", 300);
	add_block(&m, 200);
	end_page(&m);
	add_file(&m, "b", 0);
	assert_corrupt(m);
	m = new_maker(); /* the last one is too large */
	add_dir(&m, "");
	add_file(&m, "a", 299);
	set_large_digest(&m, two, 2);
	add_block(&m, 200);
	add_block(&m, 100);
	assert_corrupt(m);
	m = new_maker(); /* a small file's bytes in its last one */
	add_dir(&m, "");
	add_file(&m, "a", 290);
	set_large_digest(&m, two, 2);
	add_file(&m, "b", 10);
	add_block(&m, 200);
	add_block(&m, 100);
	assert_corrupt(m);
	m = new_maker(); /* and in its first one */
	add_dir(&m, "");
	add_file(&m, "a", 10);
	add_file(&m, "b", 290);
	set_large_digest(&m, two, 2);
	add_block(&m, 200);
	add_block(&m, 100);
	assert_corrupt(m);
	m = new_maker(); /* a block of nothing among them */
	add_dir(&m, "");
	add_file(&m, "a", 300);
	set_large_digest(&m, (const uint32_t[]){ 200, 0, 100 }, 3);
	add_block(&m, 200);
	add_block(&m, 0);
	add_block(&m, 100);
	assert_corrupt(m);
}

static void
walk_large_file_s_digest_that_lies_is_corrupt(void **state)
{
	static const struct digest zero;
	struct maker m = new_maker();

	(void)state;
	add_dir(&m, "");
	add_file(&m, "a", 300);
	set_large_digest(&m, (const uint32_t[]){ 100, 200 }, 2);
	add_block(&m, 200);
	add_block(&m, 100);
	assert_corrupt(m);
	m = new_maker(); /* zero is for more than a page only */
	add_dir(&m, "");
	add_file(&m, "a", 300);
	page_builder_set_digest(m.builder, &zero);
	add_block(&m, 200);
	add_block(&m, 100);
	assert_corrupt(m);
	m = new_maker(); /* and there nothing else will do */
	add_dir(&m, "");
	add_file(&m, "a", 300);
	set_large_digest(&m, (const uint32_t[]){ 200, 100 }, 2);
	add_block(&m, 200);
	end_page(&m);
	add_block(&m, 100);
	assert_corrupt(m);
}

/* What verify_image() says of an image whose manifest a walk passes. */
static int
verify_result(struct maker *maker)
{
	struct buffer file = { 0 };
	struct image *image;
	int fd = temp_fd();
	int err;

	end_page(maker);
	wrap_make(&maker->wrap, &file);
	assert_int_equal(pwrite(fd, file.data, file.size, 0),
			 (ssize_t)file.size);
	assert_int_equal(image_open_fd(fd, "hostile", &image), 0);
	assert_int_equal(walk_through(image), 0);
	reports_clear();
	err = verify_image(
		&(struct verify_params){ .image = image, .worker_count = 2 });
	assert_int_equal(reports_errors(), err < 0);
	image_close(image);
	buffer_release(&file);
	for (uint32_t i = 0; i < WRAP_PAGES_MAX; i++)
		buffer_release(&maker->pages[i]);
	page_builder_free(maker->builder);
	return err;
}

/*
 * Equal digests mean equal data (record.h): an update keeps a file whose
 * digest did not change.  Only a reader of the data can find this lie.
 */
static void
verify_finds_a_small_file_s_digest_that_lies(void **state)
{
	struct maker m = new_maker();
	struct record record = sample_record(RECORD_FILE, "a");

	(void)state;
	record.size = record.data_size = 40;
	digest_of("another file", 12, &record.digest);
	add_dir(&m, "");
	add(&m, &record);
	add_block(&m, 40);
	assert_int_equal(verify_result(&m), DSP_ECORRUPT);
}

/* A walk keeps no list of paths: what a hard link leads to is looked up. */
static void
verify_finds_a_hard_link_to_no_file(void **state)
{
	static const struct {
		const char *target;
		int err;
	} cases[] = {
		{ "a", 0 },
		{ "d/a", 0 },
		{ "l", 0 },
		{ "d", DSP_ECORRUPT },
		{ "b", DSP_ECORRUPT },
		{ "aa", DSP_ECORRUPT },
		{ "d/b", DSP_ECORRUPT },
		{ "l/a", DSP_ECORRUPT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct maker m = new_maker();
		char path[] = "m0";

		add_dir(&m, "");
		add_file(&m, "a", 0);
		add_dir(&m, "d");
		add_file(&m, "d/a", 0);
		add_link(&m, RECORD_SYMLINK, "l", "nowhere");
		/* Good ones around it, some to the same file. */
		for (; path[1] < '5'; path[1]++)
			add_link(&m, RECORD_HARDLINK, path, "a");
		add_link(&m, RECORD_HARDLINK, path, cases[i].target);
		for (path[1]++; path[1] <= '9'; path[1]++)
			add_link(&m, RECORD_HARDLINK, path, "d/a");
		assert_int_equal(verify_result(&m), cases[i].err);
	}
}

/* What the root says of the counts, one after the other. */
static int lie;

static void
edit_counts(struct root *root)
{
	uint64_t *counts[] = { &root->file_count, &root->dir_count,
			       &root->symlink_count, &root->hardlink_count };

	if (lie < 12) { /* one kind of record is another */
		int from = lie / 3;
		int to = (from + 1 + lie % 3) % 4;

		(*counts[from])--;
		(*counts[to])++;
	} else if (lie < 16) {
		(*counts[lie - 12])++;
		root->record_count++;
	} else if (lie < 20) {
		(*counts[lie - 16])--;
		root->record_count--;
	} else if (lie == 20) {
		root->file_bytes++;
	} else if (lie == 21) {
		root->file_bytes--;
	} else if (lie == 22) {
		root->data_bytes++;
	} else if (lie == 23) {
		root->data_bytes = 0;
	}
}

static void
walk_counts_that_lie_are_corrupt(void **state)
{
	(void)state;
	for (lie = 0; lie <= 24; lie++) {
		struct maker m = new_maker();

		m.wrap.edit = edit_counts;
		add_dir(&m, "");
		add_file(&m, "a", 40);
		add_block(&m, 40);
		add_link(&m, RECORD_HARDLINK, "b", "a");
		add_link(&m, RECORD_SYMLINK, "c", "a");
		assert_int_equal(walk_result(&m), lie < 24 ? DSP_ECORRUPT : 0);
	}
}

/* One byte of one page another one: never more than an error. */
static void
walk_of_pages_with_any_byte_changed_ends(void **state)
{
	struct maker m = new_maker();
	uint64_t random = 1;
	size_t good = 0;

	(void)state;
	add_dir(&m, "");
	add_file(&m, "a", 40);
	add_block(&m, 40);
	add_dir(&m, "b");
	add_link(&m, RECORD_HARDLINK, "b/c", "a");
	add_link(&m, RECORD_SYMLINK, "b/d", "a");
	add_large(&m, "e", 200, 100);
	end_page(&m);
	for (size_t i = 0; i < m.pages[0].size; i++) {
		struct buffer file = { 0 };
		struct image *image;
		uint8_t *raw = m.pages[0].data;
		uint8_t before = raw[i];
		int fd = temp_fd();
		int err;

		raw[i] = (uint8_t)(before + 1 + random_below(&random, 255));
		wrap_fix_page(&m.wrap, raw, m.pages[0].size);
		wrap_make(&m.wrap, &file);
		raw[i] = before;
		assert_int_equal(pwrite(fd, file.data, file.size, 0),
				 (ssize_t)file.size);
		assert_int_equal(image_open_fd(fd, "hostile", &image), 0);
		err = walk_through(image);
		assert_true(err == 0 || err == DSP_ECORRUPT);
		good += err == 0;
		image_close(image);
		buffer_release(&file);
	}
	assert_true(good > 20 && good < m.pages[0].size);
	buffer_release(&m.pages[0]);
	page_builder_free(m.builder);
}

/* Deep, with long names, up and down: the stack of directories holds. */
static void
walk_keeps_track_of_any_depth(void **state)
{
	enum { DEPTH = 3000 };
	struct maker m = new_maker();
	char *path = must_malloc(2 * DEPTH + 1);

	(void)state;
	add_dir(&m, "");
	for (size_t i = 0; i < DEPTH; i++) {
		struct record record = sample_record(RECORD_DIR, "a");

		memcpy(path + 2 * i, "a/", 2);
		record.path = path;
		record.path_size = (uint32_t)(2 * i + 1);
		if (i % 200 == 199)
			end_page(&m);
		add(&m, &record);
	}
	path[2 * DEPTH - 1] = '\0';
	add_file(&m, "a/a/a/a/b", 0);
	add_dir(&m, "a/a/b");
	add_file(&m, "a/a/b/c", 0);
	add_file(&m, "b", 0);
	assert_good(m);
	free(path);
}

static void
walk_of_a_manifest_file_is_as_strict(void **state)
{
	struct maker m = new_maker();

	(void)state;
	m.wrap.kind = IMAGE_MANIFEST;
	add_dir(&m, "");
	add_file(&m, "a", 40);
	add_block(&m, 40);
	assert_good(m);
	m = new_maker();
	m.wrap.kind = IMAGE_MANIFEST;
	m.wrap.level = 0; /* nobody made frames */
	add_dir(&m, "");
	add_file(&m, "a", 40);
	add_block(&m, 40);
	assert_good(m);
	m = new_maker();
	m.wrap.kind = IMAGE_MANIFEST;
	add_dir(&m, "");
	add_link(&m, RECORD_SYMLINK, "a", "/etc");
	add_file(&m, "a/passwd", 0);
	assert_corrupt(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walk_passes_what_is_true),
		cmocka_unit_test(walk_of_the_top_alone_is_good),
		cmocka_unit_test(
			walk_that_does_not_begin_at_the_top_is_corrupt),
		cmocka_unit_test(walk_path_that_leads_out_is_corrupt),
		cmocka_unit_test(walk_path_with_a_nul_is_corrupt),
		cmocka_unit_test(walk_path_twice_is_corrupt),
		cmocka_unit_test(walk_top_twice_is_corrupt),
		cmocka_unit_test(walk_paths_out_of_order_are_corrupt),
		cmocka_unit_test(
			walk_path_twice_behind_a_page_without_records_is_corrupt),
		cmocka_unit_test(
			walk_paths_out_of_order_behind_a_page_without_records_are_corrupt),
		cmocka_unit_test(walk_path_below_a_link_or_a_file_is_corrupt),
		cmocka_unit_test(walk_path_below_nothing_is_corrupt),
		cmocka_unit_test(
			walk_hard_link_that_leads_elsewhere_is_corrupt),
		cmocka_unit_test(walk_symbolic_link_to_nothing_is_corrupt),
		cmocka_unit_test(walk_group_that_is_not_its_block_is_corrupt),
		cmocka_unit_test(walk_block_beyond_the_rule_s_max_is_corrupt),
		cmocka_unit_test(
			walk_large_file_that_is_not_its_blocks_is_corrupt),
		cmocka_unit_test(walk_large_file_s_digest_that_lies_is_corrupt),
		cmocka_unit_test(verify_finds_a_small_file_s_digest_that_lies),
		cmocka_unit_test(verify_finds_a_hard_link_to_no_file),
		cmocka_unit_test(walk_counts_that_lie_are_corrupt),
		cmocka_unit_test(walk_of_pages_with_any_byte_changed_ends),
		cmocka_unit_test(walk_keeps_track_of_any_depth),
		cmocka_unit_test(walk_of_a_manifest_file_is_as_strict),
	};

	return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
