/*
 * jobs.c - queues the jobs of each object and hands them to the loop's workers.
 */
#include "core/jobs.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"

static void job_work(struct loop_job *base)
{
	struct job *j = container_of(base, struct job, base);

	j->result = j->work(j, &j->err);
}

static void job_run(struct object *o, struct job *j);

static void job_done(struct loop_job *base)
{
	struct job *j = container_of(base, struct job, base);
	struct object *o = world_find(j->kind, j->id);

	if (o)
		o->job_runs = false;
	j->done(j, o);
	/* done may have freed the object. */
	o = world_find(j->kind, j->id);
	if (o && !o->job_runs && !list_empty(&o->jobs)) {
		struct job *next = list_entry(o->jobs.next, struct job, node);

		list_remove(&next->node);
		job_run(o, next);
	}
	j->free_job(j);
}

static void job_run(struct object *o, struct job *j)
{
	o->job_runs = true;
	/* Retry when the lane's queue is full: a commit has promised the effect. */
	if (loop_work(world.loop, j->lane, &j->base, &j->err) < 0) {
		o->job_runs = false;
		job_start_after(j, NSEC_PER_SEC);
	}
}

void job_init(struct job *j, struct object *o, enum loop_lane lane,
	      int (*work)(struct job *, struct err *), void (*done)(struct job *, struct object *),
	      void (*free_job)(struct job *))
{
	list_init(&j->node);
	list_init(&j->base.node);
	j->base.work = job_work;
	j->base.done = job_done;
	j->lane = lane;
	j->kind = o->kind;
	memcpy(j->id, o->sm->id, sizeof(j->id));
	j->gen = o->sm->effect_gen;
	j->work = work;
	j->done = done;
	j->free_job = free_job;
}

void job_start(struct job *j)
{
	struct object *o = world_find(j->kind, j->id);

	if (!o) {
		j->done(j, NULL);
		j->free_job(j);
	} else if (o->job_runs) {
		list_append(&o->jobs, &j->node);
	} else {
		job_run(o, j);
	}
}

static void job_delay_over(struct loop_timer *t)
{
	struct job *j = container_of(t, struct job, delay);

	list_remove(&j->node);
	job_start(j);
}

void job_start_after(struct job *j, int64_t pause_ns)
{
	struct object *o = world_find(j->kind, j->id);

	if (pause_ns <= 0 || !o) {
		job_start(j);
		return;
	}
	list_append(&o->delayed, &j->node);
	loop_timer_set(world.loop, &j->delay, clock_monotonic_ns() + pause_ns, job_delay_over);
}

void effect_report(struct object *o, uint64_t gen, struct sm_event *ev)
{
	sm_effect_done(o->sm, gen, ev);
}

void job_report(const struct job *j, struct object *o, struct sm_event *ev)
{
	if (o)
		effect_report(o, j->gen, ev);
	else
		sm_event_free(ev);
}

void job_report_retry(const struct job *j, struct object *o, const char *what, int done, int stuck)
{
	if (j->result < 0 && o)
		log_err(LOG_LEVEL_WARN, what, &j->err);
	job_report(j, o, sm_event_failed(j->result < 0 ? stuck : done, &j->err));
}

void jobs_drop(struct object *o)
{
	list_splice(&o->jobs, &o->delayed);
	while (!list_empty(&o->jobs)) {
		struct job *j = list_entry(o->jobs.next, struct job, node);

		list_remove(&j->node);
		loop_timer_stop(world.loop, &j->delay);
		j->done(j, NULL);
		j->free_job(j);
	}
}
