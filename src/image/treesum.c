/*
 * treesum.c - see treesum.h.
 *
 * A content is hashed in blocks, each weighted with its place.  A whole block of zeros counts
 * nothing, so that it is the same whether it is written or a hole, and costs nothing as a hole.
 */
#include "image/treesum.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <xxhash.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"

#define PREFIX "xxh3:"
#define BLOCK ((size_t)64 * 1024)
#define DEPTH_MAX 1000 /* directories in directories, each open */

/* --- values --- */

void treesum_value_add(struct treesum_value *to, const struct treesum_value *v)
{
	to->low += v->low;
	to->high += v->high;
}

void treesum_value_take(struct treesum_value *from, const struct treesum_value *v)
{
	from->low -= v->low;
	from->high -= v->high;
}

void treesum_value_text(const struct treesum_value *v, char ret[TREESUM_TEXT])
{
	snprintf(ret, TREESUM_TEXT, PREFIX "%016llx%016llx", (unsigned long long)v->high,
		 (unsigned long long)v->low);
}

int treesum_value_parse(const char *text, struct treesum_value *ret)
{
	unsigned long long high, low;

	if (strlen(text) != TREESUM_TEXT - 1 || !str_starts(text, PREFIX) ||
	    !str_is_hex(text + strlen(PREFIX), 32) ||
	    sscanf(text + strlen(PREFIX), "%16llx%16llx", &high, &low) != 2)
		return -1;
	*ret = (struct treesum_value){ .low = low, .high = high };
	return 0;
}

/* --- the content of one file --- */

struct content {
	XXH3_state_t *block; /* the one at hand */
	uint64_t zeros;      /* hash of a block of zeros */
	uint64_t at, sum;
};

static const unsigned char zero_block[BLOCK];

static void content_init(struct content *c)
{
	c->block = XXH3_createState();
	if (!c->block)
		abort();
	c->zeros = XXH3_64bits(zero_block, BLOCK);
	c->at = c->sum = 0;
}

static void content_done(struct content *c)
{
	XXH3_freeState(c->block);
}

static void content_block(struct content *c, uint64_t hash)
{
	c->sum += hash * ((c->at - 1) / BLOCK * 2 + 1);
}

static void content_bytes(struct content *c, const char *data, size_t size)
{
	while (size) {
		size_t begun = c->at % BLOCK, n = MIN(size, BLOCK - begun);

		c->at += n;
		if (n == BLOCK) {
			content_block(c, XXH3_64bits(data, n) - c->zeros);
		} else {
			if (!begun)
				XXH3_64bits_reset(c->block);
			XXH3_64bits_update(c->block, data, n);
			if (c->at % BLOCK == 0)
				content_block(c, XXH3_64bits_digest(c->block) - c->zeros);
		}
		data += n;
		size -= n;
	}
}

/* A hole up to there. */
static void content_skip(struct content *c, uint64_t to)
{
	while (c->at < to) {
		size_t begun = c->at % BLOCK;

		if (!begun && to - c->at >= BLOCK)
			c->at += (to - c->at) / BLOCK * BLOCK;
		else
			content_bytes(c, (const char *)zero_block,
				      (size_t)MIN(to - c->at, BLOCK - begun));
	}
}

static void content_add(struct content *c, uint64_t offset, const void *data, size_t size)
{
	content_skip(c, offset);
	content_bytes(c, data, size);
}

/* What the content comes to; the next file begins. */
static uint64_t content_end(struct content *c, uint64_t size)
{
	uint64_t sum;

	content_skip(c, size);
	if (c->at % BLOCK)
		content_block(c, XXH3_64bits_digest(c->block));
	sum = c->sum;
	c->at = c->sum = 0;
	return sum;
}

/* --- contents by inode --- */

struct known {
	uint64_t inode, sum; /* inode 0: free */
};

struct treesum_contents {
	struct content content;
	struct known *table; /* open addressing, at most half full */
	size_t size, n;
};

struct treesum_contents *treesum_contents_new(void)
{
	struct treesum_contents *c = xcalloc(1, sizeof(*c));

	content_init(&c->content);
	c->size = 256;
	c->table = xcalloc(c->size, sizeof(*c->table));
	return c;
}

void treesum_contents_free(struct treesum_contents *c)
{
	if (!c)
		return;
	content_done(&c->content);
	free(c->table);
	free(c);
}

/* Its place, or where it would be. */
static struct known *find(const struct treesum_contents *c, uint64_t inode)
{
	size_t i = (size_t)(inode * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (c->size - 1);

	while (c->table[i].inode && c->table[i].inode != inode)
		i = (i + 1) & (c->size - 1);
	return &c->table[i];
}

static void grow(struct treesum_contents *c)
{
	struct known *old = c->table;
	size_t n = c->size;

	c->size *= 2;
	c->table = xcalloc(c->size, sizeof(*c->table));
	for (size_t i = 0; i < n; i++)
		if (old[i].inode)
			*find(c, old[i].inode) = old[i];
	free(old);
}

void treesum_contents_add(struct treesum_contents *c, uint64_t offset, const void *data,
			  size_t size)
{
	content_add(&c->content, offset, data, size);
}

void treesum_contents_end(struct treesum_contents *c, uint64_t size, uint64_t inode)
{
	struct known *k;

	if (c->n * 2 >= c->size)
		grow(c);
	k = find(c, inode);
	c->n += !k->inode;
	*k = (struct known){ .inode = inode, .sum = content_end(&c->content, size) };
}

/* --- one entry --- */

struct entry {
	const char *path;
	const struct stat *st;
	const char *target; /* of a symbolic link */
	uint64_t content, xattrs;
};

static struct treesum_value entry_value(const struct entry *x)
{
	_cleanup_buf_ struct buf b = BUF_NULL;
	const struct stat *st = x->st;
	bool dir = S_ISDIR(st->st_mode), device = S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode);
	const uint64_t fields[] = {
		st->st_mode,
		st->st_uid,
		st->st_gid,
		device ? st->st_rdev : 0,
		dir ? 0 : (uint64_t)st->st_size,
		dir ? 0 : (uint64_t)st->st_mtim.tv_sec,
		dir ? 0 : (uint64_t)st->st_mtim.tv_nsec,
		x->content,
		x->xattrs,
	};
	XXH128_hash_t h;

	buf_add(&b, fields, sizeof(fields));
	buf_add(&b, x->path, strlen(x->path) + 1);
	if (x->target)
		buf_puts(&b, x->target);
	h = XXH3_128bits(b.data, b.len);
	return (struct treesum_value){ .low = h.low64, .high = h.high64 };
}

/* Labels are the host's business: it may relabel its file systems. */
static bool xattr_counts(const char *name)
{
	return strcmp(name, "security.selinux") != 0;
}

/* In any order.  path NULL: of fd.  value: XATTR_SIZE_MAX bytes, names: XATTR_LIST_MAX. */
static int sum_xattrs(int fd, const char *path, char *names, char *value, uint64_t *ret,
		      struct err *e)
{
	ssize_t n = path ? llistxattr(path, names, XATTR_LIST_MAX)
			 : flistxattr(fd, names, XATTR_LIST_MAX);

	*ret = 0;
	if (n < 0 && errno != EOPNOTSUPP)
		return err_errno(e, ERR_DATA_LOSS, errno, "list extended attributes");
	for (const char *x = names; n > 0 && x < names + n; x += strlen(x) + 1) {
		ssize_t size;

		if (!xattr_counts(x))
			continue;
		size = path ? lgetxattr(path, x, value, XATTR_SIZE_MAX)
			    : fgetxattr(fd, x, value, XATTR_SIZE_MAX);
		if (size < 0)
			return err_errno(e, ERR_DATA_LOSS, errno, "read attribute %.100s", x);
		*ret += XXH3_64bits_withSeed(value, (size_t)size, XXH3_64bits(x, strlen(x)));
	}
	return 0;
}

static int directory_value(int fd, const char *path, char *names, char *value,
			   struct treesum_value *ret, struct err *e)
{
	struct stat st;
	struct entry x = { .path = path, .st = &st };

	if (fstat(fd, &st) < 0)
		return err_errno(e, ERR_DATA_LOSS, errno, "stat");
	if (sum_xattrs(fd, NULL, names, value, &x.xattrs, e) < 0)
		return -(int)e->code;
	*ret = entry_value(&x);
	return 0;
}

int treesum_directory(int fd, const char *path, struct treesum_value *ret, struct err *e)
{
	_cleanup_free_ char *names = xmalloc(XATTR_LIST_MAX);
	_cleanup_free_ char *value = xmalloc(XATTR_SIZE_MAX);
	int r = directory_value(fd, path, names, value, ret, e);

	return r < 0 ? err_wrap(e, "/%.400s", path) : 0;
}

/* --- the walk --- */

struct level {
	DIR *dir;
	size_t path_len; /* of its own path */
};

struct treesum_walk {
	const struct treesum_contents *contents;
	struct level *levels;
	size_t n;
	struct buf path;
	struct treesum_value sum;
	char *names, *value, *data;
	/* The file that is being read; -1: none. */
	int file;
	struct stat st;
	struct content content;
};

/* Takes fd. */
static int enter(struct treesum_walk *w, int fd, struct err *e)
{
	_cleanup_close_ int own = fd;
	struct treesum_value v;
	DIR *dir;

	if (directory_value(own, w->path.data, w->names, w->value, &v, e) < 0)
		return -(int)e->code;
	if (w->n == DEPTH_MAX)
		return err_set(e, ERR_DATA_LOSS, "nested deeper than %d", DEPTH_MAX);
	dir = fdopendir(own);
	if (!dir)
		return err_errno(e, ERR_INTERNAL, errno, "list");
	take_fd(own);
	treesum_value_add(&w->sum, &v);
	w->levels = xrealloc(w->levels, (w->n + 1) * sizeof(*w->levels));
	w->levels[w->n++] = (struct level){ .dir = dir, .path_len = w->path.len };
	return 0;
}

static void set_path(struct treesum_walk *w, size_t keep, const char *name)
{
	w->path.len = keep;
	w->path.data[keep] = '\0';
	if (keep)
		buf_puts(&w->path, "/");
	buf_puts(&w->path, name);
}

/* Everything is known of the entry at hand. */
static int count(struct treesum_walk *w, int dir, const char *name, const char *target,
		 uint64_t content, struct err *e)
{
	_cleanup_free_ char *proc = xasprintf("/proc/self/fd/%d/%s", dir, name);
	struct entry x = { .path = w->path.data, .st = &w->st, .target = target };
	struct treesum_value v;

	x.content = content;
	if (sum_xattrs(-1, proc, w->names, w->value, &x.xattrs, e) < 0)
		return -(int)e->code;
	v = entry_value(&x);
	treesum_value_add(&w->sum, &v);
	return 0;
}

static int count_link(struct treesum_walk *w, int dir, const char *name, struct err *e)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n < 0)
		return err_errno(e, ERR_DATA_LOSS, errno, "read the link");
	target[n] = '\0';
	return count(w, dir, name, target, 0, e);
}

/* Reading must not write: no access times. */
static int open_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC);

	if (fd < 0 && errno == EPERM)
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd;
}

static int begin_file(struct treesum_walk *w, int dir, const char *name, struct err *e)
{
	const struct known *k = w->contents ? find(w->contents, w->st.st_ino) : NULL;

	if (!w->st.st_size)
		return count(w, dir, name, NULL, 0, e);
	if (k && k->inode)
		return count(w, dir, name, NULL, k->sum, e);
	w->file = open_file(dir, name);
	return w->file < 0 ? err_errno(e, ERR_DATA_LOSS, errno, "open") : 0;
}

static const char *last_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The next piece of the file; what is shorter or longer than it was shows in its size.
 * *ret_read: bytes. */
static int read_file(struct treesum_walk *w, uint64_t *ret_read, struct err *e)
{
	uint64_t size = (uint64_t)w->st.st_size;
	off_t at = lseek(w->file, (off_t)w->content.at, SEEK_DATA);
	ssize_t n = 0;

	if (at < 0 && errno != ENXIO)
		return err_errno(e, ERR_DATA_LOSS, errno, "seek");
	if (at >= 0)
		n = pread(w->file, w->data, BLOCK, at);
	if (n < 0 && errno == EINTR)
		return 0;
	if (n < 0)
		return err_errno(e, ERR_DATA_LOSS, errno, "read");
	*ret_read = (uint64_t)n;
	if (n > 0) {
		content_add(&w->content, (uint64_t)at, w->data, (size_t)n);
		return 0;
	}
	close_fdp(&w->file);
	return count(w, dirfd(w->levels[w->n - 1].dir), last_name(w->path.data), NULL,
		     content_end(&w->content, size), e);
}

static int next_entry(struct treesum_walk *w, struct err *e)
{
	const struct level *top = &w->levels[w->n - 1];
	int fd, dir = dirfd(top->dir);
	struct dirent *d;

	errno = 0;
	d = readdir(top->dir);
	if (!d && errno)
		return err_errno(e, ERR_DATA_LOSS, errno, "list");
	if (!d) {
		closedir(top->dir);
		w->n--;
		return 0;
	}
	if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
		return 0;
	set_path(w, top->path_len, d->d_name);
	if (fstatat(dir, d->d_name, &w->st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, ERR_DATA_LOSS, errno, "stat");
	if (S_ISREG(w->st.st_mode))
		return begin_file(w, dir, d->d_name, e);
	if (S_ISLNK(w->st.st_mode))
		return count_link(w, dir, d->d_name, e);
	if (!S_ISDIR(w->st.st_mode))
		return count(w, dir, d->d_name, NULL, 0, e);
	fd = openat(dir, d->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_errno(e, ERR_DATA_LOSS, errno, "open") : enter(w, fd, e);
}

int treesum_open(const char *dir, const struct treesum_contents *contents,
		 struct treesum_walk **ret, struct err *e)
{
	_cleanup_treesum_ struct treesum_walk *w = xcalloc(1, sizeof(*w));
	int fd;

	w->contents = contents;
	w->file = -1;
	w->names = xmalloc(XATTR_LIST_MAX);
	w->value = xmalloc(XATTR_SIZE_MAX);
	w->data = xmalloc(BLOCK);
	buf_puts(&w->path, "");
	content_init(&w->content);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, ERR_DATA_LOSS, errno, "open %s", dir);
	if (enter(w, fd, e) < 0)
		return err_wrap(e, "%s", dir);
	*ret = take_ptr(w);
	return 0;
}

void treesum_free(struct treesum_walk *w)
{
	if (!w)
		return;
	while (w->n)
		closedir(w->levels[--w->n].dir);
	free(w->levels);
	close_fdp(&w->file);
	content_done(&w->content);
	buf_done(&w->path);
	free(w->names);
	free(w->value);
	free(w->data);
	free(w);
}

int treesum_step(struct treesum_walk *w, uint64_t budget, struct err *e)
{
	uint64_t spent = 0;

	while (w->n && spent < budget) {
		uint64_t n = 0;
		int r = w->file >= 0 ? read_file(w, &n, e) : next_entry(w, e);

		if (r < 0)
			return err_wrap(e, "/%.400s", w->path.data);
		spent += n ? n : TREESUM_ENTRY_COST;
	}
	return w->n > 0;
}

struct treesum_value treesum_result(const struct treesum_walk *w)
{
	return w->sum;
}
