/*
 * spent.c - one try at once, one more for processes that the kernel has not yet taken out.
 */
#include "pod/spent.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/jobs.h"
#include "core/paths.h"
#include "os/cgroup.h"

#define AGAIN_NS NSEC_PER_SEC

struct spent_job {
	struct job base;
	char *cgroup;
	bool last;
};

static void spent_free(struct job *j)
{
	struct spent_job *s = container_of(j, struct spent_job, base);

	free(s->cgroup);
	free(s);
}

static int spent_work(struct job *j, struct err *e)
{
	return cgroup_remove_idle(world.cgroups, container_of(j, struct spent_job, base)->cgroup,
				  e);
}

static void remove_after(struct object *o, char *cgroup, int64_t pause_ns);

static void spent_done(struct job *j, struct object *o)
{
	struct spent_job *s = container_of(j, struct spent_job, base);

	if (j->result == 1 && o && !s->last)
		remove_after(o, take_ptr(s->cgroup), AGAIN_NS);
	if (j->result < 0)
		log_err(LOG_LEVEL_WARN, "remove the cgroup of a container that ended", &j->err);
}

/* Takes cgroup. */
static void remove_after(struct object *o, char *cgroup, int64_t pause_ns)
{
	struct spent_job *s = xcalloc(1, sizeof(*s));

	s->cgroup = cgroup;
	s->last = pause_ns > 0;
	job_init(&s->base, o, LANE_STOP, spent_work, spent_done, spent_free);
	job_start_after(&s->base, pause_ns);
}

void spent_remove_cgroup(struct object *container)
{
	const Crisp__State__Container *row = container->sm->row;

	if (*row->cgroups_path)
		remove_after(container, cgroup_dir(row->cgroups_path), 0);
}
