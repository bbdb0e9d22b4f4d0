/*
 * shim.h - the line (link) to a sandbox's shim, and the shim's status of its containers.
 *
 * Each sandbox object has one pod (object.own), and each pod one object of states/shim.sm: the line
 * to its shim.  The line is settled when the shim is up or none is expected.  Loop thread only.
 */
#pragma once

#include "core/objects.h"
#include "core/payloads.h"
#include "pod/podground.h"
#include "shimproto/shimlink.h"

struct pod {
	struct object *o; /* the sandbox */
	struct object *line; /* of kind shim; NULL: the daemon stops */
	struct shim_link *link; /* NULL: not connected */
	struct map *known; /* container id -> struct shim_status */
	struct map *held; /* container id -> struct fdstore, see fdstore.h */
	struct list waiting; /* callbacks until the line is settled */
	bool loaded; /* from the store, not created by this daemon */
	char *lost; /* error of the last connection that broke; NULL: none broke */
	struct podground ground;
};

extern const struct kind_ops kind_shim;

struct pod *pod_new(struct object *o);
void pod_free(struct pod *p);
/* Find the pod of a sandbox by id; NULL: no such sandbox. */
struct pod *pod_find(const char *sandbox_id);
/* The same for the sandbox of a container; NULL also: no such container. */
struct pod *pod_of_container(const char *container_id);

/* Connect to the shim, unless connected or connecting. */
void pod_open(struct pod *p);
/* A loaded sandbox's shim ended before, with the boot or with the pod. */
void pod_was_dead(struct pod *p);
/* Does the shim take requests? */
bool pod_is_up(const struct pod *p);
/* No shim runs, and no other will come. */
bool pod_is_absent(const struct pod *p);
/* No shim runs, a new shim will be started. */
bool pod_is_down(const struct pod *p);
/* pod_is_down, and the previous shim was killed since it did not answer: wait for its end. */
bool pod_is_killed(const struct pod *p);
/* Pid of the shim that was connected last; 0: none. */
pid_t pod_shim_pid(const struct pod *p);
/* While the line settles: no shim will replace the dead one, so end its containers. */
void pod_give_up(struct pod *p);
/* Send SHIM_SHUTDOWN and close the line. */
void pod_shutdown(struct pod *p);

/* Call fn for object o, of any kind, when the line is settled: at once, or later.  link NULL: no
 * shim is up.  If o is freed or leaves the effect gen meanwhile, fn is not called. */
typedef void pod_ready_fn(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link);
void pod_when_settled(struct pod *p, struct object *o, pod_ready_fn *fn);
/* The line is not settled: pod_when_settled would wait. */
bool pod_is_settling(const struct pod *p);

/* pod_when_settled, but call fn also when the line is down: for the effects that replace a shim. */
void pod_when_tried(struct pod *p, struct object *o, pod_ready_fn *fn);

/* Handle the answer to SHIM_ADOPT of a container. */
void pod_adopted(struct pod *p, const char *container_id, struct shim_answer *ans,
		 const struct err *err);

/* The shim's last status of a container; NULL: unknown to the shim. */
const struct shim_status *pod_known(const struct pod *p, const char *container_id);
void pod_forget(struct pod *p, const char *container_id);
/* pod_forget for a removed container; also sends SHIM_FORGET if the container has ended. */
void pod_let_go(struct pod *p, const char *container_id);

/* Send a request whose answer is ignored; a failed send is logged.  Does nothing without a link. */
void pod_send(struct pod *p, const struct shim_request *req);
/* Send a request for o's effect in flight.  Calls fn with the answer; failed send: with an error.
 * If o is freed or leaves the effect gen meanwhile, fn is not called. */
typedef void pod_answer_fn(struct object *o, uint64_t gen, struct shim_answer *ans,
			   const struct err *err);
void pod_request(struct pod *p, struct object *o, const struct shim_request *req, const int *fds,
		 size_t n_fds, pod_answer_fn *fn);
