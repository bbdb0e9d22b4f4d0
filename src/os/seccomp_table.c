/*
 * seccomp_table.c - the built-in seccomp profile, ordered by condition; inside a rule by name.
 * seccomp.c omits names that the installed libseccomp or the architecture does not have, so new
 * names can be listed before libseccomp knows them everywhere.
 */
#include "os/seccomp_table.h"

#include <errno.h>
#include <linux/capability.h>

#include "os/caps.h"

#define ONLY(cap) .caps_all = CAPS_BIT(cap)
#define UNLESS(cap) .caps_none = CAPS_BIT(cap)
#define PERSONA(flags) \
	{ \
		.names = "personality", .arg = { 0, flags, 0, "SCMP_CMP_EQ" } \
	}

/* CLONE_NEW* without CLONE_NEWTIME, whose bit is part of the exit signal of clone(2). */
#define CLONE_NAMESPACES 0x7e020000

/* AF_VSOCK reaches the hypervisor past the network namespace. */
#define VSOCK_FAMILY 40

const struct seccomp_table_rule seccomp_table[] = {
	/* files and descriptors */
	{ .names = "access chdir chmod chown chown32 close close_range copy_file_range "
		   "creat dup dup2 dup3 faccessat faccessat2 fadvise64 fadvise64_64 "
		   "fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat "
		   "fcntl fcntl64 fdatasync flock fstat fstat64 fstatat64 fstatfs "
		   "fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents "
		   "getdents64 ioctl lchown lchown32 link linkat _llseek lseek lstat "
		   "lstat64 mkdir mkdirat mknod mknodat newfstatat open openat openat2 "
		   "pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read "
		   "readahead readlink readlinkat readv rename renameat renameat2 rmdir "
		   "sendfile sendfile64 splice stat stat64 statfs statfs64 statx symlink "
		   "symlinkat sync sync_file_range syncfs tee truncate truncate64 umask "
		   "unlink unlinkat utime utimensat utimensat_time64 utimes vmsplice "
		   "write writev" },
	/* extended attributes */
	{ .names = "fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat "
		   "lgetxattr listxattr listxattrat llistxattr lremovexattr lsetxattr "
		   "removexattr removexattrat setxattr setxattrat" },
	/* mounts by identifier; limited to the caller's own mount namespace */
	{ .names = "listmount statmount" },
	/* waiting for events */
	{ .names = "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait "
		   "epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 fanotify_mark "
		   "inotify_add_watch inotify_init inotify_init1 inotify_rm_watch "
		   "_newselect poll ppoll ppoll_time64 pselect6 pselect6_time64 select "
		   "signalfd signalfd4" },
	/* asynchronous input and output; io_uring is omitted on purpose */
	{ .names = "io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 "
		   "io_setup io_submit ioprio_get ioprio_set" },
	/* memory */
	{ .names = "brk madvise map_shadow_stack membarrier memfd_create memfd_secret "
		   "mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap mseal msync "
		   "munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect "
		   "process_mrelease remap_file_pages" },
	/* processes and threads */
	{ .names = "execve execveat exit exit_group fork futex futex_requeue futex_time64 "
		   "futex_wait futex_waitv futex_wake get_robust_list get_thread_area "
		   "getcpu getpgid getpgrp getpid getppid getpriority getrlimit getrusage "
		   "getsid gettid kill pause pidfd_open pidfd_send_signal prctl prlimit64 "
		   "restart_syscall rseq sched_get_priority_max sched_get_priority_min "
		   "sched_getaffinity sched_getattr sched_getparam sched_getscheduler "
		   "sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity "
		   "sched_setattr sched_setparam sched_setscheduler sched_yield "
		   "set_robust_list set_thread_area set_tid_address setpgid setpriority "
		   "setrlimit setsid tgkill times tkill ugetrlimit uretprobe vfork wait4 "
		   "waitid waitpid" },
	/* signals */
	{ .names = "rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo "
		   "rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 "
		   "rt_tgsigqueueinfo sigaltstack sigprocmask sigreturn" },
	/* identity: capabilities decide about the changes */
	{ .names = "capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 "
		   "getgroups getgroups32 getresgid getresgid32 getresuid getresuid32 "
		   "getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid "
		   "setgid32 setgroups setgroups32 setregid setregid32 setresgid "
		   "setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32" },
	/* sandboxing by the program itself */
	{ .names = "landlock_add_rule landlock_create_ruleset landlock_restrict_self "
		   "lsm_get_self_attr lsm_list_modules lsm_set_self_attr seccomp" },
	/* time; adjtimex checks CAP_SYS_TIME before it sets the clock */
	{ .names = "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres "
		   "clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep "
		   "clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer "
		   "time timer_create timer_delete timer_getoverrun timer_gettime "
		   "timer_gettime64 timer_settime timer_settime64 timerfd_create "
		   "timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64" },
	/* sockets */
	{ .names = "accept accept4 bind connect getpeername getsockname getsockopt listen "
		   "recv recvfrom recvmmsg recvmmsg_time64 recvmsg send sendmmsg sendmsg "
		   "sendto setsockopt shutdown socketcall socketpair" },
	{ .names = "socket", .arg = { 0, VSOCK_FAMILY, 0, "SCMP_CMP_NE" } },
	/* System V and POSIX messages, semaphores, shared memory */
	{ .names = "ipc mq_getsetattr mq_notify mq_open mq_timedreceive "
		   "mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink "
		   "msgctl msgget msgrcv msgsnd semctl semget semop semtimedop "
		   "semtimedop_time64 shmat shmctl shmdt shmget" },
	/* other calls for every container */
	{ .names = "cachestat getrandom name_to_handle_at sysinfo uname" },
	/* safe since 4.8, where seccomp checks the call after the tracer */
	{ .names = "process_vm_readv process_vm_writev ptrace" },
	/* personalities that do not weaken ASLR: Linux, 32-bit, both, and the query */
	PERSONA(0x0),
	PERSONA(0x8),
	PERSONA(0x20000),
	PERSONA(0x20008),
	PERSONA(0xffffffff),

	/* for one architecture */
	{ .names = "sync_file_range2 swapcontext", .arches = "SCMP_ARCH_PPC64LE" },
	{ .names = "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint "
		   "cacheflush set_tls",
	  .arches = "SCMP_ARCH_ARM SCMP_ARCH_AARCH64" },
	{ .names = "arch_prctl", .arches = "SCMP_ARCH_X86_64 SCMP_ARCH_X32" },
	{ .names = "modify_ldt", .arches = "SCMP_ARCH_X86_64 SCMP_ARCH_X32 SCMP_ARCH_X86" },
	{ .names = "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr",
	  .arches = "SCMP_ARCH_S390 SCMP_ARCH_S390X" },
	{ .names = "riscv_flush_icache", .arches = "SCMP_ARCH_RISCV64" },

	/* calls that a capability enables */
	{ .names = "open_by_handle_at", ONLY(CAP_DAC_READ_SEARCH) },
	{ .names = "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick "
		   "lookup_dcookie mount mount_setattr move_mount open_tree "
		   "perf_event_open quotactl quotactl_fd setdomainname sethostname setns "
		   "syslog umount umount2 unshare",
	  ONLY(CAP_SYS_ADMIN) },
	/* Without CAP_SYS_ADMIN: no new namespaces.  s390 has the flags in the second argument. */
	{ .names = "clone",
	  UNLESS(CAP_SYS_ADMIN),
	  .arches = "SCMP_ARCH_X86_64 SCMP_ARCH_X86 SCMP_ARCH_X32 SCMP_ARCH_ARM SCMP_ARCH_AARCH64 "
		    "SCMP_ARCH_PPC64LE SCMP_ARCH_RISCV64",
	  .arg = { 0, CLONE_NAMESPACES, 0, "SCMP_CMP_MASKED_EQ" } },
	{ .names = "clone",
	  UNLESS(CAP_SYS_ADMIN),
	  .arches = "SCMP_ARCH_S390 SCMP_ARCH_S390X",
	  .arg = { 1, CLONE_NAMESPACES, 0, "SCMP_CMP_MASKED_EQ" } },
	/* A filter cannot see clone3's flags; ENOSYS makes libc fall back to clone. */
	{ .names = "clone3", UNLESS(CAP_SYS_ADMIN), .errno_ret = ENOSYS },
	{ .names = "reboot", ONLY(CAP_SYS_BOOT) },
	{ .names = "chroot", ONLY(CAP_SYS_CHROOT) },
	{ .names = "delete_module init_module finit_module", ONLY(CAP_SYS_MODULE) },
	{ .names = "acct", ONLY(CAP_SYS_PACCT) },
	{ .names = "kcmp pidfd_getfd process_madvise", ONLY(CAP_SYS_PTRACE) },
	{ .names = "iopl ioperm", ONLY(CAP_SYS_RAWIO) },
	{ .names = "settimeofday stime clock_settime clock_settime64", ONLY(CAP_SYS_TIME) },
	{ .names = "vhangup", ONLY(CAP_SYS_TTY_CONFIG) },
	{ .names = "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
	  ONLY(CAP_SYS_NICE) },
	{ .names = "syslog", ONLY(CAP_SYSLOG) },
	{ .names = "bpf", ONLY(CAP_BPF) },
	{ .names = "perf_event_open", ONLY(CAP_PERFMON) },
	{ .names = NULL },
};
