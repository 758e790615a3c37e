/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_INT_H
#define STORE_INT_H

/* store_int - what the files of store share. */

#include "core/store/store.h"

enum { STORE_NAME_SIZE = 32 };

struct store {
	char *path;
	int dir;
	int staging;
};

/* Report err about the store.  Returns err. */
int store_fail(const struct store *store, int err, const char *what);

/* "<package-id>.<version>.pck" */
void store_file_name(char name[STORE_NAME_SIZE], const char *package_id,
		     uint32_t version);

#endif
