/*
 * dumpcancel.h - how the loop ends the jobs that write checkpoints.  Loop thread only.
 */
#pragma once

#include "base/err.h"
#include "base/list.h"

struct dump_cancel {
	struct list node;
	const char *id;
	int fd; /* readable once the job is to end; of the worker, too */
};

/* id: of the container or sandbox that the job is about; it lives as long as c. */
int dumpcancel_open(struct dump_cancel *c, const char *id, struct err *e);
void dumpcancel_close(struct dump_cancel *c);

/* End the jobs about id; NULL: all.  Their programs are killed. */
void dumpcancel_all(const char *id);
