/*
 * layerset.h - a set of layers, asked by the names of their directories.
 */
#pragma once

#include <stdbool.h>

#include "base/util.h"

struct layer_set;

struct layer_set *layer_set_new(void);
void layer_set_free(struct layer_set *s); /* NULL is fine */

/* false: it was in there, or is no "sha256:<64 hex>". */
bool layer_set_add(struct layer_set *s, const char *diff_id);

/* Is this the name of a directory of one of them, perhaps with something behind it?  s may be NULL:
 * none is in it. */
bool layer_set_has(const struct layer_set *s, const char *name);

static inline void layer_set_freep(struct layer_set **s)
{
	layer_set_free(*s);
}
#define _cleanup_layer_set_ _cleanup_(layer_set_freep)
