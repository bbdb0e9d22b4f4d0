/*
 * podcheckpoint.c - CheckpointPod: its request, and effects of states/sandbox.sm.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "core/jobs.h"
#include "core/payloads.h"
#include "core/records.h"
#include "pod/container.h"
#include "pod/dumpcancel.h"
#include "pod/dumpone.h"
#include "pod/poddump.h"
#include "pod/podoptions.h"
#include "pod/sandbox.h"

/* --- the request --- */

/* Arguments of the runtime's checkpoint. */
static const struct pod_option options[] = {
	{ "tcp-established", "--tcp-established", NULL, true },
	{ "file-locks", "--file-locks", NULL, true },
	{ "ext-unix-sk", "--ext-unix-sk", NULL, false },
};

static_assert(ARRAY_LEN(options) <= DUMP_OPTIONS_MAX, "a dump takes fewer options");

static int read_options(const Runtime__V1__CheckpointPodRequest *req, char **ret, struct err *e)
{
	bool on[PODOPTIONS_MAX];
	size_t n = 0;

	podoptions_begin(options, ARRAY_LEN(options), on);
	for (size_t i = 0; i < req->n_options; i++)
		if (podoptions_take(options, ARRAY_LEN(options), req->options[i]->key,
				    req->options[i]->value, on, e) < 0)
			return -(int)e->code;
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (on[i])
			ret[n++] = xstrdup(options[i].on);
	return 0;
}

static bool has_name(const struct object *o, const char *name)
{
	Runtime__V1__ContainerConfig *c = container_config(o->sm->row);
	bool same = strcmp(c->metadata->name, name) == 0;

	runtime__v1__container_config__free_unpacked(c, NULL);
	return same;
}

/* Refuse a container chosen before, and another one of its name: the restore tells them apart by
 * their names. */
static int check_unique(char *const *ids, const struct object *o, struct err *e)
{
	Runtime__V1__ContainerConfig *c = container_config(o->sm->row);
	int r = 0;

	for (; *ids && r == 0; ids++) {
		const struct object *other = world_find(KIND_CONTAINER, *ids);

		if (other == o)
			r = err_set(e, ERR_INVALID, "container_ids: %s is there twice", o->sm->id);
		else if (other && has_name(other, c->metadata->name))
			r = err_set(e, ERR_INVALID, "container_ids: two containers are named %s",
				    c->metadata->name);
	}
	runtime__v1__container_config__free_unpacked(c, NULL);
	return r;
}

static int choose(const struct object *sandbox, const char *id, char **ids, size_t n, struct err *e)
{
	const Crisp__State__Container *row;
	struct object *o;
	int r = world_lookup(KIND_CONTAINER, id, &o, e);

	if (r < 0)
		return err_wrap(e, "container_ids");
	row = o->sm->row;
	if (strcmp(row->sandbox_id, sandbox->sm->id) != 0)
		return err_set(e, ERR_INVALID, "container_ids: %s belongs to another sandbox", id);
	if (!ctr_is_holdable(o->sm->state))
		return err_set(e, ERR_PRECONDITION,
			       "container_ids: %s is %s; only running containers can be written",
			       id, sm_state(o->sm)->name);
	r = check_unique(ids, o, e);
	if (r == 0)
		ids[n] = xstrdup(o->sm->id);
	return r;
}

int sandbox_dump_for(const Runtime__V1__CheckpointPodRequest *req, const struct object *o,
		     struct payload_pod_checkpoint **ret, struct err *e)
{
	const Crisp__State__Sandbox *row = o->sm->row;
	struct payload_pod_checkpoint *c;
	int r = container_check_can_dump(conf_runtime_find(world.conf, row->runtime_handler), e);

	if (r < 0)
		return r;
	if (!fs_path_is_clean(req->output_path) || strcmp(req->output_path, "/") == 0)
		return err_set(e, ERR_INVALID, "output_path: \"%s\" is not a clean absolute path",
			       req->output_path);
	c = xcalloc(1, sizeof(*c));
	c->path = xstrdup(req->output_path);
	c->ids = xcalloc(req->n_container_ids + 1, sizeof(char *));
	c->options = xcalloc(ARRAY_LEN(options) + 1, sizeof(char *));
	r = read_options(req, c->options, e);
	for (size_t i = 0; i < req->n_container_ids && r == 0; i++)
		r = choose(o, req->container_ids[i], c->ids, i, e);
	if (r == 0)
		*ret = c;
	else
		payload_pod_checkpoint_free(c);
	return r;
}

/* --- jobs --- */

struct poddump_job {
	struct job base;
	Crisp__State__Sandbox *row;
	struct poddump_member *members;
	size_t n_members;
	struct dump_cancel cancel;
	bool stuck; /* processes may stand still */
};

static struct poddump_job *poddump_job(struct job *j)
{
	return container_of(j, struct poddump_job, base);
}

static void poddump_job_free(struct job *j)
{
	struct poddump_job *d = poddump_job(j);

	dumpcancel_close(&d->cancel);
	for (size_t i = 0; i < d->n_members; i++) {
		free(d->members[i].id);
		crisp__state__container__free_unpacked(d->members[i].row, NULL);
	}
	free(d->members);
	crisp__state__sandbox__free_unpacked(d->row, NULL);
	free(d);
}

/* Copy the rows of the containers that are still there. */
static struct poddump_job *poddump_job_new(struct object *o,
					   int (*work)(struct job *, struct err *),
					   void (*done)(struct job *, struct object *))
{
	struct poddump_job *d = xcalloc(1, sizeof(*d));

	d->row = sm_row_clone(o->sm->row);
	d->members = xcalloc(d->row->n_checkpoint_ids + 1, sizeof(*d->members));
	for (size_t i = 0; i < d->row->n_checkpoint_ids; i++) {
		const struct object *c = world_find(KIND_CONTAINER, d->row->checkpoint_ids[i]);

		if (!c)
			continue;
		d->members[d->n_members].id = xstrdup(c->sm->id);
		d->members[d->n_members++].row = sm_row_clone(c->sm->row);
	}
	d->cancel.fd = -1;
	list_init(&d->cancel.node);
	job_init(&d->base, o, LANE_DUMP, work, done, poddump_job_free);
	return d;
}

static struct poddump_request request_of(const struct poddump_job *d)
{
	return (struct poddump_request){ .id = d->base.id,
					 .row = d->row,
					 .members = d->members,
					 .n_members = d->n_members,
					 .cancel_fd = d->cancel.fd };
}

static void dump_failed(struct object *o, const struct err *e)
{
	effect_report(o, o->sm->effect_gen, sm_event_failed(SBX_EVENT_DUMP_FAILED, e));
}

static void report_failure(struct job *j, struct object *o)
{
	job_report(j, o,
		   sm_event_failed(poddump_job(j)->stuck ? SBX_EVENT_DUMP_STUCK
							 : SBX_EVENT_DUMP_FAILED,
				   &j->err));
}

/* --- hold_containers, dump --- */

/* The commits of the containers come before that of the sandbox. */
void sbx_effect_hold_containers(struct sm_object *sm)
{
	struct object *o = object_of(sm);
	const Crisp__State__Sandbox *row = sm->row;

	for (size_t i = 0; i < row->n_checkpoint_ids; i++) {
		struct object *c = world_find(KIND_CONTAINER, row->checkpoint_ids[i]);

		if (c)
			sm_dispatch(c->sm, sm_event_new(CTR_EVENT_HOLD));
	}
	effect_report(o, sm->effect_gen, sm_event_new(SBX_EVENT_HELD));
}

static int check_held(const Crisp__State__Sandbox *row, struct err *e)
{
	for (size_t i = 0; i < row->n_checkpoint_ids; i++) {
		const struct object *c = world_find(KIND_CONTAINER, row->checkpoint_ids[i]);

		if (!c || !ctr_is_held(c->sm->state))
			return err_set(e, ERR_PRECONDITION, "container %.13s does not run any more",
				       row->checkpoint_ids[i]);
	}
	return 0;
}

static int work_dump(struct job *j, struct err *e)
{
	struct poddump_job *d = poddump_job(j);
	const struct poddump_request in = request_of(d);

	return poddump_make(&in, &d->stuck, e);
}

static void done_dump(struct job *j, struct object *o)
{
	if (j->result < 0)
		report_failure(j, o);
	else
		job_report(j, o, sm_event_new(SBX_EVENT_DUMPED));
}

void sbx_effect_dump(struct sm_object *sm)
{
	struct object *o = object_of(sm);
	struct poddump_job *d;
	struct err e = ERR_NULL;

	if (check_held(sm->row, &e) < 0) {
		dump_failed(o, &e);
		return;
	}
	d = poddump_job_new(o, work_dump, done_dump);
	if (dumpcancel_open(&d->cancel, d->base.id, &e) < 0) {
		poddump_job_free(&d->base);
		dump_failed(o, &e);
		return;
	}
	job_start(&d->base);
}

/* --- end_dump --- */

static int work_end(struct job *j, struct err *e)
{
	struct poddump_job *d = poddump_job(j);
	const struct poddump_request in = request_of(d);

	return poddump_end(&in, &d->stuck, e);
}

/* Files that are left do not hold up the pod: its removal tries again. */
static void done_end(struct job *j, struct object *o)
{
	struct err e = ERR_NULL;

	if (j->result < 0 && poddump_job(j)->stuck) {
		report_failure(j, o);
		return;
	}
	if (j->result < 0)
		e = j->err;
	else
		err_set(&e, ERR_UNAVAILABLE, "the checkpoint was interrupted: ask for it again");
	job_report(j, o, sm_event_failed(SBX_EVENT_DUMP_FAILED, &e));
}

void sbx_effect_end_dump(struct sm_object *sm)
{
	dumpcancel_all(sm->id);
	job_start(&poddump_job_new(object_of(sm), work_end, done_end)->base);
}

int sandbox_clean_dump(const char *id, const Crisp__State__Sandbox *row, struct err *e)
{
	const struct poddump_request in = { .id = id, .row = row, .cancel_fd = -1 };
	bool stuck;

	return *row->checkpoint_path ? poddump_end(&in, &stuck, e) : 0;
}
