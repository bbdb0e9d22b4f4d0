/*
 * podread.h - reads a pod's checkpoint, whose files podfile.h describes, and checks it before
 * anything is made from it.  The checkpoint is hostile and is never changed.  Workers only.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "gen/api.pb-c.h"

struct podread {
	char *dir; /* of pod.json */
	json_t *doc;
};

#define PODREAD_NULL ((struct podread){ .dir = NULL })
void podread_done(struct podread *p);

/* Read pod.json of the checkpoint in path, a directory that CheckpointPod has written to.
 * ERR_INVALID: no checkpoint, or a damaged one; ERR_DENIED: others than root may change it;
 * ERR_PRECONDITION: another version or architecture. */
int podread_open(const char *path, struct podread *ret, struct err *e);

/* Are exactly the files of pod.json there, each of its size?  ERR_INVALID: no. */
int podread_check_files(const struct podread *p, struct err *e);

/* The member of `containers` with this name; NULL: none. */
const json_t *podread_container(const struct podread *p, const char *name);
/* "config" of the pod or of a container, unpacked with the default allocator.  NULL: e is set. */
Runtime__V1__PodSandboxConfig *podread_pod_config(const struct podread *p, struct err *e);
Runtime__V1__ContainerConfig *podread_config(const json_t *container, struct err *e);

/* Has the file at path the checksum of the checkpoint's file name?  ERR_INVALID: no. */
int podread_check_sum(const struct podread *p, const char *name, const char *path, struct err *e);
