/*
 * fake_container.c - the container machine killed at each point of each row, on a fake node: root
 * file system, shim, process, exit record.
 */
#include "container_stories.h"
#include "sweep.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "core/payloads.h"
#include "gen/api.pb-c.h"
#include "gen/sm_container.h"

#define EXIT_CODE 7
#define USER 65534
#define SHARES 77
#define MEMORY (64 << 20)

static const char *const ID = "c0ffee0000000000000000000000000000000000000000000000000000000000";

#define EFFECT(name) \
	void ctr_effect_##name(struct sm_object *obj) \
	{ \
		sim_start(obj); \
	}
EFFECT(unpack)
EFFECT(prepare)
EFFECT(restore_init)
EFFECT(probe_restore)
EFFECT(probe_saved)
EFFECT(create_init)
EFFECT(probe_create)
EFFECT(start_init)
EFFECT(probe)
EFFECT(probe_start)
EFFECT(signal_term)
EFFECT(signal_kill)
EFFECT(apply_resources)
EFFECT(freeze)
EFFECT(thaw)
EFFECT(dump)
EFFECT(end_dump)
EFFECT(erase)

static struct payload_init *init_of_process(void)
{
	struct payload_init *f = xcalloc(1, sizeof(*f));

	f->pid = 100;
	f->ticks = 1;
	return f;
}

static struct sm_event *exit_event(const struct world *w)
{
	struct payload_exit *f = xcalloc(1, sizeof(*f));

	f->code = w->ctr.code;
	f->started_ns = w->ctr.n_starts ? 1 : 0;
	return ctr_event_exited(f);
}

/* With a record, or with its shim and without one. */
void container_ends(struct world *w, bool record, int code)
{
	w->ctr.proc = FAKE_PROC_NONE;
	w->ctr.frozen = false;
	w->ctr.code = code;
	w->ctr.record = record;
	w->ctr.shim = record;
	w->ctr.shim_died = !record;
}

/* What is known of a process that is not there. */
struct sm_event *container_evidence(const struct world *w)
{
	if (w->ctr.record)
		return exit_event(w);
	return sm_event_new(w->ctr.shim_died ? CTR_EVENT_LOST : CTR_EVENT_ABSENT);
}

void container_act_unpack(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct payload_origin *origin;

	(void)obj;
	sim->w->ctr.rootfs = true;
	if (sim_fault(sim, FAULT_UNPACK_FAILS)) {
		sim_done(sim, job, sim_failed(CTR_EVENT_PREPARE_FAILED, "truncated"));
		return;
	}
	if (sim_fault(sim, FAULT_UNPACK_HANGS))
		return;
	origin = xcalloc(1, sizeof(*origin));
	origin->found = xmalloc(sizeof(*origin->found));
	crisp__state__container__init(origin->found);
	origin->found->image_config.data = xmalloc(1);
	sim_done(sim, job, ctr_event_unpacked(origin));
}

void container_act_restore_init(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct world_container *c = &sim->w->ctr;

	(void)obj;
	if (!c->rootfs)
		sim_bad(sim, "a container is restored without its rootfs");
	if (c->proc)
		sim_bad(sim, "a container is restored twice");
	if (sim_fault(sim, FAULT_CREATE_FAILS)) {
		sim_done(sim, job, sim_failed(CTR_EVENT_CREATE_FAILED, "CRIU says no"));
		return;
	}
	c->shim = true;
	c->shim_died = false;
	c->proc = FAKE_PROC_CREATED;
	if (!sim_fault(sim, FAULT_CREATE_HANGS))
		sim_done(sim, job, ctr_event_created(init_of_process()));
}

/* A shim that knows the container answers; what another one left is ended. */
void container_act_probe_restore(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct world_container *c = &sim->w->ctr;

	(void)obj;
	if (c->shim && c->proc) {
		sim_done(sim, job, ctr_event_created(init_of_process()));
	} else if (c->shim && c->record) {
		sim_done(sim, job, exit_event(sim->w));
	} else {
		c->proc = FAKE_PROC_NONE;
		sim_done(sim, job, sm_event_new(CTR_EVENT_ABSENT));
	}
}

void container_act_probe_saved(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	const Crisp__State__Container *row = obj ? obj->row : NULL;

	if (row && strcmp(row->boot_id, clock_boot_id()) == 0)
		sim_done(sim, job, sm_event_new(CTR_EVENT_NOT_STARTED));
	else
		sim_done(sim, job,
			 sim->w->ctr.record ? exit_event(sim->w) : sm_event_new(CTR_EVENT_ABSENT));
}

/* Started over, it prepares again as long as the container was never started. */
void container_act_prepare(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct world_container *c = &sim->w->ctr;
	bool again = c->rootfs;
	struct payload_bundle *b;

	(void)obj;
	c->rootfs = true;
	if (!c->shim)
		c->proc = FAKE_PROC_NONE; /* the runtime's delete */
	if (c->n_starts)
		sim_bad(sim, "prepare would make a container anew that has been started");
	if (sim_fault(sim, FAULT_PREPARE_FAILS) ||
	    (again && sim_fault(sim, FAULT_PREPARE_FAILS_AGAIN))) {
		sim_done(sim, job, sim_failed(CTR_EVENT_PREPARE_FAILED, "no such file"));
		return;
	}
	if (sim_fault(sim, FAULT_PREPARE_HANGS))
		return;
	b = xcalloc(1, sizeof(*b));
	b->uid = USER;
	sim_done(sim, job, ctr_event_prepared(b));
}

void container_act_create_init(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct world_container *c = &sim->w->ctr;

	(void)obj;
	if (!c->rootfs)
		sim_bad(sim, "a container is created without its rootfs");
	if (c->proc && !c->shim)
		sim_bad(sim, "a container is created over what an earlier shim left");
	if (sim_fault(sim, FAULT_CREATE_FAILS) || c->record) {
		sim_done(sim, job, sim_failed(CTR_EVENT_CREATE_FAILED, "no such device"));
		return;
	}
	if (sim_fault(sim, FAULT_REFUSED)) {
		sim_done(sim, job, sim_failed(CTR_EVENT_REFUSED, "executable file not found"));
		return;
	}
	c->shim = true;
	c->shim_died = false;
	c->proc = FAKE_PROC_CREATED;
	if (!sim_fault(sim, FAULT_CREATE_HANGS) && !sim_fault_once(sim, FAULT_CREATE_HANGS_ONCE))
		sim_done(sim, job, ctr_event_created(init_of_process()));
}

/* A shim that knows the container joins the create. */
void container_act_probe_create(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct world_container *c = &sim->w->ctr;

	if (c->shim)
		container_act_create_init(sim, obj, job);
	else
		sim_done(sim, job, sm_event_new(CTR_EVENT_ABSENT));
}

void container_act_start_init(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct world_container *c = &sim->w->ctr;

	(void)obj;
	if (c->proc == FAKE_PROC_RUNNING) {
		sim_bad(sim, "a running container is started again");
	} else if (c->proc == FAKE_PROC_NONE) {
		sim_done(sim, job, sim_failed(CTR_EVENT_START_FAILED, "no such process"));
	} else if (sim_fault(sim, FAULT_START_FAILS)) {
		container_ends(sim->w, true, 128);
		sim_done(sim, job, sim_failed(CTR_EVENT_START_FAILED, "not executable"));
	} else {
		if (c->n_starts++)
			sim_bad(sim, "the container is started twice");
		c->proc = FAKE_PROC_RUNNING;
		if (!sim_fault(sim, FAULT_START_HANGS))
			sim_done(sim, job, ctr_event_started(init_of_process()));
	}
}

void container_act_probe(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)obj;
	sim_done(sim, job,
		 sim->w->ctr.proc ? ctr_event_adopted(init_of_process())
				  : container_evidence(sim->w));
}

void container_act_probe_start(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)obj;
	switch (sim->w->ctr.proc) {
	case FAKE_PROC_RUNNING:
		sim_done(sim, job, ctr_event_started(init_of_process()));
		break;
	case FAKE_PROC_CREATED:
		sim_done(sim, job, sm_event_new(CTR_EVENT_NOT_STARTED));
		break;
	case FAKE_PROC_NONE:
		sim_done(sim, job, container_evidence(sim->w));
		break;
	}
}

/* An end is reported by the shim and by whoever asked for it: the second report must not hurt. */
static void process_killed(struct sim *sim, const struct job *job, int code)
{
	if (sim->w->ctr.proc) {
		container_ends(sim->w, true, code);
		sim_tell(sim, &ctr_machine, exit_event(sim->w));
	}
	sim_done(sim, job, container_evidence(sim->w));
}

void container_act_signal_term(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)obj;
	sim->w->ctr.frozen = false;
	if (!sim->w->ctr.proc || !sim_fault(sim, FAULT_IGNORES_TERM))
		process_killed(sim, job, 143);
}

void container_act_signal_kill(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)obj;
	if (!sim->w->ctr.proc || !sim_fault_once(sim, FAULT_IGNORES_KILL_ONCE))
		process_killed(sim, job, 137);
}

static int64_t shares_of(const ProtobufCBinaryData *packed)
{
	Runtime__V1__LinuxContainerResources *r =
		runtime__v1__linux_container_resources__unpack(NULL, packed->len, packed->data);
	int64_t shares = r->cpu_shares;

	runtime__v1__linux_container_resources__free_unpacked(r, NULL);
	return shares;
}

/* All limits or none.  What was under way when the daemon died knows the row of its start. */
void container_act_apply_resources(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	const Crisp__State__Container *row = obj ? obj->row : NULL;
	struct world_container *c = &sim->w->ctr;

	if (!c->proc) {
		sim_done(sim, job, container_evidence(sim->w));
	} else if (sim_fault(sim, FAULT_UPDATE_FAILS)) {
		sim_done(sim, job, sim_failed(CTR_EVENT_UPDATE_FAILED, "no such CPU"));
	} else if (!sim_fault(sim, FAULT_UPDATE_HANGS)) {
		if (row)
			c->shares = shares_of(&row->wanted_resources);
		sim_done(sim, job, sm_event_new(CTR_EVENT_UPDATED));
	}
}

void container_act_freeze(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct world_container *c = &sim->w->ctr;

	(void)obj;
	if (!c->proc) {
		sim_done(sim, job, container_evidence(sim->w));
	} else if (sim_fault(sim, FAULT_FREEZE_FAILS)) {
		sim_done(sim, job, sim_failed(CTR_EVENT_FREEZE_FAILED, "a process is busy"));
	} else if (!sim_fault_once(sim, FAULT_FREEZE_HANGS)) {
		c->frozen = true;
		sim_done(sim, job, sm_event_new(CTR_EVENT_FROZEN));
	}
}

void container_act_thaw(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct world_container *c = &sim->w->ctr;

	(void)obj;
	if (!c->proc) {
		sim_done(sim, job, container_evidence(sim->w));
	} else if (sim_fault_once(sim, FAULT_THAW_FAILS_ONCE)) {
		sim_done(sim, job, sim_failed(CTR_EVENT_THAW_FAILED, "I/O error"));
	} else if (!sim_fault_once(sim, FAULT_THAW_HANGS)) {
		c->frozen = false;
		sim_done(sim, job, sm_event_new(CTR_EVENT_THAWED));
	}
}

/* It fails or hangs half-way: the processes stand still, a part of the archive is there. */
void container_act_dump(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct world_container *c = &sim->w->ctr;

	(void)obj;
	if (!c->proc) {
		sim_done(sim, job, container_evidence(sim->w));
	} else if (sim_fault(sim, FAULT_DUMP_FAILS)) {
		sim_done(sim, job, sim_failed(CTR_EVENT_DUMP_FAILED, "CRIU says no"));
	} else if (sim_fault(sim, FAULT_DUMP_STUCK)) {
		c->frozen = c->part = true;
		sim_done(sim, job, sim_failed(CTR_EVENT_DUMP_STUCK, "I/O error"));
	} else if (sim_fault_once(sim, FAULT_DUMP_HANGS)) {
		c->frozen = c->part = true;
	} else {
		c->archive = true;
		sim_done(sim, job, sm_event_new(CTR_EVENT_DUMPED));
	}
}

void container_act_end_dump(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct world_container *c = &sim->w->ctr;

	(void)obj;
	if (sim_fault_once(sim, FAULT_DUMP_STUCK)) {
		sim_done(sim, job, sim_failed(CTR_EVENT_DUMP_STUCK, "I/O error"));
		return;
	}
	c->frozen = c->part = false;
	sim_done(sim, job,
		 c->proc ? sim_failed(CTR_EVENT_DUMP_FAILED, "interrupted")
			 : container_evidence(sim->w));
}

void container_act_erase(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)obj;
	if (sim_fault_once(sim, FAULT_ERASE_STUCK_ONCE)) {
		sim_done(sim, job, sim_failed(CTR_EVENT_ERASE_STUCK, "busy"));
		return;
	}
	sim->w->ctr = (struct world_container){ .n_starts = sim->w->ctr.n_starts,
						.archive = sim->w->ctr.archive };
	sim_done(sim, job, sm_event_new(CTR_EVENT_ERASED));
}

static const struct act acts[] = { CONTAINER_ACTS };

static struct sm_object *target(struct sim *sim, const struct step *step, bool *ret_ok)
{
	struct sm_object *obj = sim_object(sim, &ctr_machine);
	Crisp__State__Container *row;

	if (obj)
		return obj;
	if (step->what != CTR_EVENT_CREATE) {
		/* What is not there is stopped and removed. */
		*ret_ok = step->what == CTR_EVENT_STOP || step->what == CTR_EVENT_REMOVE;
		return NULL;
	}
	/* A new container under the name: nothing was ever seen of it. */
	sim->w->ctr.n_starts = sim->w->ctr.shown = 0;
	sim->w->ctr.started_ns = sim->w->ctr.finished_ns = 0;
	row = xmalloc(sizeof(*row));
	crisp__state__container__init(row);
	if (sim_fault(sim, RESTORED))
		row->restore_source = xstrdup("/archive");
	return sim_object_new(sim, &ctr_machine, ID, row);
}

static void fill(struct sim *sim, struct sm_object *obj, const struct step *step,
		 struct sm_event *ev)
{
	Runtime__V1__LinuxContainerResources change = RUNTIME__V1__LINUX_CONTAINER_RESOURCES__INIT;
	static const int64_t grace[] = { [STOP_SOON] = 2, [STOP_NOW] = 0, [STOP_LATER] = 30 };
	struct payload_stop *f;
	struct payload_checkpoint *checkpoint;
	struct payload_resources *r;

	(void)obj;
	if (step->what == CTR_EVENT_UPDATE) {
		change.cpu_shares = step->arg == UPDATE_MEMORY ? 0 : SHARES;
		change.memory_limit_in_bytes = step->arg == UPDATE_MEMORY ? MEMORY : 0;
		r = xcalloc(1, sizeof(*r));
		r->size = runtime__v1__linux_container_resources__get_packed_size(&change);
		r->packed = xmalloc(r->size);
		runtime__v1__linux_container_resources__pack(&change, r->packed);
		sim_carry(ev, r, payload_resources_free);
	}
	if (step->what == CTR_EVENT_CHECKPOINT) {
		checkpoint = xcalloc(1, sizeof(*checkpoint));
		checkpoint->location = xstrdup("/archive");
		sim_carry(ev, checkpoint, payload_checkpoint_free);
	}
	if (step->what != CTR_EVENT_STOP)
		return;
	f = xcalloc(1, sizeof(*f));
	f->kill_at_ns = sim->w->now_ns + grace[step->arg] * NSEC_PER_SEC;
	f->now = step->arg == STOP_NOW;
	sim_carry(ev, f, payload_stop_free);
}

static bool gone(const struct sm_object *obj)
{
	return !obj || sm_state(obj)->kind == SM_KIND_FINAL;
}

static bool asked(const struct sim *sim, int event)
{
	for (unsigned int i = 0; i <= sim->w->next && i < MAX_STEPS; i++)
		if (sim->w->asks[i].tries && sim->scenario->steps[i].kind == STEP_ASK &&
		    sim->scenario->steps[i].what == event)
			return true;
	return sim->w->asks[sim->w->next].tries > 0;
}

static bool in_force(const Crisp__State__Container *row, int what)
{
	Runtime__V1__LinuxContainerResources *r = runtime__v1__linux_container_resources__unpack(
		NULL, row->resources.len, row->resources.data);
	bool is = what == UPDATE_MEMORY ? r->memory_limit_in_bytes == MEMORY
					: r->cpu_shares == SHARES;

	runtime__v1__linux_container_resources__free_unpacked(r, NULL);
	return is;
}

static bool kept(struct sim *sim, const struct step *step)
{
	const struct sm_object *obj = sim_object(sim, &ctr_machine);
	const struct world_container *c = &sim->w->ctr;
	const Crisp__State__Container *row = obj ? obj->row : NULL;

	switch (step->what) {
	case CTR_EVENT_CREATE:
		if (gone(obj))
			return asked(sim, CTR_EVENT_REMOVE);
		return obj->state != CTR_STATE_UNPACKING && obj->state != CTR_STATE_PREPARING &&
		       obj->state != CTR_STATE_CREATING && (row->uid == USER || row->failure) &&
		       (obj->state != CTR_STATE_REMOVING || asked(sim, CTR_EVENT_REMOVE));
	case CTR_EVENT_START:
		if (gone(obj))
			return asked(sim, CTR_EVENT_REMOVE);
		return c->n_starts == 1 && row->started_ns && !row->failure &&
		       obj->state != CTR_STATE_STARTING;
	case CTR_EVENT_STOP:
		return c->proc == FAKE_PROC_NONE;
	case CTR_EVENT_UPDATE:
		return !row || in_force(row, step->arg);
	case CTR_EVENT_PAUSE:
		return c->frozen || !c->proc || asked(sim, CTR_EVENT_RESUME);
	case CTR_EVENT_RESUME:
		return !c->frozen;
	case CTR_EVENT_CHECKPOINT:
		return c->archive;
	case CTR_EVENT_REMOVE:
		return gone(obj) && !c->rootfs && !c->proc && !c->record && !c->shim;
	}
	return false;
}

static bool explained(const struct sm_object *obj, const struct step *step)
{
	const Crisp__State__Container *row = obj->row;

	/* A container that ends before its start is acknowledged explains that by its end. */
	if (step->what == CTR_EVENT_UPDATE && row->update_failure)
		return true;
	if (step->what == CTR_EVENT_CHECKPOINT)
		return row->checkpoint_failure || obj->state == CTR_STATE_EXITED;
	if (step->what == CTR_EVENT_PAUSE || step->what == CTR_EVENT_RESUME)
		return true; /* the state that it stayed in */
	return row->failure || obj->failure ||
	       ((step->what == CTR_EVENT_START || step->what == CTR_EVENT_UPDATE) &&
		obj->state == CTR_STATE_EXITED);
}

/* What was asked of the dead shim is asked of the new one, as after a restart of the daemon.  It
 * does not adopt a container that is being created. */
static void new_shim(struct sim *sim, bool late)
{
	struct sm_object *obj = sim_object(sim, &ctr_machine);
	struct world *w = sim->w;

	if (late)
		sim_finish_jobs(w, sim->fake, sim->scenario);
	w->n_jobs = 0;
	if (!obj || sm_state(obj)->kind != SM_KIND_BUSY)
		return;
	if (obj->state == CTR_STATE_CREATING || obj->state == CTR_STATE_RESTORING)
		w->ctr.shim = false;
	w->jobs[w->n_jobs++] = (struct job){
		.effect = (uint16_t)sm_state(obj)->recover,
		.gen = obj->effect_gen,
	};
}

static void happen(struct sim *sim, int what)
{
	if (what == HAPPENS_NEW_SHIM || what == HAPPENS_NEW_SHIM_LATE) {
		new_shim(sim, what == HAPPENS_NEW_SHIM_LATE);
		return;
	}
	if (what == HAPPENS_POD_END || what == HAPPENS_HOLD || what == HAPPENS_RELEASE) {
		sim_tell(sim, &ctr_machine,
			 sm_event_new(what == HAPPENS_POD_END ? CTR_EVENT_POD_ENDS
				      : what == HAPPENS_HOLD  ? CTR_EVENT_HOLD
							      : CTR_EVENT_RELEASE));
		return;
	}
	if (!sim->w->ctr.proc)
		return;
	container_ends(sim->w, what == HAPPENS_EXIT, EXIT_CODE);
	sim_tell(sim, &ctr_machine, container_evidence(sim->w));
}

static bool down(struct world *w, enum down what)
{
	if (what == DOWN_REBOOTS) {
		w->ctr.proc = FAKE_PROC_NONE;
		w->ctr.shim = w->ctr.shim_died = w->ctr.frozen = false;
		return true;
	}
	if (!w->ctr.proc)
		return false;
	container_ends(w, what == DOWN_EXITS, EXIT_CODE);
	if (what == DOWN_VANISHES)
		w->ctr.shim_died = false;
	return true;
}

/* Statuses never go back, and times that were shown once stay. */
static void seen(struct sim *sim, const struct sm_object *obj)
{
	static const int ranks[] = {
		[CTR_STATE_CREATED] = 1,   [CTR_STATE_STARTING] = 1,
		[CTR_STATE_SAVED] = 1,	   [CTR_STATE_HELD] = 2,
		[CTR_STATE_RESTORING] = 1, [CTR_STATE_REFUSED] = 1,
		[CTR_STATE_RUNNING] = 2,   [CTR_STATE_UPDATING_CREATED] = 1,
		[CTR_STATE_UPDATING] = 2,  [CTR_STATE_PAUSING] = 2,
		[CTR_STATE_PAUSED] = 2,	   [CTR_STATE_RESUMING] = 2,
		[CTR_STATE_DUMPING] = 2,   [CTR_STATE_STOPPING] = 2,
		[CTR_STATE_KILLING] = 2,   [CTR_STATE_EXITED] = 3,
		[CTR_STATE_GONE] = 4,
	};
	struct world_container *c = &sim->w->ctr;
	const Crisp__State__Container *row = obj->row;
	int rank = ranks[obj->state];

	if (rank && rank < c->shown)
		sim_bad(sim, "the status goes back: %s is shown", sm_state(obj)->name);
	if (rank)
		c->shown = rank;
	if ((c->started_ns && row->started_ns != c->started_ns) ||
	    (c->finished_ns && row->finished_ns != c->finished_ns))
		sim_bad(sim, "a time that was shown has changed in %s", sm_state(obj)->name);
	c->started_ns = row->started_ns;
	c->finished_ns = row->finished_ns;
	if (obj->state == CTR_STATE_EXITED && c->proc)
		sim_bad(sim, "EXITED is shown of a process that lives");
	if (obj->state == CTR_STATE_EXITED && row->reason[0] && strcmp(row->reason, "StartError") &&
	    row->exit_known != c->record)
		sim_bad(sim, "the exit code is %s", row->exit_known ? "invented" : "not looked up");
	if (obj->state == CTR_STATE_EXITED && row->exit_known && c->record &&
	    row->exit_code != c->code)
		sim_bad(sim, "exit code %d is shown, but it was %d", row->exit_code, c->code);
}

static void rest(struct sim *sim)
{
	const struct sm_object *obj = sim_object(sim, &ctr_machine);
	const struct world_container *c = &sim->w->ctr;
	const Crisp__State__Container *row = obj ? obj->row : NULL;

	if (!obj) {
		if (c->rootfs || c->proc || c->record || c->shim || c->part)
			sim_bad(sim, "left behind: %s%s%s%s%s", c->rootfs ? " rootfs" : "",
				c->proc ? " process" : "", c->record ? " record" : "",
				c->shim ? " shim" : "", c->part ? " part of an archive" : "");
		return;
	}
	if (!c->rootfs)
		sim_bad(sim, "%s has no rootfs", sm_state(obj)->name);
	if (obj->state == CTR_STATE_SAVED && c->proc)
		sim_bad(sim, "SAVED, but a process lives");
	if (obj->state == CTR_STATE_CREATED && c->proc != FAKE_PROC_CREATED)
		sim_bad(sim, "CREATED, but no process waits for the start");
	if (obj->state == CTR_STATE_RUNNING && c->proc != FAKE_PROC_RUNNING)
		sim_bad(sim, "RUNNING, but no process runs");
	if (obj->state == CTR_STATE_EXITED && c->proc)
		sim_bad(sim, "EXITED, but a process lives");
	if (c->part && obj->state == CTR_STATE_RUNNING)
		sim_bad(sim, "RUNNING, and a part of an archive is left");
	if (c->frozen != (obj->state == CTR_STATE_PAUSED))
		sim_bad(sim, "%s, and it is%s frozen", sm_state(obj)->name,
			c->frozen ? "" : " not");
	if (c->proc && c->shares != shares_of(&row->resources))
		sim_bad(sim, "the status shows other limits than those in force");
}

const struct fake fake_container = {
	.name = "container",
	.machines = { &ctr_machine },
	.n_machines = 1,
	.scenarios = container_scenarios,
	.n_scenarios = CONTAINER_SCENARIOS,
	.acts = acts,
	.n_acts = ARRAY_LEN(acts),
	.clean_up = CTR_EVENT_REMOVE,
	.target = target,
	.fill = fill,
	.kept = kept,
	.explained = explained,
	.happen = happen,
	.down = down,
	.seen = seen,
	.rest = rest,
};
