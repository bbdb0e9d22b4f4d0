/*
 * shim.h - the line to a sandbox's shim, and what the shim knows of its containers.
 *
 * One pod belongs to each sandbox object (object.own).  The line is opened when the daemon
 * starts, when the pod is set up and when a shim that died was replaced; what waits for it is
 * told when it is ready, or that there is no shim.  All on the loop thread.
 */
#pragma once

#include "core/objects.h"
#include "core/payloads.h"
#include "pod/podground.h"
#include "shimproto/shimlink.h"

enum pod_line {
	POD_LINE_NONE, /* no shim has been started, or it was told to end */
	POD_LINE_OPENING, /* re-sync under way, and adoption of what a new shim does not know */
	POD_LINE_DOWN, /* there is none, another is to be started */
	POD_LINE_READY,
	POD_LINE_LOST, /* there was one */
};

struct pod {
	struct object *o; /* the sandbox */
	enum pod_line line;
	struct shim_link *link;
	struct map *known; /* container id -> struct shim_status */
	struct map *held; /* container id -> struct fdstore, see fdstore.h */
	struct list waiting; /* for the end of POD_LINE_OPENING and POD_LINE_DOWN */
	unsigned adopting; /* containers whose adoption is under way */
	unsigned quick; /* requests under way that a shim which is well answers at once */
	struct loop_timer patience; /* for them, or for the re-sync */
	bool lost_requests; /* a line that was ready was lost: what was asked is asked again */
	bool hung; /* the shim was killed for its silence: wait for its end */
	pid_t shim_pid;
	bool loaded; /* from the store, not made by a call to this daemon */
	struct podground ground;
	struct payload_setup *setup; /* found by the first step of set_up, for its last */
};

struct pod *pod_new(struct object *o);
void pod_free(struct pod *p);
/* Of a sandbox by its id; NULL: no such sandbox. */
struct pod *pod_find(const char *sandbox_id);

/* Connect, unless that was done. */
void pod_open(struct pod *p);
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
