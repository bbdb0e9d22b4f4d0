/*
 * jail.c - namespaces, root, cgroup, limits and privileges of the pod's init.
 *
 * State afterwards: the root is an empty read-only tmpfs, the only mount of its own mount
 * namespace.  Network, IPC and UTS namespaces are those of the pod.  The root of the cgroup
 * namespace is the process's own cgroup.  It has no capability and can gain none, its user is
 * unprivileged, and every descriptor closes at the exec.  A chroot is not enough: a process that
 * may trace this one can walk from its root to the root of its mount namespace.
 *
 * The child shares the spawner's memory (CLONE_VM), so this code must not allocate.
 */
#include "shim/jail.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"
#include "shim/self.h"

/* uid and gid of pause images, which no user of a host has. */
#define NOBODY 65535

/* A directory of every host; only this mount namespace sees the mount there. */
#define MOUNT_POINT "/proc"

static const char *enter_namespaces(const int *ns, size_t n_ns)
{
	for (size_t i = 0; i < n_ns; i++)
		if (setns(ns[i], 0) < 0)
			return "enter a namespace of the pod";
	return NULL;
}

/* pivot_root(".", ".") stacks the old root on the new one, where umount2(".") finds it. */
static const char *empty_root(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		return "make a mount namespace";
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return "make mounts private";
	if (mount("tmpfs", MOUNT_POINT, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "size=4k,nr_inodes=2,mode=0555") < 0 ||
	    chdir(MOUNT_POINT) < 0)
		return "mount an empty root";
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return "pivot_root";
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return "unmount the host's root";
	return NULL;
}

static const char *limit_resources(void)
{
	static const int none[] = { RLIMIT_CORE, RLIMIT_FSIZE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE };
	const struct rlimit zero = { 0, 0 }, unlimited = { RLIM_INFINITY, RLIM_INFINITY };

	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		if (setrlimit((__rlimit_resource_t)none[i], &zero) < 0)
			return "limit resources";
	/* Containers with the same user count against its limit, and an exec beyond it fails.
	 * Without CAP_SYS_RESOURCE keep the limit. */
	setrlimit(RLIMIT_NPROC, &unlimited);
	return NULL;
}

/* Raw system calls: libc's functions would signal the other threads of the shared memory. */
static const char *drop_privileges(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { .effective = 0 } };

	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return "empty the bounding set";
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_setgroups, 0, NULL) < 0 ||
	    syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY) < 0 ||
	    syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY) < 0)
		return "change to another user";
	if (syscall(SYS_capset, &header, none) < 0)
		return "drop capabilities";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return "forbid new privileges";
	return NULL;
}

const char *jail_enter(const int *ns, size_t n_ns, const char *cgroup)
{
	const char *failed = enter_namespaces(ns, n_ns);

	if (failed)
		return failed;
	if (cgroup)
		self_join_cgroup(cgroup);
	/* Kernels without cgroup namespaces show no cgroup files either. */
	if (unshare(CLONE_NEWCGROUP) < 0 && errno != EINVAL)
		return "make a cgroup namespace";
	failed = empty_root();
	if (!failed && close_range(0, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		failed = "close descriptors";
	if (!failed)
		failed = limit_resources();
	if (failed)
		return failed;
	setsid();
	return drop_privileges();
}
