/*
 * self.h - the shim's own process: its cgroup, its oom_score_adj, the size of its log.
 */
#pragma once

#include <stdbool.h>

/* A mounted cgroup file system. */
struct cgroup_mount {
	const char *dir;
	const char *options; /* of the super block: on v1 the controllers */
	bool v2;
};

void self_each_cgroup_mount(void (*fn)(const struct cgroup_mount *m, void *arg), void *arg);

/* Move the shim into path, made when missing: absolute, below the root of each mounted hierarchy.
 * Failures are logged and leave the shim in place. */
void self_join_cgroup(const char *path);

/* Lower oom_score_adj as far as permitted. */
void self_protect_from_oom(void);

/* Truncate the log on stderr when it is too large. */
void self_cap_log(void);
