/*
 * adopt.h - requests that describe a container to a shim: create it, or adopt it from a dead shim.
 * Loop thread only.
 */
#pragma once

#include "pod/shim.h"
#include "shimproto/shimproto.h"

/* A request that describes a container, with the strings that req points to. */
struct container_request {
	struct shim_request req;
	char *bundle, *exit_path, *watched, *name;
};

/* Fill a SHIM_CREATE or SHIM_ADOPT request for o in p from their records.  Free the strings with
 * container_request_done. */
void container_request_init(struct container_request *ret, struct pod *p, struct object *o,
			    enum shim_type type);
void container_request_done(struct container_request *r);

/* Ask the pod's shim with SHIM_CREATE and these flags for the first process; fn gets the answer.
 * <0: e is set (ERR_UNAVAILABLE: link is NULL). */
int container_ask_init(struct object *o, struct pod *p, struct shim_link *link, uint32_t flags,
		       pod_answer_fn *fn, struct err *e);

/* Send SHIM_ADOPT for every container of the pod that may be alive and is unknown to the shim.
 * Returns their number, failed sends included.  Each answer calls pod_adopted. */
unsigned container_adopt_all(struct pod *p);

/* Without a shim: fdstore_rescue for every container of the pod that may be alive. */
void container_rescue_all(struct pod *p);
