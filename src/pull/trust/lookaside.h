/*
 * lookaside.h - locations of an image's signatures: containers-registries.d(5).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "image/ref.h"

struct lookaside;

struct lookaside_place {
	const char *url; /* file, http or https; no trailing slash */
	bool attachments; /* sigstore: signatures as attachments in the registry */
};

struct lookaside *lookaside_new(void);
void lookaside_free(struct lookaside *l);

static inline void lookaside_freep(struct lookaside **l)
{
	lookaside_free(*l);
}

/* Add the sections of one file's text. ERR_PRECONDITION names line and error; a section that
 * another file already has is an error. */
int lookaside_add(struct lookaside *l, const char *yaml, size_t size, const char *file,
		  struct err *e);
/* Add every *.yaml of a directory; missing or "": none. */
int lookaside_load(struct lookaside *l, const char *dir, struct err *e);

/* Look up an image with a full name. l owns the strings in ret. */
void lookaside_find(const struct lookaside *l, const struct image_ref *ref,
		    struct lookaside_place *ret);

/* Call fn for every URL of the sections, and the default URL. */
void lookaside_each(const struct lookaside *l, void (*fn)(void *arg, const char *url), void *arg);
