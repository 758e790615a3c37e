/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_H
#define SUPPORT_H

/*
 * support - what the unit tests share: a scratch directory, random bytes,
 * whole files, and a memory of what was reported.
 *
 * A test that touches files works with relative paths below a directory of
 * its own, which scratch_setup() makes and enters.  Names need no permission
 * above it, so that a case may go on as an ordinary user.
 *
 * Every unit test is linked with faults that fire (platform/fault) and with a
 * sync that only counts (see counted_sync.c).
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Fixtures for cmocka_run_group_tests(). */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/* Remove what is in the scratch directory. */
void scratch_clear(void);

/*
 * A case that leaves files: they are removed, and faults and the user that it
 * set are forgotten, however it ends.
 */
int scratch_case_end(void **state);
#define scratch_test(case) cmocka_unit_test_teardown(case, scratch_case_end)

/* Go on as an ordinary user, until the case ends. */
void become_ordinary(void);

/* xorshift64*, see tests/fuzz/replay.c; *state is not 0. */
uint64_t random_next(uint64_t *state);
size_t random_below(uint64_t *state, size_t limit);

/* Bytes that no encoder makes smaller; bytes that every one does. */
void fill_random(void *data, size_t size, uint64_t seed);
void fill_text(void *data, size_t size, uint64_t seed);

/* malloc() that ends the test instead of failing. */
void *must_malloc(size_t size);

/* Whole files; what goes wrong ends the test. */
void file_write(const char *path, const void *data, size_t size);
uint8_t *file_read(const char *path, size_t *ret_size); /* free() it */
uint8_t *fd_read(int fd, size_t *ret_size);
bool path_exists(const char *path); /* also a dangling link */

/* Names in a directory besides "." and "..". */
unsigned dir_count(const char *path);

/* Descriptors this process has open now. */
unsigned open_fd_count(void);

/* A file without a name, in the scratch directory's file system. */
int temp_fd(void);

/* Reports since reports_clear(). */
unsigned reports_errors(void);
unsigned reports_warnings(void);
int reports_last_err(void);
bool reports_has(const char *text); /* some error's text contains it */
void reports_clear(void);

/* Calls of pf_sync() and pf_sync_file_system() so far. */
unsigned sync_count(void);
unsigned sync_file_system_count(void); /* of these, whole file systems */

/* A path below the top of the source tree: $TOP, else "." of the start. */
const char *source_path(const char *path);

/*
 * Compare with the line "NAME DIGEST" of tests/golden/digests: these bytes
 * are the same on every target, and in every release of this format.
 */
struct digest;
void assert_golden(const char *name, const struct digest *digest);

/*
 * The call to fail behind `call`, in a loop over all of them that began at
 * start_ms: the next one for 2 s as x86_64, for half a second elsewhere, and by
 * night; then further and further away, so that loops end soon where every
 * instruction is interpreted or watched.
 */
int64_t now_ms(void);
unsigned fault_next(unsigned call, int64_t start_ms);

#endif
