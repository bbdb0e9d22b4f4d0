/*
 * jobs.h - the blocking parts of effects, run on workers; one job at a time per object.
 */
#pragma once

#include "core/objects.h"

struct job {
	struct loop_job base;
	struct list node;
	enum loop_lane lane;
	enum kind kind;
	char id[ID_LEN + 1];
	uint64_t gen; /* effect_gen of the job's effect */
	int result; /* of work */
	struct err err;
	int (*work)(struct job *j, struct err *e); /* on a worker; must not touch objects */
	/* On the loop.  o is NULL if the object was freed meanwhile.  free_job follows. */
	void (*done)(struct job *j, struct object *o);
	/* Frees j and its data. */
	void (*free_job)(struct job *j);
	struct loop_timer delay;
};

/* Fill the common part of a job for o's effect in flight. */
void job_init(struct job *j, struct object *o, enum loop_lane lane,
	      int (*work)(struct job *, struct err *), void (*done)(struct job *, struct object *),
	      void (*free_job)(struct job *));
/* Run j after the object's earlier jobs.  Takes j. */
void job_start(struct job *j);
/* Run j after pause_ns and after the object's earlier jobs.  Takes j. */
void job_start_after(struct job *j, int64_t pause_ns);
/* Report the outcome of the job's effect.  Takes ev; o may be NULL: object freed. */
void job_report(const struct job *j, struct object *o, struct sm_event *ev);

/* Report the event `done`; of a failed job the event `stuck`, for which the table has a retry.
 * what: the work, for the log. */
void job_report_retry(const struct job *j, struct object *o, const char *what, int done, int stuck);

/* Report the outcome of o's effect that started as gen.  Takes ev. */
void effect_report(struct object *o, uint64_t gen, struct sm_event *ev);

/* Before o is freed: finish its queued and delayed jobs by done(j, NULL) and free_job. */
void jobs_drop(struct object *o);
