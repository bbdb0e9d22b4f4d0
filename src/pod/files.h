/*
 * files.h - the files of a pod that its containers get mounted: resolv.conf, hosts,
 * hostname and /dev/shm.  Blocking: for workers.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "gen/api.pb-c.h"
#include "gen/state.pb-c.h"

/* Names of the pod's files, and of its /dev/shm below the run directory. */
#define SANDBOX_FILE_RESOLV "resolv.conf"
#define SANDBOX_FILE_HOSTS "hosts"
#define SANDBOX_FILE_HOSTNAME "hostname"
#define SANDBOX_FILE_SHM "shm"

/* The pod's host name: what the config says, else the node's; in UTS of its own at most 63
 * characters as the kubelet cuts it.  malloc'ed. */
char *sandbox_hostname(const Runtime__V1__PodSandboxConfig *c, bool host_network);

/* A pod's containers write to its files: they are on a tmpfs of the pod's own, small and with few
 * inodes, below run_dir.  A pod that an older crispd made has them in run_dir.  malloc'ed. */
char *sandbox_files_path(const char *run_dir, const char *name);

/* Write all of them; may be repeated. */
int sandbox_files_make(const char *run_dir, const Crisp__State__Sandbox *row,
		       const Runtime__V1__PodSandboxConfig *c, struct err *e);

/* Write hosts anew, with the pod's addresses. */
int sandbox_files_hosts(const char *run_dir, const char *hostname, char *const *ips, struct err *e);
