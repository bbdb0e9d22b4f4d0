/*
 * story.c - one piece of a scenario, life by life.
 *
 * Equal beginnings have equal ends: a checkpoint whose clock, world, rows and scenario have been
 * seen before, by any teller, is counted and not told again.
 */
#include "story.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/clock.h"
#include "base/util.h"

#define FAILURES_SHOWN 8
/* Where a life's clock starts: on a tick, so that a point more or less before it is no matter. */
#define TICK_NS (100 * NSEC_PER_MSEC)

const struct fake *const fakes[N_FAKES] = {
	&fake_container, &fake_sandbox, &fake_image, &fake_exec, &fake_shim, &fake_stream,
};

static const char *const down_names[N_DOWN] = {
	[DOWN_NOTHING] = "nothing happens",
	[DOWN_FINISHES] = "what was under way is done",
	[DOWN_EXITS] = "the process ends with a record",
	[DOWN_SHIM_DIES] = "the shim dies",
	[DOWN_VANISHES] = "everything vanishes without a trace",
	[DOWN_REBOOTS] = "the machine reboots",
};

/* Checkpoints of one life; buffers stay for the next one. */
struct points {
	struct remains of[MAX_HITS];
	unsigned int n;
};

/* The piece under way: sim_point has no argument of ours. */
static struct teller *teller;
static struct scratch *scratch;
static struct points firsts, seconds;

#define count(what) __atomic_add_fetch(&teller->tally->what, 1, __ATOMIC_RELAXED)
#define count_of(what) count(of[teller->piece.fake].what)

static const struct fake *fake_of(const struct teller *t)
{
	return fakes[t->piece.fake];
}

/* --- messages --- */

void point_name(const struct fake *fake, const struct hit *h, char *out, size_t size)
{
	const struct sm_machine *m;
	const struct sm_row *row;

	if (h->machine < 0) {
		snprintf(out, size, "between the stores of a commit");
		return;
	}
	m = fake->machines[h->machine];
	row = &m->rows[h->row];
	snprintf(out, size, "%s %u.%u (%s -%s->, line %u)", m->name, h->row, h->item,
		 m->states[row->state].name, m->events[row->event].name, row->line);
}

void story_fail(struct teller *t, const char *what)
{
	char first[128], second[128];
	bool wanted;

	if (t->rehearsal)
		return;
	wanted = t->until && strstr(what, t->until);
	if (__atomic_add_fetch(&t->tally->failures, 1, __ATOMIC_RELAXED) > FAILURES_SHOWN &&
	    !t->verbose && !wanted)
		return;
	point_name(fake_of(t), &t->first, first, sizeof(first));
	point_name(fake_of(t), &t->second, second, sizeof(second));
	printf("not ok - %s: %s", fake_of(t)->name, t->piece.scenario->name);
	if (t->fail_commit)
		printf("; commit %u fails", t->fail_commit);
	if (t->has_first)
		printf("; killed at %s; %s", first, down_names[t->down]);
	if (t->has_second)
		printf("; killed again at %s", second);
	printf(": %s\n", what);
	fflush(stdout);
	if (wanted)
		__atomic_store_n(&t->tally->enough, true, __ATOMIC_RELAXED);
}

void story_note_hits(struct teller *t)
{
	const struct world *w = &t->world;

	for (unsigned int i = 0; i < w->n_hits; i++) {
		const struct hit *h = &w->hits[i];

		if (h->machine < 0)
			continue;
		if (h->row >= MAX_POINTS || h->item >= MAX_ITEMS) {
			fprintf(stderr, "sweep: raise MAX_POINTS and MAX_ITEMS\n");
			exit(2);
		}
		t->tally->reached[t->piece.fake][h->machine][h->row][h->item] = 1;
	}
}

/* --- one life --- */

/* Equal beginnings have equal ends: the clock, the world, the rows and the scenario decide. */
static bool is_known(struct world *w, bool last)
{
	uint64_t seed[] = { (uint64_t)(uintptr_t)teller->piece.scenario,
			    teller->down == DOWN_NOTHING, last };
	uint64_t sum = XXH3_64bits(seed, sizeof(seed)), none;
	int64_t now_ns = w->now_ns;

	w->n_jobs = 0;
	for (size_t i = 0; i < MAX_JOBS; i++)
		w->jobs[i] = (struct job){ .object = 0 };
	w->now_ns /= TICK_NS;
	sum = XXH3_64bits_withSeed(w, offsetof(struct world, fail_commit), sum) | 1;
	w->now_ns = now_ns;
	for (size_t i = sum % KNOWN_SIZE;; i = (i + 1) % KNOWN_SIZE) {
		none = 0;
		if (__atomic_compare_exchange_n(&teller->tally->known[i], &none, sum, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return false;
		if (none == sum) {
			count_of(same);
			return true;
		}
	}
}

/* Let a daemon live on in w with the files of r.  point: called at its crash points. */
static void live(const struct remains *r, const struct world *w,
		 void (*point)(const struct world *w, bool recovery))
{
	struct world *now = &teller->world;

	remains_restore(r, scratch);
	*now = *w;
	now->now_ns = (now->now_ns / TICK_NS + 1) * TICK_NS;
	now->fail_commit = teller->fail_commit;
	now->n_hits = now->n_commits = 0;
	now->made = false;
	sim_point = point;
	teller->telling = true;
	sim_run(now, fake_of(teller), teller->piece.scenario, scratch->dir);
	teller->telling = false;
	scratch->boot = now->boot;
	story_note_hits(teller);
	if (now->bad[0])
		story_fail(teller, now->bad);
}

static void point_passes(const struct world *w, bool recovery)
{
	(void)w;
	(void)recovery;
}

/* The next checkpoint, its files not kept yet. */
static struct remains *point_begin(struct points *p, const struct world *w)
{
	struct remains *r = &p->of[p->n];

	count_of(points);
	r->world = *w;
	r->world.rows = sim_hash_rows();
	return r;
}

/* A kill of an undisturbed life. */
static void point_first(const struct world *w, bool recovery)
{
	(void)recovery;
	if (w->n_hits % STRIPES != teller->piece.stripe)
		return;
	remains_keep(point_begin(&firsts, w), scratch);
	firsts.n++;
}

/* A second kill, before anything new is asked. */
static void point_second(const struct world *w, bool recovery)
{
	struct remains *r;

	if (!recovery)
		return;
	r = point_begin(&seconds, w);
	if (is_known(&r->world, true))
		return;
	remains_keep(r, scratch);
	seconds.n++;
}

/* --- stories --- */

/* Whether clients meet: then a disturbance may change who comes first, and so who is refused. */
static bool clients_meet(const struct scenario *sc)
{
	for (size_t i = 0; i < MAX_STEPS; i++)
		if (sc->steps[i].kind == STEP_ASK && sc->steps[i].when == WHEN_NOW)
			return true;
	return false;
}

/* Undisturbed, or disturbed by nothing but crashes, clients get what they expect.  A fault that
 * strikes once may have struck a client that asked again and is told OK. */
static void check_answers(void)
{
	const struct scenario *sc = teller->piece.scenario;
	const struct world *w = &teller->world;
	char text[128];

	if (w->bad[0] || (teller->fail_commit && clients_meet(sc)))
		return;
	for (unsigned int i = 0; i < MAX_STEPS; i++) {
		const struct step *s = &sc->steps[i];
		const struct ask *a = &w->asks[i];

		if (s->kind != STEP_ASK || a->ok == !s->fails)
			continue;
		/* Who asks again may be told that it is so already, as an error. */
		if (teller->has_first && (s->fails || a->done))
			continue;
		snprintf(text, sizeof(text), "step %u: the client is told %s", i + 1,
			 a->ok ? "OK" : "that it failed");
		story_fail(teller, text);
	}
}

static bool go_down(struct world *w, enum down down)
{
	switch (down) {
	case DOWN_NOTHING:
		return true;
	case DOWN_FINISHES:
		if (!w->n_jobs)
			return false;
		sim_finish_jobs(w, fake_of(teller), teller->piece.scenario);
		return true;
	case DOWN_REBOOTS:
		w->boot++;
		return fake_of(teller)->down(w, down);
	case DOWN_EXITS:
	case DOWN_SHIM_DIES:
	case DOWN_VANISHES:
		return fake_of(teller)->down(w, down);
	case N_DOWN:
		break;
	}
	return false;
}

static bool is_enough(void)
{
	return __atomic_load_n(&teller->tally->enough, __ATOMIC_RELAXED);
}

static void tell(const struct remains *r, const struct world *w,
		 void (*point)(const struct world *w, bool recovery))
{
	if (is_enough())
		return;
	live(r, w, point);
	count_of(stories);
	if ((!teller->has_first || teller->down == DOWN_NOTHING) && !fake_of(teller)->once)
		check_answers();
}

/* Start on what the first crash left: undisturbed, then killed at each point of the recovery. */
static void tell_recovery(const struct remains *killed, const struct world *after)
{
	seconds.n = 0;
	tell(killed, after, point_second);
	for (unsigned int i = 0; i < seconds.n; i++) {
		const struct remains *r = &seconds.of[i];

		teller->second = r->world.hits[r->world.n_hits - 1];
		teller->has_second = true;
		tell(r, &r->world, point_passes);
		teller->has_second = false;
	}
}

static void tell_crash(const struct remains *killed)
{
	struct world after;

	teller->first = killed->world.hits[killed->world.n_hits - 1];
	teller->has_first = true;
	for (enum down d = 0; d < N_DOWN; d++) {
		teller->down = (int)d;
		after = killed->world;
		if (go_down(&after, d) && !is_known(&after, false))
			tell_recovery(killed, &after);
	}
	teller->has_first = false;
}

void tell_piece(struct teller *t, struct scratch *s, const struct piece *piece)
{
	static const struct remains beginning = { .world.now_ns = 1000 * NSEC_PER_SEC };
	unsigned int n_commits;

	teller = t;
	scratch = s;
	t->piece = *piece;
	t->has_first = t->has_second = false;
	t->rehearsal = piece->stripe != 0;
	firsts.n = 0;
	live(&beginning, &beginning.world, point_first);
	check_answers();
	t->rehearsal = false;
	if (t->world.bad[0])
		return;
	n_commits = t->world.n_commits;
	for (unsigned int i = 0; i < firsts.n && !is_enough(); i++)
		tell_crash(&firsts.of[i]);
	/* A disk that is full for one commit. */
	for (unsigned int c = 1; c <= n_commits; c++) {
		if (c % STRIPES != piece->stripe)
			continue;
		t->fail_commit = c;
		tell(&beginning, &beginning.world, point_passes);
		t->fail_commit = 0;
	}
}
