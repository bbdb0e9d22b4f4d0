/*
 * cgroup_limits.c - read the limits of a cgroup, read and write single files of a controller.  The
 * OCI runtime writes limits, since it supports both layouts and informs systemd.
 */
#include "os/cgroup.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"

#define TEXT_MAX 8192

/* v1 shows a number just below INT64_MAX for "no limit". */
#define V1_UNLIMITED (INT64_C(1) << 62)

void cgroup_limits_done(struct cgroup_limits *l)
{
	free(l->cpuset_cpus);
	free(l->cpuset_mems);
	*l = CGROUP_LIMITS_NULL;
}

char *cgroup_read_file(const struct cgroups *cg, const char *controller, const char *path,
		       const char *file)
{
	_cleanup_free_ char *dir = NULL, *full = NULL;
	struct err ignored = ERR_NULL;
	struct buf text = BUF_NULL;

	if (cgroup_controller_dir(cg, controller, path, &dir, &ignored))
		return NULL;
	full = xasprintf("%s/%s", dir, file);
	if (fs_read_file(full, TEXT_MAX, &text, &ignored) || !text.data) {
		buf_done(&text);
		return NULL;
	}
	if (text.len && text.data[text.len - 1] == '\n')
		text.data[text.len - 1] = '\0';
	return buf_take(&text);
}

int cgroup_write_file(const struct cgroups *cg, const char *controller, const char *path,
		      const char *file, const char *text, struct err *e)
{
	_cleanup_free_ char *dir = NULL, *full = NULL;
	int r = cgroup_controller_dir(cg, controller, path, &dir, e);

	if (r)
		return r;
	full = xasprintf("%s/%s", dir, file);
	return fs_write_existing(full, text, e);
}

/* Read a number; -1: "max" or no limit.  missing: the result if there is no such file. */
static int64_t number(const struct cgroups *cg, const char *controller, const char *path,
		      const char *file, int64_t missing)
{
	_cleanup_free_ char *text = cgroup_read_file(cg, controller, path, file);
	int64_t n;

	if (!text)
		return missing;
	if (str_to_i64(text, -1, INT64_MAX, &n) < 0 || n >= V1_UNLIMITED)
		return -1;
	return n;
}

static void read_v1(const struct cgroups *cg, const char *path, struct cgroup_limits *l)
{
	l->cpu_shares = (uint64_t)number(cg, "cpu", path, "cpu.shares", 0);
	l->cpu_quota = number(cg, "cpu", path, "cpu.cfs_quota_us", 0);
	l->cpu_period = (uint64_t)number(cg, "cpu", path, "cpu.cfs_period_us", 0);
	l->memory = number(cg, "memory", path, "memory.limit_in_bytes", 0);
	l->memory_swap = number(cg, "memory", path, "memory.memsw.limit_in_bytes", 0);
	l->cpuset_cpus = cgroup_read_file(cg, "cpuset", path, "cpuset.cpus");
	l->cpuset_mems = cgroup_read_file(cg, "cpuset", path, "cpuset.mems");
}

/* cpu.max: "QUOTA PERIOD" */
static void read_cpu_max(const struct cgroups *cg, const char *path, struct cgroup_limits *l)
{
	_cleanup_free_ char *text = cgroup_read_file(cg, "cpu", path, "cpu.max");
	char *space = text ? strchr(text, ' ') : NULL;

	if (!space)
		return;
	*space = '\0';
	if (str_to_i64(text, 1, INT64_MAX, &l->cpu_quota) < 0)
		l->cpu_quota = -1;
	if (str_to_u64(space + 1, UINT64_MAX, &l->cpu_period) < 0)
		l->cpu_period = 0;
}

static char *read_set(const struct cgroups *cg, const char *path, const char *file,
		      const char *effective)
{
	char *text = cgroup_read_file(cg, "cpuset", path, file);

	if (text && *text)
		return text;
	free(text);
	return cgroup_read_file(cg, "cpuset", path, effective);
}

static void read_v2(const struct cgroups *cg, const char *path, struct cgroup_limits *l)
{
	int64_t swap = number(cg, "memory", path, "memory.swap.max", 0);
	bool accounted = number(cg, "memory", path, "memory.swap.max", -2) != -2;

	l->cpu_weight = (uint64_t)number(cg, "cpu", path, "cpu.weight", 0);
	read_cpu_max(cg, path, l);
	l->memory = number(cg, "memory", path, "memory.max", 0);
	if (accounted)
		l->memory_swap = l->memory < 0 || swap < 0 ? -1 : l->memory + swap;
	l->cpuset_cpus = read_set(cg, path, "cpuset.cpus", "cpuset.cpus.effective");
	l->cpuset_mems = read_set(cg, path, "cpuset.mems", "cpuset.mems.effective");
}

void cgroup_read_limits(const struct cgroups *cg, const char *path, struct cgroup_limits *ret)
{
	*ret = CGROUP_LIMITS_NULL;
	if (cgroups_layout(cg) == CGROUP_LAYOUT_V2)
		read_v2(cg, path, ret);
	else
		read_v1(cg, path, ret);
}
