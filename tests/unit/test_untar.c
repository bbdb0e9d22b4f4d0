/*
 * test_untar.c - archives into directories: the result of each kind of entry, and no change outside
 * the directory.
 */
#include <string.h>

#include "tests/unit/untarkit.h"

static void test_kinds(void **state)
{
	struct buf b = BUF_NULL;
	struct tree_stats stats;
	char link[16] = "";

	(void)state;
	TM(&b, .name = "./", .type = '5', .mode = 0711, .uid = 3, .gid = 4);
	TM(&b, .name = "./dir/", .type = '5', .mode = 01777, .uid = 5, .mtime = 1000);
	TM(&b, .name = "dir/file", .type = '0', .mode = 04755, .uid = 1000, .gid = 1001,
	   .data = "hello", .size = 5);
	TM(&b, .name = "dir/old", .type = '\0', .data = "v7", .size = 2);
	TM(&b, .name = "dir/empty", .type = '0', .mode = 0600);
	TM(&b, .name = "dir/sym", .type = '2', .link = "file", .uid = 7);
	TM(&b, .name = "hard", .type = '1', .link = "dir/file");
	TM(&b, .name = "pipe", .type = '6', .mode = 0620);
	TM(&b, .name = "tty", .type = '3', .mode = 0666, .major = 5, .minor = 2);
	TM(&b, .name = "disk", .type = '4', .mode = 0640, .major = 8, .minor = 300);
	tm_end(&b);
	stats = unpack(&b);

	assert_int_equal(get(".").st_mode, S_IFDIR | 0711);
	assert_int_equal(get(".").st_uid, 3);
	assert_int_equal(get("dir").st_mode, S_IFDIR | 01777);
	assert_int_equal(get("dir").st_mtime, 1000);
	assert_int_equal(get("dir/file").st_mode, S_IFREG | 04755);
	assert_int_equal(get("dir/file").st_uid, 1000);
	assert_int_equal(get("dir/file").st_gid, 1001);
	assert_int_equal(get("dir/file").st_mtime, TM_MTIME);
	assert_int_equal(get("dir/file").st_nlink, 2);
	assert_int_equal(get("hard").st_ino, get("dir/file").st_ino);
	has_text("dir/file", "hello");
	has_text("dir/old", "v7");
	has_text("dir/empty", "");
	assert_int_equal(readlink(in_root("dir/sym"), link, sizeof(link)), 4);
	assert_string_equal(link, "file");
	assert_int_equal(get("dir/sym").st_uid, 7);
	assert_int_equal(get("dir/sym").st_mtime, TM_MTIME);
	assert_int_equal(get("pipe").st_mode, S_IFIFO | 0620);
	if (!stats.skipped_devices) {
		assert_int_equal(get("tty").st_mode, S_IFCHR | 0666);
		assert_int_equal(get("tty").st_rdev, makedev(5, 2));
		assert_int_equal(get("disk").st_rdev, makedev(8, 300));
		assert_int_equal(stats.inodes, 8);
	}
	assert_int_equal(stats.bytes, 7);
	assert_int_equal(stats.disk, 3 * 4096);
}

/* What is beside the root stays empty, and so does the real /. */
static void nothing_outside(void)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/outside", top);
	assert_int_equal(get("../outside").st_nlink, 2);
	snprintf(path, sizeof(path), "%s/outside/x", top);
	assert_false(fs_exists(path));
	snprintf(path, sizeof(path), "%s/x", top);
	assert_false(fs_exists(path));
}

static void test_names_that_climb(void **state)
{
	static const char *const names[] = { "../x",	     "a/../../x", "/../x",  "./.././x",
					     "../outside/x", "..",	  "a/../.." };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct buf b = BUF_NULL;

		TM(&b, .name = names[i], .type = '0', .data = "x", .size = 1);
		refused(&b, ERR_INVALID, "leads out of the layer");
		nothing_outside();
		TM(&b, .name = "h", .type = '1', .link = names[i]);
		refused(&b, ERR_INVALID, "leads out of the layer");
	}
}

static void test_names_that_stay(void **state)
{
	struct buf b = BUF_NULL;

	(void)state;
	TM(&b, .name = "/abs/./a//b/../c", .type = '0', .data = "abs", .size = 3);
	TM(&b, .name = "//two", .type = '0', .data = "2", .size = 1);
	TM(&b, .name = "...", .type = '0', .data = "3", .size = 1);
	unpack(&b);
	has_text("abs/a/c", "abs");
	has_text("two", "2");
	has_text("...", "3");
}

/* Links on the way are followed, but end within the root. */
static void test_links_on_the_way(void **state)
{
	struct buf b = BUF_NULL;
	char up[128];

	(void)state;
	snprintf(up, sizeof(up), "../../../../..%s/outside", top);
	TM(&b, .name = "usr/bin/", .type = '5');
	TM(&b, .name = "bin", .type = '2', .link = "usr/bin");
	TM(&b, .name = "bin/sh", .type = '0', .data = "sh", .size = 2);
	TM(&b, .name = "slash", .type = '2', .link = "/");
	TM(&b, .name = "slash/x", .type = '0', .data = "1", .size = 1);
	TM(&b, .name = "parent", .type = '2', .link = "..");
	TM(&b, .name = "parent/y", .type = '0', .data = "2", .size = 1);
	TM(&b, .name = "proc", .type = '2', .link = "/usr");
	TM(&b, .name = "proc/z", .type = '0', .data = "3", .size = 1);
	unpack(&b);
	has_text("usr/bin/sh", "sh");
	has_text("x", "1");
	has_text("y", "2");
	has_text("usr/z", "3");
	nothing_outside();

	TM(&b, .name = "up", .type = '2', .link = up);
	TM(&b, .name = "up/x", .type = '0', .data = "x", .size = 1);
	refused(&b, ERR_INVALID, "on the way");
	TM(&b, .name = "up", .type = '2', .link = top);
	TM(&b, .name = "h", .type = '1', .link = "up/outside/x");
	refused(&b, ERR_INVALID, "hard link");
	TM(&b, .name = "a", .type = '2', .link = "b");
	TM(&b, .name = "b", .type = '2', .link = "a");
	TM(&b, .name = "a/x", .type = '0');
	refused(&b, ERR_INVALID, "a/x");
	nothing_outside();
}

/* The last component is replaced, whatever it is, and never written through. */
static void test_links_at_the_end(void **state)
{
	struct buf b = BUF_NULL;
	char victim[96];
	int fd;

	(void)state;
	snprintf(victim, sizeof(victim), "%s/outside/victim", top);
	fd = open(victim, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "safe", 4), 4);
	close(fd);
	TM(&b, .name = "f", .type = '2', .link = victim);
	TM(&b, .name = "f", .type = '0', .mode = 0666, .data = "new", .size = 3);
	TM(&b, .name = "d", .type = '2', .link = "../outside");
	TM(&b, .name = "d/", .type = '5', .mode = 0700, .uid = 9);
	TM(&b, .name = "d/in", .type = '0');
	TM(&b, .name = "s", .type = '2', .link = victim);
	TM(&b, .name = "h", .type = '1', .link = "s");
	TM(&b, .name = ".wh.s", .type = '0');
	unpack(&b);
	has_text("f", "new");
	has_text("../outside/victim", "safe");
	assert_int_equal(get("../outside/victim").st_mode, S_IFREG | 0600);
	assert_int_equal(get("../outside/victim").st_nlink, 1);
	assert_int_equal(get("../outside").st_uid, 0);
	assert_true(exists("d/in"));
	assert_true(S_ISLNK(get("h").st_mode));
	assert_true(S_ISLNK(get("s").st_mode));
}

static void test_later_entries_win(void **state)
{
	struct buf b = BUF_NULL;

	(void)state;
	TM(&b, .name = "d/", .type = '5', .mode = 0700);
	TM(&b, .name = "d/sub/deep/f", .type = '0');
	TM(&b, .name = "d/", .type = '5', .mode = 0750, .mtime = 77);
	TM(&b, .name = "x", .type = '0', .data = "first", .size = 5);
	TM(&b, .name = "x", .type = '0', .data = "2nd", .size = 3);
	TM(&b, .name = "gone/a/b", .type = '0');
	TM(&b, .name = "gone", .type = '0', .data = "file", .size = 4);
	TM(&b, .name = "f", .type = '0');
	TM(&b, .name = "f/", .type = '5');
	TM(&b, .name = "f/g", .type = '0');
	TM(&b, .name = "same", .type = '0', .data = "s", .size = 1);
	TM(&b, .name = "same", .type = '1', .link = "same");
	unpack(&b);
	assert_int_equal(get("d").st_mode, S_IFDIR | 0750);
	assert_int_equal(get("d").st_mtime, 77);
	assert_true(exists("d/sub/deep/f"));
	has_text("x", "2nd");
	has_text("gone", "file");
	assert_true(exists("f/g"));
	has_text("same", "s");

	TM(&b, .name = "file", .type = '0');
	TM(&b, .name = "file/below", .type = '0');
	refused(&b, ERR_INVALID, "not a directory");
	TM(&b, .name = "", .link = "x", .type = '2');
	refused(&b, ERR_INVALID, "name is empty");
	TM(&b, .name = "./", .link = "x", .type = '2');
	refused(&b, ERR_INVALID, "root of the layer");
}

static void test_whiteouts(void **state)
{
	struct buf b = BUF_NULL;

	(void)state;
	TM(&b, .name = "etc/.wh.passwd", .type = '0');
	TM(&b, .name = "var/", .type = '5');
	TM(&b, .name = "var/.wh..wh..opq", .type = '0');
	TM(&b, .name = "var/kept", .type = '0');
	TM(&b, .name = ".wh.again", .type = '0', .data = "ignored", .size = 7);
	TM(&b, .name = "again/", .type = '5');
	TM(&b, .name = "dir/in", .type = '0');
	TM(&b, .name = ".wh.dir", .type = '0');
	TM(&b, .name = "file", .type = '0', .data = "f", .size = 1);
	TM(&b, .name = ".wh.file", .type = '0');
	TM(&b, .name = ".wh.sudden", .type = '0');
	TM(&b, .name = "sudden/child", .type = '0');
	TM(&b, .name = ".wh.back", .type = '0');
	TM(&b, .name = "back", .type = '0', .data = "b", .size = 1);
	/* A directory that has become a file or nothing, with its children told one by one. */
	TM(&b, .name = "now", .type = '0', .data = "n", .size = 1);
	TM(&b, .name = "now/.wh.child", .type = '0');
	TM(&b, .name = ".wh.never", .type = '0');
	TM(&b, .name = "never/.wh.child", .type = '0');
	TM(&b, .name = ".wh..wh.aufs", .type = '0');
	TM(&b, .name = ".wh..wh.plnk/", .type = '5');
	TM(&b, .name = ".wh..wh.plnk/1.2", .type = '0', .data = "x", .size = 1);
	unpack(&b);
	assert_true(is_whiteout("etc/passwd"));
	assert_true(is_opaque("var"));
	assert_true(exists("var/kept"));
	assert_false(exists("var/.wh..wh..opq"));
	assert_true(is_opaque("again"));
	assert_true(is_opaque("dir"));
	assert_true(exists("dir/in"));
	has_text("file", "f");
	assert_true(is_opaque("sudden"));
	assert_true(exists("sudden/child"));
	has_text("back", "b");
	has_text("now", "n");
	assert_true(is_whiteout("never"));
	assert_false(exists(".wh..wh.plnk"));
	assert_false(exists(".wh..wh.aufs"));
	assert_false(is_opaque("etc"));

	TM(&b, .name = "a/.wh.", .type = '0');
	refused(&b, ERR_INVALID, "whiteout without a name");
	TM(&b, .name = "a/.wh...", .type = '0');
	refused(&b, ERR_INVALID, "whiteout without a name");
	TM(&b, .name = "h", .type = '1', .link = "etc/passwd");
	refused(&b, ERR_INVALID, "no file");
}

/* CAP_NET_RAW as a version 2 file capability. */
static const unsigned char cap_net_raw[20] = { 1, 0, 0, 2, 0, 0x20 };

static void test_pax(void **state)
{
	struct buf b = BUF_NULL, pax = BUF_NULL;
	char name[260], path[600], value[64];

	(void)state;
	memset(name, 'n', 250);
	name[250] = '\0';
	snprintf(path, sizeof(path), "%s/%s", name, name);
	tm_record(&pax, "path", path, strlen(path));
	tm_record(&pax, "uid", "3000000", 7);
	tm_record(&pax, "gid", "4294967294", 10);
	tm_record(&pax, "mtime", "1500000000.123456789", 20);
	tm_record(&pax, "SCHILY.xattr.user.note", "a\0b", 3);
	tm_record(&pax, "SCHILY.xattr.security.capability", cap_net_raw, sizeof(cap_net_raw));
	tm_record(&pax, "SCHILY.xattr.security.selinux", "label", 5);
	tm_record(&pax, "SCHILY.xattr.trusted.overlay.redirect", "/etc", 4);
	TM(&b, .name = "x", .type = 'x', .data = pax.data, .size = pax.len);
	TM(&b, .name = "short", .type = '0', .mode = 0755, .data = "data", .size = 4);
	tm_pax(&b, "linkpath", path);
	TM(&b, .name = "l", .type = '2', .link = "ignored");
	tm_pax(&b, "SCHILY.xattr.user.not-on-links", "v");
	TM(&b, .name = "l2", .type = '2', .link = "t");
	tm_pax(&b, "SCHILY.xattr.user.ondir", "v");
	TM(&b, .name = "dir/", .type = '5');
	TM(&b, .name = "g", .type = 'g', .data = "garbage that nobody reads", .size = 25);
	TM(&b, .name = "after", .type = '0');
	tm_end(&b);
	buf_done(&pax);
	unpack(&b);
	assert_false(exists("short"));
	has_text(path, "data");
	assert_int_equal(get(path).st_uid, 3000000);
	assert_int_equal(get(path).st_gid, 4294967294u);
	assert_int_equal(get(path).st_mtim.tv_sec, 1500000000);
	assert_int_equal(get(path).st_mtim.tv_nsec, 123456789);
	assert_int_equal(lgetxattr(in_root(path), "user.note", value, sizeof(value)), 3);
	assert_memory_equal(value, "a\0b", 3);
	assert_int_equal(lgetxattr(in_root(path), "security.capability", value, sizeof(value)),
			 sizeof(cap_net_raw));
	assert_memory_equal(value, cap_net_raw, sizeof(cap_net_raw));
	assert_int_equal(lgetxattr(in_root(path), "trusted.overlay.redirect", value, 4), -1);
	assert_int_equal(lgetxattr(in_root("dir"), "user.ondir", value, sizeof(value)), 1);
	assert_int_equal(get("l").st_size, (int)strlen(path));
	assert_true(exists("after"));
	assert_int_equal(get("after").st_uid, 0);
}

static void test_gnu(void **state)
{
	struct buf b = BUF_NULL;
	unsigned char block[TM_BLOCK];
	char name[300], link[200];

	(void)state;
	memset(name, 'a', sizeof(name));
	name[150] = '/';
	name[299] = '\0';
	memset(link, 'b', sizeof(link));
	link[199] = '\0';
	TM(&b, .name = "././@LongLink", .type = 'L', .data = name, .size = sizeof(name));
	TM(&b, .name = "cut", .type = '0', .data = "long", .size = 4);
	TM(&b, .name = "././@LongLink", .type = 'K', .data = link, .size = sizeof(link));
	TM(&b, .name = "l", .type = '2', .link = "cut");
	/* Numbers in base 256: uid 0x12345678, and a time before the epoch. */
	tm_header(block, &(struct tm_entry){ .name = "big", .type = '0', .mode = 0600 });
	memcpy(block + 108, "\x80\0\0\0\x12\x34\x56\x78", 8);
	memset(block + 136, 0xff, 12);
	tm_checksum(block);
	tm_raw(&b, block, NULL, 0);
	tm_header(block, &(struct tm_entry){ .name = "name", .type = '0', .mode = 0600 });
	memcpy(block + 345, "pre/fix", 7);
	tm_checksum(block);
	tm_raw(&b, block, NULL, 0);
	unpack(&b);
	has_text(name, "long");
	assert_int_equal(get("l").st_size, 199);
	assert_int_equal(get("big").st_uid, 0x12345678);
	assert_int_equal(get("big").st_mtime, -1);
	assert_true(exists("pre/fix/name"));
}

/* 3 bytes at 4096, 2 at 10000, of 20000. */
static void is_sparse(const char *name)
{
	static char want[20000];

	memcpy(want + 4096, "abc", 3);
	memcpy(want + 10000, "de", 2);
	has_content(name, want, sizeof(want));
	assert_true(get(name).st_blocks * 512 < 20000);
}

static void old_gnu_sparse(struct buf *b)
{
	unsigned char block[TM_BLOCK], more[TM_BLOCK] = { 0 };
	char *p = (char *)block;

	tm_header(block, &(struct tm_entry){ .name = "old", .type = 'S', .mode = 0600, .size = 5 });
	memcpy(p + 257, "ustar  ", 8);
	for (int i = 0; i < 3; i++) {
		snprintf(p + 386 + 24 * i, 12, "%011o", i);
		snprintf(p + 386 + 24 * i + 12, 12, "%011o", 0);
	}
	snprintf(p + 386 + 72, 12, "%011o", 4096);
	snprintf(p + 386 + 84, 12, "%011o", 3);
	block[482] = 1;
	snprintf(p + 483, 12, "%011o", 20000);
	tm_checksum(block);
	buf_add(b, block, TM_BLOCK);
	snprintf((char *)more, 12, "%011o", 10000);
	snprintf((char *)more + 12, 12, "%011o", 2);
	buf_add(b, more, TM_BLOCK);
	buf_puts(b, "abcde");
	tm_pad(b);
}

static void test_sparse(void **state)
{
	struct buf b = BUF_NULL, pax = BUF_NULL;
	char content[517] = "2\n4096\n3\n10000\n2\n";

	(void)state;
	old_gnu_sparse(&b);
	/* PAX 0.0 */
	tm_record(&pax, "GNU.sparse.size", "20000", 5);
	tm_record(&pax, "GNU.sparse.numblocks", "2", 1);
	tm_record(&pax, "GNU.sparse.offset", "4096", 4);
	tm_record(&pax, "GNU.sparse.numbytes", "3", 1);
	tm_record(&pax, "GNU.sparse.offset", "10000", 5);
	tm_record(&pax, "GNU.sparse.numbytes", "2", 1);
	TM(&b, .name = "x", .type = 'x', .data = pax.data, .size = pax.len);
	TM(&b, .name = "pax00", .type = '0', .data = "abcde", .size = 5);
	buf_done(&pax);
	/* PAX 0.1 */
	tm_record(&pax, "GNU.sparse.size", "20000", 5);
	tm_record(&pax, "GNU.sparse.name", "pax01", 5);
	tm_record(&pax, "GNU.sparse.map", "4096,3,10000,2", 14);
	TM(&b, .name = "x", .type = 'x', .data = pax.data, .size = pax.len);
	TM(&b, .name = "GNUSparseFile.0/pax01", .type = '0', .data = "abcde", .size = 5);
	buf_done(&pax);
	/* PAX 1.0: the map stands in front of the data. */
	tm_record(&pax, "GNU.sparse.major", "1", 1);
	tm_record(&pax, "GNU.sparse.minor", "0", 1);
	tm_record(&pax, "GNU.sparse.name", "pax10", 5);
	tm_record(&pax, "GNU.sparse.realsize", "20000", 5);
	TM(&b, .name = "x", .type = 'x', .data = pax.data, .size = pax.len);
	memcpy(content + 512, "abcde", 5);
	TM(&b, .name = "GNUSparseFile.0/pax10", .type = '0', .data = content, .size = 517);
	buf_done(&pax);
	TM(&b, .name = "after", .type = '0', .data = "ok", .size = 2);
	tm_end(&b);
	unpack(&b);
	is_sparse("old");
	is_sparse("pax00");
	is_sparse("pax01");
	is_sparse("pax10");
	has_text("after", "ok");
}

static void test_sparse_that_lies(void **state)
{
	static const char *const maps[][2] = {
		{ "4096,3,100,2", "out of order" },    { "0,3,10,1", "do not add up" },
		{ "19999,5", "do not add up" },	       { "1,2,3", "no list of numbers" },
		{ "-1,5", "no list of numbers" },      { "99999999999999999999,5", "no list" },
		{ "9223372036854775807,5", "out of" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
		struct buf b = BUF_NULL, pax = BUF_NULL;

		tm_record(&pax, "GNU.sparse.size", "20000", 5);
		tm_record(&pax, "GNU.sparse.map", maps[i][0], strlen(maps[i][0]));
		TM(&b, .name = "x", .type = 'x', .data = pax.data, .size = pax.len);
		TM(&b, .name = "s", .type = '0', .data = "abcde", .size = 5);
		refused(&b, ERR_INVALID, maps[i][1]);
		buf_done(&pax);
	}
}

static void busy_archive(struct buf *b)
{
	char long_name[200];

	memset(long_name, 'q', sizeof(long_name));
	long_name[199] = '\0';
	TM(b, .name = "d/", .type = '5', .mtime = 5);
	TM(b, .name = "L", .type = 'L', .data = long_name, .size = sizeof(long_name));
	TM(b, .name = "cut", .type = '0', .data = "0123456789", .size = 10);
	tm_pax(b, "path", "d/pax");
	TM(b, .name = "x", .type = '0', .data = long_name, .size = 199);
	old_gnu_sparse(b);
	TM(b, .name = "d/.wh.gone", .type = '0');
	tm_end(b);
}

/* However the bytes arrive, the result is the same. */
static void test_pieces(void **state)
{
	static const size_t chunks[] = { 1, 3, 511, 512, 513, 1000, 4096 };
	struct tree_stats first = { .inodes = 0 };
	struct buf b = BUF_NULL;

	(void)state;
	busy_archive(&b);
	for (size_t i = 0; i < ARRAY_LEN(chunks); i++) {
		struct err e = ERR_NULL;
		struct tree_stats stats = { .inodes = 0 };

		if (unpack_by(&b, chunks[i], &stats, &e) < 0)
			fail_msg("by %zu: %s", chunks[i], e.text);
		assert_int_equal(get("d").st_mtime, 5);
		assert_int_equal(get("d/pax").st_size, 199);
		is_sparse("old");
		assert_true(is_whiteout("d/gone"));
		if (i == 0)
			first = stats;
		assert_int_equal(stats.bytes, first.bytes);
		assert_int_equal(fs_remove_tree(root, &e), 0);
		assert_int_equal(mkdir(root, 0755), 0);
	}
	buf_done(&b);
}

/* Old programs add bytes as signed ones. */
static void test_signed_checksum(void **state)
{
	struct buf b = BUF_NULL;
	unsigned char *block;
	int sum = 8 * ' ';

	(void)state;
	TM(&b, .name = "\xc3\xa4\xc3\xb6", .type = '0', .data = "x", .size = 1);
	block = (unsigned char *)b.data;
	for (int i = 0; i < TM_BLOCK; i++)
		sum += i >= 148 && i < 156 ? 0 : (signed char)block[i];
	snprintf((char *)block + 148, 8, "%06o", (unsigned)sum);
	unpack(&b);
	assert_int_equal(get("\xc3\xa4\xc3\xb6").st_size, 1);
	TM(&b, .name = "\xc3\xa4", .type = '0');
	block = (unsigned char *)b.data;
	snprintf((char *)block + 148, 8, "%06o", (unsigned)sum);
	refused(&b, ERR_INVALID, "no tar header here");
}

/* Cut anywhere but between entries or in the padding behind a file it is noticed. */
static void test_truncated(void **state)
{
	struct buf b = BUF_NULL;
	size_t whole = 0;

	(void)state;
	busy_archive(&b);
	for (size_t size = 0; size < b.len - 2 * TM_BLOCK; size += 256) {
		struct buf cut = { .data = b.data, .len = size };
		struct tree_stats stats;
		struct err e = ERR_NULL;

		if (unpack_by(&cut, size + 1, &stats, &e) == 0)
			whole++;
		else
			assert_int_equal(e.code, ERR_INVALID);
	}
	/* Nothing; behind d, the long name, the PAX file, the sparse file; within the padding of
	 * these three. */
	assert_int_equal(whole, 8);
	buf_done(&b);
}

static void test_malformed(void **state)
{
	struct buf b = BUF_NULL, pax = BUF_NULL;
	unsigned char block[TM_BLOCK];
	static const char big[2 << 20];
	char name[300];

	(void)state;
	TM(&b, .name = "ok", .type = '0');
	b.data[0] = 'k';
	refused(&b, ERR_INVALID, "no tar header");
	TM(&b, .name = "v", .type = 'V');
	refused(&b, ERR_INVALID, "type 0x56");
	TM(&b, .name = "l", .type = '2', .link = "");
	refused(&b, ERR_INVALID, "without a target");
	tm_header(block, &(struct tm_entry){ .name = "n", .type = '0' });
	memcpy(block + 124, "-0000000001", 11);
	tm_checksum(block);
	tm_raw(&b, block, NULL, 0);
	refused(&b, ERR_INVALID, "the size");
	tm_header(block, &(struct tm_entry){ .name = "n", .type = '0' });
	memcpy(block + 124, "\x80\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
	tm_checksum(block);
	tm_raw(&b, block, NULL, 0);
	refused(&b, ERR_INVALID, "the size");
	TM(&b, .name = "x", .type = 'x', .data = "99 path=a\n", .size = 10);
	refused(&b, ERR_INVALID, "malformed");
	tm_record(&pax, "path", "a\0b", 3);
	TM(&b, .name = "x", .type = 'x', .data = pax.data, .size = pax.len);
	refused(&b, ERR_INVALID, "NUL");
	buf_done(&pax);
	tm_pax(&b, "uid", "4294967295");
	refused(&b, ERR_INVALID, "uid");
	TM(&b, .name = "x", .type = 'x', .data = big, .size = sizeof(big));
	refused(&b, ERR_INVALID, "the size");
	/* Each header is within its bound, all of them before one entry are not. */
	tm_record(&pax, "SCHILY.xattr.user.a", big, 64 * 1024);
	for (int i = 0; i < 17; i++)
		TM(&b, .name = "x", .type = 'x', .data = pax.data, .size = pax.len);
	refused(&b, ERR_INVALID, "extended attributes");
	buf_done(&pax);
	memset(name, 'c', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	tm_pax(&b, "path", name);
	TM(&b, .name = "x", .type = '0');
	refused(&b, ERR_INVALID, "longer than 255");
}

/* A chain of links would make directories of any depth. */
static void test_depth(void **state)
{
	struct buf b = BUF_NULL;
	char path[512] = "";

	(void)state;
	for (int i = 0; i < 90; i++)
		memcpy(path + 2 * i, "d/", 3);
	for (int i = 0; i < 6; i++) {
		char name[600], link[600], from[16], to[16];

		snprintf(from, sizeof(from), "l%d", i);
		snprintf(to, sizeof(to), "l%d", i + 1);
		snprintf(name, sizeof(name), "%s/%s", i ? from : "top", path);
		snprintf(link, sizeof(link), "%s/%s", i ? from : "top", path);
		TM(&b, .name = "L", .type = 'L', .data = name, .size = strlen(name) + 1);
		TM(&b, .name = "x", .type = '5');
		TM(&b, .name = "K", .type = 'K', .data = link, .size = strlen(link) + 1);
		TM(&b, .name = to, .type = '2', .link = "x");
	}
	refused(&b, ERR_INVALID, "nested deeper");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_that_climb, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_that_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_on_the_way, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_at_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_later_entries_win, setup, teardown),
		cmocka_unit_test_setup_teardown(test_whiteouts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pax, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gnu, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sparse, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sparse_that_lies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signed_checksum, setup, teardown),
		cmocka_unit_test_setup_teardown(test_truncated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_depth, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
