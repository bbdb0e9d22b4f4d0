/*
 * fdstore.c - opens and keeps container descriptors.  A failed open is only logged: if the shim
 * dies later, the exit status is unknown or a stream ends.
 */
#include "pod/fdstore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/util.h"

static struct fdstore *fdstore_of(struct map *holds, const char *id)
{
	struct fdstore *h = map_get(holds, id);

	if (h)
		return h;
	h = xcalloc(1, sizeof(*h));
	memcpy(h->id, id, MIN(strlen(id), (size_t)ID_LEN));
	h->pidfd = h->pty = h->in = h->out = h->err = -1;
	map_put(holds, h->id, h);
	return h;
}

static void fdstore_process(struct fdstore *h, pid_t pid, uint64_t start_ticks)
{
	struct err e = ERR_NULL;

	if (h->pidfd < 0 && pid > 0 && proc_open(pid, start_ticks, &h->pidfd, &e) < 0)
		log_err(LOG_LEVEL_WARN, "keep a pidfd of a container", &e);
}

/* Open a fifo; without O_NONBLOCK the open waits for the other end. */
static void fdstore_pipe(int *fd, const char *bundle, const char *name, int flags)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", bundle, name);

	if (*fd >= 0)
		return;
	*fd = open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	/* ENXIO: the container has closed stdin. */
	if (*fd < 0 && errno != ENOENT && errno != ENXIO)
		log_warn("keep a stream of a container", "path=%s error=\"%s\"", path,
			 strerror(errno));
}

void fdstore_update(struct map *holds, const struct shim_status *st, const char *bundle, int *pty)
{
	struct fdstore *h;

	if (st->state == SHIM_ENDED || st->state == SHIM_CREATING || !st->pid) {
		fdstore_drop(holds, st->id);
		return;
	}
	h = fdstore_of(holds, st->id);
	fdstore_process(h, (pid_t)st->pid, st->start_ticks);
	if (*pty >= 0) {
		close_fdp(&h->pty);
		h->pty = take_fd(*pty);
	}
	if (st->flags & SHIM_STDIN)
		fdstore_pipe(&h->in, bundle, SHIM_STDIN_NAME, O_WRONLY);
	else
		close_fdp(&h->in);
}

struct fdstore *fdstore_rescue(struct map *holds, const char *id, pid_t pid, uint64_t start_ticks,
			       const char *bundle, bool want_stdin)
{
	struct fdstore *h = fdstore_of(holds, id);

	fdstore_process(h, pid, start_ticks);
	fdstore_pipe(&h->out, bundle, SHIM_STDOUT_NAME, O_RDONLY);
	fdstore_pipe(&h->err, bundle, SHIM_STDERR_NAME, O_RDONLY);
	if (want_stdin)
		fdstore_pipe(&h->in, bundle, SHIM_STDIN_NAME, O_WRONLY);
	return h;
}

void fdstore_release_output(struct map *holds, const char *id)
{
	struct fdstore *h = map_get(holds, id);

	if (!h)
		return;
	close_fdp(&h->out);
	close_fdp(&h->err);
}

void fdstore_drop(struct map *holds, const char *id)
{
	struct fdstore *h = map_del(holds, id);

	if (!h)
		return;
	close_fdp(&h->pidfd);
	close_fdp(&h->pty);
	close_fdp(&h->in);
	close_fdp(&h->out);
	close_fdp(&h->err);
	free(h);
}

void fdstore_free_all(struct map *holds)
{
	for (;;) {
		size_t pos = 0;
		struct fdstore *h = map_next(holds, &pos);

		if (!h)
			break;
		fdstore_drop(holds, h->id);
	}
	map_free(holds);
}

int fdstore_dup_pidfd(const struct map *holds, const char *id)
{
	const struct fdstore *h = map_get(holds, id);

	return h && h->pidfd >= 0 ? fcntl(h->pidfd, F_DUPFD_CLOEXEC, 3) : -1;
}
