/*
 * test_cgroup.c - cgroups on the kernel's own hierarchies below a parent of the test, and cgroup v2
 * on a tree of plain files with the exact text of each write.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "os/cgroup.h"
#include "os/spawn.h"

#define OK(call) \
	do { \
		if ((call) != 0) \
			fail_msg("%s: %s", #call, e.text); \
	} while (0)

/* --- the kernel's --- */

struct world {
	struct cgroups *cg;
	char parent[64];
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct err e = ERR_NULL;

	OK(cgroups_open(&w->cg, &e));
	snprintf(w->parent, sizeof(w->parent), "/crisp-unit-%d", getpid());
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	struct err e = ERR_NULL;

	OK(cgroup_remove(w->cg, w->parent, &e));
	cgroups_free(w->cg);
	free(w);
	return 0;
}

/* Where some controller of this host has path. */
static char *dir_of(const struct world *w, const char *path)
{
	static const char *const any[] = { "memory", "pids", "cpu", "hugetlb" };
	struct err e = ERR_NULL;
	char *dir = NULL;

	for (size_t i = 0; i < ARRAY_LEN(any); i++)
		if (cgroup_controller_dir(w->cg, any[i], path, &dir, &e) == 0)
			return dir;
	fail_msg("no controller at all");
	return NULL;
}

static bool has(const struct world *w, const char *controller)
{
	_cleanup_free_ char *dir = NULL;
	struct err e = ERR_NULL;

	return cgroup_controller_dir(w->cg, controller, w->parent, &dir, &e) == 0;
}

static void move_to(const struct world *w, const char *path, pid_t pid)
{
	_cleanup_free_ char *dir = dir_of(w, path), *file = xasprintf("%s/cgroup.procs", dir);
	_cleanup_free_ char *text = xasprintf("%d", pid);
	struct err e = ERR_NULL;

	OK(fs_write_existing(file, text, &e));
}

static pid_t start_sleeper(struct spawn_child *c)
{
	struct spawn s = SPAWN_NULL;
	struct err e = ERR_NULL;

	s.argv = (const char *const[]){ "sleep", "1000", NULL };
	OK(spawn_start(&s, c, &e));
	return c->pid;
}

static void stop_sleeper(struct spawn_child *c)
{
	struct err e = ERR_NULL;
	int status;

	kill(c->pid, SIGKILL);
	OK(spawn_wait(c, -1, &status, &e));
	close(c->pidfd);
}

static void test_create_remove(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = xasprintf("%s/a/b", w->parent), *dir = dir_of(w, path);
	_cleanup_free_ char *deep = xasprintf("%s/x/y", dir), *parent = dir_of(w, w->parent);
	struct err e = ERR_NULL;

	OK(cgroup_create(w->cg, path, &e));
	assert_true(fs_exists(dir));
	OK(cgroup_create(w->cg, path, &e));
	/* What a container makes in its own cgroup goes with it. */
	OK(fs_mkdir_all(deep, 0755, &e));
	OK(cgroup_remove(w->cg, path, &e));
	assert_false(fs_exists(dir));
	OK(cgroup_remove(w->cg, path, &e));
	assert_true(fs_exists(parent));
}

static void test_busy(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = xasprintf("%s/busy", w->parent), *dir = dir_of(w, path);
	_cleanup_free_ char *inner = xasprintf("%s/inner", path), *pid_text = NULL;
	_cleanup_free_ pid_t *pids = NULL;
	struct spawn_child c = SPAWN_CHILD_NULL;
	struct err e = ERR_NULL;
	size_t n = 9;

	OK(cgroup_create(w->cg, inner, &e));
	OK(cgroup_pids(w->cg, path, &pids, &n, &e));
	assert_int_equal(n, 0);
	move_to(w, inner, start_sleeper(&c));
	OK(cgroup_pids(w->cg, path, &pids, &n, &e));
	assert_int_equal(n, 1);
	assert_int_equal(pids[0], c.pid);
	pid_text = xasprintf(" %d", c.pid);
	assert_int_equal(cgroup_remove_idle(w->cg, path, &e), 1);
	assert_int_equal(cgroup_remove(w->cg, path, &e), -ERR_PRECONDITION);
	assert_non_null(strstr(e.text, pid_text));
	assert_true(fs_exists(dir));
	stop_sleeper(&c);
	OK(cgroup_remove_idle(w->cg, path, &e));
	assert_false(fs_exists(dir));
	free(take_ptr(pids));
	OK(cgroup_pids(w->cg, path, &pids, &n, &e));
	assert_int_equal(n, 0);
}

static bool ends(const struct spawn_child *c)
{
	struct pollfd p = { .fd = c->pidfd, .events = POLLIN };

	return poll(&p, 1, 10000) == 1;
}

/* A file of path in the hierarchy that freezes. */
static void freezer_write(const struct world *w, const char *path, const char *v1, const char *v2,
			  const char *text)
{
	_cleanup_free_ char *dir = NULL, *file = NULL;
	struct err e = ERR_NULL;
	bool is_v1 = cgroup_controller_dir(w->cg, "freezer", path, &dir, &e) == 0;

	if (!is_v1)
		OK(cgroup_controller_dir(w->cg, "pids", path, &dir, &e));
	file = xasprintf("%s/%s", dir, is_v1 ? v1 : v2);
	OK(fs_write_existing(file, text, &e));
}

static void freezer_move(const struct world *w, const char *path, pid_t pid)
{
	_cleanup_free_ char *text = xasprintf("%d", pid);

	freezer_write(w, path, "cgroup.procs", "cgroup.procs", text);
}

static void test_thaw(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = xasprintf("%s/ice", w->parent);
	_cleanup_free_ char *inner = xasprintf("%s/in/ner", path);
	struct spawn_child c = SPAWN_CHILD_NULL, d = SPAWN_CHILD_NULL;
	struct err e = ERR_NULL;

	assert_int_equal(cgroup_thaw(w->cg, path, NULL, &e), 0);
	OK(cgroup_create(w->cg, inner, &e));
	assert_int_equal(cgroup_thaw(w->cg, path, NULL, &e), 0);
	freezer_move(w, inner, start_sleeper(&c));
	freezer_move(w, path, start_sleeper(&d));
	OK(cgroup_freeze(w->cg, inner, &e));
	assert_int_equal(cgroup_thaw(w->cg, path, "ner", &e), 0);
	OK(cgroup_freeze(w->cg, path, &e));
	kill(c.pid, SIGKILL);
	kill(d.pid, SIGKILL);
	assert_int_equal(cgroup_thaw(w->cg, path, NULL, &e), 1);
	assert_true(ends(&c));
	assert_true(ends(&d));
	assert_int_equal(cgroup_thaw(w->cg, path, NULL, &e), 0);
	stop_sleeper(&c);
	stop_sleeper(&d);
}

static void test_freeze(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = xasprintf("%s/cold", w->parent);
	struct spawn_child c = SPAWN_CHILD_NULL;
	struct err e = ERR_NULL;

	assert_int_equal(cgroup_freeze(w->cg, path, &e), -ERR_NOT_FOUND);
	OK(cgroup_create(w->cg, path, &e));
	freezer_move(w, path, start_sleeper(&c));
	OK(cgroup_freeze(w->cg, path, &e));
	OK(cgroup_freeze(w->cg, path, &e));
	kill(c.pid, SIGTERM);
	assert_int_equal(poll(&(struct pollfd){ .fd = c.pidfd, .events = POLLIN }, 1, 100), 0);
	assert_int_equal(cgroup_thaw_one(w->cg, path, &e), 1);
	assert_true(ends(&c));
	assert_int_equal(cgroup_thaw_one(w->cg, path, &e), 0);
	stop_sleeper(&c);
	OK(cgroup_remove(w->cg, path, &e));
}

/* A cgroup is thawed and its parent is not: the processes go on when the parent is thawed alone. */
static void test_thaw_parent(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = xasprintf("%s/glacier", w->parent);
	_cleanup_free_ char *inner = xasprintf("%s/inner", path);
	struct spawn_child c = SPAWN_CHILD_NULL;
	struct err e = ERR_NULL;

	OK(cgroup_create(w->cg, inner, &e));
	freezer_move(w, inner, start_sleeper(&c));
	OK(cgroup_freeze(w->cg, path, &e));
	kill(c.pid, SIGKILL);
	assert_int_equal(cgroup_thaw_one(w->cg, path, &e), 1);
	assert_true(ends(&c));
	stop_sleeper(&c);
}

static void test_pull_thawed(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *warm = xasprintf("%s/warm", w->parent);
	_cleanup_free_ char *cold = xasprintf("%s/cold", w->parent);
	struct spawn_child c = SPAWN_CHILD_NULL;
	struct err e = ERR_NULL;

	if (!has(w, "freezer"))
		skip(); /* v2: a frozen process takes SIGKILL */
	OK(cgroup_create(w->cg, warm, &e));
	OK(cgroup_create(w->cg, cold, &e));
	freezer_move(w, cold, start_sleeper(&c));
	OK(cgroup_freeze(w->cg, cold, &e));
	kill(c.pid, SIGKILL);
	OK(cgroup_pull_thawed(w->cg, warm, c.pid, &e));
	assert_true(ends(&c));
	stop_sleeper(&c);
	OK(cgroup_remove(w->cg, warm, &e));
	assert_int_equal(cgroup_pull_thawed(w->cg, warm, 1, &e), 1);
}

static void set_memory(const struct world *w, const char *path)
{
	const char *file =
		cgroups_layout(w->cg) == CGROUP_LAYOUT_V2 ? "memory.max" : "memory.limit_in_bytes";
	struct err e = ERR_NULL;

	OK(cgroup_write_file(w->cg, "memory", path, file, "67108864", &e));
}

static void test_usage(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = xasprintf("%s/use", w->parent);
	struct spawn_child c = SPAWN_CHILD_NULL;
	struct cgroup_usage u;
	struct err e = ERR_NULL;

	assert_int_equal(cgroup_read_usage(w->cg, path, &u, &e), 1);
	OK(cgroup_create(w->cg, path, &e));
	if (!has(w, "memory") || !has(w, "pids"))
		skip();
	set_memory(w, path);
	move_to(w, path, start_sleeper(&c));
	OK(cgroup_read_usage(w->cg, path, &u, &e));
	stop_sleeper(&c);
	assert_true(u.memory_limit == 64 << 20);
	assert_true(u.working_set <= u.memory);
	assert_int_equal(u.oom_kills, 0);
}

/* Open files follow the cgroup, do not hold it, and say that it has gone. */
static void test_usage_files(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = xasprintf("%s/files", w->parent);
	_cleanup_(cgroup_files_done) struct cgroup_files f = CGROUP_FILES_NULL;
	struct cgroup_usage u;
	struct err e = ERR_NULL;

	assert_int_equal(cgroup_files_open(w->cg, path, false, &f, &e), 1);
	assert_int_equal(f.n, 0);
	OK(cgroup_create(w->cg, path, &e));
	if (!has(w, "memory"))
		skip();
	OK(cgroup_files_open(w->cg, path, false, &f, &e));
	OK(cgroup_files_read(&f, &u));
	assert_true(u.memory_limit == UINT64_MAX);
	set_memory(w, path);
	OK(cgroup_files_read(&f, &u));
	assert_true(u.memory_limit == 64 << 20);
	OK(cgroup_remove(w->cg, path, &e));
	assert_int_equal(cgroup_files_read(&f, &u), 1);
	OK(cgroup_create(w->cg, path, &e));
	assert_int_equal(cgroup_files_read(&f, &u), 1);
}

static char *value_of(const struct world *w, const char *controller, const char *path,
		      const char *file)
{
	_cleanup_free_ char *dir = NULL, *full = NULL;
	struct err e = ERR_NULL;
	struct buf b = BUF_NULL;

	OK(cgroup_controller_dir(w->cg, controller, path, &dir, &e));
	full = xasprintf("%s/%s", dir, file);
	OK(fs_read_file(full, 4096, &b, &e));
	b.data[strcspn(b.data, "\n")] = '\0';
	return b.data;
}

static void test_limits_v1(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = xasprintf("%s/limits", w->parent), *cpus = NULL;
	_cleanup_(cgroup_limits_done) struct cgroup_limits l = CGROUP_LIMITS_NULL;
	struct err e = ERR_NULL;

	if (cgroups_layout(w->cg) == CGROUP_LAYOUT_V2 || !has(w, "memory") || !has(w, "cpuset"))
		skip();
	OK(cgroup_create(w->cg, path, &e));
	cpus = value_of(w, "cpuset", path, "cpuset.cpus");
	cgroup_read_limits(w->cg, path, &l);
	assert_true(l.cpu_shares == 1024 && l.cpu_quota == -1 && l.cpu_period == 100000);
	assert_true(l.cpu_weight == 0 && l.memory == -1);
	assert_string_equal(l.cpuset_cpus, cpus);
	cgroup_limits_done(&l);
	set_memory(w, path);
	cgroup_read_limits(w->cg, path, &l);
	assert_true(l.memory == 64 << 20);
	assert_int_equal(cgroup_write_file(w->cg, "nothing", path, "nothing.max", "1", &e), 1);
	assert_null(cgroup_read_file(w->cg, "memory", path, "memory.nothing"));
}

static void test_cpuset_inherited(void **state)
{
	struct world *w = *state;
	_cleanup_free_ char *path = xasprintf("%s/set/deep", w->parent), *cpus = NULL, *mems = NULL;
	struct err e = ERR_NULL;

	if (cgroups_layout(w->cg) == CGROUP_LAYOUT_V2 || !has(w, "cpuset"))
		skip();
	OK(cgroup_create(w->cg, path, &e));
	cpus = value_of(w, "cpuset", path, "cpuset.cpus");
	mems = value_of(w, "cpuset", path, "cpuset.mems");
	assert_true(*cpus && *mems);
}

/* --- refused --- */

static void test_refused(void **state)
{
	static const char *const paths[] = { "", "/", "a", "/a/../b", "/a//b", "/a/" };
	struct world *w = *state;
	struct err e = ERR_NULL;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		assert_false(cgroup_path_is_valid(paths[i]));
		assert_int_equal(cgroup_create(w->cg, paths[i], &e), -ERR_INVALID);
		assert_int_equal(cgroup_remove(w->cg, paths[i], &e), -ERR_INVALID);
	}
}

/* --- v2 on plain files --- */

struct fake {
	char top[64];
	struct cgroups *cg;
};

static void put(const struct fake *f, const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", f->top, name);
	struct err e = ERR_NULL;

	OK(fs_replace_file(path, text, strlen(text), 0644, false, &e));
}

static void assert_file(const struct fake *f, const char *name, const char *want)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", f->top, name);
	_cleanup_buf_ struct buf b = BUF_NULL;
	struct err e = ERR_NULL;

	OK(fs_read_file(path, 4096, &b, &e));
	/* A plain file keeps the end of a longer old text. */
	if (!b.data || !str_starts(b.data, want))
		fail_msg("%s: wanted %s, got %s", name, want, b.data ? b.data : "nothing");
}

static int setup_fake(void **state)
{
	struct fake *f = xcalloc(1, sizeof(*f));
	_cleanup_free_ char *line = NULL, *dir = NULL, *mountinfo = NULL;
	struct err e = ERR_NULL;

	snprintf(f->top, sizeof(f->top), "/tmp/crisp-cgroup-XXXXXX");
	assert_non_null(mkdtemp(f->top));
	line = xasprintf("1 1 0:1 / /proc rw - proc proc rw\n1 1 0:2 / %s rw - cgroup2 cgroup2 rw\n"
			 "1 1 0:2 / /elsewhere rw - cgroup2 cgroup2 rw\n",
			 f->top);
	put(f, "mountinfo", line);
	put(f, "cgroup.controllers", "cpuset cpu memory hugetlb pids\n");
	put(f, "cgroup.subtree_control", "");
	dir = xasprintf("%s/pod", f->top);
	OK(fs_mkdir_all(dir, 0755, &e));
	mountinfo = xasprintf("%s/mountinfo", f->top);
	OK(cgroups_open_at(mountinfo, &f->cg, &e));
	*state = f;
	return 0;
}

static int teardown_fake(void **state)
{
	struct fake *f = *state;
	struct err e = ERR_NULL;

	cgroups_free(f->cg);
	OK(fs_remove_tree(f->top, &e));
	free(f);
	return 0;
}

static void test_v2_limits(void **state)
{
	struct fake *f = *state;
	_cleanup_(cgroup_limits_done) struct cgroup_limits l = CGROUP_LIMITS_NULL;

	assert_int_equal(cgroups_layout(f->cg), CGROUP_LAYOUT_V2);
	cgroup_read_limits(f->cg, "/pod", &l);
	assert_true(l.cpu_weight == 0 && l.cpu_quota == 0 && l.memory == 0 && l.memory_swap == 0);
	assert_null(l.cpuset_cpus);
	put(f, "pod/cpu.weight", "39\n");
	put(f, "pod/cpu.max", "max 50000\n");
	put(f, "pod/memory.max", "1000000\n");
	put(f, "pod/memory.swap.max", "2000000\n");
	put(f, "pod/cpuset.cpus", "\n");
	put(f, "pod/cpuset.cpus.effective", "0-3\n");
	put(f, "pod/cpuset.mems", "0\n");
	cgroup_read_limits(f->cg, "/pod", &l);
	assert_true(l.cpu_weight == 39 && l.cpu_quota == -1 && l.cpu_period == 50000);
	assert_true(l.memory == 1000000 && l.memory_swap == 3000000 && l.cpu_shares == 0);
	assert_string_equal(l.cpuset_cpus, "0-3");
	assert_string_equal(l.cpuset_mems, "0");
	cgroup_limits_done(&l);
	put(f, "pod/cpu.max", "20000 100000\n");
	put(f, "pod/memory.max", "max\n");
	cgroup_read_limits(f->cg, "/pod", &l);
	assert_true(l.cpu_quota == 20000 && l.memory == -1 && l.memory_swap == -1);
}

static void test_v2_pressure(struct fake *f)
{
	_cleanup_(cgroup_files_done) struct cgroup_files files = CGROUP_FILES_NULL;
	struct cgroup_usage u;
	struct err e = ERR_NULL;

	OK(cgroup_files_open(f->cg, "/pod", false, &files, &e));
	OK(cgroup_files_read(&files, &u));
	assert_true(u.cpu_psi.known && u.cpu_psi.some.total_us == 58761459);
	assert_true(u.cpu_psi.some.avg10 == 0.22 && u.cpu_psi.some.avg60 == 1.05);
	assert_true(u.cpu_psi.some.avg300 == 99.99 && u.cpu_psi.full.avg300 == 3);
	assert_int_equal(u.cpu_psi.full.total_us, 7);
	/* Absent is not zero. */
	assert_true(u.io_psi.known && u.io_psi.some.total_us == 0);
	assert_false(u.memory_psi.known);
}

static void test_psi_malformed(void **state)
{
	static const char *const texts[] = {
		"",
		"full avg10=0.00 avg60=0.00 avg300=0.00 total=1\n",
		"some avg10=0,00 avg60=0.00 avg300=0.00 total=1\n",
		"some avg10=0.0 avg60=0.00 avg300=0.00 total=1\n",
		"some avg10=0.00 avg60=0.00 avg300=0.00 total=-1\n",
		"some avg10=0.00 avg60=0.00 avg300=0.00 total=18446744073709551616\n",
		"some avg10=nan avg60=0.00 avg300=0.00 total=1\n",
	};
	struct psi psi;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		psi_parse(texts[i], &psi);
		assert_false(psi.known);
		assert_int_equal(psi.some.total_us, 0);
	}
	psi_parse("some avg10=1.50 more=1 avg60=0.00 avg300=0.00 total=3", &psi);
	assert_true(psi.known && psi.some.avg10 == 1.5 && psi.some.total_us == 3);
}

static void test_v2_usage_and_create(void **state)
{
	struct fake *f = *state;
	struct cgroup_usage u;
	struct err e = ERR_NULL;

	put(f, "pod/cpu.stat",
	    "usage_usec 1500\nuser_usec 1000\nnr_periods 3\nnr_throttled 2\n"
	    "throttled_usec 7\n");
	put(f, "pod/memory.current", "10000\n");
	put(f, "pod/memory.max", "max\n");
	put(f, "pod/memory.stat",
	    "anon 4000\nfile 100\ninactive_file 3000\npgfault 5\n"
	    "pgmajfault 1\n");
	put(f, "pod/memory.swap.current", "11\n");
	put(f, "pod/memory.swap.max", "2000\n");
	put(f, "pod/memory.events", "low 0\noom 1\noom_kill 4\noom_group_kill 0\n");
	put(f, "pod/pids.current", "6\n");
	put(f, "pod/cpu.pressure",
	    "some avg10=0.22 avg60=1.05 avg300=99.99 total=58761459\n"
	    "full avg10=0.00 avg60=0.00 avg300=3.00 total=7\n");
	put(f, "pod/io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
	OK(cgroup_read_usage(f->cg, "/pod", &u, &e));
	assert_true(u.cpu_ns == 1500000 && u.cpu_periods == 3 && u.cpu_throttled_periods == 2 &&
		    u.cpu_throttled_ns == 7000);
	assert_true(u.memory == 10000 && u.memory_limit == UINT64_MAX && u.working_set == 7000);
	assert_true(u.rss == 4000 && u.page_faults == 5 && u.major_page_faults == 1);
	assert_true(u.swap == 11 && u.swap_limit == 2000 && u.oom_kills == 4 && u.pids == 6);
	assert_int_equal(cgroup_read_usage(f->cg, "/none", &u, &e), 1);
	test_v2_pressure(f);
	put(f, "pod/cgroup.subtree_control", "");
	OK(cgroup_create_plain(f->cg, "/pod/plain", &e));
	assert_file(f, "pod/cgroup.subtree_control", "");
	OK(cgroup_create(f->cg, "/pod/ctr", &e));
	/* Each write replaces the beginning of a plain file: the last controller shows. */
	assert_file(f, "cgroup.subtree_control", "+pids");
	assert_file(f, "pod/cgroup.subtree_control", "+pids");
}

static void test_slice_names(void **state)
{
	static const char path[] = "/kubepods.slice/kubepods-pod0a1b_2c.slice";
	static const char *const bad[] = { "",	       "/",	    ".slice",	  "-.slice",
					   "/crisp",   "a.scope",   "a--b.slice", "-a.slice",
					   "a-.slice", "a:b.slice", "a.slice/",	  "a b.slice" };
	char *name = cgroup_slice_name("system.slice");

	(void)state;
	assert_string_equal(name, "system.slice");
	free(name);
	name = cgroup_slice_name(path);
	assert_string_equal(name, "kubepods-pod0a1b_2c.slice");
	free(name);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_null(cgroup_slice_name(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slice_names),
		cmocka_unit_test(test_psi_malformed),
		cmocka_unit_test_setup_teardown(test_create_remove, setup, teardown),
		cmocka_unit_test_setup_teardown(test_freeze, setup, teardown),
		cmocka_unit_test_setup_teardown(test_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_thaw, setup, teardown),
		cmocka_unit_test_setup_teardown(test_thaw_parent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pull_thawed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_usage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_usage_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits_v1, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cpuset_inherited, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_v2_limits, setup_fake, teardown_fake),
		cmocka_unit_test_setup_teardown(test_v2_usage_and_create, setup_fake,
						teardown_fake),
	};

	if (geteuid() != 0) {
		print_message("[  SKIPPED ] test_cgroup: cgroups need root\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
