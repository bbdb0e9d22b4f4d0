/*
 * figures.h - a set of numbers that the kernel gives about one thing, some of which may be missing:
 * of a cgroup, a block device, an interface.  Absent is not zero.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FIGURES_MAX 64
#define FIGURE_LABELS 3
#define FIGURE_LABEL_BYTES 64

struct figures {
	uint64_t known; /* bit i: v[i] is known */
	uint64_t v[FIGURES_MAX];
	char labels[FIGURE_LABELS][FIGURE_LABEL_BYTES]; /* name the thing; "": unused */
};

/* A growing list; free with figure_list_done. */
struct figure_list {
	struct figures *items; /* malloc'ed */
	size_t n;
};
#define FIGURE_LIST_NULL ((struct figure_list){ .items = NULL })

static inline bool figure_known(const struct figures *f, unsigned i)
{
	return f->known >> i & 1;
}

static inline void figure_set(struct figures *f, unsigned i, uint64_t v)
{
	f->known |= UINT64_C(1) << i;
	f->v[i] = v;
}

/* Add an empty item.  The result is valid until the next call. */
struct figures *figure_list_add(struct figure_list *l);
void figure_list_done(struct figure_list *l);
