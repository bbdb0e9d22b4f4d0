/*
 * reap.c - waitid for every child, dispatch to jobs and children, and a ring of early exits.
 */
#include "shim/reap.h"

#include <sys/wait.h>

#include "base/clock.h"
#include "base/util.h"
#include "shim/child.h"
#include "shim/job.h"

#define EARLY_MAX 256 /* a ring; holds orphans of containers without a PID namespace too */

static struct reaped early[EARLY_MAX];
static unsigned early_next;

static void keep_early(const struct reaped *r)
{
	early[early_next++ % EARLY_MAX] = *r;
}

/* Pids are recycled: forget early exits once no runtime command is running. */
static void forget_early(void)
{
	if (!early_next || job_any())
		return;
	for (unsigned i = 0; i < MIN(early_next, (unsigned)EARLY_MAX); i++)
		early[i] = (struct reaped){ .pid = 0 };
	early_next = 0;
}

bool reap_take_early(pid_t pid, struct reaped *ret)
{
	for (unsigned i = 0; i < EARLY_MAX; i++) {
		if (early[i].pid != pid)
			continue;
		*ret = early[i];
		early[i].pid = 0;
		return true;
	}
	return false;
}

void reap_all(void)
{
	for (;;) {
		siginfo_t si = { .si_pid = 0 };
		struct reaped r;

		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG) < 0 || si.si_pid == 0)
			break;
		r = (struct reaped){ .pid = si.si_pid, .at_ns = clock_realtime_ns() };
		r.signal = si.si_code == CLD_EXITED ? 0 : si.si_status;
		r.code = r.signal ? 128 + r.signal : si.si_status & 0xff;
		if (!job_exited(&r) && !child_exited(&r))
			keep_early(&r);
	}
}

void reap_on_signal(void)
{
	reap_all();
	forget_early();
}
