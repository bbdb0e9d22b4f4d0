/*
 * checkpoint.c - effects of states/container.sm that write a container to an archive.
 *
 * A dump that ends early may end the container, too: CRIU is killed while it controls the
 * processes.  So only the end of the container, the daemon's end and the time limit cancel one.
 */
#include <stdlib.h>

#include "base/log.h"
#include "pod/container.h"
#include "pod/dump.h"
#include "pod/dumpcancel.h"
#include "pod/shim.h"

struct dump_job {
	struct job base;
	Crisp__State__Container *row;
	Crisp__State__Sandbox *pod;
	struct dump_cancel cancel;
	bool stuck; /* the processes may stand still */
	bool probe; /* the container may have ended while crispd was down */
};

static struct dump_job *dump_job(struct job *j)
{
	return container_of(j, struct dump_job, base);
}

static void dump_job_free(struct job *j)
{
	struct dump_job *d = dump_job(j);

	dumpcancel_close(&d->cancel);
	crisp__state__container__free_unpacked(d->row, NULL);
	crisp__state__sandbox__free_unpacked(d->pod, NULL);
	free(d);
}

/* --- dump --- */

static int work_dump(struct job *j, struct err *e)
{
	struct dump_job *d = dump_job(j);
	const struct dump_request in = {
		.id = j->id, .row = d->row, .pod = d->pod, .cancel_fd = d->cancel.fd
	};

	return dump_make(&in, &d->stuck, e);
}

static void done_dump(struct job *j, struct object *o)
{
	int failed = dump_job(j)->stuck ? CTR_EVENT_DUMP_STUCK : CTR_EVENT_DUMP_FAILED;

	job_report(j, o,
		   j->result < 0 ? sm_event_failed(failed, &j->err)
				 : sm_event_new(CTR_EVENT_DUMPED));
}

void ctr_effect_dump(struct sm_object *sm)
{
	struct object *o = object_of(sm);
	const Crisp__State__Container *row = sm->row;
	const struct pod *p = pod_find(row->sandbox_id);
	struct dump_job *d = xcalloc(1, sizeof(*d));
	struct err e = ERR_NULL;
	int r = dumpcancel_open(&d->cancel, d->base.id, &e);

	if (r == 0 && !p)
		r = err_set(&e, ERR_PRECONDITION, "the sandbox was removed");
	if (r < 0) {
		dumpcancel_close(&d->cancel);
		free(d);
		effect_report(o, sm->effect_gen, sm_event_failed(CTR_EVENT_DUMP_FAILED, &e));
		return;
	}
	d->row = sm_row_clone(row);
	d->pod = sm_row_clone(p->o->sm->row);
	job_init(&d->base, o, LANE_DUMP, work_dump, done_dump, dump_job_free);
	job_start(&d->base);
}

/* --- end_dump --- */

static int work_end(struct job *j, struct err *e)
{
	struct dump_job *d = dump_job(j);

	return dump_end(j->id, d->row, &d->stuck, e);
}

static void report_ended(struct object *o, uint64_t gen)
{
	struct err e = ERR_NULL;

	err_set(&e, ERR_UNAVAILABLE, "the checkpoint was interrupted: ask for it again");
	effect_report(o, gen, sm_event_failed(CTR_EVENT_DUMP_FAILED, &e));
}

static void ended_with(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	if (container_probed_alive(o, gen, p, link))
		report_ended(o, gen);
}

/* Files that are left do not hold up the container: its removal tries again. */
static void done_end(struct job *j, struct object *o)
{
	if (!o || o->sm->effect_gen != j->gen)
		return;
	if (j->result < 0)
		log_err(LOG_LEVEL_WARN, "end an interrupted checkpoint", &j->err);
	if (dump_job(j)->stuck)
		job_report(j, o, sm_event_failed(CTR_EVENT_DUMP_STUCK, &j->err));
	else if (dump_job(j)->probe)
		container_with_line(o, ended_with);
	else
		report_ended(o, j->gen);
}

void ctr_effect_end_dump(struct sm_object *sm)
{
	struct object *o = object_of(sm);
	struct dump_job *d = xcalloc(1, sizeof(*d));

	dumpcancel_all(sm->id);
	d->row = sm_row_clone(sm->row);
	d->cancel.fd = -1;
	d->probe = world.recovering;
	list_init(&d->cancel.node);
	job_init(&d->base, o, LANE_DUMP, work_end, done_end, dump_job_free);
	job_start(&d->base);
}
