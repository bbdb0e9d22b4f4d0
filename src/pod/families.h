/*
 * families.h - the metric families of pods and containers, and the sources of their values.  Names,
 * labels, types and units are those of the kubelet's cAdvisor.
 *
 * A value is a whole number in the CRI: a family in seconds loses its fraction.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/figures.h"

/* The items of a source have labels and figures (os/figures.h). */
enum family_source {
	OF_LIFE, /* one item: enum life_figure */
	OF_CGROUP, /* one item: enum cgroup_figure */
	OF_DEVICES, /* block devices: enum device_figure */
	OF_PAGES, /* sizes of hugepages: enum pages_figure */
	OF_PROCESSES, /* one item: enum proc_figure */
	OF_DISK, /* one item: enum disk_figure; containers only */
	OF_INTERFACES, /* enum interface_figure; pods with a network of their own only */
	FAMILY_SOURCE_COUNT,
};

enum life_figure {
	LIFE_SEEN_S,
	LIFE_CREATED_S,
	LIFE_STARTED_S
};
enum disk_figure {
	DISK_USED_BYTES,
	DISK_LIMIT_BYTES,
	DISK_INODES,
	DISK_INODES_FREE
};
enum interface_figure {
	INTERFACE_RX_BYTES,
	INTERFACE_RX_PACKETS,
	INTERFACE_RX_DROPPED,
	INTERFACE_RX_ERRORS,
	INTERFACE_TX_BYTES,
	INTERFACE_TX_PACKETS,
	INTERFACE_TX_DROPPED,
	INTERFACE_TX_ERRORS,
};

#define FAMILY_LABELS 4
#define FAMILY_FIXED 2

/* One value of a family for each item.  Rows of one family follow each other and differ in `fixed`
 * and `figure` alone. */
struct metric_family {
	const char *group; /* of crio.stats.included_pod_metrics; "": always included */
	const char *name, *help;
	bool counter;
	bool quota; /* absent without a CPU quota */
	enum family_source source;
	unsigned figure;
	uint64_t divisor; /* 0: 1 */
	const char *labels[FAMILY_LABELS]; /* beyond the base labels: the item's, then fixed ones */
	const char *fixed[FAMILY_FIXED]; /* values of the last labels */
};

extern const struct metric_family families[];
extern const size_t families_n;

/* Labels that each family has first: container, id, image, name, namespace, pod. */
#define FAMILY_BASE_LABELS 6
extern const char *const family_base_labels[FAMILY_BASE_LABELS];

/* Do the groups of the configuration include f?  groups: NULL-terminated; NULL: none. */
bool family_included(const struct metric_family *f, char *const *groups);

/* Is f another row of the family before it? */
bool family_continues(const struct metric_family *f);

/* The figures of source that the included families need, as a mask. */
uint64_t families_want(enum family_source source, char *const *groups);
