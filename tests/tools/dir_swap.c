/* SPDX-License-Identifier: Apache-2.0 */

/*
 * dir_swap TREE OUTSIDE - until killed, or for two minutes, wherever TREE and
 * the directories below it stand for a moment, move one away, put a symbolic
 * link to OUTSIDE in its place, and move it back.
 *
 * dir_swap DIR OUTSIDE NAME COUNT - the same with DIR/NAME0, DIR/NAME1 ...
 * DIR/NAME(COUNT-1), each in the instant in which it appears: who makes a
 * directory and then opens it by name is to find the link.
 *
 * On SIGTERM it says how many times it did that.
 */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { DEPTH_MAX = 8 };

static volatile sig_atomic_t ended;
static unsigned long swaps;

static void
on_signal(int number)
{
	ended = number;
}

static void
swap(int dir, const char *name, const char *outside)
{
	static const char aside[] = "moved-away";

	if (renameat(dir, name, dir, aside) < 0)
		return;
	if (symlinkat(outside, dir, name) == 0) {
		swaps++;
		for (volatile int i = 0; i < 2000; i++)
			;
		unlinkat(dir, name, 0);
	}
	renameat(dir, aside, dir, name);
}

static void
swap_below(int dir, const char *outside, int depth)
{
	DIR *list = fdopendir(dir);
	struct dirent *found;

	if (list == NULL) {
		close(dir);
		return;
	}
	while (!ended && (found = readdir(list)) != NULL) {
		const char *name = found->d_name;
		struct stat st;
		int below;

		if (name[0] == '.' ||
		    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISDIR(st.st_mode))
			continue;
		swap(dir, name, outside);
		below = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
		if (below >= 0 && depth < DEPTH_MAX)
			swap_below(below, outside, depth + 1);
		else if (below >= 0)
			close(below);
	}
	closedir(list);
}

static bool
is_there(int dir, const char *name, unsigned long index)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof path, "%s%lu", name, index);
	return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Wait for the next name to appear, and swap it at once. */
static void
swap_newest(const char *path, const char *outside, const char *name,
	    unsigned long count)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY);

	for (unsigned long i = 0; dir >= 0 && i < count && !ended; i++) {
		char aside[64], next[64];

		snprintf(next, sizeof next, "%s%lu", name, i);
		snprintf(aside, sizeof aside, "moved%lu", i);
		if (is_there(dir, name, i))
			continue; /* too late for this one */
		for (unsigned spin = 0; spin < 100000 && !ended; spin++) {
			if (renameat(dir, next, dir, aside) < 0)
				continue;
			if (symlinkat(outside, dir, next) == 0) {
				swaps++;
				while (!ended && i + 1 < count &&
				       !is_there(dir, name, i + 1) &&
				       spin++ < 100000)
					;
				unlinkat(dir, next, 0);
			}
			renameat(dir, aside, dir, next);
			break;
		}
	}
	if (dir >= 0)
		close(dir);
}

int
main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	time_t end = time(NULL) + 120;

	if (argc != 3 && argc != 5)
		return 2;
	sigaction(SIGTERM, &action, NULL);
	puts("ready");
	fflush(stdout);
	while (!ended && time(NULL) < end && argc == 5)
		swap_newest(argv[1], argv[2], argv[3],
			    strtoul(argv[4], NULL, 10));
	while (!ended && time(NULL) < end) {
		int top = open(argv[1], O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

		if (top < 0)
			continue;
		swap_below(top, argv[2], 0);
	}
	printf("swaps %lu\n", swaps);
	return 0;
}
