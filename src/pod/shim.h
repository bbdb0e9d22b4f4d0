/*
 * shim.h - the line to a sandbox's shim, and what the shim knows of its containers.
 *
 * One pod belongs to each sandbox object (object.own), and one object of states/shim.sm to each
 * pod: the line to its shim.  What waits for the line is told when it can be used, or that there is
 * no shim.  All on the loop thread.
 */
#pragma once

#include "core/objects.h"
#include "core/payloads.h"
#include "pod/podground.h"
#include "shimproto/shimlink.h"

struct pod {
	struct object *o; /* the sandbox */
	struct object *line; /* of kind shim; NULL: the daemon stops */
	struct shim_link *link; /* NULL: none */
	struct map *known; /* container id -> struct shim_status */
	struct map *held; /* container id -> struct fdstore, see fdstore.h */
	struct list waiting; /* for the line to settle */
	unsigned adopting; /* containers whose adoption is under way */
	bool loaded; /* from the store, not made by a call to this daemon */
	struct podground ground;
	struct payload_setup *setup; /* found by the first step of set_up, for its last */
};

extern const struct kind_ops kind_shim;

struct pod *pod_new(struct object *o);
void pod_free(struct pod *p);
/* Of a sandbox by its id; NULL: no such sandbox. */
struct pod *pod_find(const char *sandbox_id);

/* Connect, unless that was done. */
void pod_open(struct pod *p);
/* A loaded sandbox's shim went with the boot or with the pod. */
void pod_was_dead(struct pod *p);
/* The shim can be asked. */
bool pod_is_up(const struct pod *p);
/* There is none, and no other is to come. */
bool pod_is_absent(const struct pod *p);
/* There is none, another is to be started. */
bool pod_is_down(const struct pod *p);
/* The same, and the one before was killed for its silence: wait for its end. */
bool pod_is_killed(const struct pod *p);
/* Of the shim that was connected last; 0: none was. */
pid_t pod_shim_pid(const struct pod *p);
/* No other shim will come for one that died: its containers are ended. */
void pod_give_up(struct pod *p);
/* Tell the shim to end and let go of the line. */
void pod_shutdown(struct pod *p);

/* Call fn for object o (any kind, by id) when the line of the pod is settled: at once, or later.
 * link is NULL when there is no shim to talk to.  fn is not called when o is gone by then or gen
 * is no longer its effect. */
typedef void pod_ready_fn(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link);
void pod_when_settled(struct pod *p, struct object *o, pod_ready_fn *fn);
/* It is worth waiting: stream sessions are told by stream_session_pod_settled. */
bool pod_is_settling(const struct pod *p);

/* The same, called as well when a shim is gone that is to be replaced: for those who replace it. */
void pod_when_tried(struct pod *p, struct object *o, pod_ready_fn *fn);

/* The answer to the adoption of a container. */
void pod_adopted(struct pod *p, const char *container_id, struct shim_answer *ans,
		 const struct err *err);

/* What the shim says of a container; NULL: it does not know it. */
const struct shim_status *pod_known(const struct pod *p, const char *container_id);
void pod_forget(struct pod *p, const char *container_id);
/* The container is removed: the shim need not keep its end either. */
void pod_let_go(struct pod *p, const char *container_id);

/* Send a request for the effect under way of o; fn is called with the answer unless o is gone or
 * gen is no longer its effect.  A request that cannot be sent is answered with an error too. */
typedef void pod_answer_fn(struct object *o, uint64_t gen, struct shim_answer *ans,
			   const struct err *err);
void pod_request(struct pod *p, struct object *o, const struct shim_request *req, const int *fds,
		 size_t n_fds, pod_answer_fn *fn);
