/*
 * dumpfiles.c - config.dump, spec.dump and bind.mounts, with the members that checkpointctl and
 * CRI-O's restore read.
 */
#include "pod/dumpfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "core/objects.h"
#include "core/paths.h"
#include "oci/json.h"
#include "pod/container.h"
#include "pod/sandbox.h"

#define SPEC_MAX (16 * LIMIT_CONFIG_BYTES)
#define ANNOTATION "io.kubernetes.cri-o."

json_t *dumpfiles_spec(const char *id, struct err *e)
{
	_cleanup_free_ char *run = path_container_run(world.conf, id);
	_cleanup_free_ char *path = xasprintf("%s/config.json", run);
	_cleanup_buf_ struct buf text = BUF_NULL;
	json_error_t why = { .text = "no such file" };
	json_t *spec = NULL;
	int r = fs_read_file(path, SPEC_MAX, &text, e);

	if (r < 0)
		return NULL;
	if (r == 0)
		spec = json_loadb(text.data, text.len, 0, &why);
	if (!json_is_object(spec)) {
		json_decref(spec);
		err_set(e, ERR_DATA_LOSS, "%s: %s", path, why.text);
		return NULL;
	}
	return spec;
}

int dumpfiles_put(const char *dir, const char *name, const json_t *value, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name), *text = oci_json_dump(value);

	return fs_replace_file(path, text, strlen(text), 0600, false, e);
}

static void put_time(json_t *to, const char *key, int64_t ns)
{
	char text[36];

	clock_format(ns, text);
	oci_json_put_text(to, key, text);
}

static int put_config(const char *dir, const char *id, const Crisp__State__Container *row,
		      const char *handler, const Runtime__V1__ContainerConfig *c,
		      const Runtime__V1__PodSandboxConfig *pc, struct err *e)
{
	_cleanup_free_ char *name =
		container_full_name(c->metadata->name, pc->metadata, c->metadata->attempt);
	_cleanup_json_ json_t *out = oci_json_object();

	oci_json_put_text(out, "id", id);
	oci_json_put_text(out, "name", name);
	oci_json_put_text(out, "rootfsImage",
			  *c->image->user_specified_image ? c->image->user_specified_image
							  : c->image->image);
	oci_json_put_text(out, "rootfsImageRef", row->image_id + strcspn(row->image_id, ":") + 1);
	oci_json_put_text(out, "rootfsImageName", row->image_name);
	oci_json_put_text(out, "runtime", *handler ? handler : world.conf->default_runtime);
	put_time(out, "createdTime", row->created_ns);
	put_time(out, "checkpointedTime", clock_realtime_ns());
	oci_json_put_text(out, "restoredTime", "0001-01-01T00:00:00Z");
	oci_json_put(out, "restored", json_false());
	return dumpfiles_put(dir, "config.dump", out, e);
}

/* --- spec.dump --- */

static void put_json_text(json_t *to, const char *key, const json_t *value)
{
	_cleanup_free_ char *text = oci_json_dump(value);

	oci_json_put_text(to, key, text);
}

static void put_metadata(json_t *to, const Runtime__V1__ContainerMetadata *m)
{
	_cleanup_json_ json_t *out = oci_json_object();

	oci_json_put_text(out, "name", m->name);
	oci_json_put_number(out, "attempt", m->attempt);
	put_json_text(to, ANNOTATION "Metadata", out);
}

static void put_maps(json_t *to, const Runtime__V1__ContainerConfig *c)
{
	_cleanup_json_ json_t *labels = oci_json_object(), *notes = oci_json_object();

	for (size_t i = 0; i < c->n_labels; i++)
		oci_json_put_text(labels, c->labels[i]->key, c->labels[i]->value);
	for (size_t i = 0; i < c->n_annotations; i++)
		oci_json_put_text(notes, c->annotations[i]->key, c->annotations[i]->value);
	put_json_text(to, ANNOTATION "Labels", labels);
	put_json_text(to, ANNOTATION "Annotations", notes);
}

/* The runtime's spec with CRI-O's annotations, which readers of the archive look for. */
static int put_spec(const char *dir, const char *id, const Crisp__State__Container *row,
		    const Runtime__V1__ContainerConfig *c, json_t *spec, struct err *e)
{
	json_t *notes = oci_json_need_object(spec, "annotations");

	oci_json_put_text(notes, "io.container.manager", "cri-o");
	oci_json_put_text(notes, ANNOTATION "ContainerType", "container");
	oci_json_put_text(notes, ANNOTATION "ContainerID", id);
	oci_json_put_text(notes, ANNOTATION "SandboxID", row->sandbox_id);
	oci_json_put_text(notes, ANNOTATION "ImageName", row->image_name);
	oci_json_put_text(notes, DUMPFILES_LOG, row->log_path);
	put_time(notes, ANNOTATION "Created", row->created_ns);
	put_metadata(notes, c->metadata);
	put_maps(notes, c);
	return dumpfiles_put(dir, "spec.dump", spec, e);
}

/* --- bind.mounts --- */

/* What each container has; CRI-O leaves these out, too. */
static bool is_usual(const char *destination)
{
	static const char *const usual[] = { "/dev", "/dev/shm",     "/proc",
					     "/run", "/run/secrets", "/sys" };

	for (size_t i = 0; i < ARRAY_LEN(usual); i++)
		if (strcmp(destination, usual[i]) == 0)
			return true;
	return false;
}

static int put_bind(json_t *list, const char *source, const char *destination, struct err *e)
{
	json_t *out;
	struct stat st;

	if (stat(source, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "stat the mount's source %s", source);
	out = oci_json_object();
	oci_json_put_text(out, "source", source);
	oci_json_put_text(out, "destination", destination);
	oci_json_put_text(out, "file_type", S_ISDIR(st.st_mode) ? "directory" : "file");
	oci_json_put_number(out, "permissions", st.st_mode & 0777);
	oci_json_push(list, out);
	return 0;
}

static int put_binds(const char *dir, const json_t *mounts, struct err *e)
{
	_cleanup_json_ json_t *list = oci_json_array();
	const json_t *m;
	size_t i;
	int r = 0;

	json_array_foreach(mounts, i, m)
	{
		const char *type = json_string_value(json_object_get(m, "type"));
		const char *source = json_string_value(json_object_get(m, "source"));
		const char *at = json_string_value(json_object_get(m, "destination"));

		if (r == 0 && type && source && at && strcmp(type, "bind") == 0 && !is_usual(at))
			r = put_bind(list, source, at, e);
	}
	return r < 0 || !json_array_size(list) ? r : dumpfiles_put(dir, "bind.mounts", list, e);
}

/* --- the log --- */

/* Copy the bytes from at to end.  1: the file ends before. */
static int copy_part(int from, int to, off_t at, off_t end)
{
	off_t to_at = at;

	while (at < end) {
		ssize_t n = copy_file_range(from, &at, to, &to_at, (size_t)(end - at), 0);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n == 0)
			return 1;
	}
	return 0;
}

int dumpfiles_copy(int from, int to, off_t size)
{
	off_t at = 0, hole, end;
	int r = 0;

	while (r == 0 && at < size && (at = lseek(from, at, SEEK_DATA)) >= 0 && at < size) {
		hole = lseek(from, at, SEEK_HOLE);
		if (hole < 0)
			return -1;
		r = copy_part(from, to, at, MIN(hole, size));
		at = hole;
	}
	if (r < 0 || (at < 0 && errno != ENXIO))
		return -1;
	end = lseek(from, 0, SEEK_END);
	return end < 0 ? -1 : ftruncate(to, MIN(end, size));
}

struct dump_log dumpfiles_log_mark(const char *log_path)
{
	struct dump_log log = { .fd = -1 };
	struct stat st;

	if (*log_path)
		log.fd = open(log_path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (log.fd < 0 || fstat(log.fd, &st) < 0 || !S_ISREG(st.st_mode))
		close_fdp(&log.fd);
	else
		log.size = st.st_size;
	return log;
}

int dumpfiles_log_copy(struct dump_log *log, const char *dir, const char *name, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	_cleanup_close_ int to = -1;
	int r = 0;

	if (log->fd < 0)
		return 0;
	to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (to < 0 || dumpfiles_copy(log->fd, to, log->size) < 0)
		r = err_errno(e, errno == ENOSPC ? ERR_EXHAUSTED : ERR_INTERNAL, errno,
			      "copy the log to %s", path);
	close_fdp(&log->fd);
	return r;
}

int dumpfiles_write(const char *dir, const char *id, const Crisp__State__Container *row,
		    const Crisp__State__Sandbox *pod, json_t *spec, struct err *e)
{
	Runtime__V1__ContainerConfig *c = container_config(row);
	Runtime__V1__PodSandboxConfig *pc = sandbox_config(pod);
	int r = put_config(dir, id, row, pod->runtime_handler, c, pc, e);

	if (r == 0)
		r = put_binds(dir, json_object_get(spec, "mounts"), e);
	if (r == 0)
		r = put_spec(dir, id, row, c, spec, e);
	runtime__v1__container_config__free_unpacked(c, NULL);
	runtime__v1__pod_sandbox_config__free_unpacked(pc, NULL);
	return r;
}
