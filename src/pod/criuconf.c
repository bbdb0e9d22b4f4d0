/*
 * criuconf.c - finds the descriptors of the shim's FIFOs in all processes of the container.
 *
 * CRIU names an external file by mount and inode.  Each process may have opened a FIFO by another
 * mount, so each pair is written once.
 */
#include "pod/criuconf.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "core/objects.h"
#include "core/paths.h"
#include "os/cgroup.h"
#include "shimproto/shimproto.h"

#define STDIO 3
#define MOUNT_ID "\nmnt_id:\t"

struct stdio_search {
	struct stat fifos[STDIO];
	bool has[STDIO];
	struct buf *out;
	pid_t pid;
};

static void find_fifos(struct stdio_search *s, const char *id)
{
	static const char *const names[STDIO] = { SHIM_STDIN_NAME, SHIM_STDOUT_NAME,
						  SHIM_STDERR_NAME };
	_cleanup_free_ char *run = path_container_run(world.conf, id);

	for (int i = 0; i < STDIO; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", run, names[i]);

		s->has[i] = lstat(path, &s->fifos[i]) == 0 && S_ISFIFO(s->fifos[i].st_mode);
	}
}

static bool is_ours(const struct stdio_search *s, const struct stat *st)
{
	for (int i = 0; i < STDIO; i++)
		if (s->has[i] && st->st_dev == s->fifos[i].st_dev &&
		    st->st_ino == s->fifos[i].st_ino)
			return true;
	return false;
}

/* -1: not known. */
static int64_t mount_of(pid_t pid, const char *fd)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/fdinfo/%s", (int)pid, fd);
	_cleanup_buf_ struct buf text = BUF_NULL;
	struct err ignored = ERR_NULL;
	int64_t mount;
	char *line;

	if (fs_read_file(path, LIMIT_CONFIG_BYTES, &text, &ignored) != 0 || !text.len)
		return -1;
	line = strstr(text.data, MOUNT_ID);
	if (!line)
		return -1;
	line += strlen(MOUNT_ID);
	line[strcspn(line, "\n")] = '\0';
	return str_to_i64(line, 0, INT32_MAX, &mount) < 0 ? -1 : mount;
}

static int add_descriptor(const char *path, const char *fd, void *arg, struct err *e)
{
	struct stdio_search *s = arg;
	_cleanup_free_ char *line = NULL;
	struct stat st;
	int64_t mount;

	(void)e;
	if (stat(path, &st) < 0 || !is_ours(s, &st))
		return 0;
	mount = mount_of(s->pid, fd);
	line = xasprintf("external file[%llx:%llx]\n", (unsigned long long)mount,
			 (unsigned long long)st.st_ino);
	if (mount >= 0 && !(s->out->len && strstr(s->out->data, line)))
		buf_puts(s->out, line);
	return 0;
}

static int add_all(struct stdio_search *s, const char *cgroup, struct err *e)
{
	_cleanup_free_ pid_t *pids = NULL;
	size_t n = 0;
	int r = cgroup_pids(world.cgroups, cgroup, &pids, &n, e);

	for (size_t i = 0; i < n && r >= 0; i++) {
		_cleanup_free_ char *dir = xasprintf("/proc/%d/fd", (int)pids[i]);

		s->pid = pids[i];
		r = fs_each(dir, add_descriptor, s, e);
	}
	return r;
}

static int add_administrators(const char *runtime_path, struct buf *out, struct err *e)
{
	const char *slash = strrchr(runtime_path, '/');
	_cleanup_free_ char *path =
		xasprintf("/etc/criu/%s.conf", slash ? slash + 1 : runtime_path);
	int r = fs_read_trusted(path, LIMIT_CONF_FILE, out, e);

	return MIN(r, 0);
}

int criuconf_write(const char *id, const Crisp__State__Container *row, struct err *e)
{
	_cleanup_free_ char *path = path_container_criu_conf(world.conf, id);
	_cleanup_free_ char *cgroup = cgroup_dir(row->cgroups_path);
	_cleanup_buf_ struct buf out = BUF_NULL;
	struct stdio_search s = { .out = &out };
	int r;

	find_fifos(&s, id);
	r = add_all(&s, cgroup, e);
	if (r >= 0)
		r = add_administrators(row->runtime_path, &out, e);
	return r < 0 ? r : fs_replace_file(path, out.data, out.len, 0600, false, e);
}
