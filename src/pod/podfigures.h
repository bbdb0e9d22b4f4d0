/*
 * podfigures.h - all figures of a pod or container that metric families show (see families.h).
 */
#pragma once

#include "os/figures.h"
#include "pod/families.h"
#include "pod/usage.h"

struct podfigures {
	struct figure_list of[FAMILY_SOURCE_COUNT];
};
#define PODFIGURES_NULL ((struct podfigures){ .of = { FIGURE_LIST_NULL } })

/* Worker: read the figures of the included families, each file once.  u: from usage_begin.  A
 * figure that cannot be read is unknown.  1: the cgroup is gone.  Free ret in each case. */
int podfigures_read(const struct usage *u, struct podfigures *ret);
void podfigures_done(struct podfigures *p);

/* Does f apply to the object, whose figures may be unknown? */
bool podfigures_show(const struct podfigures *p, const struct metric_family *f);
