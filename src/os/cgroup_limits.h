/*
 * cgroup_limits.h - limits as the files that say them: pure text, for cgroup.c only.
 */
#pragma once

#include "base/err.h"
#include "os/cgroup.h"

/* One file to write. */
struct cgroup_write {
	const char *controller; /* NULL: none in particular (unified settings) */
	char *file, *value;
	bool optional; /* says nothing new where the file does not exist */
	char *path;    /* cgroup.c's: the file to write, NULL: none */
};

struct cgroup_plan {
	struct cgroup_write *writes;
	size_t n;
};

void cgroup_plan_done(struct cgroup_plan *p);

/* What to write for limits, in order.  ERR_INVALID names what is out of range.  v2: in the files
 * of the unified hierarchy, else in those of v1.  On v2 a period
 * needs a quota beside it. */
int cgroup_plan_limits(const struct cgroup_limits *limits, bool v2, struct cgroup_plan *ret,
		       struct err *e);
