/*
 * shimstart.c - a pod's shim is started, and looked for (src/shimproto/shimlink.h).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "shimproto/shimlink.h"
#include "sim.h"

int shim_start(const char *shim_path, const char *id, const char *dir, const char *cgroup,
	       const char *owner, int64_t timeout_ms, struct spawn_child *ret, struct err *e)
{
	struct stat st;
	int i = shim_at(dir), k;

	(void)shim_path;
	(void)id;
	(void)owner;
	(void)timeout_ms;
	if (sim_try("start a shim", e) < 0)
		return -(int)e->code;
	if (stat(dir, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "start a shim in %s", dir);
	i = shim_at(dir);
	for (k = 0; i < 0 && k < SIM_SHIMS; k++) {
		if (node->shims[k].used && node->shims[k].alive)
			continue;
		i = k;
		node->shims[i] = (struct shim){ .used = true, .alive = true, .init = -1 };
		snprintf(node->shims[i].dir, sizeof(node->shims[i].dir), "%s", dir);
		node->shims[i].proc = proc_add(PROC_SHIM, i, cgroup);
		for (int p = 0; p < SIM_PROCS; p++)
			if (node->procs[p].alive && node->procs[p].kind == PROC_INIT && cgroup &&
			    strcmp(node->procs[p].cgroup, cgroup) == 0)
				node->shims[i].init = p;
		check_moved();
	}
	SIM_CHECK(i >= 0, "too many shims for the simulation");
	ret->pid = node->procs[node->shims[i].proc].pid;
	ret->pidfd = proc_fd(node->shims[i].proc);
	return 0;
}

bool shim_is_alive(const char *dir, struct spawn_child *ret)
{
	int i = shim_at(dir);

	if (ret)
		*ret = SPAWN_CHILD_NULL;
	if (i < 0)
		return false;
	if (ret) {
		ret->pid = node->procs[node->shims[i].proc].pid;
		ret->pidfd = proc_fd(node->shims[i].proc);
	}
	return true;
}
