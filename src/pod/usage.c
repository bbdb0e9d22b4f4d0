/*
 * usage.c - CPU, memory and network of a container or pod, from its cgroup and network namespace.
 */
#include "pod/usage.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/util.h"
#include "core/paths.h"

/* Minimum between the two samples of a rate: shorter periods show scheduling, not load. */
#define RATE_NS (NSEC_PER_SEC / 2)

/* Descriptors kept open for figures: at most RLIMIT_NOFILE / KEPT_SHARE, and KEPT_MAX. */
#define KEPT_SHARE 4
#define KEPT_MAX 16384

/* Workers read through the files; only the loop thread changes the struct. */
struct usage_files {
	unsigned refs;
	unsigned kept; /* this struct's part of the global `kept` */
	struct cgroup_files cgroup;
	int net;
};

static unsigned kept;

static void files_unref(struct usage_files *f)
{
	if (!f || --f->refs)
		return;
	kept -= f->kept;
	cgroup_files_done(&f->cgroup);
	close_fdp(&f->net);
	free(f);
}

static unsigned kept_max(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return 0;
	return (unsigned)MIN(lim.rlim_cur / KEPT_SHARE, (rlim_t)KEPT_MAX);
}

static void files_keep(struct object *o, struct usage_files *f)
{
	unsigned n = f->cgroup.n + (f->net >= 0);

	if (o->usage_files || kept + n > kept_max())
		return;
	f->kept = n;
	kept += n;
	f->refs++;
	o->usage_files = f;
}

void usage_forget(struct object *o)
{
	files_unref(take_ptr(o->usage_files));
}

static const char *keep(struct arena *a, char *s)
{
	_cleanup_free_ char *own = s;

	return own ? arena_strdup(a, own) : NULL;
}

static void begin_container(const Crisp__State__Container *row, struct arena *a, struct usage *u)
{
	u->created_ns = row->created_ns;
	u->started_ns = row->started_ns;
	u->pid = row->pid;
	if (*row->cgroups_path)
		u->cgroup = keep(a, cgroup_dir(row->cgroups_path));
}

static void begin_sandbox(const Crisp__State__Sandbox *row, struct arena *a, struct usage *u)
{
	u->created_ns = row->created_ns;
	u->started_ns = row->created_ns;
	/* All pods without a cgroup parent share the default parent. */
	if (strcmp(row->cgroup_parent, world.conf->default_cgroup_parent) != 0)
		u->cgroup = keep(a, cgroup_of_pod(row->cgroup_parent));
	if (*row->netns && !row->host_network)
		u->netns = arena_strdup(a, row->netns);
}

void usage_begin(struct object *o, struct arena *a, struct usage *ret)
{
	*ret = (struct usage){
		.kind = o->kind,
		.past = o->usage,
		.seq = o->sm->seq,
		.files = o->usage_files,
	};
	if (ret->files)
		ret->files->refs++;
	memcpy(ret->id, o->sm->id, sizeof(ret->id));
	if (o->kind == KIND_SANDBOX) {
		begin_sandbox(o->sm->row, a, ret);
		return;
	}
	ret->disk = *o->disk;
	begin_container(o->sm->row, a, ret);
	diskuse_want(o, false);
}

static int files_open(struct usage *u, struct err *e)
{
	struct usage_files *f = xcalloc(1, sizeof(*f));
	int r = 0;

	u->fresh = f;
	f->refs = 1;
	f->net = -1;
	f->cgroup = CGROUP_FILES_NULL;
	if (u->cgroup)
		r = cgroup_files_open(world.cgroups, u->cgroup, false, &f->cgroup, e);
	if (r >= 0 && u->netns)
		r = netdev_open(u->netns, &f->net, e);
	return r;
}

/* 0: done.  1: the files' cgroup was removed, open them again.  <0: e is set. */
static int read_files(struct usage *u, const struct usage_files *f, struct err *e)
{
	if (f->cgroup.opened && cgroup_files_read(&f->cgroup, &u->now))
		return 1;
	return f->net >= 0 ? netdev_read_fd(f->net, &u->devs, &u->n_devs, e) : 0;
}

void usage_read(struct usage *u)
{
	struct err e = ERR_NULL;
	int r = 1;

	u->at = clock_realtime_ns();
	u->monotonic = clock_monotonic_ns();
	u->now = (struct cgroup_usage){ .memory_limit = UINT64_MAX, .swap_limit = UINT64_MAX };
	if (u->files)
		r = read_files(u, u->files, &e);
	if (r > 0) {
		r = files_open(u, &e);
		if (r >= 0)
			r = read_files(u, u->fresh, &e);
	}
	if (r < 0)
		log_err(LOG_LEVEL_WARN, "figures are missing", &e);
}

void usage_add(struct usage *pod, const struct usage *container)
{
	struct cgroup_usage *sum = &pod->now;
	const struct cgroup_usage *c = &container->now;

	sum->cpu_ns += c->cpu_ns;
	sum->memory += c->memory;
	sum->working_set += c->working_set;
	sum->rss += c->rss;
	sum->page_faults += c->page_faults;
	sum->major_page_faults += c->major_page_faults;
	sum->pids += c->pids;
}

/* Add a sample.  Compute a rate only if time and CPU time have advanced: a second client may have
 * sampled meanwhile, or the cgroup may be a new one. */
static void sample(struct usage_past *p, int64_t at, uint64_t cpu_ns)
{
	int64_t passed = at - p->cpu_at;

	if (p->cpu_at && passed < RATE_NS)
		return;
	p->rated = p->cpu_at && cpu_ns >= p->cpu_ns;
	if (p->rated)
		p->rate = (uint64_t)((double)(cpu_ns - p->cpu_ns) * (double)NSEC_PER_SEC /
				     (double)passed);
	p->cpu_at = at;
	p->cpu_ns = cpu_ns;
}

void usage_end(struct usage *u)
{
	struct object *o = world_find(u->kind, u->id);
	struct usage_past *p = o ? &o->usage : &u->past;

	/* Drop files opened before a move: they may keep an ended pod's netns alive. */
	if (o && u->fresh && o->sm->seq == u->seq) {
		usage_forget(o);
		files_keep(o, u->fresh);
	}
	sample(p, u->monotonic, u->now.cpu_ns);
	u->past = *p;
}

void usage_done(struct usage *u)
{
	files_unref(take_ptr(u->files));
	files_unref(take_ptr(u->fresh));
	free(u->devs);
	u->devs = NULL;
}
