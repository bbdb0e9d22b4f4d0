/*
 * security.h - security features of this host and this process, probed once at the start.
 *
 * A container's settings are clamped to these facts.  An OCI runtime that is asked for more fails
 * as a whole, long after the request was accepted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct os_security {
	uint64_t bounding; /* the daemon's capability bounding set, see os/caps.h */
	int64_t oom_score_adj_min; /* the lowest permitted value; -1000 with CAP_SYS_RESOURCE */
	bool may_raise_limits; /* CAP_SYS_RESOURCE: resource limits above the daemon's own */
	bool seccomp; /* the kernel has filters and this build has libseccomp */
	bool apparmor; /* enabled in the kernel */
	bool selinux; /* enabled in the kernel */
	bool rro; /* mount_setattr(2): recursive read-only mounts */
	bool cgroup_v2; /* /sys/fs/cgroup is cgroup2: the unified layout */
	bool swap; /* the memory controller accounts for swap */
	bool hugetlb; /* the hugetlb controller exists */
};

/* Probe the kernel; changes nothing.  Fails only without /proc. */
int os_security_probe(struct os_security *ret, struct err *e);
