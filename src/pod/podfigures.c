/*
 * podfigures.c - fill the items of each source, from the cgroup, /proc, the netns and the row.
 */
#include "pod/podfigures.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/log.h"
#include "os/cgroup_figures.h"
#include "os/netdev.h"
#include "os/proc_figures.h"

#define LOG_EVERY_NS (60 * NSEC_PER_SEC)

static void add_life(const struct usage *u, struct figure_list *l)
{
	struct figures *f = figure_list_add(l);

	figure_set(f, LIFE_SEEN_S, (uint64_t)(clock_realtime_ns() / NSEC_PER_SEC));
	figure_set(f, LIFE_CREATED_S, (uint64_t)(u->created_ns / NSEC_PER_SEC));
	if (u->started_ns)
		figure_set(f, LIFE_STARTED_S, (uint64_t)(u->started_ns / NSEC_PER_SEC));
}

/* The size is that of the file system, since crisp limits no writable layer. */
static void read_disk(struct figures *f)
{
	struct statvfs fs;
	struct stat st;

	if (stat(world.conf->root, &st) < 0 || statvfs(world.conf->root, &fs) < 0)
		return;
	device_label(major(st.st_dev), minor(st.st_dev), f->labels[0]);
	figure_set(f, DISK_LIMIT_BYTES, fs.f_blocks * fs.f_frsize);
	figure_set(f, DISK_INODES, fs.f_files);
	figure_set(f, DISK_INODES_FREE, fs.f_ffree);
}

static void add_disk(const struct figures *disk, const struct usage *u, struct figure_list *l)
{
	struct figures *f;

	if (!disk->known)
		return;
	f = figure_list_add(l);
	*f = *disk;
	if (u->disk.at)
		figure_set(f, DISK_USED_BYTES, u->disk.bytes);
}

static void add_interface(const struct netdev *d, struct figure_list *l)
{
	struct figures *f = figure_list_add(l);

	snprintf(f->labels[0], FIGURE_LABEL_BYTES, "%s", d->name);
	figure_set(f, INTERFACE_RX_BYTES, d->rx_bytes);
	figure_set(f, INTERFACE_RX_PACKETS, d->rx_packets);
	figure_set(f, INTERFACE_RX_DROPPED, d->rx_dropped);
	figure_set(f, INTERFACE_RX_ERRORS, d->rx_errors);
	figure_set(f, INTERFACE_TX_BYTES, d->tx_bytes);
	figure_set(f, INTERFACE_TX_PACKETS, d->tx_packets);
	figure_set(f, INTERFACE_TX_DROPPED, d->tx_dropped);
	figure_set(f, INTERFACE_TX_ERRORS, d->tx_errors);
}

static int add_interfaces(const struct usage *u, struct figure_list *l, struct err *e)
{
	_cleanup_free_ struct netdev *devs = NULL;
	size_t n = 0;
	int r = netdev_read(u->netns, &devs, &n, e);

	for (size_t i = 0; i < n; i++)
		add_interface(&devs[i], l);
	return MIN(r, 0);
}

static int add_cgroup(const struct usage *u, uint64_t want, struct figure_list *l, struct err *e)
{
	return cgroup_figures_read(world.cgroups, u->cgroup, want, figure_list_add(l), e);
}

/* As cAdvisor, without the cgroups below: a pod's own cgroup has no process. */
static int add_processes(const struct usage *u, struct figure_list *l, struct err *e)
{
	struct figures *none;
	int r;

	if (u->kind != KIND_CONTAINER) {
		none = figure_list_add(l);
		figure_set(none, PROC_PROCESSES, 0);
		figure_set(none, PROC_FDS, 0);
		figure_set(none, PROC_SOCKETS, 0);
		return 0;
	}
	r = proc_figures_read(world.cgroups, u->cgroup, u->pid, figure_list_add(l), e);

	return MIN(r, 0);
}

static int read_sources(const struct podfigures_reader *rd, const struct usage *u,
			struct figure_list *of, struct err *e)
{
	const uint64_t *want = rd->want;
	bool container = u->kind == KIND_CONTAINER;
	int r = 0;

	add_life(u, &of[OF_LIFE]);
	if (u->cgroup && want[OF_CGROUP])
		r = add_cgroup(u, want[OF_CGROUP], &of[OF_CGROUP], e);
	if (r == 0 && u->cgroup && want[OF_DEVICES])
		cgroup_devices_read(world.cgroups, u->cgroup, &of[OF_DEVICES]);
	if (r == 0 && u->cgroup && want[OF_PAGES])
		cgroup_pages_read(world.cgroups, u->cgroup, &of[OF_PAGES]);
	if (r == 0 && u->cgroup && want[OF_PROCESSES])
		r = add_processes(u, &of[OF_PROCESSES], e);
	if (r == 0 && container && want[OF_DISK])
		add_disk(&rd->disk, u, &of[OF_DISK]);
	if (r == 0 && u->netns && want[OF_INTERFACES])
		r = add_interfaces(u, &of[OF_INTERFACES], e);
	return r;
}

bool podfigures_possible(const struct metric_family *f)
{
	if (f->source == OF_PAGES)
		return cgroup_pages_counted(world.cgroups);
	if (f->source == OF_DEVICES && f->figure >= DEVICE_COST_USAGE_US)
		return cgroup_costs_counted(world.cgroups);
	return true;
}

void podfigures_begin(struct podfigures_reader *rd)
{
	*rd = (struct podfigures_reader){ .failed = 0 };
	for (enum family_source s = 0; s < FAMILY_SOURCE_COUNT; s++)
		rd->want[s] = families_want(s, world.conf->included_pod_metrics);
	if (rd->want[OF_DISK])
		read_disk(&rd->disk);
}

int podfigures_read(struct podfigures_reader *rd, const struct usage *u, struct podfigures *ret)
{
	struct err e = ERR_NULL;
	int r;

	*ret = PODFIGURES_NULL;
	r = read_sources(rd, u, ret->of, &e);
	if (r < 0 && rd->failed++ == 0)
		rd->why = e;
	return MAX(r, 0);
}

void podfigures_end(const struct podfigures_reader *rd)
{
	static _Atomic int64_t logged_ns; /* of all workers; 0: never */
	int64_t now = clock_monotonic_ns(), last = logged_ns;
	struct err why = rd->why;

	if (!rd->failed || (last && now - last < LOG_EVERY_NS) ||
	    !atomic_compare_exchange_strong(&logged_ns, &last, now))
		return;
	err_wrap(&why, "of %zu objects, the first", rd->failed);
	log_err(LOG_LEVEL_WARN, "metrics are missing", &why);
}

void podfigures_done(struct podfigures *p)
{
	for (enum family_source s = 0; s < FAMILY_SOURCE_COUNT; s++)
		figure_list_done(&p->of[s]);
}

bool podfigures_show(const struct podfigures *p, const struct metric_family *f)
{
	const struct figure_list *l = &p->of[OF_CGROUP];

	return !f->quota || (l->n && figure_known(&l->items[0], CGROUP_CPU_QUOTA_US));
}
