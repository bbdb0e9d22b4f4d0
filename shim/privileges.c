/*
 * privileges.c - drop capabilities and install the seccomp filter.
 *
 * The filter is a list of allowed calls.  All others fail with EPERM, which the loop reports like
 * any other error.  Calls that an architecture does not have are omitted.
 */
#include "shim/privileges.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "the filter needs the name of this processor"
#endif

#define KEPT (1U << CAP_KILL | 1U << CAP_DAC_OVERRIDE)

static int drop_capabilities(struct err *e)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct keep[2] = { { .effective = KEPT, .permitted = KEPT } };

	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if ((cap > 31 || !(KEPT & 1U << cap)) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return err_errno(e, ERR_INTERNAL, errno, "drop capability %d", cap);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, keep) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "drop capabilities");
	return 0;
}

/* --- the filter --- */

/* clang-format off */
static const uint16_t allowed[] = {
	/* the loop */
	SYS_epoll_pwait, SYS_epoll_ctl, SYS_ppoll, SYS_read, SYS_readv, SYS_pread64, SYS_pwrite64,
	SYS_write, SYS_writev, SYS_splice, SYS_tee, SYS_close, SYS_close_range, SYS_lseek,
	SYS_fcntl, SYS_ioctl, SYS_dup, SYS_dup3, SYS_pipe2, SYS_signalfd4, SYS_clock_gettime,
	SYS_clock_nanosleep, SYS_nanosleep, SYS_restart_syscall,
#ifdef SYS_epoll_wait
	SYS_epoll_wait, SYS_poll, SYS_dup2,
#endif
	/* files */
	SYS_openat, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_fstatfs, SYS_statfs, SYS_ftruncate,
	SYS_fallocate, SYS_fsync, SYS_fdatasync, SYS_fchmod, SYS_fchmodat, SYS_renameat,
	SYS_renameat2, SYS_unlinkat, SYS_mkdirat, SYS_mknodat, SYS_getdents64, SYS_readlinkat,
	SYS_faccessat, SYS_umask,
#ifdef SYS_open
	SYS_open, SYS_stat, SYS_lstat, SYS_chmod, SYS_rename, SYS_unlink, SYS_mkdir, SYS_rmdir,
	SYS_mknod, SYS_readlink, SYS_access,
#endif
#ifdef SYS_faccessat2
	SYS_faccessat2,
#endif
	/* sockets; the filter checks their family below */
	SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_connect, SYS_sendmsg, SYS_recvmsg,
	SYS_sendmmsg, SYS_sendto, SYS_recvfrom, SYS_setsockopt, SYS_getsockopt,
	/* processes */
	SYS_waitid, SYS_wait4, SYS_kill, SYS_tgkill, SYS_pidfd_open, SYS_pidfd_send_signal,
	SYS_getpid, SYS_gettid, SYS_getppid, SYS_geteuid, SYS_getuid, SYS_rt_sigprocmask,
	SYS_rt_sigaction, SYS_rt_sigreturn, SYS_exit, SYS_exit_group,
	/* memory; the filter checks executable mappings below */
	SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise, SYS_memfd_create, SYS_getrandom,
	SYS_futex, SYS_uname,
};
/* clang-format on */

#define SYSCALL_NR offsetof(struct seccomp_data, nr)
#define ARG(n) (offsetof(struct seccomp_data, args) + (n) * sizeof(uint64_t)) /* its low half */
#define STMT(code, k) ((struct sock_filter)BPF_STMT((code), (k)))
#define JUMP(op, k, yes, no) \
	((struct sock_filter)BPF_JUMP(BPF_JMP | (op) | BPF_K, (uint32_t)(k), (yes), (no)))
#define LOAD(at) STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(at))
#define RET(action) STMT(BPF_RET | BPF_K, (action))
#define REFUSE RET(SECCOMP_RET_ERRNO | EPERM)
#define ALLOW RET(SECCOMP_RET_ALLOW)

static int install_filter(void)
{
	struct sock_filter f[2 * ARRAY_LEN(allowed) + 24];
	struct sock_fprog prog = { .filter = f };
	unsigned short n = 0;

	f[n++] = LOAD(offsetof(struct seccomp_data, arch));
	f[n++] = JUMP(BPF_JEQ, ARCH, 1, 0);
	f[n++] = RET(SECCOMP_RET_KILL_PROCESS);
	f[n++] = LOAD(SYSCALL_NR);
	for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
		f[n++] = JUMP(BPF_JEQ, allowed[i], 0, 1);
		f[n++] = ALLOW;
	}
	f[n++] = JUMP(BPF_JEQ, SYS_socket, 0, 4);
	f[n++] = LOAD(ARG(0));
	f[n++] = JUMP(BPF_JEQ, AF_UNIX, 0, 1);
	f[n++] = ALLOW;
	f[n++] = REFUSE;
	f[n++] = JUMP(BPF_JEQ, SYS_mmap, 1, 0);
	f[n++] = JUMP(BPF_JEQ, SYS_mprotect, 0, 3);
	f[n++] = LOAD(ARG(2));
	f[n++] = JUMP(BPF_JSET, PROT_EXEC, 1, 0);
	f[n++] = ALLOW;
	f[n++] = REFUSE;
	prog.len = n;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
}

int privileges_drop(struct err *e)
{
	/* The calls of sanitizers are not known, and the leak sanitizer traces the shim. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	const bool sanitized = true;
#else
	const bool sanitized = false;
#endif
	int r;

	if (!sanitized && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "forbid to be traced");
	r = drop_capabilities(e);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "forbid new privileges");
	if (!sanitized && install_filter() < 0)
		log_warn("runs without a filter of system calls", "error=\"%s\"", strerror(errno));
	return 0;
}
