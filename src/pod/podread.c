/*
 * podread.c - pod.json and its checksum, the list of files, packed configurations.
 */
#include "pod/podread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "oci/json.h"
#include "pod/dumprun.h"
#include "pod/podfile.h"

#define DEPTH_MAX 4 /* containers/NAME/checkpoint/FILE */

void podread_done(struct podread *p)
{
	free(p->dir);
	json_decref(p->doc);
	*p = PODREAD_NULL;
}

/* --- pod.json --- */

static int read_trusted(const char *dir, const char *name, size_t max, struct buf *ret,
			struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);
	int r = fs_read_trusted(path, max, ret, e);

	return r > 0 ? err_set(e, ERR_INVALID, "there is no checkpoint of a pod: %s is missing",
			       path)
		     : r;
}

static int load(const char *dir, json_t **ret, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL, want = BUF_NULL;
	_cleanup_free_ char *path = xasprintf("%s/" PODFILE_NAME, dir);
	char sum[PODFILE_SUM_TEXT];
	json_error_t why;
	int64_t size;
	int r = read_trusted(dir, PODFILE_NAME, PODFILE_MAX, &text, e);

	if (r == 0)
		r = read_trusted(dir, PODFILE_SUM_NAME, PODFILE_SUM_TEXT, &want, e);
	if (r == 0)
		r = podfile_sum(path, sum, &size, e);
	if (r < 0)
		return r;
	if (!want.len || strcmp(want.data, sum) != 0)
		return err_set(e, ERR_INVALID,
			       PODFILE_NAME ": damaged: its checksum is not that "
					    "of " PODFILE_SUM_NAME);
	*ret = json_loadb(text.data ? text.data : "", text.len, 0, &why);
	if (!json_is_object(*ret))
		return err_set(e, ERR_INVALID, PODFILE_NAME ": %s", *ret ? "no object" : why.text);
	return 0;
}

static int check_doc(const json_t *doc, struct err *e)
{
	json_int_t version = json_integer_value(json_object_get(doc, "version"));
	const char *arch = json_string_value(json_object_get(doc, "architecture"));
	struct utsname host;

	if (version != PODFILE_VERSION)
		return err_set(e, ERR_PRECONDITION,
			       PODFILE_NAME ": version %lld: this crispd reads version %d",
			       (long long)version, PODFILE_VERSION);
	uname(&host);
	if (!arch || strcmp(arch, host.machine) != 0)
		return err_set(e, ERR_PRECONDITION,
			       PODFILE_NAME ": the checkpoint is of architecture %.64s, the node "
					    "is %s",
			       arch ? arch : "\"\"", host.machine);
	if (!json_is_object(json_object_get(doc, "pod")) ||
	    !json_is_object(json_object_get(doc, "files")) ||
	    !json_is_array(json_object_get(doc, "containers")) ||
	    !json_is_array(json_object_get(doc, "volumes")))
		return err_set(e, ERR_INVALID,
			       PODFILE_NAME ": pod, files, containers or volumes are missing");
	return 0;
}

int podread_open(const char *path, struct podread *ret, struct err *e)
{
	int r = dumprun_check_directory(path, "checkpoint_path", e);

	*ret = (struct podread){ .dir = xasprintf("%s/" PODFILE_DIR, path) };
	if (r == 0)
		r = load(ret->dir, &ret->doc, e);
	if (r == 0)
		r = check_doc(ret->doc, e);
	if (r < 0)
		podread_done(ret);
	return r;
}

/* --- files --- */

struct file_walk {
	const struct podread *p;
	size_t depth, n;
};

static int check_entry(const char *path, const char *name, void *arg, struct err *e)
{
	struct file_walk *w = arg;
	const char *rest = path + strlen(w->p->dir) + 1;
	const json_t *entry = json_object_get(json_object_get(w->p->doc, "files"), rest);
	struct stat st;
	int r;

	(void)name;
	if (lstat(path, &st) < 0)
		return err_errno(e, ERR_INVALID, errno, "stat %s", path);
	if (S_ISDIR(st.st_mode)) {
		if (++w->depth > DEPTH_MAX)
			return err_set(e, ERR_INVALID, "%s is too deep for a checkpoint", path);
		r = fs_each(path, check_entry, w, e);
		w->depth--;
		return r;
	}
	if (strcmp(rest, PODFILE_NAME) == 0 || strcmp(rest, PODFILE_SUM_NAME) == 0)
		return 0;
	if (!S_ISREG(st.st_mode) || !entry)
		return err_set(e, ERR_INVALID, "%s is no file of the checkpoint", path);
	if (json_integer_value(json_object_get(entry, "size")) != st.st_size)
		return err_set(e, ERR_INVALID, "%s: damaged: %jd bytes, %lld in " PODFILE_NAME,
			       path, (intmax_t)st.st_size,
			       (long long)json_integer_value(json_object_get(entry, "size")));
	w->n++;
	return 0;
}

int podread_check_files(const struct podread *p, struct err *e)
{
	const json_t *files = json_object_get(p->doc, "files");
	struct file_walk w = { .p = p };
	int r = fs_each(p->dir, check_entry, &w, e);
	const char *name;
	json_t *entry;

	if (r < 0 || w.n == json_object_size(files))
		return r;
	json_object_foreach((json_t *)(uintptr_t)files, name, entry)
	{
		_cleanup_free_ char *path = xasprintf("%s/%s", p->dir, name);

		if (!fs_exists(path))
			return err_set(e, ERR_INVALID, "damaged: %s is missing", path);
	}
	return err_set(e, ERR_INVALID, "damaged: %s has other files than its " PODFILE_NAME,
		       p->dir);
}

int podread_check_sum(const struct podread *p, const char *name, const char *path, struct err *e)
{
	const json_t *entry = json_object_get(json_object_get(p->doc, "files"), name);
	const char *want = json_string_value(json_object_get(entry, "sum"));
	char sum[PODFILE_SUM_TEXT];
	int64_t size;
	int r = podfile_sum(path, sum, &size, e);

	if (r == 0 && (!want || strcmp(want, sum) != 0))
		r = err_set(e, ERR_INVALID,
			    "%s: damaged: its checksum is not that of " PODFILE_NAME, name);
	return r;
}

/* --- configurations --- */

const json_t *podread_container(const struct podread *p, const char *name)
{
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(p->doc, "containers"), i, c)
	{
		const char *s = json_string_value(json_object_get(c, "name"));

		if (s && strcmp(s, name) == 0)
			return c;
	}
	return NULL;
}

static int read_packed(const json_t *from, struct buf *ret, struct err *e)
{
	const json_t *config = json_object_get(from, "config");
	const char *text = json_string_value(config);
	struct base64_reader reader = { .bits = 0 };

	if (!text || json_string_length(config) > 2 * LIMIT_CONFIG_BYTES ||
	    base64_read(&reader, text, strlen(text), ret) < 0 || !base64_is_whole(&reader))
		return err_set(e, ERR_INVALID, PODFILE_NAME ": a config is missing or damaged");
	return 0;
}

static const uint8_t *bytes_of(const struct buf *b)
{
	return (const uint8_t *)(b->data ? b->data : "");
}

Runtime__V1__PodSandboxConfig *podread_pod_config(const struct podread *p, struct err *e)
{
	_cleanup_buf_ struct buf packed = BUF_NULL;
	Runtime__V1__PodSandboxConfig *c = NULL;

	if (read_packed(json_object_get(p->doc, "pod"), &packed, e) < 0)
		return NULL;
	c = runtime__v1__pod_sandbox_config__unpack(NULL, packed.len, bytes_of(&packed));
	if (!c)
		err_set(e, ERR_INVALID, PODFILE_NAME ": pod.config does not unpack");
	return c;
}

Runtime__V1__ContainerConfig *podread_config(const json_t *container, struct err *e)
{
	_cleanup_buf_ struct buf packed = BUF_NULL;
	Runtime__V1__ContainerConfig *c = NULL;

	if (read_packed(container, &packed, e) < 0)
		return NULL;
	c = runtime__v1__container_config__unpack(NULL, packed.len, bytes_of(&packed));
	if (!c)
		err_set(e, ERR_INVALID, PODFILE_NAME ": a container's config does not unpack");
	return c;
}
