/*
 * slots.c - poll for a free byte with OFD locks.
 */
#include "pull/slots.h"

#include <errno.h>
#include <fcntl.h>

#include "base/fs.h"
#include "base/util.h"

#define LOOK_MS 50

int slot_take(const char *path, unsigned n, struct stop *stop, int *ret_fd, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	do {
		for (unsigned i = 0; i < n; i++) {
			/* OFD locks are per descriptor, so each thread has a slot of its own. */
			struct flock lock = { .l_type = F_WRLCK, .l_start = i, .l_len = 1 };

			if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
				*ret_fd = take_fd(fd);
				return 0;
			}
			if (errno != EAGAIN && errno != EACCES)
				return err_errno(e, ERR_INTERNAL, errno, "lock %s", path);
		}
	} while (!stop_wait(stop, LOOK_MS));
	return err_set(e, ERR_CANCELLED, "cancelled");
}
