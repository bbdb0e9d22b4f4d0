/*
 * freeze.c - effects of states/container.sm that stop and resume a container's processes.
 */
#include "core/paths.h"
#include "os/cgroup.h"
#include "pod/container.h"

static int work_freeze(struct job *j, struct err *e)
{
	_cleanup_free_ char *cgroup = cgroup_dir(container_job_row(j)->cgroups_path);
	int r = cgroup_freeze(world.cgroups, cgroup, e);

	return r < 0 ? err_wrap(e, "container %.13s", j->id) : 0;
}

static void done_freeze(struct job *j, struct object *o)
{
	job_report(j, o,
		   j->result < 0 ? sm_event_failed(CTR_EVENT_FREEZE_FAILED, &j->err)
				 : sm_event_new(CTR_EVENT_FROZEN));
}

void ctr_effect_freeze(struct sm_object *sm)
{
	job_start(container_job_new(object_of(sm), LANE_SESSION, work_freeze, done_freeze));
}

static int work_thaw(struct job *j, struct err *e)
{
	_cleanup_free_ char *cgroup = cgroup_dir(container_job_row(j)->cgroups_path);
	int r = cgroup_thaw_one(world.cgroups, cgroup, e);

	return r < 0 ? err_wrap(e, "container %.13s", j->id) : 0;
}

static void done_thaw(struct job *j, struct object *o)
{
	job_report(j, o,
		   j->result < 0 ? sm_event_failed(CTR_EVENT_THAW_FAILED, &j->err)
				 : sm_event_new(CTR_EVENT_THAWED));
}

void ctr_effect_thaw(struct sm_object *sm)
{
	job_start(container_job_new(object_of(sm), LANE_SESSION, work_thaw, done_thaw));
}
