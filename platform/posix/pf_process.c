/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_process.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000

enum { SIGNAL_STACK_SIZE = 64 * 1024 };

static atomic_int caught; /* the signal's number, or 0 */
static unsigned saved_umask;

static int64_t
read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

int64_t
pf_now_monotonic(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t
pf_now(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t
pf_peak_memory(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) != 0)
		return 0;
	return (uint64_t)usage.ru_maxrss * 1024;
}

bool
pf_is_root(void)
{
	return geteuid() == 0;
}

void
pf_own_ids(uint32_t *ret_uid, uint32_t *ret_gid)
{
	*ret_uid = geteuid();
	*ret_gid = getegid();
}

void
pf_clear_umask(void)
{
	saved_umask = umask(0);
}

unsigned
pf_umask(void)
{
	return saved_umask;
}

unsigned
pf_raise_open_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 256;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			(void)getrlimit(RLIMIT_NOFILE, &limit);
	}
	return limit.rlim_cur > 1000000 ? 1000000 : (unsigned)limit.rlim_cur;
}

bool
pf_is_terminal(int fd)
{
	return isatty(fd) == 1;
}

unsigned
pf_terminal_width(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return 80;
	return size.ws_col;
}

/* Let the signal do what it does by default. */
static void
die_by(int number)
{
	sigset_t set;

	signal(number, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, number);
	raise(number);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void *
wait_for_signals(void *context)
{
	const sigset_t *set = context;
	int number;

	while (sigwait(set, &number) == 0)
		if (atomic_exchange(&caught, number) != 0)
			die_by(number); /* the second one */
	return NULL;
}

/*
 * No handler: a thread waits for the signals, so that nothing is interrupted
 * anywhere else.  (And qemu-i386 7.2 returns from a handler with the thread
 * pointer of another thread.)
 */
void
pf_catch_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	static sigset_t set;
	struct sigaction before;
	pthread_attr_t attr;
	pthread_t thread;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		/* Leave alone what nohup or a shell's & told us to ignore. */
		if (sigaction(numbers[i], NULL, &before) == 0 &&
		    before.sa_handler != SIG_IGN)
			sigaddset(&set, numbers[i]);
	}
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, SIGNAL_STACK_SIZE);
	if (pthread_create(&thread, &attr, wait_for_signals, &set) != 0)
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	pthread_attr_destroy(&attr);
}

void
pf_ignore_closed_pipes(void)
{
	signal(SIGPIPE, SIG_IGN);
}

bool
pf_interrupted(void)
{
	return atomic_load(&caught) != 0;
}

void
pf_end_by_signal(void)
{
	int number = atomic_load(&caught);

	if (number != 0)
		die_by(number);
}

_Noreturn void
pf_exit_now(int code)
{
	_exit(code);
}
