/*
 * file.c - read a specification file that only root can have written, as JSON or YAML.
 */
#include "cdi/file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"
#include "cdi/fields.h"
#include "cdi/name.h"
#include "cdi/yaml.h"

#define DEPTH_MAX 32
/* File systems count in ticks: two changes within one have the same time. */
#define SETTLE_NS NSEC_PER_SEC

struct cdi_file *cdi_file_ref(struct cdi_file *f)
{
	__atomic_add_fetch(&f->refs, 1, __ATOMIC_RELAXED);
	return f;
}

void cdi_file_unref(struct cdi_file *f)
{
	if (!f || __atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	json_decref(f->root);
	free(f->kind);
	free(f->path);
	free(f);
}

bool cdi_stamp_is_same(const struct cdi_stamp *a, const struct cdi_stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec &&
	       a->ctime.tv_sec == b->ctime.tv_sec && a->ctime.tv_nsec == b->ctime.tv_nsec &&
	       a->trusted == b->trusted;
}

/* jansson recurses for each level, also to free a tree. */
static bool is_shallow(const char *text, size_t size)
{
	bool quoted = false;
	int depth = 0;

	for (size_t i = 0; i < size && depth <= DEPTH_MAX; i++) {
		if (text[i] == '"')
			quoted = !quoted;
		else if (quoted)
			i += text[i] == '\\';
		else if (text[i] == '{' || text[i] == '[')
			depth++;
		else if (text[i] == '}' || text[i] == ']')
			depth--;
	}
	return depth <= DEPTH_MAX;
}

static int read_json(const char *text, size_t size, json_t **ret, struct err *e)
{
	json_error_t bad;

	if (!is_shallow(text, size))
		return err_set(e, ERR_INVALID, "more than %d levels", DEPTH_MAX);
	*ret = json_loadb(text, size, JSON_REJECT_DUPLICATES, &bad);
	return *ret ? 0 : err_set(e, ERR_INVALID, "line %d: %s", bad.line, bad.text);
}

int cdi_file_parse(const char *name, const char *text, size_t size, json_t **ret, char **ret_kind,
		   struct err *e)
{
	json_t *root = NULL;
	const char *kind;
	int r = str_ends(name, ".json") ? read_json(text ? text : "", size, &root, e)
					: cdi_yaml_read(text ? text : "", size, &root, e);

	if (r < 0)
		return r;
	kind = json_string_value(json_object_get(root, "kind"));
	if (kind && cdi_is_kind(kind))
		*ret_kind = xstrdup(kind);
	r = cdi_check(root, e);
	if (r < 0)
		json_decref(root);
	else
		*ret = root;
	return r;
}

static bool is_past(const struct timespec *t, int64_t now_ns)
{
	return t->tv_sec * NSEC_PER_SEC + t->tv_nsec + SETTLE_NS < now_ns;
}

static int look(struct cdi_file *f, struct err *e)
{
	struct stat st;
	int r;

	if (stat(f->path, &st) < 0)
		return err_errno(e, ERR_PRECONDITION, errno, "%s", f->path);
	r = fs_check_trusted(f->path, e);
	f->stamp = (struct cdi_stamp){ st.st_dev,  st.st_ino,  st.st_size,
				       st.st_mtim, st.st_ctim, r == 0 };
	f->settled = is_past(&st.st_ctim, clock_realtime_ns());
	if (r > 0)
		return err_set(e, ERR_PRECONDITION, "%s was removed", f->path);
	if (r == 0 && !S_ISREG(st.st_mode))
		return err_set(e, ERR_PRECONDITION, "%s is not a regular file", f->path);
	return r;
}

static int read_and_check(struct cdi_file *f, size_t *room, struct err *e)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	int r = fs_read_file(f->path, LIMIT_CDI_FILE, &text, e);

	if (r > 0)
		return err_set(e, ERR_PRECONDITION, "%s was removed", f->path);
	if (r < 0)
		return r;
	if (text.len > *room)
		return err_set(e, ERR_RANGE, "%s: all CDI specifications are larger than %d bytes",
			       f->path, LIMIT_CDI_BYTES);
	*room -= text.len;
	r = cdi_file_parse(f->path, text.data, text.len, &f->root, &f->kind, e);
	return r < 0 ? err_wrap(e, "%s", f->path) : 0;
}

static struct cdi_file *file_new(const char *path, size_t dir)
{
	struct cdi_file *f = xcalloc(1, sizeof(*f));

	f->refs = 1;
	f->dir = dir;
	f->path = xstrdup(path);
	return f;
}

struct cdi_file *cdi_file_read(const char *path, size_t dir, struct cdi_file *old, size_t *room)
{
	struct cdi_file *f = file_new(path, dir);
	int r = look(f, &f->err);

	if (old && old->settled && f->stamp.ino && cdi_stamp_is_same(&old->stamp, &f->stamp)) {
		*room -= MIN(*room, (size_t)old->stamp.size);
		cdi_file_unref(f);
		return cdi_file_ref(old);
	}
	if (r == 0)
		read_and_check(f, room, &f->err);
	return f;
}

struct cdi_file *cdi_file_failed(const char *path, size_t dir, const struct err *e)
{
	struct cdi_file *f = file_new(path, dir);

	f->err = *e;
	return f;
}
