/*
 * sim.h - the whole daemon on a fake node: main, api, objects, effects, engine and store are the
 * product's; src/os, src/net, src/loop, the shim, the puller, gRPC and time are simulated.
 *
 * A history is one seed.  The node lives in memory that the daemon's lives share: each life of the
 * daemon is a process of its own (lives.c), so that kill -9 is an _exit at any call to the node.
 * Within a life one thread runs the loop and all workers, in an order that the seed decides
 * (loop.c).  Files are real, in a directory on tmpfs; everything else outside is in struct node.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/id.h"
#include "base/util.h"
#include "shim/life.h"
#include "shimproto/shimproto.h"

#define SIM_PATH 320
#define SIM_PROCS 512
#define SIM_SHIMS 64
#define SIM_CTRS 96
#define SIM_SESSIONS 96
#define SIM_THINGS 512
#define SIM_EVENTS 512
#define SIM_PULLS 16
#define SIM_SEEN 128
#define SIM_FIRST_PID 5000000 /* above what Linux allows: never a process of this machine */

/* --- the node --- */

enum proc_kind {
	PROC_SHIM,
	PROC_INIT,
	PROC_CONTAINER,
	PROC_EXEC,
	PROC_RUNTIME
};

struct proc {
	bool used, alive;
	bool stubborn; /* ignores all signals but SIGKILL */
	bool frozen;
	int held; /* signal that waits for the thaw; 0: none */
	enum proc_kind kind;
	pid_t pid;
	uint64_t ticks;
	int wait_status; /* when it has ended */
	int owner; /* index of its shim, container or session */
	char cgroup[SIM_PATH]; /* "": none */
};

/* One pod's shim, by its run directory. */
struct shim {
	bool used, alive, hung, leaving;
	int proc, init; /* of procs; init -1: none */
	char dir[SIM_PATH];
};

/* What the OCI runtime and the shim know of a container. */
struct ctr {
	bool used;
	char id[ID_LEN + 1];
	enum life_state state; /* 0: no shim knows it */
	int shim; /* index; -1: it died */
	int proc; /* -1: none yet */
	int runtime; /* proc of the runtime's command under way; -1: none */
	enum shim_type doing; /* CREATE, START, or ADOPT: the START of a shim before this one */
	bool begun; /* the runtime has let its process go on */
	bool exit_unknown;
	int exit_code, exit_signal;
	int64_t created_ns, started_ns, exited_ns;
	char exit_path[SIM_PATH], cgroup[SIM_PATH], bundle[SIM_PATH], state_dir[SIM_PATH];
	uint32_t flags;
};

struct session {
	bool used;
	char name[SHIM_ID_MAX + 1], ctr[ID_LEN + 1];
	enum life_state state;
	int shim, proc;
	int exit_code;
	int64_t exited_ns;
	char cgroup[SIM_PATH];
};

/* A mount, a cgroup, a pinned namespace, a CNI attachment, host ports: something with a name. */
enum thing_kind {
	THING_MOUNT,
	THING_CGROUP,
	THING_NS,
	THING_CNI,
	THING_PORTS,
	THING_RUNTIME
};
struct thing {
	bool used;
	enum thing_kind kind;
	char name[SIM_PATH];
};

enum pull_state {
	PULL_RUNS = 1,
	PULL_FETCHED,
	PULL_FAILED
};
struct puller {
	bool used;
	enum pull_state state;
	char id[ID_LEN + 1];
	char reference[128];
};

/* What happens by itself, later. */
enum event_kind {
	EV_PROC_ENDS,
	EV_RUNTIME_ENDS,
	EV_PULL_ENDS,
	EV_CNI_ENDS
};
struct event {
	bool used;
	enum event_kind kind;
	int64_t at; /* CLOCK_MONOTONIC ns */
	int arg, status;
	uint64_t ticks; /* of the process it is about */
};

/* What clients were told of an object, or its rows said: never to be taken back. */
struct seen {
	char id[ID_LEN + 1];
	char machine[16];
	int rank; /* of its status: it only grows */
	int exit_code; /* once ended */
	bool ended, exit_known, given; /* given: a client has its id */
	bool orphaned; /* its shim has died while it lived: its end may be unknown */
	bool died; /* its process has ended with: */
	int real_code;
	bool visible; /* a client may have its id: an event tells its deletion */
	bool deleted;
};

enum sim_phase {
	PHASE_WORK, /* clients ask, the node fails */
	PHASE_HEAL, /* neither: everything is to come to rest */
	PHASE_EMPTY, /* clients remove all there is */
	PHASE_END,
};

/* How likely each trouble is, in thousandths of the chances it gets; a history draws its own. */
struct odds {
	unsigned call_fails; /* a call to the node returns an error */
	unsigned call_slow; /* takes seconds */
	unsigned crash; /* kill -9 of the daemon, at each call and step */
	unsigned shim_dies, shim_hangs, clock_jumps, proc_ends;
	unsigned runtime_fails, cni_add_fails, cni_del_fails, start_exits, stubborn;
};

struct node {
	uint64_t seed, rng;
	int64_t mono, real; /* now; real is CLOCK_REALTIME */
	int64_t set_back; /* by how much the clock has jumped back in all */
	char boot_id[37];
	char dir[SIM_PATH];
	unsigned n_lives, n_calls, n_steps, n_ops, n_answers, n_crashes;
	uint64_t next_ticks;
	pid_t next_pid;
	enum sim_phase phase;
	unsigned ops_left, rounds;
	int64_t phase_since;
	struct odds odds;
	/* tests/fault: which call to the node fails, and how. */
	unsigned fault_at; /* 1: the next one; 0: none */
	int fault_errno;
	bool fault_fired, fault_fs; /* fs: file system calls are counted, too */
	bool scripted;
	int fds_empty; /* descriptors of a daemon without objects; 0: not known yet */
	bool failed;
	char why[1024];
	struct proc procs[SIM_PROCS];
	struct shim shims[SIM_SHIMS];
	struct ctr ctrs[SIM_CTRS];
	struct session sessions[SIM_SESSIONS];
	struct thing things[SIM_THINGS];
	struct puller pulls[SIM_PULLS];
	struct event events[SIM_EVENTS];
	struct seen seen[SIM_SEEN];
	bool commit_failed; /* since the last check */
	/* What the clients know. */
	char pods[3][ID_LEN + 1], containers[3][2][ID_LEN + 1];
	unsigned attempts[3];
};

extern struct node *node;
extern bool sim_verbose;

/* --- chance: the seed decides --- */

uint64_t sim_random(void);
/* 0..n-1 */
unsigned sim_below(unsigned n);
/* With a probability of thousandths/1000; never outside PHASE_WORK. */
bool sim_chance(unsigned thousandths);

/* --- judging --- */

/* The history has found a fault: say so and end this life. */
void sim_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
#define SIM_CHECK(cond, ...) \
	do { \
		if (!(cond)) \
			sim_fail(__VA_ARGS__); \
	} while (0)
void sim_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* --- a call to the node --- */

/* Each faked call begins here: other workers and the loop may run, the daemon may be killed.
 * 0: go on; else the errno it is to fail with.  worker: it blocks, so it is wrong on the loop. */
int sim_call(const char *what, bool worker);
/* The same, e is filled. */
int sim_try(const char *what, struct err *e);

/* --- loop.c --- */

/* In a worker: others run until CLOCK_MONOTONIC is at. */
void sim_sleep_until(int64_t at);
bool sim_in_worker(void);
/* Something for the loop thread was queued: it has a turn. */
void sim_wake(void);
/* One thing happens.  false: nothing can before time passes. */
bool sim_loop_step(void);
/* When the loop or a worker goes on by itself; INT64_MAX: never. */
int64_t sim_loop_next(void);
/* No job runs, waits, or is to be called back. */
bool sim_loop_idle(void);
/* sim_below(n) times: turn of clients, of chaos, of time. */
void sim_life(void);

/* --- outside.c: processes, events, things --- */

int proc_add(enum proc_kind kind, int owner, const char *cgroup);
void proc_end(int proc, int wait_status);
void proc_signal(int proc, int signo);
/* Freeze or thaw all processes in a cgroup. */
void proc_freeze(const char *cgroup, bool frozen);
int proc_find(pid_t pid, uint64_t ticks); /* ticks 0: any; -1: none */
/* A descriptor like a pidfd. */
int proc_fd(int proc);
int proc_of_fd(int fd);
unsigned sim_own_fds(void);

bool thing_has(enum thing_kind kind, const char *name);
void thing_add(enum thing_kind kind, const char *name);
bool thing_del(enum thing_kind kind, const char *name);
void thing_del_all(enum thing_kind kind);

void event_add(enum event_kind kind, int64_t in_ns, int arg, int status);
/* Do what is due, if anything is. */
bool events_step(void);
int64_t events_next(void);

/* --- shim.c --- */

/* The shim that lives in a pod's run directory; -1: none does. */
int shim_at(const char *dir);
void shim_proc_ended(int proc);
void shim_runtime_ended(int proc, int status);
bool shim_step(void); /* one message to the daemon */
bool shim_is_pending(void);
void shim_kill(int shim);
void shim_chaos(void);
void ctr_killed_by_delete(const char *id);

/* --- puller.c --- */

void puller_ended(int pull, int status);
bool puller_step(void);
bool puller_is_pending(void);
void puller_sweep(void);
unsigned puller_fds(void);

/* --- client.c --- */

/* One call of a client, perhaps. */
void client_step(void);
void client_empty(void);
unsigned client_waiting(void);
void client_forget(void);
/* tests/fault: ask the next of a fixed list of calls once the one before is answered; true: all
 * were asked. */
extern bool (*client_script)(void);
unsigned client_last_lists(void);

/* --- check.c --- */

void check_step(void); /* after each step */
bool check_at_rest(void); /* each row is at rest */
void check_quiet(void);
void check_empty(void);
void check_answer(const char *method, const char *id, const char *detail);
struct seen *seen_of(const char *id, bool make);
void check_written(void); /* a commit was made */
void check_moved(void); /* something outside has changed */

/* --- lives.c --- */

/* Kill -9, now. */
void sim_crash(void) __attribute__((noreturn));
