/*
 * test_confine.c - each role of the puller tries to reach the node's files, network, processes and
 * kernel from inside its confinement, and fails.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "pull/base/helper.h"
#include "pull/confine.h"

#ifndef SYS_userfaultfd
#define SYS_userfaultfd __NR_userfaultfd
#endif

static char top[64], work[96], other[96], secret[96], path_socket[96];
static int port, leaked;
static pid_t parent;
static struct sockaddr_un abstract = { .sun_family = AF_UNIX };

/* --- attempts: 0, or the errno --- */

static int result(long r)
{
	return r < 0 ? errno : 0;
}

static int open_and_close(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd < 0 ? errno : close(fd);
}

static int try_shadow(void)
{
	return open_and_close("/etc/shadow", O_RDONLY);
}

static int try_secret(void)
{
	return open_and_close(secret, O_RDONLY);
}

static int try_dots(void)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/../../../../../../etc/shadow", work);
	return open_and_close(path, O_RDONLY);
}

static int try_proc_root(void)
{
	return open_and_close("/proc/1/root/etc/shadow", O_RDONLY);
}

static int try_proc_parent(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/environ", parent);
	return open_and_close(path, O_RDONLY);
}

static int try_device(void)
{
	return open_and_close("/dev/null", O_RDWR);
}

static int try_create(void)
{
	return open_and_close("/escape", O_CREAT | O_WRONLY);
}

static int try_other(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/new", other);
	return open_and_close(path, O_CREAT | O_WRONLY);
}

static int try_tcp(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return errno;
	r = result(connect(fd, (struct sockaddr *)&a, sizeof(a)));
	close(fd);
	return r;
}

static int try_listen(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return errno;
	r = result(listen(fd, 1));
	close(fd);
	return r;
}

static int connect_unix(const struct sockaddr_un *a, socklen_t size)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

	if (fd < 0)
		return errno;
	r = result(connect(fd, (const struct sockaddr *)a, size));
	close(fd);
	return r;
}

static int try_abstract(void)
{
	return connect_unix(&abstract, sizeof(abstract));
}

static int try_unix(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path_socket);
	return connect_unix(&a, sizeof(a));
}

static int try_packet(void)
{
	return result(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static int try_ptrace(void)
{
	return result(ptrace(PTRACE_ATTACH, parent, 0, 0));
}

static int try_memory(void)
{
	char byte;
	struct iovec here = { &byte, 1 }, there = { &parent, 1 };

	return result(syscall(SYS_process_vm_readv, parent, &here, 1, &there, 1, 0));
}

static int try_kill(void)
{
	return result(syscall(SYS_kill, parent, 0));
}

static int try_tgkill(void)
{
	return result(syscall(SYS_tgkill, parent, parent, 0));
}

static int try_queue(void)
{
	siginfo_t info = { .si_code = SI_QUEUE };

	return result(syscall(SYS_rt_sigqueueinfo, parent, SIGURG, &info));
}

static int try_owner(void)
{
	return result(fcntl(STDERR_FILENO, F_SETOWN, parent));
}

static int try_limits(void)
{
	return result(prlimit(parent, RLIMIT_NOFILE, NULL, &(struct rlimit){ 0 }));
}

static int try_priority(void)
{
	return result(setpriority(PRIO_PROCESS, (id_t)parent, 0));
}

static int try_pidfd(void)
{
	return result(syscall(SYS_pidfd_open, parent, 0));
}

static int try_mount(void)
{
	return result(mount("tmpfs", "/", "tmpfs", 0, NULL));
}

static int try_umount(void)
{
	return result(umount2("/", MNT_DETACH));
}

static int try_open_tree(void)
{
	return result(syscall(SYS_open_tree, AT_FDCWD, "/", 1));
}

static int try_fsopen(void)
{
	return result(syscall(SYS_fsopen, "tmpfs", 0));
}

static int try_setns(void)
{
	return result(setns(leaked, CLONE_NEWNS));
}

static int try_unshare(void)
{
	return result(unshare(CLONE_NEWUSER));
}

static int try_chroot(void)
{
	return result(chroot("/"));
}

static int try_pivot(void)
{
	return result(syscall(SYS_pivot_root, "/", "/"));
}

static int try_handle(void)
{
	struct file_handle h = { .handle_bytes = 0 };

	return result(open_by_handle_at(AT_FDCWD, &h, O_RDONLY));
}

static int try_uring(void)
{
	char params[256] = { 0 };

	return result(syscall(SYS_io_uring_setup, 1, params));
}

static int try_userfaultfd(void)
{
	return result(syscall(SYS_userfaultfd, 1));
}

static int try_keyctl(void)
{
	return result(syscall(SYS_keyctl, 0, -3, 0));
}

static int try_bpf(void)
{
	union bpf_attr attr = { .map_type = BPF_MAP_TYPE_ARRAY };

	return result(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr)));
}

static int try_perf(void)
{
	char attr[128] = { 0 };

	return result(syscall(SYS_perf_event_open, attr, 0, -1, -1, 0));
}

static int try_exec(void)
{
	char *const argv[] = { (char *)(uintptr_t) "/bin/true", NULL };

	return result(execve(argv[0], argv, argv));
}

static int try_fork(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int try_mknod_root(void)
{
	return result(mknod("/disk", S_IFBLK | 0600, makedev(7, 0)));
}

static int try_setuid(void)
{
	return result(syscall(SYS_setresuid, 1, 1, 1));
}

static int try_leaked(void)
{
	return result(fcntl(leaked, F_GETFD));
}

static int try_shared_memory(void)
{
	return result(syscall(SYS_shmget, 0, 4096, 01600));
}

static int try_device_node(void)
{
	char path[128];
	int r;

	snprintf(path, sizeof(path), "%s/zero", work);
	r = result(mknod(path, S_IFCHR | 0600, makedev(1, 5)));
	return r ? r : open_and_close(path, O_RDONLY) ? errno : 0;
}

static int try_ioctl(void)
{
	int fd = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	long flags;

	if (fd < 0)
		return errno;
	r = result(syscall(SYS_ioctl, fd, 0x80086601UL, &flags)); /* FS_IOC_GETFLAGS */
	close(fd);
	return r;
}

/* --- what a role must be able to do --- */

static int can_write(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/file", work);
	return open_and_close(path, O_CREAT | O_WRONLY);
}

static int can_chown(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/file", work);
	return result(lchown(path, 12, 34));
}

static int can_be_opaque(void)
{
	return result(lsetxattr(work, "trusted.overlay.opaque", "y", 1, 0));
}

static int can_see_itself(void)
{
	char path[64], target[256];
	int fd = open(work, O_PATH | O_CLOEXEC);
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target));
	close(fd);
	return n == (ssize_t)strlen(work) && memcmp(target, work, (size_t)n) == 0 ? 0 : EINVAL;
}

static int can_read(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/there", work);
	return open_and_close(path, O_RDONLY);
}

#define ROLE(r) (1U << (r))
#define ALL 15U
#define FETCHER ROLE(CONFINE_FETCHER)
#define KEEPER ROLE(CONFINE_KEEPER)
#define UNPACKER ROLE(CONFINE_UNPACKER)

static const struct attempt {
	const char *name;
	int (*run)(void);
	unsigned roles;
	int expected[3];
} attempts[] = {
	{ "open /etc/shadow", try_shadow, ALL, { ENOENT } },
	{ "open a secret beside the view", try_secret, ALL, { ENOENT } },
	{ "leave by ..", try_dots, ALL, { ENOENT } },
	{ "leave by /proc/1/root", try_proc_root, ALL, { ENOENT } },
	{ "read another process in /proc", try_proc_parent, ALL, { ENOENT } },
	{ "open a device", try_device, ALL, { ENOENT } },
	/* The root is read-only; Landlock may be asked first. */
	{ "create a file in the root", try_create, ALL, { EROFS, EACCES } },
	{ "create a file beside the view", try_other, ALL, { ENOENT } },
	{ "connect to loopback", try_tcp, ALL & ~FETCHER, { EPERM } },
	{ "listen", try_listen, ALL, { EPERM } },
	{ "connect to an abstract socket", try_abstract, ALL & ~FETCHER, { EPERM } },
	{ "connect to an abstract socket", try_abstract, FETCHER, { EAFNOSUPPORT } },
	{ "connect to a socket in the file system", try_unix, ALL & ~FETCHER, { EPERM } },
	{ "connect to a socket in the file system", try_unix, FETCHER, { EAFNOSUPPORT } },
	{ "open a packet socket", try_packet, ALL, { EPERM, ENOSYS } },
	{ "trace another process", try_ptrace, ALL, { EPERM } },
	{ "read another process's memory", try_memory, ALL, { EPERM } },
	{ "send a signal", try_kill, ALL, { EPERM } },
	{ "send a signal to a thread", try_tgkill, ALL, { ENOSYS } },
	{ "queue a signal", try_queue, ALL, { EPERM } },
	{ "have a signal sent", try_owner, ALL, { ENOSYS } },
	{ "limit another process", try_limits, ALL, { ENOSYS } },
	{ "set another process's priority", try_priority, ALL, { EPERM } },
	{ "open a pidfd", try_pidfd, ALL, { EPERM } },
	{ "mount", try_mount, ALL, { EPERM } },
	{ "unmount", try_umount, ALL, { EPERM } },
	{ "clone a mount", try_open_tree, ALL, { EPERM } },
	{ "make a file system", try_fsopen, ALL, { EPERM } },
	{ "enter a namespace", try_setns, ALL, { EPERM } },
	{ "make a namespace", try_unshare, ALL, { EPERM } },
	{ "change the root", try_chroot, ALL, { EPERM } },
	{ "pivot the root", try_pivot, ALL, { EPERM } },
	{ "open by handle", try_handle, ALL, { EPERM } },
	{ "io_uring", try_uring, ALL, { EPERM } },
	{ "userfaultfd", try_userfaultfd, ALL, { EPERM } },
	{ "keyctl", try_keyctl, ALL, { EPERM } },
	{ "bpf", try_bpf, ALL, { EPERM } },
	{ "perf", try_perf, ALL, { EPERM } },
	{ "execute a program", try_exec, ALL, { EPERM } },
	{ "make a process", try_fork, ALL, { ENOSYS } },
	{ "change its user", try_setuid, ALL, { EPERM } },
	{ "use a descriptor of its parent", try_leaked, ALL, { EBADF } },
	{ "shared memory", try_shared_memory, ALL, { EPERM } },
	{ "make a device outside its folder", try_mknod_root, UNPACKER, { EROFS, EACCES } },
	{ "make a device outside its folder", try_mknod_root, ALL & ~UNPACKER, { ENOSYS } },
	{ "open a device that it has made", try_device_node, UNPACKER, { EACCES } },
	{ "ioctl on a file system", try_ioctl, UNPACKER | KEEPER, { ENOSYS } },
	{ "write to its view", can_write, FETCHER, { EROFS, EACCES } },
	/* What it is there for. */
	{ "connect to loopback", try_tcp, FETCHER, { 0 } },
	{ "read its view", can_read, FETCHER | KEEPER | UNPACKER, { 0 } },
	{ "write to its folder", can_write, KEEPER | UNPACKER, { 0 } },
	{ "give a file away", can_chown, UNPACKER, { 0 } },
	{ "give a file away", can_chown, KEEPER, { ENOSYS } },
	{ "make a directory opaque", can_be_opaque, UNPACKER, { 0 } },
	{ "see its descriptors", can_see_itself, UNPACKER, { 0 } },
};

static bool is_expected(const struct attempt *a, int got)
{
	for (size_t i = 0; i < ARRAY_LEN(a->expected); i++)
		if (got == a->expected[i] && (got || i == 0))
			return true;
	return false;
}

/* --- in the child --- */

static int prepare(void *arg, struct err *e)
{
	enum confine_role role = *(const enum confine_role *)arg;
	struct confine_view view = { .own_fds = role == CONFINE_UNPACKER };
	int r = role == CONFINE_FETCHER ? 0 : confine_leave_network(e);

	if (role != CONFINE_JUDGE)
		confine_view_add(&view, work, NULL, role != CONFINE_FETCHER, false);
	confine_view_add(&view, "/does/not/exist", NULL, false, true);
	r = r < 0 ? r : confine_enter(role, &view, e);
	confine_view_done(&view);
	return r;
}

static void serve(void *arg, int fd)
{
	enum confine_role role = *(const enum confine_role *)arg;

	for (size_t i = 0; i < ARRAY_LEN(attempts); i++) {
		const struct attempt *a = &attempts[i];
		char line[256];
		int got;

		if (!(a->roles & ROLE(role)))
			continue;
		got = a->run();
		if (is_expected(a, got))
			continue;
		snprintf(line, sizeof(line), "%s: %s\n", a->name, got ? strerror(got) : "done");
		(void)!write(fd, line, strlen(line));
	}
	(void)!write(fd, "end", 3);
}

/* --- tests --- */

static void start(enum confine_role *role, struct helper *c)
{
	const struct helper_ops ops = {
		.name = "test-confined",
		.prepare = prepare,
		.serve = serve,
		.arg = role,
	};
	struct err e = ERR_NULL;

	if (helper_start(c, &ops, NULL, 0, &e) < 0 || helper_ready(c, &e) < 0)
		fail_msg("%s", e.text);
}

static void try_all(enum confine_role role)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	struct err e = ERR_NULL;
	struct helper c;
	ssize_t n;
	int fd;

	start(&role, &c);
	assert_int_equal(helper_channel(&c, &fd, &e), 0);
	while ((n = read(fd, buf_reserve(&text, 4096), 4096)) > 0)
		buf_commit(&text, (size_t)n);
	close(fd);
	helper_end(&c);
	if (!text.len || strcmp(text.data, "end") != 0)
		fail_msg("%s", text.len ? text.data : "the child has ended");
}

static void test_fetcher(void **state)
{
	(void)state;
	try_all(CONFINE_FETCHER);
}

static void test_keeper(void **state)
{
	(void)state;
	try_all(CONFINE_KEEPER);
}

static void test_unpacker(void **state)
{
	(void)state;
	try_all(CONFINE_UNPACKER);
}

static void test_judge(void **state)
{
	(void)state;
	try_all(CONFINE_JUDGE);
}

/* The line of /proc/PID/status. */
static char *status_of(pid_t pid, const char *name)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/status", pid);
	_cleanup_buf_ struct buf text = BUF_NULL;
	struct err e = ERR_NULL;
	const char *line;

	assert_int_equal(fs_read_file(path, 65536, &text, &e), 0);
	line = strstr(text.data, name);
	assert_non_null(line);
	line += strlen(name);
	line += strspn(line, ":\t");
	return xstrndup(line, strcspn(line, "\n"));
}

static void test_from_outside(void **state)
{
	static const char *const caps[] = {
		[CONFINE_FETCHER] = "0000000000000000",
		[CONFINE_KEEPER] = "000000000000000a", /* DAC_OVERRIDE, FOWNER */
		[CONFINE_UNPACKER] = "000000008820001b",
		[CONFINE_JUDGE] = "0000000000000000",
	};

	(void)state;
	for (enum confine_role role = CONFINE_FETCHER; role <= CONFINE_JUDGE; role++) {
		static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapBnd",
						    "CapAmb" };
		struct helper c;

		start(&role, &c);
		for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
			_cleanup_free_ char *set = status_of(c.pid, sets[i]);
			bool empty = i == 0 || i == 4;

			assert_string_equal(set, empty ? caps[CONFINE_FETCHER] : caps[role]);
		}
		{
			_cleanup_free_ char *seccomp = status_of(c.pid, "Seccomp");
			_cleanup_free_ char *nnp = status_of(c.pid, "NoNewPrivs");

			assert_string_equal(seccomp, "2");
			assert_string_equal(nnp, "1");
		}
		helper_end(&c);
	}
}

/* Killed: the keeper gets an error for what it asks. */
static void test_killed(void **state)
{
	enum confine_role role = CONFINE_UNPACKER;
	struct err e = ERR_NULL;
	struct helper c;
	int fd;

	(void)state;
	start(&role, &c);
	assert_int_equal(kill(c.pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)c.pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	assert_int_equal(helper_channel(&c, &fd, &e), -ERR_INTERNAL);
	assert_non_null(strstr(e.text, "test-confined"));
	helper_end(&c);
}

/* The keeper is killed: its child goes, too. */
static void test_keeper_killed(void **state)
{
	enum confine_role role = CONFINE_FETCHER;
	pid_t keeper;
	char byte;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	keeper = fork();
	if (keeper == 0) {
		/* Standard error stays open in the child. */
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		struct helper c;

		start(&role, &c);
		(void)!write(STDERR_FILENO, "r", 1);
		pause();
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	kill(keeper, SIGKILL);
	/* The end of the pipe is the end of both. */
	assert_int_equal(read(ends[0], &byte, 1), 0);
	assert_int_equal(waitpid(keeper, NULL, 0), keeper);
	close(ends[0]);
}

/* --- the node that they try to reach --- */

static void make_file(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void listen_everywhere(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un u = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(a);
	int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    named = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    nameless = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(tcp, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(tcp, (struct sockaddr *)&a, &size), 0);
	port = ntohs(a.sin_port);
	snprintf(u.sun_path, sizeof(u.sun_path), "%s", path_socket);
	assert_int_equal(bind(named, (struct sockaddr *)&u, sizeof(u)), 0);
	snprintf(abstract.sun_path + 1, sizeof(abstract.sun_path) - 1, "%s", top);
	assert_int_equal(bind(nameless, (struct sockaddr *)&abstract, sizeof(abstract)), 0);
	assert_int_equal(listen(tcp, 64), 0);
	assert_int_equal(listen(named, 64), 0);
	assert_int_equal(listen(nameless, 64), 0);
}

static int setup(void **state)
{
	char there[128];

	(void)state;
	if (geteuid() != 0) {
		print_message("needs root: not run\n");
		exit(0);
	}
	parent = getpid();
	snprintf(top, sizeof(top), "/tmp/crisp-confine-XXXXXX");
	assert_non_null(mkdtemp(top));
	snprintf(work, sizeof(work), "%s/work", top);
	snprintf(other, sizeof(other), "%s/other", top);
	snprintf(secret, sizeof(secret), "%s/secret", top);
	snprintf(path_socket, sizeof(path_socket), "%s/socket", top);
	snprintf(there, sizeof(there), "%s/there", work);
	assert_int_equal(mkdir(work, 0700), 0);
	assert_int_equal(mkdir(other, 0700), 0);
	make_file(secret);
	make_file(there);
	listen_everywhere();
	leaked = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	assert_true(leaked >= 0);
	return 0;
}

static int teardown(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	close(leaked);
	return fs_remove_tree(top, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fetcher),	      cmocka_unit_test(test_keeper),
		cmocka_unit_test(test_unpacker),      cmocka_unit_test(test_judge),
		cmocka_unit_test(test_from_outside),  cmocka_unit_test(test_killed),
		cmocka_unit_test(test_keeper_killed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
