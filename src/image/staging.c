/*
 * staging.c - create, claim and remove directories below staging/.
 */
#include "image/staging.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/id.h"
#include "base/rmtree.h"
#include "base/util.h"
#include "image/layermeta.h"

#define LAYERS "layers" /* next to the pulls' directories: no id has this name */
#define WORK "work" /* in a pull's directory: no layer has this name */

static char *layer_path(const char *images_root, const char *name)
{
	return xasprintf("%s/staging/" LAYERS "/%s", images_root, name);
}

static char *pull_path(const char *images_root, const char *pull_id)
{
	return xasprintf("%s/staging/%s", images_root, pull_id);
}

char *image_staging_layer(const char *images_root, const char *diff_id)
{
	char name[IMAGE_LAYER_NAME + 1];

	return image_layer_name(diff_id, name) < 0 ? NULL : layer_path(images_root, name);
}

char *image_staging_works(const char *images_root, const char *pull_id)
{
	return xasprintf("%s/staging/%s/" WORK, images_root, pull_id);
}

char *image_staging_work(const char *images_root, const char *pull_id, const char *diff_id)
{
	_cleanup_free_ char *works = image_staging_works(images_root, pull_id);
	char name[IMAGE_LAYER_NAME + 1];

	return image_layer_name(diff_id, name) < 0 ? NULL : xasprintf("%s/%s", works, name);
}

int image_staging_enter(const char *images_root, const char *pull_id, int *ret_fd, struct err *e)
{
	_cleanup_free_ char *dir = pull_path(images_root, pull_id);
	_cleanup_free_ char *works = image_staging_works(images_root, pull_id);
	int r;

	if (!id_is_valid(pull_id))
		return err_set(e, ERR_INTERNAL, "\"%.80s\" is not the id of a pull", pull_id);
	r = fs_mkdir_all(dir, 0700, e);
	r = r < 0 ? r : image_layer_lock(dir, LOCK_EX | LOCK_NB, ret_fd, e);
	if (r > 0)
		return err_set(e, ERR_INTERNAL, "%s is in use by another puller", dir);
	/* Remove leftovers of a killed puller. */
	r = r < 0 ? r : fs_remove_tree(works, e);
	return r < 0 ? r : fs_mkdir_all(works, 0700, e);
}

static char *claim_path(const char *images_root, const char *pull_id, const char *diff_id)
{
	char name[IMAGE_LAYER_NAME + 1];

	if (image_layer_name(diff_id, name) < 0)
		return NULL;
	return xasprintf("%s/staging/%s/%s", images_root, pull_id, name);
}

int image_staging_claim(const char *images_root, const char *pull_id, const char *diff_id,
			struct err *e)
{
	_cleanup_free_ char *path = claim_path(images_root, pull_id, diff_id);
	_cleanup_close_ int fd = -1;

	if (!path)
		return err_set(e, ERR_UNIMPLEMENTED,
			       "layer %.80s: only sha256 digests are supported", diff_id);
	fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? err_errno(e, ERR_INTERNAL, errno, "create %s", path) : 0;
}

void image_staging_unclaim(const char *images_root, const char *pull_id, const char *diff_id)
{
	_cleanup_free_ char *path = claim_path(images_root, pull_id, diff_id);

	if (path)
		(void)unlink(path);
}

static int count_entry(const char *path, const char *name, void *arg, struct err *e)
{
	(void)path;
	(void)e;
	*(unsigned *)arg += strcmp(name, WORK) != 0;
	return 0;
}

unsigned image_staging_claims(const char *images_root, const char *pull_id)
{
	_cleanup_free_ char *dir = pull_path(images_root, pull_id);
	struct err ignored = ERR_NULL;
	unsigned n = 0;

	(void)fs_each(dir, count_entry, &n, &ignored);
	return n;
}

/* 1: the pull at path claims the layer whose name is arg. */
static int has_claim(const char *path, const char *name, void *arg, struct err *e)
{
	_cleanup_free_ char *claim = xasprintf("%s/%s", path, (const char *)arg);

	(void)e;
	return strcmp(name, LAYERS) != 0 && fs_exists(claim);
}

/* Remove path: deferred: by rename into trash/; else recursively. */
static int away(const char *images_root, const char *path, bool deferred, struct err *e)
{
	_cleanup_free_ char *trash = xasprintf("%s/trash", images_root);
	int r = deferred ? rmtree_defer(path, trash, e) : 1;

	return r == 1 ? fs_remove_tree(path, e) : r;
}

/* Remove a layer by its directory name, unless locked or claimed. Recursive removal keeps the lock;
 * a puller that waits for the lock then finds the layer gone and makes it again. */
static int drop(const char *images_root, const char *name, bool deferred, struct err *e)
{
	_cleanup_free_ char *dir = layer_path(images_root, name);
	_cleanup_free_ char *meta = xasprintf("%s/meta", dir);
	_cleanup_free_ char *staging = xasprintf("%s/staging", images_root);
	_cleanup_close_ int fd = -1;
	int r = image_layer_lock(dir, LOCK_EX | LOCK_NB, &fd, e);

	if (r == 0)
		r = fs_each(staging, has_claim, (void *)(uintptr_t)name, e);
	if (r != 0)
		return r < 0 ? r : 0;
	/* Remove meta first: a partially removed layer must not look complete. */
	if (unlink(meta) < 0 && errno != ENOENT)
		return err_errno(e, ERR_INTERNAL, errno, "remove %s", meta);
	return away(images_root, dir, deferred, e);
}

int image_staging_drop(const char *images_root, const char *diff_id, struct err *e)
{
	char name[IMAGE_LAYER_NAME + 1];

	if (image_layer_name(diff_id, name) < 0)
		return 0;
	return drop(images_root, name, false, e);
}

static int drop_layer(const char *path, const char *name, void *arg, struct err *e)
{
	(void)path;
	return drop(arg, name, false, e);
}

static int defer_layer(const char *path, const char *name, void *arg, struct err *e)
{
	(void)path;
	return drop(arg, name, true, e);
}

/* Remove all ownerless layers, not only this pull's claims: an earlier killed puller may have left
 * some. */
static int drop_all(const char *images_root, bool deferred, struct err *e)
{
	_cleanup_free_ char *layers = xasprintf("%s/staging/" LAYERS, images_root);

	return fs_each(layers, deferred ? defer_layer : drop_layer, (void *)(uintptr_t)images_root,
		       e);
}

static int leave(const char *images_root, const char *pull_id, bool deferred, struct err *e)
{
	_cleanup_free_ char *dir = pull_path(images_root, pull_id);
	int r = away(images_root, dir, deferred, e);

	return r < 0 ? r : drop_all(images_root, deferred, e);
}

int image_staging_leave(const char *images_root, const char *pull_id, struct err *e)
{
	return leave(images_root, pull_id, false, e);
}

int image_staging_remove(const char *images_root, const char *pull_id, struct err *e)
{
	_cleanup_free_ char *dir = pull_path(images_root, pull_id);
	_cleanup_close_ int fd = -1;
	int r;

	if (!id_is_valid(pull_id))
		return err_set(e, ERR_INTERNAL, "\"%.80s\" is not the id of a pull", pull_id);
	/* A puller has this lock for its lifetime: wait for the end of one that was just killed. */
	r = image_layer_lock(dir, LOCK_EX, &fd, e);
	return r < 0 ? r : leave(images_root, pull_id, true, e);
}

struct staging_sweep {
	const char *images_root;
	const char *const *ids;
	size_t n;
};

/* Remove pulls that have neither a row nor a running puller. */
static int sweep_pull(const char *path, const char *name, void *arg, struct err *e)
{
	const struct staging_sweep *s = arg;
	_cleanup_close_ int fd = -1;
	int r;

	if (strcmp(name, LAYERS) == 0)
		return 0;
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->ids[i], name) == 0)
			return 0;
	r = image_layer_lock(path, LOCK_EX | LOCK_NB, &fd, e);
	/* 1: not a directory, or gone meanwhile. */
	return r == 2 ? 0 : r < 0 ? r : away(s->images_root, path, true, e);
}

int image_staging_sweep(const char *images_root, const char *const *ids, size_t n, struct err *e)
{
	_cleanup_free_ char *staging = xasprintf("%s/staging", images_root);
	_cleanup_free_ char *layers = xasprintf("%s/" LAYERS, staging);
	struct staging_sweep s = { .images_root = images_root, .ids = ids, .n = n };
	int r = fs_mkdir_all(layers, 0700, e);

	r = r < 0 ? r : fs_each(staging, sweep_pull, &s, e);
	r = r < 0 ? r : drop_all(images_root, true, e);
	return r < 0 ? err_wrap(e, "sweep %s", staging) : 0;
}
