/*
 * container.c - effects of states/container.sm.
 *
 * An effect hands copies of the records to a worker, or sends requests to the pod's shim.  Each
 * effect can run again after a crash at any of its points.
 */
#include "pod/container.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/reason.h"
#include "cdi/catalog.h"
#include "core/paths.h"
#include "core/payloads.h"
#include "core/trash.h"
#include "images/diskuse.h"
#include "images/image.h"
#include "images/scrub.h"
#include "pod/adopt.h"
#include "pod/bundle.h"
#include "pod/container_limits.h"
#include "pod/devspecs.h"
#include "pod/dump.h"
#include "pod/dumpcancel.h"
#include "pod/fdstore.h"
#include "pod/pod_listing.h"
#include "pod/reach.h"
#include "pod/reclaim.h"
#include "pod/remains.h"
#include "pod/restore.h"
#include "pod/runtimes.h"
#include "pod/sandbox.h"
#include "pod/shim.h"
#include "pod/spent.h"
#include "pod/usage.h"

#define RUNTIME_START_MS 60000
#define SETTLE_PAUSE_NS (5 * NSEC_PER_SEC)

static const Crisp__State__Container *row_of(const struct object *o)
{
	return o->sm->row;
}

Runtime__V1__ContainerConfig *container_config(const Crisp__State__Container *row)
{
	Runtime__V1__ContainerConfig *c =
		runtime__v1__container_config__unpack(NULL, row->config.len, row->config.data);

	assert(c); /* packed by crispd, and rows have checksums */
	return c;
}

/* --- jobs --- */

struct container_job {
	struct job base;
	Crisp__State__Container *row;
	Crisp__State__Sandbox *pod;
	struct bundle_parts in;
	struct payload_bundle *out;
	struct payload_exit *exit;
	char *shim_cgroup; /* of an absent shim, "": none; NULL: shim not absent, or no pod */
	int pidfd; /* of its first process, -1: none */
	uint64_t seq; /* of the row */
	int64_t not_after_ns; /* CLOCK_MONOTONIC: latest begin of the work */
};

static struct container_job *container_job(struct job *j)
{
	return container_of(j, struct container_job, base);
}

static void container_job_free(struct job *j)
{
	struct container_job *c = container_job(j);

	for (size_t i = 0; c->in.mount_layers && c->in.mount_layers[i]; i++) {
		for (char **s = c->in.mount_layers[i]; *s; s++)
			free(*s);
		free(c->in.mount_layers[i]);
	}
	free(c->in.mount_layers);
	for (size_t i = 0; c->in.subjects && c->in.subjects[i]; i++)
		trust_subject_free(c->in.subjects[i]);
	free(c->in.subjects);
	cdi_catalog_unref(c->in.cdi);
	crisp__state__container__free_unpacked(c->row, NULL);
	crisp__state__sandbox__free_unpacked(c->pod, NULL);
	payload_bundle_free(c->out);
	free(c->exit);
	free(c->shim_cgroup);
	close_fdp(&c->pidfd);
	free(c);
}

static struct container_job *job_new(struct object *o, enum loop_lane lane,
				     int (*work)(struct job *, struct err *),
				     void (*done)(struct job *, struct object *))
{
	struct container_job *c = xcalloc(1, sizeof(*c));
	const struct pod *p = pod_find(row_of(o)->sandbox_id);

	c->pidfd = p ? fdstore_dup_pidfd(p->held, o->sm->id) : -1;
	if (p && pod_is_absent(p)) {
		const Crisp__State__Sandbox *pod = p->o->sm->row;

		c->shim_cgroup = xstrdup(pod->shim_cgroup);
	}
	c->row = sm_row_clone(row_of(o));
	job_init(&c->base, o, lane, work, done, container_job_free);
	return c;
}

struct job *container_job_new(struct object *o, enum loop_lane lane,
			      int (*work)(struct job *, struct err *),
			      void (*done)(struct job *, struct object *))
{
	return &job_new(o, lane, work, done)->base;
}

const Crisp__State__Container *container_job_row(struct job *j)
{
	return container_job(j)->row;
}

/* --- prepare: root file system and bundle, on a worker --- */

static void prepare_failed(struct object *o, uint64_t gen, const struct err *e)
{
	effect_report(o, gen, sm_event_failed(CTR_EVENT_PREPARE_FAILED, e));
}

static int work_prepare(struct job *j, struct err *e)
{
	struct container_job *c = container_job(j);

	return bundle_make(&c->in, &c->out, e);
}

static void done_prepare(struct job *j, struct object *o)
{
	devspecs_update(container_job(j)->in.cdi);
	if (!o || o->sm->effect_gen != j->gen)
		return;
	if (j->result < 0 && j->err.code == ERR_DATA_LOSS)
		scrub_images_of(row_of(o));
	if (j->result < 0)
		prepare_failed(o, j->gen, &j->err);
	else
		effect_report(o, j->gen, ctr_event_prepared(take_ptr(container_job(j)->out)));
}

static const Runtime__V1__NamespaceOption *target_option(const Runtime__V1__NamespaceOption *ns)
{
	return ns && ns->pid == RUNTIME__V1__NAMESPACE_MODE__TARGET ? ns : NULL;
}

/* A container of another pod may be the target if the pod itself names that container. */
static bool pod_targets(const struct object *o, const char *target_id)
{
	const struct pod *p = pod_find(row_of(o)->sandbox_id);
	Runtime__V1__PodSandboxConfig *c = p ? sandbox_config(p->o->sm->row) : NULL;
	const Runtime__V1__LinuxSandboxSecurityContext *s =
		c && c->linux ? c->linux->security_context : NULL;
	const Runtime__V1__NamespaceOption *ns = target_option(s ? s->namespace_options : NULL);
	bool same = ns && strcmp(ns->target_id, target_id) == 0;

	runtime__v1__pod_sandbox_config__free_unpacked(c, NULL);
	return same;
}

/* Find the init of the container whose PID namespace o joins (TARGET mode); *ret 0: none. */
static int find_target(const struct object *o, pid_t *ret, struct err *e)
{
	Runtime__V1__ContainerConfig *c = container_config(row_of(o));
	const Runtime__V1__LinuxContainerSecurityContext *s =
		c->linux ? c->linux->security_context : NULL;
	const Runtime__V1__NamespaceOption *ns = target_option(s ? s->namespace_options : NULL);
	struct object *target;
	int r = ns ? world_lookup(KIND_CONTAINER, ns->target_id, &target, e) : 0;

	*ret = 0;
	if (r == 0 && ns) {
		bool near = strcmp(row_of(target)->sandbox_id, row_of(o)->sandbox_id) == 0;

		if ((near || pod_targets(o, ns->target_id)) && ctr_is_joinable(target->sm->state))
			*ret = row_of(target)->pid;
		else
			r = err_set(e, ERR_PRECONDITION,
				    "config.linux.security_context.namespace_options.target_id: "
				    "container %s does not run in this sandbox",
				    ns->target_id);
	}
	runtime__v1__container_config__free_unpacked(c, NULL);
	return r;
}

static int find_mount_layers(const struct object *o, struct bundle_parts *in, struct err *e)
{
	const Crisp__State__Container *row = row_of(o);

	in->mount_layers = xcalloc(row->n_image_mounts + 1, sizeof(char **));
	for (size_t i = 0; i < row->n_image_mounts; i++) {
		struct object *image = world_find(KIND_IMAGE, row->image_mounts[i]);
		const Crisp__State__Image *ir = image ? image->sm->row : NULL;

		if (!ir) {
			err_set(e, ERR_NOT_FOUND, "image %s was removed", row->image_mounts[i]);
			return reason_set(e, REASON_IMAGE_VOLUME_MOUNT_FAILED);
		}
		in->mount_layers[i] = xcalloc(ir->n_layers + 1, sizeof(char *));
		for (size_t k = 0; k < ir->n_layers; k++)
			in->mount_layers[i][k] = xstrdup(ir->layers[k]->diff_id);
	}
	return 0;
}

/* Collect the images for the policy check: the container's and its image mounts'. */
static void find_subjects(const struct object *o, struct bundle_parts *in)
{
	const Crisp__State__Container *row = row_of(o);
	Runtime__V1__ContainerConfig *c = container_config(row);
	Runtime__V1__ImageSpec base = RUNTIME__V1__IMAGE_SPEC__INIT; /* of a checkpoint */
	size_t n = 0;

	in->subjects = xcalloc(row->n_image_mounts + 2, sizeof(struct trust_subject *));
	base.image = row->image_name;
	in->subjects[n++] =
		trust_subject_new(world_find(KIND_IMAGE, row->image_id + strlen("sha256:")),
				  *row->restore_source ? &base : c->image, "config.image");
	for (size_t i = 0; i < c->n_mounts && n <= row->n_image_mounts; i++) {
		_cleanup_free_ char *field = xasprintf("config.mounts[%zu].image", i);

		if (!c->mounts[i]->image || !*c->mounts[i]->image->image)
			continue;
		in->subjects[n] =
			trust_subject_new(world_find(KIND_IMAGE, row->image_mounts[n - 1]),
					  c->mounts[i]->image, field);
		n++;
	}
	runtime__v1__container_config__free_unpacked(c, NULL);
}

static void prepare_with(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	const Crisp__State__Sandbox *pod = p->o->sm->row;
	struct container_job *c = job_new(o, LANE_CREATE, work_prepare, done_prepare);
	struct err e = ERR_NULL;
	int r;

	c->pod = sm_row_clone(pod);
	c->in = (struct bundle_parts){
		.id = c->base.id,
		.row = c->row,
		.pod = c->pod,
		.features = runtimes_features(conf_runtime_find(world.conf, pod->runtime_handler)),
		/* A container that the shim knows is kept: SHIM_CREATE joins it. */
		.again = !pod_known(p, o->sm->id),
		.cdi = devspecs_known(),
	};
	r = link ? 0 : err_set(&e, ERR_UNAVAILABLE, "the pod's shim has ended");
	if (r == 0)
		r = find_target(o, &c->in.target_pid, &e);
	if (r == 0)
		r = find_mount_layers(o, &c->in, &e);
	if (r == 0) {
		find_subjects(o, &c->in);
		job_start(&c->base);
		return;
	}
	container_job_free(&c->base);
	prepare_failed(o, gen, &e);
}

void container_with_line(struct object *o, pod_ready_fn *fn)
{
	struct pod *p = pod_find(row_of(o)->sandbox_id);

	if (p)
		pod_when_settled(p, o, fn);
	else
		fn(o, o->sm->effect_gen, NULL, NULL);
}

void ctr_effect_prepare(struct sm_object *sm)
{
	struct object *o = object_of(sm);
	struct err e = ERR_NULL;

	if (pod_find(row_of(o)->sandbox_id)) {
		container_with_line(o, prepare_with);
		return;
	}
	err_set(&e, ERR_PRECONDITION, "the sandbox was removed");
	prepare_failed(o, sm->effect_gen, &e);
}

/* --- create: the shim's runtime --- */

static struct payload_init *init_of_status(const struct shim_status *st)
{
	struct payload_init *f = xcalloc(1, sizeof(struct payload_init));

	f->pid = (int32_t)st->pid;
	f->ticks = st->start_ticks;
	f->started_ns = st->started_ns;
	return f;
}

/* A create that the runtime itself refused is a container whose start fails: the kubelet counts
 * restarts and backs off only for such. */
static void create_failed(struct object *o, uint64_t gen, const struct err *e)
{
	bool refused = e->code == ERR_UNKNOWN;

	effect_report(o, gen,
		      sm_event_failed(refused ? CTR_EVENT_REFUSED : CTR_EVENT_CREATE_FAILED, e));
}

struct payload_init *container_created_init(const struct object *o, const struct shim_answer *ans,
					    const struct err *err, struct err *e)
{
	int32_t pid = (int32_t)ans->status.pid;

	if (err) {
		*e = *err;
		err_wrap(e, "container %.13s", o->sm->id);
		return NULL;
	}
	if (pid <= 1 || pid == getpid()) {
		err_set(e, ERR_INTERNAL, "container %.13s: its shim reports process %d as its init",
			o->sm->id, pid);
		return NULL;
	}
	return init_of_status(&ans->status);
}

static void shim_created(struct object *o, uint64_t gen, struct shim_answer *ans,
			 const struct err *err)
{
	struct payload_init *init;
	struct err e = ERR_NULL;

	if (err && err->code == ERR_UNAVAILABLE)
		return; /* the loss of the shim reaches every container of the pod */
	init = container_created_init(o, ans, err, &e);
	if (init)
		effect_report(o, gen, ctr_event_created(init));
	else
		create_failed(o, gen, &e);
}

static void create_with(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	struct err e = ERR_NULL;

	if (container_ask_init(o, p, link, 0, shim_created, &e) < 0)
		create_failed(o, gen, &e);
}

void ctr_effect_create_init(struct sm_object *sm)
{
	container_with_line(object_of(sm), create_with);
}

/* SHIM_CREATE joins the create of a shim that knows the container. */
static void probed_create(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	if (link && !pod_known(p, o->sm->id))
		effect_report(o, gen, sm_event_new(CTR_EVENT_ABSENT));
	else
		create_with(o, gen, p, link);
}

void ctr_effect_probe_create(struct sm_object *sm)
{
	container_with_line(object_of(sm), probed_create);
}

/* --- exits --- */

static struct payload_exit *exit_of_status(const struct shim_status *st)
{
	struct payload_exit *f = xcalloc(1, sizeof(*f));

	f->code = st->exit_code;
	f->oom = st->oom != 0;
	f->started_ns = st->started_ns;
	f->exited_ns = st->exited_ns;
	return f;
}

void container_shim_says(struct object *o, const struct shim_status *st)
{
	if (st->state != SHIM_ENDED)
		return;
	/* A dump would hold up the report. */
	dumpcancel_all(ctr_is_held(o->sm->state) ? row_of(o)->sandbox_id : o->sm->id);
	if (st->exit_unknown)
		spent_report(o, sm_event_new(CTR_EVENT_LOST));
	else
		spent_report(o, ctr_event_exited(exit_of_status(st)));
}

/* Kill runtimes that outlived their shim: they could still create or start the container. */
static int end_runtimes(const struct container_job *c, struct err *e)
{
	return c->shim_cgroup && *c->shim_cgroup ? reach_end_cgroup(c->shim_cgroup, 0, e) : 0;
}

/* Without a shim: end the container and take its status from exit record or pidfd. */
static int work_settle(struct job *j, struct err *e)
{
	struct container_job *c = container_job(j);
	int r = end_runtimes(c, e);

	return r < 0 ? r : reclaim_settle(j->id, c->row, c->pidfd, &c->exit, e);
}

static void settle_after(struct object *o, int64_t pause_ns);

static void done_settle(struct job *j, struct object *o)
{
	struct container_job *c = container_job(j);

	if (!o || !ctr_is_alive(o->sm->state))
		return; /* settled by an earlier job */
	if (j->result < 0) {
		log_err(LOG_LEVEL_WARN, "end a container without a shim, tried again", &j->err);
		settle_after(o, SETTLE_PAUSE_NS); /* a process did not end: retry */
		return;
	}
	if (c->exit)
		effect_report(o, j->gen, ctr_event_exited(take_ptr(c->exit)));
	else
		effect_report(o, j->gen, sm_event_new(CTR_EVENT_LOST));
}

static void settle_after(struct object *o, int64_t pause_ns)
{
	enum loop_lane lane = pause_ns > 0 ? LANE_RETRY : LANE_STOP;

	job_start_after(&job_new(o, lane, work_settle, done_settle)->base, pause_ns);
}

void container_settle(struct object *o)
{
	settle_after(o, 0);
}

/* --- probe --- */

const struct shim_status *container_probed_alive(struct object *o, uint64_t gen, struct pod *p,
						 struct shim_link *link)
{
	const struct shim_status *st = link ? pod_known(p, o->sm->id) : NULL;

	if (!link)
		container_settle(o);
	else if (!st)
		effect_report(o, gen, sm_event_new(CTR_EVENT_ABSENT));
	/* container_shim_says has reported the end. */
	return st && st->state != SHIM_ENDED ? st : NULL;
}

static void probed(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	const struct shim_status *st = container_probed_alive(o, gen, p, link);

	if (st)
		effect_report(o, gen, ctr_event_adopted(init_of_status(st)));
}

void ctr_effect_probe(struct sm_object *sm)
{
	container_with_line(object_of(sm), probed);
}

static void probed_start(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	const struct shim_status *st = container_probed_alive(o, gen, p, link);

	if (st && st->state == SHIM_RUNNING)
		effect_report(o, gen, ctr_event_started(init_of_status(st)));
	else if (st)
		effect_report(o, gen, sm_event_new(CTR_EVENT_NOT_STARTED));
}

void ctr_effect_probe_start(struct sm_object *sm)
{
	container_with_line(object_of(sm), probed_start);
}

/* --- start --- */

static void shim_started(struct object *o, uint64_t gen, struct shim_answer *ans,
			 const struct err *err)
{
	struct err e;

	if (!err && ans->status.state == SHIM_CREATED) {
		/* The request joined the probe of a shim that adopts the container. */
		effect_report(o, gen, sm_event_new(CTR_EVENT_NOT_STARTED));
	} else if (!err) {
		effect_report(o, gen, ctr_event_started(init_of_status(&ans->status)));
	} else if (err->code != ERR_UNAVAILABLE) {
		e = *err;
		err_wrap(&e, "container %.13s", o->sm->id);
		effect_report(o, gen, sm_event_failed(CTR_EVENT_START_FAILED, &e));
	}
	/* ERR_UNAVAILABLE: the loss of the shim reaches every container of the pod. */
}

static void start_with(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	const struct shim_request req = {
		.type = SHIM_START,
		.id = o->sm->id,
		.timeout_ms = RUNTIME_START_MS,
	};

	(void)gen;
	if (link)
		pod_request(p, o, &req, NULL, 0, shim_started);
	else
		container_settle(o);
}

void ctr_effect_start_init(struct sm_object *sm)
{
	container_with_line(object_of(sm), start_with);
}

/* --- limits --- */

/* Latest begin in the queue; the rest of UPDATING's time is for the write and its undo. */
#define UPDATE_QUEUE_NS (20 * NSEC_PER_SEC)

static int work_limits(struct job *j, struct err *e)
{
	struct container_job *c = container_job(j);

	if (clock_monotonic_ns() > c->not_after_ns)
		return err_set(
			e, ERR_DEADLINE,
			"container %.13s: no worker was free in time for the new limits: try again",
			j->id);
	return container_limits_apply(j->id, c->row, c->seq, e);
}

static void done_limits(struct job *j, struct object *o)
{
	job_report(j, o,
		   j->result < 0 ? sm_event_failed(CTR_EVENT_UPDATE_FAILED, &j->err)
				 : sm_event_new(CTR_EVENT_UPDATED));
}

static void limits_start(struct object *o)
{
	struct container_job *c = job_new(o, LANE_SESSION, work_limits, done_limits);

	c->seq = o->sm->seq;
	c->not_after_ns = clock_monotonic_ns() + UPDATE_QUEUE_NS;
	job_start(&c->base);
}

static void limits_with(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	if (container_probed_alive(o, gen, p, link))
		limits_start(o);
}

/* The shim reports an end.  On recovery, first check for an end while crispd was down. */
void ctr_effect_apply_resources(struct sm_object *sm)
{
	if (world.recovering)
		container_with_line(object_of(sm), limits_with);
	else
		limits_start(object_of(sm));
}

/* --- signals --- */

static void signalled(struct object *o, uint64_t gen, struct shim_answer *ans,
		      const struct err *err)
{
	(void)ans;
	if (!err || err->code == ERR_UNAVAILABLE)
		return; /* an event reports the end */
	if (err->code == ERR_NOT_FOUND)
		effect_report(o, gen, sm_event_new(CTR_EVENT_ABSENT));
	else
		log_err(LOG_LEVEL_WARN, "signal a container", err);
}

static void send_signal(struct object *o, struct pod *p, uint32_t sig)
{
	const struct shim_request req = {
		.type = SHIM_KILL,
		.id = o->sm->id,
		.signal = sig,
		.flags = sig == SIGKILL && row_of(o)->kill_all ? SHIM_ALL : 0,
	};

	pod_request(p, o, &req, NULL, 0, signalled);
}

/* --- processes that a signal to init does not end --- */

static int work_thaw(struct job *j, struct err *e)
{
	return reach_thaw(container_job(j)->row, e);
}

static void done_thaw(struct job *j, struct object *o)
{
	if (j->result < 0 && o)
		log_err(LOG_LEVEL_WARN, "thaw a container", &j->err);
}

static int work_reach(struct job *j, struct err *e)
{
	return reach_end_container(container_job(j)->row, REACH_QUICK_MS, e);
}

static int work_reach_long(struct job *j, struct err *e)
{
	int r = reach_end_container(container_job(j)->row, REACH_LONG_MS, e);

	return r < 0 ? err_wrap(e, "container %.13s", j->id) : 0;
}

/* Only log: KILLING's deadline repeats the effect. */
static void done_reach_long(struct job *j, struct object *o)
{
	if (j->result < 0 && o)
		log_err(LOG_LEVEL_WARN, "kill a container", &j->err);
}

/* Signal by the shim after reach_end_container: that finds processes outside the cgroup by a
 * namespace, which ends with the first process. */
static void done_reach(struct job *j, struct object *o)
{
	struct pod *p = o ? pod_find(row_of(o)->sandbox_id) : NULL;

	if (!o || o->sm->effect_gen != j->gen)
		return;
	if (p)
		send_signal(o, p, SIGKILL);
	if (j->result < 0)
		job_start(&job_new(o, LANE_RETRY, work_reach_long, done_reach_long)->base);
}

static void term_with(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	(void)gen;
	if (!link) {
		container_settle(o);
		return;
	}
	send_signal(o, p, row_of(o)->stop_signal ? row_of(o)->stop_signal : SIGTERM);
	job_start(&job_new(o, LANE_STOP, work_thaw, done_thaw)->base);
}

static void kill_with(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	(void)gen;
	(void)p;
	if (!link) {
		container_settle(o);
		return;
	}
	job_start(&job_new(o, LANE_STOP, work_reach, done_reach)->base);
}

void ctr_effect_signal_term(struct sm_object *sm)
{
	container_with_line(object_of(sm), term_with);
}

void ctr_effect_signal_kill(struct sm_object *sm)
{
	container_with_line(object_of(sm), kill_with);
}

/* --- erase --- */

static int work_erase(struct job *j, struct err *e)
{
	struct container_job *c = container_job(j);
	int r = end_runtimes(c, e);
	bool stuck;

	if (r == 0)
		r = reach_end_container(c->row, REACH_QUICK_MS, e);
	if (r == 0 && *c->row->checkpoint_location)
		r = dump_end(j->id, c->row, &stuck, e);
	return r < 0 ? r : bundle_clean(j->id, c->row, e);
}

/* Remove the container's directory, which found no room in the trash. */
static int work_erase_in_place(struct job *j, struct err *e)
{
	_cleanup_free_ char *dir = path_container_dir(world.conf, j->id);

	return fs_remove_tree(dir, e);
}

static void done_erase(struct job *j, struct object *o)
{
	if (j->result == 0)
		trash_kick();
	if (j->result == 1 && o && o->sm->effect_gen == j->gen) {
		job_start(&job_new(o, LANE_TRASH, work_erase_in_place, done_erase)->base);
		return;
	}
	job_report_retry(j, o, "remove a container, tried again", CTR_EVENT_ERASED,
			 CTR_EVENT_ERASE_STUCK);
}

static void erase_now(struct object *o)
{
	enum loop_lane lane = o->sm->failure ? LANE_RETRY : LANE_STOP;

	job_start(&job_new(o, lane, work_erase, done_erase)->base);
}

static void shim_forgot(struct object *o, uint64_t gen, struct shim_answer *ans,
			const struct err *err)
{
	struct pod *p = pod_find(row_of(o)->sandbox_id);

	(void)gen;
	(void)ans;
	/* The shim refuses before the process has ended; on_container then handles the end. */
	if (p && !err)
		pod_forget(p, o->sm->id);
	erase_now(o);
}

static void killed_created(struct object *o, uint64_t gen, struct shim_answer *ans,
			   const struct err *err)
{
	const struct shim_request req = { .type = SHIM_FORGET, .id = o->sm->id };
	struct pod *p = pod_find(row_of(o)->sandbox_id);

	(void)ans;
	/* The create is still under way and could leave a container without a row: retry. */
	if (err && err->code == ERR_PRECONDITION) {
		effect_report(o, gen, sm_event_failed(CTR_EVENT_ERASE_STUCK, err));
		return;
	}
	if (p && p->link)
		pod_request(p, o, &req, NULL, 0, shim_forgot);
	else
		erase_now(o);
}

/* Kill the init of a created, never started container first: it waits for its start. */
static void erase_with(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	const struct shim_request req = {
		.type = SHIM_KILL,
		.id = o->sm->id,
		.signal = SIGKILL,
		.flags = row_of(o)->kill_all ? SHIM_ALL : 0,
	};

	if (!link)
		erase_now(o);
	else if (row_of(o)->finished_ns)
		killed_created(o, gen, NULL, NULL);
	else
		pod_request(p, o, &req, NULL, 0, killed_created);
}

void ctr_effect_erase(struct sm_object *sm)
{
	container_with_line(object_of(sm), erase_with);
}

/* --- lost shims --- */

/* Fail the create that was under way. */
static void create_lost(struct object *o)
{
	struct err e = ERR_NULL;

	err_set(&e, ERR_UNAVAILABLE, "container %.13s: the pod's shim died", o->sm->id);
	create_failed(o, o->sm->effect_gen, &e);
}

static void child_lost(struct object *o)
{
	if (ctr_is_alive(o->sm->state))
		container_settle(o);
	else if (ctr_is_creating(o->sm->state))
		create_lost(o);
	else if (ctr_is_restoring(o->sm->state))
		restore_lost(o);
}

void container_shim_back(struct object *o)
{
	if (ctr_is_with_shim(o->sm->state))
		sm_redo(o->sm);
}

void container_pod_lost(const struct object *sandbox)
{
	for (struct object *o = NULL; (o = world_child(sandbox, KIND_CONTAINER, o));)
		child_lost(o);
}

/* --- life --- */

static void container_born(struct object *o)
{
	diskuse_born(o);
}

static void container_moved(struct object *o, const struct sm_row *row)
{
	usage_forget(o);
	if (row->target == row->state)
		return;
	if (ctr_is_dumping(row->state))
		dumpcancel_all(o->sm->id);
	if (ctr_is_held(row->state) && !ctr_is_holdable(row->target))
		dumpcancel_all(row_of(o)->sandbox_id);
	if (ctr_is_joinable(row->target) && *row_of(o)->restore_source &&
	    ctr_is_starting(row->state))
		restore_started(o);
	/* Measure the writable layer for the first and for the last time. */
	if (ctr_is_measured(row->target))
		diskuse_want(o, true);
	if (ctr_is_over(row->target)) {
		spent_remove_cgroup(o);
		restore_over(o);
	}
}

/* The container is out of the tables already; its sandbox may not exist. */
static void container_gone(struct object *o)
{
	struct pod *p = pod_find(row_of(o)->sandbox_id);

	diskuse_gone(o);
	usage_forget(o);
	if (p && sm_is_gone(o->sm))
		pod_let_go(p, o->sm->id);
}

static bool container_is_nameless(const struct sm_object *sm)
{
	return ctr_is_nameless(sm->state);
}

static const char *container_name_key(const void *row)
{
	return ((const Crisp__State__Container *)row)->name_key;
}

/* CreateContainer returns the id once the container has a process, is known to get none, or waits
 * for its restore. */
static bool container_is_hidden(const void *row)
{
	const Crisp__State__Container *r = row;

	return !r->pid && !r->refused && !r->saved;
}

const struct kind_ops kind_container = {
	.machine = &ctr_machine,
	.born = container_born,
	.moved = container_moved,
	.gone = container_gone,
	.is_nameless = container_is_nameless,
	.name_key = container_name_key,
	.put_listing = container_put_listing,
	.shows = &runtime__v1__container_state__descriptor,
	.is_hidden = container_is_hidden,
	.end_remains = remains_end_container,
};
