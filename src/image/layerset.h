/*
 * layerset.h - a set of layers, with look-up by directory name.
 */
#pragma once

#include <stdbool.h>

#include "base/util.h"

struct layer_set;

struct layer_set *layer_set_new(void);
void layer_set_free(struct layer_set *s); /* s may be NULL */

/* false: already in the set, or not "sha256:<64 hex>". */
bool layer_set_add(struct layer_set *s, const char *diff_id);

/* true: name is the directory name of a layer in the set, optionally with a suffix. s may be NULL:
 * empty set. */
bool layer_set_has(const struct layer_set *s, const char *name);

static inline void layer_set_freep(struct layer_set **s)
{
	layer_set_free(*s);
}
#define _cleanup_layer_set_ _cleanup_(layer_set_freep)
