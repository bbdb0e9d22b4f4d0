/*
 * fault.c - for each case and errno the first call to the node fails, then the second, until the
 * case ends before one does; the checks are those of tests/sim.
 *
 * usage: fault [CASE ERRNO N]      with arguments this one history is told
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "client.h"
#include "lives.h"
#include "sim.h"

#define STEPS 16
#define FIRST_SEED 1

/* --- cases: what is asked, one call after the other --- */

static void pull(void)
{
	client_pull(0);
}
static void remove_image(void)
{
	client_remove_image(0);
}
static void run(void)
{
	client_run(0);
}
static void run_shared(void)
{
	client_run(2);
}
static void create(void)
{
	client_create(0, 0);
}
static void create_shared(void)
{
	client_create(2, 0);
}
static void start(void)
{
	client_start(0, 0);
}
static void start_shared(void)
{
	client_start(2, 0);
}
static void exec(void)
{
	client_exec(0, 0, 0);
}
static void update(void)
{
	client_update(0, 0);
}
static void pause_ctr(void)
{
	client_switch(0, 0, true);
}
static void resume(void)
{
	client_switch(0, 0, false);
}
static void checkpoint(void)
{
	client_checkpoint(0, 0);
}
static void stop(void)
{
	client_stop(0, 0, 10);
}
static void remove_ctr(void)
{
	client_remove(0, 0);
}
static void stop_pod(void)
{
	client_stop_pod(0);
}
static void remove_pod(void)
{
	client_remove_pod(0);
}

/* A case is a line here; a call that is missing is a line above. */
static const struct {
	const char *name;
	void (*steps[STEPS])(void); /* NULL ends */
} cases[] = {
	{ "life", { pull, run, create, start, stop, remove_ctr, stop_pod, remove_pod } },
	{ "exec", { pull, run, create, start, exec, update, stop_pod } },
	{ "shared", { pull, run_shared, create_shared, start_shared } },
	{ "pause", { pull, run, create, start, pause_ctr, resume, pause_ctr, stop_pod } },
	{ "checkpoint", { pull, run, create, start, checkpoint, stop, remove_ctr, stop_pod } },
	{ "remove", { pull, run, create, remove_pod, remove_image } },
};

static const int errnos[] = { ENOSPC, EIO, EAGAIN, EINTR, ENOMEM, EMFILE };

/* --- one history --- */

static unsigned the_case;

static bool script(void)
{
	void (*const *steps)(void) = cases[the_case].steps;

	if (client_waiting())
		return false;
	if (!steps[node->rounds])
		return true;
	steps[node->rounds++]();
	return false;
}

/* 1: nothing failed, the case is done.  -1: a check has failed. */
static int run_one(unsigned c, int errnum, unsigned n)
{
	the_case = c;
	client_script = script;
	history_begin(FIRST_SEED);
	node->odds = (struct odds){ .crash = 0 };
	node->fault_at = n;
	node->fault_errno = errnum;
	if (history_run() == 0)
		return !node->fault_fired;
	printf("not ok %s: call %u fails with %s: %s (again: build/fault %s %d %u)\n",
	       cases[c].name, n, strerrorname_np(errnum), node->why, cases[c].name, errnum, n);
	fflush(stdout);
	return -1;
}

/* All calls of a case with one errno. */
static void work(unsigned c, int errnum, int up)
{
	unsigned count[2] = { 0, 0 };
	int r = 0;

	for (unsigned n = 1; r <= 0 && count[1] < 3; n++) {
		r = run_one(c, errnum, n);
		count[r < 0]++;
	}
	if (write(up, count, sizeof(count)) != sizeof(count))
		_exit(1);
	_exit(0);
}

static int run_all(void)
{
	unsigned long jobs = (unsigned long)sysconf(_SC_NPROCESSORS_ONLN), passed = 0, failed = 0;
	unsigned count[2], live = 0;
	int pipes[2];

	if (pipe(pipes) < 0)
		return 2;
	for (unsigned i = 0; i < ARRAY_LEN(cases) * ARRAY_LEN(errnos); i++) {
		for (; live >= jobs; live--)
			wait(NULL);
		live++;
		if (fork() != 0)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		work(i / ARRAY_LEN(errnos), errnos[i % ARRAY_LEN(errnos)], pipes[1]);
	}
	close(pipes[1]);
	while (read(pipes[0], count, sizeof(count)) == (ssize_t)sizeof(count)) {
		passed += count[0];
		failed += count[1];
	}
	while (wait(NULL) > 0)
		continue;
	if (!failed && passed)
		printf("ok fault: %lu histories, in all but the last of each case a call failed\n",
		       passed);
	return failed || !passed;
}

int main(int argc, char **argv)
{
	uint64_t errnum, n;

	if (argc != 4)
		return run_all();
	if (str_to_u64(argv[2], 200, &errnum) < 0 || str_to_u64(argv[3], 100000, &n) < 0)
		return 2;
	sim_verbose = true;
	for (unsigned c = 0; c < ARRAY_LEN(cases); c++)
		if (strcmp(cases[c].name, argv[1]) == 0)
			return run_one(c, (int)errnum, (unsigned)n) < 0;
	return 2;
}
