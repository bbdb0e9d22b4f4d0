/*
 * cgroup_figures.h - all figures of a cgroup that metrics show: usage, limits, pressure, block
 * devices, hugepages.  One read per file; cgroup.h has the few figures of statistics.
 *
 * All functions block briefly and belong on a worker.  A missing controller, file or line leaves a
 * figure unknown.
 */
#pragma once

#include "os/cgroup.h"
#include "os/figures.h"

enum cgroup_figure {
	CGROUP_CPU_NS,
	CGROUP_CPU_USER_NS,
	CGROUP_CPU_SYSTEM_NS,
	CGROUP_CPU_PERIODS,
	CGROUP_CPU_THROTTLED_PERIODS,
	CGROUP_CPU_THROTTLED_NS,
	CGROUP_CPU_BURST_PERIODS,
	CGROUP_CPU_BURST_NS,
	CGROUP_CPU_SHARES, /* on v2 converted from cpu.weight */
	CGROUP_CPU_QUOTA_US, /* unknown: no quota */
	CGROUP_CPU_PERIOD_US,
	CGROUP_CPU_SOME_US, /* pressure */
	CGROUP_CPU_FULL_US,
	CGROUP_MEMORY,
	CGROUP_MEMORY_MAX_USAGE,
	CGROUP_MEMORY_FAILURES, /* times at the limit */
	CGROUP_MEMORY_KERNEL,
	CGROUP_MEMORY_CACHE,
	CGROUP_MEMORY_RSS,
	CGROUP_MEMORY_MAPPED,
	CGROUP_MEMORY_SWAP,
	CGROUP_MEMORY_ACTIVE_FILE,
	CGROUP_MEMORY_INACTIVE_FILE,
	CGROUP_MEMORY_WORKING_SET, /* usage without inactive file pages */
	CGROUP_MEMORY_FAULTS, /* of the cgroup; on v2 as HIERARCHY */
	CGROUP_MEMORY_MAJOR_FAULTS,
	CGROUP_MEMORY_HIERARCHY_FAULTS, /* with the cgroups below */
	CGROUP_MEMORY_HIERARCHY_MAJOR_FAULTS,
	CGROUP_MEMORY_HIGH_EVENTS, /* this and the next: 0 on v1, as in cAdvisor */
	CGROUP_MEMORY_MAX_EVENTS,
	CGROUP_MEMORY_DIRTY,
	CGROUP_MEMORY_WRITEBACK,
	CGROUP_MEMORY_PAGES_SCANNED, /* this and the next: 0 on v1, too */
	CGROUP_MEMORY_PAGES_STOLEN,
	CGROUP_MEMORY_REFAULTS_FILE,
	CGROUP_MEMORY_REFAULTS_ANON,
	CGROUP_MEMORY_LIMIT, /* 0: none, as of the next two */
	CGROUP_MEMORY_SWAP_LIMIT, /* on v1 of memory and swap together */
	CGROUP_MEMORY_RESERVATION,
	CGROUP_MEMORY_SOME_US,
	CGROUP_MEMORY_FULL_US,
	CGROUP_OOM_KILLS,
	CGROUP_IO_SOME_US,
	CGROUP_IO_FULL_US,
	CGROUP_TASKS,
	CGROUP_TASKS_MAX, /* 0: no limit */
	CGROUP_FIGURE_COUNT,
};
_Static_assert((int)CGROUP_FIGURE_COUNT <= FIGURES_MAX, "a bit for each");

/* Read the figures whose bits are in want.  1: no such cgroup. */
int cgroup_figures_read(const struct cgroups *cg, const char *path, uint64_t want,
			struct figures *ret, struct err *e);

enum device_figure {
	DEVICE_READ_BYTES,
	DEVICE_WRITE_BYTES,
	DEVICE_SYNC_BYTES, /* this and the next three: v1 only */
	DEVICE_ASYNC_BYTES,
	DEVICE_DISCARD_BYTES,
	DEVICE_TOTAL_BYTES,
	DEVICE_READS,
	DEVICE_WRITES,
	DEVICE_COST_USAGE_US, /* of the io.cost controller, v2 */
	DEVICE_COST_WAIT_US,
	DEVICE_COST_INDEBT_US,
	DEVICE_COST_INDELAY_US,
};

/* Add one item per block device: labels are /dev/NAME, major, minor. */
void cgroup_devices_read(const struct cgroups *cg, const char *path, struct figure_list *ret);

/* Does a device of this host account the cost of its IO (io.cost)? */
bool cgroup_costs_counted(const struct cgroups *cg);

/* Label: "/dev/NAME", "MAJOR:MINOR" for a device without a name. */
void device_label(unsigned major, unsigned minor, char ret[FIGURE_LABEL_BYTES]);

enum pages_figure {
	PAGES_USAGE_BYTES,
	PAGES_MAX_USAGE_BYTES,
	PAGES_FAILURES
};

/* Add one item per size of hugepages: label "2MB". */
void cgroup_pages_read(const struct cgroups *cg, const char *path, struct figure_list *ret);
/* Does this host account hugepages? */
bool cgroup_pages_counted(const struct cgroups *cg);
