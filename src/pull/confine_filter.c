/*
 * confine_filter.c - seccomp allow lists for each process of the puller.
 *
 * Unlisted system calls fail with ENOSYS, as on an older kernel, so libraries fall back. Calls that
 * reach other processes or the node fail with EPERM.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "pull/confine.h"

/* Linux 6.6, same number on all architectures; kernel headers may be older. */
#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452
#endif

/* Memory, threads, time, and existing descriptors. */
/* clang-format off */
static const int common[] = {
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(pread64),
	SCMP_SYS(pwrite64), SCMP_SYS(close), SCMP_SYS(close_range), SCMP_SYS(dup), SCMP_SYS(dup2),
	SCMP_SYS(dup3), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(fstatat64), SCMP_SYS(statx),
	SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(lseek), SCMP_SYS(_llseek), SCMP_SYS(open),
	SCMP_SYS(openat), SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2),
	SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(getcwd),
	SCMP_SYS(mmap), SCMP_SYS(mmap2), SCMP_SYS(mprotect), SCMP_SYS(munmap), SCMP_SYS(mremap),
	SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(mlock), SCMP_SYS(munlock), SCMP_SYS(membarrier),
	SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(set_tid_address),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(exit), SCMP_SYS(exit_group),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(select), SCMP_SYS(pselect6),
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(eventfd2), SCMP_SYS(pipe2), SCMP_SYS(sendmsg), SCMP_SYS(sendto),
	SCMP_SYS(recvmsg), SCMP_SYS(recvfrom), SCMP_SYS(shutdown), SCMP_SYS(getsockopt),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_gettime64), SCMP_SYS(clock_getres), SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getpid),
	SCMP_SYS(gettid), SCMP_SYS(getppid), SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(getgid),
	SCMP_SYS(getegid), SCMP_SYS(getrandom), SCMP_SYS(getcpu), SCMP_SYS(getrusage),
	SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(sysinfo), SCMP_SYS(uname),
	SCMP_SYS(umask), SCMP_SYS(getrlimit), SCMP_SYS(socketpair),
};
/* clang-format on */

/* clang-format off */
static const int fetcher[] = {
	SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(setsockopt), SCMP_SYS(sendmmsg),
	SCMP_SYS(recvmmsg), SCMP_SYS(fadvise64),
};
/* clang-format on */

/* clang-format off */
static const int keeper[] = {
	SCMP_SYS(accept4), SCMP_SYS(accept), SCMP_SYS(wait4), SCMP_SYS(waitid), SCMP_SYS(openat2),
	SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(unlink), SCMP_SYS(unlinkat), SCMP_SYS(rmdir),
	SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2), SCMP_SYS(fchmod),
	SCMP_SYS(fchmodat), SCMP_SYS(chmod), SCMP_SYS(flock), SCMP_SYS(fsync), SCMP_SYS(syncfs),
};
/* clang-format on */

/* clang-format off */
static const int unpacker[] = {
	SCMP_SYS(openat2), SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(mknod), SCMP_SYS(mknodat),
	SCMP_SYS(link), SCMP_SYS(linkat), SCMP_SYS(symlink), SCMP_SYS(symlinkat), SCMP_SYS(unlink),
	SCMP_SYS(unlinkat), SCMP_SYS(rmdir), SCMP_SYS(rename), SCMP_SYS(renameat),
	SCMP_SYS(renameat2), SCMP_SYS(chown), SCMP_SYS(fchown), SCMP_SYS(lchown),
	SCMP_SYS(fchownat), SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(fchmodat),
	SCMP_SYS(fchmodat2), SCMP_SYS(utimensat), SCMP_SYS(utimensat_time64), SCMP_SYS(setxattr),
	SCMP_SYS(lsetxattr), SCMP_SYS(fsetxattr), SCMP_SYS(getxattr), SCMP_SYS(lgetxattr),
	SCMP_SYS(fgetxattr), SCMP_SYS(listxattr), SCMP_SYS(llistxattr), SCMP_SYS(flistxattr),
	SCMP_SYS(removexattr), SCMP_SYS(lremovexattr), SCMP_SYS(fremovexattr),
	SCMP_SYS(ftruncate), SCMP_SYS(ftruncate64), SCMP_SYS(fallocate), SCMP_SYS(fadvise64),
	SCMP_SYS(sync_file_range),
};
/* clang-format on */

/* clang-format off */
static const int refused[] = {
	SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(process_madvise),
	SCMP_SYS(process_mrelease), SCMP_SYS(kcmp), SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pidfd_send_signal), SCMP_SYS(kill), SCMP_SYS(tkill), SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_tgsigqueueinfo), SCMP_SYS(setpriority), SCMP_SYS(sched_setaffinity),
	SCMP_SYS(sched_setscheduler), SCMP_SYS(sched_setparam), SCMP_SYS(sched_setattr),
	SCMP_SYS(ioprio_set), SCMP_SYS(move_pages), SCMP_SYS(migrate_pages), SCMP_SYS(mount),
	SCMP_SYS(umount2), SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(fsopen),
	SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(mount_setattr),
	SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open), SCMP_SYS(init_module), SCMP_SYS(finit_module),
	SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load),
	SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(name_to_handle_at),
	SCMP_SYS(open_by_handle_at), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup),
	SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register), SCMP_SYS(swapon), SCMP_SYS(swapoff),
	SCMP_SYS(reboot), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime),
	SCMP_SYS(adjtimex), SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(acct),
	SCMP_SYS(quotactl), SCMP_SYS(quotactl_fd), SCMP_SYS(syslog), SCMP_SYS(personality),
	SCMP_SYS(iopl), SCMP_SYS(ioperm), SCMP_SYS(fanotify_init), SCMP_SYS(lookup_dcookie),
	SCMP_SYS(vhangup), SCMP_SYS(shmget), SCMP_SYS(shmat), SCMP_SYS(msgget), SCMP_SYS(semget),
	SCMP_SYS(mq_open), SCMP_SYS(memfd_create), SCMP_SYS(setuid), SCMP_SYS(setgid),
	SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid), SCMP_SYS(setresgid),
	SCMP_SYS(setgroups), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid), SCMP_SYS(capset),
	SCMP_SYS(seccomp), SCMP_SYS(listen), SCMP_SYS(chdir), SCMP_SYS(fchdir),
};
/* clang-format on */

/* Refused without network, with EPERM. */
static const int network[] = { SCMP_SYS(socket), SCMP_SYS(connect), SCMP_SYS(bind) };

/* Allowed fcntl commands: excludes commands that signal or block other processes. */
/* clang-format off */
static const int fcntl_commands[] = {
	F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_OFD_SETLK, F_OFD_GETLK,
	F_SETPIPE_SZ, F_GETPIPE_SZ,
};
/* clang-format on */

/* Ignore system calls that this architecture lacks. */
static int none_here(int r)
{
	return r == -EDOM || r == -EFAULT ? 0 : r;
}

static int add_list(scmp_filter_ctx f, uint32_t action, const int *list, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = none_here(seccomp_rule_add(f, action, list[i], 0));
	return r;
}

/* Allow the call if the lower 32 bits of the argument equal value. */
static int add_if(scmp_filter_ctx f, int call, unsigned argument, uint32_t value)
{
	return none_here(
		seccomp_rule_add(f, SCMP_ACT_ALLOW, call, 1,
				 SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, value)));
}

/* Allow threads, but no processes. clone3 cannot be filtered (flags in memory); libc falls back to
 * clone. Allow signals and limits of this process only. */
static int add_process(scmp_filter_ctx f)
{
	int r = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				 SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));

	r = r < 0 ? r : add_if(f, SCMP_SYS(tgkill), 0, (uint32_t)getpid());
	r = r < 0 ? r
		  : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2,
				     SCMP_A0(SCMP_CMP_EQ, 0, 0), SCMP_A2(SCMP_CMP_EQ, 0, 0));
	r = r < 0 ? r : add_if(f, SCMP_SYS(prctl), 0, PR_SET_NAME);
	/* PR_SET_VMA: libc 2.37 and later name anonymous memory. */
	r = r < 0 ? r : add_if(f, SCMP_SYS(prctl), 0, 0x53564d41);
	for (size_t i = 0; i < ARRAY_LEN(fcntl_commands) && r == 0; i++)
		r = add_if(f, SCMP_SYS(fcntl), 1, (uint32_t)fcntl_commands[i]);
	return r;
}

/* Allow IP, and rtnetlink for the resolver's address list. No unix sockets: the resolver works
 * without local daemons. */
static int add_network(scmp_filter_ctx f)
{
	int r = add_if(f, SCMP_SYS(socket), 0, AF_INET);

	r = r < 0 ? r : add_if(f, SCMP_SYS(socket), 0, AF_INET6);
	r = r < 0 ? r
		  : seccomp_rule_add(f, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, AF_UNIX));
	r = r < 0 ? r
		  : seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, AF_NETLINK),
				     SCMP_A2(SCMP_CMP_MASKED_EQ, UINT32_MAX, 0));
	r = r < 0 ? r : add_if(f, SCMP_SYS(ioctl), 1, FIONBIO);
	return r < 0 ? r : add_if(f, SCMP_SYS(ioctl), 1, FIONREAD);
}

static int add_role(scmp_filter_ctx f, enum confine_role role)
{
	int r = role == CONFINE_FETCHER
			? add_network(f)
			: add_list(f, SCMP_ACT_ERRNO(EPERM), network, ARRAY_LEN(network));

	if (r < 0)
		return r;
	switch (role) {
	case CONFINE_FETCHER:
		return add_list(f, SCMP_ACT_ALLOW, fetcher, ARRAY_LEN(fetcher));
	case CONFINE_KEEPER:
		return add_list(f, SCMP_ACT_ALLOW, keeper, ARRAY_LEN(keeper));
	case CONFINE_UNPACKER:
		return add_list(f, SCMP_ACT_ALLOW, unpacker, ARRAY_LEN(unpacker));
	case CONFINE_JUDGE:
		break;
	}
	return 0;
}

int confine_filter(enum confine_role role, struct err *e)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	int r = f ? seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2) : -ENOMEM;

	r = r < 0 ? r : add_list(f, SCMP_ACT_ALLOW, common, ARRAY_LEN(common));
	r = r < 0 ? r : add_process(f);
	r = r < 0 ? r : add_role(f, role);
	r = r < 0 ? r : add_list(f, SCMP_ACT_ERRNO(EPERM), refused, ARRAY_LEN(refused));
	r = r < 0 ? r : seccomp_load(f);
	seccomp_release(f);
	return r < 0 ? err_errno(e, ERR_INTERNAL, -r, "install the system call filter") : 0;
}
