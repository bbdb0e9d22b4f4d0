/*
 * lives.c - one history: the daemon's lives one after the other, each in a process that shares the
 * node, until everything was removed or a check has failed.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"
#include "lives.h"
#include "sim.h"

#define LIFE_ENDED 0
#define LIFE_CRASHED 77
#define LIFE_FAILED 78
#define LIVES_MAX 60
#define STEPS_MAX 400000
#define LIFE_SECONDS 60 /* of real time: a life that hangs */

int crispd_main(int argc, char **argv);

struct node *node;
bool sim_verbose;

/* --- chance --- */

uint64_t sim_random(void)
{
	uint64_t z = node->rng += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

unsigned sim_below(unsigned n)
{
	return (unsigned)(sim_random() % n);
}

bool sim_chance(unsigned thousandths)
{
	return node->phase == PHASE_WORK && thousandths && sim_below(1000) < thousandths;
}

/* --- ends of a life --- */

void sim_note(const char *fmt, ...)
{
	va_list args;

	if (!sim_verbose)
		return;
	fprintf(stderr, "[%lld.%03lld] ", (long long)(node->mono / NSEC_PER_SEC),
		(long long)(node->mono / NSEC_PER_MSEC % 1000));
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

void sim_fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(node->why, sizeof(node->why), fmt, args);
	va_end(args);
	node->failed = true;
	sim_note("FAILED: %s", node->why);
	_exit(LIFE_FAILED);
}

void sim_crash(void)
{
	node->n_crashes++;
	sim_note("kill -9");
	_exit(LIFE_CRASHED);
}

/* --- a call to the node --- */

static int fault(const char *what)
{
	if (node->phase != PHASE_WORK || !node->fault_at || --node->fault_at)
		return 0;
	node->fault_fired = true;
	sim_note("%s fails: %s", what, strerror(node->fault_errno));
	return node->fault_errno;
}

int sim_call(const char *what, bool worker)
{
	static const int errnos[] = { ENOSPC, EIO, EAGAIN, EINTR, ENOMEM, EMFILE };
	int errnum;

	node->n_calls++;
	if (worker && sim_in_worker()) {
		if (sim_chance(node->odds.call_slow))
			sim_sleep_until(node->mono + sim_below(20000) * NSEC_PER_MSEC);
		else if (sim_below(2))
			sim_sleep_until(node->mono);
	}
	if (sim_chance(node->odds.crash))
		sim_crash();
	errnum = fault(what);
	if (!errnum && sim_chance(node->odds.call_fails))
		errnum = errnos[sim_below(ARRAY_LEN(errnos))];
	if (errnum)
		sim_note("%s: %s", what, strerror(errnum));
	return errnum;
}

int sim_try(const char *what, struct err *e)
{
	int errnum = sim_call(what, true);

	return errnum ? err_errno(e, ERR_INTERNAL, errnum, "sim: %s", what) : 0;
}

/* --- a life --- */

static void next_phase(enum sim_phase phase)
{
	node->phase = phase;
	node->phase_since = node->mono;
	node->rounds = 0;
	sim_note("phase %d", (int)phase);
	for (int i = 0; i < SIM_SHIMS; i++)
		if (node->shims[i].hung && node->shims[i].alive && phase == PHASE_HEAL)
			shim_kill(i); /* its end is seen, whether or not the daemon waits */
}

/* Is everything as it will stay?  The clock goes on in between, for retries. */
static bool is_settled(void)
{
	static int64_t since;

	if (!client_waiting() && sim_loop_idle() && check_at_rest()) {
		if (!since)
			since = node->mono;
		if (node->mono - since > 20 * NSEC_PER_SEC) {
			since = 0;
			return true;
		}
	} else {
		int64_t late = node->mono - node->phase_since - node->set_back;

		since = 0;
		if (late > 3600 * NSEC_PER_SEC)
			check_quiet();
		SIM_CHECK(late < 3600 * NSEC_PER_SEC,
			  "no rest after an hour without faults: %u calls wait, the loop is %s, "
			  "rows are %s",
			  client_waiting(), sim_loop_idle() ? "idle" : "busy",
			  check_at_rest() ? "at rest" : "busy");
	}
	return false;
}

static void phases(void)
{
	switch (node->phase) {
	case PHASE_WORK:
		if (client_script ? client_script() : node->ops_left == 0)
			next_phase(PHASE_HEAL);
		break;
	case PHASE_HEAL:
		if (!is_settled())
			break;
		check_quiet();
		next_phase(PHASE_EMPTY);
		break;
	case PHASE_EMPTY:
		if (!is_settled())
			break;
		client_empty();
		if (client_waiting())
			break;
		check_empty();
		next_phase(PHASE_END);
		break;
	case PHASE_END:
		break;
	}
}

/* Nothing can happen now: let time pass until something can. */
static void pass_time(void)
{
	int64_t next = MIN(sim_loop_next(), events_next());
	int64_t step;

	SIM_CHECK(next != INT64_MAX, "nothing will ever happen again");
	step = MAX(next - node->mono, INT64_C(0));
	if (node->phase == PHASE_WORK && sim_below(4))
		step = MIN(step, (int64_t)sim_below(1000) * NSEC_PER_MSEC);
	step += sim_below(1000);
	node->mono += step;
	node->real += step;
}

static void chaos(void)
{
	if (sim_chance(node->odds.crash) && sim_below(2))
		sim_crash();
	shim_chaos();
	if (sim_chance(node->odds.clock_jumps)) {
		int64_t jump = ((int64_t)sim_below(7200) - 3600) * NSEC_PER_SEC;

		node->real += jump;
		node->set_back -= MIN(jump, INT64_C(0));
		sim_note("the clock jumps");
	}
	if (sim_chance(node->odds.proc_ends)) {
		int i = (int)sim_below(SIM_PROCS);

		if (node->procs[i].alive && node->procs[i].kind == PROC_CONTAINER)
			proc_end(i, (int)sim_below(4) << 8);
	}
}

void sim_life(void)
{
	SIM_CHECK(node->n_steps++ < STEPS_MAX, "%d steps and no end", STEPS_MAX);
	if (!client_script && node->phase == PHASE_WORK)
		client_step();
	chaos();
	if (sim_below(3) == 0 && events_step())
		; /* something outside */
	else if (!sim_loop_step() && !events_step())
		pass_time();
	check_step();
	client_forget();
	phases();
}

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
		fprintf(stderr, "sim: cannot write %s: %s\n", path, strerror(errno));
		exit(2);
	}
}

#define ARGS 32
static _Noreturn void live(void)
{
	static char text[ARGS][2 * SIM_PATH];
	char *argv[ARGS] = { NULL };
	int n = 0;

#define ARG(...) (snprintf(text[n], sizeof(text[n]), __VA_ARGS__), argv[n] = text[n], n++)
	ARG("crispd");
	ARG("--config");
	ARG("%s/crisp.conf", node->dir);
	ARG("--config-dir");
	ARG("%s/conf.d", node->dir);
	ARG("--root");
	ARG("%s/root", node->dir);
	ARG("--runroot");
	ARG("%s/run", node->dir);
	ARG("--log-level");
	ARG("%s", sim_verbose ? "debug" : "error");
	ARG("--cgroup-manager");
	ARG("cgroupfs");
	ARG("--runtimes");
	ARG("runc:/bin/true:%s/runtime", node->dir);
#undef ARG
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(LIFE_SECONDS);
	if (!sim_verbose && !freopen("/dev/null", "w", stderr))
		_exit(2);
	node->n_lives++;
	puller_sweep();
	crispd_main(n, argv);
	/* A daemon that cannot start may be started again: the node was unkind. */
	_exit(node->phase == PHASE_END	  ? LIFE_ENDED
	      : node->phase == PHASE_WORK ? LIFE_CRASHED
					  : LIFE_FAILED);
}

/* 0: it ended well.  1: again. */
static int one_life(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		live();
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		perror("sim: fork");
		exit(2);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == LIFE_ENDED)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == LIFE_CRASHED && node->n_lives < LIVES_MAX)
		return 1;
	if (!node->failed)
		snprintf(node->why, sizeof(node->why),
			 WIFSIGNALED(status) ? "the daemon was ended by signal %d"
					     : "the daemon exited with %d",
			 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	node->failed = true;
	return 0;
}

/* --- a history --- */

static void draw_odds(void)
{
	struct odds *o = &node->odds;

	o->call_fails = sim_below(2) ? sim_below(15) : 0;
	o->call_slow = sim_below(3) ? 0 : sim_below(30);
	o->crash = sim_below(2) ? sim_below(15) : 0;
	o->shim_dies = sim_below(2) ? sim_below(25) : 0;
	o->shim_hangs = sim_below(3) ? 0 : sim_below(10);
	o->clock_jumps = sim_below(4) ? 0 : sim_below(5);
	o->proc_ends = sim_below(2) ? sim_below(300) : 0;
	o->runtime_fails = sim_below(3) ? 0 : sim_below(200);
	o->cni_add_fails = sim_below(3) ? 0 : sim_below(300);
	o->cni_del_fails = sim_below(3) ? 0 : sim_below(500);
	o->start_exits = sim_below(2) ? sim_below(400) : 0;
	o->stubborn = sim_below(400);
	node->ops_left = 20 + sim_below(70);
}

void history_begin(uint64_t seed)
{
	char path[2 * SIM_PATH];

	if (!node) {
		node = mmap(NULL, sizeof(*node), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
		if (node == MAP_FAILED) {
			perror("sim: mmap");
			exit(2);
		}
	}
	*node = (struct node){ .seed = seed,
			       .rng = seed * 2654435761U + 1,
			       .next_ticks = 1000,
			       .next_pid = SIM_FIRST_PID,
			       .mono = 1000 * NSEC_PER_SEC,
			       .real = INT64_C(1800000000) * NSEC_PER_SEC };
	snprintf(node->boot_id, sizeof(node->boot_id), "%08x-0000-4000-8000-000000000000",
		 (unsigned)seed);
	snprintf(node->dir, sizeof(node->dir), "%s/crisp-sim-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(node->dir)) {
		perror("sim: mkdtemp");
		exit(2);
	}
	draw_odds();
	snprintf(path, sizeof(path), "%s/conf.d", node->dir);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/policy.json", node->dir);
	put_file(path, "{\"default\":[{\"type\":\"insecureAcceptAnything\"}]}");
	snprintf(path, sizeof(path), "%s/crisp.conf", node->dir);
	{
		char text[4 * SIM_PATH];

		snprintf(text, sizeof(text),
			 "[crio]\nlog_dir = \"%s/log\"\n"
			 "[crio.image]\nsignature_policy = \"%s/policy.json\"\n",
			 node->dir, node->dir);
		put_file(path, text);
	}
}

int history_run(void)
{
	struct err e = ERR_NULL;

	while (one_life() > 0)
		continue;
	if (!sim_verbose || !node->failed)
		fs_remove_tree(node->dir, &e);
	return node->failed ? -1 : 0;
}
