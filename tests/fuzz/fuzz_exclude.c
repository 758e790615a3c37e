/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Input: a file of patterns, a NUL, a path.
 *
 * Every line becomes a rule or is one of those that say nothing; a plain name
 * as a pattern matches itself; for a directory at least as much matches.
 */
#include "core/base/err.h"
#include "core/tree/exclude.h"
#include "tests/fuzz/fuzz.h"

/*
 * Some systems' fnmatch() takes time exponential in the number of stars.
 * Patterns come from the user, who can wait: a fuzzer cannot.
 */
enum { PATH_MAX_HERE = 60, STARS_MAX = 4 };

static bool
is_slow(const struct input *patterns)
{
	unsigned stars = 0;

	for (size_t i = 0; i < patterns->size; i++) {
		if (patterns->data[i] == '\n')
			stars = 0;
		stars += patterns->data[i] == '*' || patterns->data[i] == '[';
		if (stars > STARS_MAX)
			return true;
	}
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { data, size };
	const uint8_t *end = size > 0 ? memchr(data, '\0', size) : NULL;
	struct input patterns =
		take_bytes(&input, end != NULL ? (size_t)(end - data) : size);
	struct exclude exclude = { 0 };
	char name[64], path[PATH_MAX_HERE + 1] = "";
	int err;

	(void)take_u8(&input);
	if (is_slow(&patterns))
		return 0;
	if (input.size > PATH_MAX_HERE)
		input.size = PATH_MAX_HERE;
	if (input.size > 0)
		memcpy(path, input.data, input.size);
	snprintf(name, sizeof name, "/proc/self/fd/%d",
		 file_of(patterns.data, patterns.size));
	err = exclude_add_file(&exclude, name);
	must(err == 0 || err == DSP_EINVAL);
	if (exclude_matches(&exclude, path, false))
		must(exclude_matches(&exclude, path, true));
	exclude_release(&exclude);
	must(!exclude_matches(&exclude, path, true));
	return 0;
}
