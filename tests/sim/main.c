/*
 * main.c - build/sim [-s SEED] [-n HISTORIES] [-t SECONDS] [-j PROCESSES] [-1] [-v]: histories one
 * after the other from a seed on, in some processes at a time.  A seed that fails is printed; -s
 * with it runs that history again, -v tells it.  -1: end with the first that fails.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "lives.h"
#include "sim.h"

#define JOBS_MAX 64
#define FAILURES_MAX 3 /* of one process */

struct options {
	uint64_t seed;
	bool one, first;
	unsigned long histories, seconds, jobs;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int run_one(uint64_t seed)
{
	history_begin(seed);
	if (history_run() == 0)
		return 0;
	printf("not ok seed %llu: %s (again: build/sim -v -s %llu)\n", (unsigned long long)seed,
	       node->why, (unsigned long long)seed);
	fflush(stdout);
	return -1;
}

/* Every jobs-th seed; what it did goes up the pipe. */
static int work(const struct options *o, unsigned long first, int up)
{
	double end = now() + (double)o->seconds;
	unsigned long count[3] = { 0, 0, 0 };

	for (unsigned long i = first; (!o->histories || i < o->histories) && now() < end;
	     i += o->jobs) {
		count[1] += run_one(o->seed + i) < 0;
		count[0]++;
		count[2] += node->n_steps;
		if (count[1] >= (o->first ? 1 : FAILURES_MAX))
			break;
	}
	return write(up, count, sizeof(count)) == sizeof(count) ? 0 : 1;
}

static int run_all(const struct options *o)
{
	unsigned long count[3], histories = 0, failed = 0, steps = 0;
	double begin = now();
	pid_t workers[JOBS_MAX];
	int pipes[2];

	if (pipe(pipes) < 0)
		return 2;
	for (unsigned long j = 0; j < o->jobs; j++) {
		pid_t pid = fork();

		workers[j] = pid;
		if (pid == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(work(o, j, pipes[1]));
		}
	}
	close(pipes[1]);
	while (read(pipes[0], count, sizeof(count)) == (ssize_t)sizeof(count)) {
		histories += count[0];
		failed += count[1];
		steps += count[2];
		for (unsigned long j = 0; failed && o->first && j < o->jobs; j++)
			kill(workers[j], SIGKILL);
	}
	while (wait(NULL) > 0)
		continue;
	printf("%s sim: %lu histories from seed %llu, %.0f a minute, %lu steps each\n",
	       failed || !histories ? "#" : "ok", histories, (unsigned long long)o->seed,
	       (double)histories * 60 / (now() - begin), histories ? steps / histories : 0);
	return failed || !histories;
}

int main(int argc, char **argv)
{
	struct options o = { .seed = (uint64_t)time(NULL) * 100000,
			     .seconds = 60,
			     .jobs = (unsigned long)sysconf(_SC_NPROCESSORS_ONLN) };
	int opt;

	while ((opt = getopt(argc, argv, "s:n:t:j:1v")) != -1) {
		uint64_t value = 0;

		if (optarg && str_to_u64(optarg, UINT64_MAX, &value) < 0)
			opt = '?';

		if (opt == 's') {
			o.seed = value;
			o.one = true;
		} else if (opt == 'n') {
			o.histories = (unsigned long)value;
		} else if (opt == 't') {
			o.seconds = (unsigned long)value;
		} else if (opt == 'j') {
			o.jobs = (unsigned long)value;
		} else if (opt == '1') {
			o.first = true;
		} else if (opt == 'v') {
			sim_verbose = true;
		} else {
			fprintf(stderr, "usage: sim [-s SEED] [-n HISTORIES] [-t SECONDS] "
					"[-j PROCESSES] [-1] [-v]\n");
			return 2;
		}
	}
	o.jobs = MIN(MAX(o.jobs, 1UL), (unsigned long)JOBS_MAX);
	if (!o.one || o.histories)
		return run_all(&o);
	if (run_one(o.seed) < 0)
		return 1;
	printf("ok seed %llu: %u lives, %u steps, %u calls to the node, %u calls of clients\n",
	       (unsigned long long)o.seed, node->n_lives, node->n_steps, node->n_calls,
	       node->n_ops);
	return 0;
}
