/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIGNING_H
#define SIGNING_H

/*
 * signing - what commands have in common about signatures: the option
 * --trust, and what is said of an image's signature.
 *
 * Errors     reported.
 */

#include <jansson.h>

#include "core/fanout/receive.h"
#include "core/image/image.h"
#include "core/trust/trust.h"
#include "programs/option.h"

enum { SIGNING_WORDS_SIZE = 64 };

/*
 * Read the keys that --trust names.  Gives *ret_trust, ended with
 * trust_free(); NULL when the option was not given.
 */
int signing_read_trust(const struct options *options, struct trust **ret_trust);

/* May this image be used?  Always, when trust is NULL. */
int signing_check(const struct trust *trust, const struct image *image);

/* Let what comes in over a link be checked; trust may be NULL. */
void signing_set_receive(struct trust *trust, struct receive_params *receive);

/* Add "signed" and, when the signature can be read, "key_id". */
void signing_add_key(json_t *fields, const struct image *image);

/* Add "signed", true, and "key_id". */
void signing_add_id(json_t *fields, uint64_t id);

/* "none", or by which key it says to be.  Returns words. */
const char *signing_in_words(const struct image *image,
			     char words[SIGNING_WORDS_SIZE]);

/* Say who signed it, and whether that was checked. */
void signing_tell(const struct trust *trust, const struct image *image);

#endif
