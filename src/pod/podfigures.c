/*
 * podfigures.c - fill the items of each source, from the cgroup, /proc, the netns and the row.
 */
#include "pod/podfigures.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "base/clock.h"
#include "base/log.h"
#include "os/cgroup_figures.h"
#include "os/netdev.h"
#include "os/proc_figures.h"

static void add_life(const struct usage *u, struct figure_list *l)
{
	struct figures *f = figure_list_add(l);

	figure_set(f, LIFE_SEEN_S, (uint64_t)(clock_realtime_ns() / NSEC_PER_SEC));
	figure_set(f, LIFE_CREATED_S, (uint64_t)(u->created_ns / NSEC_PER_SEC));
	if (u->started_ns)
		figure_set(f, LIFE_STARTED_S, (uint64_t)(u->started_ns / NSEC_PER_SEC));
}

/* The size is that of the file system, since crisp limits no writable layer. */
static void add_disk(const struct usage *u, struct figure_list *l)
{
	struct statvfs fs;
	struct figures *f;
	struct stat st;

	if (stat(world.conf->root, &st) < 0 || statvfs(world.conf->root, &fs) < 0)
		return;
	f = figure_list_add(l);
	device_label(major(st.st_dev), minor(st.st_dev), f->labels[0]);
	figure_set(f, DISK_LIMIT_BYTES, fs.f_blocks * fs.f_frsize);
	figure_set(f, DISK_INODES, fs.f_files);
	figure_set(f, DISK_INODES_FREE, fs.f_ffree);
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

static int add_processes(const struct usage *u, struct figure_list *l, struct err *e)
{
	int r = proc_figures_read(world.cgroups, u->cgroup, u->pid, figure_list_add(l), e);

	return MIN(r, 0);
}

int podfigures_read(const struct usage *u, struct podfigures *ret)
{
	char **groups = world.conf->included_pod_metrics;
	struct figure_list *of = ret->of;
	struct err e = ERR_NULL;
	uint64_t want[FAMILY_SOURCE_COUNT];
	bool container = u->kind == KIND_CONTAINER;
	int r = 0;

	*ret = PODFIGURES_NULL;
	for (enum family_source s = 0; s < FAMILY_SOURCE_COUNT; s++)
		want[s] = families_want(s, groups);
	add_life(u, &of[OF_LIFE]);
	if (u->cgroup && want[OF_CGROUP])
		r = add_cgroup(u, want[OF_CGROUP], &of[OF_CGROUP], &e);
	if (r == 0 && u->cgroup && want[OF_DEVICES])
		cgroup_devices_read(world.cgroups, u->cgroup, &of[OF_DEVICES]);
	if (r == 0 && u->cgroup && want[OF_PAGES])
		cgroup_pages_read(world.cgroups, u->cgroup, &of[OF_PAGES]);
	if (r == 0 && u->cgroup && container && want[OF_PROCESSES])
		r = add_processes(u, &of[OF_PROCESSES], &e);
	if (r == 0 && container && want[OF_DISK])
		add_disk(u, &of[OF_DISK]);
	if (r == 0 && u->netns && want[OF_INTERFACES])
		r = add_interfaces(u, &of[OF_INTERFACES], &e);
	if (r < 0)
		log_err(LOG_LEVEL_WARN, "metrics are missing", &e);
	return MAX(r, 0);
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
