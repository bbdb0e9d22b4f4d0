/*
 * sandbox.h - pod sandboxes: CRI calls (runtime.v1: RunPodSandbox and others).
 * Loop thread only, unless noted.
 */
#pragma once

#include "core/objects.h"
#include "gen/api.pb-c.h"
#include "gen/sm_sandbox.h"
#include "gen/state.pb-c.h"

extern const struct kind_ops kind_sandbox;

/* Find or create the sandbox with the request's metadata.  <0: e is set, the request is refused. */
int sandbox_for(const Runtime__V1__RunPodSandboxRequest *req, struct object **ret, struct err *e);

/* Find or create the sandbox that this checkpoint becomes.  <0: e is set, the request is refused
 * (ERR_EXISTS: another pod has its metadata). */
int sandbox_restore_for(const Runtime__V1__RestorePodRequest *req, struct object **ret,
			struct err *e);
/* Is the pod's shim there, and its ground unbroken?  <0: e is set.  While a pod is made the end of
 * its shim raises no event: the effects ask. */
int sandbox_check_line(const struct object *o, struct err *e);

/* The payload of a checkpoint of o.  <0: e is set (ERR_PRECONDITION: configuration, runtime, or a
 * container that does not run; ERR_INVALID). */
int sandbox_dump_for(const Runtime__V1__CheckpointPodRequest *req, const struct object *o,
		     struct payload_pod_checkpoint **ret, struct err *e);
/* Worker: remove what a checkpoint of an ended pod left in the client's directory. */
int sandbox_clean_dump(const char *id, const Crisp__State__Sandbox *row, struct err *e);

/* Unpack the client's config with the default allocator; never NULL: each loaded record has one. */
Runtime__V1__PodSandboxConfig *sandbox_config(const Crisp__State__Sandbox *row);

/* The sum of the limits of the pod's containers, and the overhead of its runtime handler: the last
 * values of the kubelet.  Unpacked with the default allocator; NULL: the kubelet has sent none. */
Runtime__V1__LinuxContainerResources *sandbox_resources(const Crisp__State__Sandbox *row);
Runtime__V1__LinuxContainerResources *sandbox_overhead(const Crisp__State__Sandbox *row);

/* Blocking, on a worker.  Wait grace_ms for the shim of run directory run to end, then kill it.
 * <0: e is set (ERR_UNAVAILABLE: the shim does not end). */
int sandbox_end_shim(const char *run, int64_t grace_ms, struct err *e);
/* sandbox_end_shim, then remove all boot-scoped state of a pod: init, namespaces, mounts, run
 * directory, and cgroup, the shim's (NULL: none).  Idempotent. */
int sandbox_take_down(const char *id, const char *cgroup, int64_t grace_ms, struct err *e);
