/*
 * cgroup.h - control groups with two backends.  On v1 (and hybrid) a cgroup is a path in each
 * hierarchy, on v2 one directory.
 *
 * Paths are absolute below the root of each hierarchy ("/crisp/POD").  Functions remove only
 * directories that the caller names or those below them, and kill no process.  All functions block
 * briefly and belong on a worker.  struct cgroups is immutable: share it freely.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "os/psi.h"

enum cgroup_layout {
	CGROUP_LAYOUT_V1, /* one hierarchy per controller, systemd's named one included */
	CGROUP_LAYOUT_HYBRID, /* v1, and a v2 tree that has some or no controllers */
	CGROUP_LAYOUT_V2,
};

struct cgroups;

/* Detect the mounted hierarchies.  Free with cgroups_free.  ERR_UNAVAILABLE: no cgroups at all. */
int cgroups_open(struct cgroups **ret, struct err *e);
/* cgroups_open for the mounts in another mountinfo file: for tests. */
int cgroups_open_at(const char *mountinfo, struct cgroups **ret, struct err *e);
void cgroups_free(struct cgroups *cg);

static inline void cgroups_freep(struct cgroups **cg)
{
	cgroups_free(*cg);
}

enum cgroup_layout cgroups_layout(const struct cgroups *cg);

/* The cgroup of this process, malloc'ed, relative to the root of the v2 hierarchy.  1: the layout
 * is not v2. */
int cgroups_own(const struct cgroups *cg, char **ret, struct err *e);

/* Is path usable as a cgroup path: absolute, clean, below the root, at most PATH_MAX? */
bool cgroup_path_is_valid(const char *path);

/* The name of a slice as cgroup parent, malloc'ed: text itself, or the last component of the path
 * that the kubelet sends (/a.slice/a-b.slice is a-b.slice).  NULL: no slice name, see
 * systemd.slice(5). */
char *cgroup_slice_name(const char *text);

/* Make path with its parents in every hierarchy; existing cgroups are kept. */
int cgroup_create(const struct cgroups *cg, const char *path, struct err *e);

/* cgroup_create without limits: on v2 it enables no controller for the cgroup.  So its parent, for
 * example a delegated one, may have processes of its own. */
int cgroup_create_plain(const struct cgroups *cg, const char *path, struct err *e);

/* Freeze path and all cgroups below it, and wait up to CGROUP_FREEZE_MS until all processes stand
 * still.  0: they do, or did.  <0: e is set, path is thawed (ERR_NOT_FOUND: no such cgroup;
 * ERR_PRECONDITION: no freezer; ERR_UNAVAILABLE: a process cannot be frozen now). */
#define CGROUP_FREEZE_MS 5000
int cgroup_freeze(const struct cgroups *cg, const char *path, struct err *e);
/* Thaw path and all cgroups below it: on v1 a frozen process does not act on SIGKILL.  except: name
 * of cgroups that stay frozen; NULL: none.  0: none was frozen, or no such cgroup.  1: some. */
int cgroup_thaw(const struct cgroups *cg, const char *path, const char *except, struct err *e);
/* cgroup_thaw for path alone, without the cgroups below it. */
int cgroup_thaw_one(const struct cgroups *cg, const char *path, struct err *e);
/* Move a process to path in the freezer hierarchy.  Path must be thawed: a frozen process resumes
 * there.  1: no such path, or no freezer (on v2 SIGKILL ends frozen processes). */
int cgroup_pull_thawed(const struct cgroups *cg, const char *path, pid_t pid, struct err *e);

/* Remove path and all cgroups below it from every hierarchy.  Retries a busy one for up to ten
 * seconds, since dying processes linger; then ERR_PRECONDITION with the cgroup and pids.  A missing
 * one is success. */
int cgroup_remove(const struct cgroups *cg, const char *path, struct err *e);
/* cgroup_remove without the wait.  1: it is in use. */
int cgroup_remove_idle(const struct cgroups *cg, const char *path, struct err *e);

/* All processes in path and in the cgroups below it, malloc'ed; none for a missing cgroup. */
int cgroup_pids(const struct cgroups *cg, const char *path, pid_t **ret, size_t *ret_n,
		struct err *e);

/* The directory of controller ("memory", "cpu", ...) for path, which need not exist; the caller
 * frees it.  1: this host does not have the controller. */
int cgroup_controller_dir(const struct cgroups *cg, const char *controller, const char *path,
			  char **ret, struct err *e);
/* The directory of path in the v2 hierarchy, as cgroup_controller_dir.  1: the host has none. */
int cgroup_unified_dir(const struct cgroups *cg, const char *path, char **ret, struct err *e);
#define CGROUP_UNIFIED "" /* for cgroup_source_dir */
/* cgroup_controller_dir, or for CGROUP_UNIFIED the directory of path's pressure files.  1: also if
 * a hybrid host has no process of path on v2. */
int cgroup_source_dir(const struct cgroups *cg, const char *controller, const char *path,
		      char **ret, struct err *e);

/* The text behind "key " at the beginning of a line; NULL: no such line. */
const char *cgroup_find_line(const char *text, const char *key);

struct cgroup_usage {
	uint64_t cpu_ns; /* since the creation of the cgroup */
	uint64_t memory; /* bytes, page cache included */
	uint64_t memory_limit; /* bytes, UINT64_MAX: none */
	uint64_t working_set; /* memory without inactive file pages, for eviction */
	uint64_t rss; /* anonymous memory, bytes */
	uint64_t page_faults, major_page_faults;
	uint64_t swap; /* bytes; 0 without swap accounting */
	uint64_t swap_limit; /* bytes of swap alone, UINT64_MAX: none or not accounted */
	uint64_t pids;
	uint64_t oom_kills;
	uint64_t cpu_periods, cpu_throttled_periods, cpu_throttled_ns;
	/* Of the v2 hierarchy.  Not known on a hybrid host whose v2 cgroup has no process. */
	struct psi cpu_psi, memory_psi, io_psi;
};

/* Open files of one cgroup, for repeated reads of its usage.  They do not prevent its removal. */
#define CGROUP_FILES_COUNT 12
struct cgroup_files {
	bool opened, v2;
	unsigned n; /* open descriptors */
	int fds[CGROUP_FILES_COUNT];
};
#define CGROUP_FILES_NULL ((struct cgroup_files){ .opened = false })

/* events: also open the files for oom_kills and CPU throttling, not those of pressure.  1: no such
 * cgroup. */
int cgroup_files_open(const struct cgroups *cg, const char *path, bool events,
		      struct cgroup_files *ret, struct err *e);
/* 1: the cgroup is gone.  Several threads may read at a time. */
int cgroup_files_read(const struct cgroup_files *f, struct cgroup_usage *ret);
void cgroup_files_done(struct cgroup_files *f);

/* 1: no such cgroup.  The fields of a missing controller are 0. */
int cgroup_read_usage(const struct cgroups *cg, const char *path, struct cgroup_usage *ret,
		      struct err *e);

/* Limits in force.  0, NULL: the host does not have that controller. */
struct cgroup_limits {
	uint64_t cpu_shares; /* v1 */
	uint64_t cpu_weight; /* v2 */
	int64_t cpu_quota; /* microseconds per period, -1: none */
	uint64_t cpu_period; /* microseconds */
	int64_t memory; /* bytes, -1: none */
	int64_t memory_swap; /* bytes of memory and swap together, -1: none */
	char *cpuset_cpus, *cpuset_mems; /* v2: the effective ones if none are set */
};
#define CGROUP_LIMITS_NULL ((struct cgroup_limits){ .cpu_shares = 0 })
void cgroup_limits_done(struct cgroup_limits *l);

/* Fill ret; free with cgroup_limits_done. */
void cgroup_read_limits(const struct cgroups *cg, const char *path, struct cgroup_limits *ret);

/* Write one file of a controller, e.g. hugetlb.2MB.max; file comes from the caller, never from a
 * client.  1: this host does not have the controller. */
int cgroup_write_file(const struct cgroups *cg, const char *controller, const char *path,
		      const char *file, const char *text, struct err *e);
/* The file's text without its final newline, malloc'ed; NULL: unreadable. */
char *cgroup_read_file(const struct cgroups *cg, const char *controller, const char *path,
		       const char *file);
