/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LINK_ROOMS_H
#define LINK_ROOMS_H

/*
 * link_rooms - stores in the scratch directory, for fuzz targets that are one
 * end of a link.
 */

#include "core/base/report.h"
#include "core/fanout/push.h"
#include "core/store/store.h"
#include "core/tree/verify.h"
#include "tests/fuzz/scratch.h"
#include "tests/fuzz/script_stream.h"

/* These runs are slow: see replay.c. */
long fuzz_mutation_count = 300;

/* A file of tests/golden, read once. */
static inline struct input
golden(const char *name)
{
	static struct {
		const char *name;
		uint8_t data[8192];
		size_t size;
	} known[3];
	char path[80];
	FILE *file;
	size_t i = 0;

	while (known[i].name != NULL && strcmp(known[i].name, name) != 0)
		must(++i < 3);
	if (known[i].name == NULL) {
		snprintf(path, sizeof path, "tests/golden/%s", name);
		file = fopen(path, "rb");
		must(file != NULL);
		known[i].size =
			fread(known[i].data, 1, sizeof known[i].data, file);
		must(known[i].size < sizeof known[i].data);
		fclose(file);
		known[i].name = name;
	}
	return (struct input){ known[i].data, known[i].size };
}

static inline void
put_file(const char *path, struct input bytes)
{
	FILE *file = fopen(path, "wb");

	must(file != NULL);
	must(fwrite(bytes.data, 1, bytes.size, file) == bytes.size);
	must(fclose(file) == 0);
}

static inline struct store *
open_store(bool has_old, bool has_new)
{
	struct store *store;
	char path[120], name[160];

	scratch_make();
	snprintf(path, sizeof path, "%s/store", scratch);
	must(remove_tree(PF_CWD, path, path) == 0);
	must(store_init(path) == 0);
	snprintf(name, sizeof name, "%s/LOC00000.1.pck", path);
	if (has_old)
		put_file(name, golden("link-old.pck"));
	snprintf(name, sizeof name, "%s/LOC00000.2.pck", path);
	if (has_new)
		put_file(name, golden("link-new.pck"));
	must(store_open(path, &store) == 0);
	return store;
}

/* S6: each image that has a name is whole. */
static inline void
check_store(struct store *store)
{
	struct store_entry *entries;
	size_t count;

	must(store_list(store, &entries, &count) == 0);
	for (size_t i = 0; i < count; i++) {
		struct verify_params params = { .worker_count = 1 };

		must(store_open_image(store, entries[i].package_id,
				      entries[i].version, &params.image) == 0);
		must(verify_image(&params) == 0);
		image_close(params.image);
	}
	free(entries);
}

static inline int
serve_store(struct store *store)
{
	struct serve_params params = { .receive = { .store = store },
				       .worker_count = 1,
				       .delta_level = SEND_DELTA_LEVEL };
	struct stream *stream;

	must(script_open(&stream) == 0);
	return serve(&params, stream);
}

#endif
