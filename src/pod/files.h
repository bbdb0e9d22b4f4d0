/*
 * files.h - files of a pod that are mounted into its containers: resolv.conf, hosts, hostname and
 * /dev/shm.  Blocking, so workers only.
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

/* The pod's host name, malloc'ed: the config's, else the node's.  The kubelet truncates the
 * config's to 63 characters.  host_network: always the node's. */
char *sandbox_hostname(const Runtime__V1__PodSandboxConfig *c, bool host_network);

/* Path of a pod's file, malloc'ed.  Containers may write to the files, so they are on a small tmpfs
 * of the pod below run_dir.  Pods of an older crispd have the files in run_dir itself. */
char *sandbox_files_path(const char *run_dir, const char *name);

/* Mount the tmpfs and write all files.  Idempotent. */
int sandbox_files_make(const char *run_dir, const Crisp__State__Sandbox *row,
		       const Runtime__V1__PodSandboxConfig *c, struct err *e);

/* Rewrite hosts with the pod's addresses.  ips: NULL-terminated; NULL: none. */
int sandbox_files_hosts(const char *run_dir, const Crisp__State__Sandbox *row, const char *hostname,
			char *const *ips, struct err *e);
