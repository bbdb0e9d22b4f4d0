/*
 * restore.c - unpacks checkpoints as jobs, and restores processes with the pod's shim.
 *
 * A restore that was interrupted is ended before another one begins.
 */
#include "pod/restore.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "core/paths.h"
#include "core/payloads.h"
#include "image/layers.h"
#include "images/image.h"
#include "images/scrub.h"
#include "images/trust.h"
#include "pod/adopt.h"
#include "pod/bundle.h"
#include "pod/container.h"
#include "pod/reclaim.h"
#include "pod/restorefiles.h"
#include "pod/runtimes.h"
#include "pod/sandbox.h"
#include "pod/shim.h"

static const Crisp__State__Container *row_of(const struct object *o)
{
	return o->sm->row;
}

/* --- the request --- */

int restore_check_pod(const Crisp__State__Sandbox *pod, struct err *e)
{
	const char *level = world.conf->container_level_enabled;
	int r = container_check_criu(conf_runtime_find(world.conf, pod->runtime_handler),
				     "restores", strcmp(level, "checkpoint_restore") == 0, e);

	if (r < 0)
		return r;
	if (pod->uids)
		return err_set(e, ERR_PRECONDITION,
			       "nothing is restored in a pod with a user namespace");
	return 0;
}

static int check_terminal(const Runtime__V1__ContainerConfig *c, struct err *e)
{
	return c->tty ? err_set(e, ERR_PRECONDITION,
				"config.tty: a container with a terminal is not restored")
		      : 0;
}

int restore_source_for(const Runtime__V1__ContainerConfig *c, const struct object *sandbox,
		       char **ret, struct err *e)
{
	const char *path = c->image->image;
	struct stat st;

	*ret = NULL;
	if (path[0] != '/')
		return 0;
	if (!fs_path_is_clean(path))
		return err_set(e, ERR_INVALID, "config.image: \"%s\" is not a clean path", path);
	if (restore_check_pod(sandbox->sm->row, e) < 0)
		return err_wrap(e, "config.image");
	if (lstat(path, &st) < 0)
		return err_set(e, ERR_NOT_FOUND, "config.image: there is no checkpoint %s", path);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return err_set(e, ERR_INVALID, "config.image: %s is no archive and no directory",
			       path);
	if (check_terminal(c, e) < 0)
		return -(int)e->code;
	*ret = xstrdup(path);
	return 0;
}

int restore_source_of_image(const Runtime__V1__ContainerConfig *c, const struct object *sandbox,
			    const struct object *image, char **ret, struct err *e)
{
	const Crisp__State__Image *row = image->sm->row;
	_cleanup_free_ char *root = path_images(world.conf), *dir = NULL;

	*ret = NULL;
	if (!row->checkpoint)
		return 0;
	if (restore_check_pod(sandbox->sm->row, e) < 0)
		return err_wrap(e, "config.image: \"%s\" is a checkpoint", c->image->image);
	if (row->n_layers != 1)
		return err_set(e, ERR_PRECONDITION,
			       "config.image: \"%s\" is a checkpoint by its annotation, but has "
			       "%zu layers instead of one",
			       c->image->image, row->n_layers);
	if (check_terminal(c, e) < 0)
		return -(int)e->code;
	dir = image_layer_dir(root, row->layers[0]->diff_id);
	*ret = xasprintf("%s/fs", dir ? dir : "");
	return 0;
}

/* --- unpack --- */

struct restore_job {
	struct job base;
	Crisp__State__Container *row;
	char *shim_cgroup; /* runtimes of a shim that has ended may run there; NULL: none */
	struct trust_subject *subject; /* the checkpoint image; NULL: none */
	char *pod_namespace;
	struct restore_origin origin;
	struct payload_exit *exit;
	struct payload_init *init;
};

static struct restore_job *restore_job(struct job *j)
{
	return container_of(j, struct restore_job, base);
}

static void restore_job_free(struct job *j)
{
	struct restore_job *r = restore_job(j);

	crisp__state__container__free_unpacked(r->row, NULL);
	restore_origin_done(&r->origin);
	trust_subject_free(r->subject);
	free(r->pod_namespace);
	free(r->shim_cgroup);
	free(r->exit);
	free(r->init);
	free(r);
}

static struct restore_job *job_new(struct object *o, enum loop_lane lane,
				   int (*work)(struct job *, struct err *),
				   void (*done)(struct job *, struct object *))
{
	struct restore_job *r = xcalloc(1, sizeof(*r));

	r->row = sm_row_clone(row_of(o));
	r->origin = RESTORE_ORIGIN_NULL;
	job_init(&r->base, o, lane, work, done, restore_job_free);
	return r;
}

static int work_unpack(struct job *j, struct err *e)
{
	struct restore_job *r = restore_job(j);

	if (r->subject && trust_subject_check(r->subject, r->pod_namespace, e) < 0)
		return -(int)e->code;
	return restorefiles_unpack(j->id, r->row, &r->origin, e);
}

/* The image by its id; without one by its name. */
static struct object *find_base(const struct restore_origin *from, struct err *e)
{
	struct object *image = image_find(*from->image_id ? from->image_id : from->image_name);

	if (!image)
		err_set(e, ERR_NOT_FOUND,
			"the checkpoint is of image %s (id %s), which is not here: pull it first",
			from->image_name, *from->image_id ? from->image_id : "not known");
	return image;
}

/* As the checkpoint names it; a pod's container has the name from its request. */
static char *shown_image(const struct restore_job *r)
{
	Runtime__V1__ContainerConfig *c;
	char *name;

	if (!*r->row->restore_pod)
		return xstrdup(r->origin.image_name);
	c = container_config(r->row);
	name = xstrdup(c->image->image);
	runtime__v1__container_config__free_unpacked(c, NULL);
	return name;
}

static void done_unpack(struct job *j, struct object *o)
{
	struct restore_job *r = restore_job(j);
	Runtime__V1__ImageSpec spec = RUNTIME__V1__IMAGE_SPEC__INIT;
	_cleanup_free_ char *name = NULL;
	struct payload_origin *p;
	struct object *image;

	if (!o || o->sm->effect_gen != j->gen)
		return;
	if (j->result < 0 && j->err.code == ERR_DATA_LOSS)
		scrub_images_of(row_of(o));
	image = j->result < 0 ? NULL : find_base(&r->origin, &j->err);
	if (!image) {
		job_report(j, o, sm_event_failed(CTR_EVENT_PREPARE_FAILED, &j->err));
		return;
	}
	spec.image = name = shown_image(r);
	p = xcalloc(1, sizeof(*p));
	p->found = xmalloc(sizeof(*p->found));
	crisp__state__container__init(p->found);
	container_set_image(p->found, image, &spec);
	p->checkpointed_ns = r->origin.checkpointed_ns;
	p->holds_connections = r->origin.holds_connections;
	job_report(j, o, ctr_event_unpacked(p));
}

/* The image of the checkpoint for the policy check. */
static void take_subject(struct restore_job *r)
{
	const struct object *sandbox = world_find(KIND_SANDBOX, r->row->sandbox_id);
	Runtime__V1__PodSandboxConfig *pod = sandbox ? sandbox_config(sandbox->sm->row) : NULL;
	Runtime__V1__ContainerConfig *c = container_config(r->row);

	r->subject = trust_subject_new(world_find(KIND_IMAGE, r->row->restore_image), c->image,
				       "config.image");
	r->pod_namespace = xstrdup(pod ? pod->metadata->namespace_ : "");
	runtime__v1__container_config__free_unpacked(c, NULL);
	runtime__v1__pod_sandbox_config__free_unpacked(pod, NULL);
}

void ctr_effect_unpack(struct sm_object *sm)
{
	struct restore_job *r = job_new(object_of(sm), LANE_CREATE, work_unpack, done_unpack);

	if (*r->row->restore_image)
		take_subject(r);
	job_start(&r->base);
}

/* --- restore --- */

static void restore_failed(struct object *o, uint64_t gen, const struct err *e)
{
	effect_report(o, gen, sm_event_failed(CTR_EVENT_CREATE_FAILED, e));
}

/* The sockets of its connections are there, or never will be. */
static void let_go(struct job *j)
{
	struct err e = ERR_NULL;

	if (restorefiles_let_go(j->id, restore_job(j)->row, &e) < 0)
		log_err(LOG_LEVEL_WARN, "connections of a restored container stay held", &e);
}

static int work_let_go(struct job *j, struct err *e)
{
	(void)e;
	let_go(j);
	return 0;
}

static void done_let_go(struct job *j, struct object *o)
{
	struct restore_job *r = restore_job(j);

	if (r->init)
		job_report(j, o, ctr_event_created(take_ptr(r->init)));
}

/* The shim has ended the container; its error is that of the runtime, CRIU's are in its log. */
static int work_explain(struct job *j, struct err *e)
{
	(void)e;
	let_go(j);
	restorefiles_explain(j->id, &j->err);
	return 0;
}

static void done_explain(struct job *j, struct object *o)
{
	job_report(j, o, sm_event_failed(CTR_EVENT_CREATE_FAILED, &j->err));
}

static void explain(struct object *o, const struct err *e)
{
	struct restore_job *r = job_new(o, LANE_STOP, work_explain, done_explain);

	r->base.err = *e;
	job_start(&r->base);
}

static void restored(struct object *o, uint64_t gen, struct shim_answer *ans, const struct err *err)
{
	struct payload_init *init;
	struct err e = ERR_NULL;

	if (err && err->code == ERR_UNAVAILABLE)
		return; /* the loss of the shim reaches every container of the pod */
	init = container_created_init(o, ans, err, &e);
	if (!init) {
		explain(o, &e);
	} else if (row_of(o)->holds_connections) {
		struct restore_job *r = job_new(o, LANE_START, work_let_go, done_let_go);

		r->init = init;
		job_start(&r->base);
	} else {
		effect_report(o, gen, ctr_event_created(init));
	}
}

static void restore_with(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	struct err e = ERR_NULL;

	if (container_ask_init(o, p, link, SHIM_RESTORE, restored, &e) < 0)
		restore_failed(o, gen, &e);
}

void ctr_effect_restore_init(struct sm_object *sm)
{
	container_with_line(object_of(sm), restore_with);
}

/* --- an interrupted restore --- */

static int work_end(struct job *j, struct err *e)
{
	struct restore_job *r = restore_job(j);

	return bundle_end_runtime(j->id, r->row, r->shim_cgroup, e);
}

/* What could not be ended is ended by the removal. */
static void done_end(struct job *j, struct object *o)
{
	if (j->result < 0)
		job_report(j, o, sm_event_failed(CTR_EVENT_CREATE_FAILED, &j->err));
	else
		job_report(j, o, sm_event_new(CTR_EVENT_ABSENT));
}

/* No shim will come. */
static void done_lost(struct job *j, struct object *o)
{
	struct err e = ERR_NULL;

	if (j->result < 0)
		log_err(LOG_LEVEL_WARN, "end an interrupted restore", &j->err);
	err_set(&e, ERR_UNAVAILABLE, "container %.13s: the pod's shim died during its restore",
		j->id);
	job_report(j, o, sm_event_failed(CTR_EVENT_CREATE_FAILED, &e));
}

static void end_restore(struct object *o, void (*done)(struct job *, struct object *))
{
	const struct pod *p = pod_find(row_of(o)->sandbox_id);
	struct restore_job *r = job_new(o, LANE_STOP, work_end, done);

	if (p && pod_is_absent(p))
		r->shim_cgroup =
			xstrdup(((const Crisp__State__Sandbox *)p->o->sm->row)->shim_cgroup);
	job_start(&r->base);
}

/* SHIM_CREATE joins the restore of a shim that knows the container. */
static void probed_restore(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	const struct shim_status *st = link ? pod_known(p, o->sm->id) : NULL;

	if (!st)
		end_restore(o, link ? done_end : done_lost);
	else if (st->state != SHIM_ENDED) /* container_shim_says has reported the end */
		restore_with(o, gen, p, link);
}

void ctr_effect_probe_restore(struct sm_object *sm)
{
	container_with_line(object_of(sm), probed_restore);
}

void restore_lost(struct object *o)
{
	end_restore(o, done_lost);
}

/* --- probe --- */

/* After a reboot bundle and mounts are gone.  The process may have run: look for its record. */
static int work_saved(struct job *j, struct err *e)
{
	struct restore_job *r = restore_job(j);

	return reclaim_settle(j->id, r->row, -1, &r->exit, e);
}

static void done_saved(struct job *j, struct object *o)
{
	struct payload_exit *exit = restore_job(j)->exit;

	restore_job(j)->exit = NULL;
	job_report(j, o, exit ? ctr_event_exited(exit) : sm_event_new(CTR_EVENT_ABSENT));
}

void ctr_effect_probe_saved(struct sm_object *sm)
{
	struct object *o = object_of(sm);

	if (strcmp(row_of(o)->boot_id, clock_boot_id()) == 0)
		effect_report(o, sm->effect_gen, sm_event_new(CTR_EVENT_NOT_STARTED));
	else
		job_start(&job_new(o, LANE_STOP, work_saved, done_saved)->base);
}

/* --- files that are no longer needed --- */

static int work_remove(struct job *j, struct err *e)
{
	return restorefiles_remove(j->id, e);
}

static void done_remove(struct job *j, struct object *o)
{
	if (j->result < 0 && o)
		log_err(LOG_LEVEL_WARN, "remove the images of a restored container", &j->err);
}

void restore_over(struct object *o)
{
	if (row_of(o)->holds_connections)
		job_start(&job_new(o, LANE_TRASH, work_let_go, done_let_go)->base);
}

void restore_started(struct object *o)
{
	job_start(&job_new(o, LANE_TRASH, work_remove, done_remove)->base);
}
