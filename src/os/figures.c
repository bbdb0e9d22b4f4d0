/*
 * figures.c - growing lists of figures.
 */
#include "os/figures.h"

#include <stdlib.h>

#include "base/util.h"

struct figures *figure_list_add(struct figure_list *l)
{
	l->items = xrealloc(l->items, (l->n + 1) * sizeof(*l->items));
	l->items[l->n] = (struct figures){ .known = 0 };
	return &l->items[l->n++];
}

void figure_list_done(struct figure_list *l)
{
	free(l->items);
	*l = FIGURE_LIST_NULL;
}
