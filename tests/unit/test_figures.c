/*
 * test_figures.c - figures of cgroups on trees of plain files, v1 and v2, and the table of metric
 * families.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "os/cgroup_figures.h"
#include "os/proc_figures.h"
#include "pod/podfigures.h"
#include "tests/unit/scratch.h"

#define ALL UINT64_MAX

struct tree {
	struct scratch dir;
	struct cgroups *cg;
};

static void put(const struct tree *t, const char *name, const char *text)
{
	_cleanup_free_ char *path = scratch_file(&t->dir, name);
	_cleanup_free_ char *parent = xstrndup(path, (size_t)(strrchr(path, '/') - path));
	struct err e = ERR_NULL;

	assert_int_equal(fs_mkdir_all(parent, 0755, &e), 0);
	assert_int_equal(fs_replace_file(path, text, strlen(text), 0600, false, &e), 0);
}

static int setup(void **state, const char *mounts)
{
	struct tree *t = xcalloc(1, sizeof(*t));
	_cleanup_free_ char *text = NULL, *path = NULL;
	struct err e = ERR_NULL;

	scratch_make(&t->dir);
	text = xasprintf(mounts, t->dir.path, t->dir.path, t->dir.path, t->dir.path, t->dir.path);
	put(t, "mountinfo", text);
	put(t, "cgroup.controllers", "cpu memory io pids\n");
	put(t, "unified/cgroup.controllers", "hugetlb\n");
	path = scratch_file(&t->dir, "mountinfo");
	assert_int_equal(cgroups_open_at(path, &t->cg, &e), 0);
	*state = t;
	return 0;
}

static int setup_v2(void **state)
{
	return setup(state, "1 1 0:2 / %s rw - cgroup2 cgroup2 rw\n");
}

static int setup_v1(void **state)
{
	return setup(state, "1 1 0:2 / %s/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
			    "1 1 0:3 / %s/memory rw - cgroup cgroup rw,memory\n"
			    "1 1 0:4 / %s/pids rw - cgroup cgroup rw,pids\n"
			    "1 1 0:5 / %s/blkio rw - cgroup cgroup rw,blkio\n"
			    "1 1 0:6 / %s/unified rw - cgroup2 cgroup2 rw\n");
}

static int teardown(void **state)
{
	struct tree *t = *state;

	cgroups_free(t->cg);
	scratch_drop(&t->dir);
	free(t);
	return 0;
}

static void assert_figure(const struct figures *f, unsigned i, uint64_t v)
{
	if (!figure_known(f, i) || f->v[i] != v)
		fail_msg("figure %u: %d %llu, not %llu", i, figure_known(f, i),
			 (unsigned long long)f->v[i], (unsigned long long)v);
}

static void test_v2(void **state)
{
	struct tree *t = *state;
	struct err e = ERR_NULL;
	struct figures f;

	assert_int_equal(cgroup_figures_read(t->cg, "/pod", ALL, &f, &e), 1);
	put(t, "pod/cpu.stat",
	    "usage_usec 5000000\nuser_usec 3000000\nsystem_usec 2000000\n"
	    "nr_periods 7\nnr_throttled 2\nthrottled_usec 9\n");
	put(t, "pod/cpu.max", "max 100000\n");
	put(t, "pod/cpu.weight", "100\n");
	put(t, "pod/memory.current", "1000\n");
	put(t, "pod/memory.stat", "anon 300\nfile 400\ninactive_file 1100\npgscan 6\n");
	put(t, "pod/memory.max", "max\n");
	put(t, "pod/memory.events", "low 0\nhigh 4\nmax 5\noom 1\noom_kill 3\n");
	put(t, "pod/pids.max", "max\n");
	put(t, "pod/memory.pressure",
	    "some avg10=0.00 avg60=0.00 avg300=0.00 total=70\n"
	    "full avg10=0.00 avg60=0.00 avg300=0.00 total=8\n");
	put(t, "pod/cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=9\n");
	assert_int_equal(cgroup_figures_read(t->cg, "/pod", ALL, &f, &e), 0);
	assert_figure(&f, CGROUP_CPU_NS, 5 * NSEC_PER_SEC);
	assert_figure(&f, CGROUP_CPU_SYSTEM_NS, 2 * NSEC_PER_SEC);
	assert_figure(&f, CGROUP_CPU_THROTTLED_NS, 9000);
	assert_figure(&f, CGROUP_CPU_PERIOD_US, 100000);
	assert_figure(&f, CGROUP_CPU_SHARES, 2597);
	assert_figure(&f, CGROUP_MEMORY_WORKING_SET, 0);
	assert_figure(&f, CGROUP_MEMORY_LIMIT, 0);
	assert_figure(&f, CGROUP_MEMORY_HIGH_EVENTS, 4);
	assert_figure(&f, CGROUP_MEMORY_FAILURES, 5);
	assert_figure(&f, CGROUP_OOM_KILLS, 3);
	assert_figure(&f, CGROUP_MEMORY_PAGES_SCANNED, 6);
	assert_figure(&f, CGROUP_TASKS_MAX, 0);
	assert_figure(&f, CGROUP_MEMORY_FULL_US, 8);
	assert_figure(&f, CGROUP_CPU_SOME_US, 9);
	/* Absent is not zero. */
	assert_false(figure_known(&f, CGROUP_CPU_QUOTA_US));
	assert_false(figure_known(&f, CGROUP_CPU_FULL_US));
	assert_false(figure_known(&f, CGROUP_IO_SOME_US));
	assert_false(figure_known(&f, CGROUP_TASKS));
	assert_false(figure_known(&f, CGROUP_CPU_BURST_NS));
	put(t, "pod/cpu.max", "20000 50000\n");
	assert_int_equal(
		cgroup_figures_read(t->cg, "/pod", UINT64_C(1) << CGROUP_CPU_QUOTA_US, &f, &e), 0);
	assert_figure(&f, CGROUP_CPU_QUOTA_US, 20000);
	assert_false(figure_known(&f, CGROUP_CPU_NS));
}

static void test_v1(void **state)
{
	struct tree *t = *state;
	struct err e = ERR_NULL;
	struct figures f;

	put(t, "cpu/pod/cpuacct.usage", "123456789\n");
	put(t, "cpu/pod/cpuacct.stat", "user 100\nsystem 3\n");
	put(t, "cpu/pod/cpu.cfs_quota_us", "-1\n");
	put(t, "cpu/pod/cpu.shares", "512\n");
	put(t, "memory/pod/memory.usage_in_bytes", "9000\n");
	put(t, "memory/pod/memory.limit_in_bytes", "9223372036854771712\n");
	put(t, "memory/pod/memory.stat",
	    "cache 1\nrss 2\npgfault 3\ntotal_cache 10\ntotal_rss 20\ntotal_pgfault 30\n"
	    "total_inactive_file 1000\n");
	put(t, "memory/pod/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
	put(t, "unified/pod/cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=9\n");
	put(t, "unified/pod/cgroup.events", "populated 0\nfrozen 0\n");
	assert_int_equal(cgroup_figures_read(t->cg, "/pod", ALL, &f, &e), 0);
	assert_figure(&f, CGROUP_CPU_NS, 123456789);
	assert_figure(&f, CGROUP_CPU_USER_NS, NSEC_PER_SEC);
	assert_figure(&f, CGROUP_CPU_SHARES, 512);
	assert_figure(&f, CGROUP_MEMORY_CACHE, 10);
	assert_figure(&f, CGROUP_MEMORY_FAULTS, 3);
	assert_figure(&f, CGROUP_MEMORY_HIERARCHY_FAULTS, 30);
	assert_figure(&f, CGROUP_MEMORY_WORKING_SET, 8000);
	assert_figure(&f, CGROUP_MEMORY_LIMIT, 0);
	assert_figure(&f, CGROUP_OOM_KILLS, 2);
	/* Not counted on v1: 0 beside a memory controller, as in cAdvisor. */
	assert_figure(&f, CGROUP_MEMORY_HIGH_EVENTS, 0);
	assert_figure(&f, CGROUP_MEMORY_MAX_EVENTS, 0);
	assert_figure(&f, CGROUP_MEMORY_PAGES_SCANNED, 0);
	assert_figure(&f, CGROUP_MEMORY_PAGES_STOLEN, 0);
	assert_false(figure_known(&f, CGROUP_CPU_QUOTA_US));
	assert_false(cgroup_costs_counted(t->cg));
	assert_false(cgroup_pages_counted(t->cg));
	/* No process is in the cgroup on v2, whose pressure says nothing. */
	assert_false(figure_known(&f, CGROUP_CPU_SOME_US));
	put(t, "unified/pod/cgroup.events", "populated 1\nfrozen 0\n");
	assert_int_equal(cgroup_figures_read(t->cg, "/pod", ALL, &f, &e), 0);
	assert_figure(&f, CGROUP_CPU_SOME_US, 9);
}

static void test_devices(void **state)
{
	struct tree *t = *state;
	struct figure_list l = FIGURE_LIST_NULL;

	assert_false(cgroup_costs_counted(t->cg));
	put(t, "io.cost.qos", "8:0 enable=0 ctrl=auto\n");
	assert_false(cgroup_costs_counted(t->cg));
	put(t, "io.cost.qos", "8:0 enable=0 ctrl=auto\n8:16 enable=1 ctrl=auto\n");
	assert_true(cgroup_costs_counted(t->cg));
	assert_false(cgroup_pages_counted(t->cg));
	cgroup_devices_read(t->cg, "/pod", &l);
	assert_int_equal(l.n, 0);
	put(t, "pod/io.stat",
	    "4095:1 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=5 dios=0\n"
	    "4095:2\nx:y rbytes=1\n4095:3 rbytes=oops wbytes=8 more\n");
	cgroup_devices_read(t->cg, "/pod", &l);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.items[0].labels[0], "4095:1");
	assert_string_equal(l.items[0].labels[1], "4095");
	assert_string_equal(l.items[0].labels[2], "1");
	assert_figure(&l.items[0], DEVICE_READ_BYTES, 4096);
	assert_figure(&l.items[0], DEVICE_WRITES, 0);
	assert_false(figure_known(&l.items[0], DEVICE_TOTAL_BYTES));
	assert_false(figure_known(&l.items[0], DEVICE_COST_WAIT_US));
	assert_int_equal(l.items[1].known, 0);
	assert_false(figure_known(&l.items[2], DEVICE_READ_BYTES));
	assert_figure(&l.items[2], DEVICE_WRITE_BYTES, 8);
	figure_list_done(&l);
}

static void test_devices_v1(void **state)
{
	struct tree *t = *state;
	struct figure_list l = FIGURE_LIST_NULL;

	put(t, "blkio/pod/blkio.throttle.io_service_bytes_recursive",
	    "4095:1 Read 10\n4095:1 Write 20\n4095:1 Total 30\nTotal 30\n");
	put(t, "blkio/pod/blkio.throttle.io_serviced_recursive", "4095:1 Read 1\nTotal 1\n");
	cgroup_devices_read(t->cg, "/pod", &l);
	assert_int_equal(l.n, 1);
	assert_figure(&l.items[0], DEVICE_WRITE_BYTES, 20);
	assert_figure(&l.items[0], DEVICE_TOTAL_BYTES, 30);
	assert_figure(&l.items[0], DEVICE_READS, 1);
	assert_false(figure_known(&l.items[0], DEVICE_WRITES));
	figure_list_done(&l);
}

/* Descriptors of this very process. */
static void test_processes(void **state)
{
	struct tree *t = *state;
	_cleanup_free_ char *pid = xasprintf("%d\n", getpid());
	struct err e = ERR_NULL;
	struct figures before, f;
	int pair[2];

	assert_int_equal(proc_figures_read(t->cg, "/pod", 0, &f, &e), 1);
	put(t, "pod/cgroup.procs", pid);
	assert_int_equal(proc_figures_read(t->cg, "/pod", 0, &before, &e), 0);
	assert_figure(&before, PROC_PROCESSES, 1);
	assert_false(figure_known(&before, PROC_NOFILE_SOFT));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(proc_figures_read(t->cg, "/pod", getpid(), &f, &e), 0);
	assert_figure(&f, PROC_FDS, before.v[PROC_FDS] + 2);
	assert_figure(&f, PROC_SOCKETS, before.v[PROC_SOCKETS] + 2);
	assert_true(figure_known(&f, PROC_NOFILE_SOFT));
	close(pair[0]);
	close(pair[1]);
}

/* --- the log --- */

/* However many requests miss figures, one line a minute says so, with their number. */
static void test_missing(void **state)
{
	struct tree *t = *state;
	_cleanup_free_ char *path = scratch_file(&t->dir, "log");
	struct podfigures_reader rd = { .failed = 3 };
	_cleanup_buf_ struct buf text = BUF_NULL;
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3),
	    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct err e = ERR_NULL;

	err_set(&rd.why, ERR_INTERNAL, "no interfaces");
	dup2(fd, STDERR_FILENO);
	podfigures_end(&(struct podfigures_reader){ .failed = 0 });
	podfigures_end(&rd);
	podfigures_end(&rd);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
	assert_int_equal(fs_read_file(path, 4096, &text, &e), 0);
	assert_non_null(strstr(text.data, "of 3 objects, the first: no interfaces"));
	assert_ptr_equal(strchr(text.data, '\n'), text.data + text.len - 1);
}

/* --- the table --- */

static bool same_labels(const struct metric_family *a, const struct metric_family *b)
{
	for (size_t i = 0; i < FAMILY_LABELS; i++)
		if (!a->labels[i] != !b->labels[i] ||
		    (a->labels[i] && strcmp(a->labels[i], b->labels[i]) != 0))
			return false;
	return true;
}

static void test_table(void **state)
{
	char *const groups[] = { (char *)(uintptr_t) "all", NULL };

	(void)state;
	for (size_t i = 0; i < families_n; i++) {
		const struct metric_family *f = &families[i];

		assert_true(str_starts(f->name, "container_"));
		assert_true(*f->help && strlen(f->help) < 100);
		assert_true(f->figure < FIGURES_MAX);
		assert_true(family_included(f, groups));
		/* Only seconds are divided; a total is a counter, unless it is a size. */
		assert_true(!f->divisor || strstr(f->name, "_seconds_total"));
		if (f->source != OF_DISK)
			assert_int_equal(f->counter, str_ends(f->name, "_total") ||
							     str_ends(f->name, "_failcnt"));
		for (size_t k = 0; k < i; k++) {
			if (strcmp(families[k].name, f->name) != 0)
				continue;
			/* Rows of one family follow each other. */
			assert_true(family_continues(f) && same_labels(f, &families[k]));
			assert_true(strcmp(f->fixed[0], families[k].fixed[0]) != 0 ||
				    strcmp(f->fixed[1], families[k].fixed[1]) != 0);
		}
	}
}

static void test_groups(void **state)
{
	char *const oom[] = { (char *)(uintptr_t) "oom", NULL };
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < families_n; i++)
		n += family_included(&families[i], oom);
	assert_int_equal(n, 2);
	assert_true(families_want(OF_CGROUP, oom) == UINT64_C(1) << CGROUP_OOM_KILLS);
	assert_int_equal(families_want(OF_PROCESSES, oom), 0);
	assert_int_equal(families_want(OF_CGROUP, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_v2, setup_v2, teardown),
		cmocka_unit_test_setup_teardown(test_v1, setup_v1, teardown),
		cmocka_unit_test_setup_teardown(test_devices, setup_v2, teardown),
		cmocka_unit_test_setup_teardown(test_devices_v1, setup_v1, teardown),
		cmocka_unit_test_setup_teardown(test_processes, setup_v2, teardown),
		cmocka_unit_test_setup_teardown(test_missing, setup_v2, teardown),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
