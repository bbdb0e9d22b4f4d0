/*
 * adopt.h - a container as its shim is told of it: to make it, or to adopt it from a shim
 * that died.  All on the loop thread.
 */
#pragma once

#include "pod/shim.h"
#include "shimproto/shimproto.h"

/* A request with the fields that describe a container, and what they point to. */
struct container_request {
	struct shim_request req;
	char *bundle, *exit_path, *watched, *name;
};

/* SHIM_CREATE or SHIM_ADOPT of o in p, from their records; done frees the strings. */
void container_request_init(struct container_request *ret, struct pod *p, struct object *o,
			    enum shim_type type);
void container_request_done(struct container_request *r);

/* Ask the shim to adopt every container of the pod that may live and that it does not know.
 * Returns how many were asked for; pod_adopted is called for each. */
unsigned container_adopt_all(struct pod *p);

/* There is no shim: hold what can be held of every container of the pod that may live. */
void container_rescue_all(struct pod *p);
