/*
 * resources.c - validate the CRI's limits and write them as linux.resources.
 */
#include "oci/resources.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "oci/json.h"

#define CPUSET_MAX 4096
#define UNIFIED_MAX 64
#define HUGEPAGES_MAX 16

static void warn(const struct oci_resources_input *in, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void warn(const struct oci_resources_input *in, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (!in->warn)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	in->warn(in->warn_arg, text);
}

static int bad_number(struct err *e, const char *field, int64_t value)
{
	return err_set(e, ERR_INVALID, "linux.resources.%s: %lld is out of range", field,
		       (long long)value);
}

/* "0-3,8": the kernel checks the syntax. */
static int put_cpuset(json_t *cpu, const char *key, const char *field, const char *value,
		      struct err *e)
{
	if (!*value)
		return 0;
	if (strlen(value) > CPUSET_MAX || strspn(value, "0123456789,-") != strlen(value))
		return err_set(e, ERR_INVALID,
			       "linux.resources.%s: \"%.64s\" is not a list such as 0-3,8", field,
			       value);
	oci_json_put_text(cpu, key, value);
	return 0;
}

static int put_cpu(const Runtime__V1__LinuxContainerResources *req, json_t *out, struct err *e)
{
	json_t *cpu;
	int r;

	if (req->cpu_shares < 0)
		return bad_number(e, "cpu_shares", req->cpu_shares);
	if (req->cpu_period < 0)
		return bad_number(e, "cpu_period", req->cpu_period);
	if (req->cpu_quota < -1)
		return bad_number(e, "cpu_quota", req->cpu_quota);
	cpu = oci_json_need_object(out, "cpu");
	if (req->cpu_shares)
		oci_json_put_number(cpu, "shares", req->cpu_shares);
	if (req->cpu_quota)
		oci_json_put_number(cpu, "quota", req->cpu_quota);
	if (req->cpu_period)
		oci_json_put_number(cpu, "period", req->cpu_period);
	r = put_cpuset(cpu, "cpus", "cpuset_cpus", req->cpuset_cpus, e);
	return r == 0 ? put_cpuset(cpu, "mems", "cpuset_mems", req->cpuset_mems, e) : r;
}

static int put_memory(const struct oci_resources_input *in, json_t *out, struct err *e)
{
	const Runtime__V1__LinuxContainerResources *req = in->resources;
	int64_t limit = req->memory_limit_in_bytes, swap = req->memory_swap_limit_in_bytes;
	json_t *memory = oci_json_need_object(out, "memory");

	if (limit < -1)
		return bad_number(e, "memory_limit_in_bytes", limit);
	if (swap < -1)
		return bad_number(e, "memory_swap_limit_in_bytes", swap);
	if (limit > 0 && limit < in->min_memory)
		return err_set(
			e, ERR_INVALID,
			"linux.resources.memory_limit_in_bytes: %lld is too low, a container "
			"needs %lld to be started (container_min_memory)",
			(long long)limit, (long long)in->min_memory);
	if (limit > 0 && swap > 0 && swap < limit)
		return err_set(
			e, ERR_INVALID,
			"linux.resources.memory_swap_limit_in_bytes: %lld is below the memory "
			"limit %lld, which it includes",
			(long long)swap, (long long)limit);
	if (limit)
		oci_json_put_number(memory, "limit", limit);
	/* Without a swap limit the memory limit covers both: no swap. */
	if (in->host->swap && (swap || limit))
		oci_json_put_number(memory, "swap", swap ? swap : limit);
	else if (swap > limit)
		warn(in, "memory_swap_limit_in_bytes is left out: no swap accounting on this host");
	return 0;
}

/* "2MB" as in the cgroup file's name; the kubelet lists every size of the node. */
static int put_hugepages(const struct oci_resources_input *in, json_t *out, struct err *e)
{
	const Runtime__V1__LinuxContainerResources *req = in->resources;
	json_t *list;

	if (req->n_hugepage_limits == 0)
		return 0;
	if (req->n_hugepage_limits > HUGEPAGES_MAX)
		return err_set(e, ERR_INVALID,
			       "linux.resources.hugepage_limits: more than %d sizes",
			       HUGEPAGES_MAX);
	if (!in->host->hugetlb) {
		for (size_t i = 0; i < req->n_hugepage_limits; i++)
			if (req->hugepage_limits[i]->limit > 0)
				warn(in, "hugepage_limits are left out: the hugetlb controller is "
					 "not there");
		return 0;
	}
	list = oci_json_need_array(out, "hugepageLimits");
	for (size_t i = 0; i < req->n_hugepage_limits; i++) {
		const Runtime__V1__HugepageLimit *limit = req->hugepage_limits[i];
		size_t digits = strspn(limit->page_size, "0123456789");
		const char *unit = limit->page_size + digits;
		json_t *entry;

		if (digits == 0 || digits > 6 ||
		    (strcmp(unit, "KB") != 0 && strcmp(unit, "MB") != 0 &&
		     strcmp(unit, "GB") != 0) ||
		    limit->limit > INT64_MAX)
			return err_set(e, ERR_INVALID,
				       "linux.resources.hugepage_limits[%zu]: \"%.32s\" is not a "
				       "size such "
				       "as 2MB, or the limit is out of range",
				       i, limit->page_size);
		entry = oci_json_object();
		oci_json_put_text(entry, "pageSize", limit->page_size);
		oci_json_put_number(entry, "limit", (int64_t)limit->limit);
		oci_json_push(list, entry);
	}
	return 0;
}

static int put_unified(const struct oci_resources_input *in, json_t *out, struct err *e)
{
	const Runtime__V1__LinuxContainerResources *req = in->resources;
	json_t *unified;

	if (req->n_unified == 0)
		return 0;
	if (req->n_unified > UNIFIED_MAX)
		return err_set(e, ERR_INVALID, "linux.resources.unified: more than %d files",
			       UNIFIED_MAX);
	if (!in->host->cgroup_v2) {
		warn(in, "unified limits are left out: this host has no cgroup v2");
		return 0;
	}
	unified = oci_json_need_object(out, "unified");
	for (size_t i = 0; i < req->n_unified; i++) {
		const char *key = req->unified[i]->key, *value = req->unified[i]->value;

		/* A file of the container's own cgroup, never a path to another. */
		if (!*key || strchr(key, '/') || !strchr(key, '.') || key[0] == '.' ||
		    !str_is_utf8(key, strlen(key)) || !str_is_utf8(value, strlen(value)))
			return err_set(e, ERR_INVALID,
				       "linux.resources.unified: \"%.64s\" is not a file such as "
				       "memory.high",
				       key);
		oci_json_put_text(unified, key, value);
	}
	return 0;
}

int oci_resources_put(const struct oci_resources_input *in, json_t *out, struct err *e)
{
	int r;

	if (in->pids_limit > 0)
		oci_json_put_number(oci_json_need_object(out, "pids"), "limit", in->pids_limit);
	if (!in->resources)
		return 0;
	r = put_cpu(in->resources, out, e);
	if (r == 0)
		r = put_memory(in, out, e);
	if (r == 0)
		r = put_hugepages(in, out, e);
	return r == 0 ? put_unified(in, out, e) : r;
}
