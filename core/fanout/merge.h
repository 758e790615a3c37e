/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MERGE_H
#define MERGE_H

/*
 * merge - goes through an older manifest beside a newer one, and says for
 * each new record what the older tree has at its path.
 *
 * Errors     reported.
 */

#include "core/image/image.h"
#include "core/tree/flow.h"

struct merge;

/* Compare with old, a manifest, which is borrowed until merge_free(). */
int merge_new(struct image *old, struct merge **ret_merge);
void merge_free(struct merge *merge);

/*
 * The next new record, in order.  When its digest is not known yet
 * (is_digest_known false), a file that may be the same comes back as
 * OLD_SAME with the old digest, for merge_resolve().
 */
int merge_record(struct merge *merge, const struct record *record,
		 bool is_digest_known, struct old_view *ret_view);

/*
 * After the records of a slot: hang the views of its records and what is
 * gone before them into the slot.  At the end of the manifest is_end: the
 * rest is gone too.
 */
int merge_fill_slot(struct merge *merge, struct slot *slot,
		    const struct old_view *views, size_t count, bool is_end);

/* The digests of the slot's records are known now: settle what was open. */
void merge_resolve(struct slot *slot);

#endif
