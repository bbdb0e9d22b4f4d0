/*
 * spent.c - one try at once, one more for processes that the kernel has not yet taken out.
 */
#include "pod/spent.h"

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

void spent_remove_cgroup(struct object *container)
{
	job_start(container_job_new(container, LANE_STOP, work, done));
}
