/* SPDX-License-Identifier: Apache-2.0 */

/*
 * tree_watch DIR FILE... - read FILE... below DIR, which may be a link, over
 * and over until SIGTERM, and say on one line what was seen:
 *
 *   looks N absent N gone N mixed N
 *
 *   absent  DIR was not there, or no directory
 *   gone    a FILE was not there, below a DIR that was
 *   mixed   two FILEs of one DIR did not have the same bytes: another version;
 *           but not when the look took so long that the version may have been
 *           two publications old, and recycled, before it was over
 *
 * It says "ready" after the first look.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Nobody publishes twice in that time. */
enum { LOOK_MS_MAX = 10 };

static volatile sig_atomic_t ended;

static long long
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void
on_signal(int number)
{
	ended = number;
}

int
main(int argc, char **argv)
{
	unsigned long looks = 0, absent = 0, gone = 0, mixed = 0;
	struct sigaction action = { .sa_handler = on_signal };

	if (argc < 4)
		return 2;
	sigaction(SIGTERM, &action, NULL);
	while (!ended) {
		char first[256], text[256];
		ssize_t first_size = -1;
		long long start = now_ms();
		int dir = open(argv[1], O_RDONLY | O_DIRECTORY);

		absent += dir < 0;
		for (int i = 2; dir >= 0 && i < argc; i++) {
			int fd = openat(dir, argv[i], O_RDONLY);
			ssize_t size = -1;

			if (fd >= 0)
				size = read(fd, text, sizeof text);
			if (fd >= 0)
				close(fd);
			if (size < 0) {
				gone++;
				break;
			}
			if (first_size < 0) {
				first_size = size;
				memcpy(first, text, (size_t)size);
			} else if (size != first_size ||
				   memcmp(first, text, (size_t)size) != 0) {
				mixed += now_ms() - start <= LOOK_MS_MAX;
				break;
			}
		}
		if (dir >= 0)
			close(dir);
		if (looks++ == 0) {
			puts("ready");
			fflush(stdout);
		}
	}
	printf("looks %lu absent %lu gone %lu mixed %lu\n", looks, absent, gone,
	       mixed);
	return 0;
}
