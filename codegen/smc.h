/*
 * smc.h - the model of one states/X.sm file, shared by the parts of smc.
 * smc compiles a state machine.  smc_parse.c reads the file into this model; smc_check.c proves
 * its properties.  smc_emit.c writes the C tables for the engine (sm/machine.h); smc_report.c
 * writes the drawing and the matrix for readers.
 * Invariant: smc_check_names() resolves names to indices (struct smc_ref) before any other use.
 * Every later part may rely on the proofs of earlier ones.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct emit;

/* A growing list; smc_push() returns its new zeroed element. */
#define SMC_LIST(type) \
	struct { \
		type *v; \
		size_t n; \
	}
#define smc_push(list) \
	((__typeof__((list)->v))smc_grow((void **)&(list)->v, &(list)->n, sizeof(*(list)->v)))

void *smc_grow(void **v, size_t *n, size_t size);

enum smc_kind {
	SMC_KIND_INITIAL,
	SMC_KIND_BUSY,
	SMC_KIND_REST,
	SMC_KIND_FINAL,
};

enum smc_class {
	SMC_CLASS_RPC,
	SMC_CLASS_DONE,
	SMC_CLASS_SHIM,
	SMC_CLASS_CLOCK,
	SMC_CLASS_FAMILY,
	SMC_N_CLASSES,
};

enum smc_answer {
	SMC_ANSWER_NONE, /* not decided yet */
	SMC_ANSWER_NEVER,
	SMC_ANSWER_MOVE,
	SMC_ANSWER_IGNORE,
	SMC_ANSWER_WAIT,
	SMC_ANSWER_JOIN,
	SMC_ANSWER_REFUSE,
};

enum smc_op {
	SMC_OP_STEP,
	SMC_OP_SAVE,
	SMC_OP_SAVE_BOOT,
	SMC_OP_MOVE, /* of an unstored machine; not a keyword of the language */
	SMC_OP_REPLY,
	SMC_OP_REPLY_TO, /* reply EVENT */
	SMC_OP_REQUEUE,
	SMC_OP_EFFECT,
	SMC_OP_TELL_CHILDREN,
	SMC_OP_TELL_PARENT,
};

/* Kinds of declarations; a name has one meaning in the whole file. */
enum smc_decl_kind {
	SMC_DECL_EVENT,
	SMC_DECL_GUARD,
	SMC_DECL_STEP,
	SMC_DECL_EFFECT,
	SMC_DECL_DEADLINE,
	SMC_DECL_INVARIANT,
	SMC_DECL_TRAIT,
	SMC_DECL_STATE,
	SMC_N_DECLS,
};

/* A use of a name, and the declaration it resolves to. */
struct smc_ref {
	char *name; /* NULL: not given */
	unsigned int line;
	int index; /* into the list of its kind; -1 until resolved */
};

struct smc_refs {
	struct smc_ref *v;
	size_t n;
};

/* An event, guard, step, effect, deadline, invariant or trait. */
struct smc_decl {
	char *name;
	unsigned int line;
	bool used;
	enum smc_class class; /* events */
	char *from; /* events: the machine whose move raises it, or NULL */
	bool quiet; /* events: raised by the engine, when no child is ... */
	struct smc_ref unless; /* ... in a state of this trait; no name: when there is no child */
	char *payload; /* type carried by an event, or taken by a guard or step; NULL: none */
	bool taken; /* events: some guard or step takes its payload */
	bool lasting; /* effects */
	int64_t retry_min_ms, retry_max_ms; /* effects: pauses between tries; 0: none */
	bool retried; /* effects: some row retries it */
	struct smc_refs yields; /* effects: events */
	struct smc_refs states; /* traits: the states that have it */
};

struct smc_action {
	enum smc_op op;
	struct smc_ref ref; /* the step or effect; for other keywords only name and line */
	char *told; /* tell: the event, of another machine */
	char *answered; /* reply EVENT: the event */
};

/* on EVENT [if GUARD] -> TARGET : ACTIONS */
struct smc_row {
	unsigned int line;
	unsigned int number;
	struct smc_ref event;
	struct smc_ref guard;
	struct smc_ref target; /* resolved to the row's own state when it stays */
	bool stay;
	bool retries; /* restarts its effect after a failed try */
	SMC_LIST(struct smc_action) actions;
};

/* One event named in an ignore, wait, join, refuse or never line. */
struct smc_decision {
	enum smc_answer answer;
	struct smc_ref event; /* or, for never and refuse, a class */
	bool is_class;
	enum smc_class class;
	unsigned int code; /* refuse: index into smc_codes[] */
};

/* The reaction of one state to one event. */
struct smc_cell {
	enum smc_answer answer;
	unsigned int line;
	unsigned int code;
	size_t first_row; /* into the state's rows */
	size_t n_rows;
};

struct smc_state {
	char *name;
	unsigned int line;
	unsigned int number;
	enum smc_kind kind;
	char *shows;
	struct smc_refs holds;
	struct smc_ref recover; /* name "none": no recovery needed */
	char *recover_told; /* the event sent to children instead of an effect */
	struct smc_ref deadline;
	int64_t within_ms;
	unsigned int limit_line; /* of within or unbounded, 0: neither */
	char *unbounded;
	SMC_LIST(struct smc_row) rows;
	SMC_LIST(struct smc_decision) decisions;
	struct smc_cell *cells; /* one for each event, filled by smc_check() */
};

struct smc_retired {
	unsigned int number;
	unsigned int line;
};

struct smc_machine {
	const char *path; /* as given, for messages only */
	const char *base; /* file name, for banners */
	char *name;
	char *prefix;
	char *row_type;
	unsigned int version;
	unsigned int line;
	bool unstored; /* in memory only: every row ends with the process */
	char *parent; /* the machine of the owning object; NULL: none */
	char *parent_field; /* of the row: the parent's id */
	unsigned int parent_line;
	SMC_LIST(struct smc_decl) decls[SMC_N_DECLS]; /* SMC_DECL_STATE stays empty */
	SMC_LIST(struct smc_state) states;
	SMC_LIST(struct smc_retired) retired;
	int initial;
	int clock;
	unsigned int n_rows;
	unsigned int n_errors;
};

struct smc_code {
	const char *name;
	int number;
};

extern const struct smc_code smc_codes[]; /* gRPC status codes, ends with name NULL */
extern const char *const smc_class_names[SMC_N_CLASSES];
extern const char *const smc_decl_names[SMC_N_DECLS];

/* Print "path:line: error: text" on stderr and count it.  The text says what to write. */
void smc_error(struct smc_machine *m, unsigned int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Read text (NUL-terminated, no NUL inside) into m.  Errors are counted in m->n_errors. */
void smc_parse(struct smc_machine *m, const char *text);

/* Resolve names, decide every cell, prove the other properties.  Stops after the first group of
 * failed proofs, so that one mistake is reported once. */
void smc_check(struct smc_machine *m);

/* Check references between machines, after smc_check() of each. */
void smc_check_family(struct smc_machine *all, size_t n);

/* The parts of smc_check(), in their order.  smc_graph.c checks paths. */
void smc_check_names(struct smc_machine *m);
void smc_check_cells(struct smc_machine *m);
void smc_check_rows(struct smc_machine *m);
void smc_check_paths(struct smc_machine *m);

/* The effect a row starts, or -1. */
int smc_row_effect(const struct smc_row *row);
bool smc_row_has(const struct smc_row *row, enum smc_op op);

void smc_emit_header(const struct smc_machine *m, struct emit *out);
void smc_emit_source(const struct smc_machine *m, struct emit *out);
void smc_report_dot(const struct smc_machine *m, struct emit *out);
void smc_report_text(const struct smc_machine *m, struct emit *out);

void smc_machine_done(struct smc_machine *m);
