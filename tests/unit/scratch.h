/*
 * scratch.h - a directory for one test, below TMPDIR, gone with the test.
 */
#pragma once

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"

struct scratch {
	char path[256];
};

static inline void scratch_make(struct scratch *s)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(s->path, sizeof(s->path), "%s/crisp-test-XXXXXX", tmp ? tmp : "/tmp");
	assert(mkdtemp(s->path));
}

static inline void scratch_drop(struct scratch *s)
{
	struct err e = ERR_NULL;

	assert(fs_remove_tree(s->path, &e) == 0);
}

/* Below the directory; malloc'ed. */
static inline char *scratch_file(const struct scratch *s, const char *name)
{
	return xasprintf("%s/%s", s->path, name);
}
