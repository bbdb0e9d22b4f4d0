/*
 * door.h - the surroundings of the engine's test: the door of door.sm, and a journal of what the
 * engine does to it.
 *
 * The journal is one word an act: "commit(OPENING)" or "fail(OPENING)" for each object of a
 * transaction, "OPENING" for a move, "push" for an effect, "ok1" or "NOT_FOUND1" for an answer to
 * caller 1, "gone", "never:opened".
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/util.h"
#include "gen/state.pb-c.h"
#include "sm/engine.h"
#include "sm_door.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define START (INT64_C(1000) * NSEC_PER_SEC)

struct call {
	struct sm_waiter waiter;
	int number;
};

static struct {
	struct buf journal;
	int64_t now, armed; /* of the object that was armed last */
	int failures; /* commits still to fail */
	size_t largest; /* transactions of more writes fail too, 0: any size */
	struct buf stored; /* the envelope committed last */
	bool durable;
	bool report_at_once; /* effects report inside start */
	struct sm_engine *engine;
} t;

static void word(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void word(const char *fmt, ...)
{
	va_list ap;

	if (t.journal.len)
		buf_puts(&t.journal, " ");
	va_start(ap, fmt);
	buf_vprintf(&t.journal, fmt, ap);
	va_end(ap);
}

/* What has happened since the last time. */
static void check_words(const char *want, int line)
{
	const char *got = t.journal.len ? t.journal.data : "";

	if (strcmp(got, want) != 0)
		fail_msg("line %d:\n  want \"%s\"\n  got  \"%s\"", line, want, got);
	buf_consume(&t.journal, t.journal.len);
}
#define happened(want) check_words((want), __LINE__)

/* --- the engine's surroundings --- */

static int64_t op_now(void *arg)
{
	(void)arg;
	return t.now;
}

static void op_arm(void *arg, struct sm_object *obj, int64_t at)
{
	(void)arg;
	assert_true(at == sm_armed_at(obj));
	t.armed = at;
}

static int op_commit(void *arg, const struct sm_write *writes, size_t n, struct err *e)
{
	bool bad = t.failures > 0 || (t.largest && n > t.largest);

	(void)arg;
	if (t.failures)
		t.failures--;
	for (size_t i = 0; i < n; i++) {
		const struct sm_write *w = &writes[i];

		assert_true(w->final == (w->obj->machine->states[w->state].kind == SM_KIND_FINAL));
		word("%s(%s)", bad ? "fail" : "commit", w->obj->machine->states[w->state].name);
		if (bad)
			continue;
		buf_consume(&t.stored, t.stored.len);
		buf_add(&t.stored, w->envelope, w->size);
		t.durable = w->durable;
	}
	return bad ? err_set(e, ERR_EXHAUSTED, "the disk is full") : 0;
}

static void op_reply(void *arg, struct sm_object *obj, struct sm_waiter *w, const struct err *e)
{
	struct call *c = container_of(w, struct call, waiter);

	(void)arg;
	assert_true(list_empty(&w->node));
	assert_non_null(obj);
	word("%s%d", e ? err_code_name(e->code) : "ok", c->number);
	free(c);
}

static void op_moved(void *arg, struct sm_object *obj, const struct sm_row *row)
{
	(void)arg;
	assert_int_equal(obj->state, row->target);
	word("%s", sm_state(obj)->name);
}

static void op_gone(void *arg, struct sm_object *obj)
{
	struct sm_event *ev;

	(void)arg;
	word("gone");
	while ((ev = sm_take_parked(obj))) {
		word("left:%s", obj->machine->events[ev->event].name);
		if (ev->waiter)
			free(container_of(ev->waiter, struct call, waiter));
		sm_event_free(ev);
	}
	sm_object_free(obj);
}

static void op_never(void *arg, struct sm_object *obj, const struct sm_event *ev)
{
	(void)arg;
	word("never:%s", obj->machine->events[ev->event].name);
}

static const struct sm_ops ops = {
	.now = op_now,
	.arm = op_arm,
	.commit = op_commit,
	.reply = op_reply,
	.moved = op_moved,
	.gone = op_gone,
	.never = op_never,
};

/* --- the machine's pure half: kill_at_ns is the patience, pid counts, exit_known the spring --- */

bool dor_guard_swing(const Crisp__State__Exec *row, const struct sm_event *ev)
{
	(void)ev;
	return row->exit_known;
}

void dor_step_note_opened(Crisp__State__Exec *draft, const struct sm_event *ev)
{
	assert_int_equal(ev->at_ns, t.now);
	draft->pid++;
}

void dor_step_note_stuck(Crisp__State__Exec *draft, const struct sm_event *ev)
{
	draft->exit_code = ev->err.code ? (int32_t)ev->err.code : 1;
}

struct payload_knock {
	int pid; /* 0: the door's stays */
};

void payload_knock_free(void *knock)
{
	free(knock);
}

static struct sm_event *knocked(void)
{
	return dor_event_knocked(xcalloc(1, sizeof(struct payload_knock)));
}

void dor_step_note_knock(Crisp__State__Exec *draft, const struct sm_event *ev,
			 const struct payload_knock *knock)
{
	(void)ev;
	if (knock->pid)
		draft->pid = knock->pid;
	draft->started_ns++;
}

int64_t dor_deadline_patience(const Crisp__State__Exec *row)
{
	return row->kill_at_ns;
}

bool dor_invariant_has_handle(const Crisp__State__Exec *row)
{
	return row->pid > 0;
}

static void effect(struct sm_object *obj, const char *name, int event)
{
	word("%s", name);
	if (t.report_at_once)
		sm_effect_done(obj, obj->effect_gen, sm_event_new(event));
}

void dor_effect_push(struct sm_object *obj)
{
	effect(obj, "push", DOR_EVENT_OPENED);
}

void dor_effect_look(struct sm_object *obj)
{
	effect(obj, "look", DOR_EVENT_OPENED);
}

void dor_effect_pull(struct sm_object *obj)
{
	effect(obj, "pull", DOR_EVENT_CLOSED);
}

void dor_effect_erase(struct sm_object *obj)
{
	effect(obj, "erase", DOR_EVENT_ERASED);
}

/* --- doing --- */

static int setup(void **state)
{
	(void)state;
	t.now = START;
	t.armed = 0;
	t.failures = 0;
	t.largest = 0;
	t.report_at_once = false;
	t.engine = sm_engine_new(&ops, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sm_engine_free(t.engine);
	buf_done(&t.journal);
	buf_done(&t.stored);
	sm_crash_hook = NULL;
	return 0;
}

static struct sm_object *door(const char *id)
{
	Crisp__State__Exec *row = xmalloc(sizeof(*row));

	crisp__state__exec__init(row);
	return sm_object_new(t.engine, &dor_machine, id, row);
}

static Crisp__State__Exec *row_of(const struct sm_object *obj)
{
	return obj->row;
}

static void ask(struct sm_object *obj, int event, int number)
{
	struct call *c = xcalloc(1, sizeof(*c));
	struct sm_event *ev = sm_event_new(event);

	c->number = number;
	list_init(&c->waiter.node);
	c->waiter.event = event;
	ev->waiter = &c->waiter;
	sm_dispatch(obj, ev);
}

static void done(struct sm_object *obj, int event)
{
	sm_effect_done(obj, obj->effect_gen, sm_event_new(event));
}

static void flush(void)
{
	while (sm_flush(t.engine))
		;
}

/* An open door, nothing in the journal. */
static struct sm_object *open_door(void)
{
	struct sm_object *obj = door(ID_A);

	ask(obj, DOR_EVENT_OPEN, 0);
	flush();
	done(obj, DOR_EVENT_OPENED);
	flush();
	happened("commit(OPENING) OPENING push commit(OPEN) OPEN ok0");
	return obj;
}
