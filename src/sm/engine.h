/*
 * engine.h - the interpreter of the compiled machines: one choke point for every move.
 *
 * A move: the event picks a row of the table; steps edit a draft of the object's record; the
 * commit makes draft and new state permanent; only then do they become current, are answers
 * sent and effects started.  Commits of one turn share one transaction (sm_flush).  A commit
 * that fails drops the draft: nothing happened, the caller of an rpc is told, any other event
 * is kept and delivered again.
 *
 * What must hold: memory is never ahead of the disk, and no client is ahead of memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/list.h"
#include "sm/machine.h"

struct sm_engine;

/* A client's call that waits for an answer; the owner embeds it. */
struct sm_waiter {
	struct list node;
	int event; /* what it asked for */
};

/* Something that happened to an object.  Made with sm_event_new, owned by the engine from
 * sm_dispatch on. */
struct sm_event {
	struct list node;
	int event;
	int64_t at_ns; /* when it was dispatched first; steps have no other clock */
	struct sm_waiter *waiter; /* NULL: nobody waits */
	uint64_t gen; /* of the effect it reports, 0: of none */
	struct err err; /* why, for events of failure */
	void *payload; /* what the table says that it carries; owned by the event */
	void (*free_payload)(void *payload);
};

/* An event that carries nothing; gen/sm_X.h makes those that carry something. */
struct sm_event *sm_event_new(int event);
/* The same, with the reason.  why may be NULL or ERR_OK: none is known. */
struct sm_event *sm_event_failed(int event, const struct err *why);
void sm_event_free(struct sm_event *ev);

struct sm_transition {
	int64_t at_ns;
	uint16_t from, to; /* indices into the machine's states */
	uint16_t event;
};

/* One object.  Readable by its owner, changed only by the engine. */
struct sm_object {
	struct sm_engine *engine;
	const struct sm_machine *machine;
	char id[ID_LEN + 1];
	uint16_t state; /* index into machine->states */
	uint64_t seq;
	int64_t since_ns; /* when the state was entered */
	int64_t deadline_ns; /* CLOCK_REALTIME, 0: none */
	int64_t retry_ns; /* CLOCK_REALTIME: when the effect is tried again, 0: not waiting */
	void *row; /* the machine's message, current */
	/* Why the last try of the state's effect failed, and how many have; NULL: none has. */
	struct Crisp__State__Failure *failure;
	int16_t effect; /* in flight, -1: none */
	uint64_t effect_gen; /* reports of earlier effects are dropped by this */
	struct sm_transition history[LIMIT_HISTORY];
	uint16_t n_history, next_history;
	void *user; /* the owner's */
	struct sm_object *parent; /* NULL: its machine has none, or there is none any more */
	struct list children; /* of sm_object.sibling */
	struct list sibling;

	/* The engine's own. */
	struct list events; /* wait for the commit under way */
	struct list parked; /* wait for a state at rest */
	struct list work; /* waiters of the work in flight */
	struct list node; /* in the engine's pending or stalled list */
	struct sm_event *current;
	const struct sm_row *commit_row; /* whose commit is pending, NULL: none */
	uint16_t commit_item;
	bool stalled;
	void *draft;
	struct Crisp__State__Failure *draft_failure; /* what `failure` becomes */
};

/* One object's part of a commit. */
struct sm_write {
	struct sm_object *obj;
	uint16_t state; /* the new one */
	const void *row; /* the draft */
	const void *envelope; /* crisp.state.Envelope, packed */
	size_t size;
	bool durable;
	bool final; /* delete instead */
};

/* What the engine needs from outside. */
struct sm_ops {
	int64_t (*now)(void *arg); /* CLOCK_REALTIME, ns */
	/* Call sm_overdue at that time, sm_armed_at(obj); 0: no more. */
	void (*arm)(void *arg, struct sm_object *obj, int64_t at_ns);
	/* All writes in one transaction, or none. */
	int (*commit)(void *arg, const struct sm_write *writes, size_t n, struct err *e);
	/* Answer one call: with e, or from the record when e is NULL.  Frees the waiter. */
	void (*reply)(void *arg, struct sm_object *obj, struct sm_waiter *w, const struct err *e);
	/* A move was made; the only line about it is logged here.  It may stay in its state. */
	void (*moved)(void *arg, struct sm_object *obj, const struct sm_row *row);
	/* In its final state, or its first commit failed: forget and free it.  Events not handled
	 * are taken with sm_take_parked before sm_object_free. */
	void (*gone)(void *arg, struct sm_object *obj);
	/* An event that the table says never comes. */
	void (*never)(void *arg, struct sm_object *obj, const struct sm_event *ev);
	/* The object that is to be a parent; NULL: there is none.  Unused without such machines. */
	struct sm_object *(*find)(void *arg, const char *machine, const char *id);
};

struct sm_engine *sm_engine_new(const struct sm_ops *ops, void *arg);
void sm_engine_free(struct sm_engine *en);

/* A new object in the machine's initial state.  row is unpacked with the default allocator and
 * belongs to the object from here.  Its parent, which the row names, is looked for now: parents
 * are made and loaded before their children. */
struct sm_object *sm_object_new(struct sm_engine *en, const struct sm_machine *m, const char *id,
				void *row);
/* An object from the store.  Refuses what does not unpack, an unknown state, a broken invariant. */
int sm_object_load(struct sm_engine *en, const struct sm_machine *m, const char *id,
		   const void *envelope, size_t size, struct sm_object **ret, struct err *e);
/* Answers everybody who still waits with UNAVAILABLE. */
void sm_object_free(struct sm_object *obj);

/* A copy of a machine's record, for protobuf_c_message_free_unpacked(copy, NULL). */
void *sm_row_clone(const void *row);

/* The i-th transition kept (i < n_history), the oldest first. */
const struct sm_transition *sm_history_at(const struct sm_object *obj, uint16_t i);

/* The object as it is, packed as an envelope; the caller frees it. */
void *sm_object_pack(const struct sm_object *obj, size_t *ret_size);

/* After all objects are loaded, once for each: start the state's recovery and its deadline.  What
 * children are told then reaches them before their own recovery. */
void sm_recover(struct sm_object *obj);

/* The recovery of the object's state, once more, as the effect in flight: who worked on it is
 * gone. */
void sm_redo(struct sm_object *obj);

/* Deliver an event.  Takes ev. */
void sm_dispatch(struct sm_object *obj, struct sm_event *ev);
/* Deliver the outcome of an effect that was started when obj->effect_gen was gen. */
void sm_effect_done(struct sm_object *obj, uint64_t gen, struct sm_event *ev);
/* The time armed has come. */
void sm_overdue(struct sm_object *obj);

/* Commit what this turn has gathered and do what follows.  true: there is more to do. */
bool sm_flush(struct sm_engine *en);
/* Deliver again what a failed commit held back.  Call now and then. */
void sm_retry(struct sm_engine *en);
/* true: some object waits for sm_retry. */
bool sm_has_stalled(const struct sm_engine *en);

/* Answer everybody who waits for the work under way; it goes on. */
void sm_detach(struct sm_object *obj, const struct err *e);

/* How many calls wait for this object, one way or another. */
unsigned sm_waiting(const struct sm_object *obj);

/* Take the next event that an object which is gone has not handled; NULL: none left. */
struct sm_event *sm_take_parked(struct sm_object *obj);

static inline const struct sm_state *sm_state(const struct sm_object *obj)
{
	return &obj->machine->states[obj->state];
}

/* The pause before the effect in flight begins again after so many tries: its `retry MIN..MAX`. */
int64_t sm_pause_ns(const struct sm_object *obj, uint32_t tries);

/* Whether the object's state has this trait of its machine; false: the machine has no such. */
bool sm_has_trait(const struct sm_object *obj, const char *trait);

/* A child that keeps the object in its state; NULL: none does. */
const struct sm_object *sm_awaited_child(const struct sm_object *obj);

/* When sm_overdue is to be called, CLOCK_REALTIME; 0: never. */
static inline int64_t sm_armed_at(const struct sm_object *obj)
{
	if (!obj->retry_ns || (obj->deadline_ns && obj->deadline_ns < obj->retry_ns))
		return obj->deadline_ns;
	return obj->retry_ns;
}

static inline bool sm_is_gone(const struct sm_object *obj)
{
	return sm_state(obj)->kind == SM_KIND_FINAL;
}

/* Called with the machine, row number and action index before each action and after the last
 * of a row.  NULL outside tests. */
extern void (*sm_crash_hook)(const struct sm_machine *m, unsigned row, unsigned item);
