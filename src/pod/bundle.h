/*
 * bundle.h - makes the root file system, the OCI bundle and config.json from a container's record.
 * Blocking, so workers only.
 */
#pragma once

#include <sys/types.h>

#include "core/payloads.h"
#include "gen/state.pb-c.h"
#include "images/trust.h"
#include "oci/features.h"

struct cdi_catalog;

struct bundle_parts {
	const char *id;
	const Crisp__State__Container *row;
	const Crisp__State__Sandbox *pod;
	const struct oci_features *features;
	pid_t target_pid; /* init of the container whose PID namespace to join, 0: none */
	bool again; /* an earlier try may have left state in the runtime */
	/* Layers of each row->image_mounts, in their order. */
	char ***mount_layers;
	/* Images to check against the policy: container's, then mounts'.  NULL-terminated. */
	struct trust_subject **subjects;
	/* The last known catalog of CDI devices; NULL: none.  bundle_make replaces it by a current
	 * one if the container asks for such devices.  The caller unrefs it. */
	struct cdi_catalog *cdi;
};

/* Make mounts, directories and config.json.  *ret, owned by the caller: user and stop signal. */
int bundle_make(struct bundle_parts *in, struct payload_bundle **ret, struct err *e);

/* End what a runtime that was killed left of a create or restore: runtimes in shim_cgroup (may be
 * NULL), processes, and the runtime's state. */
int bundle_end_runtime(const char *id, const Crisp__State__Container *row, const char *shim_cgroup,
		       struct err *e);

/* Remove the runtime's state, mounts, cgroup and directories.  Idempotent.  0: done.  1: only the
 * container's directory is left, since the trash has no room: remove it in place. */
int bundle_clean(const char *id, const Crisp__State__Container *row, struct err *e);
