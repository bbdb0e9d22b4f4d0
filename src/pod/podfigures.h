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

/* What the reads of one request share. */
struct podfigures_reader {
	uint64_t want[FAMILY_SOURCE_COUNT]; /* figures of the included families, as masks */
	struct figures disk; /* of the file system with the writable layers; known: 0: not read */
	size_t failed; /* objects with figures that could not be read */
	struct err why; /* of the first one */
};

/* Can this node have values of f?  Reads a file. */
bool podfigures_possible(const struct metric_family *f);

/* Worker: begin the reads of one request. */
void podfigures_begin(struct podfigures_reader *rd);
/* Read the figures of the included families, each file once.  u: from usage_begin.  A figure that
 * cannot be read is unknown.  1: the cgroup is gone.  Free ret in each case. */
int podfigures_read(struct podfigures_reader *rd, const struct usage *u, struct podfigures *ret);
/* Log that figures are missing, at most once a minute. */
void podfigures_end(const struct podfigures_reader *rd);

void podfigures_done(struct podfigures *p);

/* Does f apply to the object, whose figures may be unknown? */
bool podfigures_show(const struct podfigures *p, const struct metric_family *f);
