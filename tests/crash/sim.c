/*
 * sim.c - one life of the daemon: the real engine and store, a world of make-believe.
 *
 * What must hold: everything happens in an order that depends on the scenario alone, so a crash
 * point is the same instruction each time; the commit and the load do what the daemon's do.
 */
#include "sweep.h"

#include <protobuf-c/protobuf-c.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/util.h"
#include "gen/state.pb-c.h"
#include "store/store.h"

#define MAX_TURNS 4000
#define MAP_SIZE ((size_t)1 << 20)

/* One life at a time; what the linker puts in the daemon's place finds it here. */
static struct sim *the_sim;

/* --- what stands in for parts of the node --- */

const char *__wrap_clock_boot_id(void);
int __real_mdb_txn_commit(void *txn);
int __wrap_mdb_txn_commit(void *txn);

const char *__wrap_clock_boot_id(void)
{
	static char id[40];

	snprintf(id, sizeof(id), SIM_BOOT_ID, the_sim ? the_sim->w->boot : 0);
	return id;
}

static int hash_row(void *arg, const struct store_row *row)
{
	uint64_t *sum = arg;

	*sum = XXH3_64bits_withSeed(row->key, strlen(row->key), *sum);
	*sum = XXH3_64bits_withSeed(row->payload, row->size, *sum);
	return 0;
}

uint64_t sim_hash_rows(void)
{
	struct store_read read;
	struct err e = ERR_NULL;
	uint64_t sum = 0;

	store_read_begin(the_sim->store, &read);
	for (int env = STORE_ENV_DURABLE; env <= STORE_ENV_BOOT; env++) {
		sum = XXH3_64bits_withSeed(&env, sizeof(env), sum);
		if (store_scan(&read, (enum store_env)env, "", hash_row, &sum, &e) < 0)
			abort();
	}
	store_read_end(&read);
	return sum;
}

void (*sim_point)(const struct world *w, bool recovery);

static void hit(struct sim *sim, struct hit h)
{
	struct world *w = sim->w;

	if (w->n_hits == MAX_HITS) {
		sim_bad(sim, "more than %d crash points in one life", MAX_HITS);
		return;
	}
	w->hits[w->n_hits++] = h;
	sim_point(w, sim->fresh);
}

/* A commit that goes to both stores can die between them. */
int __wrap_mdb_txn_commit(void *txn)
{
	if (the_sim && the_sim->engine)
		hit(the_sim, (struct hit){ .machine = -1 });
	return __real_mdb_txn_commit(txn);
}

static int machine_index(const struct sim *sim, const struct sm_machine *m)
{
	for (int i = 0; i < sim->fake->n_machines; i++)
		if (sim->fake->machines[i] == m)
			return i;
	abort();
}

static void crash_hook(const struct sm_machine *m, unsigned int row, unsigned int item)
{
	hit(the_sim, (struct hit){
			     .machine = machine_index(the_sim, m),
			     .row = (uint16_t)row,
			     .item = (uint16_t)item,
		     });
}

/* --- for the fakes --- */

void sim_bad(struct sim *sim, const char *fmt, ...)
{
	va_list args;

	if (sim->w->bad[0])
		return;
	va_start(args, fmt);
	vsnprintf(sim->w->bad, sizeof(sim->w->bad), fmt, args);
	va_end(args);
}

bool sim_fault(const struct sim *sim, uint64_t fault)
{
	return sim->scenario->faults & fault;
}

bool sim_fault_once(struct sim *sim, uint64_t fault)
{
	if (!sim_fault(sim, fault) || (sim->w->used & fault))
		return false;
	sim->w->used |= fault;
	return true;
}

void sim_carry(struct sm_event *ev, void *payload, void (*free_payload)(void *))
{
	ev->payload = payload;
	ev->free_payload = free_payload;
}

struct sm_event *sim_failed(int event, const char *why)
{
	struct sm_event *ev = sm_event_new(event);

	err_set(&ev->err, ERR_INTERNAL, "%s", why);
	return ev;
}

struct sm_object *sim_object(const struct sim *sim, const struct sm_machine *m)
{
	return sim->objects[machine_index(sim, m)];
}

struct sm_object *sim_object_new(struct sim *sim, const struct sm_machine *m, const char *id,
				 void *row)
{
	struct sm_object *obj = sm_object_new(sim->engine, m, id, row);

	sim->objects[machine_index(sim, m)] = obj;
	return obj;
}

void sim_start(struct sm_object *obj)
{
	struct world *w = the_sim->w;

	if (w->n_jobs == MAX_JOBS) {
		sim_bad(the_sim, "more than %d effects under way", MAX_JOBS);
		return;
	}
	w->jobs[w->n_jobs++] = (struct job){
		.object = machine_index(the_sim, obj->machine),
		.effect = (uint16_t)obj->effect,
		.gen = obj->effect_gen,
	};
}

void sim_again(struct sim *sim, const struct job *job)
{
	if (!sim->dead && sim->w->n_jobs < MAX_JOBS)
		sim->w->jobs[sim->w->n_jobs++] = *job;
}

void sim_done(struct sim *sim, const struct job *job, struct sm_event *ev)
{
	struct sm_object *obj = sim->objects[job->object];

	if (sim->dead || !obj) {
		sm_event_free(ev);
		return;
	}
	sm_effect_done(obj, job->gen, ev);
}

void sim_tell(struct sim *sim, const struct sm_machine *m, struct sm_event *ev)
{
	struct sm_object *obj = sim->dead ? NULL : sim_object(sim, m);

	if (obj)
		sm_dispatch(obj, ev);
	else
		sm_event_free(ev);
}

static void job_run(struct sim *sim, const struct job *job)
{
	const struct sm_machine *m = sim->fake->machines[job->object];
	const char *effect = m->effects[job->effect].name;

	for (size_t i = 0; i < sim->fake->n_acts; i++) {
		const struct act *a = &sim->fake->acts[i];

		if (strcmp(a->effect, effect) == 0 && strcmp(a->machine, m->name) == 0) {
			a->act(sim, sim->objects[job->object], job);
			return;
		}
	}
	sim_bad(sim, "the sweep has no fake of effect %s of %s", effect, m->name);
}

static bool job_next(struct sim *sim)
{
	struct world *w = sim->w;
	struct job job;

	if (!w->n_jobs)
		return false;
	job = w->jobs[0];
	w->n_jobs--;
	memmove(&w->jobs[0], &w->jobs[1], w->n_jobs * sizeof(w->jobs[0]));
	job_run(sim, &job);
	return true;
}

void sim_finish_jobs(struct world *w, const struct fake *fake, const struct scenario *sc)
{
	struct sim sim = { .w = w, .fake = fake, .scenario = sc, .dead = true };

	while (job_next(&sim))
		continue;
}

/* --- the engine's outside --- */

static int64_t op_now(void *arg)
{
	struct sim *sim = arg;

	sim->w->now_ns += 1000;
	return sim->w->now_ns;
}

/* The loop below asks sm_armed_at itself. */
static void op_arm(void *arg, struct sm_object *obj, int64_t at_ns)
{
	(void)arg;
	(void)obj;
	(void)at_ns;
}

static int op_commit(void *arg, const struct sm_write *writes, size_t n, struct err *e)
{
	struct sim *sim = arg;
	struct store_txn t;

	if (++sim->w->n_commits == sim->w->fail_commit)
		return err_set(e, ERR_EXHAUSTED, "the disk is full, says the sweep");
	store_begin(sim->store, &t);
	for (size_t i = 0; i < n; i++) {
		const struct sm_write *w = &writes[i];
		char key[128];

		snprintf(key, sizeof(key), "%s/%s", w->obj->machine->name, w->obj->id);
		if (w->final) {
			store_del(&t, STORE_ENV_DURABLE, key);
			store_del(&t, STORE_ENV_BOOT, key);
			continue;
		}
		if (w->durable)
			store_put(&t, STORE_ENV_DURABLE, key, w->envelope, w->size);
		store_put(&t, STORE_ENV_BOOT, key, w->envelope, w->size);
	}
	return store_commit(&t, e);
}

struct sim_waiter {
	struct sm_waiter waiter;
	unsigned int step;
};

static const struct step *step_at(const struct sim *sim, unsigned int i, struct step *clean_up)
{
	if (i < MAX_STEPS && sim->scenario->steps[i].kind != STEP_END)
		return &sim->scenario->steps[i];
	*clean_up = (struct step){ .kind = STEP_ASK, .what = sim->fake->clean_up };
	return clean_up;
}

static const char *step_name(const struct sim *sim, const struct step *step)
{
	if (sim->fake->ask_names)
		return sim->fake->ask_names[step->what];
	return sim->fake->machines[0]->events[step->what].name;
}

/* An answer is a promise when it is OK; when it is not, somebody must be able to say why. */
static void op_reply(void *arg, struct sm_object *obj, struct sm_waiter *w, const struct err *e)
{
	struct sim *sim = arg;
	struct sim_waiter *sw = container_of(w, struct sim_waiter, waiter);
	struct ask *ask = &sim->w->asks[sw->step];
	struct step clean_up;
	const struct step *step = step_at(sim, sw->step, &clean_up);
	bool kept = sim->fake->kept(sim, step);

	free(sw);
	if (sim->closing)
		return;
	if (ask->answered)
		sim_bad(sim, "%s is answered twice", step_name(sim, step));
	if (e && (e->code == ERR_EXHAUSTED || e->code == ERR_UNAVAILABLE)) {
		ask->sent = false; /* the client tries again */
		return;
	}
	if (!e && !kept && !sim->fake->explained(obj, step))
		sim_bad(sim, "%s is answered OK in %s, but it is not true", step_name(sim, step),
			sm_state(obj)->name);
	ask->answered = true;
	ask->done = kept;
	ask->ok = kept && !e;
}

static void op_moved(void *arg, struct sm_object *obj, const struct sm_row *row)
{
	struct sim *sim = arg;

	(void)row;
	if (sim->fake->seen)
		sim->fake->seen(sim, obj);
}

/* Who waited for an object that is gone asks again: it may be made anew. */
static void op_gone(void *arg, struct sm_object *obj)
{
	struct sim *sim = arg;
	struct sm_event *ev;

	while ((ev = sm_take_parked(obj))) {
		struct sim_waiter *w = NULL;

		if (ev->waiter)
			w = container_of(ev->waiter, struct sim_waiter, waiter);
		if (w)
			sim->w->asks[w->step].sent = false;
		free(w);
		sm_event_free(ev);
	}
	for (unsigned int i = 0; i < sim->w->n_jobs; i++)
		if (sim->w->jobs[i].object == machine_index(sim, obj->machine))
			sim->w->jobs[i].gen = UINT64_MAX; /* it reports to nobody */
	sim->objects[machine_index(sim, obj->machine)] = NULL;
	sm_object_free(obj);
}

static void op_never(void *arg, struct sm_object *obj, const struct sm_event *ev)
{
	sim_bad(arg, "%s comes in %s, where it never comes", obj->machine->events[ev->event].name,
		sm_state(obj)->name);
}

static struct sm_object *op_find(void *arg, const char *machine, const char *id)
{
	const struct sim *sim = arg;

	for (int i = 0; i < sim->fake->n_machines; i++)
		if (strcmp(sim->fake->machines[i]->name, machine) == 0 && sim->objects[i] &&
		    strcmp(sim->objects[i]->id, id) == 0)
			return sim->objects[i];
	return NULL;
}

static const struct sm_ops ops = {
	.now = op_now,
	.arm = op_arm,
	.commit = op_commit,
	.reply = op_reply,
	.moved = op_moved,
	.gone = op_gone,
	.never = op_never,
	.find = op_find,
};

/* --- start --- */

static uint64_t row_seq(const struct store_row *row)
{
	Crisp__State__Envelope *env = crisp__state__envelope__unpack(NULL, row->size, row->payload);
	uint64_t seq = env ? env->seq : 0;

	if (env)
		crisp__state__envelope__free_unpacked(env, NULL);
	return seq;
}

struct load {
	struct sim *sim;
	const struct sm_machine *m;
	struct store_read *read;
};

/* The newer of the two copies is the truth.  A boot copy whose durable row is gone was deleted
 * by a commit that died half-way. */
static int load_row(void *arg, const struct store_row *row)
{
	struct load *l = arg;
	struct store_row boot = *row;
	struct sm_object *obj;
	struct err e = ERR_NULL;
	const struct store_row *use = row;

	if (store_get(l->read, STORE_ENV_BOOT, row->key, &boot, &e) == 0 &&
	    row_seq(&boot) > row_seq(row))
		use = &boot;
	if (use->damaged || sm_object_load(l->sim->engine, l->m, strchr(row->key, '/') + 1,
					   use->payload, use->size, &obj, &e) < 0) {
		sim_bad(l->sim, "row %s does not load: %s", row->key, e.text);
		return 1;
	}
	l->sim->objects[machine_index(l->sim, l->m)] = obj;
	return 0;
}

static void load_machine(struct sim *sim, const struct sm_machine *m)
{
	struct err e = ERR_NULL;
	struct store_read read;
	struct load l = { .sim = sim, .m = m, .read = &read };
	char prefix[64];

	snprintf(prefix, sizeof(prefix), "%s/", m->name);
	store_read_begin(sim->store, &read);
	if (store_scan(&read, STORE_ENV_DURABLE, prefix, load_row, &l, &e) < 0)
		sim_bad(sim, "%s", e.text);
	store_read_end(&read);
}

static int open_store(struct sim *sim, const char *dir)
{
	_cleanup_free_ char *durable = xasprintf("%s/durable", dir);
	_cleanup_free_ char *boot = xasprintf("%s/boot", dir);
	struct store_options o = {
		.durable_dir = durable,
		.boot_dir = boot,
		.map_size = MAP_SIZE,
		.reserve = 4096,
		.no_sync = true,
	};
	struct err e = ERR_NULL;

	if (store_open(&o, &sim->store, &e) < 0) {
		sim_bad(sim, "%s", e.text);
		return -1;
	}
	return 0;
}

/* Clients whose connection broke ask again, but for those who cannot. */
static void reconnect(struct sim *sim)
{
	for (unsigned int i = 0; i <= MAX_STEPS; i++) {
		struct ask *ask = &sim->w->asks[i];

		if (!ask->sent || ask->answered)
			continue;
		if (sim->fake->once)
			ask->answered = true;
		else
			ask->sent = false;
	}
}

/* --- the loop --- */

static void ask_send(struct sim *sim, unsigned int i)
{
	struct step clean_up;
	const struct step *step = step_at(sim, i, &clean_up);
	struct ask *ask = &sim->w->asks[i];
	struct sim_waiter *w;
	struct sm_object *obj;
	struct sm_event *ev;
	bool ok = false;

	ask->sent = true;
	if (++ask->tries > 20) {
		sim_bad(sim, "%s never gets an answer", step_name(sim, step));
		return;
	}
	obj = sim->fake->target(sim, step, &ok);
	if (!obj) {
		ask->answered = true;
		ask->ok = ask->done = ok;
		return;
	}
	w = xcalloc(1, sizeof(*w));
	list_init(&w->waiter.node);
	w->waiter.event = step->what;
	w->step = i;
	ev = sm_event_new(step->what);
	ev->waiter = &w->waiter;
	if (sim->fake->fill)
		sim->fake->fill(sim, obj, step, ev);
	sm_dispatch(obj, ev);
}

static bool all_answered(const struct sim *sim)
{
	for (unsigned int i = 0; i < sim->w->next; i++)
		if (sim->w->asks[i].sent && !sim->w->asks[i].answered)
			return false;
	return true;
}

/* After a crash what was asked is asked again in its order, before anything new. */
static bool all_sent(const struct sim *sim)
{
	for (unsigned int i = 0; i < sim->w->next; i++)
		if (!sim->w->asks[i].sent)
			return false;
	return true;
}

/* Take the next step of the scenario when its time has come. */
static bool step_next(struct sim *sim, enum step_when when)
{
	struct world *w = sim->w;
	const struct step *step = &sim->scenario->steps[w->next];

	if (w->next == MAX_STEPS || step->kind == STEP_END)
		return false;
	if (when == WHEN_ANSWERED ? !all_answered(sim) : step->when != when || !all_sent(sim))
		return false;
	sim->fresh = false;
	w->next++;
	if (step->kind == STEP_HAPPEN) {
		w->asks[w->next - 1] = (struct ask){ .sent = true, .answered = true };
		sim->fake->happen(sim, step->what);
	} else {
		ask_send(sim, w->next - 1);
	}
	return true;
}

static bool ask_again(struct sim *sim)
{
	for (unsigned int i = 0; i < sim->w->next; i++)
		if (!sim->w->asks[i].sent) {
			ask_send(sim, i);
			return true;
		}
	return false;
}

static bool at_rest(const struct sim *sim)
{
	for (int i = 0; i < sim->fake->n_machines; i++)
		if (sim->objects[i] && sm_state(sim->objects[i])->kind != SM_KIND_REST)
			return false;
	return true;
}

/* Nothing moves by itself any more: let the time of the first deadline come. */
static bool clock_strikes(struct sim *sim)
{
	struct sm_object *first = NULL;

	for (int i = 0; i < sim->fake->n_machines; i++) {
		struct sm_object *obj = sim->objects[i];

		if (obj && sm_armed_at(obj) && (!first || sm_armed_at(obj) < sm_armed_at(first)))
			first = obj;
	}
	if (!first)
		return false;
	if (sim->w->now_ns < sm_armed_at(first))
		sim->w->now_ns = sm_armed_at(first);
	sm_overdue(first);
	return true;
}

static void check_rest(struct sim *sim)
{
	for (unsigned int i = 0; i < sim->w->next; i++) {
		struct step clean_up;
		const struct step *step = step_at(sim, i, &clean_up);

		if (step->kind == STEP_ASK && sim->w->asks[i].ok && !sim->fake->kept(sim, step))
			sim_bad(sim, "%s was answered OK, but it is not true any more",
				step_name(sim, step));
	}
	sim->fake->rest(sim);
}

/* The scenario is over: remove what it left, and look whether anything is left then. */
static bool clean_up(struct sim *sim)
{
	struct ask *ask = &sim->w->asks[sim->w->next];
	struct step last = { .kind = STEP_ASK, .what = sim->fake->clean_up };

	if (sim->fake->clean_up < 0 || (ask->answered && sim->fake->kept(sim, &last)))
		return false;
	if (ask->sent && !ask->answered)
		return false;
	sim->fresh = false;
	ask->answered = false;
	ask_send(sim, sim->w->next);
	return true;
}

static bool next_waits_for_rest(const struct sim *sim)
{
	return sim->w->next < MAX_STEPS && sim->scenario->steps[sim->w->next].when == WHEN_AT_REST;
}

static bool turn(struct sim *sim)
{
	struct ask *last = &sim->w->asks[sim->w->next];

	if (sm_flush(sim->engine) || step_next(sim, WHEN_NOW))
		return true;
	/* Now and then, as the daemon does; meanwhile events queue up behind. */
	if (sm_has_stalled(sim->engine) && sim->turns++ % 4 == 3) {
		sm_retry(sim->engine);
		return true;
	}
	if (job_next(sim) || sm_has_stalled(sim->engine))
		return true;
	if (ask_again(sim) || step_next(sim, WHEN_IDLE))
		return true;
	if (at_rest(sim) && all_answered(sim)) {
		check_rest(sim);
		if (sim->w->bad[0])
			return false;
		if (step_next(sim, WHEN_ANSWERED) || clean_up(sim))
			return true;
		if (sim->fake->clean_up < 0 || last->answered)
			return clock_strikes(sim); /* what rests for a time only */
	} else if (!next_waits_for_rest(sim) && step_next(sim, WHEN_ANSWERED)) {
		return true;
	}
	if (clock_strikes(sim))
		return true;
	sim_bad(sim, "stuck: %s", at_rest(sim) ? "a client waits for ever" : "work without an end");
	return false;
}

static void check_end(struct sim *sim)
{
	for (int i = 0; i < sim->fake->n_machines; i++)
		if (sim->objects[i])
			sim_bad(sim, "%s is left in %s", sim->fake->machines[i]->name,
				sm_state(sim->objects[i])->name);
}

void sim_run(struct world *w, const struct fake *fake, const struct scenario *sc, const char *dir)
{
	struct sim sim = { .w = w, .fake = fake, .scenario = sc, .fresh = true };

	the_sim = &sim;
	if (open_store(&sim, dir) < 0) {
		the_sim = NULL;
		return;
	}
	sim.engine = sm_engine_new(&ops, &sim);
	sm_crash_hook = crash_hook;
	w->n_jobs = 0;
	reconnect(&sim);
	for (int i = 0; i < fake->n_machines; i++)
		if (!fake->machines[i]->unstored)
			load_machine(&sim, fake->machines[i]);
	if (fake->born)
		fake->born(&sim);
	for (int i = 0; i < fake->n_machines; i++)
		if (sim.objects[i])
			sm_recover(sim.objects[i]);
	for (int i = 0; !w->bad[0] && turn(&sim); i++)
		if (i == MAX_TURNS)
			sim_bad(&sim, "goes on for ever");
	if (!w->bad[0])
		check_end(&sim);
	sim.closing = true;
	for (int i = 0; i < fake->n_machines; i++)
		sm_object_free(sim.objects[i]);
	sm_engine_free(sim.engine);
	sim.engine = NULL;
	store_close(sim.store);
	the_sim = NULL;
}
