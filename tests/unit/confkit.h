/*
 * confkit.h - a directory with configuration files, for the tests of src/conf.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"
#include "conf/conf.h"

struct dir {
	char path[64];
};

static inline int setup(void **state)
{
	struct dir *d = xcalloc(1, sizeof(*d));

	snprintf(d->path, sizeof(d->path), "/tmp/crisp-conf-XXXXXX");
	assert_non_null(mkdtemp(d->path));
	*state = d;
	return 0;
}

static inline int teardown(void **state)
{
	struct dir *d = *state;
	struct err e = ERR_NULL;

	assert_int_equal(fs_remove_tree(d->path, &e), 0);
	free(d);
	return 0;
}

static inline void put(const struct dir *d, const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", d->path, name);
	struct err e = ERR_NULL;

	assert_int_equal(fs_replace_file(path, text, strlen(text), 0644, false, &e), 0);
}

static inline int load(struct conf *c, const struct dir *d, const char *text, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/crio.conf", d->path);

	put(d, "crio.conf", text);
	return conf_load_file(c, path, e);
}

static inline void load_ok(struct conf *c, const struct dir *d, const char *text)
{
	struct err e = ERR_NULL;

	if (load(c, d, text, &e) != 0)
		fail_msg("%s", e.text);
}

/* A runtime that exists, so that the outcome does not depend on the machine. */
static inline void add_runtime(struct conf *c, const char *name)
{
	_cleanup_free_ char *value = xasprintf("%s:/bin/sh", name);
	struct err e = ERR_NULL;

	assert_int_equal(conf_set(c, "crio.runtime.runtimes", value, &e), 0);
}
