/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRUST_H
#define TRUST_H

/*
 * trust - whose images are accepted.
 *
 * A publisher signs the root of an image; the root names all the rest.  Who
 * receives or installs an image has a list of the keys that he trusts, and
 * refuses the image before anything else of it is believed.
 *
 * The list is a file of public keys in minisign's form, one behind the other:
 * what `cat *.pub` gives.  An image is trusted when its signature was made by
 * one of them.  A key that is not in the list is as good as none; that a key
 * in the list has the right ID and a wrong signature means that root or
 * signature were changed, or that somebody made a key with that ID.
 *
 * Errors     reported, once, with the key's ID where there is one.
 * Threads    A list does not change: any number may use it.
 */

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buffer.h"
#include "core/image/image.h"
#include "core/trust/key.h"

enum { TRUST_KEYS_MAX = 1024 };

struct trust;

/*
 * Read the list at path.  Gives *ret_trust, ended with trust_free().
 *
 * DSP_EINVAL  something in it is no public key, or there is none
 * DSP_ELIMIT  more than TRUST_KEYS_MAX keys
 */
int trust_read(const char *path, struct trust **ret_trust);

/*
 * The public keys in a file of either kind, to show them: such a list, or a
 * secret key that is not encrypted, which *ret_is_secret tells.
 */
int trust_read_any(const char *path, struct trust **ret_trust,
		   bool *ret_is_secret);

/*
 * The same from its bytes; name is for messages.  Nothing is reported when it
 * is NULL.
 */
int trust_parse(const char *text, size_t size, const char *name,
		struct trust **ret_trust);
void trust_free(struct trust *trust);

size_t trust_key_count(const struct trust *trust);
const struct public_key *trust_key(const struct trust *trust, size_t index);

/*
 * Is the signature over these bytes by a key of the list?  name is what they
 * are of, for messages.  *ret_key_id says by which; it may be NULL.
 *
 * DSP_EUNTRUSTED  there is no signature, or it is by another key
 * DSP_ECORRUPT    it says that it is by one of the list, and is not; or it is
 *                 no signature at all
 */
int trust_check(const struct trust *trust, const char *name,
		const struct buffer *root, const struct buffer *signature,
		uint64_t *ret_key_id);

/* The same of an image's root. */
int trust_check_image(const struct trust *trust, const struct image *image,
		      uint64_t *ret_key_id);

/*
 * Sign a root with the struct secret_key at context: for struct image_params.
 * The trusted comment says which package and version it is.  Not reported.
 */
int trust_sign_root(void *context, const struct buffer *root,
		    struct buffer *ret_signature);

#endif
