/*
 * fuzz_untar.c - any bytes as a layer's blob: decompressed and unpacked into a directory, beside
 * which nothing may appear.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "pull/decompress.h"
#include "pull/tree.h"
#include "tests/unit/tarmake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char top[64];

static void leave(void)
{
	struct err e = ERR_NULL;

	fs_remove_tree(top, &e);
}

static void enter(void)
{
	if (*top)
		return;
	snprintf(top, sizeof(top), "/tmp/crisp-fuzz-untar-XXXXXX");
	if (!mkdtemp(top) || atexit(leave) != 0)
		abort();
}

/* How many names there are beside the root. */
static unsigned beside(void)
{
	_cleanup_closedir_ DIR *d = opendir(top);
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
	}
	if (r < 0 && !e.text[0])
		abort();
	if (beside() != 3)
		abort();
	if (fs_remove_tree(root, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		abort();
	}
	return 0;
}
