/*
 * init.c - pid 1 of a pod whose containers share one PID namespace: reaps what is orphaned
 * there, for as long as the pod lives, and ends on SIGTERM or SIGINT.
 *
 * Freestanding: no libc, one page of code, so that it costs nothing beside the pod.  crisp-shim
 * carries it inside itself and has given up everything for it before (see podinit.c); all
 * signals are blocked when it starts.
 */
#include <asm/unistd.h>
#include <asm/signal.h>
#include <linux/prctl.h>
#include <linux/signal.h>
#include <linux/wait.h>

void _start(void) __attribute__((noreturn));

#if defined(__x86_64__)
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
static long call(long number, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3)
			 : "memory");
	return x0;
}
#else
#error "crisp-init needs the system call instruction of this processor"
#endif

#define BIT(sig) (1UL << ((sig)-1))

void _start(void)
{
	static const char name[] = "crisp-init";
	const unsigned long wanted = BIT(SIGCHLD) | BIT(SIGTERM) | BIT(SIGINT);
	long sig;

	call(__NR_prctl, PR_SET_NAME, (long)name, 0, 0);
	call(__NR_prctl, PR_SET_DUMPABLE, 0, 0, 0);
	for (;;) {
		sig = call(__NR_rt_sigtimedwait, (long)&wanted, 0, 0, sizeof(wanted));
		while (sig == SIGCHLD && call(__NR_wait4, -1, 0, WNOHANG, 0) > 0)
			;
		if (sig == SIGTERM || sig == SIGINT)
			call(__NR_exit_group, 0, 0, 0, 0);
	}
}
