/*
 * probe.c - what a container has, as lines of text, for default-container.sh.
 *
 * Each system call gets arguments that no kernel accepts, in a child: "denied" is EPERM or ENOSYS,
 * "reached" any other error.  Numbers that differ between hosts are left out.
 */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *name;
	long number, args[5];
} calls[] = {
	{ "acct", SYS_acct, { 1 } },
	{ "add_key", SYS_add_key, { 1, 1, 0, 0, -99 } },
	{ "bpf", SYS_bpf, { 9999, 1, 8 } },
	{ "chroot", SYS_chroot, { 1 } },
	{ "clock_settime", SYS_clock_settime, { 0, 1 } },
	{ "delete_module", SYS_delete_module, { 1 } },
	{ "fanotify_init", SYS_fanotify_init, { 0xffffffff } },
	{ "finit_module", SYS_finit_module, { -1, 1, 0xffff } },
	{ "fsopen", SYS_fsopen, { 1, 0xffff } },
	{ "init_module", SYS_init_module, { 1, 1, 1 } },
	{ "io_uring_setup", SYS_io_uring_setup, { 0, 1 } },
	{ "kcmp", SYS_kcmp, { -1, -1, 99 } },
	{ "kexec_load", SYS_kexec_load, { 0, 1, 1, 0xffff } },
	{ "keyctl", SYS_keyctl, { 9999 } },
	{ "mbind", SYS_mbind, { 1, 1, 99, 1, 1 } },
	{ "mount", SYS_mount, { 1, 1, 1 } },
	{ "mount_setattr", SYS_mount_setattr, { -1, 1, 0xffff } },
	{ "move_mount", SYS_move_mount, { -1, 1, -1, 1, 0xffff } },
	{ "open_by_handle_at", SYS_open_by_handle_at, { -1, 1 } },
	{ "open_tree", SYS_open_tree, { -1, 1, 0xffff } },
	{ "perf_event_open", SYS_perf_event_open, { 1, -1, -1, -1, 0xffff } },
	{ "pidfd_getfd", SYS_pidfd_getfd, { -1, -1, 1 } },
	{ "pivot_root", SYS_pivot_root, { 1, 1 } },
	{ "process_vm_readv", SYS_process_vm_readv, { -1, 1, 1, 1, 1 } },
	{ "ptrace", SYS_ptrace, { 0x4206, -1 } },
	{ "quotactl", SYS_quotactl, { -1, 1 } },
	{ "reboot", SYS_reboot, { 0 } },
	{ "request_key", SYS_request_key, { 1, 1 } },
	{ "setdomainname", SYS_setdomainname, { 1, 8 } },
	{ "sethostname", SYS_sethostname, { 1, 8 } },
	{ "setns", SYS_setns, { -1 } },
	{ "settimeofday", SYS_settimeofday, { 1 } },
	{ "swapoff", SYS_swapoff, { 1 } },
	{ "swapon", SYS_swapon, { 1, 0xffffffff } },
	{ "syslog", SYS_syslog, { 99 } },
	{ "umount2", SYS_umount2, { 1, 0xffff } },
	{ "unshare(user)", SYS_unshare, { CLONE_NEWUSER } },
	{ "unshare(mount)", SYS_unshare, { CLONE_NEWNS } },
	{ "userfaultfd", SYS_userfaultfd, { 0xffff } },
};

static void print_calls(void)
{
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		int status;

		fflush(stdout);
		if (fork() == 0) {
			const long *a = calls[i].args;
			long r = syscall(calls[i].number, a[0], a[1], a[2], a[3], a[4]);

			_exit(r < 0 && (errno == EPERM || errno == ENOSYS));
		}
		wait(&status);
		printf("call %s %s\n", calls[i].name,
		       WIFSIGNALED(status)   ? "killed"
		       : WEXITSTATUS(status) ? "denied"
					     : "reached");
	}
}

static void print_status(void)
{
	static const char *const keys[] = { "Cap", "NoNewPrivs", "Seccomp:", "Uid",
					    "Gid", "Groups",	 "Umask" };
	char line[4096];
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		for (size_t i = 0; i < ARRAY_LEN(keys); i++)
			if (strncmp(line, keys[i], strlen(keys[i])) == 0)
				printf("status %s", line);
}

static void print_limits(void)
{
	static const struct {
		const char *name;
		int resource;
	} limits[] = { { "core", RLIMIT_CORE },	      { "fsize", RLIMIT_FSIZE },
		       { "memlock", RLIMIT_MEMLOCK }, { "msgqueue", RLIMIT_MSGQUEUE },
		       { "nice", RLIMIT_NICE },	      { "nofile", RLIMIT_NOFILE },
		       { "nproc", RLIMIT_NPROC },     { "rtprio", RLIMIT_RTPRIO } };

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct rlimit r;

		getrlimit(limits[i].resource, &r);
		printf("limit %s %lld %lld\n", limits[i].name, (long long)r.rlim_cur,
		       (long long)r.rlim_max);
	}
}

static void print_entry(const char *dir, const char *name)
{
	char path[4096], target[4096] = "";
	struct stat st;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (lstat(path, &st) < 0)
		return;
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	if (S_ISLNK(st.st_mode))
		printf("dev %s -> %s\n", name, target);
	else if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		printf("dev %s %o %u:%u\n", name, st.st_mode, major(st.st_rdev), minor(st.st_rdev));
	else
		printf("dev %s %o\n", name, st.st_mode);
}

static void print_devices(void)
{
	DIR *d = opendir("/dev");
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (strcmp(e->d_name, "..") != 0)
			print_entry("/dev", e->d_name);
}

/* Descriptors that the program was started with; the one of the directory is its own. */
static void print_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	char own[16];

	snprintf(own, sizeof(own), "%d", d ? dirfd(d) : -1);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.' && strcmp(e->d_name, own) != 0)
			printf("descriptor %s\n", e->d_name);
}

static void copy(const char *title, const char *path)
{
	char line[4096];
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f))
		printf("%s %s", title, line);
	if (f)
		fclose(f);
}

int main(int argc, char **argv, char **env)
{
	(void)argc;
	(void)argv;
	print_descriptors();
	print_status();
	print_calls();
	print_limits();
	print_devices();
	for (; *env; env++)
		printf("env %s\n", *env);
	copy("mountinfo", "/proc/self/mountinfo");
	copy("oom_score_adj", "/proc/self/oom_score_adj");
	copy("sysctl net.ipv4.ip_unprivileged_port_start",
	     "/proc/sys/net/ipv4/ip_unprivileged_port_start");
	copy("sysctl net.ipv4.ping_group_range", "/proc/sys/net/ipv4/ping_group_range");
	return 0;
}
