/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAGE_SOURCE_H
#define IMAGE_SOURCE_H

/*
 * image_source - fills the slots of a flow from an image.
 *
 * Each block is verified twice: its frame against the frame table, and what
 * it decodes to against the name in the manifest, in the buffer from which
 * the lanes write (S1).
 *
 * Errors     reported.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/image/image.h"
#include "core/tree/flow.h"

struct image_source;

/*
 * Are the data of this record wanted?  Called once for every record, in
 * order; a block that holds nothing wanted is not read.
 */
typedef bool image_source_wants(void *context, const struct record *record);

/*
 * Read image, which is borrowed until image_source_free(), with at most
 * worker_count calls of image_source_work() at once.  wants may be NULL:
 * everything is.  Blocks before slot number `first` are not read.
 */
int image_source_new(struct image *image, unsigned worker_count,
		     image_source_wants *wants, void *wants_context,
		     struct image_source **ret_source);
void image_source_free(struct image_source *source);
/*
 * A block without a frame (of size 0) is got by read instead: raw_size bytes
 * into slot->raw, for the name slot->name.  Called by several workers at once.
 */
typedef int image_source_read(void *context, struct slot *slot);
void image_source_read_absent(struct image_source *source,
			      image_source_read *read, void *context);

void image_source_skip_to(struct image_source *source, uint64_t first);

/* For struct flow_params; context is the source. */
int image_source_fill(void *context, struct slot *slot, bool *ret_is_end);
int image_source_work(void *context, unsigned worker, struct slot *slot);

/* Raw bytes of the blocks filled so far; may be read while the flow runs. */
uint64_t image_source_progress(const struct image_source *source);

#endif
