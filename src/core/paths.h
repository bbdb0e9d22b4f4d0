/*
 * paths.h - every path on the node that belongs to an object, derived from its id alone.
 * All returned strings are malloc'ed.
 */
#pragma once

#include "conf/conf.h"

/* Boot-scoped, below runroot. */
char *path_pod_run(const struct conf *c, const char *id); /* shim socket, files/, shm */
char *path_pod_ns(const struct conf *c, const char *id); /* pinned namespaces */
char *path_container_run(const struct conf *c, const char *id); /* the bundle */
char *path_container_rootfs(const struct conf *c, const char *id);

/* Durable, below root. */
char *path_pod_dir(const struct conf *c, const char *id);
char *path_container_dir(const struct conf *c, const char *id); /* upper, work, exit record */
char *path_container_exit(const struct conf *c, const char *id);
char *path_container_trash(const struct conf *c); /* beside the containers' directories */
char *path_images(const struct conf *c);
char *path_image_trash(const struct conf *c);

/* Cgroups below a pod's parent.  With the systemd manager a container's is "slice:crisp:id", the
 * form its OCI runtime takes; cgroup_dir tells where that is from the hierarchies' roots. */
char *cgroup_of_container(const struct conf *c, const char *parent, const char *id);
char *cgroup_of_shim(const char *parent, const char *id);
char *cgroup_dir(const char *cgroups_path);
/* The same for a pod's parent: a path, or a slice's name with the systemd manager. */
char *cgroup_of_pod(const char *parent);
