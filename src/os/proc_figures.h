/*
 * proc_figures.h - figures of the processes of a cgroup, from /proc.
 */
#pragma once

#include <sys/types.h>

#include "os/cgroup.h"
#include "os/figures.h"

/* Bound on descriptors looked at in one call: a container may open any number. */
#define PROC_FIGURES_FDS_MAX 16384

enum proc_figure {
	PROC_PROCESSES,
	PROC_FDS, /* unknown above PROC_FIGURES_FDS_MAX, as PROC_SOCKETS */
	PROC_SOCKETS,
	PROC_NOFILE_SOFT, /* of main; unknown: unlimited */
};

/* main: pid whose RLIMIT_NOFILE is read; 0: none.  Processes that end meanwhile are left out.  1:
 * the cgroup has no process. */
int proc_figures_read(const struct cgroups *cg, const char *path, pid_t main, struct figures *ret,
		      struct err *e);
