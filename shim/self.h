/*
 * self.h - what the shim does to itself: its cgroup, its standing with the OOM killer, the
 * size of its log.
 */
#pragma once

#include <stdbool.h>

/* Where a cgroup file system is mounted. */
struct cgroup_mount {
	const char *dir;
	const char *options; /* of the super block: on v1 the names of the controllers */
	bool v2;
};

void self_each_cgroup_mount(void (*fn)(const struct cgroup_mount *m, void *arg), void *arg);

/* Move into path (absolute, below the root of each mounted hierarchy), made when missing.  What
 * does not work is logged and left as it is. */
void self_join_cgroup(const char *path);

/* As unlikely a victim as we are allowed to be. */
void self_protect_from_oom(void);

/* Start the log on stderr anew when it has grown too large. */
void self_cap_log(void);
