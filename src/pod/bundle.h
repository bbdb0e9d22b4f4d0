/*
 * bundle.h - everything between a container's record and what the shim's runtime is
 * started with: root file system, bundle, config.json.  Blocking: for workers.
 */
#pragma once

#include <sys/types.h>

#include "core/payloads.h"
#include "gen/state.pb-c.h"
#include "images/trust.h"
#include "oci/features.h"

struct bundle_parts {
	const char *id;
	const Crisp__State__Container *row;
	const Crisp__State__Sandbox *pod;
	const struct oci_features *features;
	pid_t target_pid; /* of the container whose PID namespace is shared, 0: none */
	bool again; /* an earlier try may have left something */
	/* Layers of each row->image_mounts, in their order. */
	char ***mount_layers;
	/* To be judged: the image, and those of the mounts.  NULL-terminated. */
	struct trust_subject **subjects;
};

/* *ret, owned by the caller: user and stop signal, the pid still missing. */
int bundle_make(const struct bundle_parts *in, struct payload_init **ret, struct err *e);

/* The other way: runtime's own state, mounts, cgroup, directories.  May be repeated.  1: only the
 * container's directory is left, since the trash has no room: remove it in place. */
int bundle_clean(const char *id, const Crisp__State__Container *row, struct err *e);
