/*
 * cgroup.c - find hierarchies; make, thaw, list and remove cgroups.  A cgroup is the same path in a
 * list of hierarchies: many on v1, one on v2.  struct backend holds the difference.
 */
#include "os/cgroup.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"
#include "os/mountinfo.h"

#define SLICE ".slice"
#define BUSY_MS 10000 /* how long exiting processes may keep a cgroup busy */
#define BUSY_STEP_MS 10
#define FREEZE_STEP_MS 2
#define FREEZE_STEPS 25 /* looks before the freeze is written again */
#define NESTING_MAX 64 /* levels below a container's cgroup, which the container makes */
#define FILE_MAX (16 * 1024 * 1024)
#define PIDS_NAMED 8 /* pids in an error text */

struct hierarchy {
	char *mount;
	char **controllers; /* NULL-terminated; "name=systemd" too */
	bool v2;
};

struct backend {
	/* Prepare a new or existing cgroup for processes. */
	int (*prepare)(const struct hierarchy *h, const char *dir, const char *parent,
		       struct err *e);
};

struct cgroups {
	enum cgroup_layout layout;
	const struct backend *backend;
	struct hierarchy *h;
	size_t n;
};

static const struct backend backend_v1, backend_v2;

/* --- hierarchies --- */

static bool has_controller(const struct hierarchy *h, const char *name)
{
	for (char **c = h->controllers; c && *c; c++)
		if (strcmp(*c, name) == 0)
			return true;
	return false;
}

static void add_controller(struct hierarchy *h, const char *name)
{
	size_t n = 0;

	while (h->controllers && h->controllers[n])
		n++;
	h->controllers = xrealloc(h->controllers, (n + 2) * sizeof(*h->controllers));
	h->controllers[n] = xstrdup(name);
	h->controllers[n + 1] = NULL;
}

static bool is_v1_controller(const char *option)
{
	static const char *const names[] = { "cpu",	"cpuacct",    "cpuset",	 "memory",
					     "devices", "freezer",    "net_cls", "net_prio",
					     "blkio",	"perf_event", "hugetlb", "pids",
					     "rdma",	"misc" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(option, names[i]) == 0)
			return true;
	return str_starts(option, "name=");
}

static void split_controllers(struct hierarchy *h, const char *text, const char *separators)
{
	_cleanup_free_ char *copy = xstrdup(text);
	char *rest = copy, *word;

	while ((word = strsep(&rest, separators)))
		if (*word && (h->v2 || is_v1_controller(word)))
			add_controller(h, word);
}

static void hierarchy_done(struct hierarchy *h)
{
	for (char **c = h->controllers; c && *c; c++)
		free(*c);
	free(h->controllers);
	free(h->mount);
}

static bool is_known(const struct cgroups *cg, const struct hierarchy *h)
{
	for (size_t i = 0; i < cg->n; i++)
		if (h->v2 ? cg->h[i].v2 : has_controller(&cg->h[i], h->controllers[0]))
			return true;
	return false;
}

static int add_hierarchy(void *arg, const struct mountinfo *m)
{
	bool v1 = strcmp(m->type, "cgroup") == 0, v2 = strcmp(m->type, "cgroup2") == 0;
	struct hierarchy h = { .v2 = v2 };
	struct cgroups *cg = arg;

	if (!v1 && !v2)
		return 0;
	h.mount = xstrdup(m->target);
	if (v1) {
		split_controllers(&h, m->super_options, ",");
	} else {
		_cleanup_free_ char *path = xasprintf("%s/cgroup.controllers", h.mount);
		_cleanup_buf_ struct buf text = BUF_NULL;
		struct err ignored = ERR_NULL;

		if (fs_read_file(path, 4096, &text, &ignored) == 0 && text.data)
			split_controllers(&h, text.data, " \n");
	}
	/* A hierarchy may have several mounts: use the first. */
	if ((v1 && !h.controllers) || is_known(cg, &h)) {
		hierarchy_done(&h);
		return 0;
	}
	cg->h = xrealloc(cg->h, (cg->n + 1) * sizeof(*cg->h));
	cg->h[cg->n++] = h;
	return 0;
}

int cgroups_open_at(const char *mountinfo, struct cgroups **ret, struct err *e)
{
	_cleanup_(cgroups_freep) struct cgroups *cg = xcalloc(1, sizeof(*cg));
	size_t n_v2 = 0;
	int r = mountinfo_read(mountinfo, add_hierarchy, cg, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < cg->n; i++)
		n_v2 += cg->h[i].v2;
	if (!cg->n)
		return err_set(e, ERR_UNAVAILABLE,
			       "no cgroup file system is mounted; mount cgroup2 "
			       "at /sys/fs/cgroup");
	cg->layout = n_v2 == cg->n ? CGROUP_LAYOUT_V2
		     : n_v2	   ? CGROUP_LAYOUT_HYBRID
				   : CGROUP_LAYOUT_V1;
	cg->backend = cg->layout == CGROUP_LAYOUT_V2 ? &backend_v2 : &backend_v1;
	*ret = take_ptr(cg);
	return 0;
}

int cgroups_open(struct cgroups **ret, struct err *e)
{
	return cgroups_open_at(NULL, ret, e);
}

void cgroups_free(struct cgroups *cg)
{
	if (!cg)
		return;
	for (size_t i = 0; i < cg->n; i++)
		hierarchy_done(&cg->h[i]);
	free(cg->h);
	free(cg);
}

enum cgroup_layout cgroups_layout(const struct cgroups *cg)
{
	return cg->layout;
}

int cgroups_own(const struct cgroups *cg, char **ret, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	int r;

	if (cg->layout != CGROUP_LAYOUT_V2)
		return 1;
	r = fs_read_file("/proc/self/cgroup", FILE_MAX, &text, e);
	if (r < 0)
		return r;
	if (!text.len || !str_starts(text.data, "0::/"))
		return err_set(e, ERR_INTERNAL, "/proc/self/cgroup does not name a cgroup");
	*ret = xstrndup(text.data + 3, strcspn(text.data + 3, "\n"));
	return 0;
}

bool cgroup_path_is_valid(const char *path)
{
	return fs_path_is_clean(path) && path[1];
}

/* Each dash is one level down, so each side of it needs a name. */
static bool is_slice_name(const char *name)
{
	size_t len = strlen(name);

	if (len <= strlen(SLICE) || len > NAME_MAX || !str_ends(name, SLICE))
		return false;
	len -= strlen(SLICE);
	if (name[0] == '-' || name[len - 1] == '-' || strstr(name, "--"))
		return false;
	/* No colon: OCI runtimes separate slice and scope with it. */
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("-_.\\", name[i]))
			return false;
	return true;
}

char *cgroup_slice_name(const char *text)
{
	const char *slash = strrchr(text, '/'), *name = slash ? slash + 1 : text;

	return is_slice_name(name) ? xstrdup(name) : NULL;
}

static int check_path(const char *path, struct err *e)
{
	if (cgroup_path_is_valid(path))
		return 0;
	return err_set(e, ERR_INVALID, "cgroup path \"%s\" must be absolute and below /", path);
}

int cgroup_controller_dir(const struct cgroups *cg, const char *controller, const char *path,
			  char **ret, struct err *e)
{
	int r = check_path(path, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < cg->n; i++) {
		if (!has_controller(&cg->h[i], controller))
			continue;
		*ret = xasprintf("%s%s", cg->h[i].mount, path);
		return 0;
	}
	return 1;
}

int cgroup_unified_dir(const struct cgroups *cg, const char *path, char **ret, struct err *e)
{
	int r = check_path(path, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < cg->n; i++) {
		if (!cg->h[i].v2)
			continue;
		*ret = xasprintf("%s%s", cg->h[i].mount, path);
		return 0;
	}
	return 1;
}

/* --- create --- */

/* A new v1 cpuset is empty and accepts no process: copy the parent's value. */
static int inherit_cpuset(const char *dir, const char *parent, const char *name, struct err *e)
{
	_cleanup_free_ char *to = xasprintf("%s/%s", dir, name);
	_cleanup_free_ char *from = xasprintf("%s/%s", parent, name);
	_cleanup_buf_ struct buf have = BUF_NULL, want = BUF_NULL;
	int r = fs_read_file(to, FILE_MAX, &have, e);

	if (r < 0)
		return r;
	if (have.len && have.data[0] != '\n')
		return 0;
	r = fs_read_file(from, FILE_MAX, &want, e);
	if (r < 0)
		return r;
	if (!want.len || want.data[0] == '\n')
		return 0;
	return fs_write_existing(to, want.data, e);
}

static int prepare_v1(const struct hierarchy *h, const char *dir, const char *parent, struct err *e)
{
	int r;

	if (!has_controller(h, "cpuset"))
		return 0;
	r = inherit_cpuset(dir, parent, "cpuset.cpus", e);
	if (!r)
		r = inherit_cpuset(dir, parent, "cpuset.mems", e);
	return r;
}

/* The parent must enable each controller for its children. */
static int prepare_v2(const struct hierarchy *h, const char *dir, const char *parent, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/cgroup.subtree_control", parent);
	struct err ignored = ERR_NULL;

	(void)dir;
	(void)e;
	for (char **c = h->controllers; c && *c; c++) {
		_cleanup_free_ char *text = xasprintf("+%s", *c);

		/* Enable each one alone: some are not available everywhere (a real-time group
		 * forbids cpu).  Setting a limit of such a controller fails later. */
		fs_write_existing(path, text, &ignored);
	}
	return 0;
}

static const struct backend backend_v1 = { prepare_v1 };
static const struct backend backend_v2 = { prepare_v2 };

/* Make all components of path in one hierarchy.  1: a parent vanished meanwhile. */
static int create_in(const struct cgroups *cg, const struct hierarchy *h, const char *path,
		     bool plain, struct err *e)
{
	_cleanup_free_ char *parent = xstrdup(h->mount);

	for (const char *p = path; *p;) {
		size_t n = 1 + strcspn(p + 1, "/");
		_cleanup_free_ char *dir = xasprintf("%s%.*s", parent, (int)n, p);
		int r;

		/* ENODEV: the parent is being removed. */
		if (mkdir(dir, 0755) < 0 && (errno == ENOENT || errno == ENODEV))
			return 1;
		if (!fs_exists(dir))
			return err_errno(e, ERR_INTERNAL, errno, "make cgroup %s", dir);
		/* In a hybrid layout the v2 tree only tracks processes: enable no controller. */
		if (!plain && h->v2 == (cg->layout == CGROUP_LAYOUT_V2)) {
			r = cg->backend->prepare(h, dir, parent, e);
			if (r < 0)
				return r;
		}
		free(parent);
		parent = take_ptr(dir);
		p += n;
	}
	return 0;
}

static int create(const struct cgroups *cg, const char *path, bool plain, struct err *e)
{
	int r = check_path(path, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < cg->n; i++) {
		r = 1;
		/* Another program may remove the parent while it is empty. */
		for (int tries = 0; r > 0 && tries < 10; tries++)
			r = create_in(cg, &cg->h[i], path, plain, e);
		if (r > 0)
			return err_set(e, ERR_INTERNAL, "make cgroup %s%s: its parent vanishes",
				       cg->h[i].mount, path);
		if (r < 0)
			return r;
	}
	return 0;
}

int cgroup_create(const struct cgroups *cg, const char *path, struct err *e)
{
	return create(cg, path, false, e);
}

int cgroup_create_plain(const struct cgroups *cg, const char *path, struct err *e)
{
	return create(cg, path, cg->layout == CGROUP_LAYOUT_V2, e);
}

/* --- remove --- */

static int remove_below(int fd, int depth);

/* 0, or an errno; ENOENT is 0.  ENODEV: another process is removing it. */
static int remove_one(int parent, const char *name, int depth)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	/* Busy: it has processes or child cgroups. */
	if (errno != EBUSY && errno != ENOTEMPTY)
		return errno;
	if (depth == NESTING_MAX)
		return ELOOP;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : errno;
	r = remove_below(fd, depth + 1);
	if (r)
		return r;
	return unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : errno;
}

static int remove_below(int fd, int depth)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	_cleanup_closedir_ DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *d;
	int worst = 0;

	if (!dir) {
		worst = errno;
		close_fdp(&copy);
		return worst;
	}
	while ((d = readdir(dir))) {
		int r;

		if (d->d_type != DT_DIR || strcmp(d->d_name, ".") == 0 ||
		    strcmp(d->d_name, "..") == 0)
			continue;
		r = remove_one(fd, d->d_name, depth);
		if (r)
			worst = r;
	}
	return worst;
}

static int fail_busy(const struct cgroups *cg, const char *path, const char *dir, struct err *e)
{
	_cleanup_buf_ struct buf names = BUF_NULL;
	_cleanup_free_ pid_t *pids = NULL;
	size_t n = 0;

	if (cgroup_pids(cg, path, &pids, &n, e) < 0)
		return -(int)e->code;
	for (size_t i = 0; i < n && i < PIDS_NAMED; i++)
		buf_printf(&names, " %d", pids[i]);
	return err_set(e, ERR_PRECONDITION, "remove cgroup %s: still in use by %zu processes:%s%s",
		       dir, n, names.data ? names.data : "", n > PIDS_NAMED ? " ..." : "");
}

/* Remove dir and all below it.  1: in use. */
static int remove_tree(const char *dir, struct err *e)
{
	int r = remove_one(AT_FDCWD, dir, 0);

	if (r == EBUSY || r == ENOTEMPTY || r == ENODEV)
		return 1;
	return r ? err_errno(e, ERR_INTERNAL, r, "remove cgroup %s", dir) : 0;
}

int cgroup_remove(const struct cgroups *cg, const char *path, struct err *e)
{
	int64_t deadline = clock_monotonic_ns() + BUSY_MS * NSEC_PER_MSEC;
	int r = check_path(path, e);

	for (size_t i = 0; r == 0 && i < cg->n; i++) {
		_cleanup_free_ char *dir = xasprintf("%s%s", cg->h[i].mount, path);

		while ((r = remove_tree(dir, e)) > 0) {
			if (clock_monotonic_ns() >= deadline)
				return fail_busy(cg, path, dir, e);
			poll(NULL, 0, BUSY_STEP_MS);
		}
	}
	return r;
}

int cgroup_remove_idle(const struct cgroups *cg, const char *path, struct err *e)
{
	int r = check_path(path, e);

	for (size_t i = 0; r == 0 && i < cg->n; i++) {
		_cleanup_free_ char *dir = xasprintf("%s%s", cg->h[i].mount, path);

		r = remove_tree(dir, e);
	}
	return r;
}

/* --- freezer --- */

static int thaw_dir(const struct hierarchy *h, const char *dir, struct err *e)
{
	const char *file = h->v2 ? "cgroup.freeze" : "freezer.state";
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, file);
	_cleanup_buf_ struct buf text = BUF_NULL;
	struct err gone = ERR_NULL;
	int r = fs_read_file(path, FILE_MAX, &text, &gone);

	/* Thaw FREEZING too: a process that cannot be frozen yet keeps this state. */
	if (r != 0 || !text.data || text.data[0] == (h->v2 ? '0' : 'T'))
		return 0;
	r = fs_write_existing(path, h->v2 ? "0" : "THAWED", &gone);
	if (r < 0 && fs_exists(path))
		return *e = gone, r;
	return r == 0;
}

static int thaw_tree(const struct hierarchy *h, const char *dir, const char *except, int depth,
		     struct err *e)
{
	_cleanup_closedir_ DIR *d = depth < NESTING_MAX ? opendir(dir) : NULL;
	int r = thaw_dir(h, dir, e), below;
	struct dirent *entry;

	while (r >= 0 && d && (entry = readdir(d))) {
		_cleanup_free_ char *child = xasprintf("%s/%s", dir, entry->d_name);

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    (except && strcmp(entry->d_name, except) == 0))
			continue;
		below = thaw_tree(h, child, except, depth + 1, e);
		r = below < 0 ? below : MAX(r, below);
	}
	return r;
}

static int thaw(const struct cgroups *cg, const char *path, const char *except, int depth,
		struct err *e)
{
	int r = check_path(path, e), one;

	for (size_t i = 0; r >= 0 && i < cg->n; i++) {
		_cleanup_free_ char *dir = xasprintf("%s%s", cg->h[i].mount, path);

		if (!cg->h[i].v2 && !has_controller(&cg->h[i], "freezer"))
			continue;
		one = thaw_tree(&cg->h[i], dir, except, depth, e);
		r = one < 0 ? one : MAX(r, one);
	}
	return r;
}

int cgroup_thaw(const struct cgroups *cg, const char *path, const char *except, struct err *e)
{
	return thaw(cg, path, except, 0, e);
}

int cgroup_thaw_one(const struct cgroups *cg, const char *path, struct err *e)
{
	return thaw(cg, path, NULL, NESTING_MAX, e);
}

static bool is_frozen(const struct hierarchy *h, const char *dir)
{
	_cleanup_free_ char *path =
		xasprintf("%s/%s", dir, h->v2 ? "cgroup.events" : "freezer.state");
	_cleanup_buf_ struct buf text = BUF_NULL;
	struct err gone = ERR_NULL;

	return fs_read_file(path, FILE_MAX, &text, &gone) == 0 && text.data &&
	       strstr(text.data, h->v2 ? "frozen 1" : "FROZEN");
}

/* On v1 a process that was made meanwhile can miss the freeze: thaw and freeze once more. */
static int freeze_dir(const struct hierarchy *h, const char *dir, struct err *e)
{
	_cleanup_free_ char *path =
		xasprintf("%s/%s", dir, h->v2 ? "cgroup.freeze" : "freezer.state");
	int64_t deadline = clock_monotonic_ns() + CGROUP_FREEZE_MS * NSEC_PER_MSEC;
	const char *on = h->v2 ? "1" : "FROZEN", *off = h->v2 ? "0" : "THAWED";
	struct err ignored = ERR_NULL;
	int r;

	for (unsigned step = 0; clock_monotonic_ns() < deadline; step++) {
		if (step % FREEZE_STEPS == 0) {
			if (step && !h->v2)
				fs_write_existing(path, off, &ignored);
			r = fs_write_existing(path, on, e);
			if (r < 0)
				return r;
		}
		if (is_frozen(h, dir))
			return 0;
		poll(NULL, 0, FREEZE_STEP_MS);
	}
	fs_write_existing(path, off, &ignored);
	return err_set(e, ERR_UNAVAILABLE,
		       "freeze cgroup %s: a process did not stand still within %d ms", dir,
		       CGROUP_FREEZE_MS);
}

int cgroup_freeze(const struct cgroups *cg, const char *path, struct err *e)
{
	int r = check_path(path, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < cg->n; i++) {
		_cleanup_free_ char *dir = xasprintf("%s%s", cg->h[i].mount, path);

		if (cg->layout == CGROUP_LAYOUT_V2 || has_controller(&cg->h[i], "freezer"))
			return fs_exists(dir) ? freeze_dir(&cg->h[i], dir, e)
					      : err_set(e, ERR_NOT_FOUND,
							"freeze cgroup %s: it does not exist", dir);
	}
	return err_set(e, ERR_PRECONDITION, "freeze cgroup %s: this host has no freezer", path);
}

int cgroup_pull_thawed(const struct cgroups *cg, const char *path, pid_t pid, struct err *e)
{
	_cleanup_free_ char *dir = NULL, *procs = NULL, *text = xasprintf("%d", (int)pid);
	int r = cg->layout == CGROUP_LAYOUT_V2
			? 1
			: cgroup_controller_dir(cg, "freezer", path, &dir, e);

	if (r != 0)
		return r;
	procs = xasprintf("%s/cgroup.procs", dir);
	return fs_exists(procs) ? fs_write_existing(procs, text, e) : 1;
}

/* --- processes --- */

struct pid_list {
	pid_t *pids;
	size_t n, cap;
};

static void add_pids(struct pid_list *list, const char *text)
{
	while (*text) {
		_cleanup_free_ char *word = xstrndup(text, strcspn(text, "\n"));
		int64_t pid;

		/* 0: a process of another PID namespace. */
		if (str_to_i64(word, 1, INT_MAX, &pid) == 0) {
			if (list->n == list->cap) {
				list->cap = list->cap * 2 + 64;
				list->pids = xrealloc(list->pids, list->cap * sizeof(pid_t));
			}
			list->pids[list->n++] = (pid_t)pid;
		}
		text += strlen(word);
		text += *text == '\n';
	}
}

static int collect_pids(const char *dir, int depth, struct pid_list *list, struct err *e)
{
	_cleanup_free_ char *procs = xasprintf("%s/cgroup.procs", dir);
	_cleanup_buf_ struct buf text = BUF_NULL;
	_cleanup_closedir_ DIR *d = opendir(dir);
	struct dirent *entry;
	int r;

	if (!d)
		return errno == ENOENT || errno == ENODEV
			       ? 0
			       : err_errno(e, ERR_INTERNAL, errno, "list cgroup %s", dir);
	r = fs_read_file(procs, FILE_MAX, &text, e);
	/* Removed meanwhile; or threaded (v2), whose domain lists the processes. */
	if (r < 0 && e->errnum != ENODEV && e->errnum != EOPNOTSUPP)
		return r;
	if (r == 0 && text.data)
		add_pids(list, text.data);
	while ((entry = readdir(d))) {
		_cleanup_free_ char *child = xasprintf("%s/%s", dir, entry->d_name);

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (depth == NESTING_MAX)
			return err_set(e, ERR_INTERNAL, "cgroup %s: more than %d levels", dir,
				       NESTING_MAX);
		r = collect_pids(child, depth + 1, list, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int compare_pids(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

static void pid_list_done(struct pid_list *list)
{
	free(list->pids);
}

int cgroup_pids(const struct cgroups *cg, const char *path, pid_t **ret, size_t *ret_n,
		struct err *e)
{
	_cleanup_(pid_list_done) struct pid_list list = { .n = 0 };
	size_t n = 0;
	int r = check_path(path, e);

	if (r < 0)
		return r;
	/* A process may have been moved in some hierarchies only: collect from all. */
	for (size_t i = 0; i < cg->n; i++) {
		_cleanup_free_ char *dir = xasprintf("%s%s", cg->h[i].mount, path);

		r = collect_pids(dir, 0, &list, e);
		if (r < 0)
			return r;
	}
	if (list.n)
		qsort(list.pids, list.n, sizeof(pid_t), compare_pids);
	for (size_t i = 0; i < list.n; i++)
		if (!n || list.pids[n - 1] != list.pids[i])
			list.pids[n++] = list.pids[i];
	*ret = take_ptr(list.pids);
	*ret_n = n;
	return 0;
}
