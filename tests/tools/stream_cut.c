/* SPDX-License-Identifier: Apache-2.0 */

/*
 * stream_cut HOW FORWARD BACK COUNT COMMAND
 *
 * Runs COMMAND by /bin/sh and passes on what comes on standard input to it,
 * and what it says to standard output, until FORWARD bytes went there or BACK
 * came from there (-1: never).  Then, HOW:
 *
 *   cut          both streams end, as when a connection breaks
 *   kill-child   COMMAND and all its children are killed, as by kill -9
 *   kill-parent  so is the process that started this one
 *
 * and what is left of them is waited for.  The bytes that went forward are
 * added to the file COUNT, as a line.
 *
 * stream_cut messages FILE - where each message of a recorded stream ends.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/bytes.h"
#include "core/link/message.h"

/* One direction. */
struct way {
	int from, to;
	long long left; /* until it is cut; negative: never */
	long long count;
	bool is_ended;
};

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "stream_cut: %s: %s\n", what, strerror(errno));
	exit(1);
}

static pid_t
start(const char *command, int fd)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid > 0)
		return pid;
	setpgid(0, 0); /* so that it can be killed with its children */
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDOUT_FILENO);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	die(command);
}

/* Pass on what is there; false when this direction has come to its cut. */
static bool
pass_on(struct way *way)
{
	char bytes[16 * 1024];
	size_t room = sizeof bytes;
	ssize_t size;

	if (way->left >= 0 && (long long)room > way->left)
		room = (size_t)way->left;
	size = room > 0 ? read(way->from, bytes, room) : 0;
	if (size <= 0 && room > 0) {
		way->is_ended = true;
		if (way->to > STDOUT_FILENO)
			shutdown(way->to, SHUT_WR);
		return true;
	}
	for (ssize_t at = 0; at < size;) {
		ssize_t n = write(way->to, bytes + at, (size_t)(size - at));

		if (n < 0)
			break; /* nobody reads: the other way will end */
		at += n;
	}
	way->count += size;
	if (way->left >= 0)
		way->left -= size;
	return way->left != 0;
}

/* True when it was cut. */
static bool
pass_all(struct way *forward, struct way *back)
{
	while (!back->is_ended) {
		struct pollfd fds[2] = {
			{ .fd = forward->is_ended ? -1 : forward->from,
			  .events = POLLIN },
			{ .fd = back->from, .events = POLLIN },
		};

		if (forward->left == 0 || back->left == 0)
			return true;
		if (poll(fds, 2, -1) < 0)
			die("poll");
		if (fds[0].revents != 0 && !pass_on(forward))
			return true;
		if (fds[1].revents != 0 && !pass_on(back))
			return true;
	}
	return false;
}

static int
show_messages(const char *path)
{
	static uint8_t bytes[1 << 20];
	FILE *file = fopen(path, "rb");
	size_t size, at = MESSAGE_HELLO_SIZE;

	if (file == NULL)
		die(path);
	size = fread(bytes, 1, sizeof bytes, file);
	fclose(file);
	for (; at <= size; at += MESSAGE_HEADER_SIZE + le32_get(bytes + at)) {
		printf("%zu\n", at);
		if (size - at < MESSAGE_HEADER_SIZE)
			break;
	}
	return 0;
}

static void
add_count(const char *path, long long count)
{
	FILE *file = fopen(path, "a");

	if (file == NULL)
		die(path);
	fprintf(file, "%lld\n", count);
	fclose(file);
}

int
main(int argc, char **argv)
{
	struct way forward = { .from = STDIN_FILENO };
	struct way back = { .to = STDOUT_FILENO };
	int fds[2], status = 0;
	bool is_cut;
	pid_t child;

	if (argc == 3 && strcmp(argv[1], "messages") == 0)
		return show_messages(argv[2]);
	if (argc != 6)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		die("socketpair");
	forward.left = strtoll(argv[2], NULL, 10);
	back.left = strtoll(argv[3], NULL, 10);
	forward.to = back.from = fds[0];
	child = start(argv[5], fds[1]);
	close(fds[1]);
	is_cut = pass_all(&forward, &back);
	add_count(argv[4], forward.count);
	if (is_cut && strcmp(argv[1], "kill-child") == 0)
		kill(-child, SIGKILL);
	if (is_cut && strcmp(argv[1], "kill-parent") == 0)
		kill(getppid(), SIGKILL);
	close(fds[0]);
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
