/*
 * test_ns.c - pinned namespaces, and no mount left by a process that crashes while it pins them. As
 * root in a mount namespace of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <linux/nsfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "os/ns.h"

struct dir {
	char top[64], ns[80];
};

static int setup(void **state)
{
	struct dir *d = xcalloc(1, sizeof(*d));

	snprintf(d->top, sizeof(d->top), "/tmp/crisp-ns-XXXXXX");
	assert_non_null(mkdtemp(d->top));
	snprintf(d->ns, sizeof(d->ns), "%s/a/pod", d->top);
	*state = d;
	return 0;
}

static int teardown(void **state)
{
	struct dir *d = *state;
	struct err e = ERR_NULL;

	assert_int_equal(ns_unpin(d->ns, &e), 0);
	assert_int_equal(fs_remove_tree(d->top, &e), 0);
	free(d);
	return 0;
}

#define OK(call) \
	do { \
		if ((call) != 0) \
			fail_msg("%s: %s", #call, e.text); \
	} while (0)

static ino_t inode_of(const struct dir *d, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", d->ns, name);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_true(ns_is_pinned(path));
	return st.st_ino;
}

static ino_t inode_of_ours(const char *name)
{
	_cleanup_free_ char *path = xasprintf("/proc/thread-self/ns/%s", name);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static int get_hostname(void *arg, struct err *e)
{
	return gethostname(arg, 64) < 0 ? err_errno(e, ERR_INTERNAL, errno, "gethostname") : 0;
}

static int get_lo_flags(void *arg, struct err *e)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { .ifr_name = "lo" };

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &req) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "flags of lo");
	*(int *)arg = req.ifr_flags;
	return 0;
}

static void test_pin(void **state)
{
	struct dir *d = *state;
	_cleanup_free_ char *net = xasprintf("%s/net", d->ns), *uts = xasprintf("%s/uts", d->ns);
	ino_t ours[3] = { inode_of_ours("net"), inode_of_ours("ipc"), inode_of_ours("uts") };
	unsigned all = NS_KIND_NET | NS_KIND_IPC | NS_KIND_UTS;
	char name[64] = "", before[64], after[64];
	struct err e = ERR_NULL;
	ino_t pinned;
	int flags = 0;

	gethostname(before, sizeof(before));
	OK(ns_pin(d->ns, all, "pod-host", NULL, &e));
	assert_int_not_equal(inode_of(d, "net"), ours[0]);
	assert_int_not_equal(inode_of(d, "ipc"), ours[1]);
	assert_int_not_equal(inode_of(d, "uts"), ours[2]);
	OK(ns_run_inside(uts, get_hostname, name, &e));
	assert_string_equal(name, "pod-host");
	OK(ns_run_inside(net, get_lo_flags, &flags, &e));
	assert_true(flags & IFF_UP);
	/* We are where we were. */
	gethostname(after, sizeof(after));
	assert_string_equal(before, after);
	assert_int_equal(inode_of_ours("net"), ours[0]);
	assert_int_equal(inode_of_ours("uts"), ours[2]);
	/* Again: nothing changes. */
	pinned = inode_of(d, "net");
	OK(ns_pin(d->ns, all, "other", NULL, &e));
	assert_int_equal(inode_of(d, "net"), pinned);
	OK(ns_run_inside(uts, get_hostname, name, &e));
	assert_string_equal(name, "pod-host");
	OK(ns_unpin(d->ns, &e));
	assert_false(fs_exists(d->ns));
	OK(ns_unpin(d->ns, &e));
	assert_false(ns_is_pinned(net));
}

static void test_half_done(void **state)
{
	struct dir *d = *state;
	_cleanup_free_ char *net = xasprintf("%s/net", d->ns), *ipc = xasprintf("%s/ipc", d->ns);
	struct err e = ERR_NULL;
	ino_t uts;
	int fd;

	/* A crash after some of them: uts is pinned, the file for net is there, ipc is missing. */
	OK(ns_pin(d->ns, NS_KIND_UTS, "first", NULL, &e));
	uts = inode_of(d, "uts");
	fd = open(net, O_CREAT | O_WRONLY | O_CLOEXEC, 0444);
	assert_true(fd >= 0);
	close(fd);
	assert_false(ns_is_pinned(net));
	OK(ns_pin(d->ns, NS_KIND_NET | NS_KIND_IPC | NS_KIND_UTS, "second", NULL, &e));
	assert_int_equal(inode_of(d, "uts"), uts);
	inode_of(d, "net");
	inode_of(d, "ipc");
	/* And on the way down: one is unpinned, its file still there. */
	assert_int_equal(umount2(ipc, MNT_DETACH), 0);
	OK(ns_unpin(d->ns, &e));
	assert_false(fs_exists(d->ns));
	/* Twice at one place, as two attempts could leave it; and a stranger's file stays. */
	OK(ns_pin(d->ns, NS_KIND_NET, NULL, NULL, &e));
	assert_int_equal(mount("/proc/self/ns/net", net, NULL, MS_BIND, NULL), 0);
	fd = open(d->ns, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	close_fdp(&fd);
	OK(ns_unpin(d->ns, &e));
	assert_false(fs_exists(d->ns));
}

static int wait_for_end(void *arg)
{
	char c;

	return (int)read(*(int *)arg, &c, 1);
}

/* The namespace of another init takes the place of the first one's. */
static void test_pin_pid_of_another(struct dir *d)
{
	_cleanup_free_ char *stack = xmalloc(65536);
	struct err e = ERR_NULL;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = clone(wait_for_end, stack + 65536, CLONE_NEWPID | SIGCHLD, &fds[0]);
	assert_true(pid > 0);
	OK(ns_pin_pid(d->ns, pid, &e));
	assert_int_not_equal(inode_of(d, "pid"), inode_of_ours("pid"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	OK(ns_pin_pid(d->ns, getpid(), &e));
	assert_int_equal(inode_of(d, "pid"), inode_of_ours("pid"));
	close(fds[0]);
	close(fds[1]);
}

static void test_pin_pid(void **state)
{
	struct dir *d = *state;
	struct err e = ERR_NULL;

	OK(ns_pin_pid(d->ns, getpid(), &e));
	assert_int_equal(inode_of(d, "pid"), inode_of_ours("pid"));
	OK(ns_pin_pid(d->ns, getpid(), &e));
	test_pin_pid_of_another(d);
	OK(ns_unpin(d->ns, &e));
	assert_true(ns_pin_pid(d->ns, 0x7fffffff, &e) < 0);
	assert_non_null(strstr(e.text, "/proc/2147483647/ns/pid"));
}

static void test_pin_refused(void **state)
{
	struct dir *d = *state;
	_cleanup_free_ char *long_name = xcalloc(1, 200);
	_cleanup_free_ char *target = xasprintf("%s/net", d->ns);
	struct err e = ERR_NULL;

	memset(long_name, 'h', 199);
	assert_int_equal(ns_pin(d->ns, NS_KIND_UTS, long_name, NULL, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, "hostname"));
	assert_true(ns_pin(d->ns, NS_KIND_PID, NULL, NULL, &e) < 0);
	/* A link where we would mount. */
	OK(fs_mkdir_all(d->ns, 0755, &e));
	assert_int_equal(symlink("/tmp", target), 0);
	assert_true(ns_pin(d->ns, NS_KIND_NET, NULL, NULL, &e) < 0);
	unlink(target);
}

static int read_file(void *arg, struct err *e)
{
	struct buf *b = arg;
	_cleanup_free_ char *path = buf_take(b);

	return fs_read_file(path, 4096, b, e);
}

static void assert_inside(const struct dir *d, const char *ns, const char *path, const char *want)
{
	_cleanup_free_ char *at = xasprintf("%s/%s", d->ns, ns);
	_cleanup_buf_ struct buf b = BUF_NULL;
	struct err e = ERR_NULL;

	buf_puts(&b, path);
	OK(ns_run_inside(at, read_file, &b, &e));
	assert_string_equal(b.data, want);
}

static void test_sysctls(void **state)
{
	static const struct ns_sysctl good[] = {
		{ "net.ipv4.ip_unprivileged_port_start", "80" },
		{ "net/ipv4/conf/lo/forwarding", "1" },
		{ "kernel.shm_rmid_forced", "1" },
		{ "kernel.msgmax", "12345" },
		{ "fs.mqueue.msg_max", "17" },
	};
	_cleanup_buf_ struct buf before = BUF_NULL, after = BUF_NULL;
	struct dir *d = *state;
	struct err e = ERR_NULL;

	OK(fs_read_file("/proc/sys/kernel/msgmax", 64, &before, &e));
	OK(ns_pin(d->ns, NS_KIND_NET | NS_KIND_IPC, NULL, NULL, &e));
	OK(ns_set_sysctls(d->ns, good, ARRAY_LEN(good), &e));
	OK(ns_set_sysctls(d->ns, NULL, 0, &e));
	assert_inside(d, "net", "/proc/sys/net/ipv4/ip_unprivileged_port_start", "80\n");
	assert_inside(d, "net", "/proc/sys/net/ipv4/conf/lo/forwarding", "1\n");
	assert_inside(d, "ipc", "/proc/sys/kernel/shm_rmid_forced", "1\n");
	assert_inside(d, "ipc", "/proc/sys/kernel/msgmax", "12345\n");
	assert_inside(d, "ipc", "/proc/sys/fs/mqueue/msg_max", "17\n");
	OK(fs_read_file("/proc/sys/kernel/msgmax", 64, &after, &e));
	assert_string_equal(before.data, after.data);
}

static void test_sysctls_refused(void **state)
{
	static const struct {
		struct ns_sysctl s;
		const char *want;
	} bad[] = {
		{ { "kernel.hostname", "x" }, "does not belong to a pod" },
		{ { "vm.swappiness", "1" }, "does not belong to a pod" },
		{ { "kernel.semx", "1" }, "does not belong to a pod" },
		{ { "netx.a", "1" }, "does not belong to a pod" },
		{ { "net", "1" }, "not a valid name" },
		{ { "", "1" }, "not a valid name" },
		{ { "net.", "1" }, "not a valid name" },
		{ { ".net", "1" }, "not a valid name" },
		{ { "net..a", "1" }, "not a valid name" },
		{ { "net/../kernel/hostname", "1" }, "not a valid name" },
		{ { "net.//.kernel.hostname", "1" }, "not a valid name" },
		{ { "net.a b", "1" }, "not a valid name" },
		{ { "net.a\n", "1" }, "not a valid name" },
		{ { "net.no.such.thing", "1" }, "this kernel does not have it" },
		{ { "net.ipv4.ip_unprivileged_port_start", "rubbish" },
		  "set sysctl net.ipv4.ip_unprivileged_port_start=rubbish" },
		{ { "kernel.msgmax", "1" }, "no ipc namespace of its own" },
	};
	struct ns_sysctl net = { "net.ipv4.ip_forward", "1" }, sem = { "kernel.sem", "1 1 1 1" };
	struct dir *d = *state;
	struct err e = ERR_NULL;

	OK(ns_pin(d->ns, NS_KIND_NET, NULL, NULL, &e));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (ns_set_sysctls(d->ns, &bad[i].s, 1, &e) != -ERR_INVALID)
			fail_msg("accepted: %s", bad[i].s.name);
		if (!strstr(e.text, bad[i].want))
			fail_msg("%s: %s", bad[i].s.name, e.text);
	}
	OK(ns_check_sysctl(&net, false, true, &e));
	OK(ns_check_sysctl(&sem, true, false, &e));
	assert_int_equal(ns_check_sysctl(&net, true, false, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, "host network"));
	assert_int_equal(ns_check_sysctl(&sem, false, true, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, "host IPC"));
	/* One bad one: none is set. */
	assert_true(ns_set_sysctls(d->ns, (struct ns_sysctl[]){ net, { "kernel.x", "1" } }, 2, &e) <
		    0);
	assert_inside(d, "net", "/proc/sys/net/ipv4/conf/lo/proxy_arp", "0\n");
}

/* The namespace that owns the one pinned at name. */
static ino_t owner_of(const struct dir *d, const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", d->ns, name);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int owner = ioctl(fd, NS_GET_USERNS);
	struct stat st;

	assert_true(fd >= 0 && owner >= 0);
	assert_int_equal(fstat(owner, &st), 0);
	return st.st_ino;
}

static void test_user(void **state)
{
	static const struct userns_map map = { { 100000, 65536 }, { 200000, 1000 } };
	static const struct ns_sysctl sysctls[] = { { "kernel.shm_rmid_forced", "1" },
						    { "fs.mqueue.msg_max", "11" },
						    { "net.core.somaxconn", "99" } };
	unsigned all = NS_KIND_NET | NS_KIND_IPC | NS_KIND_UTS;
	struct dir *d = *state;
	_cleanup_free_ char *net = xasprintf("%s/net", d->ns), *uts = xasprintf("%s/uts", d->ns);
	_cleanup_free_ char *user = xasprintf("%s/user", d->ns);
	ino_t ours = inode_of_ours("user"), pinned, old;
	struct err e = ERR_NULL;
	char name[64] = "";
	int flags = 0;

	if (ns_pin(d->ns, all, "mapped", &map, &e) == -ERR_PRECONDITION) {
		print_message("[  SKIPPED ] %s\n", e.text);
		return;
	}
	OK(e.code);
	pinned = inode_of(d, "user");
	assert_int_not_equal(pinned, ours);
	assert_int_equal(owner_of(d, "net"), pinned);
	assert_int_equal(owner_of(d, "ipc"), pinned);
	assert_int_equal(owner_of(d, "uts"), pinned);
	OK(ns_run_inside(uts, get_hostname, name, &e));
	assert_string_equal(name, "mapped");
	OK(ns_run_inside(net, get_lo_flags, &flags, &e));
	assert_true(flags & IFF_UP);
	OK(ns_set_sysctls(d->ns, sysctls, ARRAY_LEN(sysctls), &e));
	assert_int_equal(geteuid(), 0);
	/* The process that held the namespaces has ended. */
	assert_int_equal(waitpid(-1, NULL, __WALL), -1);
	assert_int_equal(errno, ECHILD);
	/* Again: nothing changes.  Without the user namespace, all are made anew. */
	old = inode_of(d, "net");
	OK(ns_pin(d->ns, all, "other", &map, &e));
	assert_int_equal(inode_of(d, "user"), pinned);
	assert_int_equal(inode_of(d, "net"), old);
	assert_int_equal(umount2(user, MNT_DETACH), 0);
	OK(ns_pin(d->ns, all, "other", &map, &e));
	assert_int_equal(owner_of(d, "net"), inode_of(d, "user"));
	assert_int_equal(owner_of(d, "uts"), inode_of(d, "user"));
	OK(ns_unpin(d->ns, &e));
	assert_false(ns_is_pinned(user));
}

static void test_user_refused(void **state)
{
	static const struct userns_map twice = { { UINT32_MAX, 2 }, { 1, 1 } };
	struct dir *d = *state;
	_cleanup_free_ char *net = xasprintf("%s/net", d->ns);
	struct err e = ERR_NULL;

	assert_true(ns_pin(d->ns, NS_KIND_NET, NULL, &twice, &e) < 0);
	assert_false(ns_is_pinned(net));
	assert_int_equal(waitpid(-1, NULL, __WALL), -1);
}

static void test_map_sysctl(void **state)
{
	static const struct userns_map map = { { 100000, 65536 }, { 200000, 1000 } };
	static const struct {
		const char *name, *value, *mapped;
	} cases[] = {
		{ "net.ipv4.ping_group_range", "0 0", "200000 200000" },
		{ "net.ipv4.ping_group_range", "0\t2147483647", "200000 200999" },
		{ "net/ipv4/ping_group_range", " 5 7 ", "200005 200007" },
		{ "net.ipv4.ping_group_range", "1 0", "1 0" },
		{ "net.ipv4.ping_group_range", "1000 1000", "1 0" },
		{ "net.ipv4.ping_group_range", "1 2 3", "1 2 3" },
		{ "net.ipv4.ping_group_range", "x", "x" },
		{ "net.core.somaxconn", "5", "5" },
		{ "..", "5", "5" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct ns_sysctl s = { cases[i].name, cases[i].value };
		_cleanup_free_ char *mapped = ns_map_sysctl(&s, &map);

		assert_string_equal(mapped, cases[i].mapped);
	}
}

static void test_overlaps(void **state)
{
	static const struct {
		struct userns_range a, b;
		bool yes;
	} cases[] = {
		{ { 100, 10 }, { 110, 10 }, false },
		{ { 100, 10 }, { 109, 1 }, true },
		{ { 100, 10 }, { 90, 10 }, false },
		{ { 100, 10 }, { 90, 11 }, true },
		{ { 100, 10 }, { 103, 2 }, true },
		{ { UINT32_MAX - 1, 1 }, { 1, UINT32_MAX - 2 }, false },
		{ { UINT32_MAX - 1, 1 }, { 1, UINT32_MAX - 1 }, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(userns_overlaps(&cases[i].a, &cases[i].b), cases[i].yes);
		assert_int_equal(userns_overlaps(&cases[i].b, &cases[i].a), cases[i].yes);
	}
}

static int group_setup(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pin, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_done, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pin_pid, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pin_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sysctls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sysctls_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_user, setup, teardown),
		cmocka_unit_test_setup_teardown(test_user_refused, setup, teardown),
		cmocka_unit_test(test_map_sysctl),
		cmocka_unit_test(test_overlaps),
	};

	if (geteuid() != 0) {
		print_message("[  SKIPPED ] test_ns: namespaces need root\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, group_setup, NULL);
}
