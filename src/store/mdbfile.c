/*
 * mdbfile.c - a reader of LMDB's data file that trusts none of its content.
 *
 * The layouts below are those of LMDB's data version 1 on a little-endian 64-bit machine.
 * Invariant: each offset and page number is compared with the size of the page and of the file
 * before its use.
 */
#include "store/mdbfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"

#define META_MAGIC 0xBEEFC0DE
#define META_VERSION 1
#define PAGE_MIN 512
#define PAGE_MAX 65536
#define PAGE_HEADER 16
#define NODE_HEADER 8
#define DEPTH_MAX 32
#define NO_PAGE UINT64_MAX
#define KEY_MAX 511
#define FIRST_PAGE 2 /* after the two meta pages */

enum {
	PAGE_BRANCH = 1,
	PAGE_LEAF = 2,
	PAGE_OVERFLOW = 4,
	PAGE_META = 8,
	PAGE_KINDS = 0x6f
};
enum {
	NODE_BIG = 1
};
enum {
	TREE_FREE,
	TREE_MAIN
};

struct page_header {
	uint64_t number;
	uint16_t pad, flags;
	uint16_t lower, upper; /* of an overflow page: the number of pages, 32 bit */
};

struct mdb_tree {
	uint32_t pad; /* in the free tree: the page size */
	uint16_t flags, depth;
	uint64_t branches, leaves, overflows, entries, root;
};

struct meta {
	uint32_t magic, version;
	uint64_t address, map_size;
	struct mdb_tree trees[2];
	uint64_t last_page, txnid;
};

struct mdbfile {
	int fd;
	uint64_t size;
	size_t page_size;
	struct meta metas[2];
	bool valid[2]; /* magic and version are right */
	int newest;
};

struct page_walk {
	struct mdbfile *f;
	int tree;
	uint64_t last_page; /* maximum page number */
	uint8_t *used; /* one bit per page */
	uint64_t entries;
	unsigned depth; /* of the leaves; 0: none seen */
	/* Salvage: continue after damage and report rows. */
	mdbfile_row_fn *fn;
	void *arg;
	enum mdbfile_source source;
	size_t bad;
};

/* --- pages --- */

/* 1: the file ends before at + n. */
static int read_at(const struct mdbfile *f, uint64_t at, void *to, size_t n, struct err *e)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(f->fd, (char *)to + done, n - done, (off_t)(at + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(e, ERR_DATA_LOSS, errno, "read at byte %llu",
					 (unsigned long long)(at + done));
		if (got == 0)
			return 1;
		done += (size_t)got;
	}
	return 0;
}

#define page_bad(e, number, fmt, ...) \
	err_set(e, ERR_DATA_LOSS, "page %llu " fmt, (unsigned long long)(number), ##__VA_ARGS__)

static int read_page(const struct page_walk *w, uint64_t number, void *to, struct err *e)
{
	int r;

	if (number < FIRST_PAGE || number > w->last_page)
		return page_bad(e, number, "does not exist: the last one is %llu",
				(unsigned long long)w->last_page);
	r = read_at(w->f, number * w->f->page_size, to, w->f->page_size, e);
	if (r == 1)
		return page_bad(e, number, "lies behind the end of the file, at %llu bytes",
				(unsigned long long)w->f->size);
	return r;
}

static int use_page(struct page_walk *w, uint64_t number, struct err *e)
{
	if (number < FIRST_PAGE || number > w->last_page)
		return page_bad(e, number, "does not exist: the last one is %llu",
				(unsigned long long)w->last_page);
	if (w->used[number / 8] & (1U << (number % 8)))
		return page_bad(e, number, "is used twice");
	w->used[number / 8] |= (uint8_t)(1U << (number % 8));
	return 0;
}

static struct page_header header_of(const uint8_t *page)
{
	struct page_header h;

	memcpy(&h, page, sizeof(h));
	return h;
}

static unsigned keys_of(const struct page_header *h)
{
	return (h->lower - PAGE_HEADER) / 2U;
}

struct node {
	const uint8_t *key, *data;
	size_t key_size, size; /* of a big one: of its value on overflow pages */
	uint64_t child; /* in a branch; in a big leaf: its first overflow page */
	bool big;
	size_t bytes; /* used in its page */
};

/* 0; -1: it exceeds its page. */
static int node_at(const uint8_t *page, size_t page_size, const struct page_header *h, unsigned i,
		   struct node *ret)
{
	uint16_t at, field[4]; /* low, high, flags, key size */
	size_t in_page;

	memcpy(&at, page + PAGE_HEADER + 2 * i, sizeof(at));
	if (at < h->upper || at % 2 || (size_t)at + NODE_HEADER > page_size)
		return -1;
	memcpy(field, page + at, sizeof(field));
	*ret = (struct node){ .key = page + at + NODE_HEADER, .key_size = field[3] };
	ret->data = ret->key + ret->key_size;
	in_page = 0;
	if (h->flags & PAGE_BRANCH) {
		ret->child = field[0] | (uint64_t)field[1] << 16 | (uint64_t)field[2] << 32;
	} else {
		ret->big = field[2] == NODE_BIG;
		if (field[2] && !ret->big)
			return -1;
		ret->size = field[0] | (size_t)field[1] << 16;
		in_page = ret->big ? sizeof(uint64_t) : ret->size;
	}
	ret->bytes = (NODE_HEADER + ret->key_size + in_page + 1) & ~(size_t)1;
	if (ret->bytes > page_size - at)
		return -1;
	if (ret->big)
		memcpy(&ret->child, ret->data, sizeof(ret->child));
	return 0;
}

/* Do bounds and nodes form a page that LMDB could have written? */
static int check_page(const struct page_walk *w, uint64_t number, const uint8_t *page,
		      unsigned kinds, struct err *e)
{
	struct page_header h = header_of(page);
	unsigned kind = h.flags & PAGE_KINDS;
	size_t sum = 0;

	if (h.number != number)
		return page_bad(e, number, "has the number %llu", (unsigned long long)h.number);
	if ((kind != PAGE_BRANCH && kind != PAGE_LEAF) || !(kind & kinds))
		return page_bad(e, number, "is of kind 0x%x", h.flags);
	if (h.lower < PAGE_HEADER || h.lower % 2 || h.upper < h.lower || h.upper > w->f->page_size)
		return page_bad(e, number, "has wrong bounds (%u, %u)", h.lower, h.upper);
	if (w->tree == TREE_MAIN && keys_of(&h) < (kind == PAGE_BRANCH ? 2U : 1U))
		return page_bad(e, number, "has %u keys", keys_of(&h));
	for (unsigned i = 0; i < keys_of(&h); i++) {
		struct node n;

		if (node_at(page, w->f->page_size, &h, i, &n) < 0 || n.key_size > KEY_MAX)
			return page_bad(e, number, "has a wrong node %u", i);
		if (kind == PAGE_LEAF && !n.key_size)
			return page_bad(e, number, "has a node %u without a key", i);
		sum += n.bytes;
	}
	if (sum != w->f->page_size - h.upper)
		return page_bad(e, number, "has nodes of %zu bytes in %zu", sum,
				w->f->page_size - h.upper);
	return 0;
}

/* --- values --- */

/* Read the value of a big node, malloc'ed; marks its pages as used. */
static int read_big(struct page_walk *w, const struct node *n, void **ret, struct err *e)
{
	uint64_t count = (PAGE_HEADER - 1 + n->size) / w->f->page_size + 1;
	_cleanup_free_ uint8_t *pages = NULL;
	struct page_header h;
	uint32_t noted;
	int r = 0;

	if (n->child < FIRST_PAGE || n->child > w->last_page || count > w->last_page ||
	    n->child > w->last_page - (count - 1))
		return page_bad(e, n->child, "and %llu behind it do not exist",
				(unsigned long long)(count - 1));
	for (uint64_t i = 0; i < count && r == 0 && !w->fn; i++)
		r = use_page(w, n->child + i, e);
	if (r < 0)
		return r;
	if ((n->child + count) * w->f->page_size > w->f->size)
		return page_bad(e, n->child, "reaches behind the end of the file, at %llu bytes",
				(unsigned long long)w->f->size);
	pages = xmalloc(count * w->f->page_size);
	r = read_at(w->f, n->child * w->f->page_size, pages, count * w->f->page_size, e);
	if (r)
		return r < 0 ? r : page_bad(e, n->child, "is cut short");
	h = header_of(pages);
	memcpy(&noted, &h.lower, sizeof(noted));
	if (h.number != n->child || (h.flags & PAGE_KINDS) != PAGE_OVERFLOW || noted != count)
		return page_bad(e, n->child, "is no value of %zu bytes", n->size);
	*ret = xmemdup(pages + PAGE_HEADER, MAX(n->size, (size_t)1));
	return 0;
}

/* Mark the pages of a list of free pages: a count, then that many numbers. */
static int use_free(struct page_walk *w, const uint8_t *list, size_t size, struct err *e)
{
	uint64_t n, number;
	int r = 0;

	if (size < sizeof(n))
		return err_set(e, ERR_DATA_LOSS, "a list of free pages is too short");
	memcpy(&n, list, sizeof(n));
	if (n > size / sizeof(n) - 1)
		return err_set(e, ERR_DATA_LOSS, "a list of free pages is longer than its row");
	for (uint64_t i = 1; i <= n && r == 0; i++) {
		memcpy(&number, list + i * sizeof(number), sizeof(number));
		r = use_page(w, number, e);
	}
	return r < 0 ? err_wrap(e, "free list") : 0;
}

static int leaf_node(struct page_walk *w, const struct node *n, struct err *e)
{
	_cleanup_free_ void *copy = NULL;
	const void *value = n->data;
	int r = 0;

	if (n->big) {
		r = read_big(w, n, &copy, e);
		value = copy;
	}
	if (r < 0)
		return r;
	w->entries++;
	if (w->fn)
		w->fn(w->arg, w->source, n->key, n->key_size, value, n->size);
	else if (w->tree == TREE_FREE)
		r = use_free(w, value, n->size, e);
	return r;
}

/* --- trees --- */

static int compare_keys(const struct node *a, const struct node *b)
{
	int r = memcmp(a->key, b->key, MIN(a->key_size, b->key_size));

	return r ? r : (a->key_size > b->key_size) - (a->key_size < b->key_size);
}

static int check_order(const struct page_walk *w, uint64_t number, const uint8_t *page,
		       struct err *e)
{
	struct page_header h = header_of(page);
	/* The first key of a branch is unused. */
	unsigned first = h.flags & PAGE_BRANCH ? 1 : 0;
	struct node a, b;

	for (unsigned i = first; i + 1 < keys_of(&h) && w->tree == TREE_MAIN; i++) {
		node_at(page, w->f->page_size, &h, i, &a);
		node_at(page, w->f->page_size, &h, i + 1, &b);
		if (compare_keys(&a, &b) >= 0)
			return page_bad(e, number, "has its keys in disorder");
	}
	return 0;
}

/* Damage of a part: count it during salvage, else forward it. */
static int part(struct page_walk *w, int r)
{
	if (r < 0 && w->fn) {
		w->bad++;
		return 0;
	}
	return r;
}

static int walk_page(struct page_walk *w, uint64_t number, unsigned depth, struct err *e);

static int walk_nodes(struct page_walk *w, const uint8_t *page, unsigned depth, struct err *e)
{
	struct page_header h = header_of(page);
	int r = 0;

	for (unsigned i = 0; i < keys_of(&h) && r == 0; i++) {
		struct node n;

		node_at(page, w->f->page_size, &h, i, &n);
		if (h.flags & PAGE_BRANCH)
			r = part(w, walk_page(w, n.child, depth + 1, e));
		else
			r = part(w, leaf_node(w, &n, e));
	}
	return r;
}

static int walk_page(struct page_walk *w, uint64_t number, unsigned depth, struct err *e)
{
	_cleanup_free_ uint8_t *page = xmalloc(w->f->page_size);
	struct page_header h;
	int r;

	if (depth > DEPTH_MAX)
		return page_bad(e, number, "lies deeper than %d", DEPTH_MAX);
	r = use_page(w, number, e);
	if (r == 0)
		r = read_page(w, number, page, e);
	if (r == 0)
		r = check_page(w, number, page, PAGE_BRANCH | PAGE_LEAF, e);
	if (r == 0)
		r = check_order(w, number, page, e);
	if (r < 0)
		return r;
	h = header_of(page);
	if (h.flags & PAGE_LEAF) {
		if (w->depth && w->depth != depth && !w->fn)
			return page_bad(e, number, "is a leaf at the wrong depth");
		w->depth = depth;
	}
	return walk_nodes(w, page, depth, e);
}

static int walk_tree(struct page_walk *w, const struct mdb_tree *t, struct err *e)
{
	int r;

	w->entries = w->depth = 0;
	if (t->root == NO_PAGE)
		return 0;
	r = part(w, walk_page(w, t->root, 1, e));
	if (r < 0 || w->fn)
		return r;
	if (w->entries != t->entries)
		return err_set(e, ERR_DATA_LOSS, "there are %llu rows, and the meta page has %llu",
			       (unsigned long long)w->entries, (unsigned long long)t->entries);
	if (w->depth != t->depth)
		return err_set(e, ERR_DATA_LOSS, "the tree is %u deep, and the meta page has %u",
			       w->depth, t->depth);
	return 0;
}

/* --- the file --- */

static bool is_meta(const uint8_t *page, struct meta *ret)
{
	struct page_header h = header_of(page);

	memcpy(ret, page + PAGE_HEADER, sizeof(*ret));
	return (h.flags & PAGE_META) && ret->magic == META_MAGIC && ret->version == META_VERSION;
}

static bool is_page_size(uint64_t n)
{
	return n >= PAGE_MIN && n <= PAGE_MAX && (n & (n - 1)) == 0;
}

/* Read the intact meta pages.  Without the first one the page size is the system's. */
static int read_metas(struct mdbfile *f, struct err *e)
{
	uint8_t page[PAGE_HEADER + sizeof(struct meta)];
	int r = read_at(f, 0, page, sizeof(page), e);

	if (r < 0)
		return r;
	f->valid[0] = r == 0 && is_meta(page, &f->metas[0]) &&
		      is_page_size(f->metas[0].trees[TREE_FREE].pad);
	f->page_size =
		f->valid[0] ? f->metas[0].trees[TREE_FREE].pad : (size_t)sysconf(_SC_PAGESIZE);
	r = read_at(f, f->page_size, page, sizeof(page), e);
	if (r < 0)
		return r;
	f->valid[1] = r == 0 && is_meta(page, &f->metas[1]) &&
		      f->metas[1].trees[TREE_FREE].pad == f->page_size;
	f->newest = f->valid[1] && (!f->valid[0] || f->metas[1].txnid > f->metas[0].txnid);
	return 0;
}

int mdbfile_open(const char *path, struct mdbfile **ret, struct err *e)
{
	_cleanup_(mdbfile_closep) struct mdbfile *f = xcalloc(1, sizeof(*f));
	struct stat st;
	int r;

	f->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (f->fd < 0 && errno == ENOENT)
		return 1;
	/* A symbolic link, or a socket. */
	if (f->fd < 0 && (errno == ELOOP || errno == ENXIO))
		return err_set(e, ERR_DATA_LOSS, "%s is no regular file", path);
	if (f->fd < 0 || fstat(f->fd, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_DATA_LOSS, "%s is no regular file", path);
	if (st.st_size == 0)
		return 1;
	f->size = (uint64_t)st.st_size;
	r = read_metas(f, e);
	if (r < 0)
		return err_wrap(e, "%s", path);
	*ret = take_ptr(f);
	return 0;
}

void mdbfile_close(struct mdbfile *f)
{
	if (!f)
		return;
	close_fdp(&f->fd);
	free(f);
}

static int check_metas(const struct mdbfile *f, uint64_t max_bytes, struct err *e)
{
	const struct meta *m = &f->metas[f->newest];
	uint64_t a = f->metas[0].txnid, b = f->metas[1].txnid;

	for (int i = 0; i < 2; i++)
		if (!f->valid[i])
			return page_bad(e, i, "is no meta page of an LMDB file");
	if (MAX(a, b) - MIN(a, b) > 1)
		return err_set(e, ERR_DATA_LOSS, "the meta pages are of commits %llu and %llu",
			       (unsigned long long)a, (unsigned long long)b);
	if (m->last_page < 1 || m->last_page >= max_bytes / f->page_size)
		return err_set(e, ERR_DATA_LOSS, "the last page would be %llu",
			       (unsigned long long)m->last_page);
	return 0;
}

int mdbfile_check(struct mdbfile *f, uint64_t max_bytes, struct mdbfile_info *ret, struct err *e)
{
	const struct meta *m = &f->metas[f->newest];
	_cleanup_free_ uint8_t *used = NULL;
	struct page_walk w;
	int r = check_metas(f, max_bytes, e);

	if (r < 0)
		return r;
	used = xcalloc(m->last_page / 8 + 1, 1);
	w = (struct page_walk){
		.f = f, .last_page = m->last_page, .used = used, .tree = TREE_MAIN
	};
	r = walk_tree(&w, &m->trees[TREE_MAIN], e);
	*ret = (struct mdbfile_info){ .txnid = m->txnid, .rows = w.entries };
	w.tree = TREE_FREE;
	return r < 0 ? r : walk_tree(&w, &m->trees[TREE_FREE], e);
}

/* --- salvage --- */

/* Report rows of unreferenced leaf pages. */
static void walk_strays(struct page_walk *w)
{
	_cleanup_free_ uint8_t *page = xmalloc(w->f->page_size);

	for (uint64_t number = FIRST_PAGE; number <= w->last_page; number++) {
		struct err e = ERR_NULL;

		if (w->used[number / 8] & (1U << (number % 8)))
			continue;
		if (read_page(w, number, page, &e) < 0 ||
		    check_page(w, number, page, PAGE_LEAF, &e) < 0)
			continue; /* free, an overflow page, or damaged */
		walk_nodes(w, page, 1, &e);
	}
}

size_t mdbfile_salvage(struct mdbfile *f, mdbfile_row_fn *fn, void *arg)
{
	_cleanup_free_ uint8_t *used = NULL;
	struct err e = ERR_NULL;
	struct page_walk w = { .f = f, .tree = TREE_MAIN, .fn = fn, .arg = arg };

	if (f->size / f->page_size <= FIRST_PAGE)
		return 1;
	w.last_page = f->size / f->page_size - 1;
	w.used = used = xcalloc(w.last_page / 8 + 1, 1);
	w.source = MDBFILE_SOURCE_TREE;
	if (f->valid[f->newest])
		walk_tree(&w, &f->metas[f->newest].trees[TREE_MAIN], &e);
	if (w.bad == 0 && f->valid[f->newest])
		return 0;
	w.source = MDBFILE_SOURCE_OLDER;
	if (f->valid[!f->newest])
		walk_tree(&w, &f->metas[!f->newest].trees[TREE_MAIN], &e);
	w.source = MDBFILE_SOURCE_STRAY;
	walk_strays(&w);
	return MAX(w.bad, (size_t)1);
}
