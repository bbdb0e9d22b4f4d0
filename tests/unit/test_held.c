/*
 * test_held.c - the processes of a cgroup and of nested cgroups are frozen and thawed, on each
 * cgroup version of the host.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/util.h"
#include "shim/held.h"
#include "shim/self.h"

#define WITHIN_NS (10 * NSEC_PER_SEC)

struct place {
	char *dir, *below; /* of the test's cgroups; NULL: this host has none */
	bool v2;
};

static volatile unsigned *ticks; /* that two processes have counted */

static void look_at(const struct cgroup_mount *m, void *arg)
{
	struct place *p = arg;

	if (!p->dir && m->v2 == p->v2 && (m->v2 || strstr(m->options, "freezer")))
		p->dir = xasprintf("%s/crisp-test-held-%d", m->dir, (int)getpid());
}

static pid_t counter(const char *dir, unsigned n)
{
	_cleanup_free_ char *procs = xasprintf("%s/cgroup.procs", dir);
	struct err e = ERR_NULL;
	pid_t pid = fork();

	if (pid)
		return pid;
	if (fs_write_existing(procs, "0", &e) < 0)
		_exit(1);
	for (;; ticks[n]++)
		poll(NULL, 0, 1);
}

static void wait_tick(unsigned n)
{
	int64_t until = clock_monotonic_ns() + WITHIN_NS;
	unsigned at = ticks[n];

	while (ticks[n] == at && clock_monotonic_ns() < until)
		poll(NULL, 0, 1);
	assert_int_not_equal(ticks[n], at);
}

static void hold(const char *dir)
{
	int64_t until = clock_monotonic_ns() + WITHIN_NS;
	struct err e = ERR_NULL;
	int left;

	while ((left = held_begin(dir, &e)) > 0 && clock_monotonic_ns() < until)
		poll(NULL, 0, 1);
	assert_int_equal(left, 0);
}

static void remove_dirs(struct place *p)
{
	int64_t until = clock_monotonic_ns() + WITHIN_NS;

	while (rmdir(p->below) < 0 && errno == EBUSY && clock_monotonic_ns() < until)
		poll(NULL, 0, 1);
	while (rmdir(p->dir) < 0 && errno == EBUSY && clock_monotonic_ns() < until)
		poll(NULL, 0, 1);
	assert_false(fs_exists(p->dir));
	free(p->dir);
	free(p->below);
}

static void holds(bool v2)
{
	struct place p = { .v2 = v2 };
	unsigned at[2];
	pid_t pids[2];

	self_each_cgroup_mount(look_at, &p);
	if (geteuid() != 0 || !p.dir || mkdir(p.dir, 0755) < 0) {
		free(p.dir);
		skip();
	}
	p.below = xasprintf("%s/below", p.dir);
	assert_int_equal(mkdir(p.below, 0755), 0);
	hold(p.dir); /* no process, nothing to do */
	assert_false(held_any(p.dir));
	pids[0] = counter(p.dir, 0);
	pids[1] = counter(p.below, 1);
	wait_tick(0);
	wait_tick(1);

	hold(p.dir);
	assert_true(held_any(p.dir));
	at[0] = ticks[0];
	at[1] = ticks[1];
	poll(NULL, 0, 50);
	assert_int_equal(ticks[0], at[0]);
	assert_int_equal(ticks[1], at[1]);
	hold(p.dir); /* again: as it is */

	while (held_end(p.dir) > 0)
		poll(NULL, 0, 1);
	assert_false(held_any(p.dir));
	assert_int_equal(held_end(p.dir), 0);
	wait_tick(0);
	wait_tick(1);
	for (int i = 0; i < 2; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	remove_dirs(&p);
}

static void test_v1(void **state)
{
	(void)state;
	holds(false);
}

static void test_v2(void **state)
{
	(void)state;
	holds(true);
}

static void test_missing(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(held_begin("/sys/fs/cgroup/no-such-cgroup", &e), 0);
	assert_int_equal(held_end("/sys/fs/cgroup/no-such-cgroup"), 0);
	assert_false(held_any("/sys/fs/cgroup/no-such-cgroup"));
	assert_null(held_dir_of("/no/cgroup"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v1),
		cmocka_unit_test(test_v2),
		cmocka_unit_test(test_missing),
	};

	ticks = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return ticks == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
