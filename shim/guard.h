/*
 * guard.h - while the OCI runtime makes a process inside a container, no container of the pod that
 * may trace that process runs.
 *
 * A runtime's create has a process in the container's PID namespace before that process has left
 * the host's root directory.  Until its last step that process, and that of an exec, has every
 * capability.  The kernel lets a process with CAP_SYS_PTRACE there walk into it and run code in it.
 * Containers with SHIM_TRACER that see the new process stand still (held.h) until the runtime has
 * ended.  Other containers are not touched.
 *
 * In a pod with such a container the runtime makes one process at a time: an exec in such a
 * container starts code of the container, which must not run while the next process is made.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/list.h"

struct ctr;

/* One run of the runtime. */
struct guard {
	struct list node;
	bool on; /* open or waiting */
	bool create;
	bool shared; /* the process is in a PID namespace that is not the container's own */
	const struct ctr *ctr; /* compared only: it may be gone */
	/* Called once, perhaps before guard_open returns.  e NULL: the runtime may run; else it
	 * must not, and g is closed. */
	void (*ready)(struct guard *g, const struct err *e);
};

/* c: where the process is made; create: by a create, else by an exec. */
void guard_open(struct guard *g, struct ctr *c, bool create,
		void (*ready)(struct guard *g, const struct err *e));
/* The runtime and all that it has left unfinished have ended.  Safe when g is not open. */
void guard_close(struct guard *g);

/* Before c is started: it must not run now either. */
int guard_starting(struct ctr *c, struct err *e);
/* c was that of another shim, which may have left it held. */
void guard_adopted(struct ctr *c);
