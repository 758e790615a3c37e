/* SPDX-License-Identifier: Apache-2.0 */

/*
 * make_corpus - the inputs that fuzzing starts from, made anew when the
 * format changes: small real things, and cases known to be nasty.
 *
 * Not a part of any build; in the top of the source tree
 *
 *	make build/x86_64/tests/fuzz/make_corpus.o lib
 *	gcc -o /tmp/make_corpus build/x86_64/tests/fuzz/make_corpus.o \
 *		build/x86_64/libdespool.a -Lbuild/x86_64/deps/lib -lzstd -lblake3 \
 *		-lsodium -ljansson -pthread
 *	/tmp/make_corpus
 *
 * writes tests/golden/link-*.pck, which make_streams sends, and
 * tests/fuzz/corpus/NAME/made-*.  What fuzzers found worth keeping has
 * other names and stays.
 */
#include <sodium.h>
#include <sys/stat.h>

#include "core/image/image.h"
#include "core/image/xattrs.h"
#include "core/link/message.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/link_sample.h"
#include "tests/fuzz/wrap.h"
#include "tests/unit/sample_key.h"

static void
write_input(const char *target, const char *name, const void *data, size_t size)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof path, "tests/fuzz/corpus/%s", target);
	(void)mkdir("tests/fuzz/corpus", 0755);
	(void)mkdir(path, 0755);
	snprintf(path, sizeof path, "tests/fuzz/corpus/%s/made-%s", target,
		 name);
	file = fopen(path, "wb");
	must(file != NULL);
	must(fwrite(data, 1, size, file) == size);
	must(fclose(file) == 0);
}

static void
make_paths(void)
{
	static const char *const pairs[][2] = {
		{ "a/b/c", "a/b" },    { "a", "a.b" },
		{ "", "x" },	       { "..", "." },
		{ "/etc", "etc" },     { "a//b", "a/" },
		{ "a/../b", "a/./b" }, { "\xff/\x80", "\x01" },
		{ "...", "..a" },      { "a b\n", "-rf" },
	};

	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		size_t a = strlen(pairs[i][0]), b = strlen(pairs[i][1]);
		uint8_t bytes[64];
		char name[16];

		bytes[0] = (uint8_t)((a * 256 + a + b - 1) / (a + b));
		memcpy(bytes + 1, pairs[i][0], a);
		memcpy(bytes + 1 + a, pairs[i][1], b);
		snprintf(name, sizeof name, "%02zu", i);
		write_input("path", name, bytes, 1 + a + b);
	}
	write_input("path", "nul",
		    "\xff"
		    "a\0b",
		    4);
}

static void
make_excludes(void)
{
	static const char text[] = "# comment\n*.o\n\n/build/\ndoc/*.txt\n"
				   "[!a-c]?\n\\*\n\0doc/a.txt";
	static const char bad[] = "*.o\n/\n\0x.o";
	static const char odd[] = "[\n[[:alpha:]]*\n[z-a]\n*/\n//a\n\0a";

	write_input("exclude", "file", text, sizeof text - 1);
	write_input("exclude", "invalid", bad, sizeof bad - 1);
	write_input("exclude", "brackets", odd, sizeof odd - 1);
	write_input("exclude", "slash", "a/b/c\n\0a/b/c", 12);
}

static void
make_xattrs(void)
{
	struct buffer set = { 0 };

	must(xattrs_add(&set, "security.capability", "\1\0\0\2", 4) == 0);
	write_input("xattrs", "one", set.data, set.size);
	must(xattrs_add(&set, "user.DOSATTRIB", "0x20", 4) == 0);
	must(xattrs_add(&set, "user.e", "", 0) == 0);
	write_input("xattrs", "three", set.data, set.size);
	write_input("xattrs", "short", set.data, set.size - 1);
	must(xattrs_add(&set, "user.e", "", 0) == 0);
	write_input("xattrs", "twice", set.data, set.size);
	le32_put(set.data + 2, UINT32_MAX);
	write_input("xattrs", "huge", set.data, set.size);
	write_input("xattrs", "empty-name", "\0\0\0\0\0\0", 6);
	buffer_release(&set);
}

static void
make_frame(const char *name, const uint8_t *raw, size_t raw_size,
	   size_t base_size)
{
	struct frame_encoder *encoder = frame_encoder_new(3);
	struct buffer input = { 0 };

	must(encoder != NULL);
	must(buffer_add_le16(&input, (uint16_t)raw_size) == 0);
	must(buffer_add_le16(&input, (uint16_t)base_size) == 0);
	must(buffer_reserve(&input, frame_size_max(raw_size)) == 0);
	must(frame_encode(encoder, raw, raw_size, fuzz_base(), base_size,
			  input.data + 4, input.capacity - 4,
			  &input.size) == 0);
	write_input("frame", name, input.data, input.size + 4);
	frame_encoder_free(encoder);
	buffer_release(&input);
}

static void
make_frames(void)
{
	static const char foreign[] = "\x09\0\0\0\x50\x2a\x4d\x18\1\0\0\0x";
	uint8_t raw[FUZZ_BASE_SIZE];
	uint32_t state = 9;

	memcpy(raw, fuzz_base() + 100, FUZZ_BASE_SIZE - 100);
	memset(raw + FUZZ_BASE_SIZE - 100, 'x', 100);
	make_frame("delta", raw, FUZZ_BASE_SIZE, FUZZ_BASE_SIZE);
	make_frame("text", raw, 700, 0);
	for (size_t i = 0; i < 500; i++) {
		state = state * 1103515245 + 12345;
		raw[i] = (uint8_t)(state >> 16);
	}
	make_frame("random", raw, 500, 0);
	memset(raw, 0, sizeof raw);
	make_frame("zeros", raw, sizeof raw, 0);
	make_frame("tiny", raw, 1, 0);
	for (size_t i = 0; i < 3000; i++)
		raw[i] = (uint8_t)("the quick brown fox\n"[i % 20] + i / 700);
	make_frame("sequences", raw, 3000, 500);
	write_input("frame", "skippable", foreign, sizeof foreign - 1);
}

/* Pages. */

struct maker {
	struct page_builder *builder;
	struct buffer manifest; /* flags and pages, as fuzz_manifest reads it */
	struct buffer last;
};

static struct maker
new_maker(void)
{
	struct maker maker = { .builder = page_builder_new() };

	must(maker.builder != NULL);
	must(buffer_add_u8(&maker.manifest, 1) == 0);
	return maker;
}

static struct record
plain(enum record_type type, const char *path)
{
	return (struct record){ .type = type,
				.mode = type == RECORD_DIR ? 0755 : 0644,
				.path = path,
				.path_size = (uint32_t)strlen(path),
				.mtime = 1000000000,
				.user = "root",
				.group = "root",
				.target = "",
				.xattrs = (const uint8_t *)"",
				.segments = (const uint8_t *)"" };
}

static void
add(struct maker *maker, enum record_type type, const char *path)
{
	struct record record = plain(type, path);

	must(page_builder_add(maker->builder, &record) == 0);
}

static void
add_link(struct maker *maker, enum record_type type, const char *path,
	 const char *target)
{
	struct record record = plain(type, path);

	record.target = target;
	record.target_size = (uint32_t)strlen(target);
	must(page_builder_add(maker->builder, &record) == 0);
}

static void
add_file(struct maker *maker, const char *path, uint64_t size)
{
	struct record record = plain(RECORD_FILE, path);

	record.size = record.data_size = size;
	record.mtime += (int64_t)size;
	record.uid = (uint32_t)size % 2;
	must(page_builder_add(maker->builder, &record) == 0);
}

static void
add_block(struct maker *maker, uint32_t size)
{
	struct block_ref block = { .raw_size = size };

	must(page_builder_add_block(maker->builder, &block) == 0);
}

static void
add_sparse(struct maker *maker, const char *path)
{
	struct record record = plain(RECORD_FILE, path);
	uint8_t segments[32];

	le64_put(segments, 4096);
	le64_put(segments + 8, 50);
	le64_put(segments + 16, 100000);
	le64_put(segments + 24, 30);
	record.is_sparse = true;
	record.segments = segments;
	record.segment_count = 2;
	record.size = 200000;
	record.data_size = 80;
	must(page_builder_add(maker->builder, &record) == 0);
}

static void
add_attributes(struct maker *maker, const char *path)
{
	struct record record = plain(RECORD_DIR, path);
	struct buffer set = { 0 };

	must(xattrs_add(&set, "user.a", "1", 1) == 0);
	must(xattrs_add(&set, "user.b", "", 0) == 0);
	record.xattrs = set.data;
	record.xattrs_size = (uint32_t)set.size;
	record.user = "";
	record.mode = 01777;
	must(page_builder_add(maker->builder, &record) == 0);
	buffer_release(&set);
}

static void
end_page(struct maker *maker)
{
	maker->last.size = 0;
	must(page_builder_finish(maker->builder, &maker->last) == 0);
	must(buffer_add_le16(&maker->manifest, (uint16_t)maker->last.size) ==
	     0);
	must(buffer_add(&maker->manifest, maker->last.data, maker->last.size) ==
	     0);
}

/* One more input for the three targets that pages are for. */
static void
finish(struct maker *maker, const char *name)
{
	end_page(maker);
	write_input("page", name, maker->last.data, maker->last.size);
	write_input("manifest", name, maker->manifest.data,
		    maker->manifest.size);
	write_input("unpack", name, maker->manifest.data + 1,
		    maker->manifest.size - 1);
	page_builder_free(maker->builder);
	buffer_release(&maker->manifest);
	buffer_release(&maker->last);
}

static void
make_good_pages(void)
{
	struct maker m = new_maker();

	add(&m, RECORD_DIR, "");
	finish(&m, "top");
	m = new_maker();
	add(&m, RECORD_DIR, "");
	add(&m, RECORD_DIR, "a");
	add_file(&m, "a/x", 40);
	add_file(&m, "a/y", 60);
	add_block(&m, 100);
	add_link(&m, RECORD_HARDLINK, "a/z", "a/x");
	add_attributes(&m, "b");
	add_link(&m, RECORD_SYMLINK, "b/link", "../../etc/passwd");
	add_sparse(&m, "c");
	add_block(&m, 80);
	add_file(&m, "d", 300);
	add_block(&m, 200);
	add_block(&m, 100);
	finish(&m, "everything");
	m = new_maker();
	add(&m, RECORD_DIR, "");
	add_file(&m, "a", 500);
	add_block(&m, 250);
	end_page(&m);
	add_block(&m, 200);
	end_page(&m);
	add_block(&m, 50);
	add(&m, RECORD_DIR, "b");
	finish(&m, "over-three-pages");
	m = new_maker();
	m.manifest.data[0] = 3;
	add(&m, RECORD_DIR, "");
	add(&m, RECORD_DIR, "a");
	add(&m, RECORD_DIR, "a/b");
	add(&m, RECORD_DIR, "a/b/c");
	end_page(&m);
	add_file(&m, "a/b/c/d", 5);
	add_block(&m, 5);
	add_file(&m, "a/e", 0);
	finish(&m, "deep");
}

static void
make_bad_pages(void)
{
	static const char *const paths[] = { "..", "/etc", "a/../b", "a//b",
					     "a/", ".",	   "a" };
	static const char *const targets[] = { "m", "n", "../x", "/etc/passwd",
					       "m/x" };
	char name[32];
	struct maker m;

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		m = new_maker();
		add(&m, RECORD_DIR, "");
		add(&m, RECORD_DIR, "a");
		add_file(&m, paths[i], 0);
		snprintf(name, sizeof name, "path-%zu", i);
		finish(&m, name);
	}
	for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
		m = new_maker();
		add(&m, RECORD_DIR, "");
		add_link(&m, RECORD_HARDLINK, "m", targets[i]);
		snprintf(name, sizeof name, "target-%zu", i);
		finish(&m, name);
	}
	m = new_maker();
	add(&m, RECORD_DIR, "");
	add_link(&m, RECORD_SYMLINK, "a", "/tmp");
	add_file(&m, "a/b", 0);
	finish(&m, "below-a-link");
	m = new_maker();
	add(&m, RECORD_DIR, "");
	add_file(&m, "a", 500);
	add_block(&m, 250);
	end_page(&m);
	add_block(&m, 250);
	end_page(&m);
	add_file(&m, "a", 0);
	finish(&m, "twice");
	m = new_maker();
	add(&m, RECORD_DIR, "");
	add_file(&m, "a", 40);
	add_block(&m, 41);
	finish(&m, "block-too-large");
	m = new_maker();
	add(&m, RECORD_DIR, "");
	add_file(&m, "a", UINT64_C(1) << 62);
	add_block(&m, 256);
	finish(&m, "size-that-lies");
}

/* One of a few versions of a page, for updates from each to each. */
static void
make_version(unsigned version, struct buffer *ret_raw)
{
	struct maker m = new_maker();
	struct record record = plain(RECORD_DIR, "m");

	if (version == 4)
		add_attributes(&m, "");
	else
		add(&m, RECORD_DIR, "");
	switch (version) {
	case 0:
	case 4: /* the same, but for the top's attributes */
		add(&m, RECORD_DIR, "a");
		add_file(&m, "a/x", 40);
		add_file(&m, "a/y", 60);
		add_block(&m, 100);
		add_link(&m, RECORD_SYMLINK, "b", "a/x");
		add_sparse(&m, "c");
		add_block(&m, 80);
		add_file(&m, "d", 300);
		add_block(&m, 200);
		add_block(&m, 100);
		break;
	case 1: /* sizes, a gone name, a new one */
		add(&m, RECORD_DIR, "a");
		add_file(&m, "a/w", 7);
		add_file(&m, "a/y", 61);
		add_block(&m, 68);
		add_link(&m, RECORD_SYMLINK, "b", "a/y");
		add_file(&m, "d", 301);
		add_block(&m, 200);
		add_block(&m, 101);
		break;
	case 2: /* every kind becomes another */
		add_file(&m, "a", 100);
		add_block(&m, 100);
		add(&m, RECORD_DIR, "b");
		add_file(&m, "b/x", 40);
		add_block(&m, 40);
		add(&m, RECORD_DIR, "c");
		add(&m, RECORD_DIR, "c/d");
		add_link(&m, RECORD_SYMLINK, "d", "..");
		break;
	default: /* metadata alone, and things without data */
		add_attributes(&m, "a");
		add_file(&m, "a/x", 40);
		add_block(&m, 40);
		add_file(&m, "e", 0);
		record.mode = 0500;
		must(page_builder_add(m.builder, &record) == 0);
		add_file(&m, "m/n", 0);
		break;
	}
	must(page_builder_finish(m.builder, ret_raw) == 0);
	page_builder_free(m.builder);
	buffer_release(&m.manifest);
}

static void
make_updates(void)
{
	for (unsigned from = 0; from < 5; from++) {
		for (unsigned to = 0; to < 5; to++) {
			struct buffer old = { 0 }, new = { 0 }, input = { 0 };
			char name[16];

			make_version(from, &old);
			make_version(to, &new);
			must(buffer_add_le16(&input, (uint16_t)old.size) == 0);
			must(buffer_add(&input, old.data, old.size) == 0);
			must(buffer_add(&input, new.data, new.size) == 0);
			snprintf(name, sizeof name, "%u-to-%u", from, to);
			write_input("update", name, input.data, input.size);
			buffer_release(&old);
			buffer_release(&new);
			buffer_release(&input);
		}
	}
}

static void
make_roots(void)
{
	struct root_page pages[2] = { { .raw_size = 1000, .block_count = 3 },
				      { .raw_size = 50, .block_count = 1 } };
	struct root root = { .package_id = "61000012",
			     .version = 3,
			     .level = 3,
			     .rule = cut_rule_default,
			     .record_count = 4,
			     .file_count = 1,
			     .dir_count = 1,
			     .symlink_count = 1,
			     .hardlink_count = 1,
			     .block_count = 4,
			     .file_bytes = 5000000,
			     .data_bytes = 4000000,
			     .page_count = 2,
			     .pages = pages };
	struct buffer raw = { 0 };

	for (int i = 0; i < 2; i++) {
		digest_of(&i, 1, &pages[i].digest);
		digest_of(&i, 1, &pages[i].frames);
	}
	root_set_content(&root);
	must(buffer_add_u8(&raw, 0) == 0);
	must(root_encode(&root, &raw) == 0);
	write_input("root", "two-pages", raw.data, raw.size);
	raw.data[0] = 1;
	write_input("root", "two-pages-fixed", raw.data, raw.size);
	write_input("root", "short", raw.data, raw.size - 1);
	raw.data[9] = 2;
	write_input("root", "future", raw.data, raw.size);
	raw.size = 1;
	root.level = 0;
	root.page_count = 1;
	root.block_count = 3;
	memset(&pages[0].frames, 0, DIGEST_SIZE);
	root_set_content(&root);
	must(root_encode(&root, &raw) == 0);
	write_input("root", "without-frames", raw.data, raw.size);
	buffer_release(&raw);
}

static void
write_trust(unsigned kind, const char *name, const void *data, size_t size)
{
	struct buffer input = { 0 };

	must(buffer_add_u8(&input, (uint8_t)kind) == 0);
	must(buffer_add(&input, data, size) == 0);
	write_input("trust", name, input.data, input.size);
	buffer_release(&input);
}

/* The bytes of line number `line` of a text in base64. */
static size_t
decode_line(const char *text, unsigned line, uint8_t *bytes, size_t capacity)
{
	size_t size = 0;

	while (line-- > 0)
		text = strchr(text, '\n') + 1;
	must(sodium_base642bin(bytes, capacity, text, strcspn(text, "\n"), NULL,
			       &size, NULL,
			       sodium_base64_VARIANT_ORIGINAL) == 0);
	return size;
}

static void
make_trust(void)
{
	static const struct {
		unsigned kind;
		const char *name, *text;
	} texts[] = {
		{ 0, "list", SAMPLE_PUBLIC SAMPLE_PUBLIC_LINE "\r\n" },
		{ 0, "list-secret", SAMPLE_SECRET },
		{ 1, "secret", SAMPLE_SECRET },
		{ 1, "secret-encrypted", SAMPLE_ENCRYPTED },
		{ 1, "secret-public", SAMPLE_PUBLIC },
		{ 2, "signature", SAMPLE_SIGNATURE },
		{ 2, "signature-legacy", SAMPLE_SIGNATURE_LEGACY },
	};
	static const char *const signatures[] = { SAMPLE_SIGNATURE,
						  SAMPLE_SIGNATURE_LEGACY };
	uint8_t bytes[300];
	size_t size;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		write_trust(texts[i].kind, texts[i].name, texts[i].text,
			    strlen(texts[i].text));
	for (size_t i = 0; i < 2; i++) {
		static const char comment[] = "made by minisign";

		size = decode_line(signatures[i], 1, bytes, sizeof bytes);
		size += decode_line(signatures[i], 3, bytes + size,
				    sizeof bytes - size);
		memcpy(bytes + size, comment, strlen(comment));
		write_trust(3, i == 0 ? "signature-bytes" : "legacy-bytes",
			    bytes, size + strlen(comment));
	}
	size = decode_line(SAMPLE_SECRET, 1, bytes, sizeof bytes);
	write_trust(4, "secret-bytes", bytes, size);
}

static void
make_rows(void)
{
	uint8_t input[7 + 3 * 40];

	memset(input, 0x5a, sizeof input);
	memcpy(input, "\1\0\0\1\0\2\0", 7);
	write_input("rows", "three", input, sizeof input);
	write_input("rows", "short", input, sizeof input - 1);
	write_input("rows", "none", input, 7);
	input[0] = 0;
	memcpy(input + 7, "DSPLROWS\1\0\0\0\0\0\0\0", 16);
	write_input("rows", "another-root", input, sizeof input);
}

static void
make_images(void)
{
	uint8_t data[8000];
	FILE *file = fopen("tests/golden/rich.pck", "rb");
	struct wrap wrap = wrap_new();
	struct maker m = new_maker();
	struct buffer image = { 0 };
	size_t size;

	must(file != NULL);
	size = fread(data, 1, sizeof data, file);
	fclose(file);
	must(size > 1000 && size < sizeof data);
	write_input("image", "rich", data, size);
	data[16] = 2;
	write_input("image", "future", data, size);
	data[16] = 1;
	data[20] = 1;
	write_input("image", "another-kind", data, size);
	write_input("image", "short", data, size - 1);
	write_input("image", "head", data, 100);
	add(&m, RECORD_DIR, "");
	add_file(&m, "a", 10);
	add_block(&m, 10);
	end_page(&m);
	wrap_fix_page(&wrap, m.last.data, m.last.size);
	wrap_add_page(&wrap, m.last.data, m.last.size);
	wrap_make(&wrap, &image);
	write_input("image", "small", image.data, image.size);
	write_input("image", "tail", image.data + 32, image.size - 32);
	image.size = 0;
	wrap.kind = IMAGE_MANIFEST;
	wrap_make(&wrap, &image);
	write_input("image", "manifest", image.data, image.size);
	buffer_release(&image);
	buffer_release(&m.last);
	buffer_release(&m.manifest);
	page_builder_free(m.builder);
}

/* Links: what was recorded, and what nobody says yet. */

static struct buffer
read_golden(const char *name, const char *suffix)
{
	struct buffer bytes = { 0 };
	char path[120];
	FILE *file;

	snprintf(path, sizeof path, "tests/golden/link-%s%s", name, suffix);
	file = fopen(path, "rb");
	must(file != NULL);
	must(buffer_reserve(&bytes, 100000) == 0);
	bytes.size = fread(bytes.data, 1, 100000, file);
	fclose(file);
	return bytes;
}

/* Each message of a stream as an input of its own, the first of each type. */
static void
make_messages(const struct buffer *stream, bool *seen)
{
	size_t at = MESSAGE_HELLO_SIZE;

	while (at < stream->size) {
		size_t size = MESSAGE_HEADER_SIZE + le32_get(stream->data + at);
		unsigned type = stream->data[at + 6];
		struct buffer input = { 0 };
		char name[20];

		snprintf(name, sizeof name, "%02u", type);
		must(buffer_add_u8(&input, (uint8_t)(type % 2)) == 0);
		must(buffer_add(&input, stream->data + at, size) == 0);
		if (!seen[type])
			write_input("message", name, input.data, input.size);
		seen[type] = true;
		buffer_release(&input);
		at += size;
	}
}

static void
write_stream(const char *target, const char *name, unsigned how,
	     const struct buffer *stream)
{
	struct buffer input = { 0 };
	char full[40];

	must(buffer_add_u8(&input, (uint8_t)how) == 0);
	must(buffer_add(&input, stream->data, stream->size) == 0);
	snprintf(full, sizeof full, "%s-%u", name, how);
	write_input(target, full, input.data, input.size);
	buffer_release(&input);
}

/* Requests that are given up before they are answered, and a FETCH. */
static void
make_requests(const struct digest *root)
{
	struct message_hello hello = { .is_opener = true,
				       .can_receive = true,
				       .transfer_max = 8 };
	struct message get = { .type = MESSAGE_GET,
			       .get = { .package_id = "LOC00000" } };
	struct message error = { .type = MESSAGE_ERROR,
				 .error = { .err = DSP_EIO, .text = "" } };
	uint8_t indexes[16] = { 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 4 };
	struct message fetch = { .type = MESSAGE_FETCH,
				 .transfer = 1,
				 .fetch = { .root = *root,
					    .package_id = "LOC00000",
					    .version = 2,
					    .count = 2,
					    .indexes = indexes } };
	struct buffer stream = { 0 };
	uint8_t bytes[MESSAGE_HELLO_SIZE];

	message_put_hello(bytes, &hello);
	must(buffer_add(&stream, bytes, sizeof bytes) == 0);
	for (uint16_t i = 1; i < 40; i++) {
		get.transfer = error.transfer = i;
		must(message_put(&stream, &get) == 0);
		must(message_put(&stream, &error) == 0);
	}
	write_stream("link_sender", "given-up", 6, &stream);
	stream.size = MESSAGE_HELLO_SIZE;
	must(message_put(&stream, &fetch) == 0);
	write_stream("link_sender", "fetch", 6, &stream);
	buffer_release(&stream);
}

/* The images that make_streams sends. */
static void
make_link_images(void)
{
	for (int is_new = 0; is_new < 2; is_new++) {
		int fd = open(is_new ? "tests/golden/link-new.pck"
				     : "tests/golden/link-old.pck",
			      O_RDWR | O_CREAT | O_TRUNC, 0644);

		must(fd >= 0);
		link_write(fd, is_new);
		must(close(fd) == 0);
	}
}

static void
make_links(void)
{
	static const char *const names[] = { "plain", "delta", "pick", "back",
					     "get" };
	bool seen[256] = { false };
	struct image *image;

	for (size_t i = 0; i < 5; i++) {
		struct buffer sender = read_golden(names[i], ".sender");
		struct buffer receiver = read_golden(names[i], ".receiver");
		unsigned how = i == 4 ? 6 : i == 0 || i == 2 ? 0 : 2;

		make_messages(&sender, seen);
		make_messages(&receiver, seen);
		write_stream("link_receiver", names[i], how | (i > 0 ? 2 : 0),
			     &sender);
		write_stream("link_receiver", names[i], how | 3, &sender);
		write_stream("link_sender", names[i], how, &receiver);
		write_stream("link_sender", names[i], how | 1, &receiver);
		if (i == 0)
			write_stream("message", "hello", 128, &receiver);
		buffer_release(&sender);
		buffer_release(&receiver);
	}
	must(image_open("tests/golden/link-new.pck", &image) == 0);
	make_requests(image_root_digest(image));
	image_close(image);
}

static void
make_stagings(void)
{
	static const uint8_t changes[][9] = {
		{ 5 },			 /* killed, no more */
		{ 5, 1, 0, 0, 0 },	 /* pages cut */
		{ 5, 8, 0, 0, 0 },	 /* digests gone */
		{ 5, 0, 0, 1, 0 },	 /* root cut */
		{ 7, 16, 20, 0, 'x' },	 /* header */
		{ 7, 15, 0xa0, 1, 'x' }, /* a row */
		{ 9, 4, 0xb8, 0xb, 0 },	 /* image cut */
		{ 9, 16, 0xb8, 0xb, 1, 3, 0x60, 1, 0 },
	};

	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		char name[8];

		snprintf(name, sizeof name, "%02zu", i);
		write_input("staging", name, changes[i],
			    i == 0  ? 1
			    : i < 7 ? 5
				    : 9);
	}
}

int
main(void)
{
	make_paths();
	make_excludes();
	make_xattrs();
	make_frames();
	make_good_pages();
	make_bad_pages();
	make_updates();
	make_roots();
	make_trust();
	make_rows();
	make_images();
	make_link_images();
	make_links();
	make_stagings();
	return 0;
}
