/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_H
#define RECORD_H

/*
 * record - what a manifest says about one path.
 *
 * Records come in the order of path_compare(); the first is the top, "".
 * Every other one stands behind the record of the directory that holds it.
 *
 * The data of a file are its segments one after another: a file without
 * holes has none listed and its data are its bytes.  A small file, with less
 * data than the rule's average, lies whole in one block, which it may share
 * with others; its digest is over its data.  A large one consists of whole
 * blocks; its digest is over their names, or zero when they do not fit into
 * one page.  Equal digests (but zero) and sizes mean equal data.
 *
 * Ownership  Strings belong to whoever gave the record; see there for how
 *            long.  path, user, group and target have a NUL behind them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/digest.h"

enum record_type {
	RECORD_DIR = 1,
	RECORD_FILE = 2,
	RECORD_SYMLINK = 3,
	RECORD_HARDLINK = 4, /* a further name of what is at `target` */
};

#define RECORD_TARGET_MAX   65535u     /* bytes */
#define RECORD_NAME_MAX	    255u       /* bytes of a user or group name */
#define RECORD_XATTRS_MAX   (1u << 20) /* bytes, encoded */
#define RECORD_SEGMENTS_MAX 4096u

/* Encoded segments: offset and size, each a little-endian u64. */
#define RECORD_SEGMENT_SIZE 16u

struct record {
	enum record_type type;
	unsigned mode; /* the 12 permission bits */
	uint32_t uid;
	uint32_t gid;
	int64_t mtime;	    /* ns since 1970 UTC */
	uint64_t size;	    /* RECORD_FILE: bytes, holes included */
	uint64_t data_size; /* RECORD_FILE: bytes without the holes */
	const char *path;
	const char *user; /* "" when the packer's machine had no name */
	const char *group;
	const char *target;	 /* symlink: verbatim; hard link: a path */
	const uint8_t *xattrs;	 /* encoded, see xattrs.h; sorted by name */
	const uint8_t *segments; /* encoded; ascending, not touching */
	uint32_t path_size;
	uint32_t target_size;
	uint32_t xattrs_size;
	uint32_t segment_count; /* 0: no holes, unless is_sparse */
	bool is_sparse;		/* segments say where the data are */
	struct digest digest;	/* see above */
};

/* A directory below the top is how many deep?  The top is 0. */
unsigned record_depth(const struct record *record);

/* The last component of its path. */
const char *record_name(const struct record *record);

/* Does this record bear a digest: is it a file with data? */
bool record_has_digest(const struct record *record);

/* Is it a file of whole blocks, under a rule with this average? */
bool record_is_large(const struct record *record, uint32_t average);

/* Both are files, and their bytes are known to be the same. */
bool record_same_data(const struct record *a, const struct record *b);

bool record_same_xattrs(const struct record *a, const struct record *b);

/* Everything that is not data is equal, path aside. */
bool record_same_metadata(const struct record *a, const struct record *b);

/* Copy *from with all its strings into arena.  DSP_ENOMEM. */
int record_copy(const struct record *from, struct arena *arena,
		struct record *ret_record);

/* A segment of a sparse record. */
struct segment {
	uint64_t offset;
	uint64_t size;
};
struct segment record_segment(const struct record *record, uint32_t index);

/*
 * Where data[offset] of the record stands in the file, and how many bytes
 * from there on are contiguous (at least 1).  offset < data_size.
 */
uint64_t record_file_offset(const struct record *record, uint64_t offset,
			    uint64_t *ret_run);

#endif
