/*
 * jobs.h - the blocking parts of effects: on a worker, one at a time for each object.
 */
#pragma once

#include "core/objects.h"

struct job {
	struct loop_job base;
	struct list node;
	enum loop_lane lane;
	enum kind kind;
	char id[ID_LEN + 1];
	uint64_t gen; /* of the effect it works for */
	int result; /* of work */
	struct err err;
	int (*work)(struct job *j, struct err *e); /* on a worker; must not touch objects */
	/* On the loop.  o is NULL when the object is gone meanwhile.  Frees the job with its own
	 * data through free_job afterwards. */
	void (*done)(struct job *j, struct object *o);
	void (*free_job)(struct job *j);
	struct loop_timer delay;
};

/* Fill the common part of a job for the effect under way of o. */
void job_init(struct job *j, struct object *o, enum loop_lane lane,
	      int (*work)(struct job *, struct err *), void (*done)(struct job *, struct object *),
	      void (*free_job)(struct job *));
/* Run it when the object's earlier jobs are done. */
void job_start(struct job *j);
/* The same after a pause. */
void job_start_after(struct job *j, int64_t pause_ns);
/* Report an outcome of the effect the job worked for.  Takes ev; o may be NULL. */
void job_report(const struct job *j, struct object *o, struct sm_event *ev);

/* Report an outcome of the effect under way of o.  Takes ev. */
void effect_report(struct object *o, uint64_t gen, struct sm_event *ev);

/* The object goes: its jobs that have not begun are done without one. */
void jobs_drop(struct object *o);
