/*
 * fake_exec.c - the exec machine killed at each point of each row: its process is spawned at most
 * once, and ends with its session or in the next life of the daemon.
 *
 * The shim has the session until FORGET.  Nothing else of it outlives the daemon.
 */
#include "sweep.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/util.h"
#include "core/payloads.h"
#include "gen/sm_exec.h"

enum fault {
	FAULT_SPAWN_FAILS = 1 << 0,
	FAULT_SPAWN_HANGS = 1 << 1,
	FAULT_ENDS_AT_ONCE = 1 << 2,
	FAULT_IGNORES_KILL_ONCE = 1 << 3,
	FAULT_SHIM_DIES_STARTING = 1 << 4,
	FAULT_SHIM_DIES_KILLING = 1 << 5,
};

enum happening {
	HAPPENS_EXIT,
	HAPPENS_SHIM_DEATH,
};

#define EXIT_CODE 3

static const char *const ID = "e8ec000000000000000000000000000000000000000000000000000000000000";

#define EFFECT(name) \
	void exe_effect_##name(struct sm_object *obj) \
	{ \
		sim_start(obj); \
	}
EFFECT(spawn)
EFFECT(watch)
EFFECT(drain)
EFFECT(kill)

static struct sm_event *exit_event(const struct world *w)
{
	struct payload_exit *f = xcalloc(1, sizeof(*f));

	f->code = w->exe.code;
	return exe_event_exited(f);
}

static void process_ends(struct world *w, bool record, int code)
{
	w->exe.proc = false;
	w->exe.record = record;
	w->exe.shim_died = !record;
	w->exe.code = code;
}

static struct sm_event *evidence(const struct world *w)
{
	return w->exe.record ? exit_event(w) : sm_event_new(EXE_EVENT_LOST);
}

static void act_spawn(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)obj;
	if (sim_fault(sim, FAULT_SPAWN_FAILS)) {
		sim_done(sim, job, sim_failed(EXE_EVENT_START_FAILED, "no such file"));
		return;
	}
	if (sim->w->exe.n_spawns++)
		sim_bad(sim, "the command is run twice");
	sim->w->exe.proc = true;
	if (sim_fault(sim, FAULT_ENDS_AT_ONCE | FAULT_SHIM_DIES_STARTING)) {
		/* Its end overtakes the news of its start. */
		process_ends(sim->w, sim_fault(sim, FAULT_ENDS_AT_ONCE), EXIT_CODE);
		sim_tell(sim, &exe_machine, evidence(sim->w));
	}
	if (sim_fault(sim, FAULT_SPAWN_HANGS))
		return;
	sim_done(sim, job, sm_event_new(EXE_EVENT_STARTED));
}

static void act_watch(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)sim;
	(void)obj;
	(void)job;
}

static void act_kill(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)obj;
	if (sim->w->exe.proc && sim_fault_once(sim, FAULT_IGNORES_KILL_ONCE))
		return;
	if (sim->w->exe.proc) {
		process_ends(sim->w, !sim_fault(sim, FAULT_SHIM_DIES_KILLING), 137);
		sim_tell(sim, &exe_machine, evidence(sim->w));
	}
	sim_done(sim, job, evidence(sim->w));
}

/* The session's record goes with its end. */
static void act_drain(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)obj;
	sim_done(sim, job, sm_event_new(EXE_EVENT_DRAINED));
}

static const struct act acts[] = {
	{ "exec", "spawn", act_spawn },
	{ "exec", "watch", act_watch },
	{ "exec", "drain", act_drain },
	{ "exec", "kill", act_kill },
};

static Crisp__State__Exec *row_new(void)
{
	Crisp__State__Exec *row = xmalloc(sizeof(*row));

	crisp__state__exec__init(row);
	row->sandbox_id = xstrdup(ID);
	row->container_id = xstrdup(ID);
	return row;
}

static struct sm_object *target(struct sim *sim, const struct step *step, bool *ret_ok)
{
	struct sm_object *obj = sim_object(sim, &exe_machine);
	Crisp__State__Exec *row;

	(void)step;
	*ret_ok = false;
	if (obj)
		return obj;
	/* Another session under the same id never is; in the sweep it is a new story. */
	sim->w->exe = (struct world_exec){ .n_spawns = 0 };
	row = row_new();
	row->kill_at_ns = sim->w->now_ns + 5 * NSEC_PER_SEC;
	return sim_object_new(sim, &exe_machine, ID, row);
}

/* The shim lists a session that an earlier daemon left. */
static void born(struct sim *sim)
{
	if (!sim->w->exe.proc)
		return;
	sim_object_new(sim, &exe_machine, ID, row_new());
	sim_tell(sim, &exe_machine, sm_event_new(EXE_EVENT_FOUND));
}

/* An OK carries an exit code that is known and true. */
static bool kept(struct sim *sim, const struct step *step)
{
	const struct sm_object *obj = sim_object(sim, &exe_machine);
	const Crisp__State__Exec *row = obj ? obj->row : NULL;

	(void)step;
	if (!row)
		return true; /* it was answered; nothing of it is kept */
	return row->exit_known && !row->timed_out && row->exit_code == sim->w->exe.code;
}

static bool explained(const struct sm_object *obj, const struct step *step)
{
	const Crisp__State__Exec *row = obj->row;

	(void)step;
	return row->failure || row->timed_out || (!row->exit_known && row->exit_code == 255);
}

static void happen(struct sim *sim, int what)
{
	if (!sim->w->exe.proc)
		return;
	process_ends(sim->w, what == HAPPENS_EXIT, EXIT_CODE);
	sim_tell(sim, &exe_machine, evidence(sim->w));
}

static bool down(struct world *w, enum down what)
{
	if (!w->exe.proc || what == DOWN_VANISHES)
		return false;
	process_ends(w, what == DOWN_EXITS, EXIT_CODE);
	return true;
}

static void rest(struct sim *sim)
{
	if (sim->w->exe.proc)
		sim_bad(sim, "the session is over, its process lives");
}

#define EXEC ASK(EXE_EVENT_EXEC)
#define EXEC_FAILS FAILS(EXE_EVENT_EXEC)

static const struct scenario scenarios[] = {
	{ "it runs and ends",
	  0,
	  { EXEC, HAPPEN_IDLE(HAPPENS_EXIT), EXEC, HAPPEN_IDLE(HAPPENS_EXIT) } },
	{ "its time is over", 0, { EXEC_FAILS } },
	{ "it cannot be run", FAULT_SPAWN_FAILS, { EXEC_FAILS } },
	{ "running it hangs", FAULT_SPAWN_HANGS, { EXEC_FAILS } },
	{ "it ends at once", FAULT_ENDS_AT_ONCE, { EXEC } },
	{ "its shim dies at once", FAULT_SHIM_DIES_STARTING, { EXEC_FAILS } },
	{ "it cannot be killed for a while", FAULT_IGNORES_KILL_ONCE, { EXEC_FAILS } },
	{ "its shim dies while it is killed", FAULT_SHIM_DIES_KILLING, { EXEC_FAILS } },
	{ "its shim dies", 0, { EXEC_FAILS, HAPPEN_IDLE(HAPPENS_SHIM_DEATH) } },
};

const struct fake fake_exec = {
	.name = "exec",
	.machines = { &exe_machine },
	.n_machines = 1,
	.scenarios = scenarios,
	.n_scenarios = ARRAY_LEN(scenarios),
	.acts = acts,
	.n_acts = ARRAY_LEN(acts),
	.once = true,
	.clean_up = -1,
	.born = born,
	.target = target,
	.kept = kept,
	.explained = explained,
	.happen = happen,
	.down = down,
	.rest = rest,
};
