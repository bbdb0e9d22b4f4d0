/*
 * origin.c - read manifests and blobs from a registry or a layout.
 */
#include "pull/fetch/origin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/limits.h"
#include "base/util.h"
#include "image/ref.h"

#define READ_BYTES (256 * 1024)

void origin_done(struct origin *s)
{
	registry_free(s->registry);
	free(s->layout);
	*s = ORIGIN_NULL;
}

int origin_clone(const struct origin *s, struct stop *stop, struct origin *ret, struct err *e)
{
	*ret = ORIGIN_NULL;
	if (s->layout) {
		ret->layout = xstrdup(s->layout);
		return 0;
	}
	ret->registry = registry_clone(s->registry, stop, e);
	return ret->registry ? 0 : -(int)e->code;
}

static char *layout_blob_path(const char *dir, const char *digest)
{
	return xasprintf("%s/blobs/sha256/%s", dir, digest + strlen("sha256:"));
}

int origin_manifest(struct origin *s, const char *reference, struct buf *ret, char **ret_type,
		    struct err *e)
{
	_cleanup_free_ char *path = NULL;
	int r;

	if (s->registry)
		return registry_manifest(s->registry, reference, ret, ret_type, e);
	if (!image_digest_is_valid(reference))
		return err_set(e, ERR_INTERNAL, "\"%s\" is not a digest", reference);
	*ret_type = NULL;
	path = layout_blob_path(s->layout, reference);
	r = fs_read_file(path, LIMIT_MANIFEST, ret, e);
	return r > 0 ? err_set(e, ERR_NOT_FOUND, "%s is missing in the layout", path) : r;
}

static int layout_blob(const char *dir, const struct descriptor *d, struct stop *stop,
		       int (*sink)(void *, const void *, size_t, struct err *), void *arg,
		       struct err *e)
{
	_cleanup_free_ char *path = layout_blob_path(dir, d->digest);
	_cleanup_free_ char *data = xmalloc(READ_BYTES);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, ERR_NOT_FOUND, errno, "open %s", path);
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != d->size)
		return err_set(e, ERR_INVALID, "%s is not a file of %ju bytes", path,
			       (uintmax_t)d->size);
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	for (uint64_t left = d->size; left;) {
		ssize_t n = read(fd, data, (size_t)MIN(left, (uint64_t)READ_BYTES));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, ERR_INTERNAL, errno, "read %s", path);
		if (n == 0)
			return err_set(e, ERR_INVALID, "%s became shorter", path);
		if (stop_is_set(stop))
			return err_set(e, ERR_CANCELLED, "cancelled");
		if (sink(arg, data, (size_t)n, e) < 0)
			return -(int)e->code;
		left -= (uint64_t)n;
	}
	return 0;
}

int origin_blob(struct origin *s, const struct descriptor *d, struct stop *stop,
		int (*sink)(void *, const void *, size_t, struct err *), void *arg, struct err *e)
{
	if (s->registry)
		return registry_blob(s->registry, d, sink, arg, e);
	return layout_blob(s->layout, d, stop, sink, arg, e);
}

int origin_index(struct origin *s, struct buf *ret, struct err *e)
{
	_cleanup_free_ char *path = s->layout ? xasprintf("%s/index.json", s->layout) : NULL;
	int r = path ? fs_read_file(path, LIMIT_MANIFEST, ret, e) : 1;

	if (r > 0)
		return err_set(e, ERR_NOT_FOUND, "%s is no OCI image layout: index.json is missing",
			       path ? s->layout : "a registry");
	return r;
}
