/*
 * checkpoint.c - runs dump.c as jobs, and cancels them.
 *
 * A dump that ends early may end the container, too: CRIU is killed while it controls the
 * processes.  So only the end of the container, the daemon's end and the time limit cancel one.
 */
#include "pod/checkpoint.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/fs.h"
#include "base/list.h"
#include "base/log.h"
#include "pod/container.h"
#include "pod/dump.h"
#include "pod/shim.h"

struct dump_job {
	struct job base;
	struct list running; /* in dumps */
	Crisp__State__Container *row;
	Crisp__State__Sandbox *pod;
	int cancel_fd;
};

static struct list dumps = { &dumps, &dumps };

static struct dump_job *dump_job(struct job *j)
{
	return container_of(j, struct dump_job, base);
}

static void dump_job_free(struct job *j)
{
	struct dump_job *d = dump_job(j);

	list_remove(&d->running);
	crisp__state__container__free_unpacked(d->row, NULL);
	crisp__state__sandbox__free_unpacked(d->pod, NULL);
	close_fdp(&d->cancel_fd);
	free(d);
}

/* id NULL: all. */
static void cancel(const char *id)
{
	list_for_each(node, &dumps) {
		const struct dump_job *d = list_entry(node, struct dump_job, running);

		if (!id || strcmp(d->base.id, id) == 0)
			eventfd_write(d->cancel_fd, 1);
	}
}

void checkpoint_cancel(const struct object *o)
{
	cancel(o->sm->id);
}

void checkpoint_drain(void)
{
	cancel(NULL);
}

/* --- dump --- */

static int work_dump(struct job *j, struct err *e)
{
	const struct dump_job *d = dump_job(j);
	const struct dump_request in = {
		.id = j->id, .row = d->row, .pod = d->pod, .cancel_fd = d->cancel_fd
	};

	return dump_make(&in, e);
}

static void done_dump(struct job *j, struct object *o)
{
	job_report(j, o,
		   j->result < 0 ? sm_event_failed(CTR_EVENT_DUMP_FAILED, &j->err)
				 : sm_event_new(CTR_EVENT_DUMPED));
}

void ctr_effect_dump(struct sm_object *sm)
{
	struct object *o = object_of(sm);
	const Crisp__State__Container *row = sm->row;
	const struct pod *p = pod_find(row->sandbox_id);
	struct dump_job *d;
	struct err e = ERR_NULL;
	int fd = eventfd(0, EFD_CLOEXEC);

	if (fd < 0 || !p) {
		if (fd < 0)
			err_errno(&e, ERR_INTERNAL, errno, "eventfd");
		else
			err_set(&e, ERR_PRECONDITION, "the sandbox was removed");
		close_fdp(&fd);
		effect_report(o, sm->effect_gen, sm_event_failed(CTR_EVENT_DUMP_FAILED, &e));
		return;
	}
	d = xcalloc(1, sizeof(*d));
	d->row = sm_row_clone(row);
	d->pod = sm_row_clone(p->o->sm->row);
	d->cancel_fd = fd;
	list_append(&dumps, &d->running);
	job_init(&d->base, o, LANE_DUMP, work_dump, done_dump, dump_job_free);
	job_start(&d->base);
}

/* --- end_dump --- */

static int work_end(struct job *j, struct err *e)
{
	return dump_end(j->id, container_job_row(j), e);
}

static void ended(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	struct err e = ERR_NULL;

	if (!container_probed_alive(o, gen, p, link))
		return;
	err_set(&e, ERR_UNAVAILABLE, "the checkpoint was interrupted: ask for it again");
	effect_report(o, gen, sm_event_failed(CTR_EVENT_DUMP_FAILED, &e));
}

/* A failure is logged and does not hold up the container; its removal tries again. */
static void done_end(struct job *j, struct object *o)
{
	if (!o || o->sm->effect_gen != j->gen)
		return;
	if (j->result < 0)
		log_err(LOG_LEVEL_WARN, "end an interrupted checkpoint", &j->err);
	container_with_line(o, ended);
}

void ctr_effect_end_dump(struct sm_object *sm)
{
	struct object *o = object_of(sm);

	checkpoint_cancel(o);
	job_start(container_job_new(o, LANE_DUMP, work_end, done_end));
}
