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
	OK(ns_pin(d->ns, all, "pod-host", &e));
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
	OK(ns_pin(d->ns, all, "other", &e));
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
	OK(ns_pin(d->ns, NS_KIND_UTS, "first", &e));
	uts = inode_of(d, "uts");
	fd = open(net, O_CREAT | O_WRONLY | O_CLOEXEC, 0444);
	assert_true(fd >= 0);
	close(fd);
	assert_false(ns_is_pinned(net));
	OK(ns_pin(d->ns, NS_KIND_NET | NS_KIND_IPC | NS_KIND_UTS, "second", &e));
	assert_int_equal(inode_of(d, "uts"), uts);
	inode_of(d, "net");
	inode_of(d, "ipc");
	/* And on the way down: one is unpinned, its file still there. */
	assert_int_equal(umount2(ipc, MNT_DETACH), 0);
	OK(ns_unpin(d->ns, &e));
	assert_false(fs_exists(d->ns));
	/* Twice at one place, as two attempts could leave it; and a stranger's file stays. */
	OK(ns_pin(d->ns, NS_KIND_NET, NULL, &e));
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
	assert_int_equal(ns_pin(d->ns, NS_KIND_UTS, long_name, &e), -ERR_INVALID);
	assert_non_null(strstr(e.text, "hostname"));
	assert_true(ns_pin(d->ns, NS_KIND_PID, NULL, &e) < 0);
	/* A link where we would mount. */
	OK(fs_mkdir_all(d->ns, 0755, &e));
	assert_int_equal(symlink("/tmp", target), 0);
	assert_true(ns_pin(d->ns, NS_KIND_NET, NULL, &e) < 0);
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
	OK(ns_pin(d->ns, NS_KIND_NET | NS_KIND_IPC, NULL, &e));
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

	OK(ns_pin(d->ns, NS_KIND_NET, NULL, &e));
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
	};

	if (geteuid() != 0) {
		print_message("[  SKIPPED ] test_ns: namespaces need root\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, group_setup, NULL);
}
