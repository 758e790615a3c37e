/* SPDX-License-Identifier: Apache-2.0 */
#include "core/tree/exclude.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buffer.h"
#include "core/base/err.h"
#include "core/base/path.h"
#include "core/base/report.h"
#include "platform/pf_file.h"

enum { READ_SIZE = 4096 };

int
exclude_add(struct exclude *exclude, const char *pattern)
{
	size_t count = exclude->rule_count;
	size_t size = strlen(pattern);
	struct exclude_rule *rules;
	struct exclude_rule rule = { 0 };

	if (size > 0 && pattern[size - 1] == '/') {
		rule.is_dir_only = true;
		size--;
	}
	rule.is_path = memchr(pattern, '/', size) != NULL;
	if (size > 0 && pattern[0] == '/') {
		pattern++;
		size--;
	}
	if (size == 0)
		return DSP_EINVAL;
	rules = realloc(exclude->rules, (count + 1) * sizeof *rules);
	if (rules == NULL)
		return DSP_ENOMEM;
	exclude->rules = rules;
	rule.pattern = malloc(size + 1);
	if (rule.pattern == NULL)
		return DSP_ENOMEM;
	memcpy(rule.pattern, pattern, size);
	rule.pattern[size] = '\0';
	rules[count] = rule;
	exclude->rule_count++;
	return 0;
}

static int
read_file(const char *path, struct buffer *text)
{
	size_t got = READ_SIZE;
	int fd;
	int err = pf_open_read(path, &fd);

	if (err < 0)
		return err;
	while (err == 0 && got == READ_SIZE) {
		err = buffer_reserve(text, READ_SIZE);
		if (err == 0)
			err = pf_read(fd, text->data + text->size, READ_SIZE,
				      &got);
		if (err == 0)
			text->size += got;
	}
	pf_close(fd);
	return err;
}

int
exclude_add_file(struct exclude *exclude, const char *path)
{
	struct buffer text = { 0 };
	int err = read_file(path, &text);

	if (err == 0)
		err = buffer_add_u8(&text, '\n');
	for (size_t start = 0; err == 0 && start < text.size;) {
		char *line = (char *)text.data + start;
		char *end = memchr(line, '\n', text.size - start);

		*end = '\0';
		start = (size_t)(end - (char *)text.data) + 1;
		if (line[0] != '\0' && line[0] != '#')
			err = exclude_add(exclude, line);
	}
	buffer_release(&text);
	return err < 0 ? report_error(err, path, "reading patterns") : 0;
}

void
exclude_release(struct exclude *exclude)
{
	for (size_t i = 0; i < exclude->rule_count; i++)
		free(exclude->rules[i].pattern);
	free(exclude->rules);
	*exclude = (struct exclude){ 0 };
}

bool
exclude_matches(const struct exclude *exclude, const char *path, bool is_dir)
{
	const char *name = path + path_name_start(path, strlen(path));

	for (size_t i = 0; i < exclude->rule_count; i++) {
		const struct exclude_rule *rule = &exclude->rules[i];
		const char *subject = rule->is_path ? path : name;

		if ((is_dir || !rule->is_dir_only) &&
		    fnmatch(rule->pattern, subject,
			    rule->is_path ? FNM_PATHNAME : 0) == 0)
			return true;
	}
	return false;
}
