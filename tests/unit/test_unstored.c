/*
 * test_unstored.c - the engine with a machine in memory only (states/shim.sm): moves at once, goes
 * at the end of the turn, and starts its time over with its effect.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "core/payloads.h"
#include "gen/sm_shim.h"
#include "sm/engine.h"

static struct {
	struct sm_engine *engine;
	struct sm_object *line;
	int64_t now;
	unsigned gone, never;
} t;

/* Effects that come back at once, as the real ones may. */
static void report(struct sm_object *sm, int event)
{
	sm_effect_done(sm, sm->effect_gen, sm_event_new(event));
}

void shm_effect_connect(struct sm_object *sm)
{
	report(sm, SHM_EVENT_CONNECTED);
}

void shm_effect_await(struct sm_object *sm)
{
	(void)sm;
}

void shm_effect_adopt(struct sm_object *sm)
{
	report(sm, SHM_EVENT_ADOPTED);
}

void shm_effect_look(struct sm_object *sm)
{
	report(sm, SHM_EVENT_UNREPLACED);
}

void shm_effect_leave(struct sm_object *sm)
{
	/* Asked to stop in between: it waits for the rest. */
	sm_dispatch(sm, sm_event_new(SHM_EVENT_SHUT_DOWN));
	report(sm, SHM_EVENT_REPLACED);
}

void shm_effect_kill_new(struct sm_object *sm)
{
	report(sm, SHM_EVENT_REPLACED);
}

void shm_effect_kill_used(struct sm_object *sm)
{
	report(sm, SHM_EVENT_REPLACED);
}

static int64_t op_now(void *arg)
{
	(void)arg;
	return t.now;
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
	(void)writes;
	(void)n;
	(void)e;
	fail_msg("a machine in memory only is committed");
	return -1;
}

static void op_moved(void *arg, struct sm_object *obj, const struct sm_row *row)
{
	(void)arg;
	(void)obj;
	(void)row;
}

static void op_gone(void *arg, struct sm_object *obj)
{
	(void)arg;
	t.gone++;
	t.line = NULL;
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
	(void)machine;
	(void)id;
	return NULL;
}

static const struct sm_ops ops = {
	.now = op_now,
	.arm = op_arm,
	.commit = op_commit,
	.moved = op_moved,
	.gone = op_gone,
	.never = op_never,
	.find = op_find,
};

static int setup(void **state)
{
	Crisp__State__Shim *row = xmalloc(sizeof(*row));

	(void)state;
	t.gone = 0;
	t.now = 100 * NSEC_PER_SEC;
	t.engine = sm_engine_new(&ops, NULL);
	crisp__state__shim__init(row);
	row->sandbox_id = xstrdup("5a");
	t.line = sm_object_new(t.engine, &shm_machine, "5a", row);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sm_object_free(t.line);
	sm_engine_free(t.engine);
	return 0;
}

static void tell(int event)
{
	sm_dispatch(t.line, sm_event_new(event));
}

static void come_up(void)
{
	struct payload_init *init = xcalloc(1, sizeof(*init));

	tell(SHM_EVENT_OPEN);
	assert_string_equal(sm_state(t.line)->name, "SYNCING");
	init->pid = 7;
	sm_dispatch(t.line, shm_event_knows(init));
	assert_string_equal(sm_state(t.line)->name, "UP");
	assert_int_equal(((const Crisp__State__Shim *)t.line->row)->pid, 7);
}

static void moves_at_once(void **state)
{
	(void)state;
	come_up();
	assert_false(sm_flush(t.engine));
	assert_int_equal(t.line->n_history, 4);
	tell(SHM_EVENT_LOST);
	assert_string_equal(sm_state(t.line)->name, "ENDED");
	assert_true(((const Crisp__State__Shim *)t.line->row)->asked_before);
	assert_int_equal(t.never, 0);
}

static void goes_when_the_turn_ends(void **state)
{
	(void)state;
	come_up();
	tell(SHM_EVENT_FORGET);
	assert_string_equal(sm_state(t.line)->name, "UP");
	tell(SHM_EVENT_ASKED); /* to nobody any more */
	sm_flush(t.engine);
	assert_int_equal(t.gone, 1);
	assert_null(t.line);
}

static void an_answer_starts_the_time_over(void **state)
{
	int64_t first;

	(void)state;
	come_up();
	tell(SHM_EVENT_ASKED);
	first = t.line->deadline_ns;
	assert_int_equal(first, t.now + 12 * NSEC_PER_SEC);
	t.now += NSEC_PER_SEC;
	tell(SHM_EVENT_ASKED);
	assert_int_equal(t.line->deadline_ns, first);
	tell(SHM_EVENT_ANSWERED);
	assert_int_equal(t.line->deadline_ns, first + NSEC_PER_SEC);
	t.now += NSEC_PER_SEC;
	tell(SHM_EVENT_ASKED);
	assert_int_equal(t.line->deadline_ns, first + NSEC_PER_SEC);
	t.now = t.line->deadline_ns;
	sm_overdue(t.line);
	assert_string_equal(sm_state(t.line)->name, "KILLED");
	assert_int_equal(((const Crisp__State__Shim *)t.line->row)->owed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(moves_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(goes_when_the_turn_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(an_answer_starts_the_time_over, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
