/*
 * lookaside.h - where the signatures of an image are: containers-registries.d(5).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "image/ref.h"

struct lookaside;

struct lookaside_place {
	const char *url; /* file, http or https, without a slash at the end */
	bool attachments; /* sigstore's signatures are beside the image in the registry */
};

struct lookaside *lookaside_new(void);
void lookaside_free(struct lookaside *l);

static inline void lookaside_freep(struct lookaside **l)
{
	lookaside_free(*l);
}

/* Add the sections of one file's text.  ERR_PRECONDITION says what is wrong in which line; a
 * section that another file has already is wrong, too. */
int lookaside_add(struct lookaside *l, const char *yaml, size_t size, const char *file,
		  struct err *e);
/* Add every *.yaml of a directory; one that is missing or "" is an empty one. */
int lookaside_load(struct lookaside *l, const char *dir, struct err *e);

/* For an image with a full name.  What ret points to stays l's. */
void lookaside_find(const struct lookaside *l, const struct image_ref *ref,
		    struct lookaside_place *ret);

/* Every URL of the sections, and the default one. */
void lookaside_each(const struct lookaside *l, void (*fn)(void *arg, const char *url), void *arg);
