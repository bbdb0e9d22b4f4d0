/*
 * fake_shim.c - a sandbox's shim as the node has it: a process that listens, and may fall silent.
 *
 * Nothing of the machine outlives the daemon: each life makes it anew from what the sandbox knows.
 */
#include "sweep.h"

#include "base/util.h"
#include "core/payloads.h"
#include "gen/sm_shim.h"

enum happening {
	HAPPENS_NEW, /* a sandbox is made */
	HAPPENS_START, /* of its shim, or of another */
	HAPPENS_ASK,
	HAPPENS_ANSWER,
	HAPPENS_SILENCE,
	HAPPENS_DEATH,
	HAPPENS_STOP, /* of the pod: no other shim will come */
	HAPPENS_TEARDOWN,
	HAPPENS_REMOVAL,
	N_HAPPENS,
};

#define FAULT_NO_MEANS 1u /* the daemon has no descriptor left, once */
/* What happens while the shim is connected and has not told, or adopts. */
#define SYNCING(h) (2u << (HAPPENS_##h))
#define ADOPTING(h) (2u << (HAPPENS_##h) << N_HAPPENS)

static const char *const ID = "54e1100000000000000000000000000000000000000000000000000000000000";

#define EFFECT(name) \
	void shm_effect_##name(struct sm_object *obj) \
	{ \
		sim_start(obj); \
	}
EFFECT(connect)
EFFECT(await)
EFFECT(adopt)
EFFECT(look)
EFFECT(leave)
EFFECT(kill_new)
EFFECT(kill_used)

static void tell(struct sim *sim, int event)
{
	sim_tell(sim, &shm_machine, sm_event_new(event));
}

static const Crisp__State__Shim *row_of(const struct sm_object *obj)
{
	return obj->row;
}

/* --- effects --- */

static void shim_ends(struct sim *sim)
{
	struct sm_object *obj = sim->dead ? NULL : sim_object(sim, &shm_machine);

	sim->w->shm.alive = false;
	if (!obj || !shm_is_linked(obj->state))
		return;
	sim->w->shm.asked = sim->w->shm.asked || shm_is_up(obj->state);
	tell(sim, SHM_EVENT_LOST);
}

static void happen(struct sim *sim, int what);

/* What the scenario wants at this moment; shift: 0 or N_HAPPENS. */
static void meanwhile(struct sim *sim, unsigned int shift)
{
	for (int h = 0; h < N_HAPPENS && !sim->dead; h++)
		if (sim_fault_once(sim, 2u << h << shift))
			happen(sim, h);
}

static bool can_speak(const struct sim *sim)
{
	const struct sm_object *obj = sim->dead ? NULL : sim_object(sim, &shm_machine);

	return obj && shm_is_linked(obj->state) && sim->w->shm.alive && !sim->w->shm.silent;
}

static void act_connect(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	struct payload_init *init;

	(void)obj;
	if (sim_fault_once(sim, FAULT_NO_MEANS)) {
		sim_done(sim, job, sim_failed(SHM_EVENT_NO_MEANS, "no descriptor"));
		return;
	}
	if (!sim->w->shm.alive) {
		sim_done(sim, job, sim_failed(SHM_EVENT_NO_LISTENER, "nobody listens"));
		return;
	}
	sim_done(sim, job, sm_event_new(SHM_EVENT_CONNECTED));
	meanwhile(sim, 0);
	if (can_speak(sim)) {
		init = xcalloc(1, sizeof(*init));
		init->pid = 4;
		sim_tell(sim, &shm_machine, shm_event_knows(init));
	}
}

static void all_adopted(struct sim *sim, const struct sm_object *obj)
{
	if (obj && sim->w->shm.asked && !row_of(obj)->asked_before)
		sim_bad(sim, "what was asked of a shim that died is not asked again");
	if (obj && row_of(obj)->adopting > 1)
		sim_bad(sim, "adoptions of an earlier shim are waited for");
	sim->w->shm.asked = sim->w->shm.unaware = false;
	tell(sim, SHM_EVENT_ADOPTED);
}

/* A shim that was started for one that died adopts two containers. */
static void act_adopt(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)job;
	for (int i = 0; i < 2 && sim->w->shm.unaware && can_speak(sim); i++)
		tell(sim, SHM_EVENT_ADOPT_SENT);
	meanwhile(sim, N_HAPPENS);
	if (!can_speak(sim))
		return;
	if (sim->w->shm.unaware)
		tell(sim, SHM_EVENT_ADOPTED);
	else
		all_adopted(sim, obj);
}

static void act_await(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)job;
	if (!can_speak(sim))
		return;
	if (!shm_is_up(obj->state))
		all_adopted(sim, obj);
	else if (row_of(obj)->owed)
		tell(sim, SHM_EVENT_ANSWERED);
}

static void act_look(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)obj;
	sim_done(sim, job,
		 sm_event_new(sim->w->shm.ready ? SHM_EVENT_REPLACED : SHM_EVENT_UNREPLACED));
}

static void act_kill(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	if (!sim->w->shm.silent)
		sim_bad(sim, "a shim that answers is killed");
	if (obj && row_of(obj)->asked_before)
		sim->w->shm.asked = true;
	sim->w->shm.alive = sim->w->shm.silent = false;
	act_look(sim, obj, job);
}

static const struct act acts[] = {
	{ "shim", "connect", act_connect }, { "shim", "await", act_await },
	{ "shim", "adopt", act_adopt },	    { "shim", "look", act_look },
	{ "shim", "leave", act_look },	    { "shim", "kill_new", act_kill },
	{ "shim", "kill_used", act_kill },
};

/* --- the sandbox --- */

static struct sm_object *line_new(struct sim *sim)
{
	Crisp__State__Shim *row = xmalloc(sizeof(*row));

	crisp__state__shim__init(row);
	row->sandbox_id = xstrdup(ID);
	return sim_object_new(sim, &shm_machine, ID, row);
}

/* A sandbox that is loaded. */
static void born(struct sim *sim)
{
	struct world_shim *s = &sim->w->shm;

	s->asked = s->gave_up = false;
	if (!s->pod)
		return;
	line_new(sim);
	tell(sim, s->started && !s->torn_down ? SHM_EVENT_OPEN : SHM_EVENT_WAS_DEAD);
}

static void start(struct sim *sim)
{
	struct world_shim *s = &sim->w->shm;

	/* The one before is seen to its end first. */
	if (s->alive || s->torn_down)
		return;
	s->unaware = s->started;
	s->alive = s->started = s->ready = true;
	s->silent = s->gave_up = false;
	tell(sim, SHM_EVENT_OPEN);
}

static void ask(struct sim *sim)
{
	const struct sm_object *obj = sim_object(sim, &shm_machine);

	if (obj && shm_is_linked(obj->state))
		tell(sim, SHM_EVENT_ASKED);
}

static void happen(struct sim *sim, int what)
{
	struct world_shim *s = &sim->w->shm;

	switch ((enum happening)what) {
	case HAPPENS_NEW:
		*s = (struct world_shim){ .pod = true };
		line_new(sim);
		break;
	case HAPPENS_START:
		start(sim);
		break;
	case HAPPENS_ASK:
		ask(sim);
		break;
	case HAPPENS_ANSWER:
		tell(sim, SHM_EVENT_ANSWERED);
		break;
	case HAPPENS_SILENCE:
		s->silent = s->alive;
		break;
	case HAPPENS_DEATH:
		if (s->alive)
			shim_ends(sim);
		break;
	case HAPPENS_STOP:
		s->ready = false;
		s->gave_up = true;
		tell(sim, SHM_EVENT_GIVES_UP);
		break;
	case HAPPENS_TEARDOWN:
		s->alive = s->ready = false;
		s->torn_down = true;
		tell(sim, SHM_EVENT_SHUT_DOWN);
		break;
	case HAPPENS_REMOVAL:
		s->pod = s->alive = s->ready = false;
		tell(sim, SHM_EVENT_FORGET);
		break;
	case N_HAPPENS:
		break;
	}
}

static bool down(struct world *w, enum down what)
{
	if (what == DOWN_SHIM_DIES && w->shm.alive) {
		w->shm.alive = w->shm.silent = false;
		return true;
	}
	if (what != DOWN_REBOOTS)
		return false;
	w->shm.alive = w->shm.silent = w->shm.ready = false;
	w->shm.torn_down = true;
	return true;
}

static void rest(struct sim *sim)
{
	const struct sm_object *obj = sim_object(sim, &shm_machine);
	const struct world_shim *s = &sim->w->shm;

	if (!obj) {
		if (s->pod)
			sim_bad(sim, "a sandbox has no line to its shim");
		return;
	}
	if (shm_is_up(obj->state) && !s->alive)
		sim_bad(sim, "a line is up to a shim that is dead");
	if (shm_is_up(obj->state) && s->unaware)
		sim_bad(sim, "a shim is used before it knows the containers");
	if (shm_is_up(obj->state) && row_of(obj)->owed)
		sim_bad(sim, "an answer is owed and not awaited");
	if (s->alive && !s->gave_up && !shm_is_up(obj->state))
		sim_bad(sim, "a shim lives and its line is %s", sm_state(obj)->name);
	if (shm_is_down(obj->state) && !s->ready)
		sim_bad(sim, "another shim is waited for and nobody starts it");
	if (shm_is_absent(obj->state) && s->ready)
		sim_bad(sim, "another shim is started and nobody waits for it");
}

#define NEW HAPPEN(HAPPENS_NEW)
#define START HAPPEN_AT_REST(HAPPENS_START)
#define FIRST HAPPEN(HAPPENS_START)
#define ASK_IT HAPPEN_AT_REST(HAPPENS_ASK)
#define SILENCE HAPPEN_AT_REST(HAPPENS_SILENCE)
#define DEATH HAPPEN_AT_REST(HAPPENS_DEATH)
#define STOP HAPPEN_AT_REST(HAPPENS_STOP)
#define TEARDOWN HAPPEN_AT_REST(HAPPENS_TEARDOWN)
#define REMOVAL HAPPEN_AT_REST(HAPPENS_REMOVAL)
#define NOW(h) HAPPEN_NOW(HAPPENS_##h)
/* Made, started and used once. */
#define USED NEW, FIRST, ASK_IT

static const struct scenario scenarios[] = {
	{ "it is used", 0, { USED, ASK_IT, STOP, TEARDOWN, REMOVAL } },
	{ "asked much at a time",
	  0,
	  { USED, ASK_IT, NOW(ASK), NOW(ASK), STOP, TEARDOWN, REMOVAL } },
	{ "it dies and is replaced",
	  0,
	  { USED, DEATH, START, ASK_IT, DEATH, START, STOP, TEARDOWN, TEARDOWN, REMOVAL } },
	{ "it dies while it is asked",
	  0,
	  { NEW, FIRST, ASK_IT, NOW(DEATH), START, ASK_IT, TEARDOWN, REMOVAL } },
	{ "it falls silent", 0, { USED, SILENCE, ASK_IT, START, ASK_IT, STOP, TEARDOWN, REMOVAL } },
	{ "it is silent at once", SYNCING(SILENCE), { NEW, FIRST, START, TEARDOWN, REMOVAL } },
	{ "silent while it adopts",
	  ADOPTING(SILENCE),
	  { NEW, FIRST, START, DEATH, START, TEARDOWN, REMOVAL } },
	{ "silent, and nobody replaces it", 0, { USED, STOP, SILENCE, ASK_IT, TEARDOWN, REMOVAL } },
	{ "killed, and the pod stops", 0, { USED, SILENCE, ASK_IT, STOP, TEARDOWN, REMOVAL } },
	{ "killed, and torn down", 0, { USED, SILENCE, ASK_IT, TEARDOWN, REMOVAL } },
	{ "killed, and removed", 0, { USED, SILENCE, ASK_IT, REMOVAL } },
	{ "dead, and the pod stops", 0, { USED, DEATH, STOP, STOP, TEARDOWN, REMOVAL } },
	{ "dead, and torn down", 0, { USED, DEATH, TEARDOWN, STOP, REMOVAL } },
	{ "dead, and removed", 0, { USED, DEATH, REMOVAL } },
	{ "stopped while it dies", 0, { USED, DEATH, NOW(STOP), NOW(TEARDOWN), NOW(REMOVAL) } },
	{ "no descriptor for a while", FAULT_NO_MEANS, { USED, REMOVAL } },
	{ "asked before it speaks", SYNCING(ASK) | SYNCING(ANSWER), { USED, REMOVAL } },
	{ "it dies before it speaks", SYNCING(DEATH), { NEW, FIRST, START, TEARDOWN, REMOVAL } },
	{ "stopped before it speaks", SYNCING(STOP), { NEW, FIRST, TEARDOWN, REMOVAL } },
	{ "torn down before it speaks", SYNCING(TEARDOWN), { NEW, FIRST, REMOVAL } },
	{ "removed before it speaks", SYNCING(REMOVAL), { NEW, FIRST, REMOVAL } },
	{ "asked while it adopts", ADOPTING(ASK), { USED, STOP, REMOVAL } },
	{ "asked and answered while it adopts",
	  ADOPTING(ASK) | ADOPTING(ANSWER),
	  { USED, STOP, REMOVAL } },
	{ "it dies while it adopts",
	  ADOPTING(DEATH),
	  { NEW, FIRST, START, DEATH, START, REMOVAL } },
	{ "stopped while it adopts", ADOPTING(STOP), { NEW, FIRST, START, TEARDOWN, REMOVAL } },
	{ "torn down while it adopts", ADOPTING(TEARDOWN), { NEW, FIRST, REMOVAL } },
	{ "removed while it adopts", ADOPTING(REMOVAL), { NEW, FIRST, REMOVAL } },
	{ "stopped while it connects", 0, { NEW, FIRST, NOW(STOP), TEARDOWN, REMOVAL } },
	{ "torn down while it connects", 0, { NEW, FIRST, NOW(TEARDOWN), REMOVAL } },
	{ "removed while it connects", 0, { NEW, FIRST, NOW(REMOVAL) } },
	{ "torn down while it is asked", 0, { NEW, FIRST, ASK_IT, NOW(TEARDOWN), REMOVAL } },
	{ "removed while it is asked", 0, { NEW, FIRST, ASK_IT, NOW(REMOVAL) } },
	{ "removed while it is used", 0, { USED, REMOVAL } },
	{ "removed when it has ended", 0, { USED, TEARDOWN, REMOVAL } },
	{ "never started", 0, { NEW, HAPPEN(HAPPENS_STOP), HAPPEN(HAPPENS_REMOVAL) } },
	{ "torn down before it is started", 0, { NEW, HAPPEN(HAPPENS_TEARDOWN), REMOVAL } },
	{ "lost, and started again", 0, { USED, STOP, DEATH, START, ASK_IT, TEARDOWN, REMOVAL } },
};

const struct fake fake_shim = {
	.name = "shim",
	.machines = { &shm_machine },
	.n_machines = 1,
	.scenarios = scenarios,
	.n_scenarios = ARRAY_LEN(scenarios),
	.acts = acts,
	.n_acts = ARRAY_LEN(acts),
	.clean_up = -1,
	.born = born,
	.happen = happen,
	.down = down,
	.rest = rest,
};
