/*
 * outside.c - the node: processes, timed events, named things; and the calls of libc and src/base
 * that ask for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/proc.h"
#include "base/util.h"
#include "sim.h"

/* A process is waited for by a pipe with a byte in it once it has ended; this life's alone. */
static struct {
	uint64_t ticks; /* of the process it is for */
	int rd, wr;
	ino_t ino;
} fds[SIM_PROCS];
static unsigned own_fds;

/* --- processes --- */

int proc_add(enum proc_kind kind, int owner, const char *cgroup)
{
	for (int i = 0; i < SIM_PROCS; i++) {
		struct proc *p = &node->procs[(i + (int)node->next_ticks) % SIM_PROCS];

		if (p->used && (p->alive || node->next_ticks - p->ticks < SIM_PROCS / 2))
			continue;
		*p = (struct proc){ .used = true,
				    .alive = true,
				    .kind = kind,
				    .owner = owner,
				    .pid = node->next_pid++,
				    .ticks = node->next_ticks++ };
		snprintf(p->cgroup, sizeof(p->cgroup), "%s", cgroup ? cgroup : "");
		return (int)(p - node->procs);
	}
	sim_fail("too many processes for the simulation");
}

static void tell_fd(int i)
{
	if (fds[i].ticks == node->procs[i].ticks && fds[i].wr >= 0 && write(fds[i].wr, "", 1) < 0)
		abort();
}

void proc_end(int i, int wait_status)
{
	struct proc *p = &node->procs[i];

	if (!p->alive)
		return;
	p->alive = false;
	p->wait_status = wait_status;
	sim_note("process %d (%d) ends: %x", p->pid, (int)p->kind, (unsigned)wait_status);
	tell_fd(i);
	check_moved();
	if (p->kind == PROC_RUNTIME)
		shim_runtime_ended(i, -1);
	else
		shim_proc_ended(i);
}

void proc_signal(int i, int signo)
{
	struct proc *p = &node->procs[i];

	if (!p->alive || (p->stubborn && signo != SIGKILL) || signo == 0)
		return;
	if (p->frozen) {
		p->held = signo == SIGKILL || !p->held ? signo : p->held;
		return;
	}
	event_add(EV_PROC_ENDS, (int64_t)sim_below(40) * NSEC_PER_MSEC, i, signo);
}

void proc_freeze(const char *cgroup, bool frozen)
{
	for (int i = 0; i < SIM_PROCS; i++) {
		struct proc *p = &node->procs[i];

		if (!p->alive || !*p->cgroup || !fs_path_is_within(p->cgroup, cgroup))
			continue;
		p->frozen = frozen;
		if (!frozen && p->held)
			proc_signal(i, p->held);
		p->held = frozen ? p->held : 0;
	}
}

int proc_find(pid_t pid, uint64_t ticks)
{
	for (int i = 0; i < SIM_PROCS; i++)
		if (node->procs[i].used && node->procs[i].pid == pid &&
		    (!ticks || node->procs[i].ticks == ticks))
			return i;
	return -1;
}

int proc_fd(int i)
{
	struct stat st;
	int pair[2];

	if (fds[i].ticks != node->procs[i].ticks) {
		if (fds[i].ticks) {
			close(fds[i].rd);
			close(fds[i].wr);
			own_fds -= 2;
		}
		if (pipe2(pair, O_CLOEXEC) < 0 || fstat(pair[0], &st) < 0)
			abort();
		fds[i].rd = fcntl(pair[0], F_DUPFD_CLOEXEC, 500);
		fds[i].wr = fcntl(pair[1], F_DUPFD_CLOEXEC, 500);
		close(pair[0]);
		close(pair[1]);
		fds[i].ticks = node->procs[i].ticks;
		fds[i].ino = st.st_ino;
		own_fds += 2;
		if (!node->procs[i].alive)
			tell_fd(i);
	}
	return fcntl(fds[i].rd, F_DUPFD_CLOEXEC, 3);
}

int proc_of_fd(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0)
		for (int i = 0; i < SIM_PROCS; i++)
			if (fds[i].ticks && fds[i].ino == st.st_ino)
				return i;
	sim_fail("descriptor %d is no pidfd", fd);
}

unsigned sim_own_fds(void)
{
	return own_fds;
}

/* --- src/base/proc.h --- */

uint64_t proc_zombies(void)
{
	return 0;
}

int proc_open(pid_t pid, uint64_t start_ticks, int *ret_pidfd, struct err *e)
{
	int errnum = sim_call("pidfd_open", false), i = proc_find(pid, start_ticks);

	if (errnum)
		return err_errno(e, ERR_INTERNAL, errnum, "open process %d", pid);
	if (i < 0 || (!node->procs[i].alive && node->procs[i].kind != PROC_CONTAINER))
		return 1;
	*ret_pidfd = proc_fd(i);
	return 0;
}

int proc_load(const char *path, pid_t *ret_pid, int *ret_pidfd, struct err *e)
{
	FILE *f = fopen(path, "re");
	unsigned long long ticks = 0;
	int pid = 0, n = f ? fscanf(f, "%d %llu", &pid, &ticks) : 0;

	if (f)
		fclose(f);
	*ret_pid = pid;
	return n == 2 ? proc_open(pid, ticks, ret_pidfd, e) : 1;
}

int proc_exit_status(int pidfd, int *ret_wait_status, struct err *e)
{
	const struct proc *p = &node->procs[proc_of_fd(pidfd)];

	(void)e;
	*ret_wait_status = p->wait_status;
	return p->alive;
}

int proc_has_open(pid_t pid, const char *path, struct err *e)
{
	(void)pid;
	(void)path;
	(void)e;
	return 1;
}

void proc_kill_holders(const char *path)
{
	(void)path;
}

uint64_t proc_resident(void)
{
	return 0;
}

char proc_describe(pid_t pid, char out[PROC_TEXT_MAX])
{
	snprintf(out, PROC_TEXT_MAX, "pid %d", pid);
	return 'R';
}

/* --- things --- */

static struct thing *thing_find(enum thing_kind kind, const char *name)
{
	for (int i = 0; i < SIM_THINGS; i++)
		if (node->things[i].used && node->things[i].kind == kind &&
		    strcmp(node->things[i].name, name) == 0)
			return &node->things[i];
	return NULL;
}

bool thing_has(enum thing_kind kind, const char *name)
{
	return thing_find(kind, name);
}

void thing_add(enum thing_kind kind, const char *name)
{
	if (thing_find(kind, name))
		return;
	check_moved();
	for (int i = 0; i < SIM_THINGS; i++) {
		struct thing *t = &node->things[i];

		if (t->used)
			continue;
		*t = (struct thing){ .used = true, .kind = kind };
		snprintf(t->name, sizeof(t->name), "%s", name);
		return;
	}
	sim_fail("too many things for the simulation");
}

bool thing_del(enum thing_kind kind, const char *name)
{
	struct thing *t = thing_find(kind, name);

	if (t)
		t->used = false;
	check_moved();
	return t;
}

void thing_del_all(enum thing_kind kind)
{
	for (int i = 0; i < SIM_THINGS; i++)
		if (node->things[i].kind == kind)
			node->things[i].used = false;
	check_moved();
}

/* --- events --- */

void event_add(enum event_kind kind, int64_t in_ns, int arg, int status)
{
	for (int i = 0; i < SIM_EVENTS; i++) {
		struct event *ev = &node->events[i];

		if (ev->used)
			continue;
		*ev = (struct event){ .used = true,
				      .kind = kind,
				      .at = node->mono + in_ns,
				      .arg = arg,
				      .status = status };
		if (kind == EV_PROC_ENDS || kind == EV_RUNTIME_ENDS)
			ev->ticks = node->procs[arg].ticks;
		return;
	}
	sim_fail("too many events for the simulation");
}

static struct event *first_event(void)
{
	struct event *first = NULL;

	for (int i = 0; i < SIM_EVENTS; i++)
		if (node->events[i].used && (!first || node->events[i].at < first->at))
			first = &node->events[i];
	return first;
}

int64_t events_next(void)
{
	const struct event *ev = first_event();

	return ev ? ev->at : INT64_MAX;
}

bool events_step(void)
{
	struct event *ev = first_event(), now;

	if (!ev || ev->at > node->mono)
		return false;
	now = *ev;
	ev->used = false;
	switch (now.kind) {
	case EV_PROC_ENDS:
		if (node->procs[now.arg].ticks == now.ticks)
			proc_end(now.arg, now.status);
		break;
	case EV_RUNTIME_ENDS:
		if (node->procs[now.arg].ticks != now.ticks || !node->procs[now.arg].alive)
			break;
		node->procs[now.arg].alive = false;
		shim_runtime_ended(now.arg, now.status);
		break;
	case EV_PULL_ENDS:
		puller_ended(now.arg, now.status);
		break;
	case EV_CNI_ENDS:
		break;
	}
	return true;
}

/* --- src/base/clock.h --- */

int64_t clock_realtime_ns(void)
{
	return node->real;
}

int64_t clock_monotonic_ns(void)
{
	return node->mono;
}

int64_t clock_thread_ns(void)
{
	return node->mono;
}

const char *clock_boot_id(void)
{
	return node->boot_id;
}

void clock_format(int64_t ns, char out[36])
{
	snprintf(out, 36, "%lld", (long long)ns);
}

/* --- calls of libc, by -Wl,--wrap --- */

int __wrap_poll(struct pollfd *p, nfds_t n, int timeout_ms);
int __wrap_pidfd_open(pid_t pid, unsigned flags);
int __wrap_pidfd_send_signal(int fd, int signo, siginfo_t *info, unsigned flags);
int __wrap_fs_each(const char *dir,
		   int (*fn)(const char *path, const char *name, void *arg, struct err *e),
		   void *arg, struct err *e);
int __real_fs_each(const char *dir,
		   int (*fn)(const char *path, const char *name, void *arg, struct err *e),
		   void *arg, struct err *e);
ssize_t __wrap_getrandom(void *out, size_t size, unsigned flags);

int __wrap_poll(struct pollfd *p, nfds_t n, int timeout_ms)
{
	int64_t until = node->mono + (int64_t)timeout_ms * NSEC_PER_MSEC;
	int r;

	for (;;) {
		r = ppoll(p, n, &(const struct timespec){ .tv_sec = 0 }, NULL);
		if (r != 0 || node->mono >= until)
			return r;
		SIM_CHECK(sim_in_worker(), "the loop's thread waits for %d ms", timeout_ms);
		sim_sleep_until(n && p->fd >= 0 ? MIN(until, node->mono + 10 * NSEC_PER_MSEC)
						: until);
	}
}

int __wrap_pidfd_open(pid_t pid, unsigned flags)
{
	int i = proc_find(pid, 0);

	(void)flags;
	if (i < 0) {
		errno = ESRCH;
		return -1;
	}
	return proc_fd(i);
}

int __wrap_pidfd_send_signal(int fd, int signo, siginfo_t *info, unsigned flags)
{
	int i = proc_of_fd(fd);

	(void)info;
	(void)flags;
	if (!node->procs[i].alive) {
		errno = ESRCH;
		return -1;
	}
	proc_signal(i, signo);
	return 0;
}

/* The machine's own processes are none of the node's. */
int __wrap_fs_each(const char *dir,
		   int (*fn)(const char *path, const char *name, void *arg, struct err *e),
		   void *arg, struct err *e)
{
	return strcmp(dir, "/proc") == 0 ? 0 : __real_fs_each(dir, fn, arg, e);
}

ssize_t __wrap_getrandom(void *out, size_t size, unsigned flags)
{
	(void)flags;
	for (size_t i = 0; i < size; i++)
		((unsigned char *)out)[i] = (unsigned char)sim_random();
	return (ssize_t)size;
}

int __wrap___poll_chk(struct pollfd *p, nfds_t n, int timeout_ms, size_t size);

int __wrap___poll_chk(struct pollfd *p, nfds_t n, int timeout_ms, size_t size)
{
	(void)size;
	return __wrap_poll(p, n, timeout_ms);
}

/* Objects belong to the loop's thread. */
struct object;
struct object *__wrap_world_find(int kind, const char *id);
struct object *__real_world_find(int kind, const char *id);

struct object *__wrap_world_find(int kind, const char *id)
{
	SIM_CHECK(!sim_in_worker(), "a job looks for the object %s on its worker", id);
	return __real_world_find(kind, id);
}
