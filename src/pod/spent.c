/*
 * spent.c - try before the end is reported, when it is stored, and once more a second later.
 *
 * An end that is found without a shim is not reported here, so that the second try is its first.
 * The last try is for processes that the kernel has not yet taken out of the cgroup.
 */
#include "pod/spent.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/paths.h"
#include "os/cgroup.h"
#include "pod/container.h"

#define AGAIN_NS NSEC_PER_SEC

static int work(struct job *j, struct err *e)
{
	_cleanup_free_ char *cgroup = cgroup_dir(container_job_row(j)->cgroups_path);

	return cgroup_remove_idle(world.cgroups, cgroup, e);
}

static void done_again(struct job *j, struct object *o)
{
	(void)o;
	if (j->result < 0)
		log_err(LOG_LEVEL_WARN, "remove the cgroup of a container that ended", &j->err);
}

static void done(struct job *j, struct object *o)
{
	if (j->result != 0 && o)
		job_start_after(container_job_new(o, LANE_STOP, work, done_again), AGAIN_NS);
}

/* --- before the end is reported --- */

struct end_job {
	struct job base;
	char *cgroup;
	struct sm_event *end;
};

static void end_free(struct job *j)
{
	struct end_job *end = container_of(j, struct end_job, base);

	sm_event_free(end->end);
	free(end->cgroup);
	free(end);
}

static int end_work(struct job *j, struct err *e)
{
	return cgroup_remove_idle(world.cgroups, container_of(j, struct end_job, base)->cgroup, e);
}

/* Log nothing: spent_remove_cgroup tries again, and logs the last failure. */
static void end_done(struct job *j, struct object *o)
{
	job_report(j, o, take_ptr(container_of(j, struct end_job, base)->end));
}

void spent_report(struct object *container, struct sm_event *end)
{
	const Crisp__State__Container *row = container->sm->row;
	struct end_job *job;

	if (!*row->cgroups_path) {
		effect_report(container, container->sm->effect_gen, end);
		return;
	}
	job = xcalloc(1, sizeof(*job));
	job->cgroup = cgroup_dir(row->cgroups_path);
	job->end = end;
	job_init(&job->base, container, LANE_END, end_work, end_done, end_free);
	job_start(&job->base);
}

void spent_remove_cgroup(struct object *container)
{
	job_start(container_job_new(container, LANE_STOP, work, done));
}
