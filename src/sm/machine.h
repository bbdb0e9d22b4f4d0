/*
 * machine.h - the tables of a compiled state machine.
 *
 * smc compiles states/X.sm into one const struct sm_machine (gen/sm_X.c); the engine
 * (sm/engine.h) interprets it.  All tables are read-only.
 *
 * Invariant: every cell[state][event] has a decision.  Rows of a cell keep the order of the .sm
 * file; the last row has no guard unless `otherwise` decides the remaining cases.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sm_object;
struct sm_event;
struct ProtobufCMessageDescriptor;

/* For gen/sm_X.h: new event that owns its payload, and the payload of an event. */
struct sm_event *sm_event_carry(int event, void *payload, void (*free_payload)(void *payload));
const void *sm_event_payload(const struct sm_event *ev);

enum sm_class {
	SM_CLASS_RPC, /* a client's call */
	SM_CLASS_DONE, /* an effect finished */
	SM_CLASS_SHIM, /* a message of the shim */
	SM_CLASS_CLOCK, /* the deadline of the state passed */
	SM_CLASS_FAMILY, /* raised by the parent, a child, or the engine for its children */
};

enum sm_kind {
	SM_KIND_INITIAL, /* no row stored yet */
	SM_KIND_BUSY, /* exactly one effect in flight */
	SM_KIND_REST, /* no effect in flight */
	SM_KIND_FINAL, /* the save that enters the state deletes the row */
};

/* The engine's decision for an event that matches no guarded row of its cell. */
enum sm_answer {
	SM_ANSWER_NEVER, /* programmer error or stale report: call sm_ops.never, drop the event */
	SM_ANSWER_MOVE, /* the last row of the cell has no guard */
	SM_ANSWER_IGNORE, /* the object is there already: reply OK */
	SM_ANSWER_WAIT, /* park the event, deliver it again in a state of kind REST */
	SM_ANSWER_JOIN, /* the call shares the reply of the work in flight */
	SM_ANSWER_REFUSE, /* reply with refuse_code */
};

enum sm_op {
	SM_OP_STEP, /* run steps[arg] on the draft */
	SM_OP_SAVE, /* commit the draft and the new state durably */
	SM_OP_SAVE_BOOT, /* commit them to the boot-scoped store only */
	SM_OP_MOVE, /* make draft and state current without a commit: the machine is unstored */
	SM_OP_REPLY, /* answer every rpc that this work serves */
	SM_OP_REPLY_TO, /* answer those of events[arg] */
	SM_OP_REQUEUE, /* park this event, deliver it again in a state of kind REST */
	SM_OP_EFFECT, /* start effects[arg] */
	SM_OP_TELL_CHILDREN, /* raise `told` in each child that has an event of that name */
	SM_OP_TELL_PARENT, /* raise `told` in the parent */
};

struct sm_action {
	enum sm_op op;
	uint16_t arg;
	const char *told; /* name of an event of the parent or of the children */
};

struct sm_row {
	uint16_t number; /* the row's number in the matrix: crash point is number.item */
	uint16_t state; /* source state: index into states[] */
	uint16_t event;
	int16_t guard; /* index into guards[], -1: none */
	uint16_t target; /* index into states[]; equal to state: no state change */
	uint16_t line; /* in the .sm file */
	bool retries; /* the effect failed: restart the effect after a pause */
	uint16_t n_actions;
	const struct sm_action *actions;
};

struct sm_cell {
	enum sm_answer answer;
	int refuse_code; /* gRPC status for SM_ANSWER_REFUSE */
	uint16_t n_rows;
	const struct sm_row *rows; /* n_rows consecutive rows of the machine's rows[] */
};

struct sm_state {
	const char *name;
	uint32_t number; /* stored in the row; never reused */
	enum sm_kind kind;
	const char *shows; /* name of the CRI status, or NULL */
	int16_t recover; /* index into effects[], -1: none */
	const char *recover_told; /* event to raise in the children on recovery; NULL: none */
	int16_t deadline; /* index into deadlines[], -1: within_ms or unbounded */
	int64_t within_ms; /* fixed limit, 0: none */
	const char *unbounded; /* the reason for having no deadline, or NULL */
	uint16_t n_holds;
	const uint16_t *holds; /* indices into invariants[] */
	const struct sm_cell *cells; /* n_events of them */
};

struct sm_event_info {
	const char *name;
	enum sm_class class;
	const char *carries; /* type of the payload, NULL: no payload */
	bool quiet; /* raised by the engine when no child has the trait `unless` */
	const char *unless; /* NULL: raised when no child exists */
};

struct sm_trait {
	const char *name;
	bool (*is)(uint16_t state);
};

struct sm_effect_info {
	const char *name;
	bool lasting; /* outlives a reboot: `save` precedes the effect in its row */
	int64_t retry_min_ms, retry_max_ms; /* pauses between tries, doubled; 0: no retries */
	uint16_t n_yields;
	const uint16_t *yields; /* event indices */
	/* Called on the loop thread after the commit.  Must not block: hand the work to a worker or
	 * the shim, then return. */
	void (*start)(struct sm_object *obj);
};

struct sm_machine {
	const char *name; /* "container": also the first half of the row's key in the store */
	const char *prefix; /* "ctr" */
	uint32_t version;
	bool unstored; /* rows are in memory only: moves need no commit */
	uint16_t n_states, n_events, n_effects, n_rows;
	uint16_t n_guards, n_steps, n_deadlines, n_invariants;
	uint16_t initial; /* index into states[] */
	int16_t clock; /* the event of class clock, -1: none */
	const struct sm_state *states;
	const struct sm_event_info *events;
	const struct sm_effect_info *effects;
	const struct sm_row *rows;
	const char *parent; /* name of the parent objects' machine; NULL: no parent */
	const char *(*parent_id)(const void *row);
	uint16_t n_traits;
	const struct sm_trait *traits;
	/* Pure functions; `row` is the machine's unpacked row message. */
	bool (*const *guards)(const void *row, const struct sm_event *ev);
	void (*const *steps)(void *draft, const struct sm_event *ev);
	int64_t (*const *deadlines)(const void *row); /* absolute CLOCK_REALTIME ns, 0: none */
	bool (*const *invariants)(const void *row);
	const char *const *guard_names;
	const char *const *step_names;
	const char *const *invariant_names;
	const struct ProtobufCMessageDescriptor *row_descriptor;
};

/* Index of the state with this stored number; -1: this version has none. */
int sm_state_by_number(const struct sm_machine *m, uint32_t number);
