/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pf_poll.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/pf_err.h"
#include "platform/pf_fault.h"

int
pf_stream_pair(int ret_fds[2])
{
	int fds[2];
	int err = pf_fault();

	if (err < 0)
		return err;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return pf_err(errno);
	ret_fds[0] = fds[0];
	ret_fds[1] = fds[1];
	return 0;
}

int
pf_set_nonblocking(int fd)
{
	struct stat stat;
	int flags;

	if (fstat(fd, &stat) < 0)
		return pf_err(errno);
	if (!S_ISFIFO(stat.st_mode) && !S_ISSOCK(stat.st_mode))
		return 0;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return pf_err(errno);
	return 0;
}

int
pf_poll(int read_fd, int write_fd, unsigned timeout_ms, bool *ret_can_read,
	bool *ret_can_write)
{
	struct pollfd fds[2] = { { .fd = read_fd, .events = POLLIN },
				 { .fd = write_fd, .events = POLLOUT } };
	int timeout = timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms;
	int err = pf_fault();

	if (err < 0)
		return err;
	*ret_can_read = *ret_can_write = false;
	if (poll(fds, 2, timeout) < 0)
		return errno == EINTR ? 0 : pf_err(errno);
	/* An error or the end is found by reading and writing. */
	*ret_can_read = fds[0].revents != 0;
	*ret_can_write = fds[1].revents != 0;
	return 0;
}

int
pf_read_some(int fd, void *data, size_t capacity, size_t *ret_size,
	     bool *ret_is_end)
{
	ssize_t n;
	int err = pf_fault();

	if (err < 0)
		return err;
	*ret_size = 0;
	*ret_is_end = false;
	n = read(fd, data, capacity);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	/* Who was reset by its peer finds the end of the stream, too early. */
	if (n < 0 && errno != ECONNRESET)
		return pf_err(errno);
	*ret_is_end = n <= 0;
	*ret_size = n > 0 ? (size_t)n : 0;
	return 0;
}

int
pf_write_some(int fd, const void *data, size_t size, size_t *ret_size)
{
	ssize_t n;
	int err = pf_fault();

	if (err < 0)
		return err;
	*ret_size = 0;
	n = write(fd, data, size);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return pf_err(errno == ECONNRESET ? EPIPE : errno);
	*ret_size = (size_t)n;
	return 0;
}

void
pf_end_writing(int fd)
{
	(void)shutdown(fd, SHUT_WR);
}
