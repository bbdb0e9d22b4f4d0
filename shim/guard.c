/*
 * guard.c - the queue of runs of the runtime, and the freeze of tracers before each.
 *
 * Invariants: a container is held only while a guard is open, and in the pause after its adoption.
 * Closing the last guard releases all containers.
 */
#include "shim/guard.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/util.h"
#include "shim/ctr.h"
#include "shim/held.h"
#include "shim/kill.h"
#include "shim/poll.h"

#define LOOK_EVERY_MS 3
#define FREEZE_MS 5000 /* a process in state D does not freeze */
#define PAUSE_MS 10 /* between two guards, so that held containers proceed */
/* A dead shim's runtime exits when the pipes of that runtime are closed. */
#define ADOPTED_MS 1000

static struct list waiting = { &waiting, &waiting };
static struct list opened = { &opened, &opened };
static struct guard *freezing; /* waits until all tracers are frozen */
static int64_t freeze_until;
static struct timer look_again, pause_over;
static bool serving;

/* May container t trace the new process of g? */
static bool may_trace(const struct ctr *t, const struct guard *g)
{
	if (!(t->flags & SHIM_TRACER) || (g->create && (t == g->ctr || !g->shared)))
		return false;
	return t == g->ctr || g->shared || (t->flags & SHIM_KILL_REST);
}

static bool any_tracer(void)
{
	for (struct ctr *t = ctr_next(NULL); t; t = ctr_next(t))
		if (t->flags & SHIM_TRACER)
			return true;
	return false;
}

/* --- hold and release --- */

static int hold(struct ctr *t, struct err *e)
{
	if (!t->freezer)
		t->freezer = *t->cgroup ? held_dir_of(t->cgroup) : NULL;
	if (!t->freezer)
		return err_set(e, ERR_PRECONDITION,
			       "container %s may trace processes of the pod "
			       "and has no cgroup that could be frozen",
			       t->status.id);
	t->held = true;
	return held_begin(t->freezer, e);
}

static bool release_all(void)
{
	bool all = true;

	for (struct ctr *t = ctr_next(NULL); t; t = ctr_next(t)) {
		if (!t->held)
			continue;
		t->held = held_end(t->freezer) > 0;
		all &= !t->held;
	}
	return all;
}

static void serve(void);

static void after_pause(struct timer *t)
{
	if (list_empty(&opened) && !release_all())
		timer_set(t, PAUSE_MS, after_pause);
	else
		serve();
}

static void rest_closed(void)
{
	bool any = false;

	if (!list_empty(&opened))
		return;
	for (struct ctr *t = ctr_next(NULL); t; t = ctr_next(t))
		any |= t->held;
	if (!any) {
		serve();
		return;
	}
	release_all();
	timer_set(&pause_over, PAUSE_MS, after_pause);
}

/* --- open --- */

static void answer(struct guard *g, const struct err *e)
{
	freezing = NULL;
	timer_stop(&look_again);
	if (e) {
		guard_close(g);
		log_err(LOG_LEVEL_WARN, "freeze the tracers of a pod", e);
	}
	g->ready(g, e);
}

static int fail_frozen(const struct ctr *t, struct err *e)
{
	char who[PROC_TEXT_MAX];

	return err_set(e, ERR_DEADLINE,
		       "container %s may trace processes of the pod and does not "
		       "freeze within %d ms: %s",
		       t->status.id, FREEZE_MS, kill_describe(t->freezer, who));
}

static void freeze(struct timer *timer)
{
	bool late = clock_monotonic_ns() >= freeze_until;
	struct guard *g = freezing;
	struct err e = ERR_NULL;
	bool all = true;

	for (struct ctr *t = ctr_next(NULL); t; t = ctr_next(t)) {
		int r = may_trace(t, g) ? hold(t, &e) : 0;

		if (r > 0 && late)
			r = fail_frozen(t, &e);
		if (r < 0) {
			answer(g, &e);
			return;
		}
		all &= r == 0;
	}
	if (all)
		answer(g, NULL);
	else
		timer_set(timer, LOOK_EVERY_MS, freeze);
}

static void open_one(struct guard *g)
{
	list_remove(&g->node);
	list_append(&opened, &g->node);
	freezing = g;
	freeze_until = clock_monotonic_ns() + FREEZE_MS * NSEC_PER_MSEC;
	freeze(&look_again);
}

/* Callbacks of an open guard close and open guards: only the outermost call runs the loop. */
static void serve(void)
{
	if (serving)
		return;
	serving = true;
	while (!list_empty(&waiting) && !freezing && !pause_over.on &&
	       (list_empty(&opened) || !any_tracer()))
		open_one(list_entry(waiting.next, struct guard, node));
	serving = false;
}

void guard_open(struct guard *g, struct ctr *c, bool create,
		void (*ready)(struct guard *, const struct err *))
{
	*g = (struct guard){ .on = true,
			     .create = create,
			     .ctr = c,
			     .ready = ready,
			     .shared = c->flags & SHIM_KILL_REST };
	list_append(&waiting, &g->node);
	serve();
}

void guard_close(struct guard *g)
{
	if (!g->on)
		return;
	g->on = false;
	list_remove(&g->node);
	if (freezing == g) {
		freezing = NULL;
		timer_stop(&look_again);
	}
	rest_closed();
}

/* --- others --- */

int guard_starting(struct ctr *c, struct err *e)
{
	list_for_each(pos, &opened) {
		const struct guard *g = list_entry(pos, struct guard, node);

		if (may_trace(c, g))
			return MIN(hold(c, e), 0);
	}
	return 0;
}

void guard_adopted(struct ctr *c)
{
	if (!(c->flags & SHIM_TRACER) || !*c->cgroup)
		return;
	c->freezer = held_dir_of(c->cgroup);
	if (!c->freezer || !held_any(c->freezer))
		return;
	log_info("thaw a container that an earlier shim froze", "ctr=%s", c->status.id);
	c->held = true;
	timer_set(&pause_over, ADOPTED_MS, after_pause);
}
