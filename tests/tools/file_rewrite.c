/* SPDX-License-Identifier: Apache-2.0 */

/*
 * file_rewrite append|overwrite|shrink FILE - keep changing FILE until killed,
 * or for a minute.  It says "ready" when the first change is made.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int
main(int argc, char **argv)
{
	time_t end = time(NULL) + 60;
	struct stat st;
	unsigned count = 0;
	int fd;

	if (argc != 3)
		return 2;
	fd = open(argv[2], O_RDWR);
	if (fd < 0 || fstat(fd, &st) < 0) {
		perror(argv[2]);
		return 1;
	}
	while (time(NULL) < end) {
		char byte = (char)count;
		off_t at = st.st_size;
		int failed;

		if (strcmp(argv[1], "append") == 0)
			failed = pwrite(fd, &byte, 1, at + count) != 1;
		else if (strcmp(argv[1], "shrink") == 0 && at > count)
			failed = ftruncate(fd, at - count) < 0;
		else
			failed = pwrite(fd, &byte, 1,
					(off_t)count * 977 % at) != 1;
		if (failed) {
			perror(argv[2]);
			return 1;
		}
		if (count++ == 0) {
			puts("ready");
			fflush(stdout);
		}
	}
	return 0;
}
