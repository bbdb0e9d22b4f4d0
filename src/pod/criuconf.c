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
#include "oci/json.h"
#include "os/cgroup.h"
#include "pod/dumpfiles.h"
#include "shimproto/shimproto.h"

#define STDIO 3
#define MOUNT_ID "\nmnt_id:\t"

struct stdio_search {
	struct stat fifos[STDIO];
	bool has[STDIO];
	struct buf *out;
	json_t *keys; /* object: names of the FIFOs, their keys */
	pid_t pid;
};

static const char *const names[STDIO] = { SHIM_STDIN_NAME, SHIM_STDOUT_NAME, SHIM_STDERR_NAME };

static void find_fifos(struct stdio_search *s, const char *id)
{
	_cleanup_free_ char *run = path_container_run(world.conf, id);

	for (int i = 0; i < STDIO; i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", run, names[i]);

		s->has[i] = lstat(path, &s->fifos[i]) == 0 && S_ISFIFO(s->fifos[i].st_mode);
	}
}

/* The number of the stream; -1: another file. */
static int stream_of(const struct stdio_search *s, const struct stat *st)
{
	for (int i = 0; i < STDIO; i++)
		if (s->has[i] && st->st_dev == s->fifos[i].st_dev &&
		    st->st_ino == s->fifos[i].st_ino)
			return i;
	return -1;
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
	_cleanup_free_ char *key = NULL;
	struct stat st;
	int64_t mount;
	int stream;

	(void)e;
	if (stat(path, &st) < 0)
		return 0;
	stream = stream_of(s, &st);
	mount = stream < 0 ? -1 : mount_of(s->pid, fd);
	if (mount < 0)
		return 0;
	key = xasprintf("file[%llx:%llx]", (unsigned long long)mount,
			(unsigned long long)st.st_ino);
	if (oci_json_has_text(json_object_get(s->keys, names[stream]), key))
		return 0;
	buf_printf(s->out, "external %s\n", key);
	oci_json_push_text(oci_json_need_array(s->keys, names[stream]), key);
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

int criuconf_write(const char *id, const Crisp__State__Container *row, const char *dir,
		   struct err *e)
{
	_cleanup_free_ char *path = path_container_criu_conf(world.conf, id);
	_cleanup_free_ char *cgroup = cgroup_dir(row->cgroups_path);
	_cleanup_json_ json_t *keys = oci_json_object();
	_cleanup_buf_ struct buf out = BUF_NULL;
	struct stdio_search s = { .out = &out, .keys = keys };
	int r;

	find_fifos(&s, id);
	r = add_all(&s, cgroup, e);
	if (r >= 0)
		r = dumpfiles_put(dir, DUMPFILES_STDIO, keys, e);
	if (r >= 0)
		r = add_administrators(row->runtime_path, &out, e);
	return r < 0 ? r : fs_replace_file(path, out.data, out.len, 0600, false, e);
}

/* --- restore --- */

/* "file[HEX:HEX]": nothing else may come into CRIU's options. */
static bool is_key(const char *s)
{
	static const char hex[] = "0123456789abcdef";
	size_t n;

	if (!s || !str_starts(s, "file["))
		return false;
	s += strlen("file[");
	n = strspn(s, hex);
	if (!n || n > 16 || s[n] != ':')
		return false;
	s += n + 1;
	n = strspn(s, hex);
	return n && n <= 16 && strcmp(s + n, "]") == 0;
}

/* CRIU takes one key for a descriptor. */
static int inherit(int stream, const json_t *keys, struct buf *out, struct err *e)
{
	const char *key = json_string_value(json_array_get(keys, 0));

	if (!json_array_size(keys))
		return 0;
	if (json_array_size(keys) > 1)
		return err_set(e, ERR_PRECONDITION,
			       DUMPFILES_STDIO ": processes of more than one mount namespace "
					       "have %s open",
			       names[stream]);
	if (!is_key(key))
		return err_set(e, ERR_INVALID, DUMPFILES_STDIO ": %s: no key of CRIU",
			       names[stream]);
	buf_printf(out, "inherit-fd fd[%d]:%s\n", stream, key);
	return 0;
}

int criuconf_write_restore(const char *id, const Crisp__State__Container *row, const json_t *keys,
			   struct err *e)
{
	_cleanup_free_ char *path = path_container_criu_conf(world.conf, id);
	_cleanup_buf_ struct buf out = BUF_NULL;
	int r = 0;

	for (int i = 0; i < STDIO && r == 0; i++)
		r = inherit(i, json_object_get(keys, names[i]), &out, e);
	for (size_t i = 0; i < row->n_restore_options; i++)
		buf_printf(&out, "%s\n", row->restore_options[i]);
	if (r == 0)
		r = add_administrators(row->runtime_path, &out, e);
	return r < 0 ? r : fs_replace_file(path, out.data, out.len, 0600, false, e);
}
