/*
 * sandbox.c - effects of states/sandbox.sm.
 *
 * An effect hands a copy of the record to a worker; workers never access objects.
 * Each effect can run again after a crash at any of its points.
 */
#include "pod/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "core/jobs.h"
#include "core/paths.h"
#include "core/payloads.h"
#include "net/cni.h"
#include "os/cgroup.h"
#include "os/mount.h"
#include "os/ns.h"
#include "pod/adopt.h"
#include "pod/container.h"
#include "pod/dumpcancel.h"
#include "pod/files.h"
#include "pod/netgc.h"
#include "pod/network.h"
#include "pod/pod_listing.h"
#include "pod/reach.h"
#include "pod/remains.h"
#include "pod/shim.h"
#include "pod/usage.h"
#include "pod/podids.h"
#include "pod/podports.h"

#define SHIM_START_MS 10000
#define SHIM_END_MS 2000
#define SHIM_LATE_MS 10000 /* for a killed or exiting shim to end */
#define SHIM_LOOK_MS 5

static const Crisp__State__Sandbox *row_of(const struct object *o)
{
	return o->sm->row;
}

Runtime__V1__PodSandboxConfig *sandbox_config(const Crisp__State__Sandbox *row)
{
	Runtime__V1__PodSandboxConfig *c =
		runtime__v1__pod_sandbox_config__unpack(NULL, row->config.len, row->config.data);

	assert(c); /* packed by crispd, and rows have checksums */
	return c;
}

/* overhead: that of the pod, else its resources. */
static Runtime__V1__LinuxContainerResources *resources_of(const Crisp__State__Sandbox *row,
							  bool overhead)
{
	const ProtobufCBinaryData *kept = overhead ? &row->overhead : &row->resources;
	Runtime__V1__LinuxContainerResources *found = NULL;
	Runtime__V1__PodSandboxConfig *c;

	if (row->resources_known && kept->len)
		return runtime__v1__linux_container_resources__unpack(NULL, kept->len, kept->data);
	if (row->resources_known)
		return NULL;
	c = sandbox_config(row);
	if (c->linux && overhead)
		found = take_ptr(c->linux->overhead);
	else if (c->linux)
		found = take_ptr(c->linux->resources);
	runtime__v1__pod_sandbox_config__free_unpacked(c, NULL);
	return found;
}

Runtime__V1__LinuxContainerResources *sandbox_resources(const Crisp__State__Sandbox *row)
{
	return resources_of(row, false);
}

Runtime__V1__LinuxContainerResources *sandbox_overhead(const Crisp__State__Sandbox *row)
{
	return resources_of(row, true);
}

/* --- jobs: each has a copy of the record --- */

struct sandbox_job {
	struct job base;
	Crisp__State__Sandbox *row;
	bool again; /* an earlier daemon may have started the effect */
	bool collect; /* first free what no pod uses */
	bool hung; /* the previous shim was killed: wait for its end */
	struct payload_netns *netns;
	struct payload_network *network;
};

static struct sandbox_job *sandbox_job(struct job *j)
{
	return container_of(j, struct sandbox_job, base);
}

static void sandbox_job_free(struct job *j)
{
	struct sandbox_job *s = sandbox_job(j);

	crisp__state__sandbox__free_unpacked(s->row, NULL);
	payload_netns_free(s->netns);
	payload_network_free(s->network);
	free(s);
}

static struct job *sandbox_job_new(struct object *o, enum loop_lane lane,
				   int (*work)(struct job *, struct err *),
				   void (*done)(struct job *, struct object *))
{
	struct sandbox_job *s = xcalloc(1, sizeof(*s));

	s->row = sm_row_clone(row_of(o));
	s->again = ((const struct pod *)o->own)->loaded;
	job_init(&s->base, o, lane, work, done, sandbox_job_free);
	return &s->base;
}

/* --- setup: cgroup, namespaces, files, shim --- */

/* Skip a sysctl of a namespace that the pod has from the host.  Ids in values are the pod's. */
static int set_sysctl(const char *ns_dir, const Crisp__State__Sandbox *row,
		      const struct ns_sysctl *s, struct err *e)
{
	struct userns_map map;
	_cleanup_free_ char *value = pod_userns_map(row, &map) ? ns_map_sysctl(s, &map) : NULL;
	const struct ns_sysctl mapped = { s->name, value ? value : s->value };
	struct err why = ERR_NULL;

	if (ns_check_sysctl(s, row->host_network, row->host_ipc, &why) == 0)
		return ns_set_sysctls(ns_dir, &mapped, 1, e);
	log_err(LOG_LEVEL_WARN, "skip a sysctl of a pod", &why);
	return 0;
}

/* Those of the configuration, then those of the request, which win. */
static int set_sysctls(const char *ns_dir, const Crisp__State__Sandbox *row,
		       const Runtime__V1__PodSandboxConfig *c, struct err *e)
{
	char **conf = world.conf->default_sysctls;
	int r = 0;

	for (; conf && *conf && r == 0; conf++) {
		size_t len = strcspn(*conf, "=");
		_cleanup_free_ char *name = xstrndup(*conf, len);
		const struct ns_sysctl s = { name, *conf + len + 1 };

		r = set_sysctl(ns_dir, row, &s, e);
	}
	for (size_t i = 0; c->linux && i < c->linux->n_sysctls && r == 0; i++) {
		const struct ns_sysctl s = { c->linux->sysctls[i]->key,
					     c->linux->sysctls[i]->value };

		r = set_sysctl(ns_dir, row, &s, e);
	}
	return r;
}

static int make_namespaces(const char *id, const Crisp__State__Sandbox *row,
			   const Runtime__V1__PodSandboxConfig *c, struct payload_netns *f,
			   struct err *e)
{
	_cleanup_free_ char *dir = path_pod_ns(world.conf, id);
	_cleanup_free_ char *hostname = sandbox_hostname(c, row->host_network);
	unsigned kinds = (row->host_network ? 0 : NS_KIND_NET | NS_KIND_UTS) |
			 (row->host_ipc ? 0 : NS_KIND_IPC);
	struct userns_map map;
	bool mapped = pod_userns_map(row, &map);
	int r = ns_pin(dir, kinds, hostname, mapped ? &map : NULL, e);

	if (r == 0)
		r = set_sysctls(dir, row, c, e);
	if (r == 0 && !row->host_network)
		f->path = xasprintf("%s/net", dir);
	return r;
}

static int sysfs_inside(void *path, struct err *e)
{
	return mount_sysfs(path, e);
}

/* Mount the sysfs of the pod's network namespace writable.  All its mounts share one superblock,
 * which the first mount makes writable or not: of an unprivileged container it would be read-only
 * for the privileged ones, too. */
static int make_sysfs(const char *run, const struct payload_netns *f, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/sys", run);

	return f->path ? ns_run_inside(f->path, sysfs_inside, path, e) : 0;
}

static int find_network(const Runtime__V1__PodSandboxConfig *c, struct payload_netns *f,
			struct err *e)
{
	struct cni_conf found = CNI_CONF_NULL;
	int r = cni_conf_find(world.conf->network_dir, world.conf->cni_default_network,
			      (const char *const *)world.conf->plugin_dirs, &found, e);

	if (r == 0) {
		f->maps_ports = podports_wanted(world.conf, c, found.json);
		f->cni_conf = take_ptr(found.json);
	}
	cni_conf_done(&found);
	return r;
}

/* The shim's cgroup, in which runtimes of a dead shim may still run.  NULL: no own cgroup. */
static const char *shim_cgroup(const struct sandbox_job *s)
{
	return *s->row->shim_cgroup ? s->row->shim_cgroup : NULL;
}

/* With the systemd manager the parent is the daemon's cgroup: it has processes, so on cgroup v2 it
 * cannot enable controllers for its children. */
static int make_shim_cgroup(const char *cgroup, struct err *e)
{
	if (world.conf->cgroup_manager == CONF_CGROUP_MANAGER_SYSTEMD)
		return cgroup_create_plain(world.cgroups, cgroup, e);
	return cgroup_create(world.cgroups, cgroup, e);
}

/* Make what cAdvisor needs to take the pod for a container: a cgroup, and a directory that it
 * measures as the writable layer. */
static int make_own_cgroup(const char *cgroup, const char *durable, struct err *e)
{
	_cleanup_free_ char *layer = xasprintf("%s/diff", durable);
	int r = fs_mkdir_all(layer, 0700, e);

	return r == 0 ? cgroup_create_plain(world.cgroups, cgroup, e) : r;
}

static int start_shim(const struct sandbox_job *s, const char *run, struct err *e)
{
	_cleanup_free_ char *owner = pod_userns_owner(s->row);
	struct spawn_child shim = SPAWN_CHILD_NULL;
	int r = shim_start(world.shim_path, s->base.id, run, shim_cgroup(s), owner, SHIM_START_MS,
			   &shim, e);

	close_fdp(&shim.pidfd);
	return r;
}

static int work_set_up(struct job *j, struct err *e)
{
	struct sandbox_job *s = sandbox_job(j);
	Runtime__V1__PodSandboxConfig *c = sandbox_config(s->row);
	_cleanup_free_ char *run = path_pod_run(world.conf, j->id);
	_cleanup_free_ char *durable = path_pod_dir(world.conf, j->id);
	const char *cgroup = shim_cgroup(s);
	int r;

	s->netns = xcalloc(1, sizeof(*s->netns));
	r = fs_mkdir_all(run, 0700, e);
	if (r == 0)
		r = fs_mkdir_all(durable, 0700, e);
	if (r == 0 && cgroup)
		r = make_shim_cgroup(cgroup, e);
	if (r == 0 && *s->row->cgroup)
		r = make_own_cgroup(s->row->cgroup, durable, e);
	if (r == 0)
		r = make_namespaces(j->id, s->row, c, s->netns, e);
	if (r == 0)
		r = make_sysfs(run, s->netns, e);
	if (r == 0)
		r = sandbox_files_make(run, s->row, c, e);
	if (r == 0 && *c->log_directory == '/' && fs_mkdir_all(c->log_directory, 0755, e) < 0)
		r = err_wrap(e, "config.log_directory");
	if (r == 0 && !s->row->host_network)
		r = find_network(c, s->netns, e);
	if (r == 0)
		r = start_shim(s, run, e);
	runtime__v1__pod_sandbox_config__free_unpacked(c, NULL);
	return r < 0 ? err_wrap(e, "sandbox %.13s", j->id) : 0;
}

static void setup_failed(struct object *o, uint64_t gen, const struct err *e)
{
	effect_report(o, gen, sm_event_failed(SBX_EVENT_SETUP_FAILED, e));
}

static void done_set_up(struct job *j, struct object *o)
{
	job_report(j, o,
		   j->result < 0 ? sm_event_failed(SBX_EVENT_SETUP_FAILED, &j->err)
				 : sbx_event_prepared(take_ptr(sandbox_job(j)->netns)));
}

void sbx_effect_set_up(struct sm_object *sm)
{
	job_start(sandbox_job_new(object_of(sm), LANE_START, work_set_up, done_set_up));
}

/* --- setup: the line to the shim --- */

static struct payload_init *init_payload(pid_t pid, uint64_t ticks)
{
	struct payload_init *f = xcalloc(1, sizeof(*f));

	f->pid = pid;
	f->ticks = ticks;
	return f;
}

static void shim_connected(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	struct err e = ERR_NULL;

	if (link) {
		effect_report(o, gen, sbx_event_connected(init_payload(pod_shim_pid(p), 0)));
		return;
	}
	err_set(&e, ERR_UNAVAILABLE,
		"sandbox %.13s: its shim is lost right after its start (%s); see shim.log in its "
		"run directory",
		o->sm->id, p->lost ? p->lost : "it has ended");
	setup_failed(o, gen, &e);
}

void sbx_effect_connect_shim(struct sm_object *sm)
{
	struct object *o = object_of(sm);

	pod_open(o->own);
	pod_when_settled(o->own, o, shim_connected);
}

/* --- setup: the init of a shared PID namespace --- */

int sandbox_check_line(const struct object *o, struct err *e)
{
	const struct pod *p = o->own;

	if (pod_is_up(p))
		return podground_check(p, e);
	return err_set(e, ERR_UNAVAILABLE,
		       "sandbox %.13s: its shim ended while the pod was made; "
		       "see shim.log in its run directory",
		       o->sm->id);
}

static void init_made(struct object *o, uint64_t gen, struct shim_answer *ans,
		      const struct err *err)
{
	pid_t pid = (pid_t)ans->status.pid;

	if (err) {
		setup_failed(o, gen, err);
		return;
	}
	podground_watch_init(o->own, pid, ans->status.start_ticks);
	effect_report(o, gen, sbx_event_init_started(init_payload(pid, ans->status.start_ticks)));
}

/* Open the pod's own namespaces for its init.  The caller closes fds, also after an error. */
static int open_namespaces(const struct object *o, int fds[SHIM_FDS_MAX], size_t *ret_n,
			   struct err *e)
{
	_cleanup_free_ char *dir = path_pod_ns(world.conf, o->sm->id);
	const Crisp__State__Sandbox *row = row_of(o);
	const struct {
		const char *name;
		bool own;
	} kinds[] = {
		{ "user", row->uids },
		{ "net", !row->host_network },
		{ "ipc", !row->host_ipc },
		{ "uts", !row->host_network },
	};

	*ret_n = 0;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", dir, kinds[i].name);

		if (!kinds[i].own)
			continue;
		fds[*ret_n] = ns_is_pinned(path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
		if (fds[*ret_n] < 0)
			return err_set(e, ERR_INTERNAL, "sandbox %.13s: no namespace at %s",
				       o->sm->id, path);
		++*ret_n;
	}
	return 0;
}

void sbx_effect_start_init(struct sm_object *sm)
{
	const struct shim_request req = { .type = SHIM_INIT };
	struct object *o = object_of(sm);
	int fds[SHIM_FDS_MAX];
	struct err e = ERR_NULL;
	size_t n;

	if (open_namespaces(o, fds, &n, &e) < 0)
		setup_failed(o, sm->effect_gen, &e);
	else
		pod_request(o->own, o, &req, fds, n, init_made);
	while (n)
		close(fds[--n]);
}

static int work_pin_init(struct job *j, struct err *e)
{
	_cleanup_free_ char *dir = path_pod_ns(world.conf, j->id);

	return ns_pin_pid(dir, sandbox_job(j)->row->init_pid, e);
}

static void done_pin_init(struct job *j, struct object *o)
{
	if (j->result == 0 && o)
		j->result = sandbox_check_line(o, &j->err);
	job_report(j, o,
		   sm_event_failed(j->result < 0 ? SBX_EVENT_SETUP_FAILED : SBX_EVENT_INIT_PINNED,
				   &j->err));
}

void sbx_effect_pin_init(struct sm_object *sm)
{
	job_start(sandbox_job_new(object_of(sm), LANE_START, work_pin_init, done_pin_init));
}

/* --- replace a shim --- */

static int work_replace_shim(struct job *j, struct err *e)
{
	const struct sandbox_job *s = sandbox_job(j);
	_cleanup_free_ char *run = path_pod_run(world.conf, j->id);
	const char *cgroup = shim_cgroup(s);
	int r = s->hung ? sandbox_end_shim(run, 0, e) : 0;

	/* Kill runtimes that the dead shim started: their outcome reaches no process. */
	if (r == 0 && cgroup && !shim_is_alive(run, NULL))
		r = reach_end_cgroup(cgroup, s->row->init_pid, e);
	if (r == 0)
		r = start_shim(s, run, e);
	return r < 0 ? err_wrap(e, "sandbox %.13s", j->id) : 0;
}

static void shim_replaced(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	struct err e = ERR_NULL;

	if (link && podground_check(p, &e) < 0) {
		effect_report(o, gen, sm_event_failed(SBX_EVENT_POD_BROKEN, &e));
		return;
	}
	if (link) {
		struct payload_setup *f = xcalloc(1, sizeof(*f));

		f->shim_pid = (int32_t)pod_shim_pid(p);
		effect_report(o, gen, sbx_event_is_set_up(f));
		return;
	}
	err_set(&e, ERR_UNAVAILABLE,
		"sandbox %.13s: its new shim ended; see "
		"shim.log in its run directory",
		o->sm->id);
	setup_failed(o, gen, &e);
}

static void done_replace_shim(struct job *j, struct object *o)
{
	if (!o || o->sm->effect_gen != j->gen)
		return;
	if (j->result < 0) {
		log_err(LOG_LEVEL_WARN, "replace a shim", &j->err);
		setup_failed(o, j->gen, &j->err);
		return;
	}
	pod_open(o->own);
	pod_when_tried(o->own, o, shim_replaced);
}

/* Pause before another shim in a crash loop; after a failure the engine pauses itself. */
static int64_t replace_pause_of(const struct object *o)
{
	uint32_t tries = row_of(o)->revive_tries;

	if (tries <= 1 || o->sm->failure || world.recovering)
		return 0;
	return sm_pause_ns(o->sm, tries - 1);
}

void sbx_effect_replace_shim(struct sm_object *sm)
{
	struct object *o = object_of(sm);
	struct pod *p = o->own;
	enum loop_lane lane = row_of(o)->revive_tries > 1 ? LANE_RETRY : LANE_START;
	struct job *j = sandbox_job_new(o, lane, work_replace_shim, done_replace_shim);

	/* Hold descriptors here too: after a daemon's restart no event of the line did. */
	if (pod_is_down(p))
		container_rescue_all(p);
	sandbox_job(j)->hung = pod_is_killed(p);
	job_start_after(j, replace_pause_of(o));
}

/* --- probe after a restart of the daemon --- */

static void probe_settled(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	struct err e = ERR_NULL;
	struct payload_setup *f;

	if (link && podground_check(p, &e) < 0) {
		effect_report(o, gen, sm_event_failed(SBX_EVENT_POD_BROKEN, &e));
		return;
	}
	if (link) {
		f = xcalloc(1, sizeof(struct payload_setup));
		f->init_pid = row_of(o)->init_pid;
		f->init_ticks = row_of(o)->init_ticks;
		f->shim_pid = (int32_t)pod_shim_pid(p);
		effect_report(o, gen, sbx_event_is_set_up(f));
		return;
	}
	if (strcmp(row_of(o)->boot_id, clock_boot_id()) != 0)
		err_set(&e, ERR_UNAVAILABLE, "the node was rebooted");
	else
		err_set(&e, ERR_UNAVAILABLE, "the pod's shim has ended");
	effect_report(o, gen, sm_event_failed(SBX_EVENT_SHIM_LOST, &e));
}

void sbx_effect_probe_shim(struct sm_object *sm)
{
	struct object *o = object_of(sm);

	pod_when_tried(o->own, o, probe_settled);
}

/* Poll until the shim's lock is free; SIGKILL the shim after grace_ms.  An exiting shim may hold
 * its lock without a known pid (pidfd -1): then only wait. */
int sandbox_end_shim(const char *run, int64_t grace_ms, struct err *e)
{
	int64_t until = clock_monotonic_ns() + grace_ms * NSEC_PER_MSEC;
	bool late = false;

	for (;;) {
		struct spawn_child shim = SPAWN_CHILD_NULL;
		int64_t left_ms = (until - clock_monotonic_ns()) / NSEC_PER_MSEC;
		struct pollfd p;

		if (!shim_is_alive(run, &shim))
			return 0;
		if (left_ms <= 0 && late) {
			close_fdp(&shim.pidfd);
			return err_set(e, ERR_UNAVAILABLE, "the shim of %s does not end", run);
		}
		if (left_ms <= 0) {
			if (shim.pidfd >= 0)
				pidfd_send_signal(shim.pidfd, SIGKILL, NULL, 0);
			late = true;
			left_ms = SHIM_LATE_MS;
			until = clock_monotonic_ns() + SHIM_LATE_MS * NSEC_PER_MSEC;
		}
		p = (struct pollfd){ .fd = shim.pidfd, .events = POLLIN };
		poll(&p, 1, shim.pidfd < 0 ? SHIM_LOOK_MS : (int)left_ms);
		close_fdp(&shim.pidfd);
	}
}

/* Kill the pod's init, which outlives a killed shim. */
static int end_init(const char *run, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/" SHIM_INIT_NAME, run);
	_cleanup_buf_ struct buf text = BUF_NULL;
	_cleanup_close_ int pidfd = -1;
	unsigned long long ticks;
	int pid, r = fs_read_file(path, 128, &text, e);

	if (r)
		return MIN(r, 0);
	if (!text.len || sscanf(text.data, "%d %llu", &pid, &ticks) != 2)
		return 0; /* partly written: the init was never reported */
	r = proc_open(pid, ticks, &pidfd, e);
	if (r == 0 && pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		r = err_errno(e, ERR_INTERNAL, errno, "kill the init of %s", run);
	return MIN(r, 0);
}

int sandbox_take_down(const char *id, const char *cgroup, int64_t grace_ms, struct err *e)
{
	_cleanup_free_ char *run = path_pod_run(world.conf, id);
	_cleanup_free_ char *ns = path_pod_ns(world.conf, id);
	int r = sandbox_end_shim(run, grace_ms, e);

	if (r == 0)
		r = end_init(run, e);
	if (r == 0 && cgroup)
		r = reach_end_cgroup(cgroup, 0, e);
	if (r == 0)
		r = ns_unpin(ns, e);
	if (r == 0)
		r = mount_remove_below(run, e);
	if (r == 0)
		r = fs_remove_tree(run, e);
	if (r == 0 && cgroup)
		r = cgroup_remove(world.cgroups, cgroup, e);
	return r < 0 ? err_wrap(e, "sandbox %.13s", id) : 0;
}

static int work_tear_down(struct job *j, struct err *e)
{
	const struct sandbox_job *s = sandbox_job(j);
	int r = sandbox_clean_dump(j->id, s->row, e);

	if (r == 0)
		r = sandbox_take_down(j->id, shim_cgroup(s), SHIM_END_MS, e);
	if (r == 0 && *s->row->cgroup)
		r = cgroup_remove(world.cgroups, s->row->cgroup, e);
	return r;
}

static void done_tear_down(struct job *j, struct object *o)
{
	job_report_retry(j, o, "tear a sandbox down, tried again", SBX_EVENT_TORN_DOWN,
			 SBX_EVENT_TEARDOWN_STUCK);
}

void sbx_effect_tear_down(struct sm_object *sm)
{
	struct object *o = object_of(sm);

	pod_shutdown(o->own);
	job_start(sandbox_job_new(o, o->sm->failure ? LANE_RETRY : LANE_STOP, work_tear_down,
				  done_tear_down));
}

/* --- network --- */

static int work_network_up(struct job *j, struct err *e)
{
	struct sandbox_job *s = sandbox_job(j);
	Runtime__V1__PodSandboxConfig *c;
	_cleanup_free_ char *run = path_pod_run(world.conf, j->id);
	_cleanup_free_ char *hostname = NULL;
	int r;

	r = sandbox_net_up(world.conf, j->id, s->row, s->again, &s->network, e);
	if (r < 0)
		return r;
	c = sandbox_config(s->row);
	hostname = sandbox_hostname(c, false);
	r = sandbox_files_hosts(run, s->row, hostname, s->network->ips, e);
	runtime__v1__pod_sandbox_config__free_unpacked(c, NULL);
	return r;
}

static void done_network_up(struct job *j, struct object *o)
{
	struct sandbox_job *s = sandbox_job(j);

	if (j->result == 0 && o)
		j->result = sandbox_check_line(o, &j->err);
	if (j->result < 0)
		job_report(j, o, sm_event_failed(SBX_EVENT_NETWORK_FAILED, &j->err));
	else
		job_report(j, o, sbx_event_network_up(take_ptr(s->network)));
}

static void network_line_settled(struct object *o, uint64_t gen, struct pod *p,
				 struct shim_link *link)
{
	struct err e = ERR_NULL;

	(void)p;
	(void)link;
	if (sandbox_check_line(o, &e) < 0)
		effect_report(o, gen, sm_event_failed(SBX_EVENT_NETWORK_FAILED, &e));
	else
		job_start(sandbox_job_new(o, LANE_NET_UP, work_network_up, done_network_up));
}

void sbx_effect_add_network(struct sm_object *sm)
{
	struct object *o = object_of(sm);

	pod_when_settled(o->own, o, network_line_settled);
}

static int work_open_ports(struct job *j, struct err *e)
{
	return podports_open(world.conf, j->id, sandbox_job(j)->row, e);
}

static void done_open_ports(struct job *j, struct object *o)
{
	if (j->result == 0 && o)
		j->result = sandbox_check_line(o, &j->err);
	job_report(j, o,
		   sm_event_failed(j->result < 0 ? SBX_EVENT_PORTS_FAILED : SBX_EVENT_PORTS_OPEN,
				   &j->err));
}

static void ports_line_settled(struct object *o, uint64_t gen, struct pod *p,
			       struct shim_link *link)
{
	(void)gen;
	(void)p;
	(void)link;
	job_start(sandbox_job_new(o, LANE_NET_UP, work_open_ports, done_open_ports));
}

void sbx_effect_open_ports(struct sm_object *sm)
{
	struct object *o = object_of(sm);

	pod_when_settled(o->own, o, ports_line_settled);
}

static int work_network_down(struct job *j, struct err *e)
{
	const struct sandbox_job *s = sandbox_job(j);
	struct err why = ERR_NULL;

	if (podports_close(world.conf, j->id, s->row, e) < 0)
		return -(int)e->code;

	if (s->collect && netgc_collect(world.conf, s->row->cni_conf, j->id, &why) < 0)
		log_err(LOG_LEVEL_WARN, "collect unused networks", &why);
	return sandbox_net_down(world.conf, j->id, s->row, s->again, e);
}

static void done_network_down(struct job *j, struct object *o)
{
	job_report_retry(j, o, "remove a pod network, tried again", SBX_EVENT_NETWORK_DOWN,
			 SBX_EVENT_NETWORK_STUCK);
}

void sbx_effect_delete_network(struct sm_object *sm)
{
	struct object *o = object_of(sm);
	struct job *j = sandbox_job_new(o, o->sm->failure ? LANE_NET_RETRY : LANE_NET_DOWN,
					work_network_down, done_network_down);

	/* Once: a plugin that hangs in GC keeps the networks of new pods waiting. */
	sandbox_job(j)->collect = o->sm->failure && o->sm->failure->tries == 1;
	job_start(j);
}

/* --- the end --- */

static int work_erase(struct job *j, struct err *e)
{
	_cleanup_free_ char *dir = path_pod_dir(world.conf, j->id);
	_cleanup_free_ char *logs = path_pod_logs(world.conf, j->id);
	int r = fs_remove_tree(logs, e);

	return r < 0 ? r : fs_remove_tree(dir, e);
}

static void done_erase(struct job *j, struct object *o)
{
	job_report_retry(j, o, "remove a sandbox directory, tried again", SBX_EVENT_ERASED,
			 SBX_EVENT_ERASE_STUCK);
}

void sbx_effect_erase(struct sm_object *sm)
{
	struct object *o = object_of(sm);

	job_start(sandbox_job_new(o, o->sm->failure ? LANE_RETRY : LANE_STOP, work_erase,
				  done_erase));
}

/* --- life --- */

static void sandbox_born(struct object *o)
{
	const struct sm_state *s = sm_state(o->sm);
	struct pod *p = o->own = pod_new(o);

	p->loaded = s->kind != SM_KIND_INITIAL;
	/* A shim of this boot may be alive: connect. */
	if (p->loaded && strcmp(row_of(o)->boot_id, clock_boot_id()) == 0 &&
	    sbx_is_live(o->sm->state)) {
		if (row_of(o)->init_pid > 0)
			podground_watch_init(p, row_of(o)->init_pid, row_of(o)->init_ticks);
		pod_open(p);
	} else if (p->loaded) {
		pod_was_dead(p);
	}
}

/* When the pod stops its containers, do not wait for another shim: settle them without one. */
static void sandbox_moved(struct object *o, const struct sm_row *row)
{
	usage_forget(o);
	if (sbx_is_dumping(row->state) && !sbx_is_dumping(row->target))
		dumpcancel_all(o->sm->id);
	if (row->target != row->state && sbx_is_stopping_containers(o->sm->state))
		pod_give_up(o->own);
}

static void sandbox_gone(struct object *o)
{
	usage_forget(o);
	pod_free(o->own);
}

/* Release the name during undo: a CNI plugin that refuses DEL must not block the next run. */
static bool sandbox_is_nameless(const struct sm_object *sm)
{
	return ((const Crisp__State__Sandbox *)sm->row)->undo || sbx_is_nameless(sm->state);
}

static const char *sandbox_name_key(const void *row)
{
	return ((const Crisp__State__Sandbox *)row)->name_key;
}

/* RunPodSandbox answers with an error before the undo, so no client has the id. */
static bool sandbox_is_hidden(const void *row)
{
	return ((const Crisp__State__Sandbox *)row)->undo;
}

const struct kind_ops kind_sandbox = {
	.machine = &sbx_machine,
	.born = sandbox_born,
	.moved = sandbox_moved,
	.gone = sandbox_gone,
	.is_nameless = sandbox_is_nameless,
	.name_key = sandbox_name_key,
	.put_listing = sandbox_put_listing,
	.shows = &runtime__v1__pod_sandbox_state__descriptor,
	.is_hidden = sandbox_is_hidden,
	.end_remains = remains_end_pod,
};
