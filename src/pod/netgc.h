/*
 * netgc.h - garbage collection of pod networks, for plugins of version 1.1.
 */
#pragma once

#include "base/err.h"
#include "conf/conf.h"

/* Hold for each ADD, on a worker: *ret_fd closes it.  Waits for a collection under way. */
int netgc_enter(const struct conf *conf, int *ret_fd, struct err *e);

/* Have the plugins of the configuration free what belongs to no pod of the store; but: also what
 * belongs to this pod, NULL: none.  Blocks.  0 also when the plugins have no GC. */
int netgc_collect(const struct conf *conf, const char *conf_json, const char *but, struct err *e);

/* Collect once, on a worker, with the configuration in force.  Call after the rows are loaded. */
void netgc_start(void);
