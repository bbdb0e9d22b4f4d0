/*
 * machine.h - the shape of a compiled state machine.
 *
 * smc turns states/X.sm into one const struct sm_machine (gen/sm_X.c); the engine
 * (sm/engine.h) interprets it.  Nothing here is ever written at run time.
 *
 * What must hold: every cell[state][event] is decided; rows of a cell are in the order
 * of the .sm file and the last one has no guard unless `otherwise` decides the rest.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sm_object;
struct sm_event;
struct ProtobufCMessageDescriptor;

/* For the events of gen/sm_X.h: one that owns its payload, and what an event carries. */
struct sm_event *sm_event_carry(int event, void *payload, void (*free_payload)(void *payload));
const void *sm_event_payload(const struct sm_event *ev);

enum sm_class {
	SM_CLASS_RPC, /* a client asks */
	SM_CLASS_DONE, /* an effect finished */
	SM_CLASS_SHIM, /* the shim spoke */
	SM_CLASS_CLOCK, /* the deadline of the state passed */
	SM_CLASS_FAMILY, /* the parent or a child told it, or the engine saw it of the children */
};

enum sm_kind {
	SM_KIND_INITIAL, /* nothing stored yet */
	SM_KIND_BUSY, /* exactly one effect in flight */
	SM_KIND_REST, /* nothing in flight */
	SM_KIND_FINAL, /* the row is deleted by the save that enters it */
};

/* What happens to an event for which no guarded row of the cell matches. */
enum sm_answer {
	SM_ANSWER_NEVER, /* a programmer error or a stale report; the engine drops and counts it */
	SM_ANSWER_MOVE, /* the last row of the cell has no guard */
	SM_ANSWER_IGNORE, /* already so: answer OK */
	SM_ANSWER_WAIT, /* park, deliver again at rest */
	SM_ANSWER_JOIN, /* park, share the answer of the work in flight */
	SM_ANSWER_REFUSE, /* answer with refuse_code */
};

enum sm_op {
	SM_OP_STEP, /* run steps[arg] on the draft */
	SM_OP_SAVE, /* commit the draft and the new state durably */
	SM_OP_SAVE_BOOT, /* the same into the boot-scoped store only */
	SM_OP_MOVE, /* make both current: an unstored machine has nothing to commit */
	SM_OP_REPLY, /* answer every rpc this work is for */
	SM_OP_REQUEUE, /* park the rpc of this event and deliver it again at rest */
	SM_OP_EFFECT, /* start effects[arg] */
	SM_OP_TELL_CHILDREN, /* raise `told` in each child that has an event of that name */
	SM_OP_TELL_PARENT, /* raise it in the parent */
};

struct sm_action {
	enum sm_op op;
	uint16_t arg;
	const char *told; /* the event of the parent or of children, by name */
};

struct sm_row {
	uint16_t number; /* the row's number in the matrix: crash point is number.item */
	uint16_t state; /* where it stands: index into states[] */
	uint16_t event;
	int16_t guard; /* index into guards[], -1: none */
	uint16_t target; /* index into states[]; equal to state when it stays */
	uint16_t line; /* in the .sm file */
	bool retries; /* the effect has failed and is begun again, after a pause */
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
	uint32_t number; /* what is stored; never reused */
	enum sm_kind kind;
	const char *shows; /* the status the CRI shows, or NULL */
	int16_t recover; /* index into effects[], -1: none */
	const char *recover_told; /* the event that children are told instead; NULL: none */
	int16_t deadline; /* index into deadlines[], -1: within_ms or unbounded */
	int64_t within_ms; /* fixed limit, 0: none */
	const char *unbounded; /* the stated reason, or NULL */
	uint16_t n_holds;
	const uint16_t *holds; /* indices into invariants[] */
	const struct sm_cell *cells; /* n_events of them */
};

struct sm_event_info {
	const char *name;
	enum sm_class class;
	const char *carries; /* the type of its payload, NULL: it has none */
	bool quiet; /* the engine raises it, when no child has the trait `unless` */
	const char *unless; /* NULL: when there is no child */
};

struct sm_trait {
	const char *name;
	bool (*is)(uint16_t state);
};

struct sm_effect_info {
	const char *name;
	bool lasting; /* outlives a reboot: a save stands left of it */
	int64_t retry_min_ms, retry_max_ms; /* pauses between tries, doubled; 0: no retries */
	uint16_t n_yields;
	const uint16_t *yields; /* event indices */
	/* Called on the loop thread after the commit.  Must not block: it hands the work over and
	 * returns. */
	void (*start)(struct sm_object *obj);
};

struct sm_machine {
	const char *name; /* "container": also the first half of the store's key */
	const char *prefix; /* "ctr" */
	uint32_t version;
	bool boot_scoped; /* every row lives in the boot store only; `save` is not used */
	bool unstored; /* rows live in memory only: moves are made at once */
	uint16_t n_states, n_events, n_effects, n_rows;
	uint16_t n_guards, n_steps, n_deadlines, n_invariants;
	uint16_t initial; /* index into states[] */
	int16_t clock; /* the event of class clock, -1: none */
	const struct sm_state *states;
	const struct sm_event_info *events;
	const struct sm_effect_info *effects;
	const struct sm_row *rows;
	const char *parent; /* the machine of the object that owns one of these; NULL: none */
	const char *(*parent_id)(const void *row);
	uint16_t n_traits;
	const struct sm_trait *traits;
	/* All pure; `row` is the machine's unpacked row message. */
	bool (*const *guards)(const void *row, const struct sm_event *ev);
	void (*const *steps)(void *draft, const struct sm_event *ev);
	int64_t (*const *deadlines)(const void *row); /* absolute CLOCK_REALTIME ns, 0: none */
	bool (*const *invariants)(const void *row);
	const char *const *guard_names;
	const char *const *step_names;
	const char *const *invariant_names;
	const struct ProtobufCMessageDescriptor *row_descriptor;
};
