/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GROWING_H
#define GROWING_H

/*
 * growing - reads an image while staging receives it.
 *
 * What is read was verified before it was written there, so it can be passed
 * on at once: a chain of sites is as fast as its slowest link.
 *
 * Whoever reads may be another process.  It looks again every few
 * milliseconds for what is not there yet; it gives up when nobody holds the
 * directory's lock any more, or nothing came for a while.
 *
 * Errors     DSP_ECLOSED, DSP_ESTALLED, DSP_ECANCELED; reported.
 */

#include "core/image/image.h"

/*
 * Open the staging directory `name` below dir.  DSP_ENOENT: there is no root
 * in it yet; not reported.
 */
int growing_open(int dir, const char *name, const char *shown,
		 unsigned timeout_s, struct image **ret_image);

#endif
