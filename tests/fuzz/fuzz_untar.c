/*
 * fuzz_untar.c - any bytes as a layer's blob, decompressed and unpacked into a directory: nothing
 * appears beside it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "pull/unpack/decompress.h"
#include "pull/unpack/tree.h"
#include "tests/unit/tarmake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char top[64];

static void leave(void)
{
	struct err e = ERR_NULL;

	fs_remove_tree(top, &e);
}

/* A layer below, with links that lead everywhere. */
static void make_lower(void)
{
	_cleanup_free_ char *path = xasprintf("%s/lower", top);
	_cleanup_close_ int fd = -1, file = -1;

	if (mkdir(path, 0755) < 0)
		abort();
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || mkdirat(fd, "d", 0750) < 0 || symlinkat("d", fd, "a") < 0 ||
	    symlinkat("../../..", fd, "b") < 0 || symlinkat("/a/c", fd, "sub") < 0 ||
	    symlinkat("loop", fd, "loop") < 0 || mknodat(fd, "gone", S_IFCHR, 0) < 0)
		abort();
	file = openat(fd, "d/f", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (file < 0 || write(file, "lower", 5) != 5)
		abort();
}

/* As when the layers below are there. */
static int inherit(struct tree *tree, const char *root, struct treesum_value *sum, struct err *e)
{
	_cleanup_free_ char *lower_path = xasprintf("%s/lower", top);
	_cleanup_free_ char *list_path = xasprintf("%s/list", top);
	_cleanup_close_ int dir = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int lower = open(lower_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_buf_ struct buf list = BUF_NULL;
	int r;

	if (tree_save_implicit(tree, dir, "list", e) < 0)
		return -(int)e->code;
	r = fs_read_file(list_path, LIMIT_LAYER_NAMES, &list, e);
	unlinkat(dir, "list", 0);
	return r != 0 ? MIN(r, 0) : tree_inherit(fd, list.data, list.len, &lower, 1, sum, e);
}

static void enter(void)
{
	if (*top)
		return;
	snprintf(top, sizeof(top), "/tmp/crisp-fuzz-untar-XXXXXX");
	if (!mkdtemp(top) || atexit(leave) != 0)
		abort();
	make_lower();
}

/* How many names there are in the directory below top. */
static unsigned names_in(const char *name)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", top, name);
	_cleanup_closedir_ DIR *d = opendir(path);
	unsigned n = 0;

	while (d && readdir(d))
		n++;
	return n;
}

static int feed_tar(void *arg, const void *data, size_t size, struct err *e)
{
	return tar_feed(arg, data, size, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *root = NULL;
	_cleanup_free_ unsigned char *fixed = xmemdup(data, size);
	struct tree_stats stats;
	struct err e = ERR_NULL;
	int r;

	tm_fix(fixed, size);
	enter();
	root = xasprintf("%s/root", top);
	if (fs_mkdir_all(root, 0755, &e) < 0)
		abort();
	{
		_cleanup_tree_ struct tree *tree = NULL;
		_cleanup_(tar_freep) struct tar *tar = NULL;
		_cleanup_decompress_ struct decompress *d = NULL;

		if (tree_open(root, &tree, &e) < 0)
			abort();
		tar = tar_new(&tree_tar_ops, tree);
		d = decompress_new(feed_tar, tar);
		r = decompress_feed(d, fixed, size, &e);
		r = r < 0 ? r : decompress_finish(d, &e);
		r = r < 0 ? r : tar_finish(tar, &e);
		r = r < 0 ? r : tree_finish(tree, &stats, &e);
		r = r < 0 ? r : inherit(tree, root, &stats.sum, &e);
	}
	if (r < 0 && !e.text[0])
		abort();
	if (names_in("") != 4 || names_in("lower") != 8 || names_in("lower/d") != 3)
		abort();
	if (fs_remove_tree(root, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		abort();
	}
	return 0;
}
