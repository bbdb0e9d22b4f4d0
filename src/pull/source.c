/*
 * source.c - see source.h.
 */
#include "pull/source.h"

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

void source_done(struct source *s)
{
	registry_free(s->registry);
	free(s->layout);
	*s = SOURCE_NULL;
}

int source_clone(const struct source *s, struct source *ret, struct err *e)
{
	*ret = SOURCE_NULL;
	if (s->layout) {
		ret->layout = xstrdup(s->layout);
		return 0;
	}
	ret->registry = registry_clone(s->registry, e);
	return ret->registry ? 0 : -(int)e->code;
}

static char *layout_blob_path(const char *dir, const char *digest)
{
	return xasprintf("%s/blobs/sha256/%s", dir, digest + strlen("sha256:"));
}

int source_manifest(struct source *s, const char *reference, struct buf *ret, char **ret_type,
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

int source_blob(struct source *s, const struct descriptor *d, struct stop *stop,
		int (*sink)(void *, const void *, size_t, struct err *), void *arg, struct err *e)
{
	if (s->registry)
		return registry_blob(s->registry, d, sink, arg, e);
	return layout_blob(s->layout, d, stop, sink, arg, e);
}

int source_collect(void *buf, const void *data, size_t size, struct err *e)
{
	(void)e;
	buf_add(buf, data, size);
	return 0;
}

static bool is_named(const struct descriptor *d, const char *reference, const char *tag)
{
	return d->ref_name &&
	       (strcmp(d->ref_name, reference) == 0 || strcmp(d->ref_name, tag) == 0);
}

int source_layout_entry(const char *dir, const char *reference, const char *tag,
			struct manifest *ret_index, const struct descriptor **ret, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/index.json", dir);
	_cleanup_buf_ struct buf text = BUF_NULL;
	int r = fs_read_file(path, LIMIT_MANIFEST, &text, e);

	*ret_index = MANIFEST_NULL;
	if (r > 0)
		return err_set(e, ERR_NOT_FOUND, "%s is no OCI image layout: index.json is missing",
			       dir);
	if (r < 0)
		return r;
	r = manifest_parse(text.data ? text.data : "", text.len, NULL, ret_index, e);
	if (r < 0)
		return err_wrap(e, "%s", path);
	if (ret_index->kind != MANIFEST_KIND_INDEX || ret_index->n == 0)
		return err_set(e, ERR_INVALID, "%s lists no image", path);
	*ret = NULL;
	for (size_t i = 0; i < ret_index->n && !*ret; i++)
		if (is_named(&ret_index->entries[i], reference, tag))
			*ret = &ret_index->entries[i];
	if (!*ret && ret_index->n == 1)
		*ret = &ret_index->entries[0];
	if (!*ret)
		return err_set(e, ERR_INVALID, "%s lists %zu images: say which one by its name",
			       path, ret_index->n);
	return 0;
}
