/*
 * unarchive.c - opens archive and list, confines the process, feeds the decoders of image layers.
 *
 * The archive is hostile.  Its bytes are bounded as those of a layer are.  A header's size without
 * the bytes is an error at the end of the archive.
 */
#include "pull/unarchive.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"
#include "pull/confine.h"
#include "pull/unpack/decompress.h"
#include "pull/unpack/tar.h"
#include "pull/unpack/tree.h"

#define DELETED_BYTES_MAX (64 * 1024 * 1024)

struct unarchive {
	bool all; /* a writable layer; else the members of a checkpoint */
	bool wanted; /* the current entry */
	struct tar_entry plain; /* that entry, as the tree gets it */
	char *path; /* of plain */
	struct tree *tree;
	struct tar *tar;
};

/* --- members of a checkpoint --- */

static bool is_member(const char *path)
{
	static const char *const names[] = {
		"checkpoint",	   "config.dump",   "spec.dump",  "bind.mounts",
		"rootfs-diff.tar", "deleted.files", "stdio.dump", "io.kubernetes.cri-o.LogPath",
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(path, names[i]) == 0)
			return true;
	return str_starts(path, "checkpoint/") && !strchr(path + strlen("checkpoint/"), '/') &&
	       path[strlen("checkpoint/")] != '.';
}

static int take_entry(void *arg, const struct tar_entry *entry, struct err *e)
{
	struct unarchive *u = arg;
	char *path;
	size_t n;

	u->wanted = true;
	if (u->all)
		return tree_tar_ops.entry(u->tree, entry, e);
	free(u->path);
	path = u->path = xstrdup(str_starts(entry->path, "./") ? entry->path + 2 : entry->path);
	n = strlen(path);
	if (entry->type == TAR_TYPE_DIRECTORY && n && path[n - 1] == '/')
		path[n - 1] = '\0';
	u->wanted = is_member(path);
	if (!u->wanted)
		return 0;
	if (entry->type != (strcmp(path, "checkpoint") == 0 ? TAR_TYPE_DIRECTORY : TAR_TYPE_FILE))
		return err_set(e, ERR_INVALID, "member %.200s has a type that it may not have",
			       path);
	u->plain = (struct tar_entry){
		.type = entry->type,
		.path = path,
		.mode = entry->type == TAR_TYPE_DIRECTORY ? 0700 : 0600,
		.size = entry->size,
	};
	return tree_tar_ops.entry(u->tree, &u->plain, e);
}

static int take_data(void *arg, uint64_t offset, const void *data, size_t size, struct err *e)
{
	struct unarchive *u = arg;

	return u->wanted ? tree_tar_ops.data(u->tree, offset, data, size, e) : 0;
}

static int take_end(void *arg, struct err *e)
{
	struct unarchive *u = arg;

	return u->wanted ? tree_tar_ops.end(u->tree, e) : 0;
}

static int take_plain(void *arg, const void *data, size_t size, struct err *e)
{
	return tar_feed(((struct unarchive *)arg)->tar, data, size, e);
}

/* --- deleted files --- */

/* Add the whiteout of one path, as an image layer has it. */
static int add_whiteout(struct unarchive *u, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	_cleanup_free_ char *hidden = xasprintf("%.*s.wh.%s", (int)(name - path), path, name);
	const struct tar_entry entry = { .type = TAR_TYPE_FILE, .path = hidden, .mode = 0600 };
	int r;

	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
	    strlen(hidden) > TAR_PATH_MAX || str_starts(name, ".wh."))
		return err_set(e, ERR_INVALID, "deleted.files: \"%.200s\" is no file", path);
	r = tree_tar_ops.entry(u->tree, &entry, e);
	return r < 0 ? r : tree_tar_ops.end(u->tree, e);
}

static int add_deleted(struct unarchive *u, int fd, struct err *e)
{
	json_error_t why;
	json_t *list = json_loadfd(fd, 0, &why), *path;
	size_t i;
	int r = json_is_array(list) ? 0 : err_set(e, ERR_INVALID, "deleted.files: %s", why.text);

	json_array_foreach(list, i, path)
	{
		const char *s = json_string_value(path);

		if (r == 0)
			r = s ? add_whiteout(u, s, e)
			      : err_set(e, ERR_INVALID, "deleted.files: entry %zu is no text", i);
	}
	json_decref(list);
	return r;
}

/* --- files --- */

static int feed_all(struct unarchive *u, int fd, struct err *e)
{
	_cleanup_decompress_ struct decompress *d = decompress_new(take_plain, u);
	char data[65536];
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = read(fd, data, sizeof(data))) != 0) {
		if (n < 0 && errno != EINTR)
			return err_errno(e, ERR_INTERNAL, errno, "read the archive");
		if (n > 0)
			r = decompress_feed(d, data, (size_t)n, e);
	}
	r = r < 0 ? r : decompress_finish(d, e);
	return r < 0 ? r : tar_finish(u->tar, e);
}

/* *ret -1: path is "". */
static int open_regular(const char *path, off_t max, int *ret, struct err *e)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	*ret = -1;
	if (!*path)
		return 0;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, ERR_INVALID, errno, "open %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "%s is no regular file", path);
	if (max && st.st_size > max)
		return err_set(e, ERR_EXHAUSTED, "%s has more than %jd bytes", path, (intmax_t)max);
	*ret = take_fd(fd);
	return 0;
}

static int confine(const char *dir, struct err *e)
{
	struct confine_view view = { .own_fds = true };
	int r = confine_leave_network(e);

	confine_view_add(&view, dir, NULL, true, false);
	r = r < 0 ? r : confine_enter(CONFINE_UNPACKER, &view, e);
	confine_view_done(&view);
	return r;
}

static int unarchive(const char *archive, const char *dir, const char *deleted, struct err *e)
{
	static const struct tar_ops ops = { take_entry, take_data, take_end };
	_cleanup_close_ int from = -1, list = -1;
	_cleanup_tree_ struct tree *tree = NULL;
	_cleanup_(tar_freep) struct tar *tar = NULL;
	struct unarchive u = { .all = deleted };
	struct tree_stats ignored;
	int r = open_regular(archive, 0, &from, e);

	r = r < 0 ? r : open_regular(deleted ? deleted : "", DELETED_BYTES_MAX, &list, e);
	r = r < 0 ? r : confine(dir, e);
	r = r < 0 ? r : tree_open(dir, &tree, e);
	if (r < 0)
		return r;
	tar = tar_new(&ops, &u);
	u.tree = tree;
	u.tar = tar;
	if (from >= 0)
		r = feed_all(&u, from, e);
	if (r == 0 && list >= 0)
		r = add_deleted(&u, list, e);
	free(u.path);
	return r < 0 ? r : tree_finish(tree, &ignored, e);
}

int unarchive_main(int argc, char *const *argv)
{
	struct err e = ERR_NULL;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: crisp-pull unpack ARCHIVE DIR [DELETED]\n");
		return ERR_INVALID;
	}
	if (unarchive(argv[0], argv[1], argc == 3 ? argv[2] : NULL, &e) == 0)
		return 0;
	fprintf(stderr, "%s\n", e.text);
	return (int)e.code;
}
