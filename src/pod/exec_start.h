/*
 * exec_start.h - starts a process in a container: for ExecSync and for Exec.
 *
 * The object of the session (kind exec or stream) waits in an effect; its object.own begins with a
 * struct exec_start.  All on the loop thread.
 */
#pragma once

#include "core/objects.h"
#include "gen/state.pb-c.h"
#include "shimproto/shimlink.h"
#include "stream/stream_server.h"

/* Both ends of pipes; -1: none.  Our ends do not block. */
struct exec_pipes {
	struct stream_fds ours;
	int theirs[3]; /* in the order of a request to the shim */
	size_t n;
};
#define EXEC_PIPES_NULL ((struct exec_pipes){ .ours = { -1, -1, -1 } })

/* Make the pipes that are wanted.  <0: e is set, the caller still calls exec_pipes_done. */
int exec_pipes_open(struct exec_pipes *p, bool in, bool out, bool err, struct err *e);
/* Close every end that p still has. */
void exec_pipes_done(struct exec_pipes *p);

struct exec_start_ops {
	/* Take what is wanted of our ends of the process's streams, before the process can write;
	 * the rest is closed.  <0: the process is not started. */
	int (*opened)(struct object *o, struct stream_fds *ours, struct err *e);
	/* err NULL: the process runs; ans->fd is its terminal's master.  Not called when the object
	 * has left its effect. */
	void (*started)(struct object *o, uint64_t gen, struct shim_answer *ans,
			const struct err *err);
};

struct exec_start {
	const struct exec_start_ops *ops;
	char container_id[ID_LEN + 1];
	char *process_path; /* process.json for the runtime; on tmpfs */
	bool tty, in;
};

/* session: the id of the object, under which the shim knows the process. */
void exec_start_init(struct exec_start *x, const struct exec_start_ops *ops,
		     const char *container_id, const char *session);
/* Start cmd (NULL-terminated, copied) for the effect under way of o; waits for the pod's shim. */
void exec_start_run(struct object *o, char *const *cmd);
/* Remove process.json and free. */
void exec_start_done(struct exec_start *x);

/* The cgroup of a session's processes, malloc'ed; NULL: they share their container's, because the
 * container is gone, or the runtime or the host cannot do more. */
char *exec_cgroup_find(const char *container_id, const char *session);
