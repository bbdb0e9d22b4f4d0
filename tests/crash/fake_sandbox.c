/*
 * fake_sandbox.c - the sandbox machine killed at each point of each row, on a fake node: files,
 * shim, address lease, containers.
 */
#include "sandbox_stories.h"
#include "sweep.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "core/payloads.h"
#include "core/records.h"
#include "gen/sm_container.h"
#include "gen/sm_sandbox.h"

static const char *const CONTAINER_ID =
	"c0ffee0000000000000000000000000000000000000000000000000000000000";
#define INIT_PID 201

static const char *const ID = "5a4db0c000000000000000000000000000000000000000000000000000000000";

#define EFFECT(name) \
	void sbx_effect_##name(struct sm_object *obj) \
	{ \
		sim_start(obj); \
	}
EFFECT(set_up)
EFFECT(connect_shim)
EFFECT(start_init)
EFFECT(pin_init)
EFFECT(probe_shim)
EFFECT(replace_shim)
EFFECT(add_network)
EFFECT(open_ports)
EFFECT(delete_network)
EFFECT(read_checkpoint)
EFFECT(fill_volumes)
EFFECT(make_containers)
EFFECT(hold_containers)
EFFECT(dump)
EFFECT(end_dump)
EFFECT(tear_down)
EFFECT(erase)

static struct sm_event *set_up(const struct sim *sim)
{
	struct payload_setup *f = xcalloc(1, sizeof(struct payload_setup));

	f->shim_pid = 200;
	f->init_pid = sim_fault(sim, FAULT_OWN_INIT) ? INIT_PID : 0;
	return sbx_event_is_set_up(f);
}

/* Its containers notice nothing. */
static void shim_dies(struct world *w)
{
	w->sbx.shim = false;
	w->sbx.shim_died = true;
}

/* And the kernel ends all that runs in its namespace. */
static void init_ends(struct world *w)
{
	w->sbx.broken = w->sbx.init_ended = true;
	if (w->ctr.proc)
		container_ends(w, true, 137);
}

static struct sm_event *broken(void)
{
	return sim_failed(SBX_EVENT_POD_BROKEN, "init has ended");
}

static void act_set_up(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct world_sandbox *s = &sim->w->sbx;
	struct payload_netns *n;

	(void)obj;
	s->files = true;
	if (sim_fault(sim, FAULT_SETUP_FAILS)) {
		sim_done(sim, job, sim_failed(SBX_EVENT_SETUP_FAILED, "no cgroup"));
		return;
	}
	s->shim = true;
	s->shim_died = s->broken = false;
	if (sim_fault(sim, FAULT_SETUP_HANGS))
		return;
	n = xcalloc(1, sizeof(*n));
	n->cni_conf = xstrdup("10-pods.conflist");
	n->path = xstrdup("/run/netns/x");
	n->maps_ports = sim_fault(sim, FAULT_HOST_PORTS);
	sim_done(sim, job, sbx_event_prepared(n));
}

static struct payload_init *process(int pid)
{
	struct payload_init *f = xcalloc(1, sizeof(*f));

	f->pid = pid;
	return f;
}

static void act_connect_shim(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)obj;
	if (!sim->w->sbx.shim || sim_fault(sim, FAULT_CONNECT_FAILS))
		sim_done(sim, job, sim_failed(SBX_EVENT_SETUP_FAILED, "the shim ended"));
	else if (!sim_fault(sim, FAULT_CONNECT_HANGS))
		sim_done(sim, job, sbx_event_connected(process(200)));
}

static void act_start_init(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	if (obj && !((const Crisp__State__Sandbox *)obj->row)->pod_pid)
		sim_bad(sim, "a pod without a PID namespace gets an init");
	if (!sim->w->sbx.shim || sim_fault(sim, FAULT_INIT_FAILS))
		sim_done(sim, job, sim_failed(SBX_EVENT_SETUP_FAILED, "no init"));
	else if (!sim_fault(sim, FAULT_INIT_HANGS))
		sim_done(sim, job, sbx_event_init_started(process(INIT_PID)));
}

static void act_pin_init(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)obj;
	if (!sim->w->sbx.shim || sim_fault(sim, FAULT_PIN_FAILS))
		sim_done(sim, job, sim_failed(SBX_EVENT_SETUP_FAILED, "no namespace"));
	else if (!sim_fault(sim, FAULT_PIN_HANGS))
		sim_done(sim, job, sm_event_new(SBX_EVENT_INIT_PINNED));
}

static void act_probe_shim(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	const struct world_sandbox *s = &sim->w->sbx;

	(void)obj;
	if (s->shim && s->broken)
		sim_done(sim, job, broken());
	else
		sim_done(sim, job, s->shim ? set_up(sim) : sm_event_new(SBX_EVENT_SHIM_LOST));
}

#define REVIVES_MAX 8 /* then the guard shim_crash_loop gives the pod up */

static void act_replace_shim(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	const Crisp__State__Sandbox *row = obj ? obj->row : NULL;
	struct world_sandbox *s = &sim->w->sbx;

	if (row && row->revive_tries > REVIVES_MAX)
		sim_bad(sim, "one shim after the other is tried");
	if (sim_fault(sim, FAULT_REVIVE_FAILS) || sim_fault_once(sim, FAULT_REVIVE_FAILS_ONCE)) {
		sim_done(sim, job, sim_failed(SBX_EVENT_SETUP_FAILED, "no memory"));
		return;
	}
	s->shim = true;
	s->shim_died = false;
	if (sim_fault(sim, FAULT_REVIVE_HANGS))
		return;
	sim_done(sim, job, s->broken ? broken() : set_up(sim));
	if (!sim_fault(sim, FAULT_DIES_YOUNG))
		return;
	shim_dies(sim->w);
	sim_tell(sim, &sbx_machine, sm_event_new(SBX_EVENT_SHIM_LOST));
}

/* DEL, then ADD: two leases for one pod never happen. */
static void act_add_network(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct world_sandbox *s = &sim->w->sbx;
	struct payload_network *f;

	(void)obj;
	if (!s->shim || s->broken) {
		sim_done(sim, job, sim_failed(SBX_EVENT_NETWORK_FAILED, "no shim"));
		return;
	}
	s->lease = s->wired = true;
	if (sim_fault(sim, FAULT_NETWORK_FAILS)) {
		/* A plugin of the chain failed; the ones before it have done their part. */
		sim_done(sim, job, sim_failed(SBX_EVENT_NETWORK_FAILED, "plugin failed"));
		return;
	}
	if (sim_fault(sim, FAULT_NETWORK_HANGS))
		return;
	f = xcalloc(1, sizeof(struct payload_network));
	f->result = xstrdup("{}");
	f->ips = xcalloc(2, sizeof(char *));
	f->ips[0] = xstrdup("10.0.0.2");
	sim_done(sim, job, sbx_event_network_up(f));
}

/* The rules follow from the rows, so the pod's addresses are in its row. */
static void act_open_ports(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	const Crisp__State__Sandbox *row = obj ? obj->row : NULL;
	struct world_sandbox *s = &sim->w->sbx;

	if (row && (!row->maps_ports || !row->n_ips || !s->lease))
		sim_bad(sim, "ports of a pod without an address are opened");
	s->ports = !sim_fault(sim, FAULT_PORTS_FAIL);
	if (!s->shim || s->broken || !s->ports)
		sim_done(sim, job, sim_failed(SBX_EVENT_PORTS_FAILED, "port taken"));
	else if (!sim_fault(sim, FAULT_PORTS_HANG))
		sim_done(sim, job, sm_event_new(SBX_EVENT_PORTS_OPEN));
}

/* The shim may go while something else is under way for the pod. */
static void shim_may_die(struct sim *sim)
{
	if (sim->w->sbx.shim && sim_fault(sim, FAULT_BREAKS_BUSY)) {
		init_ends(sim->w);
		sim_tell(sim, &sbx_machine, broken());
	}
	if (!sim->w->sbx.shim || !sim_fault(sim, FAULT_SHIM_DIES_BUSY))
		return;
	shim_dies(sim->w);
	sim_tell(sim, &sbx_machine, sm_event_new(SBX_EVENT_SHIM_LOST));
}

static void act_delete_network(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)obj;
	shim_may_die(sim);
	if (sim->w->ctr.proc)
		sim_bad(sim, "the network goes while containers run");
	if (sim_fault_once(sim, FAULT_LOWER_STUCK_ONCE)) {
		sim_done(sim, job, sim_failed(SBX_EVENT_NETWORK_STUCK, "plugin failed"));
		return;
	}
	sim->w->sbx.lease = sim->w->sbx.wired = sim->w->sbx.ports = false;
	sim_done(sim, job, sm_event_new(SBX_EVENT_NETWORK_DOWN));
}

/* --- a checkpoint comes back --- */

static void act_read_checkpoint(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct payload_checkpointed *c;

	(void)obj;
	if (sim_fault(sim, FAULT_READ_FAILS)) {
		sim_done(sim, job, sim_failed(SBX_EVENT_CHECKPOINT_BAD, "damaged"));
		return;
	}
	if (sim_fault(sim, FAULT_READ_HANGS))
		return;
	c = xcalloc(1, sizeof(*c));
	c->ips = xcalloc(2, sizeof(char *));
	c->ips[0] = xstrdup("10.0.0.2");
	sim_done(sim, job, sbx_event_checkpoint_read(c));
}

static void act_fill_volumes(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	const struct world_sandbox *s = &sim->w->sbx;

	(void)obj;
	if (!s->shim || s->broken || sim_fault(sim, FAULT_FILL_FAILS))
		sim_done(sim, job, sim_failed(SBX_EVENT_FILL_FAILED, "no space"));
	else if (!sim_fault(sim, FAULT_FILL_HANGS))
		sim_done(sim, job, sm_event_new(SBX_EVENT_FILLED));
}

static void create_container(struct sim *sim, bool restored);

static bool is_being_made(const struct sm_object *ctr)
{
	return ctr->state == CTR_STATE_NONE || ctr->state == CTR_STATE_UNPACKING ||
	       ctr->state == CTR_STATE_PREPARING;
}

static void act_make_containers(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	const struct world_sandbox *s = &sim->w->sbx;
	const struct sm_object *ctr;

	if (!obj || obj->state != SBX_STATE_SAVING || obj->effect_gen != job->gen)
		return;
	if (!s->shim || s->broken) {
		sim_done(sim, job, sim_failed(SBX_EVENT_MAKE_FAILED, "no shim"));
		return;
	}
	if (!sim_object(sim, &ctr_machine) && !sim->w->made)
		create_container(sim, true);
	ctr = sim_object(sim, &ctr_machine);
	if (sim_fault(sim, FAULT_MAKE_HANGS))
		return;
	if (ctr && is_being_made(ctr))
		sim_again(sim, job);
	else if (ctr && ctr->state == CTR_STATE_SAVED)
		sim_done(sim, job, sm_event_new(SBX_EVENT_CONTAINERS_MADE));
	else
		sim_done(sim, job, sim_failed(SBX_EVENT_MAKE_FAILED, "truncated"));
}

static void act_hold_containers(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)obj;
	if (sim_object(sim, &ctr_machine))
		sim_tell(sim, &ctr_machine, sm_event_new(CTR_EVENT_HOLD));
	if (!sim_fault_once(sim, FAULT_HOLD_HANGS))
		sim_done(sim, job, sm_event_new(SBX_EVENT_HELD));
}

/* It fails or hangs half-way: the container stands still, a part of the files is there. */
static void act_dump(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	const struct sm_object *ctr = sim_object(sim, &ctr_machine);
	struct world_container *c = &sim->w->ctr;

	if (!c->proc || (obj && ctr && ctr->state != CTR_STATE_HELD) ||
	    sim_fault(sim, FAULT_DUMP_FAILS)) {
		sim_done(sim, job, sim_failed(SBX_EVENT_DUMP_FAILED, "CRIU says no"));
	} else if (sim_fault(sim, FAULT_DUMP_STUCK)) {
		c->frozen = c->part = true;
		sim_done(sim, job, sim_failed(SBX_EVENT_DUMP_STUCK, "I/O error"));
	} else if (sim_fault_once(sim, FAULT_DUMP_HANGS)) {
		c->frozen = c->part = true;
	} else {
		c->archive = true;
		sim_done(sim, job, sm_event_new(SBX_EVENT_DUMPED));
	}
}

static void act_end_dump(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct world_container *c = &sim->w->ctr;

	(void)obj;
	if (sim_fault_once(sim, FAULT_DUMP_STUCK) || sim_fault_once(sim, FAULT_HOLD_STUCK)) {
		sim_done(sim, job, sim_failed(SBX_EVENT_DUMP_STUCK, "I/O error"));
		return;
	}
	c->frozen = c->part = false;
	sim_done(sim, job, sim_failed(SBX_EVENT_DUMP_FAILED, "interrupted"));
}

static void act_tear_down(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)obj;
	if (sim_fault_once(sim, FAULT_DROP_STUCK_ONCE)) {
		sim_done(sim, job, sim_failed(SBX_EVENT_TEARDOWN_STUCK, "busy"));
		return;
	}
	sim->w->sbx.shim = sim->w->sbx.shim_died = sim->w->sbx.broken = false;
	sim->w->ctr.part = false;
	sim_done(sim, job, sm_event_new(SBX_EVENT_TORN_DOWN));
}

static void act_erase(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)obj;
	if (sim->w->ctr.rootfs)
		sim_bad(sim, "a pod is erased under its containers");
	if (sim_fault_once(sim, FAULT_ERASE_STUCK_ONCE)) {
		sim_done(sim, job, sim_failed(SBX_EVENT_ERASE_STUCK, "busy"));
		return;
	}
	sim->w->sbx.files = false;
	sim_done(sim, job, sm_event_new(SBX_EVENT_ERASED));
}

static const struct act acts[] = {
	{ "sandbox", "set_up", act_set_up },
	{ "sandbox", "connect_shim", act_connect_shim },
	{ "sandbox", "start_init", act_start_init },
	{ "sandbox", "pin_init", act_pin_init },
	{ "sandbox", "probe_shim", act_probe_shim },
	{ "sandbox", "replace_shim", act_replace_shim },
	{ "sandbox", "add_network", act_add_network },
	{ "sandbox", "open_ports", act_open_ports },
	{ "sandbox", "delete_network", act_delete_network },
	{ "sandbox", "read_checkpoint", act_read_checkpoint },
	{ "sandbox", "fill_volumes", act_fill_volumes },
	{ "sandbox", "make_containers", act_make_containers },
	{ "sandbox", "hold_containers", act_hold_containers },
	{ "sandbox", "dump", act_dump },
	{ "sandbox", "end_dump", act_end_dump },
	{ "sandbox", "tear_down", act_tear_down },
	{ "sandbox", "erase", act_erase },
	CONTAINER_ACTS,
};

static struct sm_object *target(struct sim *sim, const struct step *step, bool *ret_ok)
{
	struct sm_object *obj = sim_object(sim, &sbx_machine);
	Crisp__State__Sandbox *row;

	if (obj)
		return obj;
	if (step->what != SBX_EVENT_RUN && step->what != SBX_EVENT_RESTORE) {
		*ret_ok = true; /* what is not there is stopped and removed */
		return NULL;
	}
	row = xmalloc(sizeof(*row));
	crisp__state__sandbox__init(row);
	row->host_network = sim_fault(sim, FAULT_HOST_NETWORK);
	row->pod_pid = sim_fault(sim, FAULT_OWN_INIT);
	if (step->what == SBX_EVENT_RESTORE)
		row->restore_path = xstrdup("/out");
	return sim_object_new(sim, &sbx_machine, ID, row);
}

static bool gone(const struct sm_object *obj)
{
	return !obj || sm_state(obj)->kind == SM_KIND_FINAL;
}

static bool asked(const struct sim *sim, int event)
{
	for (unsigned int i = 0; i < sim->w->next; i++)
		if (sim->w->asks[i].tries && sim->scenario->steps[i].what == event)
			return true;
	return sim->w->asks[sim->w->next].tries > 0;
}

static bool in_setup(const struct sm_object *obj)
{
	return obj->state == SBX_STATE_READING || obj->state == SBX_STATE_FILLING ||
	       obj->state == SBX_STATE_SAVING || obj->state == SBX_STATE_SETUP ||
	       obj->state == SBX_STATE_CONNECTING || obj->state == SBX_STATE_STARTING_INIT ||
	       obj->state == SBX_STATE_PINNING_INIT;
}

static bool kept(struct sim *sim, const struct step *step)
{
	const struct sm_object *obj = sim_object(sim, &sbx_machine);
	const struct world_sandbox *s = &sim->w->sbx;
	const Crisp__State__Sandbox *row = obj ? obj->row : NULL;

	switch (step->what) {
	case SBX_EVENT_RUN:
	case SBX_EVENT_RESTORE:
		if (gone(obj))
			return asked(sim, SBX_EVENT_REMOVE);
		/* A pod that lost its shim since is still there, not ready. */
		return row->shim_pid > 0 && !row->undo && !in_setup(obj) &&
		       obj->state != SBX_STATE_NETWORK_UP && obj->state != SBX_STATE_PORTS_UP;
	case SBX_EVENT_UPDATE:
		return gone(obj) || row->resources_known;
	case SBX_EVENT_CHECKPOINT:
		return sim->w->ctr.archive;
	case SBX_EVENT_STOP:
		return !s->lease && !s->ports && !s->shim && !sim->w->ctr.proc;
	case SBX_EVENT_REMOVE:
		return gone(obj) && !s->files && !s->lease && !s->shim && !sim->w->ctr.rootfs;
	}
	return false;
}

static bool explained(const struct sm_object *obj, const struct step *step)
{
	const Crisp__State__Sandbox *row = obj->row;

	if (step->what == SBX_EVENT_CHECKPOINT)
		return row->checkpoint_failure || obj->state == SBX_STATE_NOTREADY;
	return row->failure || obj->failure;
}

static void fill(struct sim *sim, struct sm_object *obj, const struct step *step,
		 struct sm_event *ev)
{
	struct payload_pod_resources *p;
	struct payload_pod_checkpoint *c;

	(void)sim;
	(void)obj;
	if (step->what == SBX_EVENT_CHECKPOINT) {
		c = xcalloc(1, sizeof(*c));
		c->path = xstrdup("/out");
		c->ids = xcalloc(2, sizeof(char *));
		c->ids[0] = xstrdup(CONTAINER_ID);
		c->options = xcalloc(1, sizeof(char *));
		sim_carry(ev, c, payload_pod_checkpoint_free);
	}
	if (step->what != SBX_EVENT_UPDATE)
		return;
	p = xcalloc(1, sizeof(*p));
	p->resources = xcalloc(1, sizeof(*p->resources));
	p->resources->packed = xmemdup("\x18\x02", 2); /* cpu_shares: 2 */
	p->resources->size = 2;
	sim_carry(ev, p, payload_pod_resources_free);
}

static void create_container(struct sim *sim, bool restored)
{
	Crisp__State__Container *row;

	if (sim_object(sim, &ctr_machine))
		return;
	sim->w->ctr = (struct world_container){ .n_starts = 0 };
	row = xmalloc(sizeof(*row));
	crisp__state__container__init(row);
	row_set_str(&row->sandbox_id, ID);
	sim->w->made = restored;
	if (restored)
		row_set_str(&row->restore_source, "/out/pod/containers/c");
	sim_object_new(sim, &ctr_machine, CONTAINER_ID, row);
	sim_tell(sim, &ctr_machine, sm_event_new(CTR_EVENT_CREATE));
}

static void happen(struct sim *sim, int what)
{
	const struct sm_object *obj = sim_object(sim, &sbx_machine);
	const struct sm_object *ctr = sim_object(sim, &ctr_machine);

	if (!sim->w->sbx.shim)
		return;
	switch ((enum happening)what) {
	case HAPPENS_CREATE:
		if (obj && obj->state == SBX_STATE_READY)
			create_container(sim, false);
		return;
	case HAPPENS_START:
		if (ctr && (ctr->state == CTR_STATE_CREATED || ctr->state == CTR_STATE_SAVED))
			sim_tell(sim, &ctr_machine, sm_event_new(CTR_EVENT_START));
		return;
	case HAPPENS_EXIT:
		if (sim->w->ctr.proc)
			container_ends(sim->w, true, 0);
		if (ctr)
			sim_tell(sim, &ctr_machine, container_evidence(sim->w));
		return;
	case HAPPENS_INIT_END:
		init_ends(sim->w);
		sim_tell(sim, &sbx_machine, broken());
		if (ctr)
			sim_tell(sim, &ctr_machine, container_evidence(sim->w));
		return;
	case HAPPENS_SHIM_DEATH:
		shim_dies(sim->w);
		sim_tell(sim, &sbx_machine, sm_event_new(SBX_EVENT_SHIM_LOST));
		return;
	}
}

static bool down(struct world *w, enum down what)
{
	switch (what) {
	case DOWN_NOTHING:
	case DOWN_FINISHES:
	case N_DOWN:
		return false;
	case DOWN_VANISHES: /* init, and with it all that runs */
		if (!w->sbx.shim || w->sbx.broken)
			return false;
		init_ends(w);
		return true;
	case DOWN_EXITS:
		if (!w->ctr.proc)
			return false;
		container_ends(w, true, 0);
		return true;
	case DOWN_SHIM_DIES:
		if (!w->sbx.shim)
			return false;
		shim_dies(w);
		return true;
	case DOWN_REBOOTS:
		w->sbx.shim = w->sbx.shim_died = w->sbx.wired = w->sbx.broken = false;
		w->sbx.ports = false;
		if (w->ctr.proc)
			container_ends(w, false, 0);
		w->ctr.shim = w->ctr.shim_died = false;
		return true;
	}
	return false;
}

static void seen(struct sim *sim, const struct sm_object *obj)
{
	const struct world_sandbox *s = &sim->w->sbx;
	bool runs = sim->w->ctr.proc != 0;

	if (obj->machine != &sbx_machine)
		return;
	if (obj->state == SBX_STATE_NOTREADY && (s->lease || s->ports || s->shim || runs))
		sim_bad(sim, "NOTREADY is at rest, but the pod still has%s%s%s%s",
			s->lease ? " a lease" : "", s->ports ? " ports" : "",
			s->shim ? " a shim" : "", runs ? " running containers" : "");
}

static bool stopped(const struct sim *sim)
{
	return asked(sim, SBX_EVENT_STOP) || asked(sim, SBX_EVENT_REMOVE);
}

/* Has anything happened that a pod does not outlive? */
static bool may_end(const struct sim *sim)
{
	return stopped(sim) || sim->w->boot || sim->w->sbx.init_ended ||
	       sim_fault(sim, FAULT_REVIVE_FAILS) || sim_fault(sim, FAULT_REVIVE_HANGS) ||
	       sim_fault(sim, FAULT_DIES_YOUNG);
}

static void rest(struct sim *sim)
{
	const struct sm_object *obj = sim_object(sim, &sbx_machine);
	const struct world_sandbox *s = &sim->w->sbx;
	const Crisp__State__Sandbox *row = obj ? obj->row : NULL;

	const struct sm_object *ctr = sim_object(sim, &ctr_machine);
	bool container = sim->w->ctr.rootfs;

	if (!obj) {
		if (s->files || s->lease || s->ports || s->shim || s->shim_died || container)
			sim_bad(sim, "left behind:%s%s%s%s%s", s->files ? " files" : "",
				s->lease ? " lease" : "", s->ports ? " ports" : "",
				s->shim || s->shim_died ? " shim" : "",
				container ? " containers" : "");
		return;
	}
	if (!s->files)
		sim_bad(sim, "%s has no files", sm_state(obj)->name);
	if (sim->w->ctr.part || sim->w->ctr.frozen)
		sim_bad(sim, "%s, and%s%s", sm_state(obj)->name,
			sim->w->ctr.part ? " a part of a checkpoint is left" : "",
			sim->w->ctr.frozen ? " a container stands still" : "");
	if (ctr && ctr->state == CTR_STATE_HELD)
		sim_bad(sim, "%s, and a container takes no commands", sm_state(obj)->name);
	if (obj->state == SBX_STATE_NOTREADY && !may_end(sim))
		sim_bad(sim, "the pod has ended and nobody wanted that");
	if (obj->state == SBX_STATE_READY && (!s->shim || s->broken))
		sim_bad(sim, "READY without a shim");
	if (obj->state == SBX_STATE_READY && *row->restore_path && !container)
		sim_bad(sim, "READY without its restored container");
	if (obj->state == SBX_STATE_READY && row->pod_pid && !row->init_pid)
		sim_bad(sim, "READY without an init");
	if (obj->state == SBX_STATE_NOTREADY && !stopped(sim) && !*row->ended_why)
		sim_bad(sim, "the pod has ended and does not say why");
	if (obj->state == SBX_STATE_READY && !row->host_network && (!s->lease || !s->wired))
		sim_bad(sim, "READY without a network");
	if (obj->state == SBX_STATE_READY && row->maps_ports && !s->ports)
		sim_bad(sim, "READY with closed ports");
}

const struct fake fake_sandbox = {
	.name = "sandbox",
	.machines = { &sbx_machine, &ctr_machine },
	.n_machines = 2,
	.n_extras = 1,
	.scenarios = sandbox_scenarios,
	.n_scenarios = ARRAY_LEN(sandbox_scenarios),
	.acts = acts,
	.n_acts = ARRAY_LEN(acts),
	.clean_up = SBX_EVENT_REMOVE,
	.target = target,
	.kept = kept,
	.explained = explained,
	.fill = fill,
	.happen = happen,
	.down = down,
	.seen = seen,
	.rest = rest,
};
