/*
 * init.c - pid 1 of a pod whose containers share one PID namespace: while it lives, the kernel
 * reaps the orphans of the namespace.
 *
 * Freestanding: no libc, one page of code, so that it costs little memory.  crisp-shim embeds it,
 * and drops every access to the host before the exec (see jail.c).
 *
 * Invariant: no signal from inside the namespace ends it.  The kernel drops signals that pid 1
 * neither blocks nor handles, SIGKILL included, so it does neither.  Only SIGKILL from the host
 * ends it.  A container that traces it and runs code in it gets three system calls.
 */
#include <asm/unistd.h>
#include <asm/signal.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

void _start(void) __attribute__((noreturn));

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64

static long call(long number, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64

static long call(long number, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}
#else
#error "crisp-init needs the system call instruction of this processor"
#endif

#define LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, __builtin_offsetof(struct seccomp_data, field))
#define IF_NOT(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))
#define IF(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), (skip), 0)

static const struct sock_filter filter[] = {
	LOAD(arch),
	IF_NOT(ARCH, 4),
	LOAD(nr),
	IF(__NR_rt_sigsuspend, 3),
	IF(__NR_restart_syscall, 2),
	IF(__NR_exit_group, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1 /* EPERM */),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

/* The kernel's struct sigaction in this ABI. */
struct action {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

void _start(void)
{
	static const struct sock_fprog program = { sizeof(filter) / sizeof(*filter),
						   (struct sock_filter *)filter };
	static const struct action reap_by_itself = { .handler = SIG_IGN };
	static const char name[] = "crisp-init";
	static const unsigned long none;

	call(__NR_rt_sigaction, SIGCHLD, (long)&reap_by_itself, 0, sizeof(none));
	call(__NR_prctl, PR_SET_NAME, (long)name, 0, 0);
	call(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0);
	call(__NR_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (long)&program, 0);
	for (;;)
		call(__NR_rt_sigsuspend, (long)&none, sizeof(none), 0, 0);
}
