/*
 * paths.h - every path on the node that belongs to an object, derived from the object's id alone.
 * The caller frees the returned strings.
 */
#pragma once

#include "conf/conf.h"

/* Boot-scoped, below runroot. */
char *path_pod_run(const struct conf *c, const char *id); /* shim socket, files/, shm */
char *path_pod_ns(const struct conf *c, const char *id); /* pinned namespaces */
char *path_container_run(const struct conf *c, const char *id); /* OCI bundle */
char *path_container_rootfs(const struct conf *c, const char *id);

/* Durable, below root. */
char *path_pod_dir(const struct conf *c, const char *id);
char *path_container_dir(const struct conf *c, const char *id); /* upper, work, exit record */
char *path_container_exit(const struct conf *c, const char *id);
char *path_container_trash(const struct conf *c); /* on the file system of the containers */
char *path_images(const struct conf *c);
char *path_image_trash(const struct conf *c);

/* Cgroups below a pod's cgroup parent.  With the systemd manager a container's cgroup is
 * "slice:crisp:id", as in OCI's cgroupsPath; cgroup_dir converts to a path from the hierarchies'
 * roots. */
char *cgroup_of_container(const struct conf *c, const char *parent, const char *id);
char *cgroup_of_shim(const char *parent, const char *id);
char *cgroup_dir(const char *cgroups_path);
/* Convert a pod's cgroup parent, a path or a systemd slice name, to a path. */
char *cgroup_of_pod(const char *parent);
