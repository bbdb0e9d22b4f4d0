/*
 * listen.c - bind the unix socket after two liveness tests: the lock, which only crispd holds, and
 * connect(), which any server accepts.
 */
#include "api/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"

#define BACKLOG 4096 /* with a full backlog a client's connect() fails with EAGAIN */

static void path_to_addr(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path, path, strlen(path) + 1); /* path_check bounds it */
}

static int path_check(const char *path, struct err *e)
{
	if (!path || !fs_path_is_clean(path))
		return err_set(e, ERR_INVALID,
			       "socket path \"%.200s\" must be absolute, without . or ..",
			       path ? path : "");
	if (strlen(path) > LISTEN_PATH_MAX)
		return err_set(e, ERR_INVALID,
			       "socket path %.200s has %zu bytes, no client can connect to more "
			       "than %d: choose a shorter one",
			       path, strlen(path), LISTEN_PATH_MAX);
	return 0;
}

static int make_parent(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir = xstrndup(path, (size_t)(slash - path));

	return *dir ? fs_mkdir_all(dir, 0755, e) : 0;
}

static int lock_take(const char *path, int *ret, struct err *e)
{
	_cleanup_free_ char *name = xasprintf("%s.lock", path);
	_cleanup_close_ int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", name);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return err_set(e, ERR_EXISTS,
				       "%s is served by another process (it holds %s)", path, name);
		return err_errno(e, ERR_INTERNAL, errno, "lock %s", name);
	}
	*ret = take_fd(fd);
	return 0;
}

/* Unlink a stale socket; fail when a server accepts connections on path. */
static int stale_remove(const char *path, struct err *e)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un addr;
	struct stat st;

	if (lstat(path, &st) < 0) {
		if (errno == ENOENT)
			return 0;
		return err_errno(e, ERR_INTERNAL, errno, "stat %s", path);
	}
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, ERR_PRECONDITION,
			       "%s exists and is not a socket: move it away or listen elsewhere",
			       path);
	/* Non-blocking: EAGAIN means a full backlog, hence a live server. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "socket to probe %s", path);
	path_to_addr(path, &addr);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 || errno == EAGAIN)
		return err_set(e, ERR_EXISTS, "%s is served by another process", path);
	if (errno != ECONNREFUSED && errno != ENOENT)
		return err_errno(e, ERR_PRECONDITION, errno, "probe the socket %s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_errno(e, ERR_INTERNAL, errno, "remove the stale socket %s", path);
	return 0;
}

static int socket_bind(struct listener *l, mode_t mode, struct err *e)
{
	struct sockaddr_un addr;
	struct stat st;

	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "socket for %s", l->path);
	/* bind() creates the file with the descriptor's mode less the umask, never wider than mode.
	 * The chmod afterwards restores the bits that the umask cleared. */
	path_to_addr(l->path, &addr);
	if (fchmod(l->fd, mode) < 0 || bind(l->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "bind %s", l->path);
	if (lstat(l->path, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "stat %s", l->path);
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	if (chmod(l->path, mode) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set the mode of %s", l->path);
	if (listen(l->fd, BACKLOG) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "listen on %s", l->path);
	return 0;
}

int listener_open(struct listener *ret, const char *path, mode_t mode, struct err *e)
{
	_cleanup_(listener_done) struct listener l = LISTENER_NULL;
	int r;

	r = path_check(path, e);
	if (r < 0)
		return r;
	l.path = xstrdup(path);
	r = make_parent(path, e);
	if (r < 0)
		return r;
	r = lock_take(path, &l.lock_fd, e);
	if (r < 0)
		return r;
	r = stale_remove(path, e);
	if (r < 0)
		return r;
	r = socket_bind(&l, mode, e);
	if (r < 0)
		return r;
	*ret = l;
	l = LISTENER_NULL;
	return 0;
}

void listener_close(struct listener *l)
{
	struct stat st;

	if (l->fd < 0)
		return;
	if (l->ino && lstat(l->path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
	close_fdp(&l->fd);
}

void listener_done(struct listener *l)
{
	listener_close(l);
	close_fdp(&l->lock_fd);
	free(l->path);
	*l = LISTENER_NULL;
}
