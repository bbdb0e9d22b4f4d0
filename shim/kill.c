/*
 * kill.c - signal process trees and cgroups.  All work is bounded: a container may fork against it.
 */
#include "shim/kill.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/util.h"

#define TREE_MAX 4096
#define CGROUP_BATCH 256
#define CGROUP_DEPTH 16
#define CGROUP_PASSES 64

/* --- a tree --- */

struct pids {
	int n;
	pid_t pid[TREE_MAX];
};

/* Numbers separated by white space, appended while there is room. */
static void add_pids(struct pids *set, FILE *f)
{
	int pid;

	while (set->n < TREE_MAX && fscanf(f, "%d", &pid) == 1)
		if (pid > 0)
			set->pid[set->n++] = pid;
}

static void add_children(struct pids *set, pid_t pid)
{
	_cleanup_closedir_ DIR *tasks = NULL;
	char path[64];
	struct dirent *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	while (tasks && (d = readdir(tasks))) {
		char file[PATH_MAX];
		FILE *f;

		if (d->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "/proc/%d/task/%s/children", (int)pid, d->d_name);
		f = fopen(file, "re");
		if (f) {
			add_pids(set, f);
			fclose(f);
		}
	}
}

void kill_tree(pid_t pid)
{
	static struct pids set; /* single-threaded; 16 KiB that only this function uses */

	/* A stopped parent neither forks nor reaps: its list of children is complete, and their
	 * pids are not recycled until the parent is killed. */
	set.n = 1;
	set.pid[0] = pid;
	for (int i = 0; i < set.n; i++) {
		kill(set.pid[i], SIGSTOP);
		add_children(&set, set.pid[i]);
	}
	/* Children before parents, so that no listed pid is freed. */
	for (int i = set.n - 1; i >= 0; i--)
		kill(set.pid[i], SIGKILL);
}

/* --- a cgroup --- */

struct member {
	pid_t pid;
	int pidfd;
	bool here; /* listed again after the pidfd was opened */
};

static FILE *open_procs(const char *dir)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/cgroup.procs", dir) >= (int)sizeof(path))
		return NULL;
	return fopen(path, "re");
}

static int read_members(const char *dir, struct member *m)
{
	FILE *f = open_procs(dir);
	int n = 0, pid;

	while (f && n < CGROUP_BATCH && fscanf(f, "%d", &pid) == 1)
		if (pid > 0) /* 0: in a PID namespace that the shim cannot see */
			m[n++] = (struct member){ .pid = pid, .pidfd = -1 };
	if (f)
		fclose(f);
	return n;
}

/* A pid listed before and after pidfd_open has not been recycled: the pidfd is the member's. */
static void confirm_members(const char *dir, struct member *m, int n)
{
	FILE *f = open_procs(dir);
	int pid;

	while (f && fscanf(f, "%d", &pid) == 1)
		for (int i = 0; i < n; i++)
			if (m[i].pid == pid)
				m[i].here = true;
	if (f)
		fclose(f);
}

static int signal_members(const char *dir, int sig)
{
	struct member m[CGROUP_BATCH];
	int n = read_members(dir, m);

	for (int i = 0; i < n; i++)
		m[i].pidfd = (int)syscall(SYS_pidfd_open, m[i].pid, 0);
	confirm_members(dir, m, n);
	for (int i = 0; i < n; i++) {
		if (m[i].here && m[i].pidfd >= 0)
			syscall(SYS_pidfd_send_signal, m[i].pidfd, sig, NULL, 0);
		close_fdp(&m[i].pidfd);
	}
	return n;
}

static int kill_below(const char *dir, int sig, int depth)
{
	_cleanup_closedir_ DIR *d = opendir(dir);
	struct dirent *entry;
	int total = 0, n, passes = 0;

	if (!d)
		return 0;
	do {
		n = signal_members(dir, sig);
		total += n;
		/* A full batch may have left some out; only SIGKILL makes progress. */
	} while (n == CGROUP_BATCH && sig == SIGKILL && ++passes < CGROUP_PASSES);
	while (depth < CGROUP_DEPTH && (entry = readdir(d))) {
		char below[PATH_MAX];

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (snprintf(below, sizeof(below), "%s/%s", dir, entry->d_name) <
		    (int)sizeof(below))
			total += kill_below(below, sig, depth + 1);
	}
	return total;
}

int kill_cgroup(const char *dir, int sig)
{
	char path[PATH_MAX];
	struct err ignored = ERR_NULL;

	if (sig == SIGKILL && snprintf(path, sizeof(path), "%s/cgroup.kill", dir) < PATH_MAX)
		fs_write_existing(path, "1", &ignored);
	return kill_below(dir, sig, 0);
}

static bool describe_below(const char *dir, char out[PROC_TEXT_MAX], int depth)
{
	struct member m[CGROUP_BATCH];
	_cleanup_closedir_ DIR *d = opendir(dir);
	char path[PATH_MAX];
	struct dirent *entry;

	if (read_members(dir, m) > 0) {
		proc_describe(m[0].pid, out);
		return true;
	}
	while (d && depth < CGROUP_DEPTH && (entry = readdir(d))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name) >= PATH_MAX)
			continue;
		if (describe_below(path, out, depth + 1))
			return true;
	}
	return false;
}

const char *kill_describe(const char *dir, char out[PROC_TEXT_MAX])
{
	if (!describe_below(dir, out, 0))
		snprintf(out, PROC_TEXT_MAX, "nobody");
	return out;
}

static bool is_below(const char *dir, pid_t pid, int depth)
{
	_cleanup_closedir_ DIR *d = opendir(dir);
	FILE *f = open_procs(dir);
	struct dirent *entry;
	bool found = false;
	int member;

	while (f && !found && fscanf(f, "%d", &member) == 1)
		found = member == pid;
	if (f)
		fclose(f);
	while (d && !found && depth < CGROUP_DEPTH && (entry = readdir(d))) {
		char below[PATH_MAX];

		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
		    snprintf(below, sizeof(below), "%s/%s", dir, entry->d_name) <
			    (int)sizeof(below))
			found = is_below(below, pid, depth + 1);
	}
	return found;
}

bool kill_is_member(const char *dir, pid_t pid)
{
	return is_below(dir, pid, 0);
}

/* --- memory --- */

/* Does a file of "name number" lines have "oom_kill N" with N above 0? */
static bool has_oom_kill(const char *dir, const char *name)
{
	char path[PATH_MAX], line[128];
	bool yes = false;
	FILE *f;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return false;
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (str_starts(line, "oom_kill ") && line[9] >= '1' && line[9] <= '9')
			yes = true;
	if (f)
		fclose(f);
	return yes;
}

bool cgroup_saw_oom(const char *dir)
{
	if (!*dir)
		return false;
	return has_oom_kill(dir, "memory.events") || has_oom_kill(dir, "memory.oom_control");
}
