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
char *path_container_criu_conf(const struct conf *c, const char *id); /* for a checkpoint */
char *path_container_rootfs(const struct conf *c, const char *id);

/* Durable, below root. */
char *path_pod_dir(const struct conf *c, const char *id);
char *path_container_dir(const struct conf *c, const char *id); /* diff, work, exit record */
/* The writable layer: "diff", where cAdvisor measures it; "upper" of a container that an older
 * crispd has made. */
char *path_container_upper(const struct conf *c, const char *id);
char *path_container_merged(const struct conf *c, const char *id); /* link to the root fs */
char *path_container_exit(const struct conf *c, const char *id);
char *path_container_trash(const struct conf *c); /* on the file system of the containers */
char *path_images(const struct conf *c);

/* Below log_dir: logs of a pod without a log_directory. */
char *path_pod_logs(const struct conf *c, const char *id);
char *path_image_trash(const struct conf *c);

/* Cgroups below a pod's cgroup parent.  With the systemd manager a container's cgroup is
 * "slice:prefix:id", as in OCI's cgroupsPath; cgroup_dir converts to a path from the hierarchies'
 * roots. */
char *cgroup_of_container(const struct conf *c, const char *parent, const char *id);
/* The pod's own, empty cgroup, below which cAdvisor looks for its network.  NULL: none, cgroups do
 * not have CRI-O's names. */
char *cgroup_of_sandbox(const struct conf *c, const char *parent, const char *id);
char *cgroup_of_shim(const char *parent, const char *id);
char *cgroup_dir(const char *cgroups_path);
/* Convert a pod's cgroup parent, a path or a systemd slice name, to a path. */
char *cgroup_of_pod(const char *parent);
