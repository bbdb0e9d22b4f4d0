/*
 * annotations.h - the annotations of an image, as Image.spec shows them: at most 128 entries
 * and LIMIT_ANNOTATIONS bytes of keys and values.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "gen/state.pb-c.h"

struct annotations {
	Crisp__State__Annotation **list; /* malloc'ed, as protobuf-c frees it */
	size_t n;
};

#define ANNOTATIONS_NULL ((struct annotations){ .n = 0 })

/* Append a copy, or replace the value of this key. Left out: an empty key, and what would exceed
 * a limit. */
void annotations_put(struct annotations *a, const char *key, const char *value);
void annotations_done(struct annotations *a);

/* Does one of them, of CRI-O or containerd, say that the image's layer has the members of a
 * checkpoint? */
bool annotations_are_of_checkpoint(Crisp__State__Annotation *const *list, size_t n);

/* Is this list within both limits, each key and value well-formed UTF-8, no key empty? */
bool annotations_are_valid(Crisp__State__Annotation *const *list, size_t n);
