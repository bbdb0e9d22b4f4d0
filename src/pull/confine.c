/*
 * confine.c - limits, mount namespace, Landlock and capabilities of the puller's processes.
 *
 * What must hold: each step fails closed. The seccomp filter comes last, because it refuses the
 * system calls of the other steps.
 */
#include "pull/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"

#define OPEN_FILES (1024 + 6 * LIMIT_LAYERS) /* locks, a work folder and a root for each layer */
/* Mount point of the new root: exists on every system, and no view has paths below it. Sources are
 * opened before the mount covers them. */
#define NEW_ROOT "/dev"
#define BIND_FLAGS (MS_BIND | MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* Constants of later Landlock versions; Debian 12's header has ABI 2. */
#define ACCESS_TRUNCATE (UINT64_C(1) << 14) /* ABI 3 */
#define ACCESS_IOCTL_DEV (UINT64_C(1) << 15) /* ABI 5 */
#define NET_BIND UINT64_C(1) /* ABI 4 */
#define NET_CONNECT UINT64_C(2)
#define SCOPES UINT64_C(3) /* ABI 6: abstract sockets and signals */

#define ACCESS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

struct ruleset {
	uint64_t fs, net, scoped;
};

static const int unpacker_capabilities[] = {
	CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER,    CAP_FSETID,
	CAP_MKNOD, CAP_SETFCAP,	     CAP_SYS_ADMIN, /* trusted.overlay.opaque */
};
static const int keeper_capabilities[] = { CAP_DAC_OVERRIDE, CAP_FOWNER };

void confine_view_add(struct confine_view *v, const char *path, const char *at, bool writable,
		      bool optional)
{
	v->list = xrealloc(v->list, (v->n + 1) * sizeof(*v->list));
	v->list[v->n++] = (struct confine_path){
		.path = xstrdup(path),
		.at = at ? xstrdup(at) : NULL,
		.writable = writable,
		.optional = optional,
	};
}

void confine_view_done(struct confine_view *v)
{
	for (size_t i = 0; i < v->n; i++) {
		free(v->list[i].path);
		free(v->list[i].at);
	}
	free(v->list);
	*v = CONFINE_VIEW_NULL;
}

/* --- limits and capabilities --- */

/* Lower a limit; a lower one stays. */
static int limit(int resource, rlim_t value, const char *name, struct err *e)
{
	struct rlimit l;
	int r = getrlimit((__rlimit_resource_t)resource, &l);

	l.rlim_cur = l.rlim_max = MIN(l.rlim_max, value);
	return r < 0 || setrlimit((__rlimit_resource_t)resource, &l) < 0
		       ? err_errno(e, ERR_INTERNAL, errno, "limit %s", name)
		       : 0;
}

static void wanted_capabilities(enum confine_role role, struct __user_cap_data_struct keep[2])
{
	const int *list = NULL;
	size_t n = 0;

	switch (role) {
	case CONFINE_UNPACKER:
		list = unpacker_capabilities;
		n = ARRAY_LEN(unpacker_capabilities);
		break;
	case CONFINE_KEEPER:
		list = keeper_capabilities;
		n = ARRAY_LEN(keeper_capabilities);
		break;
	case CONFINE_FETCHER:
	case CONFINE_JUDGE:
		break;
	}
	for (size_t i = 0; i < n; i++)
		keep[list[i] / 32].permitted |= 1U << (list[i] % 32);
}

static int drop_capabilities(enum confine_role role, struct err *e)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct now[2] = { { 0 } }, keep[2] = { { 0 } };

	wanted_capabilities(role, keep);
	if (syscall(SYS_capget, &header, now) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "read the capabilities");
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "clear the ambient capabilities");
	/* CAP_SETPCAP is still effective. Above the last capability the kernel returns EINVAL. */
	for (int c = 0; c < 64; c++)
		if (!(keep[c / 32].permitted & 1U << (c % 32)) &&
		    prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0 && errno != EINVAL && errno != EPERM)
			return err_errno(e, ERR_INTERNAL, errno, "drop capability %d", c);
	for (int i = 0; i < 2; i++) {
		/* Keep no capability that crispd lacks. */
		keep[i].permitted &= now[i].permitted;
		keep[i].effective = keep[i].permitted;
	}
	if (syscall(SYS_capset, &header, keep) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "drop capabilities");
	return 0;
}

/* --- root --- */

int confine_leave_network(struct err *e)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWIPC) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "make an empty network namespace");
	return 0;
}

/* Create a directory or an empty file at path below the new root, with its parents. */
static int make_target(const char *path, bool directory, struct err *e)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *parent = xstrndup(path, (size_t)(slash - path));
	_cleanup_close_ int fd = -1;

	if (fs_mkdir_all(directory ? path : parent, 0755, e) < 0)
		return -(int)e->code;
	if (directory)
		return 0;
	fd = open(path, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0444);
	return fd < 0 ? err_errno(e, ERR_INTERNAL, errno, "create %s", path) : 0;
}

static int bind_at(int source, const char *target, bool writable, struct err *e)
{
	unsigned long flags = BIND_FLAGS | (writable ? 0 : MS_RDONLY);
	char from[64];
	struct stat st;

	if (fstat(source, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "stat the source of %s", target);
	if (make_target(target, S_ISDIR(st.st_mode), e) < 0)
		return -(int)e->code;
	snprintf(from, sizeof(from), "/proc/self/fd/%d", source);
	if (mount(from, target, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, target, NULL, MS_REMOUNT | flags, NULL) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "bind %s", target);
	return 0;
}

/* Bind an item at its real path; if its name is a symlink, recreate the symlink. */
static int show(const struct confine_path *p, int source, const char *real, struct err *e)
{
	const char *name = p->at ? p->at : p->path;
	_cleanup_free_ char *target = xasprintf(NEW_ROOT "%s", p->at ? p->at : real);
	_cleanup_free_ char *link = NULL;

	/* May exist already, as part of a bound directory. */
	if (!fs_exists(target) && bind_at(source, target, p->writable, e) < 0)
		return -(int)e->code;
	if (p->at || strcmp(name, real) == 0)
		return 0;
	link = xasprintf(NEW_ROOT "%s", name);
	if (fs_exists(link))
		return 0;
	*strrchr(link, '/') = '\0';
	if (fs_mkdir_all(link, 0755, e) < 0)
		return -(int)e->code;
	link[strlen(link)] = '/';
	if (symlink(real, link) < 0 && errno != EEXIST)
		return err_errno(e, ERR_INTERNAL, errno, "link %s", name);
	return 0;
}

/* Open all items before the new root covers them. fds[i] -1: skipped. */
static int open_view(const struct confine_view *v, int *fds, char **reals, struct err *e)
{
	for (size_t i = 0; i < v->n; i++) {
		const struct confine_path *p = &v->list[i];

		reals[i] = realpath(p->path, NULL);
		fds[i] = reals[i] ? open(reals[i], O_PATH | O_CLOEXEC) : -1;
		if (fds[i] < 0 && !(p->optional && (errno == ENOENT || errno == ENOTDIR)))
			return err_errno(e, ERR_INTERNAL, errno, "open %s", p->path);
	}
	return 0;
}

static int show_all(const struct confine_view *v, const int *fds, char *const *reals, int own_fds,
		    struct err *e)
{
	if (mount("tmpfs", NEW_ROOT, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  "size=1m,mode=0755") < 0)
		return err_errno(e, ERR_INTERNAL, errno, "mount the root of the puller");
	for (size_t i = 0; i < v->n; i++)
		if (fds[i] >= 0 && show(&v->list[i], fds[i], reals[i], e) < 0)
			return -(int)e->code;
	if (own_fds >= 0 && bind_at(own_fds, NEW_ROOT "/proc/self/fd", false, e) < 0)
		return -(int)e->code;
	if (mount(NULL, NEW_ROOT, NULL,
		  MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "make the root read-only");
	return 0;
}

static int leave_old_root(struct err *e)
{
	if (chdir(NEW_ROOT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_errno(e, ERR_INTERNAL, errno, "leave the file system of the node");
	return 0;
}

static int enter_root(const struct confine_view *v, struct err *e)
{
	_cleanup_close_ int own_fds = -1;
	int *fds = xcalloc(v->n + 1, sizeof(*fds));
	char **reals = xcalloc(v->n + 1, sizeof(*reals));
	int r = 0;

	for (size_t i = 0; i < v->n; i++)
		fds[i] = -1;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		r = err_errno(e, ERR_INTERNAL, errno, "make a mount namespace");
	if (r == 0 && v->own_fds)
		own_fds = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r == 0 && v->own_fds && own_fds < 0)
		r = err_errno(e, ERR_INTERNAL, errno, "open /proc/self/fd");
	r = r < 0 ? r : open_view(v, fds, reals, e);
	r = r < 0 ? r : show_all(v, fds, reals, own_fds, e);
	for (size_t i = 0; i < v->n; i++) {
		close_fdp(&fds[i]);
		free(reals[i]);
	}
	free(fds);
	free(reals);
	return r < 0 ? r : leave_old_root(e);
}

/* --- Landlock --- */

/* ABI 1 forbids links and renames between directories, which archives need. */
static int landlock_abi(void)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	return abi < 2 ? 0 : (int)abi;
}

static struct ruleset handled(enum confine_role role, int abi)
{
	struct ruleset r = { .fs = (UINT64_C(1) << 14) - 1 }; /* ABI 2 */

	if (abi >= 3)
		r.fs |= ACCESS_TRUNCATE;
	if (abi >= 4)
		r.net = role == CONFINE_FETCHER ? NET_BIND : NET_BIND | NET_CONNECT;
	if (abi >= 5)
		r.fs |= ACCESS_IOCTL_DEV;
	if (abi >= 6)
		r.scoped = SCOPES;
	return r;
}

/* All accesses to files except execute and device ioctls. */
static uint64_t write_access(const struct ruleset *r)
{
	return r->fs & ~(uint64_t)(LANDLOCK_ACCESS_FS_EXECUTE | ACCESS_IOCTL_DEV);
}

static int allow(int rules, const char *path, uint64_t access, bool optional, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr attr = { .allowed_access = access, .parent_fd = fd };
	struct stat st;

	if (fd < 0 && optional && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	if (!S_ISDIR(st.st_mode))
		attr.allowed_access &= LANDLOCK_ACCESS_FS_READ_FILE |
				       LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "Landlock rule for %s", path);
	return 0;
}

/* Create the ruleset while the node's paths are visible; enforced later. *ret -1: no Landlock. */
static int make_rules(enum confine_role role, const struct confine_view *v, int *ret, struct err *e)
{
	int abi = landlock_abi(), r = 0;
	struct ruleset set = handled(role, abi);
	size_t size = abi >= 6 ? sizeof(set) : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
	_cleanup_close_ int rules = -1;

	*ret = -1;
	if (!abi)
		return 0;
	rules = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
	if (rules < 0)
		return err_errno(e, ERR_INTERNAL, errno, "make Landlock rules");
	for (size_t i = 0; i < v->n && r == 0; i++)
		r = allow(rules, v->list[i].path,
			  v->list[i].writable ? write_access(&set) : (uint64_t)ACCESS_READ,
			  v->list[i].optional, e);
	for (size_t i = 0; i < ARRAY_LEN(v->lower) && r == 0; i++)
		if (v->lower[i])
			r = allow(rules, v->lower[i], ACCESS_READ, true, e);
	*ret = r < 0 ? -1 : take_fd(rules);
	return r;
}

int confine_enter(enum confine_role role, const struct confine_view *v, struct err *e)
{
	_cleanup_close_ int rules = -1;
	int r = limit(RLIMIT_CORE, 0, "core dumps", e);

	r = r < 0 ? r : limit(RLIMIT_NOFILE, OPEN_FILES, "open files", e);
	r = r < 0 ? r : make_rules(role, v, &rules, e);
	r = r < 0 ? r : enter_root(v, e);
	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set no_new_privs");
	if (rules >= 0 && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "enforce the Landlock rules");
	close_fdp(&rules);
	r = drop_capabilities(role, e);
	/* Access to this process then needs CAP_SYS_PTRACE; it has none to access others. */
	if (r == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		r = err_errno(e, ERR_INTERNAL, errno, "make the memory unreadable");
	return r < 0 ? r : confine_filter(role, e);
}
