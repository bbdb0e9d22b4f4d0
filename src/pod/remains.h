/*
 * remains.h - pods and containers that are on the node whether or not a row knows them: found by
 * their directories and by the shims that run, ended and cleaned by their id alone.  Blocking.
 */
#pragma once

#include "conf/conf.h"

struct remains {
	char **pods, **containers; /* ids, each once; NULL-terminated, NULL: none */
	char **shims; /* ids of the pods whose shim runs */
	size_t n_pods, n_containers, n_shims;
	size_t layers; /* unpacked image layers */
};

#define REMAINS_NULL ((struct remains){ .pods = NULL })

int remains_find(const struct conf *c, struct remains *ret, struct err *e);
void remains_done(struct remains *r);

/* "3 pods (ID, ...) and 4 containers are below RUNROOT and ROOT, 3 shims run", malloc'ed; NULL:
 * there are none. */
char *remains_pods_text(const struct remains *r, const struct conf *c);
char *remains_shims_text(const struct remains *r);
char *remains_layers_text(const struct remains *r, const struct conf *c);

/* End the shim of a pod, so that nothing new starts in it. */
int remains_end_shim(const char *id, struct err *e);
/* Processes, the runtime's state, mounts, cgroup, directories of a container. */
int remains_end_container(const char *id, struct err *e);
/* Shim, network (with the configuration of today), namespaces, mounts, cgroup, directories. */
int remains_end_pod(const char *id, struct err *e);
