/*
 * guard.h - freeze the containers of the pod that may trace the process which the OCI runtime makes
 * inside a container.
 *
 * The runtime's create puts a process into the container's PID namespace before that process has
 * left the host's root directory.  This process, and that of an exec, has every capability until
 * its last step.  A process with CAP_SYS_PTRACE in the namespace could attach to it and run code in
 * it.  Containers with SHIM_TRACER that see the new process stay frozen (held.h) until the runtime
 * has exited.  Other containers continue.
 *
 * In a pod with such a container the runtime makes one process at a time.  An exec in it starts
 * code of the container, which must not run while the next process is made.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/list.h"

struct ctr;

/* One run of the runtime's create or exec. */
struct guard {
	struct list node;
	bool on; /* open or waiting */
	bool create;
	bool shared; /* the container has no PID namespace of its own */
	const struct ctr *ctr; /* only compared: it may be freed */
	/* Called once, perhaps before guard_open returns.  e NULL: start the runtime.  Else e is
	 * why not, and g is closed. */
	void (*ready)(struct guard *g, const struct err *e);
};

/* Open g as soon as the guards before it permit, and freeze the tracers.  c: the container of the
 * new process.  create: a create, else an exec. */
void guard_open(struct guard *g, struct ctr *c, bool create,
		void (*ready)(struct guard *g, const struct err *e));
/* Call after the exit of the runtime and of the undo of its create.  Safe on a closed g. */
void guard_close(struct guard *g);

/* Call before c is started: freezes c if an open guard requires it. */
int guard_starting(struct ctr *c, struct err *e);
/* Call for a container of an earlier shim: if that left it frozen, thaw it after a pause. */
void guard_adopted(struct ctr *c);
