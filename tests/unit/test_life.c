/*
 * test_life.c - the whole table of a container's life in its shim: each request and each event in
 * each state, and what must hold of any such table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "shim/life.h"

/* A letter for each state, in the order of enum life_state. */
static const char letters[] = "-CUcSFKRE";

/* clang-format off */
/* What each request comes to, in the order of letters; '.': an object is never in that state.
 * g: go  j: join  s: same  p: same, with the pty;  refused:  n: not now  h: not here  u: unknown
 * l: it ended before it was started  e: no such session  r: the session runs */
static const struct {
	enum shim_type type;
	enum life_kind kind;
	const char *first, *begun; /* begun NULL: as first */
} requests[] = {
	{ SHIM_CREATE,      LIFE_CONTAINER, "gjjpnp.nn", NULL },
	{ SHIM_ADOPT,       LIFE_CONTAINER, "gnnppp.pp", NULL },
	{ SHIM_START,       LIFE_CONTAINER, "hnngjl.sl", "hnnsjs.ss" },
	{ SHIM_KILL,        LIFE_CONTAINER, "hnnggg.gg", NULL },
	{ SHIM_EXEC,        LIFE_CONTAINER, "hnnnnn.gn", NULL },
	{ SHIM_REOPEN,      LIFE_CONTAINER, "hnnggg.gg", NULL },
	{ SHIM_RESIZE,      LIFE_CONTAINER, "hnnggg.gn", NULL },
	{ SHIM_CLOSE_STDIN, LIFE_CONTAINER, "hnnggg.gg", NULL },
	{ SHIM_ATTACH,      LIFE_CONTAINER, "hnnggg.gn", NULL },
	{ SHIM_STATUS,      LIFE_CONTAINER, "uggggg.gg", NULL },
	{ SHIM_FORGET,      LIFE_CONTAINER, "snnnnn.ng", NULL },
	{ SHIM_EXEC,        LIFE_EXEC,      "g...j.jss", NULL },
	{ SHIM_EXEC_KILL,   LIFE_EXEC,      "e...g.ggg", NULL },
	{ SHIM_STATUS,      LIFE_EXEC,      "e...g.ggg", NULL },
	{ SHIM_FORGET,      LIFE_EXEC,      "s...r.rrg", NULL },
	{ SHIM_HELLO,       LIFE_KINDS,     "g", NULL },
	{ SHIM_INIT,        LIFE_KINDS,     "g", NULL },
	{ SHIM_SHUTDOWN,    LIFE_KINDS,     "g", NULL },
};

/* Where each event leads from each state; '.': there is no such move. */
static const struct {
	enum life_kind kind;
	const char *to[LIFE_EVENTS];
} events[] = {
	{ LIFE_CONTAINER, {
		[LIFE_EVENT_CREATE]         = "C........",
		[LIFE_EVENT_CREATED]        = ".c.......",
		[LIFE_EVENT_CREATE_REFUSED] = ".-.......",
		[LIFE_EVENT_CREATE_FAILED]  = ".U.......",
		[LIFE_EVENT_UNDONE]         = "..-......",
		[LIFE_EVENT_START]          = "...S.....",
		[LIFE_EVENT_STARTED]        = "....R....",
		[LIFE_EVENT_START_FAILED]   = "....F....",
		[LIFE_EVENT_START_MISSED]   = "....c....",
		[LIFE_EVENT_KILL]           = ".........",
		[LIFE_EVENT_EXITED]         = "...ESE.E.",
		[LIFE_EVENT_FORGET]         = "........-",
		[LIFE_EVENT_ADOPT_CREATED]  = "c........",
		[LIFE_EVENT_ADOPT_STARTING] = "S........",
		[LIFE_EVENT_ADOPT_RUNNING]  = "R........",
		[LIFE_EVENT_ADOPT_ENDED]    = "E........",
		[LIFE_EVENT_ADOPT_FAILED]   = "-........",
		[LIFE_EVENT_FOUND_CREATED]  = "....c....",
		[LIFE_EVENT_FOUND_RUNNING]  = "....R....",
	} },
	{ LIFE_EXEC, {
		[LIFE_EVENT_START]          = "S........",
		[LIFE_EVENT_STARTED]        = "....R.R..",
		[LIFE_EVENT_START_FAILED]   = "....E.E..",
		[LIFE_EVENT_KILL]           = "....K.KRE",
		[LIFE_EVENT_EXITED]         = ".......E.",
		[LIFE_EVENT_FORGET]         = "........-",
	} },
};
/* clang-format on */

static const struct {
	char letter;
	enum err_code code;
	const char *text;
} refusals[] = {
	{ 'h', ERR_NOT_FOUND, "container c1 is not known here" },
	{ 'u', ERR_NOT_FOUND, "container \"c1\" is not known" },
	{ 'l', ERR_PRECONDITION, "container c1 ended before it was started" },
	{ 'e', ERR_NOT_FOUND, "exec session \"x1\" is not known" },
	{ 'r', ERR_PRECONDITION, "exec session x1 still runs" },
};

static char refused_as(const struct shim_request *req, enum life_state state, const struct err *e)
{
	char text[ERR_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
		if (strcmp(e->text, refusals[i].text) == 0 && e->code == refusals[i].code)
			return refusals[i].letter;
	snprintf(text, sizeof(text), "container c1 is %s: %s is not possible",
		 shimproto_state_name(life_shows(state)), shimproto_type_name(req->type));
	return strcmp(e->text, text) == 0 && e->code == ERR_PRECONDITION ? 'n' : '?';
}

static char outcome(enum shim_type type, enum life_kind kind, enum life_state state, bool begun)
{
	const struct shim_request req = { .type = type,
					  .id = "c1",
					  .session = kind == LIFE_EXEC ? "x1" : "" };
	enum life_state ctr = kind == LIFE_EXEC ? LIFE_STATE_RUNNING : state;
	enum life_state exec = kind == LIFE_EXEC ? state : LIFE_STATE_NONE;
	struct err e = ERR_NULL;
	int r = life_permit(&req, ctr, begun, exec, &e);

	if (r < 0)
		return refused_as(&req, state, &e);
	return r == 0		       ? 'g'
	       : r == LIFE_ANSWER_JOIN ? 'j'
	       : r == LIFE_ANSWER_SAME ? 's'
	       : r == LIFE_ANSWER_PTY  ? 'p'
				       : '?';
}

static void check_request(size_t i, size_t state, bool begun, char want)
{
	char got = outcome(requests[i].type, requests[i].kind, (enum life_state)state, begun);

	if (got != want)
		fail_msg("%s in %c: %c, not %c", shimproto_type_name(requests[i].type),
			 letters[state], got, want);
}

static void test_each_request_in_each_state(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
		const char *first = requests[i].first;
		const char *begun = requests[i].begun ? requests[i].begun : first;

		for (size_t s = 0; first[s]; s++) {
			if (first[s] == '.')
				continue;
			check_request(i, s, false, first[s]);
			check_request(i, s, true, begun[s]);
		}
	}
}

/* No request is missing above, and none is about more than it should be. */
static void test_each_request_has_its_object(void **unused)
{
	(void)unused;
	for (int type = SHIM_HELLO; type < SHIM_REQUEST_END; type++) {
		bool about[LIFE_KINDS] = { false }, listed = false;

		for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
			listed |= (int)requests[i].type == type;
			if ((int)requests[i].type == type && requests[i].kind != LIFE_KINDS)
				about[requests[i].kind] = true;
		}
		assert_true(listed);
		for (int kind = 0; kind < LIFE_KINDS; kind++) {
			bool either = type == SHIM_STATUS || type == SHIM_FORGET;
			struct shim_request req = { .type = (enum shim_type)type, .id = "c1" };

			req.session = "";
			assert_int_equal(life_is_about(&req, (enum life_kind)kind),
					 about[kind] && !(either && kind == LIFE_EXEC));
			req.session = "x1";
			assert_int_equal(life_is_about(&req, (enum life_kind)kind),
					 about[kind] && !(either && kind == LIFE_CONTAINER));
		}
	}
}

static void test_a_name_that_is_none_is_refused(void **unused)
{
	const struct shim_request req = { .type = SHIM_STATUS, .id = "../c1", .session = "" };
	struct err e = ERR_NULL;

	(void)unused;
	assert_true(life_permit(&req, LIFE_STATE_NONE, false, LIFE_STATE_NONE, &e) < 0);
	assert_int_equal(e.code, ERR_INVALID);
}

/* An exec in a container that does not run is refused, whatever is known of the session. */
static void test_an_exec_asks_its_container_first(void **unused)
{
	const struct shim_request req = { .type = SHIM_EXEC, .id = "c1", .session = "x1" };
	struct err e = ERR_NULL;

	(void)unused;
	assert_true(life_permit(&req, LIFE_STATE_ENDED, true, LIFE_STATE_RUNNING, &e) < 0);
	assert_string_equal(e.text, "container c1 is ended: EXEC is not possible");
}

static void test_each_event_in_each_state(void **unused)
{
	(void)unused;
	for (size_t k = 0; k < ARRAY_LEN(events); k++)
		for (int ev = 0; ev < LIFE_EVENTS; ev++)
			for (int s = 0; s < LIFE_STATES; s++) {
				const struct life_move *m = life_find(
					events[k].kind, (enum life_state)s, (enum life_event)ev);
				const char *to = events[k].to[ev];
				char got = m ? letters[m->to] : '.', want = to ? to[s] : '.';

				if (got != want)
					fail_msg("kind %d event %d in %c: %c, not %c", (int)k, ev,
						 letters[s], got, want);
			}
}

/* --- what must hold of the table --- */

typedef void on_move(enum life_kind kind, const struct life_move *m);

static void each_move(on_move *fn)
{
	for (int kind = 0; kind < LIFE_KINDS; kind++)
		for (int s = 0; s < LIFE_STATES; s++)
			for (int ev = 0; ev < LIFE_EVENTS; ev++) {
				const struct life_move *m =
					life_find((enum life_kind)kind, (enum life_state)s,
						  (enum life_event)ev);

				if (m)
					fn((enum life_kind)kind, m);
			}
}

/* The end is told at the move that shows it, after its record, and at no other. */
static void check_end(enum life_kind kind, const struct life_move *m)
{
	bool exit = m->tell == LIFE_TELL_EXIT || m->tell == LIFE_TELL_BOTH;
	bool end = m->record == LIFE_RECORD_END || m->record == LIFE_RECORD_UNSTARTED;

	if (exit)
		assert_true(life_is_ended(m->to) && !life_is_ended(m->in));
	if (m->on == LIFE_EVENT_EXITED)
		assert_int_equal(exit, m->to != m->in);
	if (kind == LIFE_CONTAINER)
		assert_int_equal(end, exit);
}

static void test_an_end_is_recorded_and_told_once(void **unused)
{
	(void)unused;
	each_move(check_end);
}

/* What is written at a move, without the table. */
static enum life_record record_at(enum life_kind kind, const struct life_move *m)
{
	if (kind == LIFE_EXEC && (m->on == LIFE_EVENT_START || m->on == LIFE_EVENT_STARTED))
		return LIFE_RECORD_LEFT;
	if (kind == LIFE_EXEC && life_is_ended(m->to) && !life_is_ended(m->in))
		return LIFE_RECORD_DROP;
	if (m->on == LIFE_EVENT_CREATE)
		return LIFE_RECORD_ROOM;
	if (m->on == LIFE_EVENT_CREATE_REFUSED || m->on == LIFE_EVENT_CREATE_FAILED)
		return LIFE_RECORD_DROP;
	if (m->on == LIFE_EVENT_EXITED && m->in == LIFE_STATE_START_FAILED)
		return LIFE_RECORD_UNSTARTED;
	if (m->on == LIFE_EVENT_EXITED && m->to != m->in)
		return LIFE_RECORD_END;
	return LIFE_RECORD_NOTHING;
}

static void check_record(enum life_kind kind, const struct life_move *m)
{
	assert_int_equal(m->record, record_at(kind, m));
}

static void test_each_record_has_its_moves(void **unused)
{
	(void)unused;
	each_move(check_record);
}

/* Does somebody wait for an answer in this state? */
static bool has_waiter(enum life_kind kind, enum life_state s)
{
	if (kind == LIFE_EXEC)
		return life_is_starting(s);
	return s == LIFE_STATE_CREATING || s == LIFE_STATE_UNDOING || s == LIFE_STATE_STARTING;
}

static void check_waiter(enum life_kind kind, const struct life_move *m)
{
	bool told = m->tell != LIFE_TELL_NOBODY && m->tell != LIFE_TELL_EXIT;
	bool asked = !life_is_known(m->in) || has_waiter(kind, m->in);
	bool failed = m->tell == LIFE_TELL_FAILURE || m->tell == LIFE_TELL_BOTH;

	assert_int_equal(told, asked && !has_waiter(kind, m->to));
	if (told)
		assert_int_equal(failed, m->on == LIFE_EVENT_CREATE_REFUSED ||
						 m->on == LIFE_EVENT_UNDONE ||
						 m->on == LIFE_EVENT_START_FAILED ||
						 m->on == LIFE_EVENT_START_MISSED ||
						 m->on == LIFE_EVENT_ADOPT_FAILED);
	/* Who has CREATE, ADOPT or EXEC answered is given the terminal; START gives none. */
	if (told && !failed)
		assert_int_equal(m->tell == LIFE_TELL_PTY,
				 kind == LIFE_EXEC || m->on != LIFE_EVENT_STARTED);
	assert_int_equal(m->tell == LIFE_TELL_BOTH, failed && life_is_killed(m->in));
}

static void test_each_waiter_is_answered_once(void **unused)
{
	(void)unused;
	each_move(check_waiter);
}

static bool reached[LIFE_KINDS][LIFE_STATES], leads_back[LIFE_KINDS][LIFE_STATES];

static void spread(enum life_kind kind, const struct life_move *m)
{
	reached[kind][m->to] |= reached[kind][m->in];
	leads_back[kind][m->in] |= leads_back[kind][m->to];
}

static void test_each_state_is_reached_and_left(void **unused)
{
	(void)unused;
	for (int kind = 0; kind < LIFE_KINDS; kind++)
		reached[kind][LIFE_STATE_NONE] = leads_back[kind][LIFE_STATE_NONE] = true;
	for (int round = 0; round < LIFE_STATES; round++)
		each_move(spread);
	for (int s = 0; s < LIFE_STATES; s++) {
		assert_int_equal(reached[LIFE_CONTAINER][s], s != LIFE_STATE_KILLED);
		assert_true(!reached[LIFE_CONTAINER][s] || leads_back[LIFE_CONTAINER][s]);
		assert_true(!reached[LIFE_EXEC][s] || leads_back[LIFE_EXEC][s]);
		assert_int_equal(life_shows((enum life_state)s) != 0,
				 life_is_known((enum life_state)s));
	}
}

/* --- life_move --- */

struct thing {
	struct life life;
	struct shim_status status;
	int fails; /* the record */
	char trace[64]; /* what was done, with the state at that time */
};

static void note(struct life *l, char what, int value)
{
	struct thing *t = container_of(l, struct thing, life);
	size_t n = strlen(t->trace);

	snprintf(t->trace + n, sizeof(t->trace) - n, "%c%d%c ", what, value, letters[l->state]);
}

static int record(struct life *l, enum life_record what)
{
	note(l, 'r', (int)what);
	return container_of(l, struct thing, life)->fails;
}

static void tell(struct life *l, enum life_tell whom)
{
	note(l, 't', (int)whom);
}

static void thing_init(struct thing *t)
{
	static const struct life_ops ops = { record, tell };

	*t = (struct thing){ .fails = 0 };
	t->life = (struct life){ .kind = LIFE_CONTAINER, .status = &t->status, .ops = &ops };
}

static void test_a_move_records_then_moves_then_tells(void **unused)
{
	char want[64];
	struct thing t;

	(void)unused;
	thing_init(&t);
	assert_true(life_move(&t.life, LIFE_EVENT_ADOPT_RUNNING));
	assert_int_equal(t.status.state, SHIM_RUNNING);
	assert_true(life_move(&t.life, LIFE_EVENT_EXITED));
	assert_int_equal(t.status.state, SHIM_ENDED);
	snprintf(want, sizeof(want), "t%dR r%dR t%dE ", LIFE_TELL_PTY, LIFE_RECORD_END,
		 LIFE_TELL_EXIT);
	assert_string_equal(t.trace, want);
}

static void test_a_record_that_fails_is_said(void **unused)
{
	struct thing t;

	(void)unused;
	thing_init(&t);
	t.fails = -1;
	assert_false(life_move(&t.life, LIFE_EVENT_CREATE));
	assert_int_equal(t.life.state, LIFE_STATE_CREATING);
}

static void test_a_move_that_is_not_there_does_not_happen(void **unused)
{
	struct thing t;

	(void)unused;
	thing_init(&t);
	life_move(&t.life, LIFE_EVENT_ADOPT_ENDED);
	t.trace[0] = '\0';
	assert_false(life_move(&t.life, LIFE_EVENT_STARTED));
	assert_int_equal(t.life.state, LIFE_STATE_ENDED);
	assert_int_equal(t.status.state, SHIM_ENDED);
	assert_string_equal(t.trace, "");
}

static void test_only_a_container_that_lives_is_adopted(void **unused)
{
	static const struct {
		uint32_t state;
		enum life_event ev;
	} good[] = { { SHIM_CREATED, LIFE_EVENT_ADOPT_CREATED },
		     { SHIM_STARTING, LIFE_EVENT_ADOPT_STARTING },
		     { SHIM_RUNNING, LIFE_EVENT_ADOPT_RUNNING } };
	static const uint32_t bad[] = { 0, SHIM_CREATING, SHIM_ENDED, 6, UINT32_MAX };
	enum life_event ev;

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_true(life_adopt_event(good[i].state, &ev));
		assert_int_equal(ev, good[i].ev);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(life_adopt_event(bad[i], &ev));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_request_in_each_state),
		cmocka_unit_test(test_each_request_has_its_object),
		cmocka_unit_test(test_a_name_that_is_none_is_refused),
		cmocka_unit_test(test_an_exec_asks_its_container_first),
		cmocka_unit_test(test_each_event_in_each_state),
		cmocka_unit_test(test_an_end_is_recorded_and_told_once),
		cmocka_unit_test(test_each_record_has_its_moves),
		cmocka_unit_test(test_each_waiter_is_answered_once),
		cmocka_unit_test(test_each_state_is_reached_and_left),
		cmocka_unit_test(test_a_move_records_then_moves_then_tells),
		cmocka_unit_test(test_a_record_that_fails_is_said),
		cmocka_unit_test(test_a_move_that_is_not_there_does_not_happen),
		cmocka_unit_test(test_only_a_container_that_lives_is_adopted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
