/*
 * test_family.c - parents and children in the engine: the order of tells, and the event that a
 * parent gets when no child is left or none has the trait.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "gen/state.pb-c.h"
#include "sm/engine.h"
#include "sm_bird.h"
#include "sm_nest.h"

#define NEST "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BIRD "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb00"
#define BIRDS 3

static struct {
	struct sm_engine *engine;
	struct sm_object *nest, *bird[BIRDS];
	struct sm_object *effect[8]; /* objects whose effect was started and has not ended */
	size_t n_effects;
	bool fail; /* every commit of a bird */
	unsigned never;
	void *stored[1 + BIRDS]; /* envelopes, the nest's first */
	size_t size[1 + BIRDS];
} t;

static int index_of(const struct sm_object *obj)
{
	return obj->machine == &nst_machine ? 0 : 1 + (obj->id[ID_LEN - 1] - '0');
}

static int64_t op_now(void *arg)
{
	(void)arg;
	return 1;
}

static void op_arm(void *arg, struct sm_object *obj, int64_t at)
{
	(void)arg;
	(void)obj;
	(void)at;
}

static int op_commit(void *arg, const struct sm_write *writes, size_t n, struct err *e)
{
	(void)arg;
	for (size_t i = 0; i < n; i++)
		if (t.fail && writes[i].obj->machine == &brd_machine)
			return err_set(e, ERR_EXHAUSTED, "the disk is full");
	for (size_t i = 0; i < n; i++) {
		int k = index_of(writes[i].obj);

		free(t.stored[k]);
		t.stored[k] = writes[i].final ? NULL : xmemdup(writes[i].envelope, writes[i].size);
		t.size[k] = writes[i].size;
	}
	return 0;
}

static void op_reply(void *arg, struct sm_object *obj, struct sm_waiter *w, const struct err *e)
{
	(void)arg;
	(void)obj;
	(void)e;
	free(w);
}

static void op_moved(void *arg, struct sm_object *obj, const struct sm_row *row)
{
	(void)arg;
	(void)obj;
	(void)row;
}

static void op_gone(void *arg, struct sm_object *obj)
{
	int k = index_of(obj);

	(void)arg;
	if (k)
		t.bird[k - 1] = NULL;
	else
		t.nest = NULL;
	sm_object_free(obj);
}

static void op_never(void *arg, struct sm_object *obj, const struct sm_event *ev)
{
	(void)arg;
	(void)obj;
	(void)ev;
	t.never++;
}

static struct sm_object *op_find(void *arg, const char *machine, const char *id)
{
	(void)arg;
	assert_string_equal(machine, "nest");
	return t.nest && strcmp(t.nest->id, id) == 0 ? t.nest : NULL;
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

static void effect_started(struct sm_object *obj)
{
	t.effect[t.n_effects++] = obj;
}

void nst_effect_weave(struct sm_object *obj)
{
	effect_started(obj);
}

void nst_effect_tear(struct sm_object *obj)
{
	effect_started(obj);
}

void brd_effect_fly(struct sm_object *obj)
{
	effect_started(obj);
}

void nst_step_note_song(Crisp__State__Exec *draft, const struct sm_event *ev)
{
	(void)ev;
	draft->pid++;
}

/* --- doing --- */

static void flush(void)
{
	while (sm_flush(t.engine))
		;
}

static void ask(struct sm_object *obj, int event)
{
	struct sm_waiter *w = xcalloc(1, sizeof(*w));
	struct sm_event *ev = sm_event_new(event);

	list_init(&w->node);
	w->event = event;
	ev->waiter = w;
	sm_dispatch(obj, ev);
	flush();
}

/* The effect that was started first ends. */
static void end_effect(int event)
{
	struct sm_object *obj = t.effect[0];

	assert_true(t.n_effects > 0);
	memmove(t.effect, t.effect + 1, --t.n_effects * sizeof(struct sm_object *));
	sm_effect_done(obj, obj->effect_gen, sm_event_new(event));
	flush();
}

static void hatch(int i)
{
	Crisp__State__Exec *row = xmalloc(sizeof(*row));
	char id[] = BIRD;

	crisp__state__exec__init(row);
	row->container_id = xstrdup(NEST);
	id[ID_LEN - 1] = (char)('0' + i);
	t.bird[i] = sm_object_new(t.engine, &brd_machine, id, row);
	ask(t.bird[i], BRD_EVENT_HATCH);
}

static void check(const struct sm_object *obj, const char *state)
{
	assert_non_null(obj);
	assert_string_equal(sm_state(obj)->name, state);
}

static int setup(void **state)
{
	Crisp__State__Exec *row = xmalloc(sizeof(*row));

	(void)state;
	t.engine = sm_engine_new(&ops, NULL);
	t.n_effects = t.never = 0;
	t.fail = false;
	crisp__state__exec__init(row);
	t.nest = sm_object_new(t.engine, &nst_machine, NEST, row);
	ask(t.nest, NST_EVENT_BUILD);
	end_effect(NST_EVENT_BUILT);
	check(t.nest, "READY");
	return 0;
}

static void forget_all(void)
{
	for (int i = 0; i < BIRDS; i++) {
		sm_object_free(t.bird[i]);
		t.bird[i] = NULL;
	}
	sm_object_free(t.nest);
	t.nest = NULL;
}

static int teardown(void **state)
{
	(void)state;
	forget_all();
	for (size_t i = 0; i < ARRAY_LEN(t.stored); i++) {
		free(t.stored[i]);
		t.stored[i] = NULL;
	}
	sm_engine_free(t.engine);
	assert_int_equal(t.never, 0);
	return 0;
}

static void children_are_told_and_waited_for(void **state)
{
	(void)state;
	for (int i = 0; i < BIRDS; i++)
		hatch(i);
	ask(t.bird[0], BRD_EVENT_SING);
	ask(t.bird[2], BRD_EVENT_SING);
	ask(t.nest, NST_EVENT_CLEAR);
	for (int i = 0; i < BIRDS; i++)
		check(t.bird[i], "LEAVING");
	check(t.nest, "CLEARING");
	end_effect(BRD_EVENT_FLOWN);
	end_effect(BRD_EVENT_FLOWN);
	check(t.nest, "CLEARING");
	end_effect(BRD_EVENT_FLOWN);
	check(t.nest, "TEARING");
	end_effect(NST_EVENT_TORN);
	assert_null(t.nest);
}

static void a_parent_without_children_does_not_wait(void **state)
{
	(void)state;
	ask(t.nest, NST_EVENT_CLEAR);
	check(t.nest, "TEARING");
}

static void a_parent_is_told(void **state)
{
	(void)state;
	hatch(0);
	ask(t.bird[0], BRD_EVENT_SING);
	assert_int_equal(((const Crisp__State__Exec *)t.nest->row)->pid, 1);
}

/* The bird counts from the moment it is made, until it is known that it never was. */
static void a_child_whose_first_commit_fails_is_none(void **state)
{
	Crisp__State__Exec *row = xmalloc(sizeof(*row));
	struct sm_waiter *w = xcalloc(1, sizeof(*w));
	struct sm_event *ev = sm_event_new(BRD_EVENT_HATCH);

	(void)state;
	crisp__state__exec__init(row);
	row->container_id = xstrdup(NEST);
	t.bird[0] = sm_object_new(t.engine, &brd_machine, BIRD, row);
	list_init(&w->node);
	w->event = BRD_EVENT_HATCH;
	ev->waiter = w;
	sm_dispatch(t.bird[0], ev);
	sm_dispatch(t.nest, sm_event_new(NST_EVENT_CLEAR));
	t.fail = true;
	flush();
	assert_null(t.bird[0]);
	check(t.nest, "TEARING");
}

/* What a parent waits for may be over when it is its turn to hear of it. */
static void quiet_that_is_over_is_not_heard(void **state)
{
	(void)state;
	hatch(0);
	ask(t.bird[0], BRD_EVENT_SING);
	sm_dispatch(t.nest, sm_event_new(NST_EVENT_CLEAR));
	sm_flush(t.engine); /* the nest's; the bird's is under way */
	check(t.nest, "HUSHING");
	check(t.bird[0], "SINGING");
	flush();
	check(t.nest, "CLEARING");
}

static void families_are_found_again_after_a_restart(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	hatch(0);
	hatch(1);
	ask(t.bird[0], BRD_EVENT_SING);
	sm_dispatch(t.nest, sm_event_new(NST_EVENT_CLEAR));
	sm_flush(t.engine);
	check(t.nest, "HUSHING");
	forget_all();
	assert_int_equal(
		sm_object_load(t.engine, &nst_machine, NEST, t.stored[0], t.size[0], &t.nest, &e),
		0);
	for (int i = 0; i < 2; i++) {
		char id[] = BIRD;

		id[ID_LEN - 1] = (char)('0' + i);
		assert_int_equal(sm_object_load(t.engine, &brd_machine, id, t.stored[1 + i],
						t.size[1 + i], &t.bird[i], &e),
				 0);
		assert_ptr_equal(t.bird[i]->parent, t.nest);
	}
	sm_recover(t.nest);
	sm_recover(t.bird[0]);
	sm_recover(t.bird[1]);
	flush();
	check(t.nest, "CLEARING");
	check(t.bird[0], "LEAVING");
	check(t.bird[1], "LEAVING");
}

static void a_child_outlives_a_parent_that_is_freed(void **state)
{
	(void)state;
	hatch(0);
	sm_object_free(t.nest);
	t.nest = NULL;
	assert_null(t.bird[0]->parent);
	ask(t.bird[0], BRD_EVENT_SING);
	check(t.bird[0], "SINGING");
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(children_are_told_and_waited_for),
		test(a_parent_without_children_does_not_wait),
		test(a_parent_is_told),
		test(a_child_whose_first_commit_fails_is_none),
		test(quiet_that_is_over_is_not_heard),
		test(families_are_found_again_after_a_restart),
		test(a_child_outlives_a_parent_that_is_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
