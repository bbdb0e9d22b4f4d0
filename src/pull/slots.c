/*
 * slots.c - see slots.h.
 */
#include "pull/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>

#include "base/fs.h"
#include "base/util.h"

#define LOOK_MS 50

/* 1: somebody has it. */
static int try_slot(const char *dir, unsigned i, int *ret_fd, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%u", dir, i);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 1 : err_errno(e, ERR_INTERNAL, errno, "lock %s",
							    path);
	*ret_fd = take_fd(fd);
	return 0;
}

int slot_take(const char *dir, unsigned n, struct stop *stop, int *ret_fd, struct err *e)
{
	int r = fs_mkdir_all(dir, 0700, e);

	while (r == 0) {
		for (unsigned i = 0; i < n; i++) {
			r = try_slot(dir, i, ret_fd, e);
			if (r <= 0)
				return r;
		}
		r = stop_wait(stop, LOOK_MS) ? err_set(e, ERR_CANCELLED, "cancelled") : 0;
	}
	return r;
}
