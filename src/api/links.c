/*
 * links.c - limits on the connections of the gRPC socket, keyed by descriptor and inode.
 */
#include "api/links.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/frames.h"
#include "base/fs.h"
#include "base/gate.h"
#include "base/nofile.h"
#include "base/util.h"

#define WAITING_MAX 256
#define WAITING_PEER_MAX 128
#define SETTLED_MAX 256

struct client_link {
	struct gate_entry entry;
	struct list resting; /* in links.resting: settled, without a call; longest first */
	int fd;
	uint64_t id;
	ino_t ino;
	unsigned calls;
	struct link_peer peer;
};

struct links {
	struct gate gate;
	struct list resting;
	struct client_link **by_fd;
	size_t n;
	uint64_t last_id;
};

struct links *links_new(void)
{
	struct links *l = xcalloc(1, sizeof(*l));

	gate_init(&l->gate, nofile_budget(WAITING_MAX, 32), nofile_budget(WAITING_PEER_MAX, 64),
		  nofile_budget(SETTLED_MAX, 32));
	list_init(&l->resting);
	return l;
}

static void forget(struct links *l, struct client_link *k)
{
	gate_leave(&k->entry);
	list_remove(&k->resting);
	l->by_fd[k->fd] = NULL;
	frames_drop(k->fd);
	free(k);
}

void links_free(struct links *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		if (l->by_fd[i])
			forget(l, l->by_fd[i]);
	free(l->by_fd);
	free(l);
}

static bool is_socket(int fd, ino_t ino)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == ino;
}

/* Shut down without close: the library closes its descriptor on EOF.  The copy keeps the number
 * from being reused between check and shutdown. */
static void shut_down(struct links *l, struct client_link *k)
{
	_cleanup_close_ int copy = fcntl(k->fd, F_DUPFD_CLOEXEC, 0);

	if (copy >= 0 && is_socket(copy, k->ino))
		shutdown(copy, SHUT_RDWR);
	else if (copy < 0 && is_socket(k->fd, k->ino))
		shutdown(k->fd, SHUT_RDWR); /* no descriptor is left for a copy */
	forget(l, k);
}

/* Forget the connections that the library has closed since the last sweep. */
static void sweep(struct links *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->by_fd[i] && !l->by_fd[i]->calls && !is_socket((int)i, l->by_fd[i]->ino))
			forget(l, l->by_fd[i]);
}

static void make_room(struct links *l, size_t fd)
{
	if (fd < l->n)
		return;
	l->by_fd = xrealloc(l->by_fd, (fd + 16) * sizeof(struct client_link *));
	while (l->n < fd + 16)
		l->by_fd[l->n++] = NULL;
}

void links_add(struct links *l, int fd)
{
	struct client_link *k = xcalloc(1, sizeof(*k));
	struct ucred cred = { .pid = -1 };
	socklen_t size = sizeof(cred);
	struct gate_entry *excess;
	struct stat st = { 0 };

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		cred.pid = -1;
	fstat(fd, &st);
	make_room(l, (size_t)fd);
	if (l->by_fd[fd])
		forget(l, l->by_fd[fd]);
	list_init(&k->resting);
	k->fd = fd;
	k->id = ++l->last_id;
	k->ino = st.st_ino;
	k->peer = (struct link_peer){ .pid = cred.pid, .uid = cred.uid };
	l->by_fd[fd] = k;
	frames_watch(fd, k->ino);
	gate_enter(&l->gate, &k->entry, gate_peer_of(fd));
	if (gate_excess(&l->gate))
		sweep(l);
	while ((excess = gate_excess(&l->gate)))
		shut_down(l, container_of(excess, struct client_link, entry));
}

/* Settle a connection at its first call.  At the limit, shut down the one without a call for
 * longest. */
static bool settle(struct links *l, struct client_link *k)
{
	if (gate_settle(&k->entry))
		return true;
	sweep(l);
	if (!gate_settle(&k->entry) && !list_empty(&l->resting))
		shut_down(l, list_entry(l->resting.next, struct client_link, resting));
	return gate_settle(&k->entry);
}

bool links_begin(struct links *l, int fd, struct link_ref *ret, struct link_peer *ret_peer)
{
	struct client_link *k = fd >= 0 && (size_t)fd < l->n ? l->by_fd[fd] : NULL;

	*ret = (struct link_ref){ .fd = -1 };
	*ret_peer = (struct link_peer){ .pid = -1 };
	if (!k)
		return true; /* shut down a moment ago: its client will not get the reply */
	*ret_peer = k->peer;
	if (!k->entry.settled && !settle(l, k))
		return false;
	list_remove(&k->resting);
	k->calls++;
	frames_less(fd);
	*ret = (struct link_ref){ .fd = fd, .id = k->id };
	return true;
}

/* NULL: the connection has gone. */
static struct client_link *link_of(const struct links *l, struct link_ref ref)
{
	struct client_link *k = ref.id && (size_t)ref.fd < l->n ? l->by_fd[ref.fd] : NULL;

	return k && k->id == ref.id ? k : NULL;
}

void links_end(struct links *l, struct link_ref ref)
{
	struct client_link *k = link_of(l, ref);

	if (!k)
		return;
	frames_more(ref.fd);
	if (--k->calls == 0)
		list_append(&l->resting, &k->resting);
}

void links_freed(struct links *l, struct link_ref ref)
{
	if (link_of(l, ref))
		frames_less(ref.fd);
}

bool links_evict(struct links *l)
{
	struct gate_entry *n;
	struct client_link *k = NULL;

	sweep(l);
	n = gate_victim(&l->gate);
	if (n)
		k = container_of(n, struct client_link, entry);
	else if (!list_empty(&l->resting))
		k = list_entry(l->resting.next, struct client_link, resting);
	if (k)
		shut_down(l, k);
	return k != NULL;
}
