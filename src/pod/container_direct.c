/*
 * container_direct.c - what is asked of a running container beside its machine: a new log file,
 * other limits.  Neither waits for a stop or any other operation that is under way; limits that
 * are in force are then told to the machine, which remembers them.
 */
#include <string.h>

#include "base/log.h"
#include "core/paths.h"
#include "core/payloads.h"
#include "os/cgroup.h"
#include "pod/container.h"
#include "pod/shim.h"

static void reopened(void *arg, struct shim_answer *ans, const struct err *err)
{
	(void)ans;
	caller_finish(arg, NULL, err);
}

int container_reopen_log(struct caller *c, const char *id, struct err *e)
{
	struct shim_request req = { .type = SHIM_REOPEN };
	struct object *o;
	struct pod *p;
	int r = world_lookup(KIND_CONTAINER, id, &o, e);

	if (r < 0)
		return r;
	p = pod_find(((const Crisp__State__Container *)o->sm->row)->sandbox_id);
	if (!ctr_is_begun(o->sm->state) || !p)
		return err_set(e, ERR_PRECONDITION, "container %s is not running", id);
	if (p->line != POD_LINE_READY)
		return err_set(e, ERR_UNAVAILABLE,
			       "the shim of container %s is being replaced: try again", id);
	req.id = o->sm->id;
	return shim_link_call(p->link, &req, NULL, 0, reopened, c, e);
}

/* --- UpdateContainerResources --- */

struct update {
	struct loop_job base;
	struct caller *call;
	const Runtime__V1__LinuxContainerResources *linux; /* of the call's request */
	char id[ID_LEN + 1];
	char *cgroup;
	int result;
	struct err err;
};

static void update_work(struct loop_job *base)
{
	struct update *u = container_of(base, struct update, base);
	const Runtime__V1__LinuxContainerResources *l = u->linux;
	struct cgroup_hugepages *huge = xcalloc(l->n_hugepage_limits, sizeof(*huge));
	struct cgroup_setting *unified = xcalloc(l->n_unified, sizeof(*unified));
	struct cgroup_limits limits = {
		.cpu_shares = (uint64_t)MAX(l->cpu_shares, INT64_C(0)),
		.cpu_quota = l->cpu_quota,
		.cpu_period = (uint64_t)MAX(l->cpu_period, INT64_C(0)),
		.memory = l->memory_limit_in_bytes,
		.memory_swap = l->memory_swap_limit_in_bytes,
		.cpuset_cpus = *l->cpuset_cpus ? l->cpuset_cpus : NULL,
		.cpuset_mems = *l->cpuset_mems ? l->cpuset_mems : NULL,
		.hugepages = huge,
		.n_hugepages = l->n_hugepage_limits,
		.unified = unified,
		.n_unified = l->n_unified,
	};

	for (size_t i = 0; i < l->n_hugepage_limits; i++)
		huge[i] = (struct cgroup_hugepages){ l->hugepage_limits[i]->page_size,
						     l->hugepage_limits[i]->limit };
	for (size_t i = 0; i < l->n_unified; i++)
		unified[i] = (struct cgroup_setting){ l->unified[i]->key, l->unified[i]->value };
	u->result = cgroup_write_limits(world.cgroups, u->cgroup, &limits, &u->err);
	free(huge);
	free(unified);
}

/* What was asked for, over what was there: 0 and "" mean that nothing changes. */
static void overlay(Runtime__V1__LinuxContainerResources *to,
		    const Runtime__V1__LinuxContainerResources *from)
{
#define TAKE(field) \
	do { \
		if (from->field) \
			to->field = from->field; \
	} while (0)
	TAKE(cpu_period);
	TAKE(cpu_quota);
	TAKE(cpu_shares);
	TAKE(memory_limit_in_bytes);
	TAKE(memory_swap_limit_in_bytes);
	TAKE(oom_score_adj);
#undef TAKE
	if (*from->cpuset_cpus)
		to->cpuset_cpus = from->cpuset_cpus;
	if (*from->cpuset_mems)
		to->cpuset_mems = from->cpuset_mems;
	if (from->n_hugepage_limits) {
		to->n_hugepage_limits = from->n_hugepage_limits;
		to->hugepage_limits = from->hugepage_limits;
	}
	if (from->n_unified) {
		to->n_unified = from->n_unified;
		to->unified = from->unified;
	}
}

static struct payload_resources *merged(const Crisp__State__Container *row,
				      const Runtime__V1__LinuxContainerResources *change)
{
	Runtime__V1__LinuxContainerResources all = RUNTIME__V1__LINUX_CONTAINER_RESOURCES__INIT;
	Runtime__V1__LinuxContainerResources *last = NULL;
	Runtime__V1__ContainerConfig *c = container_config(row);
	struct payload_resources *f = xcalloc(1, sizeof(*f));

	if (row->resources.len)
		last = runtime__v1__linux_container_resources__unpack(NULL, row->resources.len,
								      row->resources.data);
	if (last)
		overlay(&all, last);
	else if (c->linux && c->linux->resources)
		overlay(&all, c->linux->resources);
	overlay(&all, change);
	f->size = runtime__v1__linux_container_resources__get_packed_size(&all);
	f->packed = xmalloc(f->size);
	runtime__v1__linux_container_resources__pack(&all, f->packed);
	if (last)
		runtime__v1__linux_container_resources__free_unpacked(last, NULL);
	runtime__v1__container_config__free_unpacked(c, NULL);
	return f;
}

static void update_done(struct loop_job *base)
{
	struct update *u = container_of(base, struct update, base);
	struct object *o = world_find(KIND_CONTAINER, u->id);

	if (u->result == 0 && !o)
		u->result = err_set(&u->err, ERR_NOT_FOUND, "the container was removed meanwhile");
	if (u->result < 0)
		caller_finish(u->call, NULL, &u->err);
	else
		caller_dispatch(u->call, o, ctr_event_update(merged(o->sm->row, u->linux)));
	free(u->cgroup);
	free(u);
}

int container_update(struct caller *c, const Runtime__V1__UpdateContainerResourcesRequest *req,
		     struct err *e)
{
	struct object *o;
	struct update *u;
	int r = world_lookup(KIND_CONTAINER, req->container_id, &o, e);

	if (r < 0)
		return r;
	if (!ctr_is_updatable(o->sm->state))
		return err_set(e, ERR_PRECONDITION, "container %s has no process",
			       req->container_id);
	if (!req->linux) {
		caller_finish(c, NULL, NULL);
		return 0;
	}
	u = xcalloc(1, sizeof(*u));
	u->base.work = update_work;
	u->base.done = update_done;
	u->call = c;
	u->linux = req->linux;
	memcpy(u->id, o->sm->id, sizeof(u->id));
	u->cgroup = cgroup_dir(((const Crisp__State__Container *)o->sm->row)->cgroups_path);
	r = loop_work(world.loop, LANE_SESSION, &u->base, e);
	if (r < 0) {
		free(u->cgroup);
		free(u);
	}
	return r;
}
