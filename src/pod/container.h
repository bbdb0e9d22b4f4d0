/*
 * container.h - containers: what the CRI asks of them (runtime.v1: CreateContainer and friends),
 * and what their sandbox and its shim tell.  All on the loop thread.
 */
#pragma once

#include "core/calls.h"
#include "core/objects.h"
#include "gen/api.pb-c.h"
#include "gen/sm_container.h"
#include "gen/state.pb-c.h"
#include "shimproto/shimproto.h"

extern const struct kind_ops kind_container;

/* The container of the request's sandbox and metadata, made when there is none.  <0: the request
 * is refused. */
int container_for(const Runtime__V1__CreateContainerRequest *req, struct object **ret,
		  struct err *e);
/* Is its sandbox ready? */
int container_check_start(const Runtime__V1__StartContainerRequest *req, const struct object *o,
			  struct err *e);
/* Beside the machine: done is called with obj NULL and the error, if any. */
int container_reopen_log(struct caller *c, const char *id, struct err *e);

/* The shim's word on a container. */
void container_shim_says(struct object *o, const struct shim_status *st);
/* Another shim has taken the pod over: ask it again what its containers asked of the dead one. */
void container_shim_back(struct object *o);
/* No shim will come: end this container, or all of a sandbox, and settle what they came to. */
void container_settle(struct object *o);
void container_pod_lost(const struct object *sandbox);

/* The config as the client sent it, default allocator, never NULL. */
Runtime__V1__ContainerConfig *container_config(const Crisp__State__Container *row);
