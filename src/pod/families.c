/*
 * families.c - the table of metric families.
 */
#include "pod/families.h"

#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "os/cgroup_figures.h"
#include "os/proc_figures.h"

const char *const family_base_labels[FAMILY_BASE_LABELS] = { "container", "id",	       "image",
							     "name",	  "namespace", "pod" };

#define US 1000000
#define NS NSEC_PER_SEC

#define ROW(group, name, counter, source, figure, help) \
	{ \
		group, "container_" name, help, counter, false, source, figure, 0, { NULL }, \
		{ \
			NULL \
		} \
	}
#define SECONDS(group, name, source, figure, divisor, help) \
	{ \
		group, "container_" name, help, true, false, source, figure, divisor, { NULL }, \
		{ \
			NULL \
		} \
	}
#define QUOTA(name, figure, divisor, help) \
	{ \
		"cpu", "container_" name, help, true, true, OF_CGROUP, figure, divisor, { NULL }, \
		{ \
			NULL \
		} \
	}
#define ITEM(group, name, counter, source, figure, divisor, label, help) \
	{ \
		group, "container_" name, help, counter, false, source, figure, divisor, \
			{ label }, \
		{ \
			NULL \
		} \
	}
#define FAULTS(figure, type, scope) \
	{ \
		"memory", "container_memory_failures_total", "Page faults.", true, false, \
			OF_CGROUP, figure, 0, { "failure_type", "scope" }, \
		{ \
			type, scope \
		} \
	}
#define BLKIO(figure, operation) \
	{ \
		"diskIO", "container_blkio_device_usage_total", \
			"Bytes transferred, by operation.", true, false, OF_DEVICES, figure, 0, \
			{ "device", "major", "minor", "operation" }, \
		{ \
			operation \
		} \
	}

const struct metric_family families[] = {
	ROW("", "last_seen", false, OF_LIFE, LIFE_SEEN_S,
	    "Time of this reading, seconds since the epoch."),

	SECONDS("cpu", "cpu_user_seconds_total", OF_CGROUP, CGROUP_CPU_USER_NS, NS,
		"CPU time in user mode."),
	SECONDS("cpu", "cpu_system_seconds_total", OF_CGROUP, CGROUP_CPU_SYSTEM_NS, NS,
		"CPU time in the kernel."),
	{ "cpu",
	  "container_cpu_usage_seconds_total",
	  "CPU time on all cores.",
	  true,
	  false,
	  OF_CGROUP,
	  CGROUP_CPU_NS,
	  NS,
	  { "cpu" },
	  { "total" } },
	QUOTA("cpu_cfs_periods_total", CGROUP_CPU_PERIODS, 0, "Periods of the CPU quota with use."),
	QUOTA("cpu_cfs_throttled_periods_total", CGROUP_CPU_THROTTLED_PERIODS, 0,
	      "Periods of the CPU quota that used it up."),
	QUOTA("cpu_cfs_throttled_seconds_total", CGROUP_CPU_THROTTLED_NS, NS,
	      "Time without CPU because of the quota."),
	QUOTA("cpu_cfs_burst_periods_total", CGROUP_CPU_BURST_PERIODS, 0,
	      "Periods with use above the CPU quota."),
	QUOTA("cpu_cfs_burst_seconds_total", CGROUP_CPU_BURST_NS, NS, "CPU time above the quota."),

	ROW("memory", "memory_cache", false, OF_CGROUP, CGROUP_MEMORY_CACHE, "Page cache, bytes."),
	ROW("memory", "memory_rss", false, OF_CGROUP, CGROUP_MEMORY_RSS,
	    "Anonymous memory, bytes."),
	ROW("memory", "memory_kernel_usage", false, OF_CGROUP, CGROUP_MEMORY_KERNEL,
	    "Kernel memory, bytes."),
	ROW("memory", "memory_mapped_file", false, OF_CGROUP, CGROUP_MEMORY_MAPPED,
	    "Mapped files, bytes."),
	ROW("memory", "memory_swap", false, OF_CGROUP, CGROUP_MEMORY_SWAP, "Swap, bytes."),
	ROW("memory", "memory_failcnt", true, OF_CGROUP, CGROUP_MEMORY_FAILURES,
	    "Times that the memory limit was hit."),
	ROW("memory", "memory_usage_bytes", false, OF_CGROUP, CGROUP_MEMORY,
	    "Memory with page cache."),
	ROW("memory", "memory_max_usage_bytes", false, OF_CGROUP, CGROUP_MEMORY_MAX_USAGE,
	    "Highest memory usage so far."),
	ROW("memory", "memory_working_set_bytes", false, OF_CGROUP, CGROUP_MEMORY_WORKING_SET,
	    "Memory without inactive file pages."),
	ROW("memory", "memory_total_active_file_bytes", false, OF_CGROUP, CGROUP_MEMORY_ACTIVE_FILE,
	    "Active file pages."),
	ROW("memory", "memory_total_inactive_file_bytes", false, OF_CGROUP,
	    CGROUP_MEMORY_INACTIVE_FILE, "Inactive file pages."),
	FAULTS(CGROUP_MEMORY_FAULTS, "pgfault", "container"),
	FAULTS(CGROUP_MEMORY_MAJOR_FAULTS, "pgmajfault", "container"),
	FAULTS(CGROUP_MEMORY_HIERARCHY_FAULTS, "pgfault", "hierarchy"),
	FAULTS(CGROUP_MEMORY_HIERARCHY_MAJOR_FAULTS, "pgmajfault", "hierarchy"),
	ROW("memory", "memory_events_high_total", true, OF_CGROUP, CGROUP_MEMORY_HIGH_EVENTS,
	    "Throttles above memory.high."),
	ROW("memory", "memory_events_max_total", true, OF_CGROUP, CGROUP_MEMORY_MAX_EVENTS,
	    "Times that memory.max was hit."),
	ROW("memory", "memory_file_dirty_bytes", false, OF_CGROUP, CGROUP_MEMORY_DIRTY,
	    "Page cache not written to disk yet."),
	ROW("memory", "memory_file_writeback_bytes", false, OF_CGROUP, CGROUP_MEMORY_WRITEBACK,
	    "Page cache being written to disk."),
	ROW("memory", "memory_pgscan_total", true, OF_CGROUP, CGROUP_MEMORY_PAGES_SCANNED,
	    "Pages scanned for reclaim."),
	ROW("memory", "memory_pgsteal_total", true, OF_CGROUP, CGROUP_MEMORY_PAGES_STOLEN,
	    "Pages reclaimed."),
	ROW("memory", "memory_workingset_refault_file_total", true, OF_CGROUP,
	    CGROUP_MEMORY_REFAULTS_FILE, "Refaults of evicted file pages."),
	ROW("memory", "memory_workingset_refault_anon_total", true, OF_CGROUP,
	    CGROUP_MEMORY_REFAULTS_ANON, "Refaults of evicted anonymous pages."),

	ROW("oom", "oom_events_total", true, OF_CGROUP, CGROUP_OOM_KILLS,
	    "Processes killed for lack of memory."),

	ITEM("hugetlb", "hugetlb_failcnt", true, OF_PAGES, PAGES_FAILURES, 0, "pagesize",
	     "Times that the limit of hugepages was hit."),
	ITEM("hugetlb", "hugetlb_usage_bytes", false, OF_PAGES, PAGES_USAGE_BYTES, 0, "pagesize",
	     "Hugepages in use."),
	ITEM("hugetlb", "hugetlb_max_usage_bytes", false, OF_PAGES, PAGES_MAX_USAGE_BYTES, 0,
	     "pagesize", "Highest use of hugepages so far."),

	ITEM("disk", "fs_inodes_free", false, OF_DISK, DISK_INODES_FREE, 0, "device",
	     "Free inodes of the file system with the writable layer."),
	ITEM("disk", "fs_inodes_total", false, OF_DISK, DISK_INODES, 0, "device",
	     "Inodes of the file system with the writable layer."),
	ITEM("disk", "fs_limit_bytes", false, OF_DISK, DISK_LIMIT_BYTES, 0, "device",
	     "Size of the file system with the writable layer."),
	ITEM("disk", "fs_usage_bytes", false, OF_DISK, DISK_USED_BYTES, 0, "device",
	     "Bytes of the writable layer."),

	ITEM("diskIO", "fs_reads_bytes_total", true, OF_DEVICES, DEVICE_READ_BYTES, 0, "device",
	     "Bytes read."),
	ITEM("diskIO", "fs_reads_total", true, OF_DEVICES, DEVICE_READS, 0, "device", "Reads."),
	ITEM("diskIO", "fs_writes_bytes_total", true, OF_DEVICES, DEVICE_WRITE_BYTES, 0, "device",
	     "Bytes written."),
	ITEM("diskIO", "fs_writes_total", true, OF_DEVICES, DEVICE_WRITES, 0, "device", "Writes."),
	ITEM("diskIO", "fs_io_cost_usage_seconds_total", true, OF_DEVICES, DEVICE_COST_USAGE_US, US,
	     "device", "Device time charged by io.cost."),
	ITEM("diskIO", "fs_io_cost_wait_seconds_total", true, OF_DEVICES, DEVICE_COST_WAIT_US, US,
	     "device", "Time spent waiting for io.cost."),
	ITEM("diskIO", "fs_io_cost_indebt_seconds_total", true, OF_DEVICES, DEVICE_COST_INDEBT_US,
	     US, "device", "Time in debt to io.cost."),
	ITEM("diskIO", "fs_io_cost_indelay_seconds_total", true, OF_DEVICES, DEVICE_COST_INDELAY_US,
	     US, "device", "Time delayed by io.cost."),
	BLKIO(DEVICE_READ_BYTES, "Read"),
	BLKIO(DEVICE_WRITE_BYTES, "Write"),
	BLKIO(DEVICE_SYNC_BYTES, "Sync"),
	BLKIO(DEVICE_ASYNC_BYTES, "Async"),
	BLKIO(DEVICE_DISCARD_BYTES, "Discard"),
	BLKIO(DEVICE_TOTAL_BYTES, "Total"),

	ITEM("network", "network_receive_bytes_total", true, OF_INTERFACES, INTERFACE_RX_BYTES, 0,
	     "interface", "Bytes received."),
	ITEM("network", "network_receive_packets_total", true, OF_INTERFACES, INTERFACE_RX_PACKETS,
	     0, "interface", "Packets received."),
	ITEM("network", "network_receive_packets_dropped_total", true, OF_INTERFACES,
	     INTERFACE_RX_DROPPED, 0, "interface", "Packets dropped on arrival."),
	ITEM("network", "network_receive_errors_total", true, OF_INTERFACES, INTERFACE_RX_ERRORS, 0,
	     "interface", "Packets received with an error."),
	ITEM("network", "network_transmit_bytes_total", true, OF_INTERFACES, INTERFACE_TX_BYTES, 0,
	     "interface", "Bytes sent."),
	ITEM("network", "network_transmit_packets_total", true, OF_INTERFACES, INTERFACE_TX_PACKETS,
	     0, "interface", "Packets sent."),
	ITEM("network", "network_transmit_packets_dropped_total", true, OF_INTERFACES,
	     INTERFACE_TX_DROPPED, 0, "interface", "Packets dropped before they were sent."),
	ITEM("network", "network_transmit_errors_total", true, OF_INTERFACES, INTERFACE_TX_ERRORS,
	     0, "interface", "Packets not sent because of an error."),

	ROW("process", "processes", false, OF_PROCESSES, PROC_PROCESSES, "Processes."),
	ROW("process", "file_descriptors", false, OF_PROCESSES, PROC_FDS,
	    "Open descriptors of all processes."),
	ROW("process", "sockets", false, OF_PROCESSES, PROC_SOCKETS,
	    "Open sockets of all processes."),
	ROW("process", "threads_max", false, OF_CGROUP, CGROUP_TASKS_MAX,
	    "Limit of processes and threads; 0: none."),
	ROW("process", "threads", false, OF_CGROUP, CGROUP_TASKS, "Processes and threads."),
	{ "process",
	  "container_ulimits_soft",
	  "Soft limits of the main process.",
	  false,
	  false,
	  OF_PROCESSES,
	  PROC_NOFILE_SOFT,
	  0,
	  { "ulimit" },
	  { "max_open_files" } },

	SECONDS("pressure", "pressure_cpu_stalled_seconds_total", OF_CGROUP, CGROUP_CPU_FULL_US, US,
		"Time in which all tasks waited for CPU."),
	SECONDS("pressure", "pressure_cpu_waiting_seconds_total", OF_CGROUP, CGROUP_CPU_SOME_US, US,
		"Time in which a task waited for CPU."),
	SECONDS("pressure", "pressure_memory_stalled_seconds_total", OF_CGROUP,
		CGROUP_MEMORY_FULL_US, US, "Time in which all tasks waited for memory."),
	SECONDS("pressure", "pressure_memory_waiting_seconds_total", OF_CGROUP,
		CGROUP_MEMORY_SOME_US, US, "Time in which a task waited for memory."),
	SECONDS("pressure", "pressure_io_stalled_seconds_total", OF_CGROUP, CGROUP_IO_FULL_US, US,
		"Time in which all tasks waited for IO."),
	SECONDS("pressure", "pressure_io_waiting_seconds_total", OF_CGROUP, CGROUP_IO_SOME_US, US,
		"Time in which a task waited for IO."),

	ROW("spec", "creation_time_seconds", false, OF_LIFE, LIFE_CREATED_S,
	    "Time of creation, seconds since the epoch."),
	ROW("spec", "start_time_seconds", false, OF_LIFE, LIFE_STARTED_S,
	    "Time of the start, seconds since the epoch."),
	ROW("spec", "spec_cpu_period", false, OF_CGROUP, CGROUP_CPU_PERIOD_US,
	    "Period of the CPU quota, microseconds."),
	ROW("spec", "spec_cpu_quota", false, OF_CGROUP, CGROUP_CPU_QUOTA_US,
	    "CPU quota, microseconds in each period."),
	ROW("spec", "spec_cpu_shares", false, OF_CGROUP, CGROUP_CPU_SHARES, "CPU shares."),
	ROW("spec", "spec_memory_limit_bytes", false, OF_CGROUP, CGROUP_MEMORY_LIMIT,
	    "Memory limit; 0: none."),
	ROW("spec", "spec_memory_swap_limit_bytes", false, OF_CGROUP, CGROUP_MEMORY_SWAP_LIMIT,
	    "Swap limit; 0: none."),
	ROW("spec", "spec_memory_reservation_limit_bytes", false, OF_CGROUP,
	    CGROUP_MEMORY_RESERVATION, "Memory kept from reclaim; 0: none."),
};

const size_t families_n = ARRAY_LEN(families);

bool family_included(const struct metric_family *f, char *const *groups)
{
	if (!*f->group)
		return true;
	for (; groups && *groups; groups++)
		if (strcmp(*groups, "all") == 0 || strcmp(*groups, f->group) == 0)
			return true;
	return false;
}

bool family_continues(const struct metric_family *f)
{
	return f > families && strcmp(f[-1].name, f->name) == 0;
}

uint64_t families_want(enum family_source source, char *const *groups)
{
	uint64_t want = 0;

	for (size_t i = 0; i < families_n; i++) {
		const struct metric_family *f = &families[i];

		if (f->source != source || !family_included(f, groups))
			continue;
		want |= UINT64_C(1) << f->figure;
		if (f->quota)
			want |= UINT64_C(1) << CGROUP_CPU_QUOTA_US;
	}
	return want;
}
