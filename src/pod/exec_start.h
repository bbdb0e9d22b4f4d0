/*
 * exec_start.h - start a process in a container for ExecSync and Exec, or attach to one.
 *
 * The object of the session (kind exec or stream) has an effect in flight.  Its object.own begins
 * with a struct exec_start.  All on the loop thread.
 */
#pragma once

#include "core/objects.h"
#include "gen/state.pb-c.h"
#include "shimproto/shimlink.h"
#include "stream/stream_server.h"

struct pod;

struct exec_start_ops {
	/* Take the daemon's ends of the streams from ours, before the container can write.  The
	 * caller closes the ends left in ours.  <0: e is set, and the request is not sent. */
	int (*opened)(struct object *o, struct stream_fds *ours, struct err *e);
	/* err NULL: success, and ans->fd is the master of a terminal.  Not called if o has left its
	 * effect. */
	void (*started)(struct object *o, uint64_t gen, struct shim_answer *ans,
			const struct err *err);
};

struct exec_start {
	const struct exec_start_ops *ops;
	char container_id[ID_LEN + 1];
	char *session; /* the shim's name of the process or attachment */
	char *process_path; /* process.json on tmpfs, for the runtime */
	char **cmd; /* of n_cmd words */
	size_t n_cmd;
	bool tty, in;
};

/* Find a running container, and check the words of a command for it. */
int exec_start_find(const char *container_id, char *const *cmd, size_t n, struct object **ret,
		    struct err *e);
/* ops is not copied.  The caller sets cmd, tty and in. */
void exec_start_init(struct exec_start *x, const struct exec_start_ops *ops,
		     const char *container_id, const char *session);
/* Copy the n words of cmd. */
void exec_start_set_cmd(struct exec_start *x, char *const *cmd, size_t n);
/* Start a process with the words of cmd, after the line to the pod's shim is settled. */
void exec_start_run(struct object *o);
/* Open the pipes wanted and send req, SHIM_EXEC or SHIM_ATTACH, with their other ends.  link NULL:
 * fail with ERR_UNAVAILABLE.  For pod_ready_fn, whose arguments it takes. */
void exec_start_send(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link,
		     const struct shim_request *req, const bool want[3]);
/* Call ops->started with the error e. */
void exec_start_fail(struct object *o, uint64_t gen, const struct err *e);
/* Remove process.json and free the fields. */
void exec_start_done(struct exec_start *x);

/* Return the cgroup of the session's processes, malloc'ed.  NULL: they share the container's
 * cgroup, since the runtime or the host supports no more, or the container was removed. */
char *exec_start_cgroup(const struct exec_start *x);
