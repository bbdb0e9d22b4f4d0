/*
 * remains.h - pods and containers on the node, with or without a row: finds them by directories and
 * running shims, ends and cleans them by id alone.  Blocking.
 */
#pragma once

#include "conf/conf.h"

struct remains {
	char **pods, **containers; /* ids, each once; NULL-terminated, NULL: none */
	char **shims; /* ids of pods with a running shim */
	size_t n_pods, n_containers, n_shims;
	size_t layers; /* unpacked image layers */
};

#define REMAINS_NULL ((struct remains){ .pods = NULL })

int remains_find(const struct conf *c, struct remains *ret, struct err *e);
void remains_done(struct remains *r);

/* "3 pods and 4 containers (ID, ...) are left in RUNROOT and ROOT, 3 shims of pods run", malloc'ed;
 * NULL: none found. */
char *remains_pods_text(const struct remains *r, const struct conf *c);
char *remains_shims_text(const struct remains *r);
char *remains_layers_text(const struct remains *r, const struct conf *c);

/* Kill a pod's shim, so that no new process starts in the pod. */
int remains_end_shim(const char *id, struct err *e);
/* Remove a container's processes, runtime state, mounts, cgroup and directories. */
int remains_end_container(const char *id, struct err *e);
/* Remove a pod's shim, network (by the current CNI configuration), namespaces, mounts, cgroup and
 * directories. */
int remains_end_pod(const char *id, struct err *e);
