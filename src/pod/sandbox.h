/*
 * sandbox.h - pod sandboxes: what the CRI asks of them (runtime.v1: RunPodSandbox and friends).
 * All on the loop thread.
 */
#pragma once

#include "core/objects.h"
#include "gen/api.pb-c.h"
#include "gen/sm_sandbox.h"
#include "gen/state.pb-c.h"

extern const struct kind_ops kind_sandbox;

/* The sandbox of the request's metadata, made when there is none.  <0: the request is refused. */
int sandbox_for(const Runtime__V1__RunPodSandboxRequest *req, struct object **ret, struct err *e);

/* The sandbox's config as the client sent it, with the default allocator; never NULL: a record
 * that was loaded has one. */
Runtime__V1__PodSandboxConfig *sandbox_config(const Crisp__State__Sandbox *row);

/* Blocking, for a worker. End the shim of run directory run, which gets grace_ms for an end that
 * it was asked for. */
int sandbox_end_shim(const char *run, int64_t grace_ms, struct err *e);
/* The same, and then everything boot-scoped of a pod: init, namespaces, mounts, run directory, and
 * the shim's cgroup (NULL: none).  May be repeated. */
int sandbox_take_down(const char *id, const char *cgroup, int64_t grace_ms, struct err *e);
