/*
 * engine.c - interprets the tables: queues events, runs the actions of rows, commits and recovers.
 *
 * An object is idle or has one pending commit (commit_row is set), which queues further events.
 * The engine never blocks and has no code for a specific machine.
 */
#include "sm/engine.h"

#include <assert.h>
#include <protobuf-c/protobuf-c.h>
#include <string.h>

#include "base/clock.h"
#include "gen/state.pb-c.h"
#include "sm/family.h"

void (*sm_crash_hook)(const struct sm_machine *m, unsigned row, unsigned item);

struct sm_engine {
	const struct sm_ops *ops;
	void *arg;
	struct list pending; /* objects to commit in the next sm_flush */
	struct list stalled; /* objects whose commit failed; they wait for sm_retry */
};

static void run(struct sm_object *obj, const struct sm_row *row, uint16_t item);
static void commit_done(struct sm_object *obj, int64_t now);
static bool commit_is_final(const struct sm_object *obj);
static void drain(struct sm_object *obj);

struct sm_engine *sm_engine_new(const struct sm_ops *ops, void *arg)
{
	struct sm_engine *en = xcalloc(1, sizeof(*en));

	en->ops = ops;
	en->arg = arg;
	list_init(&en->pending);
	list_init(&en->stalled);
	return en;
}

void sm_engine_free(struct sm_engine *en)
{
	free(en);
}

/* --- records --- */

/* Copy a record by packing and unpacking.  NULL: the packed form does not unpack, as with unknown
 * fields of number 0. */
static void *row_copy(const void *row)
{
	const ProtobufCMessage *m = row;
	size_t size = protobuf_c_message_get_packed_size(m);
	_cleanup_free_ uint8_t *bytes = xmalloc(size);

	protobuf_c_message_pack(m, bytes);
	return protobuf_c_message_unpack(m->descriptor, NULL, size, bytes);
}

void *sm_row_clone(const void *row)
{
	void *copy = row_copy(row);

	assert(copy); /* sm_object_load refuses other rows */
	return copy;
}

static void row_free(void *row)
{
	if (row)
		protobuf_c_message_free_unpacked(row, NULL);
}

static void failure_free(struct Crisp__State__Failure **f)
{
	if (*f)
		crisp__state__failure__free_unpacked(*f, NULL);
	*f = NULL;
}

static struct Crisp__State__Failure *failure_new(const struct sm_object *obj,
						 const struct sm_event *ev)
{
	struct Crisp__State__Failure *f = xmalloc(sizeof(*f));

	crisp__state__failure__init(f);
	f->code = ev->err.code ? (uint32_t)ev->err.code : ERR_INTERNAL;
	f->text = xstrdup(ev->err.code ? ev->err.text : obj->machine->events[ev->event].name);
	f->at_ns = ev->at_ns;
	f->tries = 1 + (obj->failure ? obj->failure->tries : 0);
	return f;
}

static void history_add(struct sm_object *obj, struct sm_transition t)
{
	obj->history[obj->next_history] = t;
	obj->next_history = (uint16_t)((obj->next_history + 1) % LIMIT_HISTORY);
	if (obj->n_history < LIMIT_HISTORY)
		obj->n_history++;
}

const struct sm_transition *sm_history_at(const struct sm_object *obj, uint16_t i)
{
	return &obj->history[(obj->next_history + LIMIT_HISTORY - obj->n_history + i) %
			     LIMIT_HISTORY];
}

static void transition_fill(const struct sm_machine *m, const struct sm_transition *h,
			    Crisp__State__Transition *to)
{
	crisp__state__transition__init(to);
	to->at_ns = h->at_ns;
	to->from = m->states[h->from].number;
	to->to = m->states[h->to].number;
	to->event = (char *)(uintptr_t)m->events[h->event].name;
}

/* Pack the envelope of a record in a state.  next: transition to add; NULL: none. */
static void *envelope_pack(const struct sm_object *obj, const void *row,
			   struct Crisp__State__Failure *failure, uint16_t state, uint64_t seq,
			   int64_t since_ns, const struct sm_transition *next, size_t *ret_size)
{
	Crisp__State__Transition t[LIMIT_HISTORY], *list[LIMIT_HISTORY];
	Crisp__State__Envelope env = CRISP__STATE__ENVELOPE__INIT;
	size_t row_size = protobuf_c_message_get_packed_size(row);
	_cleanup_free_ uint8_t *row_bytes = xmalloc(row_size);
	uint8_t *bytes;

	protobuf_c_message_pack(row, row_bytes);
	for (uint16_t i = next && obj->n_history == LIMIT_HISTORY; i < obj->n_history; i++) {
		transition_fill(obj->machine, sm_history_at(obj, i), &t[env.n_history]);
		list[env.n_history] = &t[env.n_history];
		env.n_history++;
	}
	if (next) {
		transition_fill(obj->machine, next, &t[env.n_history]);
		list[env.n_history] = &t[env.n_history];
		env.n_history++;
	}
	env.history = list;
	env.state = obj->machine->states[state].number;
	env.seq = seq;
	env.since_ns = since_ns;
	env.failure = failure;
	env.row = (ProtobufCBinaryData){ .len = row_size, .data = row_bytes };
	*ret_size = crisp__state__envelope__get_packed_size(&env);
	bytes = xmalloc(*ret_size);
	crisp__state__envelope__pack(&env, bytes);
	return bytes;
}

static struct sm_transition transition_of(const struct sm_row *row, int64_t now)
{
	return (struct sm_transition){
		.at_ns = now,
		.from = row->state,
		.to = row->target,
		.event = row->event,
	};
}

static int64_t since_after(const struct sm_object *obj, const struct sm_row *row, int64_t now)
{
	return row->target == row->state && obj->since_ns ? obj->since_ns : now;
}

/* The object's failure after row's move. */
static struct Crisp__State__Failure *failure_after(const struct sm_object *obj,
						   const struct sm_row *row)
{
	return row->retries ? obj->draft_failure : row->target == row->state ? obj->failure : NULL;
}

/* Pack the object as of after row's move. */
static void *draft_pack(const struct sm_object *obj, const struct sm_row *row, int64_t now,
			size_t *ret_size)
{
	struct sm_transition next = transition_of(row, now);

	return envelope_pack(obj, obj->draft, failure_after(obj, row), row->target, obj->seq + 1,
			     since_after(obj, row, now), &next, ret_size);
}

void *sm_object_pack(const struct sm_object *obj, size_t *ret_size)
{
	return envelope_pack(obj, obj->row, obj->failure, obj->state, obj->seq, obj->since_ns, NULL,
			     ret_size);
}

/* --- objects --- */

struct sm_object *sm_object_new(struct sm_engine *en, const struct sm_machine *m, const char *id,
				void *row)
{
	struct sm_object *obj = xcalloc(1, sizeof(*obj));

	assert(strlen(id) <= ID_LEN);
	obj->engine = en;
	obj->machine = m;
	memcpy(obj->id, id, strlen(id));
	obj->state = m->initial;
	obj->row = row;
	obj->effect = -1;
	list_init(&obj->events);
	list_init(&obj->parked);
	list_init(&obj->work);
	list_init(&obj->node);
	list_init(&obj->children);
	list_init(&obj->sibling);
	if (m->parent)
		obj->parent = en->ops->find(en->arg, m->parent, m->parent_id(row));
	if (obj->parent)
		list_append(&obj->parent->children, &obj->sibling);
	return obj;
}

int sm_state_by_number(const struct sm_machine *m, uint32_t number)
{
	for (int i = 0; i < m->n_states; i++)
		if (m->states[i].number == number)
			return i;
	return -1;
}

/* Name of the first broken invariant of the state; NULL: all hold. */
static const char *broken_invariant(const struct sm_machine *m, uint16_t state, const void *row)
{
	const struct sm_state *s = &m->states[state];

	for (uint16_t i = 0; i < s->n_holds; i++)
		if (!m->invariants[s->holds[i]](row))
			return m->invariant_names[s->holds[i]];
	return NULL;
}

static void load_history(struct sm_object *obj, const Crisp__State__Envelope *env)
{
	for (size_t i = 0; i < env->n_history; i++) {
		const Crisp__State__Transition *t = env->history[i];
		int from = sm_state_by_number(obj->machine, t->from);
		int to = sm_state_by_number(obj->machine, t->to);
		int event = sm_event_by_name(obj->machine, t->event);

		/* Skip states and events that only an older version knows. */
		if (from < 0 || to < 0 || event < 0)
			continue;
		history_add(obj, (struct sm_transition){
					 .at_ns = t->at_ns,
					 .from = (uint16_t)from,
					 .to = (uint16_t)to,
					 .event = (uint16_t)event,
				 });
	}
}

int sm_object_load(struct sm_engine *en, const struct sm_machine *m, const char *id,
		   const void *envelope, size_t size, struct sm_object **ret, struct err *e)
{
	Crisp__State__Envelope *env = NULL;
	const char *broken;
	void *raw, *row = NULL;
	int state, r = 0;

	if (strlen(id) > ID_LEN)
		return err_set(e, ERR_DATA_LOSS, "row %s/%.80s does not end in an id", m->name, id);
	env = crisp__state__envelope__unpack(NULL, size, envelope);
	if (!env)
		return err_set(e, ERR_DATA_LOSS, "row %s/%s does not decode", m->name, id);
	state = sm_state_by_number(m, env->state);
	raw = protobuf_c_message_unpack(m->row_descriptor, NULL, env->row.len, env->row.data);
	row = raw ? row_copy(raw) : NULL;
	row_free(raw);
	if (!row)
		r = err_set(e, ERR_DATA_LOSS, "record in row %s/%s does not decode", m->name, id);
	else if (state < 0 || m->states[state].kind == SM_KIND_INITIAL ||
		 m->states[state].kind == SM_KIND_FINAL)
		r = err_set(e, ERR_DATA_LOSS,
			    "row %s/%s is in state %u, which this version does "
			    "not know",
			    m->name, id, env->state);
	else if ((broken = broken_invariant(m, (uint16_t)state, row)))
		r = err_set(e, ERR_DATA_LOSS, "row %s/%s in state %s breaks invariant %s", m->name,
			    id, m->states[state].name, broken);
	if (r == 0) {
		*ret = sm_object_new(en, m, id, row);
		(*ret)->state = (uint16_t)state;
		(*ret)->seq = env->seq;
		(*ret)->since_ns = env->since_ns;
		(*ret)->failure = take_ptr(env->failure);
		load_history(*ret, env);
	} else {
		row_free(row);
	}
	crisp__state__envelope__free_unpacked(env, NULL);
	return r;
}

static void answer(struct sm_object *obj, struct sm_waiter *w, const struct err *e)
{
	obj->engine->ops->reply(obj->engine->arg, obj, w, e);
}

#define ANY_EVENT (-1)

static void answer_work(struct sm_object *obj, int event, const struct err *e)
{
	struct list work;

	list_init(&work);
	list_splice(&work, &obj->work);
	while (!list_empty(&work)) {
		struct sm_waiter *w = list_entry(work.next, struct sm_waiter, node);

		list_remove(&w->node);
		if (event == ANY_EVENT || w->event == event)
			answer(obj, w, e);
		else
			list_append(&obj->work, &w->node);
	}
}

void sm_detach(struct sm_object *obj, const struct err *e)
{
	answer_work(obj, ANY_EVENT, e);
}

unsigned sm_waiting(const struct sm_object *obj)
{
	const struct list *const lists[] = { &obj->work, &obj->parked, &obj->events };
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		list_for_each(node, lists[i])
			n++;
	return n;
}

struct sm_event *sm_take_parked(struct sm_object *obj)
{
	struct sm_event *ev;

	list_splice(&obj->parked, &obj->events);
	if (list_empty(&obj->parked))
		return NULL;
	ev = list_entry(obj->parked.next, struct sm_event, node);
	list_remove(&ev->node);
	return ev;
}

void sm_object_free(struct sm_object *obj)
{
	struct err e = ERR_NULL;
	struct sm_event *ev;

	if (!obj)
		return;
	err_set(&e, ERR_UNAVAILABLE, "%s %s: crispd is shutting down", obj->machine->name, obj->id);
	answer_work(obj, ANY_EVENT, &e);
	while ((ev = sm_take_parked(obj))) {
		if (ev->waiter)
			answer(obj, ev->waiter, &e);
		sm_event_free(ev);
	}
	list_remove(&obj->node);
	list_remove(&obj->sibling);
	while (!list_empty(&obj->children)) {
		struct sm_object *child = list_entry(obj->children.next, struct sm_object, sibling);

		list_remove(&child->sibling);
		child->parent = NULL;
	}
	sm_event_free(obj->current);
	row_free(obj->draft);
	row_free(obj->row);
	failure_free(&obj->draft_failure);
	failure_free(&obj->failure);
	free(obj);
}

/* --- deadlines and effects --- */

static void arm_next(struct sm_object *obj)
{
	obj->engine->ops->arm(obj->engine->arg, obj, sm_armed_at(obj));
}

static void arm(struct sm_object *obj, int64_t fixed_from)
{
	const struct sm_state *s = sm_state(obj);
	int64_t at = 0;

	if (s->deadline >= 0)
		at = obj->machine->deadlines[s->deadline](obj->row);
	else if (s->within_ms)
		at = fixed_from + s->within_ms * NSEC_PER_MSEC;
	obj->deadline_ns = at;
	arm_next(obj);
}

static void start_effect(struct sm_object *obj, uint16_t effect)
{
	if (obj->retry_ns) {
		obj->retry_ns = 0;
		arm_next(obj);
	}
	obj->effect = (int16_t)effect;
	obj->effect_gen++;
	obj->machine->effects[effect].start(obj);
}

int64_t sm_pause_ns(const struct sm_object *obj, uint32_t tries)
{
	const struct sm_effect_info *f = &obj->machine->effects[obj->effect];
	int64_t ms = f->retry_min_ms;

	for (uint32_t i = 1; i < tries && ms < f->retry_max_ms; i++)
		ms *= 2;
	return MIN(ms, f->retry_max_ms) * NSEC_PER_MSEC;
}

/* Count the effect as in flight during the pause, so that reports of earlier tries are stale. */
static void start_after_pause(struct sm_object *obj, uint16_t effect)
{
	obj->effect = (int16_t)effect;
	obj->effect_gen++;
	obj->retry_ns =
		obj->engine->ops->now(obj->engine->arg) + sm_pause_ns(obj, obj->failure->tries);
	arm_next(obj);
}

/* --- recovery --- */

static void recover(struct sm_object *obj)
{
	const struct sm_state *s = sm_state(obj);

	if (s->recover >= 0)
		start_effect(obj, (uint16_t)s->recover);
	if (s->recover_told)
		sm_tell_children(obj, s->recover_told);
	sm_family_look(obj);
}

void sm_recover(struct sm_object *obj)
{
	arm(obj, obj->engine->ops->now(obj->engine->arg));
	recover(obj);
}

void sm_redo(struct sm_object *obj)
{
	recover(obj);
}

void sm_overdue(struct sm_object *obj)
{
	struct sm_event *ev;

	if (sm_armed_at(obj) == obj->retry_ns && obj->retry_ns) {
		start_effect(obj, (uint16_t)obj->effect);
		return;
	}
	obj->deadline_ns = 0;
	arm_next(obj);
	if (obj->machine->clock < 0)
		return;
	ev = sm_event_new(obj->machine->clock);
	/* Bind the event to the effect in flight: queued events may end that effect first. */
	ev->gen = obj->effect_gen;
	sm_dispatch(obj, ev);
}

void sm_effect_done(struct sm_object *obj, uint64_t gen, struct sm_event *ev)
{
	if (obj->machine->events[ev->event].class == SM_CLASS_DONE)
		ev->gen = gen;
	sm_dispatch(obj, ev);
}

/* --- moves --- */

static bool row_has(const struct sm_row *row, enum sm_op op)
{
	for (uint16_t i = 0; i < row->n_actions; i++)
		if (row->actions[i].op == op)
			return true;
	return false;
}

static bool row_commits(const struct sm_row *row)
{
	return row_has(row, SM_OP_SAVE) || row_has(row, SM_OP_SAVE_BOOT) ||
	       row_has(row, SM_OP_MOVE);
}

static const struct sm_row *choose_row(const struct sm_object *obj, const struct sm_cell *cell,
				       const struct sm_event *ev)
{
	for (uint16_t i = 0; i < cell->n_rows; i++) {
		const struct sm_row *row = &cell->rows[i];

		if (row->guard < 0 || obj->machine->guards[row->guard](obj->row, ev))
			return row;
	}
	return NULL;
}

static void park(struct sm_object *obj, struct sm_event *ev)
{
	list_append(&obj->parked, &ev->node);
}

static void refuse(struct sm_object *obj, struct sm_event *ev, int code)
{
	struct err e = ERR_NULL;

	err_set(&e, (enum err_code)code, "%s %s is %s: %s is not possible now", obj->machine->name,
		obj->id, sm_state(obj)->name, obj->machine->events[ev->event].name);
	if (ev->waiter)
		answer(obj, ev->waiter, &e);
	sm_event_free(ev);
}

/* Handle an event that matches no row, as the cell's answer decides. */
static void stand(struct sm_object *obj, const struct sm_cell *cell, struct sm_event *ev)
{
	switch (cell->answer) {
	case SM_ANSWER_NEVER:
	case SM_ANSWER_MOVE:
		obj->engine->ops->never(obj->engine->arg, obj, ev);
		if (ev->waiter)
			refuse(obj, ev, ERR_INTERNAL);
		else
			sm_event_free(ev);
		break;
	case SM_ANSWER_IGNORE:
		if (ev->waiter)
			answer(obj, ev->waiter, NULL);
		sm_event_free(ev);
		break;
	case SM_ANSWER_WAIT:
		park(obj, ev);
		break;
	case SM_ANSWER_JOIN:
		if (ev->waiter)
			list_append(&obj->work, &ev->waiter->node);
		sm_event_free(ev);
		break;
	case SM_ANSWER_REFUSE:
		refuse(obj, ev, cell->refuse_code);
		break;
	}
}

/* Check at delivery, since an earlier event in the queue may have ended the effect. */
static bool is_stale(const struct sm_object *obj, const struct sm_event *ev)
{
	const struct sm_event_info *info = &obj->machine->events[ev->event];

	if (info->quiet)
		return !sm_state(obj)->cells[ev->event].n_rows ||
		       !sm_family_is_quiet(obj, info->unless);
	return ev->gen && ev->gen != obj->effect_gen;
}

static void deliver(struct sm_object *obj, struct sm_event *ev)
{
	const struct sm_cell *cell = &sm_state(obj)->cells[ev->event];
	const struct sm_row *row;

	if (is_stale(obj, ev)) {
		sm_event_free(ev);
		return;
	}
	row = choose_row(obj, cell, ev);
	if (!row) {
		stand(obj, cell, ev);
		return;
	}
	obj->current = ev;
	if (row_commits(row))
		obj->draft = sm_row_clone(obj->row);
	if (row->retries)
		obj->draft_failure = failure_new(obj, ev);
	if (ev->waiter)
		list_append(&obj->work, &ev->waiter->node);
	run(obj, row, 0);
}

static bool busy_with_commit(const struct sm_object *obj)
{
	return obj->current || obj->stalled;
}

void sm_dispatch(struct sm_object *obj, struct sm_event *ev)
{
	assert(!ev->payload == !obj->machine->events[ev->event].carries);
	ev->at_ns = obj->engine->ops->now(obj->engine->arg);
	list_append(&obj->events, &ev->node);
	drain(obj);
}

/* Deliver queued events.  In a state of kind REST, parked events follow the queued ones. */
static void drain(struct sm_object *obj)
{
	while (!busy_with_commit(obj) && sm_state(obj)->kind != SM_KIND_FINAL) {
		struct sm_event *ev;

		if (list_empty(&obj->events) && sm_state(obj)->kind == SM_KIND_REST)
			list_splice(&obj->events, &obj->parked);
		if (list_empty(&obj->events))
			return;
		ev = list_entry(obj->events.next, struct sm_event, node);
		list_remove(&ev->node);
		deliver(obj, ev);
	}
}

static void crash_point(const struct sm_object *obj, const struct sm_row *row, uint16_t item)
{
	if (sm_crash_hook)
		sm_crash_hook(obj->machine, row->number, item);
}

static void finish(struct sm_object *obj)
{
	sm_event_free(take_ptr(obj->current));
	if (sm_state(obj)->kind == SM_KIND_FINAL)
		obj->engine->ops->gone(obj->engine->arg, obj);
	else
		drain(obj);
}

/* Run the row's actions from item on, up to its commit or its end. */
static void run(struct sm_object *obj, const struct sm_row *row, uint16_t item)
{
	for (uint16_t i = item; i < row->n_actions; i++) {
		const struct sm_action *a = &row->actions[i];

		crash_point(obj, row, i);
		switch (a->op) {
		case SM_OP_STEP:
			obj->machine->steps[a->arg](obj->draft, obj->current);
			break;
		case SM_OP_SAVE:
		case SM_OP_SAVE_BOOT:
			obj->commit_row = row;
			obj->commit_item = i;
			list_append(&obj->engine->pending, &obj->node);
			return;
		case SM_OP_MOVE:
			assert(!broken_invariant(obj->machine, row->target, obj->draft));
			obj->commit_row = row;
			obj->commit_item = i;
			/* Free objects at the end of the turn only, in sm_flush. */
			if (commit_is_final(obj))
				list_append(&obj->engine->pending, &obj->node);
			else
				commit_done(obj, obj->engine->ops->now(obj->engine->arg));
			return;
		case SM_OP_REPLY:
			answer_work(obj, ANY_EVENT, NULL);
			break;
		case SM_OP_REPLY_TO:
			answer_work(obj, a->arg, NULL);
			break;
		case SM_OP_REQUEUE:
			break; /* commit_done parks the event; a failed commit answers its call */
		case SM_OP_EFFECT:
			/* Restarting the effect restarts the state's deadline. */
			if (row->target == row->state &&
			    (!row_commits(row) || obj->machine->unstored))
				arm(obj, obj->engine->ops->now(obj->engine->arg));
			if (row->retries)
				start_after_pause(obj, a->arg);
			else
				start_effect(obj, a->arg);
			break;
		case SM_OP_TELL_CHILDREN:
			sm_tell_children(obj, a->told);
			break;
		case SM_OP_TELL_PARENT:
			sm_tell_parent(obj, a->told);
			break;
		}
	}
	crash_point(obj, row, row->n_actions);
	finish(obj);
}

/* --- commits --- */

static void commit_failed(struct sm_object *obj, const struct err *e)
{
	struct sm_engine *en = obj->engine;
	struct sm_event *ev = take_ptr(obj->current);
	bool first = sm_state(obj)->kind == SM_KIND_INITIAL;

	row_free(take_ptr(obj->draft));
	failure_free(&obj->draft_failure);
	obj->commit_row = NULL;
	if (ev->waiter) {
		list_remove(&ev->waiter->node);
		answer(obj, ev->waiter, e);
		sm_event_free(ev);
	} else {
		/* The event reports a fact, so deliver it again in sm_retry. */
		list_prepend(&obj->events, &ev->node);
		obj->stalled = true;
		list_append(&en->stalled, &obj->node);
		return;
	}
	if (first) {
		struct sm_object *parent = obj->parent;

		en->ops->gone(en->arg, obj);
		if (parent)
			sm_family_look(parent);
	} else {
		drain(obj);
	}
}

/* Park the move's event until a state of kind REST.  Also without a waiter: another machine may
 * have raised the event. */
static void park_current(struct sm_object *obj, int64_t now)
{
	struct sm_event *ev = obj->current;

	if (ev->waiter)
		list_remove(&ev->waiter->node);
	park(obj, ev);
	/* Replace the parked event: the rest of the move needs a current event. */
	obj->current = sm_event_new(ev->event);
	obj->current->at_ns = now;
}

static void commit_done(struct sm_object *obj, int64_t now)
{
	const struct sm_row *row = take_ptr(obj->commit_row);
	struct sm_object *parent = obj->machine->unstored ? NULL : obj->parent;
	bool final = obj->machine->states[row->target].kind == SM_KIND_FINAL;

	row_free(obj->row);
	obj->row = take_ptr(obj->draft);
	if (row->retries || row->target != row->state) {
		failure_free(&obj->failure);
		obj->failure = take_ptr(obj->draft_failure);
	}
	obj->seq++;
	history_add(obj, transition_of(row, now));
	obj->since_ns = since_after(obj, row, now);
	if (row->target != row->state) {
		obj->effect = -1;
		obj->effect_gen++;
		obj->retry_ns = 0;
	}
	obj->state = row->target;
	if (row_has(row, SM_OP_REQUEUE))
		park_current(obj, now);
	obj->engine->ops->moved(obj->engine->arg, obj, row);
	/* In an unstored machine only a restart of the effect restarts the deadline. */
	if (row->target != row->state || !obj->machine->unstored)
		arm(obj, row->target == row->state ? obj->since_ns : now);
	run(obj, row, (uint16_t)(obj->commit_item + 1));
	/* run has freed an object in its final state. */
	if (!final)
		sm_family_look(obj);
	if (parent)
		sm_family_look(parent);
}

static bool commit_is_final(const struct sm_object *obj)
{
	return obj->machine->states[obj->commit_row->target].kind == SM_KIND_FINAL;
}

/* Commit n objects in one transaction.  <0: e is set, none is stored. */
static int commit(struct sm_engine *en, struct sm_object **objs, size_t n, int64_t now,
		  struct err *e)
{
	struct sm_write *writes = xcalloc(n, sizeof(*writes));
	size_t n_writes = 0;
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		struct sm_object *obj = objs[i];
		struct sm_write *w = &writes[n_writes];

		if (obj->machine->unstored)
			continue;
		n_writes++;
		w->obj = obj;
		w->state = obj->commit_row->target;
		/* Stop before a faulty step's draft reaches the disk. */
		assert(!broken_invariant(obj->machine, w->state, obj->draft));
		w->row = obj->draft;
		w->durable = obj->commit_row->actions[obj->commit_item].op == SM_OP_SAVE;
		w->final = commit_is_final(obj);
		w->envelope = draft_pack(obj, obj->commit_row, now, &w->size);
	}
	if (n_writes)
		r = en->ops->commit(en->arg, writes, n_writes, e);
	for (size_t i = 0; i < n_writes; i++)
		free((void *)(uintptr_t)writes[i].envelope);
	free(writes);
	return r;
}

/* Commit each object alone, removals first: on a full disk, removals free space and commits that
 * need no space still succeed. */
static void commit_each(struct sm_engine *en, struct sm_object **objs, size_t n, int64_t now)
{
	for (int final = 1; final >= 0; final--) {
		for (size_t i = 0; i < n; i++) {
			struct err e = ERR_NULL;

			if (!objs[i] || commit_is_final(objs[i]) != final)
				continue;
			if (commit(en, &objs[i], 1, now, &e) == 0)
				commit_done(objs[i], now);
			else
				commit_failed(objs[i], &e);
			objs[i] = NULL; /* may be freed */
		}
	}
}

bool sm_flush(struct sm_engine *en)
{
	_cleanup_free_ struct sm_object **objs = NULL;
	struct err e = ERR_NULL;
	int64_t now = en->ops->now(en->arg);
	size_t n = 0;

	list_for_each(node, &en->pending)
		n++;
	if (n == 0)
		return false;
	objs = xcalloc(n, sizeof(struct sm_object *));
	for (size_t i = 0; i < n; i++) {
		objs[i] = list_entry(en->pending.next, struct sm_object, node);
		list_remove(&objs[i]->node);
	}
	if (commit(en, objs, n, now, &e) == 0)
		for (size_t i = 0; i < n; i++)
			commit_done(objs[i], now);
	else if (n == 1)
		commit_failed(objs[0], &e);
	else
		commit_each(en, objs, n, now);
	return !list_empty(&en->pending);
}

bool sm_has_stalled(const struct sm_engine *en)
{
	return !list_empty(&en->stalled);
}

void sm_retry(struct sm_engine *en)
{
	struct list stalled;

	list_init(&stalled);
	list_splice(&stalled, &en->stalled);
	while (!list_empty(&stalled)) {
		struct sm_object *obj = list_entry(stalled.next, struct sm_object, node);

		list_remove(&obj->node);
		obj->stalled = false;
		drain(obj);
	}
}
