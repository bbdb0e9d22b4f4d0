/*
 * userns.c - the process that holds new namespaces until they are pinned.
 * Invariant: no other process enters the user namespace before this one has ended, because it
 * shares the daemon's memory.
 */
#include "os/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"

#define STACK_SIZE ((size_t)32 * 1024)

/* Sleep until SIGKILL.  The calling thread's errno is this process's, too, so no call may fail. */
__attribute__((no_sanitize("address", "thread"))) static int sleep_on(void *arg)
{
	const pid_t parent = (pid_t)(intptr_t)arg;

	syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	/* The parent may have ended before the call above. */
	while (syscall(SYS_getppid) == parent)
		syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
	syscall(SYS_exit, 0);
	return 0;
}

static int write_map(pid_t pid, const char *file, const struct userns_range *r, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/%s", pid, file);
	_cleanup_free_ char *text = xasprintf("0 %u %u\n", r->host, r->count);

	return fs_write_existing(path, text, e);
}

static pid_t start(int clone_flags, void *stack)
{
	const int flags = CLONE_VM | CLONE_FILES | CLONE_NEWUSER | clone_flags;
	sigset_t all, before;
	pid_t pid;

	/* Blocked signals cannot interrupt the child's sleep; without an exit signal no handler
	 * of the daemon takes its end for that of a program. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = clone(sleep_on, (char *)stack + STACK_SIZE, flags, (void *)(intptr_t)getpid());
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pid;
}

int userns_hold(int clone_flags, const struct userns_map *map, struct userns_holder *ret,
		struct err *e)
{
	struct userns_holder h = { .stack = aligned_alloc(16, STACK_SIZE) };
	int r;

	*ret = (struct userns_holder){ .pid = 0 };
	if (!h.stack)
		return err_set(e, ERR_EXHAUSTED, "no memory for a user namespace");
	h.pid = start(clone_flags, h.stack);
	if (h.pid < 0) {
		bool full = errno == ENOSPC || errno == EUSERS || errno == EPERM;

		r = err_errno(e, full ? ERR_PRECONDITION : ERR_INTERNAL, errno,
			      "make a user namespace (user.max_user_namespaces)");
		free(h.stack);
		return r;
	}
	r = write_map(h.pid, "uid_map", &map->uid, e);
	if (r == 0)
		r = write_map(h.pid, "gid_map", &map->gid, e);
	if (r < 0)
		userns_release(&h);
	else
		*ret = h;
	return r;
}

static int mount_proc(void)
{
	return mount("proc", "/proc", "proc", 0, NULL);
}

static int bind_sys(void)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	if (mount("/sys", "/sys", NULL, MS_BIND | MS_REC, NULL) < 0)
		return -1;
	return (int)syscall(SYS_mount_setattr, AT_FDCWD, "/sys", AT_RECURSIVE, &attr, sizeof(attr));
}

/* Call fn in new namespaces.  0, or its errno; <0: e is set. */
static int try_inside(int (*fn)(void), struct err *e)
{
	const unsigned long flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | SIGCHLD;
	pid_t pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
	int status = 0;

	if (pid == 0)
		_exit(fn() < 0 ? errno : 0);
	if (pid < 0)
		return err_errno(e, ERR_PRECONDITION, errno, "make a user namespace");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

int userns_try_proc(struct err *e)
{
	int r = try_inside(mount_proc, e);

	return r <= 0 ? r
		      : err_errno(e, ERR_PRECONDITION, r,
				  "mount /proc in a user namespace: is something mounted below "
				  "/proc?");
}

int userns_try_sys(struct err *e)
{
	int r = try_inside(bind_sys, e);

	return r <= 0 ? r
		      : err_errno(e, ERR_PRECONDITION, r,
				  "bind the node's /sys read-only in a user namespace");
}

void userns_release(struct userns_holder *h)
{
	if (h->pid <= 0)
		return;
	kill(h->pid, SIGKILL);
	while (waitpid(h->pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	free(h->stack);
	*h = (struct userns_holder){ .pid = 0 };
}
