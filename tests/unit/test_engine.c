/*
 * test_engine.c - the engine with sm/door.sm: the order of steps, commits, answers and effects,
 * written to a journal (sm/door.h).
 */
#include "door.h"

#include <stdio.h>

/* --- tests --- */

static void nothing_before_the_commit(void **state)
{
	struct sm_object *obj = door(ID_A);

	(void)state;
	ask(obj, DOR_EVENT_OPEN, 1);
	happened("");
	assert_int_equal(obj->state, DOR_STATE_NONE);
	flush();
	happened("commit(OPENING) OPENING push");
	assert_int_equal(obj->state, DOR_STATE_OPENING);
	assert_int_equal(obj->seq, 1);
	assert_true(t.durable);
	t.now += NSEC_PER_SEC;
	done(obj, DOR_EVENT_OPENED);
	assert_int_equal(row_of(obj)->pid, 0); /* the draft knows, the object does not */
	assert_int_equal(obj->state, DOR_STATE_OPENING);
	flush();
	happened("commit(OPEN) OPEN ok1");
	assert_int_equal(row_of(obj)->pid, 1);
	assert_int_equal(obj->seq, 2);
	assert_true(obj->since_ns == t.now);
	assert_int_equal(obj->effect, -1);
	assert_false(sm_flush(t.engine));
	sm_object_free(obj);
	happened("");
}

static void save_boot_is_not_durable(void **state)
{
	struct sm_object *obj = open_door();
	int64_t since = obj->since_ns;

	(void)state;
	t.now += NSEC_PER_SEC;
	sm_recover(obj);
	happened("look");
	done(obj, DOR_EVENT_OPENED);
	flush();
	happened("commit(OPEN) OPEN");
	assert_false(t.durable);
	assert_true(obj->since_ns == since); /* it did not move */
	sm_object_free(obj);
}

/* Whoever worked on it is gone: what it says yet is of an effect before. */
static void an_effect_is_begun_anew(void **state)
{
	struct sm_object *obj = door(ID_A);
	uint64_t gen;

	(void)state;
	ask(obj, DOR_EVENT_OPEN, 1);
	flush();
	happened("commit(OPENING) OPENING push");
	gen = obj->effect_gen;
	sm_redo(obj);
	happened("push");
	sm_effect_done(obj, gen, sm_event_new(DOR_EVENT_STUCK));
	assert_int_equal(obj->state, DOR_STATE_OPENING);
	assert_false(sm_flush(t.engine));
	done(obj, DOR_EVENT_OPENED);
	flush();
	happened("commit(OPEN) OPEN ok1");
	sm_object_free(obj);
}

static void a_state_has_its_traits(void **state)
{
	struct sm_object *obj = open_door();

	(void)state;
	assert_true(dor_is_passable(obj->state));
	assert_false(sm_is_gone(obj));
	assert_false(dor_is_passable(DOR_STATE_CLOSING));
	assert_true(dor_is_passable(DOR_STATE_SHUT));
	sm_object_free(obj);
}

static void a_failed_first_commit_leaves_nothing(void **state)
{
	struct sm_object *obj = door(ID_A);

	(void)state;
	t.failures = 1;
	ask(obj, DOR_EVENT_OPEN, 1);
	ask(obj, DOR_EVENT_OPEN, 2);
	flush();
	happened("fail(OPENING) RESOURCE_EXHAUSTED1 gone left:open");
}

static void a_failed_commit_changes_nothing(void **state)
{
	struct sm_object *obj = open_door();

	(void)state;
	t.failures = 1;
	ask(obj, DOR_EVENT_CLOSE, 1);
	flush();
	happened("fail(CLOSING) RESOURCE_EXHAUSTED1");
	assert_int_equal(obj->state, DOR_STATE_OPEN);
	assert_int_equal(obj->seq, 2);
	assert_false(sm_has_stalled(t.engine));
	ask(obj, DOR_EVENT_CLOSE, 2);
	flush();
	happened("commit(CLOSING) CLOSING pull");
	sm_object_free(obj);
	happened("UNAVAILABLE2");
}

/* What the world did cannot be refused: it is kept and delivered again. */
static void a_failed_report_is_kept(void **state)
{
	struct sm_object *obj = door(ID_A);

	(void)state;
	ask(obj, DOR_EVENT_OPEN, 1);
	flush();
	happened("commit(OPENING) OPENING push");
	t.failures = 2;
	done(obj, DOR_EVENT_OPENED);
	flush();
	happened("fail(OPEN)");
	assert_true(sm_has_stalled(t.engine));
	assert_int_equal(row_of(obj)->pid, 0);
	ask(obj, DOR_EVENT_CLOSE, 2); /* waits behind it */
	flush();
	happened("");
	sm_retry(t.engine);
	flush();
	happened("fail(OPEN)");
	sm_retry(t.engine);
	flush();
	happened("commit(OPEN) OPEN ok1 commit(CLOSING) CLOSING pull");
	assert_false(sm_has_stalled(t.engine));
	assert_int_equal(row_of(obj)->pid, 1);
	sm_object_free(obj);
	happened("UNAVAILABLE2");
}

static void a_stalled_object_can_be_freed(void **state)
{
	struct sm_object *obj = door(ID_A);

	(void)state;
	ask(obj, DOR_EVENT_OPEN, 1);
	flush();
	t.failures = 1;
	done(obj, DOR_EVENT_OPENED);
	flush();
	assert_true(sm_has_stalled(t.engine));
	sm_object_free(obj);
	assert_false(sm_has_stalled(t.engine));
	happened("commit(OPENING) OPENING push fail(OPEN) UNAVAILABLE1");
}

static void calls_join_work_under_way(void **state)
{
	struct sm_object *obj = door(ID_A);

	(void)state;
	ask(obj, DOR_EVENT_OPEN, 1);
	ask(obj, DOR_EVENT_OPEN, 2);
	flush();
	ask(obj, DOR_EVENT_OPEN, 3);
	happened("commit(OPENING) OPENING push");
	done(obj, DOR_EVENT_OPENED);
	happened("");
	flush();
	happened("commit(OPEN) OPEN ok1 ok2 ok3");
	ask(obj, DOR_EVENT_OPEN, 4); /* already so */
	happened("ok4");
	sm_object_free(obj);
}

static void some_calls_are_answered_before_the_others(void **state)
{
	struct sm_object *obj = door(ID_A);

	(void)state;
	ask(obj, DOR_EVENT_OPEN, 1);
	ask(obj, DOR_EVENT_ORDER, 2);
	flush();
	ask(obj, DOR_EVENT_OPEN, 3);
	ask(obj, DOR_EVENT_ORDER, 4);
	happened("commit(OPENING) OPENING push");
	done(obj, DOR_EVENT_STUCK);
	flush();
	happened("commit(REMOVING) REMOVING ok2 ok4 erase");
	done(obj, DOR_EVENT_ERASED);
	flush();
	happened("commit(GONE) GONE ok1 ok3 gone");
}

static void calls_wait_for_rest_in_order(void **state)
{
	struct sm_object *obj = door(ID_A);

	(void)state;
	ask(obj, DOR_EVENT_OPEN, 1);
	flush();
	ask(obj, DOR_EVENT_CLOSE, 2);
	ask(obj, DOR_EVENT_REMOVE, 3);
	done(obj, DOR_EVENT_OPENED);
	flush();
	happened("commit(OPENING) OPENING push commit(OPEN) OPEN ok1 commit(CLOSING) CLOSING pull");
	done(obj, DOR_EVENT_CLOSED);
	flush();
	happened("commit(SHUT) SHUT ok2 commit(REMOVING) REMOVING erase");
	done(obj, DOR_EVENT_ERASED);
	flush();
	happened("commit(GONE) GONE ok3 gone");
}

static void a_requeued_call_is_answered_at_the_end(void **state)
{
	struct sm_object *obj = open_door();

	(void)state;
	ask(obj, DOR_EVENT_REMOVE, 1);
	flush();
	happened("commit(CLOSING) CLOSING pull");
	done(obj, DOR_EVENT_CLOSED);
	flush();
	happened("commit(SHUT) SHUT commit(REMOVING) REMOVING erase");
	ask(obj, DOR_EVENT_CLOSE, 2); /* waits for a rest that never comes */
	done(obj, DOR_EVENT_ERASED);
	ask(obj, DOR_EVENT_REMOVE, 3); /* comes while the end is being committed */
	flush();
	happened("commit(GONE) GONE ok1 gone left:close left:remove");
}

static void a_requeued_call_is_told_of_a_failed_commit(void **state)
{
	struct sm_object *obj = open_door();

	(void)state;
	t.failures = 1;
	ask(obj, DOR_EVENT_REMOVE, 1);
	flush();
	happened("fail(CLOSING) RESOURCE_EXHAUSTED1");
	assert_false(sm_has_stalled(t.engine));
	ask(obj, DOR_EVENT_REMOVE, 2);
	flush();
	happened("commit(CLOSING) CLOSING pull");
	sm_object_free(obj);
	happened("UNAVAILABLE2");
}

static void refusals_name_state_and_event(void **state)
{
	struct sm_object *obj = open_door();

	(void)state;
	ask(obj, DOR_EVENT_CLOSE, 1);
	flush();
	ask(obj, DOR_EVENT_OPEN, 2);
	happened("commit(CLOSING) CLOSING pull FAILED_PRECONDITION2");
	sm_object_free(obj);
	happened("UNAVAILABLE1");
}

static void what_never_comes_is_counted(void **state)
{
	struct sm_object *obj = open_door();

	(void)state;
	done(obj, DOR_EVENT_ERASED);
	happened("never:erased");
	assert_int_equal(obj->state, DOR_STATE_OPEN);
	sm_object_free(obj);
}

static void guards_choose_the_row(void **state)
{
	struct sm_object *obj = open_door();

	(void)state;
	row_of(obj)->exit_known = true;
	ask(obj, DOR_EVENT_CLOSE, 1);
	flush();
	happened("commit(SHUT) SHUT ok1");
	sm_object_free(obj);
}

static void reports_of_earlier_effects_are_dropped(void **state)
{
	struct sm_object *obj = door(ID_A);
	uint64_t push;

	(void)state;
	ask(obj, DOR_EVENT_OPEN, 1);
	flush();
	push = obj->effect_gen;
	done(obj, DOR_EVENT_OPENED);
	/* Twice, while the first is being committed and after it. */
	sm_effect_done(obj, push, sm_event_new(DOR_EVENT_STUCK));
	flush();
	sm_effect_done(obj, push, sm_event_new(DOR_EVENT_STUCK));
	flush();
	happened("commit(OPENING) OPENING push commit(OPEN) OPEN ok1");
	/* The shim speaks for itself: it has no generation. */
	sm_effect_done(obj, push, knocked());
	flush();
	happened("commit(OPEN) OPEN");
	sm_object_free(obj);
}

static void effects_may_report_at_once(void **state)
{
	struct sm_object *obj = door(ID_A);

	(void)state;
	t.report_at_once = true;
	ask(obj, DOR_EVENT_OPEN, 1);
	ask(obj, DOR_EVENT_CLOSE, 2);
	flush();
	happened("commit(OPENING) OPENING push commit(OPEN) OPEN ok1 commit(CLOSING) CLOSING pull "
		 "commit(SHUT) SHUT ok2");
	ask(obj, DOR_EVENT_REMOVE, 3);
	flush();
	happened("commit(REMOVING) REMOVING erase commit(GONE) GONE ok3 gone");
}

static void deadlines_are_armed_and_re_armed(void **state)
{
	struct sm_object *obj = door(ID_A);

	(void)state;
	row_of(obj)->kill_at_ns = START + 5 * NSEC_PER_SEC;
	ask(obj, DOR_EVENT_OPEN, 1);
	flush();
	assert_true(t.armed == START + 5 * NSEC_PER_SEC);
	done(obj, DOR_EVENT_OPENED);
	flush();
	assert_true(t.armed == 0); /* at rest */
	t.now += NSEC_PER_SEC;
	ask(obj, DOR_EVENT_CLOSE, 2);
	flush();
	assert_true(t.armed == t.now + 10 * NSEC_PER_SEC);
	/* A row that stays and starts nothing does not lengthen the time. */
	t.now += NSEC_PER_SEC;
	sm_dispatch(obj, knocked());
	flush();
	assert_true(t.armed == t.now + 9 * NSEC_PER_SEC);
	/* Starting the effect over starts the time over. */
	t.now += 9 * NSEC_PER_SEC;
	buf_consume(&t.journal, t.journal.len);
	sm_overdue(obj);
	happened("pull");
	assert_true(t.armed == t.now + 10 * NSEC_PER_SEC);
	sm_object_free(obj);
	happened("UNAVAILABLE2");
}

/* A removal that is asked for and fails N times. */
static struct sm_object *jammed_door(unsigned n)
{
	struct sm_object *obj = open_door();
	struct sm_event *ev;

	row_of(obj)->exit_known = true;
	ask(obj, DOR_EVENT_CLOSE, 1);
	flush();
	ask(obj, DOR_EVENT_REMOVE, 2);
	flush();
	while (n-- > 0) {
		if (obj->retry_ns) {
			t.now = t.armed;
			sm_overdue(obj);
		}
		ev = sm_event_new(DOR_EVENT_JAMMED);
		err_set(&ev->err, ERR_PRECONDITION, "the frame is bent");
		sm_effect_done(obj, obj->effect_gen, ev);
		flush();
	}
	buf_consume(&t.journal, t.journal.len);
	return obj;
}

static void a_failed_try_pauses(void **state)
{
	struct sm_object *obj = jammed_door(1);

	(void)state;
	assert_true(t.armed == t.now + NSEC_PER_SEC);
	assert_int_equal(obj->failure->tries, 1);
	assert_string_equal(obj->failure->text, "the frame is bent");
	assert_int_equal(obj->effect, dor_machine.states[DOR_STATE_REMOVING].recover);
	t.now = t.armed;
	sm_overdue(obj);
	happened("erase");
	assert_true(t.armed == 0);
	done(obj, DOR_EVENT_ERASED);
	flush();
	happened("commit(GONE) GONE gone");
	/* Twice as long each time, up to the last pause. */
	obj = jammed_door(2);
	assert_true(t.armed == t.now + 2 * NSEC_PER_SEC);
	sm_object_free(obj);
	obj = jammed_door(9);
	assert_true(t.armed == t.now + 4 * NSEC_PER_SEC);
	assert_int_equal(obj->failure->tries, 9);
	sm_object_free(obj);
}

static void an_early_report_of_a_paused_effect_is_stale(void **state)
{
	struct sm_object *obj = jammed_door(1);
	uint64_t gen = obj->effect_gen - 1;

	(void)state;
	sm_effect_done(obj, gen, sm_event_new(DOR_EVENT_ERASED));
	assert_false(sm_flush(t.engine));
	/* Begun anew, it does not wait. */
	sm_redo(obj);
	happened("erase");
	assert_true(t.armed == 0 && obj->retry_ns == 0);
	sm_object_free(obj);
}

static void why_a_try_failed_is_stored(void **state)
{
	struct sm_object *obj = jammed_door(3), *again = NULL;
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(sm_object_load(t.engine, &dor_machine, ID_A, t.stored.data, t.stored.len,
					&again, &e),
			 0);
	assert_int_equal(again->failure->tries, 3);
	assert_int_equal(again->failure->code, ERR_PRECONDITION);
	assert_string_equal(again->failure->text, "the frame is bent");
	sm_recover(again);
	happened("erase"); /* at once: what held it up may be gone with the time before */
	sm_object_free(again);
	sm_object_free(obj);
}

static void a_failure_that_is_not_stored_is_told_again(void **state)
{
	struct sm_object *obj = jammed_door(1);

	(void)state;
	t.now = t.armed;
	sm_overdue(obj);
	t.failures = 1;
	done(obj, DOR_EVENT_JAMMED);
	flush();
	happened("erase fail(REMOVING)");
	assert_int_equal(obj->failure->tries, 1);
	sm_retry(t.engine);
	flush();
	happened("commit(REMOVING) REMOVING");
	assert_int_equal(obj->failure->tries, 2);
	sm_object_free(obj);
}

static void overdue_work_goes_back(void **state)
{
	struct sm_object *obj = door(ID_A);

	(void)state;
	ask(obj, DOR_EVENT_OPEN, 1);
	flush();
	sm_overdue(obj);
	flush();
	happened("commit(OPENING) OPENING push commit(REMOVING) REMOVING erase");
	assert_int_equal(row_of(obj)->exit_code, 1);
	done(obj, DOR_EVENT_ERASED);
	flush();
	happened("commit(GONE) GONE ok1 gone");
}

/* The time of one state says nothing about the next, however long the commit between them takes. */
static void a_late_deadline_is_dropped(void **state)
{
	struct sm_object *obj = open_door();

	(void)state;
	ask(obj, DOR_EVENT_CLOSE, 1);
	flush();
	happened("commit(CLOSING) CLOSING pull");
	t.failures = 1;
	done(obj, DOR_EVENT_CLOSED);
	flush();
	sm_overdue(obj);
	ask(obj, DOR_EVENT_OPEN, 2);
	happened("fail(SHUT)");
	sm_retry(t.engine);
	flush();
	happened("commit(SHUT) SHUT ok1 commit(OPENING) OPENING push");
	sm_object_free(obj);
	happened("UNAVAILABLE2");
}

static void one_turn_is_one_transaction(void **state)
{
	struct sm_object *a = door(ID_A), *b = door(ID_B);

	(void)state;
	ask(a, DOR_EVENT_OPEN, 1);
	ask(b, DOR_EVENT_OPEN, 2);
	flush();
	happened("commit(OPENING) commit(OPENING) OPENING push OPENING push");
	sm_object_free(a);
	sm_object_free(b);
	happened("UNAVAILABLE1 UNAVAILABLE2");
}

/* On a full disk the write that fails takes nobody with it, and a deletion goes first. */
static void one_failure_is_not_everybodys(void **state)
{
	struct sm_object *a = door(ID_A), *b = door(ID_B);

	(void)state;
	ask(b, DOR_EVENT_OPEN, 1);
	flush();
	sm_overdue(b);
	flush();
	happened("commit(OPENING) OPENING push commit(REMOVING) REMOVING erase");
	ask(a, DOR_EVENT_OPEN, 2);
	done(b, DOR_EVENT_ERASED);
	t.largest = 1;
	flush();
	happened(
		"fail(OPENING) fail(GONE) commit(GONE) GONE ok1 gone commit(OPENING) OPENING push");
	sm_object_free(a);
	happened("UNAVAILABLE2");
}

static void payloads_are_freed_with_their_event(void **state)
{
	struct sm_object *obj = open_door();
	struct payload_knock *knock = xmalloc(sizeof(*knock));

	(void)state;
	knock->pid = 77;
	sm_dispatch(obj, dor_event_knocked(knock));
	flush();
	assert_int_equal(row_of(obj)->pid, 77);
	sm_object_free(obj);
	sm_object_free(NULL);
	sm_event_free(NULL);
}

static char crash_points[256];

static void note_crash_point(const struct sm_machine *m, unsigned row, unsigned item)
{
	size_t n = strlen(crash_points);

	assert_ptr_equal(m, &dor_machine);
	snprintf(crash_points + n, sizeof(crash_points) - n, "%u.%u ", row, item);
}

static void every_action_is_a_crash_point(void **state)
{
	struct sm_object *obj = door(ID_A);

	(void)state;
	crash_points[0] = '\0';
	sm_crash_hook = note_crash_point;
	ask(obj, DOR_EVENT_OPEN, 1);
	flush();
	assert_string_equal(crash_points, "0.0 0.1 0.2 ");
	done(obj, DOR_EVENT_OPENED);
	flush();
	assert_string_equal(crash_points, "0.0 0.1 0.2 1.0 1.1 1.2 1.3 ");
	sm_object_free(obj);
}

/* --- rows --- */

static void a_row_comes_back_as_it_was(void **state)
{
	struct sm_object *obj = open_door(), *again = NULL;
	_cleanup_free_ void *packed = NULL;
	struct err e = ERR_NULL;
	size_t size;

	(void)state;
	packed = sm_object_pack(obj, &size);
	assert_int_equal(size, t.stored.len);
	assert_memory_equal(packed, t.stored.data, size);
	assert_int_equal(sm_object_load(t.engine, &dor_machine, ID_A, packed, size, &again, &e), 0);
	assert_int_equal(again->state, DOR_STATE_OPEN);
	assert_int_equal(again->seq, obj->seq);
	assert_true(again->since_ns == obj->since_ns);
	assert_int_equal(row_of(again)->pid, 1);
	assert_int_equal(again->n_history, 2);
	assert_int_equal(sm_history_at(again, 0)->event, DOR_EVENT_OPEN);
	assert_int_equal(sm_history_at(again, 1)->from, DOR_STATE_OPENING);
	assert_int_equal(sm_history_at(again, 1)->to, DOR_STATE_OPEN);
	sm_object_free(again);
	sm_object_free(obj);
}

static void history_keeps_the_last(void **state)
{
	struct sm_object *obj = open_door(), *again = NULL;
	struct err e = ERR_NULL;

	(void)state;
	for (int i = 0; i < 3 * LIMIT_HISTORY; i++) {
		t.now += NSEC_PER_SEC;
		sm_dispatch(obj, knocked());
		flush();
	}
	assert_int_equal(obj->n_history, LIMIT_HISTORY);
	for (uint16_t i = 0; i < LIMIT_HISTORY; i++)
		assert_true(sm_history_at(obj, i)->at_ns ==
			    t.now - (LIMIT_HISTORY - 1 - i) * NSEC_PER_SEC);
	assert_int_equal(sm_object_load(t.engine, &dor_machine, ID_A, t.stored.data, t.stored.len,
					&again, &e),
			 0);
	assert_int_equal(again->n_history, LIMIT_HISTORY);
	for (uint16_t i = 0; i < LIMIT_HISTORY; i++)
		assert_true(sm_history_at(again, i)->at_ns == sm_history_at(obj, i)->at_ns);
	sm_object_free(again);
	sm_object_free(obj);
}

static void recovery_starts_the_states_effect(void **state)
{
	struct sm_object *obj = door(ID_A), *again = NULL;
	struct err e = ERR_NULL;

	(void)state;
	row_of(obj)->kill_at_ns = START + 7 * NSEC_PER_SEC;
	ask(obj, DOR_EVENT_OPEN, 1);
	flush();
	sm_object_free(obj); /* the daemon dies */
	happened("commit(OPENING) OPENING push UNAVAILABLE1");
	t.now += 3 * NSEC_PER_SEC;
	assert_int_equal(sm_object_load(t.engine, &dor_machine, ID_A, t.stored.data, t.stored.len,
					&again, &e),
			 0);
	happened("");
	sm_recover(again);
	happened("push");
	assert_true(t.armed == START + 7 * NSEC_PER_SEC); /* what was left of it */
	ask(again, DOR_EVENT_OPEN, 2);
	done(again, DOR_EVENT_OPENED);
	flush();
	happened("commit(OPEN) OPEN ok2");
	sm_object_free(again);
}

/* An envelope of one's own making. */
static size_t pack(uint32_t number, const char *row, size_t row_size, const char *event,
		   uint8_t out[512])
{
	Crisp__State__Envelope env = CRISP__STATE__ENVELOPE__INIT;
	Crisp__State__Transition h = CRISP__STATE__TRANSITION__INIT, *list[] = { &h };

	env.state = number;
	env.row.data = (uint8_t *)(uintptr_t)row;
	env.row.len = row_size;
	if (event) {
		h.event = (char *)(uintptr_t)event;
		h.from = 10;
		h.to = 20;
		env.history = list;
		env.n_history = 1;
	}
	return crisp__state__envelope__pack(&env, out);
}

static void loading_refuses(void **state)
{
	static const struct {
		uint32_t number;
		const char *row;
		size_t size;
		const char *want;
	} cases[] = {
		{ 20, "\x28\x01", 1, "record in row door/" },
		{ 20, "", 0, "breaks invariant has_handle" },
		{ 0, "\x28\x01", 2, "is in state 0, which" },
		{ 60, "\x28\x01", 2, "is in state 60, which" },
		{ 21, "\x28\x01", 2, "is in state 21, which" },
		{ UINT32_MAX, "\x28\x01", 2, "is in state 4294967295, which" },
	};
	uint8_t bytes[512];
	char long_id[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t n = pack(cases[i].number, cases[i].row, cases[i].size, NULL, bytes);
		struct sm_object *obj = NULL;
		struct err e = ERR_NULL;

		assert_int_equal(sm_object_load(t.engine, &dor_machine, ID_A, bytes, n, &obj, &e),
				 -ERR_DATA_LOSS);
		assert_null(obj);
		assert_non_null(strstr(e.text, cases[i].want));
		assert_non_null(strstr(e.text, ID_A));
	}
	memset(long_id, 'a', sizeof(long_id) - 1);
	long_id[sizeof(long_id) - 1] = '\0';
	for (int what = 0; what < 2; what++) {
		size_t n = what ? pack(20, "\x28\x01", 2, NULL, bytes) : 3;
		struct sm_object *obj = NULL;
		struct err e = ERR_NULL;

		if (!what)
			memcpy(bytes, "\xff\xff\xff", 3);
		assert_int_equal(sm_object_load(t.engine, &dor_machine, what ? long_id : ID_A,
						bytes, n, &obj, &e),
				 -ERR_DATA_LOSS);
		assert_null(obj);
	}
}

static void loading_forgives_old_history(void **state)
{
	struct sm_object *obj = NULL;
	struct err e = ERR_NULL;
	uint8_t bytes[512];
	size_t n = pack(20, "\x28\x01", 2, "an event of an older version", bytes);

	(void)state;
	assert_int_equal(sm_object_load(t.engine, &dor_machine, ID_A, bytes, n, &obj, &e), 0);
	assert_int_equal(obj->n_history, 0);
	sm_object_free(obj);
	n = pack(20, "\x28\x01", 2, "opened", bytes);
	assert_int_equal(sm_object_load(t.engine, &dor_machine, ID_A, bytes, n, &obj, &e), 0);
	assert_int_equal(obj->n_history, 1);
	sm_object_free(obj);
}

#define test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(nothing_before_the_commit),
		test(save_boot_is_not_durable),
		test(an_effect_is_begun_anew),
		test(a_state_has_its_traits),
		test(a_failed_first_commit_leaves_nothing),
		test(a_failed_commit_changes_nothing),
		test(a_failed_report_is_kept),
		test(a_stalled_object_can_be_freed),
		test(calls_join_work_under_way),
		test(some_calls_are_answered_before_the_others),
		test(calls_wait_for_rest_in_order),
		test(a_requeued_call_is_answered_at_the_end),
		test(a_requeued_call_is_told_of_a_failed_commit),
		test(refusals_name_state_and_event),
		test(what_never_comes_is_counted),
		test(guards_choose_the_row),
		test(reports_of_earlier_effects_are_dropped),
		test(effects_may_report_at_once),
		test(deadlines_are_armed_and_re_armed),
		test(a_failed_try_pauses),
		test(an_early_report_of_a_paused_effect_is_stale),
		test(why_a_try_failed_is_stored),
		test(a_failure_that_is_not_stored_is_told_again),
		test(overdue_work_goes_back),
		test(a_late_deadline_is_dropped),
		test(one_turn_is_one_transaction),
		test(one_failure_is_not_everybodys),
		test(payloads_are_freed_with_their_event),
		test(every_action_is_a_crash_point),
		test(a_row_comes_back_as_it_was),
		test(history_keeps_the_last),
		test(recovery_starts_the_states_effect),
		test(loading_refuses),
		test(loading_forgives_old_history),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
