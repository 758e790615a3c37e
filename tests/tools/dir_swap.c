/* SPDX-License-Identifier: Apache-2.0 */

/*
 * dir_swap TREE OUTSIDE - until killed, or for two minutes, wherever TREE and
 * the directories below it stand for a moment, move one away, put a symbolic
 * link to OUTSIDE in its place, and move it back.
 *
 * On SIGTERM it says how many times it did that.
 */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
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

int
main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	time_t end = time(NULL) + 120;

	if (argc != 3)
		return 2;
	sigaction(SIGTERM, &action, NULL);
	puts("ready");
	fflush(stdout);
	while (!ended && time(NULL) < end) {
		int top = open(argv[1], O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

		if (top < 0)
			continue;
		swap_below(top, argv[2], 0);
	}
	printf("swaps %lu\n", swaps);
	return 0;
}
