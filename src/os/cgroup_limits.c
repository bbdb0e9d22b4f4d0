/*
 * cgroup_limits.c - see cgroup_limits.h.
 */
#include "os/cgroup_limits.h"

#include <string.h>

#include "base/util.h"

#define SHARES_MIN 2
#define SHARES_MAX 262144
#define PERIOD_MIN 1000
#define PERIOD_MAX 1000000
#define QUOTA_MIN 1000

void cgroup_plan_done(struct cgroup_plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->writes[i].file);
		free(p->writes[i].value);
		free(p->writes[i].path);
	}
	free(p->writes);
	*p = (struct cgroup_plan){ .n = 0 };
}

/* Takes file and value. */
static void plan(struct cgroup_plan *p, const char *controller, char *file, char *value)
{
	p->writes = xrealloc(p->writes, (p->n + 1) * sizeof(*p->writes));
	p->writes[p->n++] = (struct cgroup_write){ .controller = controller, .file = file,
						   .value = value };
}

/* The same for a limit on swap that is none, or forbids swap: a kernel without swap accounting has
 * no file for it and nothing to limit. */
static void plan_swap(struct cgroup_plan *p, const char *file, char *value, bool optional)
{
	plan(p, "memory", xstrdup(file), value);
	p->writes[p->n - 1].optional = optional;
}

/* A number, or the word for none when it is negative. */
static char *number(int64_t n, const char *none)
{
	return n < 0 ? xstrdup(none) : xasprintf("%lld", (long long)n);
}

/* --- what is allowed --- */

static int check_cpu(const struct cgroup_limits *l, struct err *e)
{
	if (l->cpu_shares && (l->cpu_shares < SHARES_MIN || l->cpu_shares > SHARES_MAX))
		return err_set(e, ERR_INVALID, "cpu_shares: %llu must be from %d to %d",
			       (unsigned long long)l->cpu_shares, SHARES_MIN, SHARES_MAX);
	if (l->cpu_period && (l->cpu_period < PERIOD_MIN || l->cpu_period > PERIOD_MAX))
		return err_set(e, ERR_INVALID,
			       "cpu_period: %llu must be from %d to %d microseconds",
			       (unsigned long long)l->cpu_period, PERIOD_MIN, PERIOD_MAX);
	if (l->cpu_quota && l->cpu_quota != -1 && l->cpu_quota < QUOTA_MIN)
		return err_set(e, ERR_INVALID,
			       "cpu_quota: %lld must be at least %d microseconds, or "
			       "-1 for none",
			       (long long)l->cpu_quota, QUOTA_MIN);
	return 0;
}

static int check_memory(const struct cgroup_limits *l, struct err *e)
{
	if (l->memory < -1 || l->memory_swap < -1 || l->pids < -1)
		return err_set(e, ERR_INVALID,
			       "memory, memory_swap and pids limits must be positive, "
			       "or -1 for none");
	if (l->memory_swap > 0 && (l->memory < 0 || l->memory_swap < l->memory))
		return err_set(e, ERR_INVALID, "memory_swap: %lld is memory and swap together and "
			       "must not be below the memory limit", (long long)l->memory_swap);
	return 0;
}

static bool is_cpu_list(const char *s)
{
	return !s[strspn(s, "0123456789,-")];
}

/* The name of a file in a cgroup directory, written on behalf of a client. */
static bool is_setting_name(const char *s)
{
	const char *dot = strchr(s, '.');

	return dot && dot > s && dot[1] && strlen(s) < 64 && strncmp(s, "cgroup.", 7) != 0 &&
	       !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._")];
}

static bool is_page_size(const char *s)
{
	size_t digits = strspn(s, "0123456789");

	return digits && digits < 8 && (strcmp(s + digits, "KB") == 0 ||
					strcmp(s + digits, "MB") == 0 ||
					strcmp(s + digits, "GB") == 0);
}

static int check_names(const struct cgroup_limits *l, bool v2, struct err *e)
{
	if ((l->cpuset_cpus && !is_cpu_list(l->cpuset_cpus)) ||
	    (l->cpuset_mems && !is_cpu_list(l->cpuset_mems)))
		return err_set(e, ERR_INVALID,
			       "cpuset_cpus and cpuset_mems must be lists like 0-2,7");
	for (size_t i = 0; i < l->n_hugepages; i++)
		if (!is_page_size(l->hugepages[i].page_size))
			return err_set(e, ERR_INVALID,
				       "hugepage_limits: \"%s\" is not a page size like "
				       "2MB",
				       l->hugepages[i].page_size);
	if (l->n_unified && !v2)
		return err_set(e, ERR_PRECONDITION, "unified: %s needs cgroup v2, this host has v1",
			       l->unified[0].name);
	for (size_t i = 0; i < l->n_unified; i++)
		if (!is_setting_name(l->unified[i].name))
			return err_set(e, ERR_INVALID, "unified: \"%s\" is not a cgroup file like "
				       "memory.high", l->unified[i].name);
	return 0;
}

/* --- v1 --- */

static void plan_v1(const struct cgroup_limits *l, struct cgroup_plan *p)
{
	/* No memory limit with a limit on both together makes no sense to the kernel. */
	int64_t both = l->memory == -1 && !l->memory_swap ? -1 : l->memory_swap;

	if (l->cpu_shares)
		plan(p, "cpu", xstrdup("cpu.shares"), number((int64_t)l->cpu_shares, ""));
	if (l->cpu_period)
		plan(p, "cpu", xstrdup("cpu.cfs_period_us"), number((int64_t)l->cpu_period, ""));
	if (l->cpu_quota)
		plan(p, "cpu", xstrdup("cpu.cfs_quota_us"), number(l->cpu_quota, "-1"));
	/* Which of the two goes first depends on the present values: a refused one is retried. */
	if (l->memory)
		plan(p, "memory", xstrdup("memory.limit_in_bytes"), number(l->memory, "-1"));
	if (both)
		plan_swap(p, "memory.memsw.limit_in_bytes", number(both, "-1"),
			  both == -1 || both == l->memory);
	for (size_t i = 0; i < l->n_hugepages; i++)
		plan(p, "hugetlb",
		     xasprintf("hugetlb.%s.limit_in_bytes", l->hugepages[i].page_size),
		     xasprintf("%llu", (unsigned long long)l->hugepages[i].limit));
}

/* --- v2 --- */

/* shares 2..262144 onto weight 1..10000, as every runtime does it. */
static uint64_t weight_of_shares(uint64_t shares)
{
	return 1 + (shares - SHARES_MIN) * 9999 / (SHARES_MAX - SHARES_MIN);
}

static void plan_v2(const struct cgroup_limits *l, struct cgroup_plan *p)
{
	if (l->cpu_shares)
		plan(p, "cpu", xstrdup("cpu.weight"),
		     number((int64_t)weight_of_shares(l->cpu_shares), ""));
	/* One file: "quota period"; a quota alone keeps the period, the caller sees to the other.
	 */
	if (l->cpu_quota && l->cpu_period)
		plan(p, "cpu", xstrdup("cpu.max"),
		     l->cpu_quota < 0 ? xasprintf("max %llu", (unsigned long long)l->cpu_period)
				      : xasprintf("%lld %llu", (long long)l->cpu_quota,
						  (unsigned long long)l->cpu_period));
	else if (l->cpu_quota)
		plan(p, "cpu", xstrdup("cpu.max"), number(l->cpu_quota, "max"));
	if (l->memory)
		plan(p, "memory", xstrdup("memory.max"), number(l->memory, "max"));
	if (l->memory_swap)
		plan_swap(p, "memory.swap.max",
			  number(l->memory_swap < 0 ? -1 : l->memory_swap - l->memory, "max"),
			  l->memory_swap < 0 || l->memory_swap == l->memory);
	for (size_t i = 0; i < l->n_hugepages; i++)
		plan(p, "hugetlb", xasprintf("hugetlb.%s.max", l->hugepages[i].page_size),
		     xasprintf("%llu", (unsigned long long)l->hugepages[i].limit));
	for (size_t i = 0; i < l->n_unified; i++)
		plan(p, NULL, xstrdup(l->unified[i].name), xstrdup(l->unified[i].value));
}

int cgroup_plan_limits(const struct cgroup_limits *l, bool v2, struct cgroup_plan *ret,
		       struct err *e)
{
	int r = check_cpu(l, e);

	if (!r)
		r = check_memory(l, e);
	if (!r)
		r = check_names(l, v2, e);
	if (r < 0)
		return r;
	/* The same files in both. */
	if (l->cpuset_cpus && *l->cpuset_cpus)
		plan(ret, "cpuset", xstrdup("cpuset.cpus"), xstrdup(l->cpuset_cpus));
	if (l->cpuset_mems && *l->cpuset_mems)
		plan(ret, "cpuset", xstrdup("cpuset.mems"), xstrdup(l->cpuset_mems));
	if (l->pids)
		plan(ret, "pids", xstrdup("pids.max"), number(l->pids, "max"));
	if (v2)
		plan_v2(l, ret);
	else
		plan_v1(l, ret);
	return 0;
}
