/*
 * untarkit.h - for tests of what unpacks: a root in a scratch directory, archives into it, and what
 * has become of them.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/fs.h"
#include "base/str.h"
#include "pull/unpack/tree.h"
#include "tests/unit/tarmake.h"

static char top[64]; /* has "outside" beside the root */
static char root[80]; /* where archives go */

static inline int setup(void **state)
{
	char path[96];

	(void)state;
	snprintf(top, sizeof(top), "/tmp/crisp-untar-XXXXXX");
	assert_non_null(mkdtemp(top));
	snprintf(root, sizeof(root), "%s/root", top);
	assert_int_equal(mkdir(root, 0755), 0);
	snprintf(path, sizeof(path), "%s/outside", top);
	assert_int_equal(mkdir(path, 0755), 0);
	return 0;
}

static inline int teardown(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(fs_remove_tree(top, &e), 0);
	return 0;
}

static inline char *in_root(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return path;
}

static inline struct stat get(const char *name)
{
	struct stat st;

	if (lstat(in_root(name), &st) < 0)
		fail_msg("%s: %s", name, strerror(errno));
	return st;
}

static inline bool exists(const char *name)
{
	return fs_exists(in_root(name));
}

static inline void has_content(const char *name, const void *data, size_t size)
{
	struct buf b = BUF_NULL;
	struct err e = ERR_NULL;

	assert_int_equal(fs_read_file(in_root(name), 1 << 24, &b, &e), 0);
	assert_int_equal(b.len, size);
	if (size)
		assert_memory_equal(b.data, data, size);
	buf_done(&b);
}

static inline void has_text(const char *name, const char *text)
{
	has_content(name, text, strlen(text));
}

/* Unpack in pieces of chunk bytes. */
static inline int unpack_by(const struct buf *b, size_t chunk, struct tree_stats *ret,
			    struct err *e)
{
	_cleanup_tree_ struct tree *tree = NULL;
	_cleanup_(tar_freep) struct tar *tar = NULL;
	int r = tree_open(root, &tree, e);

	assert_int_equal(r, 0);
	tar = tar_new(&tree_tar_ops, tree);
	for (size_t at = 0; at < b->len && r == 0; at += chunk)
		r = tar_feed(tar, b->data + at, MIN(chunk, b->len - at), e);
	r = r < 0 ? r : tar_finish(tar, e);
	return r < 0 ? r : tree_finish(tree, ret, e);
}

/* What is on disk comes to the sum that unpacking has made. */
static inline void sum_is(struct treesum_value sum)
{
	_cleanup_treesum_ struct treesum_walk *w = NULL;
	char want[TREESUM_TEXT], got[TREESUM_TEXT];
	struct treesum_value read;
	struct err e = ERR_NULL;

	if (treesum_open(root, NULL, &w, &e) < 0 || treesum_step(w, UINT64_MAX, &e) != 0)
		fail_msg("%s", e.text);
	read = treesum_result(w);
	treesum_value_text(&sum, want);
	treesum_value_text(&read, got);
	assert_string_equal(want, got);
}

/* Frees the archive. */
static inline struct tree_stats unpack(struct buf *b)
{
	struct err e = ERR_NULL;
	struct tree_stats stats;

	if (unpack_by(b, b->len, &stats, &e) < 0)
		fail_msg("%s", e.text);
	sum_is(stats.sum);
	buf_done(b);
	return stats;
}

static inline void refused(struct buf *b, enum err_code code, const char *text)
{
	struct err e = ERR_NULL;
	struct tree_stats stats;

	if (unpack_by(b, b->len, &stats, &e) == 0)
		fail_msg("taken, but expected: %s", text);
	if (e.code != code || !strstr(e.text, text))
		fail_msg("%s \"%s\", expected \"%s\"", err_code_name(e.code), e.text, text);
	buf_done(b);
}

static inline bool is_whiteout(const char *name)
{
	struct stat st = get(name);

	return S_ISCHR(st.st_mode) && st.st_rdev == 0;
}

static inline bool is_opaque(const char *name)
{
	char value[4] = "";

	return lgetxattr(in_root(name), "trusted.overlay.opaque", value, sizeof(value)) == 1 &&
	       value[0] == 'y';
}
