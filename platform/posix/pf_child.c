/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_child.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/err.h"
#include "platform/pf_err.h"
#include "platform/pf_fault.h"
#include "platform/pf_file.h"
#include "platform/pf_poll.h"
#include "platform/pf_process.h"

enum { STEP_MS = 5, NS_PER_MS = 1000000 };

extern char **environ;

struct pf_child {
	pid_t pid;
	bool is_ended;
	int status;
};

/* The child hears signals as if it had been started from a shell. */
static int
set_signals(posix_spawnattr_t *attributes)
{
	sigset_t none, ours;
	int error;

	sigemptyset(&none);
	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGHUP);
	sigaddset(&ours, SIGPIPE);
	error = posix_spawnattr_setsigmask(attributes, &none);
	if (error == 0)
		error = posix_spawnattr_setsigdefault(attributes, &ours);
	if (error == 0)
		error = posix_spawnattr_setflags(
			attributes,
			POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	return error;
}

static int
spawn(const char *const *argv, int fd, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int error = posix_spawn_file_actions_init(&actions);

	if (error != 0)
		return pf_err(error);
	error = posix_spawnattr_init(&attributes);
	if (error != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return pf_err(error);
	}
	error = posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
	if (error == 0)
		error = posix_spawn_file_actions_adddup2(&actions, fd,
							 STDOUT_FILENO);
	if (error == 0)
		error = set_signals(&attributes);
	if (error == 0)
		error = posix_spawnp(ret_pid, argv[0], &actions, &attributes,
				     (char *const *)argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return error != 0 ? pf_err(error) : 0;
}

int
pf_child_start(const char *const *argv, struct pf_child **ret_child,
	       int *ret_fd)
{
	struct pf_child *child = calloc(1, sizeof *child);
	int fds[2] = { -1, -1 };
	int err = pf_fault();

	if (err == 0 && child == NULL)
		err = DSP_ENOMEM;
	if (err == 0)
		err = pf_stream_pair(fds);
	if (err == 0)
		err = spawn(argv, fds[1], &child->pid);
	pf_close(fds[1]);
	if (err < 0) {
		pf_close(fds[0]);
		free(child);
		return err;
	}
	*ret_child = child;
	*ret_fd = fds[0];
	return 0;
}

/* Has it ended within timeout_ms? */
static bool
wait_for(struct pf_child *child, unsigned timeout_ms)
{
	int64_t end = pf_now_monotonic() + (int64_t)timeout_ms * NS_PER_MS;
	struct timespec step = { .tv_nsec = STEP_MS * NS_PER_MS };

	for (;;) {
		pid_t pid = waitpid(child->pid, &child->status, WNOHANG);

		if (pid == child->pid || (pid < 0 && errno != EINTR))
			return true;
		if (pf_now_monotonic() >= end)
			return false;
		nanosleep(&step, NULL);
	}
}

void
pf_child_end(struct pf_child *child, unsigned timeout_ms, int *ret_code)
{
	*ret_code = 0;
	if (child == NULL)
		return;
	child->is_ended = wait_for(child, timeout_ms);
	if (!child->is_ended) {
		kill(child->pid, SIGTERM);
		child->is_ended = wait_for(child, timeout_ms);
	}
	if (!child->is_ended) {
		kill(child->pid, SIGKILL);
		(void)waitpid(child->pid, &child->status, 0);
	}
	*ret_code = WIFSIGNALED(child->status) ? 128 + WTERMSIG(child->status)
					       : WEXITSTATUS(child->status);
	free(child);
}
