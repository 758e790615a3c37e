/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ERR_H
#define ERR_H

/*
 * err - the one set of errors used everywhere above the system call.
 *
 * A function that can fail returns int: 0, or a negative enum dsp_err.  The
 * numbers are ours and equal on every machine, so that they may go to disk
 * and wire; errno, whose values differ between machines, ends in platform/.
 */

enum dsp_err {
	DSP_OK = 0,
#define ERROR(number, symbol, exit_code, text) DSP_##symbol = -(number),
#include "core/base/errors.def"
#undef ERROR
};

/* The symbol of err, for JSON: "ENOSPC".  "OK" for 0, "UNKNOWN" else. */
const char *err_symbol(int err);

/* What err means, in words for people, without a full stop. */
const char *err_text(int err);

/* The exit code that a command ends with when err is why it failed. */
int err_exit_code(int err);

#endif
