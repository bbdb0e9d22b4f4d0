/*
 * treesum.c - hash contents in blocks, each weighted by its position, and add up the entries. A
 * block of zeros counts 0, so holes and written zeros are equal, and holes cost no reads.
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
#define DEPTH_MAX 1000 /* nested directories, all open */

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
	XXH3_state_t *block; /* current block */
	uint64_t zeros; /* hash of a zero block */
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

/* Skip a hole up to offset `to`. */
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

/* Return the content's sum, and reset for the next file. */
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

/* --- one entry --- */

/* All data of an entry except its name. */
struct tree_entry {
	const struct stat *st;
	const char *target; /* of a symbolic link */
	uint64_t content, xattrs;
};

static uint64_t node_sum(const struct tree_entry *x)
{
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
		x->target ? XXH3_64bits(x->target, strlen(x->target)) : 0,
	};

	return XXH3_64bits(fields, sizeof(fields));
}

static struct treesum_value entry_value(const char *path, uint64_t node)
{
	XXH128_hash_t h = XXH3_128bits_withSeed(path, strlen(path), node);

	return (struct treesum_value){ .low = h.low64, .high = h.high64 };
}

/* Ignore SELinux labels: the host may relabel its file systems. */
static bool xattr_counts(const char *name)
{
	return strcmp(name, "security.selinux") != 0;
}

struct xattrs {
	char names[XATTR_LIST_MAX];
	char value[XATTR_SIZE_MAX];
};

/* Sum the extended attributes, independent of their order. path NULL: use fd. */
static int sum_xattrs(struct xattrs *a, int fd, const char *path, uint64_t *ret, struct err *e)
{
	ssize_t n = path ? llistxattr(path, NULL, 0) : flistxattr(fd, NULL, 0);

	*ret = 0;
	if (n > 0)
		n = path ? llistxattr(path, a->names, sizeof(a->names))
			 : flistxattr(fd, a->names, sizeof(a->names));
	if (n < 0 && errno != EOPNOTSUPP)
		return err_errno(e, ERR_DATA_LOSS, errno, "list extended attributes");
	for (const char *x = a->names; n > 0 && x < a->names + n; x += strlen(x) + 1) {
		ssize_t size;

		if (!xattr_counts(x))
			continue;
		size = path ? lgetxattr(path, x, a->value, sizeof(a->value))
			    : fgetxattr(fd, x, a->value, sizeof(a->value));
		if (size < 0)
			return err_errno(e, ERR_DATA_LOSS, errno, "read attribute %.100s", x);
		*ret += XXH3_64bits_withSeed(a->value, (size_t)size, XXH3_64bits(x, strlen(x)));
	}
	return 0;
}

static int directory_value(struct xattrs *a, int fd, const char *path, struct treesum_value *ret,
			   struct stat *ret_st, struct err *e)
{
	struct tree_entry x = { .st = ret_st };

	if (fstat(fd, ret_st) < 0)
		return err_errno(e, ERR_DATA_LOSS, errno, "stat");
	if (sum_xattrs(a, fd, NULL, &x.xattrs, e) < 0)
		return -(int)e->code;
	*ret = entry_value(path, node_sum(&x));
	return 0;
}

int treesum_directory(int fd, const char *path, struct treesum_value *ret, struct err *e)
{
	_cleanup_free_ struct xattrs *a = xmalloc(sizeof(*a));
	struct stat st;
	int r = directory_value(a, fd, path, ret, &st, e);

	return r < 0 ? err_wrap(e, "/%.400s", path) : 0;
}

/* --- files by inode --- */

struct known {
	uint64_t inode, node; /* inode 0: free */
};

struct treesum_files {
	struct content content;
	struct xattrs *xattrs;
	struct known *table; /* open addressing, at most half full */
	size_t size, n;
};

struct treesum_files *treesum_files_new(void)
{
	struct treesum_files *f = xcalloc(1, sizeof(*f));

	content_init(&f->content);
	f->xattrs = xmalloc(sizeof(*f->xattrs));
	f->size = 256;
	f->table = xcalloc(f->size, sizeof(*f->table));
	return f;
}

void treesum_files_free(struct treesum_files *f)
{
	if (!f)
		return;
	content_done(&f->content);
	free(f->xattrs);
	free(f->table);
	free(f);
}

/* The slot of inode, or the free slot for it. */
static struct known *find(const struct treesum_files *f, uint64_t inode)
{
	size_t i = (size_t)(inode * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (f->size - 1);

	while (f->table[i].inode && f->table[i].inode != inode)
		i = (i + 1) & (f->size - 1);
	return &f->table[i];
}

static void grow(struct treesum_files *f)
{
	struct known *old = f->table;
	size_t n = f->size;

	f->size *= 2;
	f->table = xcalloc(f->size, sizeof(*f->table));
	for (size_t i = 0; i < n; i++)
		if (old[i].inode)
			*find(f, old[i].inode) = old[i];
	free(old);
}

void treesum_files_add(struct treesum_files *f, uint64_t offset, const void *data, size_t size)
{
	content_add(&f->content, offset, data, size);
}

int treesum_files_end(struct treesum_files *f, int fd, struct err *e)
{
	struct stat st;
	struct tree_entry x = { .st = &st };
	struct known *k;

	if (fstat(fd, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "stat");
	x.content = content_end(&f->content, (uint64_t)st.st_size);
	if (sum_xattrs(f->xattrs, fd, NULL, &x.xattrs, e) < 0)
		return -(int)e->code;
	if (f->n * 2 >= f->size)
		grow(f);
	k = find(f, st.st_ino);
	f->n += !k->inode;
	*k = (struct known){ .inode = st.st_ino, .node = node_sum(&x) };
	return 0;
}

/* --- the walk --- */

struct open_dir {
	DIR *dir;
	size_t path_len; /* length of its path */
	bool tells; /* readdir(3) returns the inodes of stat(2) */
};

struct treesum_walk {
	const struct treesum_files *files;
	struct xattrs *xattrs;
	struct open_dir *levels;
	size_t n;
	struct buf path; /* with the root's path: `root` bytes and a slash */
	size_t root;
	struct treesum_value sum;
	char *data;
	/* The file being read; -1: none. */
	int file;
	struct stat st;
	struct content content;
};

/* Path of the current entry below the layer's root; "": the root. */
static const char *path_below(const struct treesum_walk *w)
{
	return w->path.len > w->root ? w->path.data + w->root + 1 : "";
}

/* true: d_ino equals stat(2)'s inode, checked with ".", which may be anywhere in the directory. */
static bool list_tells(DIR *dir, uint64_t inode)
{
	const struct dirent *d;
	bool tells;

	while ((d = readdir(dir)) && strcmp(d->d_name, ".") != 0)
		;
	tells = d && d->d_ino == inode;
	rewinddir(dir);
	return tells;
}

/* Takes fd. */
static int enter(struct treesum_walk *w, int fd, struct err *e)
{
	_cleanup_close_ int own = fd;
	struct treesum_value v;
	struct stat st;
	DIR *dir;

	if (directory_value(w->xattrs, own, path_below(w), &v, &st, e) < 0)
		return -(int)e->code;
	if (w->n == DEPTH_MAX)
		return err_set(e, ERR_DATA_LOSS, "nested deeper than %d", DEPTH_MAX);
	dir = fdopendir(own);
	if (!dir)
		return err_errno(e, ERR_INTERNAL, errno, "list");
	take_fd(own);
	treesum_value_add(&w->sum, &v);
	w->levels = xrealloc(w->levels, (w->n + 1) * sizeof(*w->levels));
	w->levels[w->n++] = (struct open_dir){
		.dir = dir,
		.path_len = w->path.len,
		.tells = w->files && list_tells(dir, st.st_ino),
	};
	return 0;
}

static void set_path(struct treesum_walk *w, size_t keep, const char *name)
{
	w->path.len = keep;
	buf_puts(&w->path, "/");
	buf_puts(&w->path, name);
}

static void add_node(struct treesum_walk *w, uint64_t node)
{
	struct treesum_value v = entry_value(path_below(w), node);

	treesum_value_add(&w->sum, &v);
}

/* Add the current entry; only its extended attributes are missing. */
static int count(struct treesum_walk *w, int dir, const char *name, const char *target,
		 uint64_t content, struct err *e)
{
	bool deep = w->path.len >= PATH_MAX;
	_cleanup_free_ char *proc = deep ? xasprintf("/proc/self/fd/%d/%s", dir, name) : NULL;
	struct tree_entry x = { .st = &w->st, .target = target, .content = content };

	if (sum_xattrs(w->xattrs, -1, deep ? proc : w->path.data, &x.xattrs, e) < 0)
		return -(int)e->code;
	add_node(w, node_sum(&x));
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

/* Reading must not write: O_NOATIME. */
static int open_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC);

	if (fd < 0 && errno == EPERM)
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return fd;
}

static int begin_file(struct treesum_walk *w, int dir, const char *name, struct err *e)
{
	if (!w->st.st_size)
		return count(w, dir, name, NULL, 0, e);
	w->file = open_file(dir, name);
	return w->file < 0 ? err_errno(e, ERR_DATA_LOSS, errno, "open") : 0;
}

static const char *last_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Read the next piece of the file. A changed size changes the sum. *ret_read: bytes. */
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

/* Add a regular file by its inode alone, if its hash is known. */
static bool is_known(struct treesum_walk *w, const struct open_dir *top, const struct dirent *d)
{
	const struct known *k;

	if (!top->tells || d->d_type != DT_REG)
		return false;
	k = find(w->files, d->d_ino);
	if (k->inode)
		add_node(w, k->node);
	return k->inode;
}

static int look_at(struct treesum_walk *w, int dir, const char *name, struct err *e)
{
	int fd;

	if (fstatat(dir, name, &w->st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, ERR_DATA_LOSS, errno, "stat");
	if (S_ISREG(w->st.st_mode))
		return begin_file(w, dir, name, e);
	if (S_ISLNK(w->st.st_mode))
		return count_link(w, dir, name, e);
	if (!S_ISDIR(w->st.st_mode))
		return count(w, dir, name, NULL, 0, e);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? err_errno(e, ERR_DATA_LOSS, errno, "open") : enter(w, fd, e);
}

static int next_entry(struct treesum_walk *w, struct err *e)
{
	struct open_dir *top = &w->levels[w->n - 1];
	int dir = dirfd(top->dir);
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
	return is_known(w, top, d) ? 0 : look_at(w, dir, d->d_name, e);
}

int treesum_open(const char *dir, const struct treesum_files *files, struct treesum_walk **ret,
		 struct err *e)
{
	_cleanup_treesum_ struct treesum_walk *w = xcalloc(1, sizeof(*w));
	int fd;

	w->files = files;
	w->file = -1;
	w->xattrs = xmalloc(sizeof(*w->xattrs));
	w->data = xmalloc(BLOCK);
	buf_puts(&w->path, dir);
	w->root = w->path.len;
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
	free(w->xattrs);
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
			return err_wrap(e, "/%.400s", path_below(w));
		spent += n ? n : TREESUM_ENTRY_COST;
	}
	return w->n > 0;
}

struct treesum_value treesum_result(const struct treesum_walk *w)
{
	return w->sum;
}
