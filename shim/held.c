/*
 * held.c - move processes of a cgroup tree into frozen child cgroups, and back.
 *
 * Each pass lists a cgroup's processes and moves them; the next pass finds processes forked
 * meanwhile.  Depth and number of cgroups are bounded, since a hostile container makes them.
 */
#include "shim/held.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"
#include "shim/self.h"
#include "shimproto/shimproto.h"

#define DEPTH_MAX 16
#define CGROUPS_MAX 1024 /* below one container's cgroup */
#define STATE_MAX 4096

/* --- paths --- */

struct search {
	const char *dir;
	char *below; /* dir without the mount point of its hierarchy */
	char *freezer; /* mount point of v1's freezer; NULL: none */
	char *unified; /* mount point of v2; NULL: none */
};

static bool has_option(const char *options, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = options; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, name, n) == 0 && (p[n] == ',' || !p[n]))
			return true;
	}
	return false;
}

static void look_at_mount(const struct cgroup_mount *m, void *arg)
{
	struct search *s = arg;
	char **place = m->v2 ? &s->unified : &s->freezer;

	if (!s->below && fs_path_is_within(s->dir, m->dir))
		s->below = xstrdup(s->dir + strlen(m->dir));
	if (!*place && (m->v2 || has_option(m->options, "freezer")))
		*place = xstrdup(m->dir);
}

char *held_dir_of(const char *dir)
{
	struct search s = { .dir = dir };
	char *ret = NULL;

	self_each_cgroup_mount(look_at_mount, &s);
	if (s.below && *s.below && (s.freezer || s.unified))
		ret = xasprintf("%s%s", s.freezer ? s.freezer : s.unified, s.below);
	free(s.below);
	free(s.freezer);
	free(s.unified);
	return ret;
}

/* --- one cgroup --- */

static bool is_v2(const char *dir)
{
	_cleanup_free_ char *path = xasprintf("%s/cgroup.freeze", dir);

	return fs_exists(path);
}

static int set_frozen(const char *held, bool frozen, struct err *e)
{
	bool v2 = is_v2(held);
	const char *file = v2 ? "cgroup.freeze" : "freezer.state";
	const char *value = v2 ? (frozen ? "1" : "0") : (frozen ? "FROZEN" : "THAWED");
	_cleanup_free_ char *path = xasprintf("%s/%s", held, file);

	return fs_write_existing(path, value, e);
}

static bool is_frozen(const char *held)
{
	bool v2 = is_v2(held);
	const char *file = v2 ? "cgroup.events" : "freezer.state";
	_cleanup_free_ char *path = xasprintf("%s/%s", held, file);
	_cleanup_buf_ struct buf text = BUF_NULL;
	struct err ignored = ERR_NULL;

	if (fs_read_file(path, STATE_MAX, &text, &ignored) != 0 || !text.data)
		return false;
	return v2 ? strstr(text.data, "frozen 1") != NULL : str_starts(text.data, "FROZEN");
}

/* Returns the number of processes that have not exited; e: set if one cannot be moved. */
static size_t move_all(const char *from, const char *to, struct err *e)
{
	_cleanup_free_ char *list = xasprintf("%s/cgroup.procs", from);
	_cleanup_free_ char *procs = xasprintf("%s/cgroup.procs", to);
	FILE *f = fopen(list, "re");
	char pid[32];
	size_t n = 0;

	while (f && fgets(pid, sizeof(pid), f)) {
		struct err why = ERR_NULL;

		pid[strcspn(pid, "\n")] = '\0';
		if (fs_write_existing(procs, pid, &why) < 0) {
			if (why.errnum == ESRCH)
				continue; /* it has ended */
			*e = why;
		}
		n++;
	}
	if (f)
		fclose(f);
	return n;
}

static bool has_process(const char *dir)
{
	_cleanup_free_ char *path = xasprintf("%s/cgroup.procs", dir);
	FILE *f = fopen(path, "re");
	bool yes = f && fgetc(f) != EOF;

	if (f)
		fclose(f);
	return yes;
}

/* --- a tree of cgroups --- */

struct cgroup_walk {
	/* Returns 1 for a cgroup with work left, else 0; <0: e is set. */
	int (*fn)(const char *dir, struct err *e);
	size_t n, left;
};

static int walk(struct cgroup_walk *w, const char *dir, int depth, struct err *e)
{
	_cleanup_closedir_ DIR *d = opendir(dir);
	struct dirent *entry;
	int r = d ? w->fn(dir, e) : 0;

	if (r > 0)
		w->left += (size_t)r;
	while (r >= 0 && d && (entry = readdir(d))) {
		_cleanup_free_ char *child = NULL;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    strcmp(entry->d_name, SHIM_HELD_NAME) == 0)
			continue;
		if (depth == DEPTH_MAX || ++w->n > CGROUPS_MAX)
			return err_set(e, ERR_EXHAUSTED,
				       "cgroup %s: more than %d levels or %d cgroups below it", dir,
				       DEPTH_MAX, CGROUPS_MAX);
		child = xasprintf("%s/%s", dir, entry->d_name);
		r = walk(w, child, depth + 1, e);
	}
	return MIN(r, 0);
}

/* >0 also while a process cannot be moved, so that the caller tries again. */
static int hold_one(const char *dir, struct err *e)
{
	_cleanup_free_ char *held = xasprintf("%s/" SHIM_HELD_NAME, dir);
	struct err moves = ERR_NULL;
	size_t n;

	if (!has_process(dir) && !fs_exists(held))
		return 0;
	if (mkdir(held, 0755) < 0 && errno != EEXIST)
		return errno == ENOENT ? 0 : err_errno(e, ERR_INTERNAL, errno, "make %s", held);
	if (set_frozen(held, true, e) < 0)
		return -(int)e->code;
	n = move_all(dir, held, &moves);
	return n || !is_frozen(held);
}

/* Thaw first: a process that cannot be moved continues in place. */
static int end_one(const char *dir, struct err *e)
{
	_cleanup_free_ char *held = xasprintf("%s/" SHIM_HELD_NAME, dir);
	struct err ignored = ERR_NULL;

	(void)e;
	if (!fs_exists(held))
		return 0;
	set_frozen(held, false, &ignored);
	move_all(held, dir, &ignored);
	return rmdir(held) < 0 && errno != ENOENT;
}

static int find_one(const char *dir, struct err *e)
{
	_cleanup_free_ char *held = xasprintf("%s/" SHIM_HELD_NAME, dir);

	(void)e;
	return fs_exists(held);
}

int held_begin(const char *dir, struct err *e)
{
	struct cgroup_walk w = { .fn = hold_one };
	int r = walk(&w, dir, 0, e);

	return r < 0 ? r : (int)w.left;
}

size_t held_end(const char *dir)
{
	struct cgroup_walk w = { .fn = end_one };
	struct err ignored = ERR_NULL;

	walk(&w, dir, 0, &ignored);
	return w.left;
}

bool held_any(const char *dir)
{
	struct cgroup_walk w = { .fn = find_one };
	struct err ignored = ERR_NULL;

	walk(&w, dir, 0, &ignored);
	return w.left > 0;
}
