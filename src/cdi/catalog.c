/*
 * catalog.c - scan the directories, index the devices, resolve who describes a device.
 */
#include "cdi/catalog.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/str.h"
#include "base/util.h"
#include "cdi/name.h"

struct cdi_catalog {
	unsigned refs;
	char **dirs;
	struct cdi_file **files; /* by directory and name */
	size_t n_files;
	struct cdi_device *devices; /* sorted by name */
	size_t n_devices;
};

struct cdi_catalog *cdi_catalog_ref(struct cdi_catalog *r)
{
	__atomic_add_fetch(&r->refs, 1, __ATOMIC_RELAXED);
	return r;
}

void cdi_catalog_unref(struct cdi_catalog *r)
{
	if (!r || __atomic_sub_fetch(&r->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < r->n_files; i++)
		cdi_file_unref(r->files[i]);
	for (size_t i = 0; i < r->n_devices; i++)
		free(r->devices[i].name);
	for (char **dir = r->dirs; *dir; dir++)
		free(*dir);
	free(r->dirs);
	free(r->files);
	free(r->devices);
	free(r);
}

/* --- files ---------------------------------------------------------------------------------- */

struct file_names {
	char **list;
	size_t n;
};

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int note_name(const char *path, const char *name, void *arg, struct err *e)
{
	struct file_names *names = arg;

	if ((!str_ends(name, ".json") && !str_ends(name, ".yaml")) || is_dir(path))
		return 0;
	if (names->n == LIMIT_CDI_FILES)
		return err_set(e, ERR_EXHAUSTED, "more than %d CDI specifications",
			       LIMIT_CDI_FILES);
	names->list = xrealloc(names->list, (names->n + 1) * sizeof(*names->list));
	names->list[names->n++] = xstrdup(path);
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct cdi_file *file_of(const struct cdi_catalog *r, const char *path, size_t dir)
{
	for (size_t i = 0; r && i < r->n_files; i++)
		if (r->files[i]->dir == dir && strcmp(r->files[i]->path, path) == 0)
			return r->files[i];
	return NULL;
}

static void add_file(struct cdi_catalog *r, struct cdi_file *f)
{
	r->files = xrealloc(r->files, (r->n_files + 1) * sizeof(struct cdi_file *));
	r->files[r->n_files++] = f;
}

static void scan_dir(struct cdi_catalog *r, size_t dir, struct cdi_catalog *old, size_t *room)
{
	struct file_names names = { .list = NULL };
	struct err e = ERR_NULL;

	if (fs_each(r->dirs[dir], note_name, &names, &e) < 0) {
		err_wrap(&e, "%s", r->dirs[dir]);
		add_file(r, cdi_file_failed(r->dirs[dir], dir, &e));
	}
	if (names.n)
		qsort(names.list, names.n, sizeof(*names.list), compare_names);
	for (size_t i = 0; i < names.n; i++) {
		add_file(r,
			 cdi_file_read(names.list[i], dir, file_of(old, names.list[i], dir), room));
		free(names.list[i]);
	}
	free(names.list);
}

static bool has_same_files(const struct cdi_catalog *r, const struct cdi_catalog *old)
{
	if (!old || r->n_files != old->n_files)
		return false;
	for (size_t i = 0; i < r->n_files; i++)
		if (r->files[i] != old->files[i])
			return false;
	return true;
}

/* --- devices -------------------------------------------------------------------------------- */

static void add_device(struct cdi_catalog *r, struct map *seen, const struct cdi_file *f,
		       const json_t *json)
{
	char *name = xasprintf("%s=%s", f->kind, json_string_value(json_object_get(json, "name")));
	struct cdi_device *d = map_get(seen, name);

	if (!d) {
		d = &r->devices[r->n_devices++];
		*d = (struct cdi_device){ .name = name, .file = f, .json = json };
		map_put(seen, d->name, d);
		return;
	}
	free(name);
	if (d->file->dir == f->dir) {
		d->rival = f;
	} else {
		d->file = f;
		d->json = json;
		d->rival = NULL;
	}
}

static int compare_devices(const void *a, const void *b)
{
	const struct cdi_device *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void index_devices(struct cdi_catalog *r)
{
	struct map *seen = map_new();
	const json_t *device;
	size_t n = 0, k;

	for (size_t i = 0; i < r->n_files; i++)
		n += json_array_size(json_object_get(r->files[i]->root, "devices"));
	r->devices = xcalloc(n + 1, sizeof(*r->devices));
	for (size_t i = 0; i < r->n_files; i++)
		json_array_foreach(json_object_get(r->files[i]->root, "devices"), k, device)
			add_device(r, seen, r->files[i], device);
	map_free(seen);
	qsort(r->devices, r->n_devices, sizeof(*r->devices), compare_devices);
}

struct cdi_catalog *cdi_catalog_read(char *const *dirs, struct cdi_catalog *old)
{
	struct cdi_catalog *r = xcalloc(1, sizeof(*r));
	size_t n = 0, room = LIMIT_CDI_BYTES;

	while (dirs && dirs[n])
		n++;
	r->refs = 1;
	r->dirs = xcalloc(n + 1, sizeof(char *));
	for (size_t i = 0; i < n; i++)
		r->dirs[i] = xstrdup(dirs[i]);
	for (size_t i = 0; i < n; i++)
		scan_dir(r, i, old, &room);
	if (has_same_files(r, old)) {
		cdi_catalog_unref(r);
		return cdi_catalog_ref(old);
	}
	index_devices(r);
	return r;
}

const struct cdi_device *cdi_catalog_devices(const struct cdi_catalog *r, size_t *ret_n)
{
	*ret_n = r->n_devices;
	return r->devices;
}

/* --- questions ------------------------------------------------------------------------------ */

static int conflict(const struct cdi_device *d, struct err *e)
{
	return err_set(e, ERR_PRECONDITION,
		       "device \"%.256s\" is in both %s and %s, of which neither is preferred: "
		       "remove it from one",
		       d->name, d->file->path, d->rival->path);
}

static bool knows_kind(const struct cdi_catalog *r, const char *kind)
{
	for (size_t i = 0; i < r->n_files; i++)
		if (r->files[i]->root && strcmp(r->files[i]->kind, kind) == 0)
			return true;
	return false;
}

/* The error of the first unused file that may describe the kind; NULL: none. */
static const struct err *error_of_kind(const struct cdi_catalog *r, const char *kind)
{
	for (size_t i = 0; i < r->n_files; i++) {
		const struct cdi_file *f = r->files[i];

		if (!f->root && (!f->kind || strcmp(f->kind, kind) == 0))
			return &f->err;
	}
	return NULL;
}

static int missing(const struct cdi_catalog *r, const char *name, const char *kind, struct err *e)
{
	const struct err *bad = error_of_kind(r, kind);
	bool known = knows_kind(r, kind);

	return err_set(e, ERR_PRECONDITION, "device \"%.256s\" is not known: %s%s%s%s", name,
		       known ? "no CDI specification of its kind describes it"
			     : "no CDI specification of kind ",
		       known ? "" : kind, bad ? "; " : "", bad ? bad->text : "");
}

int cdi_catalog_find(const struct cdi_catalog *r, const char *name, const struct cdi_device **ret,
		     struct err *e)
{
	const struct cdi_device key = { .name = (char *)name };
	_cleanup_free_ char *kind = NULL;
	const struct cdi_device *d;
	size_t n;

	if (cdi_name_check(name, &n, e) < 0)
		return -(int)e->code;
	kind = xstrndup(name, n);
	d = bsearch(&key, r->devices, r->n_devices, sizeof(*d), compare_devices);
	if (!d)
		return missing(r, name, kind, e);
	if (d->rival)
		return conflict(d, e);
	*ret = d;
	return 0;
}

static bool had_error(const struct cdi_catalog *old, const struct cdi_file *f)
{
	const struct cdi_file *before = file_of(old, f->path, f->dir);

	return before && strcmp(before->err.text, f->err.text) == 0 &&
	       cdi_stamp_is_same(&before->stamp, &f->stamp);
}

static bool had_conflict(const struct cdi_catalog *old, const struct cdi_device *d)
{
	const struct cdi_device *before =
		old ? bsearch(d, old->devices, old->n_devices, sizeof(*d), compare_devices) : NULL;

	return before && before->rival && strcmp(before->file->path, d->file->path) == 0 &&
	       strcmp(before->rival->path, d->rival->path) == 0;
}

void cdi_catalog_errors(const struct cdi_catalog *r, const struct cdi_catalog *old,
			void (*fn)(const struct err *e, void *arg), void *arg)
{
	for (size_t i = 0; i < r->n_files; i++)
		if (!r->files[i]->root && !had_error(old, r->files[i]))
			fn(&r->files[i]->err, arg);
	for (size_t i = 0; i < r->n_devices; i++) {
		struct err e = ERR_NULL;

		if (!r->devices[i].rival || had_conflict(old, &r->devices[i]))
			continue;
		conflict(&r->devices[i], &e);
		fn(&e, arg);
	}
}
