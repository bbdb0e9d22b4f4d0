/*
 * fake_stream.c - a session of Exec, Attach or PortForward: a client of the streaming server, and a
 * process that the shim starts.
 *
 * Nothing of a session outlives the daemon.
 */
#include "sweep.h"

#include "base/util.h"
#include "core/payloads.h"
#include "gen/sm_stream.h"

enum fault {
	FAULT_START_FAILS = 1 << 0,
	FAULT_ENDS_AT_ONCE = 1 << 1, /* its end overtakes the news of its start */
};

enum happening {
	HAPPENS_CLAIM,
	HAPPENS_READY,
	HAPPENS_EXPIRY,
	HAPPENS_END,
	HAPPENS_CUT,
	HAPPENS_LEAVING,
};

static const char *const ID = "57ea000000000000000000000000000000000000000000000000000000000000";

void stm_effect_start(struct sm_object *obj)
{
	sim_start(obj);
}

static void tell(struct sim *sim, int event)
{
	sim_tell(sim, &stm_machine, sm_event_new(event));
}

static void ends(struct sim *sim)
{
	struct payload_exit *f = xcalloc(1, sizeof(*f));

	sim->w->stm.proc = false;
	f->code = 3;
	sim_tell(sim, &stm_machine, stm_event_ended(f));
}

static void act_start(struct sim *sim, struct sm_object *obj, const struct job *job)
{
	(void)obj;
	if (sim_fault(sim, FAULT_START_FAILS)) {
		sim_done(sim, job, sim_failed(STM_EVENT_FAILED, "no such file"));
		return;
	}
	sim->w->stm.proc = true;
	if (sim_fault(sim, FAULT_ENDS_AT_ONCE))
		ends(sim);
	sim_done(sim, job, sm_event_new(STM_EVENT_BEGUN));
}

static const struct act acts[] = { { "stream", "start", act_start } };

static struct sm_object *target(struct sim *sim, const struct step *step, bool *ret_ok)
{
	Crisp__State__Stream *row;

	*ret_ok = false;
	if (sim_object(sim, &stm_machine))
		return sim_object(sim, &stm_machine);
	row = xmalloc(sizeof(*row));
	crisp__state__stream__init(row);
	row->sandbox_id = xstrdup(ID);
	row->container_id = xstrdup(step->arg ? "" : ID);
	sim->w->stm = (struct world_stream){ .url = true };
	return sim_object_new(sim, &stm_machine, ID, row);
}

/* An OK promises a URL for a while. */
static bool kept(struct sim *sim, const struct step *step)
{
	(void)sim;
	(void)step;
	return true;
}

static bool explained(const struct sm_object *obj, const struct step *step)
{
	(void)obj;
	(void)step;
	return false;
}

static void happen(struct sim *sim, int what)
{
	struct world_stream *s = &sim->w->stm;

	switch ((enum happening)what) {
	case HAPPENS_CLAIM:
		s->client = s->url;
		s->url = false;
		if (s->client)
			tell(sim, STM_EVENT_CLAIMED);
		break;
	case HAPPENS_READY:
		if (s->client)
			tell(sim, STM_EVENT_READY);
		break;
	case HAPPENS_EXPIRY:
		if (s->url)
			tell(sim, STM_EVENT_EXPIRED);
		s->url = false;
		break;
	case HAPPENS_END:
		if (s->proc)
			ends(sim);
		break;
	case HAPPENS_CUT:
		s->proc = false;
		sim_tell(sim, &stm_machine, sim_failed(STM_EVENT_CUT, "the shim died"));
		break;
	case HAPPENS_LEAVING:
		if (s->client)
			tell(sim, STM_EVENT_LEFT);
		s->client = false;
		break;
	}
}

/* Clients and URLs end with the daemon; a process runs on. */
static bool down(struct world *w, enum down what)
{
	if (what == DOWN_VANISHES || what == DOWN_EXITS)
		return false;
	w->stm.proc = false;
	return true;
}

static void born(struct sim *sim)
{
	sim->w->stm.client = sim->w->stm.url = false;
}

static void rest(struct sim *sim)
{
	const struct sm_object *obj = sim_object(sim, &stm_machine);
	const struct world_stream *s = &sim->w->stm;
	const Crisp__State__Stream *row = obj ? obj->row : NULL;

	if (obj && !s->client && !s->url)
		sim_bad(sim, "a session without a client or a URL is %s", sm_state(obj)->name);
	if (!obj && (s->client || s->url))
		sim_bad(sim, "a client or a URL has no session");
	if (obj && stm_is_given(obj->state) && !stm_is_closed(obj->state) && !s->proc)
		sim_bad(sim, "a client waits for a process that has ended");
	if (obj && stm_is_closed(obj->state) && !row->failure && row->exit_code != 3)
		sim_bad(sim, "a client is told a wrong exit code");
}

#define EXEC ASK(STM_EVENT_OFFER)
#define FORWARD ASK_ARG(STM_EVENT_OFFER, 1)
#define CLAIM HAPPEN_AT_REST(HAPPENS_CLAIM)
#define READY HAPPEN_AT_REST(HAPPENS_READY)
#define EXPIRY HAPPEN_AT_REST(HAPPENS_EXPIRY)
#define END HAPPEN_AT_REST(HAPPENS_END)
#define CUT HAPPEN_AT_REST(HAPPENS_CUT)
#define LEAVING HAPPEN_AT_REST(HAPPENS_LEAVING)
#define CUT_NOW HAPPEN_NOW(HAPPENS_CUT)
#define LEAVING_NOW HAPPEN_NOW(HAPPENS_LEAVING)

static const struct scenario scenarios[] = {
	{ "a process and its client", 0, { EXEC, CLAIM, READY, END, END, CUT, LEAVING } },
	{ "the client leaves first", 0, { EXEC, CLAIM, READY, LEAVING } },
	{ "no client comes", 0, { EXEC, CUT, EXPIRY } },
	{ "it cannot be started", FAULT_START_FAILS, { EXEC, CLAIM, READY, LEAVING } },
	{ "it ends at once", FAULT_ENDS_AT_ONCE, { EXEC, CLAIM, READY, LEAVING } },
	{ "cut while it starts", 0, { EXEC, CLAIM, READY, CUT_NOW, LEAVING } },
	{ "left while it starts", 0, { EXEC, CLAIM, READY, LEAVING_NOW } },
	{ "cut before it starts", 0, { EXEC, CLAIM, CUT, LEAVING } },
	{ "left before it starts", 0, { EXEC, CLAIM, LEAVING } },
	{ "cut while it runs", 0, { EXEC, CLAIM, READY, CUT, LEAVING } },
	{ "connections to a pod", 0, { FORWARD, CLAIM, LEAVING } },
	{ "connections to a pod that ends", 0, { FORWARD, CLAIM, CUT, LEAVING } },
};

const struct fake fake_stream = {
	.name = "stream",
	.machines = { &stm_machine },
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
