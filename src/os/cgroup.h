/*
 * cgroup.h - control groups: one set of calls, two backends.  On v1 (and hybrid) a cgroup is a
 * path in each hierarchy, on v2 one directory.
 *
 * Paths are absolute below each hierarchy's root ("/crisp/POD").  Only directories are removed,
 * never one that the caller did not name; no process is killed.  All functions
 * block shortly and belong on a worker.  struct cgroups does not change: share it freely.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum cgroup_layout {
	CGROUP_LAYOUT_V1, /* a hierarchy per controller, systemd's named one included */
	CGROUP_LAYOUT_HYBRID, /* v1 with some or no controllers in a v2 tree beside it */
	CGROUP_LAYOUT_V2,
};

struct cgroups;

/* Look at what is mounted.  Free with cgroups_free.  ERR_UNAVAILABLE: no cgroups at all. */
int cgroups_open(struct cgroups **ret, struct err *e);
/* The same for the mounts that another mountinfo file lists: for tests. */
int cgroups_open_at(const char *mountinfo, struct cgroups **ret, struct err *e);
void cgroups_free(struct cgroups *cg);

static inline void cgroups_freep(struct cgroups **cg)
{
	cgroups_free(*cg);
}

enum cgroup_layout cgroups_layout(const struct cgroups *cg);

/* Where this process is, malloc'ed, relative to the root of the v2 hierarchy.  1: there is none
 * that has the controllers. */
int cgroups_own(const struct cgroups *cg, char **ret, struct err *e);

/* Absolute, clean, below the root, at most PATH_MAX: what may be used as a cgroup path. */
bool cgroup_path_is_valid(const char *path);

/* The name of the slice that is to be a parent, malloc'ed: text itself, or the last part of the
 * path that the kubelet sends (/a.slice/a-b.slice is a-b.slice).  NULL: that is no slice's name,
 * see systemd.slice(5). */
char *cgroup_slice_name(const char *text);

/* Make path with its parents in every hierarchy; existing ones are kept. */
int cgroup_create(const struct cgroups *cg, const char *path, struct err *e);

/* The same for one that limits nothing: on v2 no controller is handed down to it, so that its
 * parent may have processes of its own, as one that was delegated has. */
int cgroup_create_plain(const struct cgroups *cg, const char *path, struct err *e);

/* Thaw path and all cgroups below it: on v1 a frozen process does not take a SIGKILL.  except:
 * cgroups of this name stay frozen; NULL: none.  0: nothing was frozen, or there is no such cgroup.
 * 1: something was. */
int cgroup_thaw(const struct cgroups *cg, const char *path, const char *except, struct err *e);
/* The same for path alone, not for the cgroups below it. */
int cgroup_thaw_one(const struct cgroups *cg, const char *path, struct err *e);
/* Move a process to path in the hierarchy that freezes, when that is thawed: a frozen process that
 * is moved there goes on.  1: this host freezes by the one hierarchy that processes die in anyway
 * (v2), or path does not exist. */
int cgroup_pull_thawed(const struct cgroups *cg, const char *path, pid_t pid, struct err *e);

/* Remove path and all cgroups below it from every hierarchy.  Dying processes linger, so a busy
 * one is tried again for up to ten seconds; then ERR_PRECONDITION names the cgroup and pids.
 * A missing one is success. */
int cgroup_remove(const struct cgroups *cg, const char *path, struct err *e);

/* All processes in path and in the cgroups below it, malloc'ed; a missing cgroup has none. */
int cgroup_pids(const struct cgroups *cg, const char *path, pid_t **ret, size_t *ret_n,
		struct err *e);

/* The directory where controller ("memory", "cpu", ...) has its files for path; the caller frees
 * it.  1: this host does not have the controller.  The directory need not exist. */
int cgroup_controller_dir(const struct cgroups *cg, const char *controller, const char *path,
			  char **ret, struct err *e);

struct cgroup_usage {
	uint64_t cpu_ns; /* since the cgroup was made */
	uint64_t memory; /* bytes, page cache included */
	uint64_t memory_limit; /* bytes, UINT64_MAX: none */
	uint64_t working_set; /* memory without inactive file pages: what eviction looks at */
	uint64_t rss; /* anonymous memory, bytes */
	uint64_t page_faults, major_page_faults;
	uint64_t swap; /* bytes; 0 without swap accounting */
	uint64_t swap_limit; /* bytes of swap alone, UINT64_MAX: none or not accounted */
	uint64_t pids;
	uint64_t oom_kills;
	uint64_t cpu_periods, cpu_throttled_periods, cpu_throttled_ns;
};

/* Open files of one cgroup, for figures that are read again and again.  They do not keep the
 * cgroup from being removed. */
#define CGROUP_FILES_COUNT 9
struct cgroup_files {
	bool opened, v2;
	unsigned n; /* open descriptors */
	int fds[CGROUP_FILES_COUNT];
};
#define CGROUP_FILES_NULL ((struct cgroup_files){ .opened = false })

/* events: oom_kills and the throttling of CPU are wanted as well.  1: there is no such cgroup. */
int cgroup_files_open(const struct cgroups *cg, const char *path, bool events,
		      struct cgroup_files *ret, struct err *e);
/* 1: the cgroup is gone.  Several threads may read at a time. */
int cgroup_files_read(const struct cgroup_files *f, struct cgroup_usage *ret);
void cgroup_files_done(struct cgroup_files *f);

/* 1: there is no such cgroup (any more).  A controller that is missing leaves its fields 0. */
int cgroup_read_usage(const struct cgroups *cg, const char *path, struct cgroup_usage *ret,
		      struct err *e);

/* Limits that are in force.  0, NULL: the host does not have that controller. */
struct cgroup_limits {
	uint64_t cpu_shares; /* v1 */
	uint64_t cpu_weight; /* v2 */
	int64_t cpu_quota; /* microseconds per period, -1: none */
	uint64_t cpu_period; /* microseconds */
	int64_t memory; /* bytes, -1: none */
	int64_t memory_swap; /* bytes of memory and swap together, -1: none */
	char *cpuset_cpus, *cpuset_mems; /* v2: the effective ones where none are set */
};
#define CGROUP_LIMITS_NULL ((struct cgroup_limits){ .cpu_shares = 0 })
void cgroup_limits_done(struct cgroup_limits *l);

/* Fill ret; free with cgroup_limits_done. */
void cgroup_read_limits(const struct cgroups *cg, const char *path, struct cgroup_limits *ret);

/* One file of a controller, e.g. hugetlb.2MB.max; the name is the caller's, never a client's.
 * 1: this host does not have the controller. */
int cgroup_write_file(const struct cgroups *cg, const char *controller, const char *path,
		      const char *file, const char *text, struct err *e);
/* Its text without the newline at the end, malloc'ed; NULL: it cannot be read. */
char *cgroup_read_file(const struct cgroups *cg, const char *controller, const char *path,
		       const char *file);
