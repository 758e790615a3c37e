/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "core/base/err.h"
#include "core/base/report.h"
#include "core/trust/trust_int.h"
#include "platform/pf_file.h"

bool
text_take_line(const char **text, size_t *size, struct text_line *ret_line)
{
	const char *end;

	if (*size == 0)
		return false;
	end = memchr(*text, '\n', *size);
	ret_line->bytes = *text;
	ret_line->size = end != NULL ? (size_t)(end - *text) : *size;
	*text += ret_line->size + (end != NULL);
	*size -= ret_line->size + (end != NULL);
	return true;
}

void
text_trim(struct text_line *line)
{
	while (line->size > 0 &&
	       memchr(" \t\r", line->bytes[line->size - 1], 3) != NULL)
		line->size--;
}

bool
text_begins(const struct text_line *line, const char *with)
{
	size_t size = strlen(with);

	return line->size >= size && memcmp(line->bytes, with, size) == 0;
}

bool
text_decode(const struct text_line *line, uint8_t *ret_bytes, size_t size)
{
	enum { LINE_MAX_SIZE = 256 };
	char again[LINE_MAX_SIZE + 1];
	size_t got = 0;
	bool is_same;

	assert(size > 0 && (size + 2) / 3 * 4 <= LINE_MAX_SIZE);
	if (line->size != (size + 2) / 3 * 4 ||
	    sodium_base642bin(ret_bytes, size, line->bytes, line->size, NULL,
			      &got, NULL,
			      sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    got != size)
		return false;

	/* It takes some bytes with bit 7 set for those without it. */
	sodium_bin2base64(again, sizeof again, ret_bytes, size,
			  sodium_base64_VARIANT_ORIGINAL);
	is_same = sodium_memcmp(again, line->bytes, line->size) == 0;
	sodium_memzero(again, sizeof again);
	return is_same;
}

int
text_read(const char *path, size_t size_max, struct buffer *ret_text)
{
	struct buffer text = { 0 };
	int fd = -1;
	int err = pf_open_read(path, &fd);

	/* One byte more tells a file that is too large. */
	if (err == 0)
		err = buffer_reserve(&text, size_max + 1);
	if (err == 0)
		err = pf_read(fd, text.data, size_max + 1, &text.size);
	if (err == 0 && text.size > size_max)
		err = DSP_ELIMIT;
	pf_close(fd);
	if (err < 0) {
		text_wipe(&text);
		return report_error(err, path, "reading the key");
	}
	*ret_text = text;
	return 0;
}

void
text_wipe(struct buffer *text)
{
	if (text->data != NULL)
		sodium_memzero(text->data, text->capacity);
	buffer_release(text);
}
