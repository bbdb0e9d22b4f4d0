/*
 * usage.c - CPU, memory and network of a container or pod, from its cgroup and network namespace.
 */
#include "obj/usage.h"

#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "obj/paths.h"

/* Between the samples of a rate: what is nearer together shows the scheduler, not the load. */
#define RATE_NS (NSEC_PER_SEC / 2)

static const char *keep(struct arena *a, char *s)
{
	_cleanup_free_ char *own = s;

	return own ? arena_strdup(a, own) : NULL;
}

static void begin_container(const Crisp__State__Container *row, struct arena *a,
			    struct usage *u)
{
	if (*row->cgroups_path)
		u->cgroup = keep(a, cgroup_dir(row->cgroups_path));
}

static void begin_sandbox(const Crisp__State__Sandbox *row, struct arena *a, struct usage *u)
{
	/* The default parent is shared by all pods that name none. */
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
		.disk = o->disk,
	};
	memcpy(ret->id, o->sm->id, sizeof(ret->id));
	if (o->kind == KIND_SANDBOX) {
		begin_sandbox(o->sm->row, a, ret);
		return;
	}
	begin_container(o->sm->row, a, ret);
	diskuse_want(o, false);
}

void usage_read(struct usage *u)
{
	struct err e = ERR_NULL;

	u->at = clock_realtime_ns();
	u->monotonic = clock_monotonic_ns();
	u->now = (struct cgroup_usage){ .memory_limit = UINT64_MAX, .swap_limit = UINT64_MAX };
	if (u->cgroup)
		cgroup_read_usage(world.cgroups, u->cgroup, &u->now, &e);
	if (e.code == ERR_OK && u->netns)
		netdev_read(u->netns, &u->devs, &u->n_devs, &e);
	if (e.code != ERR_OK)
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

/* A second client may have asked meanwhile, and a container's cgroup may have been made anew: only
 * what is later and more than the sample before it makes a rate. */
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

	sample(p, u->monotonic, u->now.cpu_ns);
	u->past = *p;
}

void usage_done(struct usage *u)
{
	free(u->devs);
	u->devs = NULL;
}
