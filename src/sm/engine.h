/*
 * engine.h - the interpreter of the compiled machines: one choke point for every move.
 *
 * A move: the event selects a table row; steps edit a draft of the object's record; the commit
 * stores draft and new state.  Only then does the draft become current, do replies go out and
 * effects start.  Commits of one turn share one transaction (sm_flush).  A failed commit drops
 * the draft: an rpc gets the error as its reply, any other event is kept and delivered again.
 *
 * Invariant: memory is never ahead of the disk, and no client is ahead of memory.
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

/* A client's call that waits for its reply; the owner embeds this struct. */
struct sm_waiter {
	struct list node;
	int event; /* the rpc event of the call */
};

/* One event of one object, from sm_event_new.  sm_dispatch takes ownership. */
struct sm_event {
	struct list node;
	int event;
	int64_t at_ns; /* CLOCK_REALTIME of sm_dispatch; steps have no other clock */
	struct sm_waiter *waiter; /* NULL: no call waits for a reply */
	uint64_t gen; /* effect_gen of the effect that reports; 0: not from an effect */
	int64_t until_ns; /* CLOCK_REALTIME deadline of its client; INT64_MAX, 0: none */
	struct err err; /* cause of a failure event */
	void *payload; /* of the type the table declares; owned by the event */
	void (*free_payload)(void *payload);
};

/* New event without a payload; gen/sm_X.h has the constructors of events with one. */
struct sm_event *sm_event_new(int event);
/* New failure event.  why may be NULL or hold ERR_OK: cause unknown. */
struct sm_event *sm_event_failed(int event, const struct err *why);
void sm_event_free(struct sm_event *ev);

struct sm_transition {
	int64_t at_ns;
	uint16_t from, to; /* indices into the machine's states */
	uint16_t event;
};

/* One object.  Its owner may read the fields; only the engine writes them. */
struct sm_object {
	struct sm_engine *engine;
	const struct sm_machine *machine;
	char id[ID_LEN + 1];
	uint16_t state; /* index into machine->states */
	uint64_t seq;
	int64_t since_ns; /* CLOCK_REALTIME of entry into the state */
	int64_t deadline_ns; /* CLOCK_REALTIME, 0: none */
	int64_t retry_ns; /* CLOCK_REALTIME of the effect's next try, 0: no retry pending */
	void *row; /* current record: the machine's row message */
	/* Cause and count of failed tries of the state's effect; NULL: no failed try. */
	struct Crisp__State__Failure *failure;
	int16_t effect; /* in flight, -1: none */
	uint64_t effect_gen; /* drops reports of earlier effects */
	struct sm_transition history[LIMIT_HISTORY];
	uint16_t n_history, next_history;
	void *user; /* the owner's data */
	struct sm_object *parent; /* NULL: the machine has no parent, or the parent was freed */
	struct list children; /* of sm_object.sibling */
	struct list sibling;

	/* Private to the engine. */
	struct list events; /* queued until the pending commit ends */
	struct list parked; /* events queued until a state of kind REST */
	struct list work; /* waiters that the work in flight answers */
	struct list node; /* in the engine's pending or stalled list */
	struct sm_event *current;
	const struct sm_row *commit_row; /* row with a pending commit, NULL: none */
	uint16_t commit_item;
	bool stalled;
	void *draft;
	struct Crisp__State__Failure *draft_failure; /* the next `failure` */
};

/* One object's write in a commit. */
struct sm_write {
	struct sm_object *obj;
	uint16_t state; /* the new one */
	const void *row; /* the draft */
	const void *envelope; /* crisp.state.Envelope, packed */
	size_t size;
	bool durable;
	bool final; /* delete the row */
};

/* Callbacks of the engine's owner. */
struct sm_ops {
	int64_t (*now)(void *arg); /* CLOCK_REALTIME, ns */
	/* Call sm_overdue at at_ns, CLOCK_REALTIME (sm_armed_at(obj)); 0: disarm. */
	void (*arm)(void *arg, struct sm_object *obj, int64_t at_ns);
	/* Commit all writes in one transaction.  <0: e is set, none is stored. */
	int (*commit)(void *arg, const struct sm_write *writes, size_t n, struct err *e);
	/* Answer one call with e; e NULL: answer from the record.  Frees the waiter. */
	void (*reply)(void *arg, struct sm_object *obj, struct sm_waiter *w, const struct err *e);
	/* obj made a move, possibly into the same state.  Logs the move's only line. */
	void (*moved)(void *arg, struct sm_object *obj, const struct sm_row *row);
	/* obj is in its final state, or its first commit failed: remove and free obj.  Take its
	 * unhandled events with sm_take_parked before sm_object_free. */
	void (*gone)(void *arg, struct sm_object *obj);
	/* ev reached a cell that the table marks `never`. */
	void (*never)(void *arg, struct sm_object *obj, const struct sm_event *ev);
	/* Find the parent object; NULL: no such object.  Unused if no machine has a parent. */
	struct sm_object *(*find)(void *arg, const char *machine, const char *id);
};

struct sm_engine *sm_engine_new(const struct sm_ops *ops, void *arg);
void sm_engine_free(struct sm_engine *en);

/* New object in the machine's initial state.  Takes row, which the default allocator unpacked.
 * Links the parent that the row names, so create and load parents before their children. */
struct sm_object *sm_object_new(struct sm_engine *en, const struct sm_machine *m, const char *id,
				void *row);
/* Load an object from its stored envelope.  <0: e is set (ERR_DATA_LOSS: the row does not unpack,
 * its state is unknown, or an invariant is broken). */
int sm_object_load(struct sm_engine *en, const struct sm_machine *m, const char *id,
		   const void *envelope, size_t size, struct sm_object **ret, struct err *e);
/* Free obj, which may be NULL.  Answers its waiting calls with UNAVAILABLE. */
void sm_object_free(struct sm_object *obj);

/* Copy a record; free the copy with protobuf_c_message_free_unpacked(copy, NULL). */
void *sm_row_clone(const void *row);

/* The i-th transition in the history (i < n_history), oldest first. */
const struct sm_transition *sm_history_at(const struct sm_object *obj, uint16_t i);

/* Pack the current object as an envelope; the caller frees it. */
void *sm_object_pack(const struct sm_object *obj, size_t *ret_size);

/* Start the recovery and the deadline of obj's state; once per object, after all are loaded.
 * Recover parents first: their events for children then precede the children's recovery. */
void sm_recover(struct sm_object *obj);

/* Restart the recovery of obj's state as the effect in flight, after its worker was lost. */
void sm_redo(struct sm_object *obj);

/* Deliver an event.  Takes ev. */
void sm_dispatch(struct sm_object *obj, struct sm_event *ev);
/* Deliver the outcome of the effect that started with obj->effect_gen == gen.  Takes ev. */
void sm_effect_done(struct sm_object *obj, uint64_t gen, struct sm_event *ev);
/* The time given to sm_ops.arm is reached: start the retry, or raise the clock event. */
void sm_overdue(struct sm_object *obj);

/* Commit this turn's pending moves, then run their replies and effects.  true: call again. */
bool sm_flush(struct sm_engine *en);
/* Deliver events again that were kept after a failed commit.  Call periodically. */
void sm_retry(struct sm_engine *en);
/* true: at least one object waits for sm_retry. */
bool sm_has_stalled(const struct sm_engine *en);

/* Answer all calls that wait for the work in flight, with e; the work continues. */
void sm_detach(struct sm_object *obj, const struct err *e);

/* Number of waiters and queued events of this object. */
unsigned sm_waiting(const struct sm_object *obj);

/* Take the next unhandled event of an object in sm_ops.gone; NULL: none left. */
struct sm_event *sm_take_parked(struct sm_object *obj);

static inline const struct sm_state *sm_state(const struct sm_object *obj)
{
	return &obj->machine->states[obj->state];
}

/* Pause before the next try of the effect in flight, from its `retry MIN..MAX`. */
int64_t sm_pause_ns(const struct sm_object *obj, uint32_t tries);

/* Does the object's state have this trait?  false also if the machine has no such trait. */
bool sm_has_trait(const struct sm_object *obj, const char *trait);
/* Likewise, of any state of a machine. */
bool sm_trait_of(const struct sm_machine *m, uint16_t state, const char *trait);

/* A child that keeps the object in its state; NULL: no such child. */
const struct sm_object *sm_awaited_child(const struct sm_object *obj);

/* CLOCK_REALTIME ns of the next sm_overdue; 0: never. */
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

/* Test hook, else NULL: called before each action and after the last action of a row. */
extern void (*sm_crash_hook)(const struct sm_machine *m, unsigned row, unsigned item);
