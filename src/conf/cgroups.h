/*
 * cgroups.h - derived values of the keys about cgroups.  For conf.c only.
 */
#pragma once

#include "base/err.h"

struct conf;

/* Set default_cgroup_parent and cgroup_prefix if they are empty; check the parent.  c->listen is
 * derived. */
int conf_finish_cgroups(struct conf *c, struct err *e);
