/*
 * podground.c - polls the init's pidfd and checks the pinned namespaces of a pod.
 */
#include "pod/podground.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "core/paths.h"
#include "os/ns.h"
#include "pod/sandbox.h"
#include "pod/shim.h"
#include "shimproto/shimproto.h"

static const Crisp__State__Sandbox *row_of(const struct pod *p)
{
	return p->o->sm->row;
}

/* Raise POD_BROKEN only while the shim is up: otherwise an effect is in flight and reports it. */
static void raise_broken(struct pod *p)
{
	struct sm_event *ev;

	if (!pod_is_up(p))
		return;
	ev = sm_event_new(SBX_EVENT_POD_BROKEN);
	ev->err = p->ground.broken;
	sm_dispatch(p->o->sm, ev);
}

static void init_is_gone(struct pod *p)
{
	err_set(&p->ground.broken, ERR_UNAVAILABLE,
		"sandbox %.13s: its init (pid %d), process 1 "
		"of the PID namespace that its containers share, has ended: no container can run "
		"there any more",
		p->o->sm->id, p->ground.pid);
	log_warn("the pod's init ended", "sbx=%.13s pid=%d", p->o->sm->id, p->ground.pid);
}

static void forget_init(struct podground *g)
{
	loop_io_del(&g->init);
	close_fdp(&g->init.fd);
}

static void on_init_end(struct loop_io *io, uint32_t events)
{
	struct pod *p = container_of(io, struct pod, ground.init);

	(void)events;
	forget_init(&p->ground);
	init_is_gone(p);
	raise_broken(p);
}

static int open_init(const struct pod *p, pid_t *pid, uint64_t ticks, int *ret, struct err *e)
{
	_cleanup_free_ char *dir = path_pod_run(world.conf, p->o->sm->id);
	_cleanup_free_ char *path = xasprintf("%s/" SHIM_INIT_NAME, dir);

	return ticks ? proc_open(*pid, ticks, ret, e) : proc_load(path, pid, ret, e);
}

void podground_watch_init(struct pod *p, int pid, uint64_t ticks)
{
	struct podground *g = &p->ground;
	struct err e = ERR_NULL;
	pid_t init = pid;
	int fd = -1, r;

	forget_init(g);
	g->broken = ERR_NULL;
	g->pid = pid;
	r = open_init(p, &init, ticks, &fd, &e);
	if (r == 0)
		r = loop_io_add(world.loop, &g->init, fd, EPOLLIN, on_init_end, &e);
	if (r == 0)
		return;
	close_fdp(&fd);
	g->init = (struct loop_io){ .fd = -1 };
	if (r > 0)
		init_is_gone(p);
	else
		log_err(LOG_LEVEL_WARN, "watch the pod's init", &e);
}

void podground_drop(struct pod *p)
{
	forget_init(&p->ground);
}

int podground_check(const struct pod *p, struct err *e)
{
	if (!p->ground.broken.code)
		return 0;
	*e = p->ground.broken;
	return -(int)e->code;
}

int podground_check_pins(struct pod *p, struct err *e)
{
	_cleanup_free_ char *dir = path_pod_ns(world.conf, p->o->sm->id);
	const struct {
		const char *name;
		bool own;
	} kinds[] = {
		{ "user", row_of(p)->uids },	     { "net", !row_of(p)->host_network },
		{ "uts", !row_of(p)->host_network }, { "ipc", !row_of(p)->host_ipc },
		{ "pid", row_of(p)->pod_pid },
	};

	for (size_t i = 0; i < ARRAY_LEN(kinds) && !p->ground.broken.code; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, kinds[i].name);

		if (!kinds[i].own || ns_is_pinned(path))
			continue;
		err_set(&p->ground.broken, ERR_UNAVAILABLE,
			"sandbox %.13s: its %s namespace is "
			"no longer mounted at %s: no container can enter it any more",
			p->o->sm->id, kinds[i].name, path);
		raise_broken(p);
	}
	return podground_check(p, e);
}
