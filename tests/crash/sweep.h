/*
 * sweep.h - the crash sweep: every machine, killed at every point of every row, then again.
 *
 * The real tables (gen/sm_*.c), the real rules (X_rules.c), the real engine and the real
 * store run against a make-believe world: the effects below change a struct instead of the node.
 * The world outlives the daemon.
 *
 * What must hold: a fake effect does to the world what the real one does to the node, in one
 * piece, and is as little idempotent; the world knows the truth, the daemon only its rows.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sm/engine.h"

#define SIM_BOOT_ID "00000000-0000-4000-8000-%012u"
#define MAX_STEPS 12
#define MAX_JOBS 16
#define MAX_HITS 512
#define MAX_OBJECTS 2
#define MAX_MACHINES 2

/* What the world does while the daemon is dead. */
enum down {
	DOWN_NOTHING,
	DOWN_FINISHES, /* what was under way outside the daemon is done, nobody was told */
	DOWN_EXITS, /* the process ends and leaves a record */
	DOWN_SHIM_DIES, /* it ends and leaves none */
	DOWN_VANISHES, /* no process, no record, no trace */
	DOWN_REBOOTS,
	N_DOWN,
};

enum step_kind {
	STEP_END,
	STEP_ASK, /* a client asks and waits for the answer */
	STEP_HAPPEN, /* the world does something while the daemon looks */
};

/* When a step is taken. */
enum step_when {
	WHEN_ANSWERED, /* everything asked before has its answer */
	WHEN_NOW, /* at once, before the effect just handed over is done */
	WHEN_IDLE, /* no effect is under way, answered or not */
	WHEN_AT_REST, /* every object is */
};

/* One line of a scenario. */
struct step {
	enum step_kind kind;
	enum step_when when;
	int what; /* the event, or the fake's own number */
	int arg; /* the fake's own */
	bool fails; /* the answer to expect when nothing disturbs */
};

#define ASK(event) \
	{ \
		.kind = STEP_ASK, .what = (event) \
	}
#define ASK_NOW(event) \
	{ \
		.kind = STEP_ASK, .what = (event), .when = WHEN_NOW \
	}
#define ASK_ARG(event, a) \
	{ \
		.kind = STEP_ASK, .what = (event), .arg = (a) \
	}
#define ASK_ARG_NOW(event, a) \
	{ \
		.kind = STEP_ASK, .what = (event), .arg = (a), .when = WHEN_NOW \
	}
#define FAILS(event) \
	{ \
		.kind = STEP_ASK, .what = (event), .fails = true \
	}
#define FAILS_NOW(event) \
	{ \
		.kind = STEP_ASK, .what = (event), .when = WHEN_NOW, .fails = true \
	}
#define FAILS_ARG(event, a) \
	{ \
		.kind = STEP_ASK, .what = (event), .arg = (a), .fails = true \
	}
#define HAPPEN(w) \
	{ \
		.kind = STEP_HAPPEN, .what = (w) \
	}
#define HAPPEN_NOW(w) \
	{ \
		.kind = STEP_HAPPEN, .what = (w), .when = WHEN_NOW \
	}
#define HAPPEN_IDLE(w) \
	{ \
		.kind = STEP_HAPPEN, .what = (w), .when = WHEN_IDLE \
	}

#define HAPPEN_AT_REST(w) \
	{ \
		.kind = STEP_HAPPEN, .what = (w), .when = WHEN_AT_REST \
	}

struct scenario {
	const char *name;
	uint64_t faults; /* the fake's own bits: what goes wrong */
	struct step steps[MAX_STEPS];
};

/* What became of a step. */
struct ask {
	bool sent, answered, ok;
	bool done; /* what was asked is so, whatever was answered */
	int tries;
};

/* An effect handed over, not done yet. */
struct job {
	int object;
	uint16_t effect;
	uint64_t gen;
};

struct hit {
	int machine; /* index into the fake's machines, -1: between the two halves of a commit */
	uint16_t row, item;
};

enum fake_proc {
	FAKE_PROC_NONE,
	FAKE_PROC_CREATED, /* waits for the start */
	FAKE_PROC_RUNNING,
};

struct world_container {
	bool rootfs, shim, record, shim_died;
	bool frozen;
	bool part; /* of an archive, beside its location */
	bool archive;
	int proc; /* enum fake_proc */
	int code; /* of the end, when there was one */
	int n_starts;
	int shown; /* the highest rank a client may have seen */
	int64_t started_ns, finished_ns;
	int64_t shares; /* in force; 0: as created */
};

struct world_sandbox {
	bool files, lease, wired, ports, shim, shim_died;
	bool broken; /* init has ended: the shim cannot run containers any more */
	bool init_ended; /* at any time */
};

/* The process of a pull: what it has to say to whoever asks. */
enum fake_puller {
	FAKE_PULLER_NONE,
	FAKE_PULLER_FETCHED,
	FAKE_PULLER_FAILED,
	FAKE_PULLER_OUTAGE,
};

struct world_image {
	bool staging, layers;
	bool second_tag;
	enum fake_puller puller;
	unsigned int puller_boot;
};

struct world_exec {
	bool proc, record, shim_died;
	int code;
	int n_spawns;
};

struct world_shim {
	bool pod; /* its sandbox exists */
	bool started; /* at any time */
	bool alive, silent;
	bool unaware; /* of containers that another shim had */
	bool ready; /* the sandbox replaces one that dies */
	bool gave_up, torn_down;
	bool asked; /* one that died in this life had been used */
};

struct world_stream {
	bool url, client; /* for which a client may come, that is there */
	bool proc;
};

/* Survives every daemon. */
struct world {
	/* Up to fail_commit: what decides all that follows; two equal ones have one future. */
	int64_t now_ns;
	unsigned int boot;
	uint64_t rows; /* what a killed daemon left in its stores */
	uint64_t used; /* faults that strike once and have struck */
	struct ask asks[MAX_STEPS + 1]; /* one a step, and the clean-up behind the last */
	unsigned int next; /* step */
	struct job jobs[MAX_JOBS];
	unsigned int n_jobs;
	struct world_container ctr;
	struct world_sandbox sbx;
	struct world_image img;
	struct world_exec exe;
	struct world_shim shm;
	struct world_stream stm;

	/* Of one life. */
	unsigned int fail_commit; /* the number of the commit, from 1; 0: none */
	unsigned int n_commits;
	bool made; /* the sandbox has made its container from a checkpoint */
	unsigned int n_hits;
	struct hit hits[MAX_HITS];
	char bad[512]; /* the first thing that was wrong */
};

struct sim;

/* One effect of a fake. */
struct act {
	const char *machine, *effect;
	/* Change the world; report with sim_done().  obj is NULL when the daemon is dead. */
	void (*act)(struct sim *sim, struct sm_object *obj, const struct job *job);
};

/* Everything the sweep must know about a family of machines. */
struct fake {
	const char *name;
	const struct sm_machine *machines[MAX_MACHINES]; /* parents before their children */
	int n_machines;
	int n_extras; /* how many of them, the last ones, another fake has to reach all points of */
	const struct scenario *scenarios;
	size_t n_scenarios;
	const struct act *acts;
	size_t n_acts;
	bool once; /* a client whose daemon died does not ask again */
	const char *const *ask_names; /* of what is asked; NULL: the machine's events */
	int clean_up; /* the event that removes what a scenario leaves, -1: it leaves nothing */
	/* A life begins: make what unstored machines have.  NULL: there is none. */
	void (*born)(struct sim *sim);
	/* The object the step asks, made new when it is to be; NULL: none, and *ret_ok answers. */
	struct sm_object *(*target)(struct sim *sim, const struct step *step, bool *ret_ok);
	/* Attach the payload of the event.  NULL: no event of the fake has one. */
	void (*fill)(struct sim *sim, struct sm_object *obj, const struct step *step,
		     struct sm_event *ev);
	/* Whether what an OK to this step promises is true now. */
	bool (*kept)(struct sim *sim, const struct step *step);
	/* Whether the record explains why the step failed. */
	bool (*explained)(const struct sm_object *obj, const struct step *step);
	void (*happen)(struct sim *sim, int what);
	/* false: it makes no difference here. */
	bool (*down)(struct world *w, enum down down);
	/* After each commit: what clients can see must not go back. */
	void (*seen)(struct sim *sim, const struct sm_object *obj);
	/* At rest: world and records must agree. */
	void (*rest)(struct sim *sim);
};

/* One life of the daemon. */
struct sim {
	struct world *w;
	const struct fake *fake;
	const struct scenario *scenario;
	struct sm_engine *engine;
	struct store *store;
	struct sm_object *objects[MAX_OBJECTS]; /* one a machine of the fake */
	bool dead; /* only the world goes on: DOWN_FINISHES */
	bool fresh; /* nothing new was asked in this life */
	bool closing;
	unsigned int turns; /* while a commit is held back */
};

/* A container's effects, for the fakes whose machines have some for their children. */
#define CONTAINER_ACTS \
	{ "container", "unpack", container_act_unpack }, \
		{ "container", "prepare", container_act_prepare }, \
		{ "container", "restore_init", container_act_restore_init }, \
		{ "container", "probe_restore", container_act_probe_restore }, \
		{ "container", "probe_saved", container_act_probe_saved }, \
		{ "container", "create_init", container_act_create_init }, \
		{ "container", "probe_create", container_act_probe_create }, \
		{ "container", "start_init", container_act_start_init }, \
		{ "container", "probe", container_act_probe }, \
		{ "container", "probe_start", container_act_probe_start }, \
		{ "container", "signal_term", container_act_signal_term }, \
		{ "container", "signal_kill", container_act_signal_kill }, \
		{ "container", "apply_resources", container_act_apply_resources }, \
		{ "container", "freeze", container_act_freeze }, \
		{ "container", "thaw", container_act_thaw }, \
		{ "container", "dump", container_act_dump }, \
		{ "container", "end_dump", container_act_end_dump }, \
	{ \
		"container", "erase", container_act_erase \
	}
void container_act_unpack(struct sim *sim, struct sm_object *obj, const struct job *job);
void container_act_restore_init(struct sim *sim, struct sm_object *obj, const struct job *job);
void container_act_probe_restore(struct sim *sim, struct sm_object *obj, const struct job *job);
void container_act_probe_saved(struct sim *sim, struct sm_object *obj, const struct job *job);
void container_act_prepare(struct sim *sim, struct sm_object *obj, const struct job *job);
void container_act_create_init(struct sim *sim, struct sm_object *obj, const struct job *job);
void container_act_probe_create(struct sim *sim, struct sm_object *obj, const struct job *job);
void container_act_start_init(struct sim *sim, struct sm_object *obj, const struct job *job);
void container_act_probe(struct sim *sim, struct sm_object *obj, const struct job *job);
void container_act_probe_start(struct sim *sim, struct sm_object *obj, const struct job *job);
void container_act_signal_term(struct sim *sim, struct sm_object *obj, const struct job *job);
void container_act_signal_kill(struct sim *sim, struct sm_object *obj, const struct job *job);
void container_act_apply_resources(struct sim *sim, struct sm_object *obj, const struct job *job);
void container_act_freeze(struct sim *sim, struct sm_object *obj, const struct job *job);
void container_act_thaw(struct sim *sim, struct sm_object *obj, const struct job *job);
void container_act_dump(struct sim *sim, struct sm_object *obj, const struct job *job);
void container_act_end_dump(struct sim *sim, struct sm_object *obj, const struct job *job);
void container_act_erase(struct sim *sim, struct sm_object *obj, const struct job *job);
/* Its process is no more; record: its shim has seen that. */
void container_ends(struct world *w, bool record, int code);
/* What is known of one without a process. */
struct sm_event *container_evidence(const struct world *w);

extern const struct fake fake_container, fake_sandbox, fake_image, fake_exec, fake_shim,
	fake_stream;

/* Live on in the world w, with rows below dir, until at rest. */
void sim_run(struct world *w, const struct fake *fake, const struct scenario *sc, const char *dir);
/* Called at each crash point, behind which a kill would end this life; w->hits ends with it.
 * recovery: nothing new has been asked in this life. */
extern void (*sim_point)(const struct world *w, bool recovery);
/* In sim_point: the rows as the next life would find them. */
uint64_t sim_hash_rows(void);
/* What was handed over is done while nobody listens. */
void sim_finish_jobs(struct world *w, const struct fake *fake, const struct scenario *sc);

/* For the fakes. */
void sim_start(struct sm_object *obj);
struct sm_object *sim_object(const struct sim *sim, const struct sm_machine *m);
struct sm_object *sim_object_new(struct sim *sim, const struct sm_machine *m, const char *id,
				 void *row);
/* The effect's outcome, and an unasked report; both free ev when nobody listens. */
void sim_done(struct sim *sim, const struct job *job, struct sm_event *ev);
void sim_tell(struct sim *sim, const struct sm_machine *m, struct sm_event *ev);
/* Whether this fault strikes: every time, or only the first time. */
bool sim_fault(const struct sim *sim, uint64_t fault);
bool sim_fault_once(struct sim *sim, uint64_t fault);
/* The effect is not done yet: act again when the others have. */
void sim_again(struct sim *sim, const struct job *job);
void sim_bad(struct sim *sim, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What a client's event carries. */
void sim_carry(struct sm_event *ev, void *payload, void (*free_payload)(void *));
/* An event that failed, with a reason. */
struct sm_event *sim_failed(int event, const char *why);
