/*
 * self.c - move the shim to its cgroup, set its oom_score_adj, cap its log.
 */
#include "shim/self.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/str.h"
#include "base/util.h"

#define LOG_MAX (256 * 1024)
#define OOM_SCORE (-999)

/* A new v1 cpuset accepts no process until its cpus and mems are set: copy an ancestor's. */
static void copy_cpuset(const char *mount, const char *path, const char *file)
{
	_cleanup_free_ char *value_path = xasprintf("%s%s/%s", mount, path, file);
	_cleanup_buf_ struct buf have = BUF_NULL, from = BUF_NULL;
	_cleanup_free_ char *parent = xstrdup(path);
	struct err e = ERR_NULL;

	if (fs_read_file(value_path, 4096, &have, &e) != 0 || (have.len && have.data[0] != '\n'))
		return;
	for (char *slash = strrchr(parent, '/'); slash; slash = strrchr(parent, '/')) {
		_cleanup_free_ char *above = NULL;

		*slash = '\0';
		above = xasprintf("%s%s/%s", mount, parent, file);
		if (fs_read_file(above, 4096, &from, &e) == 0 && from.len && from.data[0] != '\n') {
			fs_write_existing(value_path, from.data, &e);
			return;
		}
		buf_consume(&from, from.len);
	}
}

static void fill_cpuset(const char *mount, const char *path)
{
	_cleanup_free_ char *p = xasprintf("%s/", path);

	for (char *s = strchr(p + 1, '/'); s; s = strchr(s + 1, '/')) {
		*s = '\0';
		copy_cpuset(mount, p, "cpuset.cpus");
		copy_cpuset(mount, p, "cpuset.mems");
		*s = '/';
	}
}

static void join_one(const char *mount, const char *options, const char *path)
{
	_cleanup_free_ char *dir = xasprintf("%s%s", mount, path);
	_cleanup_free_ char *procs = xasprintf("%s/cgroup.procs", dir);
	struct err e = ERR_NULL;

	if (fs_mkdir_all(dir, 0755, &e) < 0) {
		log_err(LOG_LEVEL_WARN, "join the shim's own cgroup", &e);
		return;
	}
	if (strstr(options, "cpuset"))
		fill_cpuset(mount, path);
	/* 0 is the writing process, in any PID namespace. */
	if (fs_write_existing(procs, "0", &e) < 0)
		log_err(LOG_LEVEL_WARN, "join the shim's own cgroup", &e);
}

void self_each_cgroup_mount(void (*fn)(const struct cgroup_mount *m, void *arg), void *arg)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[PATH_MAX * 2];

	/* ID parent major:minor root MOUNTPOINT options ... - TYPE source SUPEROPTIONS */
	while (f && fgets(line, sizeof(line), f)) {
		char mount[PATH_MAX], type[64], options[512];
		const char *tail = strstr(line, " - ");

		if (!tail || sscanf(line, "%*s %*s %*s %*s %4095s", mount) != 1 ||
		    sscanf(tail, " - %63s %*s %511s", type, options) != 2)
			continue;
		if (strcmp(type, "cgroup") == 0 || strcmp(type, "cgroup2") == 0)
			fn(&(struct cgroup_mount){ mount, options, type[6] == '2' }, arg);
	}
	if (f)
		fclose(f);
}

static void join_mounted(const struct cgroup_mount *m, void *path)
{
	join_one(m->dir, m->options, path);
}

void self_join_cgroup(const char *path)
{
	self_each_cgroup_mount(join_mounted, (char *)path);
}

void self_protect_from_oom(void)
{
	struct err e = ERR_NULL;

	/* Lowering needs CAP_SYS_RESOURCE; without it keep the inherited score. */
	for (int score = OOM_SCORE; score < 0; score += 111) {
		char text[16];

		snprintf(text, sizeof(text), "%d", score);
		if (fs_write_existing("/proc/self/oom_score_adj", text, &e) == 0)
			return;
	}
	log_info("oom_score_adj is not lowered", "wanted=%d reason=\"%s\"", OOM_SCORE, e.text);
}

void self_cap_log(void)
{
	struct stat st;

	if (fstat(STDERR_FILENO, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= LOG_MAX)
		return;
	if (ftruncate(STDERR_FILENO, 0) == 0)
		log_info("the shim's log was truncated", "bytes=%lld", (long long)st.st_size);
}
