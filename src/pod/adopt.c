/*
 * adopt.c - builds CREATE and ADOPT requests from records and sends the adoptions.
 */
#include "pod/adopt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "core/paths.h"
#include "os/cgroup.h"
#include "pod/container.h"
#include "pod/fdstore.h"
#include "pod/sandbox.h"

/* The runtime's create when the pod's handler is no longer configured. */
#define CREATE_S INT64_C(240)

static const Crisp__State__Container *row_of(const struct object *o)
{
	return o->sm->row;
}

/* Cgroup directory in which the shim watches OOM kills and finds processes to kill; NULL: none.
 * Tries more controllers than memory, which a host may lack. */
static char *watched_cgroup(const Crisp__State__Container *row)
{
	static const char *const controllers[] = { "memory", "pids", "cpu", "cpuset" };
	_cleanup_free_ char *cgroup = cgroup_dir(row->cgroups_path);
	struct err ignored = ERR_NULL;
	char *dir = NULL;

	for (size_t i = 0; i < ARRAY_LEN(controllers) && !dir; i++)
		cgroup_controller_dir(world.cgroups, controllers[i], cgroup, &dir, &ignored);
	return dir;
}

/* Container name in journald, in the kubelet's form k8s_...; the caller frees it. */
static char *journal_name(const Crisp__State__Sandbox *sandbox,
			  const Runtime__V1__ContainerConfig *c)
{
	Runtime__V1__PodSandboxConfig *pod = sandbox_config(sandbox);
	char *name = container_full_name(c->metadata->name, pod->metadata, c->metadata->attempt);

	if (strlen(name) >= SHIM_NAME_MAX)
		name[SHIM_NAME_MAX - 1] = '\0';
	runtime__v1__pod_sandbox_config__free_unpacked(pod, NULL);
	return name;
}

static uint32_t log_flags(const Crisp__State__Sandbox *pod)
{
	const struct conf_runtime *rt = conf_runtime_find(world.conf, pod->runtime_handler);

	return (world.conf->log_to_journald ? SHIM_JOURNAL : 0) |
	       (rt && rt->no_sync_log ? SHIM_NO_SYNC : 0);
}

void container_request_init(struct container_request *ret, struct pod *p, struct object *o,
			    enum shim_type type)
{
	const Crisp__State__Sandbox *pod = p->o->sm->row;
	const struct conf_runtime *rt = conf_runtime_find(world.conf, pod->runtime_handler);
	const Crisp__State__Container *row = row_of(o);
	Runtime__V1__ContainerConfig *c = container_config(row);
	bool systemd = world.conf->cgroup_manager == CONF_CGROUP_MANAGER_SYSTEMD;

	*ret = (struct container_request){
		.bundle = path_container_run(world.conf, o->sm->id),
		.exit_path = path_container_exit(world.conf, o->sm->id),
		.watched = watched_cgroup(row),
		.name = journal_name(pod, c),
	};
	ret->req = (struct shim_request){
		.type = type,
		.id = o->sm->id,
		.runtime = row->runtime_path,
		.runtime_root = row->runtime_root,
		.bundle = ret->bundle,
		.log_path = row->log_path,
		.exit_path = ret->exit_path,
		.cgroup = ret->watched,
		.name = ret->name,
		.log_max = MAX(world.conf->log_size_max, INT64_C(0)),
		.timeout_ms = (rt ? rt->container_create_timeout : CREATE_S) * 1000,
		.flags = log_flags(pod) | (c->tty ? SHIM_TTY : 0) | (c->stdin ? SHIM_STDIN : 0) |
			 (c->stdin_once ? SHIM_STDIN_ONCE : 0) |
			 (row->kill_all ? SHIM_KILL_REST : 0) | (row->may_trace ? SHIM_TRACER : 0) |
			 (systemd ? SHIM_SYSTEMD_CGROUP : 0),
	};
	runtime__v1__container_config__free_unpacked(c, NULL);
}

void container_request_done(struct container_request *r)
{
	free(r->bundle);
	free(r->exit_path);
	free(r->watched);
	free(r->name);
	*r = (struct container_request){ .bundle = NULL };
}

int container_ask_init(struct object *o, struct pod *p, struct shim_link *link, uint32_t flags,
		       pod_answer_fn *fn, struct err *e)
{
	struct container_request r;

	if (!link)
		return err_set(e, ERR_UNAVAILABLE, "container %.13s: the pod's shim has ended",
			       o->sm->id);
	container_request_init(&r, p, o, SHIM_CREATE);
	r.req.flags |= flags;
	pod_request(p, o, &r.req, NULL, 0, fn);
	container_request_done(&r);
	return 0;
}

/* --- adopt --- */

static struct fdstore *rescue(struct pod *p, struct object *o)
{
	_cleanup_free_ char *bundle = path_container_run(world.conf, o->sm->id);
	Runtime__V1__ContainerConfig *c = container_config(row_of(o));
	/* stdin with stdin_once may be closed for good. */
	bool want_stdin = c->stdin && !c->stdin_once && !c->tty;

	runtime__v1__container_config__free_unpacked(c, NULL);
	return fdstore_rescue(p->held, o->sm->id, row_of(o)->pid, row_of(o)->pid_ticks, bundle,
			      want_stdin);
}

struct adoption {
	char sandbox_id[ID_LEN + 1], id[ID_LEN + 1];
};

static void adopted(void *arg, struct shim_answer *ans, const struct err *err)
{
	struct adoption *a = arg;
	struct pod *p = pod_find(a->sandbox_id);
	struct object *o = world_find(KIND_CONTAINER, a->id);

	if (p && o && err && err->code != ERR_UNAVAILABLE)
		log_err(LOG_LEVEL_WARN, "adopt a container", err);
	if (p)
		pod_adopted(p, a->id, ans, err);
	free(a);
}

/* Remove exec.fifo unless the container's process waits at it.  A runtime killed during start may
 * leave the fifo after the process went on.  A second start would block on the fifo; without the
 * fifo the runtime reports the container as running. */
static void finish_start(const struct object *o)
{
	const Crisp__State__Container *row = row_of(o);
	_cleanup_free_ char *fifo = xasprintf("%s/%s/exec.fifo", row->runtime_root, o->sm->id);
	struct err e = ERR_NULL;
	int r;

	if (!fs_exists(fifo))
		return;
	r = proc_has_open(row->pid, fifo, &e);
	if (r > 0 && unlink(fifo) < 0)
		r = err_errno(&e, ERR_INTERNAL, errno, "remove %s", fifo);
	if (r < 0)
		log_err(LOG_LEVEL_WARN, "finish an interrupted start", &e);
}

/* The container's state according to its record. */
static enum shim_state shim_state_of(const struct object *o)
{
	if (ctr_is_starting(o->sm->state))
		return SHIM_STARTING;
	return row_of(o)->started_ns ? SHIM_RUNNING : SHIM_CREATED;
}

static int adopt(struct pod *p, struct object *o, struct err *e)
{
	const struct fdstore *h = rescue(p, o);
	struct container_request r;
	struct adoption *a;
	int fds[SHIM_FDS_MAX], ret;
	size_t n = 0;

	container_request_init(&r, p, o, SHIM_ADOPT);
	r.req.state = shim_state_of(o);
	r.req.pid = (uint32_t)row_of(o)->pid;
	r.req.start_ticks = row_of(o)->pid_ticks;
	r.req.started_ns = row_of(o)->started_ns;
	if (h->pidfd >= 0) {
		fds[n++] = h->pidfd;
		r.req.flags |= SHIM_PIDFD;
		if (r.req.state == SHIM_STARTING)
			finish_start(o);
	}
	if (h->in < 0)
		r.req.flags &= ~(uint32_t)SHIM_STDIN;
	if ((r.req.flags & SHIM_TTY) && h->pty >= 0) {
		fds[n++] = h->pty;
		r.req.flags |= SHIM_STREAMS;
	} else if (!(r.req.flags & SHIM_TTY) && h->out >= 0 && h->err >= 0) {
		fds[n++] = h->out;
		fds[n++] = h->err;
		if (r.req.flags & SHIM_STDIN)
			fds[n++] = h->in;
		r.req.flags |= SHIM_STREAMS;
	}
	a = xcalloc(1, sizeof(*a));
	memcpy(a->sandbox_id, p->o->sm->id, sizeof(a->sandbox_id));
	memcpy(a->id, o->sm->id, sizeof(a->id));
	ret = shim_link_call(p->link, &r.req, fds, n, adopted, a, e);
	if (ret < 0)
		free(a);
	container_request_done(&r);
	return ret;
}

unsigned container_adopt_all(struct pod *p)
{
	struct err e = ERR_NULL;
	unsigned n = 0;

	for (struct object *o = NULL; (o = world_child(p->o, KIND_CONTAINER, o));) {
		if (!ctr_is_alive(o->sm->state) || pod_known(p, o->sm->id))
			continue;
		/* Count failed sends too, so that the line is not up while the shim lacks a
		 * container.  A broken link raises LOST, a hung shim meets the deadline. */
		if (adopt(p, o, &e) < 0)
			log_err(LOG_LEVEL_WARN, "adopt a container", &e);
		n++;
	}
	return n;
}

void container_rescue_all(struct pod *p)
{
	for (struct object *o = NULL; (o = world_child(p->o, KIND_CONTAINER, o));)
		if (ctr_is_alive(o->sm->state))
			rescue(p, o);
}
