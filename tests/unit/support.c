/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/support.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/digest.h"
#include "core/base/report.h"
#include "core/tree/remove.h"
#include "platform/pf_fault.h"
#include "platform/pf_file.h"
#include "platform/pf_process.h"

enum { TEXT_MAX = 64 * 1024, NOBODY = 65534 };

static char top[PATH_MAX]; /* of the source tree */
static char scratch_path[PATH_MAX];
static int before_scratch = -1;

static struct {
	pthread_mutex_t lock;
	unsigned errors;
	unsigned warnings;
	int last_err;
	size_t text_size;
	char text[TEXT_MAX]; /* of the errors, each with a newline */
} reports = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void
remember(void *context, const struct report *report)
{
	(void)context;
	pthread_mutex_lock(&reports.lock);
	if (report->level == REPORT_WARNING)
		reports.warnings++;
	if (report->level == REPORT_ERROR) {
		size_t left = TEXT_MAX - reports.text_size;
		int n = snprintf(reports.text + reports.text_size, left,
				 "%s: %s\n",
				 report->path != NULL ? report->path : "",
				 report->text);

		if (n > 0 && (size_t)n < left)
			reports.text_size += (size_t)n;
		reports.errors++;
		reports.last_err = report->err;
	}
	pthread_mutex_unlock(&reports.lock);
}

unsigned
reports_errors(void)
{
	return reports.errors;
}

unsigned
reports_warnings(void)
{
	return reports.warnings;
}

int
reports_last_err(void)
{
	return reports.last_err;
}

bool
reports_has(const char *text)
{
	return strstr(reports.text, text) != NULL;
}

void
reports_clear(void)
{
	reports.errors = reports.warnings = 0;
	reports.last_err = 0;
	reports.text_size = 0;
	reports.text[0] = '\0';
}

int
scratch_setup(void **state)
{
	const char *dir = getenv("SCRATCH");
	const char *source = getenv("TOP");

	(void)state;
	if (source == NULL && getcwd(top, sizeof top) == NULL)
		return -1;
	if (source != NULL)
		snprintf(top, sizeof top, "%s", source);
	if (dir == NULL || dir[0] == '\0')
		dir = getenv("TMPDIR");
	if (dir == NULL || dir[0] == '\0')
		dir = "/tmp";
	snprintf(scratch_path, sizeof scratch_path, "%s/unit.XXXXXX", dir);
	before_scratch = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (before_scratch < 0 || mkdtemp(scratch_path) == NULL ||
	    chdir(scratch_path) != 0 || chmod(".", 0777) != 0)
		return -1;
	pf_clear_umask();
	digest_start();
	report_set_sink(remember, NULL);
	return 0;
}

int
scratch_teardown(void **state)
{
	(void)state;
	if (fchdir(before_scratch) != 0 ||
	    remove_tree(PF_CWD, scratch_path, scratch_path) < 0)
		return -1;
	close(before_scratch);
	return 0;
}

void
scratch_clear(void)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(remove_contents(fd, "."), 0);
	close(fd);
	assert_int_equal(chmod(".", 0777), 0);
}

int
scratch_case_end(void **state)
{
	(void)state;
	(void)pf_fault_clear();
	if ((getuid() == 0 && seteuid(0) != 0) || chdir(scratch_path) != 0)
		return -1;
	scratch_clear();
	return 0;
}

void
become_ordinary(void)
{
	if (geteuid() == 0)
		assert_int_equal(seteuid(NOBODY), 0);
}

uint64_t
random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1d;
}

size_t
random_below(uint64_t *state, size_t limit)
{
	return (size_t)((random_next(state) >> 32) % limit);
}

void
fill_random(void *data, size_t size, uint64_t seed)
{
	uint64_t state = seed * 2 + 1;
	uint8_t *p = data;

	for (size_t i = 0; i < size; i++) {
		uint64_t bits = random_next(&state) >> 32;

		for (size_t j = 0; j < 4 && i + j < size; j++)
			p[i + j] = (uint8_t)(bits >> (8 * j));
		i += 3;
	}
}

void
fill_text(void *data, size_t size, uint64_t seed)
{
	static const char *const words[] = {
		"package ", "site ",   "version ",	  "distribution ",
		"point ",   "block\n", "/usr/lib/",	  "despool ",
		"0x0000 ",  "the ",    "of the image.\n", "= {\n\t",
	};
	uint64_t state = seed * 2 + 1;
	char *p = data;

	while (size > 0) {
		const char *word = words[random_below(
			&state, sizeof words / sizeof *words)];
		size_t n = strlen(word) < size ? strlen(word) : size;

		memcpy(p, word, n);
		p += n;
		size -= n;
	}
}

void *
must_malloc(size_t size)
{
	void *p = malloc(size > 0 ? size : 1);

	assert_non_null(p);
	return p;
}

void
file_write(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		assert_true(n > 0);
		data = (const char *)data + n;
		size -= (size_t)n;
	}
	assert_int_equal(close(fd), 0);
}

uint8_t *
fd_read(int fd, size_t *ret_size)
{
	struct stat st;
	uint8_t *data;
	size_t done = 0;

	assert_int_equal(fstat(fd, &st), 0);
	data = must_malloc((size_t)st.st_size);
	while (done < (size_t)st.st_size) {
		ssize_t n = pread(fd, data + done, (size_t)st.st_size - done,
				  (off_t)done);

		assert_true(n > 0);
		done += (size_t)n;
	}
	*ret_size = done;
	return data;
}

uint8_t *
file_read(const char *path, size_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *data;

	if (fd < 0)
		fail_msg("cannot open %s", path);
	data = fd_read(fd, ret_size);
	close(fd);
	return data;
}

bool
path_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

unsigned
dir_count(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		count += strcmp(entry->d_name, ".") != 0 &&
			 strcmp(entry->d_name, "..") != 0;
	closedir(dir);
	return count;
}

unsigned
open_fd_count(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

int
temp_fd(void)
{
	char path[] = "temp.XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);

	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

const char *
source_path(const char *path)
{
	static char full[2 * PATH_MAX];

	snprintf(full, sizeof full, "%s/%s", top, path);
	return full;
}

void
assert_golden(const char *name, const struct digest *digest)
{
	FILE *file = fopen(source_path("tests/golden/digests"), "r");
	char hex[DIGEST_HEX_SIZE];
	char found_name[128], found_hex[128];

	digest_to_hex(digest, hex);
	assert_non_null(file);
	while (fscanf(file, "%127s %127s", found_name, found_hex) == 2) {
		if (strcmp(found_name, name) == 0) {
			fclose(file);
			assert_string_equal(hex, found_hex);
			return;
		}
	}
	fclose(file);
	fail_msg("tests/golden/digests lacks: %s %s", name, hex);
}

int64_t
now_ms(void)
{
	return pf_now_monotonic() / 1000000;
}

unsigned
fault_next(unsigned call, int64_t start_ms)
{
	const char *nightly = getenv("NIGHTLY");
	const char *check = getenv("CHECK");
	bool is_full = check == NULL || strcmp(check, "x86_64") == 0;
	int64_t late_ms = now_ms() - start_ms - (is_full ? 2000 : 500);

	if (late_ms < 0 || (nightly != NULL && nightly[0] != '\0'))
		late_ms = 0;
	return call + 1 + (unsigned)(late_ms / 100);
}
