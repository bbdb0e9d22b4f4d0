/*
 * tar.c - a state machine over the stream.
 *
 * Headers are collected into blocks; file content is passed on as it arrives. Extension headers
 * gather in `next` until their entry follows.
 */
#include "pull/unpack/tar.h"

#include <linux/limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/str.h"
#include "base/util.h"
#include "pull/unpack/tarnum.h"

#define ID_MAX INT64_C(0xfffffffe)
#define BASE10_MAX 20 /* digits per number in a PAX 1.0 sparse map */

enum state {
	STATE_HEADER, /* a header block */
	STATE_EXTENSION, /* content of a PAX header or long name */
	STATE_SPARSE_OLD, /* further segment blocks after an old GNU sparse header */
	STATE_SPARSE_MAP, /* map before the content of a PAX 1.0 sparse file */
	STATE_CONTENT,
	STATE_SKIP, /* ignored content, and padding */
	STATE_END,
};

struct segment {
	uint64_t offset, size;
};

struct sparse {
	bool used; /* the file has holes */
	bool in_data; /* PAX 1.0: the map precedes the content */
	struct segment *map;
	size_t n;
	uint64_t stored; /* sum of the sizes */
	uint64_t real_size;
	bool has_size;
	uint64_t offset; /* PAX 0.0: pending offset, until its numbytes */
};

/* Values of extension headers for the next entry. */
struct next {
	bool any;
	char *path, *link;
	bool has_size, has_uid, has_gid, has_mtime;
	int64_t size, uid, gid, mtime_s;
	long mtime_ns;
	struct tar_xattr *xattrs;
	size_t n_xattrs, xattr_bytes;
	struct sparse sparse;
};

struct tar {
	const struct tar_ops *ops;
	void *arg;
	enum state state;
	uint64_t at; /* stream bytes consumed */
	unsigned char block[TAR_BLOCK];
	size_t filled;
	bool zero_block; /* the last block was zero */
	struct buf extension;
	char extension_type;
	struct next next;
	struct tar_entry entry;
	uint64_t left; /* of the current content */
	uint64_t padding; /* after the content */
	uint64_t done; /* offset in a file without holes */
	size_t segment; /* in a file with holes */
	uint64_t in_segment;
	uint64_t map_numbers; /* PAX 1.0: numbers left in the map; the first one is the count */
	bool map_counted;
	char number[BASE10_MAX + 1];
	size_t digits;
};

static void next_done(struct next *n)
{
	for (size_t i = 0; i < n->n_xattrs; i++) {
		free(n->xattrs[i].name);
		free(n->xattrs[i].value);
	}
	free(n->xattrs);
	free(n->path);
	free(n->link);
	free(n->sparse.map);
	*n = (struct next){ .any = false };
}

struct tar *tar_new(const struct tar_ops *ops, void *arg)
{
	struct tar *t = xcalloc(1, sizeof(*t));

	t->ops = ops;
	t->arg = arg;
	return t;
}

void tar_free(struct tar *t)
{
	if (!t)
		return;
	next_done(&t->next);
	buf_done(&t->extension);
	free(t);
}

static int sparse_add(struct sparse *s, uint64_t offset, uint64_t size, struct err *e)
{
	const struct segment *last = s->n ? &s->map[s->n - 1] : NULL;

	if (s->n >= TAR_SPARSE_MAX)
		return err_set(e, ERR_INVALID, "more than %d segments in a sparse file",
			       TAR_SPARSE_MAX);
	if (offset > (uint64_t)LIMIT_LAYER_BYTES || size > (uint64_t)LIMIT_LAYER_BYTES ||
	    (last && offset < last->offset + last->size))
		return err_set(e, ERR_INVALID, "the segments of a sparse file are out of order");
	if ((s->n & (s->n - 1)) == 0)
		s->map = xrealloc(s->map, (s->n ? s->n * 2 : 1) * sizeof(*s->map));
	s->map[s->n++] = (struct segment){ .offset = offset, .size = size };
	s->stored += size;
	return 0;
}

static int sparse_check(const struct sparse *s, uint64_t stored, struct err *e)
{
	const struct segment *last = s->n ? &s->map[s->n - 1] : NULL;

	if (s->stored != stored || (last && last->offset + last->size > s->real_size))
		return err_set(e, ERR_INVALID,
			       "the segments of a sparse file do not add up to its size");
	return 0;
}

/* Parse "offset,size,offset,size,...". */
static int sparse_text(struct sparse *s, char *text, struct err *e)
{
	char *word, *size;

	while ((word = strsep(&text, ","))) {
		uint64_t o, n;

		if (!*word && !text)
			break;
		size = strsep(&text, ",");
		if (!size || str_to_u64(word, UINT64_MAX, &o) < 0 ||
		    str_to_u64(size, UINT64_MAX, &n) < 0)
			return err_set(e, ERR_INVALID, "GNU.sparse.map is no list of numbers");
		if (sparse_add(s, o, n, e) < 0)
			return -(int)e->code;
	}
	return 0;
}

static int pax_sparse(struct next *n, const char *key, struct tar_pax_record *rec, struct err *e)
{
	struct sparse *s = &n->sparse;
	uint64_t v = 0;

	s->used = true;
	if (strcmp(key, "name") == 0) {
		free(n->path);
		n->path = xstrdup(rec->value);
		return 0;
	}
	if (strcmp(key, "map") == 0)
		return sparse_text(s, rec->value, e);
	if (str_to_u64(rec->value, (uint64_t)LIMIT_LAYER_BYTES, &v) < 0)
		return err_set(e, ERR_INVALID, "GNU.sparse.%s is no number within bounds", key);
	if (strcmp(key, "major") == 0) {
		s->in_data = v == 1;
	} else if (strcmp(key, "size") == 0 || strcmp(key, "realsize") == 0) {
		s->real_size = v;
		s->has_size = true;
	} else if (strcmp(key, "offset") == 0) {
		s->offset = v;
	} else if (strcmp(key, "numbytes") == 0) {
		return sparse_add(s, s->offset, v, e);
	}
	return 0;
}

static int pax_number(const struct tar_pax_record *rec, int64_t max, int64_t *ret, bool *has,
		      struct err *e)
{
	if (str_to_i64(rec->value, 0, max, ret) < 0)
		return err_set(e, ERR_INVALID, "PAX %s=%.40s is not a number of 0 to %jd", rec->key,
			       rec->value, (intmax_t)max);
	*has = true;
	return 0;
}

/* This limits the total for one entry; each header has its own limit. */
static int pax_xattr(struct next *n, const char *name, const struct tar_pax_record *rec,
		     struct err *e)
{
	if (strlen(name) > XATTR_NAME_MAX || rec->size > XATTR_SIZE_MAX)
		return err_set(e, ERR_INVALID,
			       "extended attribute %.40s: a name of more than %d "
			       "or a value of more than %d bytes",
			       name, XATTR_NAME_MAX, XATTR_SIZE_MAX);
	if (n->n_xattrs == LIMIT_XATTRS)
		return err_set(e, ERR_INVALID, "more than %d extended attributes", LIMIT_XATTRS);
	n->xattr_bytes += strlen(rec->key) + rec->size;
	if (n->xattr_bytes > TAR_EXTENSION_MAX)
		return err_set(e, ERR_INVALID, "more than %d bytes of extended attributes",
			       TAR_EXTENSION_MAX);
	n->xattrs = xrealloc(n->xattrs, (n->n_xattrs + 1) * sizeof(*n->xattrs));
	n->xattrs[n->n_xattrs++] = (struct tar_xattr){
		.name = xstrdup(name),
		.value = xmemdup(rec->value, rec->size + 1),
		.size = rec->size,
	};
	return 0;
}

static int pax_text(const struct tar_pax_record *rec, char **ret, struct err *e)
{
	if (strlen(rec->value) != rec->size)
		return err_set(e, ERR_INVALID, "PAX %s has a NUL in it", rec->key);
	free(*ret);
	*ret = rec->size ? xstrdup(rec->value) : NULL;
	return 0;
}

static int pax_record(struct next *n, struct tar_pax_record *rec, struct err *e)
{
	static const char xattr[] = "SCHILY.xattr.", sparse[] = "GNU.sparse.";

	if (strcmp(rec->key, "path") == 0)
		return n->sparse.used && n->path ? 0 : pax_text(rec, &n->path, e);
	if (strcmp(rec->key, "linkpath") == 0)
		return pax_text(rec, &n->link, e);
	if (strcmp(rec->key, "size") == 0)
		return pax_number(rec, LIMIT_LAYER_BYTES, &n->size, &n->has_size, e);
	if (strcmp(rec->key, "uid") == 0)
		return pax_number(rec, ID_MAX, &n->uid, &n->has_uid, e);
	if (strcmp(rec->key, "gid") == 0)
		return pax_number(rec, ID_MAX, &n->gid, &n->has_gid, e);
	if (strcmp(rec->key, "mtime") == 0) {
		if (tar_pax_time(rec->value, &n->mtime_s, &n->mtime_ns) < 0)
			return err_set(e, ERR_INVALID, "PAX mtime=%.40s is no time", rec->value);
		n->has_mtime = true;
		return 0;
	}
	if (str_starts(rec->key, xattr) && rec->key[sizeof(xattr) - 1])
		return pax_xattr(n, rec->key + sizeof(xattr) - 1, rec, e);
	if (str_starts(rec->key, sparse))
		return pax_sparse(n, rec->key + sizeof(sparse) - 1, rec, e);
	return 0;
}

static int extension_pax(struct tar *t, struct err *e)
{
	struct tar_pax_record rec;
	size_t pos = 0;
	int r;

	while ((r = tar_pax_next(t->extension.data, t->extension.len, &pos, &rec)) == 0)
		if (pax_record(&t->next, &rec, e) < 0)
			return -(int)e->code;
	if (r < 0)
		return err_set(e, ERR_INVALID, "PAX record at byte %zu is malformed", pos);
	return 0;
}

/* Handle a complete extension header. */
static int extension_end(struct tar *t, struct err *e)
{
	char **text = t->extension_type == 'K' ? &t->next.link : &t->next.path;
	int r = 0;

	t->next.any = true;
	if (t->extension_type == 'x') {
		r = t->extension.len ? extension_pax(t, e) : 0;
	} else {
		free(*text);
		*text = t->extension.len ? xstrdup(t->extension.data) : NULL;
	}
	buf_done(&t->extension);
	return r;
}

/* Expect size bytes of content, in the given state. */
static void expect(struct tar *t, enum state state, uint64_t size)
{
	t->left = size;
	t->padding = (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK;
	t->state = state;
}

static void to_header(struct tar *t)
{
	t->filled = 0;
	t->state = STATE_HEADER;
}

/* After content: skip the padding, or expect a header at once. */
static void to_padding(struct tar *t)
{
	t->left = t->padding;
	t->padding = 0;
	if (t->left)
		t->state = STATE_SKIP;
	else
		to_header(t);
}

static int end_of_file(struct tar *t, struct err *e)
{
	int r = t->ops->end(t->arg, e);

	next_done(&t->next);
	to_padding(t);
	return r;
}

static int start_content(struct tar *t, struct err *e)
{
	struct sparse *s = &t->next.sparse;

	if (s->used && sparse_check(s, t->left, e) < 0)
		return -(int)e->code;
	t->state = STATE_CONTENT;
	t->done = t->in_segment = 0;
	t->segment = 0;
	return t->left ? 0 : end_of_file(t, e);
}

static char *field_text(const unsigned char *field, size_t size)
{
	return xstrndup((const char *)field, strnlen((const char *)field, size));
}

static char *header_path(const unsigned char *b)
{
	_cleanup_free_ char *name = field_text(b, 100);
	_cleanup_free_ char *prefix = NULL;

	/* GNU magic ends with a space; GNU uses the prefix field for other data. */
	if (memcmp(b + 257, "ustar\0", 6) != 0 || !b[345])
		return take_ptr(name);
	prefix = field_text(b + 345, 155);
	return xasprintf("%s/%s", prefix, name);
}

static int header_number(const unsigned char *b, size_t at, size_t size, const char *what,
			 int64_t min, int64_t max, int64_t *ret, struct err *e)
{
	if (tar_number(b + at, size, ret) < 0 || *ret < min || *ret > max)
		return err_set(e, ERR_INVALID, "%s in the header is not a number within bounds",
			       what);
	return 0;
}

/* -1: unsupported type. */
static int type_of(char flag, const char *path)
{
	switch (flag) {
	case '0':
	case '\0':
		return str_ends(path, "/") ? TAR_TYPE_DIRECTORY : TAR_TYPE_FILE;
	case '7':
	case 'S':
		return TAR_TYPE_FILE;
	case '1':
		return TAR_TYPE_HARDLINK;
	case '2':
		return TAR_TYPE_SYMLINK;
	case '3':
		return TAR_TYPE_CHAR;
	case '4':
		return TAR_TYPE_BLOCK;
	case '5':
		return TAR_TYPE_DIRECTORY;
	case '6':
		return TAR_TYPE_FIFO;
	}
	return -1;
}

/* The header holds four segments, each further block 21. */
static int sparse_old_segments(struct sparse *s, const unsigned char *p, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++, p += 24) {
		int64_t offset, size;

		if (!*p)
			break;
		if (tar_number(p, 12, &offset) < 0 || tar_number(p + 12, 12, &size) < 0 ||
		    offset < 0 || size < 0)
			return err_set(e, ERR_INVALID, "a segment of a sparse file is no number");
		if (sparse_add(s, (uint64_t)offset, (uint64_t)size, e) < 0)
			return -(int)e->code;
	}
	return 0;
}

/* Numbers of the header, unless an extension header sets them. */
static int entry_numbers(struct tar *t, struct tar_entry *entry, int64_t *stored, struct err *e)
{
	const unsigned char *b = t->block;
	struct next *n = &t->next;
	int64_t mode, uid = n->uid, gid = n->gid, mtime = n->mtime_s, major = 0, minor = 0;
	bool device = entry->type == TAR_TYPE_CHAR || entry->type == TAR_TYPE_BLOCK;
	int r = header_number(b, 100, 8, "the mode", 0, INT64_MAX, &mode, e);

	if (r == 0 && !n->has_uid)
		r = header_number(b, 108, 8, "the uid", 0, ID_MAX, &uid, e);
	if (r == 0 && !n->has_gid)
		r = header_number(b, 116, 8, "the gid", 0, ID_MAX, &gid, e);
	if (r == 0 && !n->has_mtime)
		r = header_number(b, 136, 12, "the time", INT64_MIN, INT64_MAX, &mtime, e);
	if (r == 0 && device)
		r = header_number(b, 329, 8, "the device", 0, UINT32_MAX, &major, e);
	if (r == 0 && device)
		r = header_number(b, 337, 8, "the device", 0, UINT32_MAX, &minor, e);
	*stored = n->size;
	if (r == 0 && !n->has_size)
		r = header_number(b, 124, 12, "the size", 0, LIMIT_LAYER_BYTES, stored, e);
	if (r < 0)
		return r;
	entry->mode = (uint32_t)mode & 07777;
	entry->uid = (uint32_t)uid;
	entry->gid = (uint32_t)gid;
	entry->mtime_s = mtime;
	entry->mtime_ns = n->has_mtime ? n->mtime_ns : 0;
	entry->dev_major = (uint32_t)major;
	entry->dev_minor = (uint32_t)minor;
	return 0;
}

static int entry_sparse(struct tar *t, const struct tar_entry *entry, struct err *e)
{
	struct sparse *s = &t->next.sparse;
	int64_t real;

	if (entry->type != TAR_TYPE_FILE)
		return err_set(e, ERR_INVALID, "something that is no file has holes");
	if (t->block[156] != 'S')
		return s->has_size
			       ? 0
			       : err_set(e, ERR_INVALID, "a sparse file without GNU.sparse.size");
	if (header_number(t->block, 483, 12, "the real size", 0, LIMIT_LAYER_BYTES, &real, e) < 0)
		return -(int)e->code;
	s->real_size = (uint64_t)real;
	return sparse_old_segments(s, t->block + 386, 4, e);
}

static int entry_names(struct tar *t, struct tar_entry *entry, struct err *e)
{
	struct next *n = &t->next;
	int type;

	if (!n->path)
		n->path = header_path(t->block);
	if (!n->link)
		n->link = field_text(t->block + 157, 100);
	if (!*n->path || strlen(n->path) > TAR_PATH_MAX || strlen(n->link) > TAR_PATH_MAX)
		return err_set(e, ERR_INVALID, "a name is empty or longer than %d bytes",
			       TAR_PATH_MAX);
	type = type_of((char)t->block[156], n->path);
	if (type < 0)
		return err_set(e, ERR_INVALID, "%.200s: entries of type 0x%02x are not supported",
			       n->path, t->block[156]);
	entry->type = (enum tar_type)type;
	if ((type == TAR_TYPE_SYMLINK || type == TAR_TYPE_HARDLINK) && !*n->link)
		return err_set(e, ERR_INVALID, "%.200s: a link without a target", n->path);
	entry->path = n->path;
	entry->link = n->link;
	return 0;
}

static int start_entry(struct tar *t, struct err *e)
{
	struct tar_entry *entry = &t->entry;
	struct sparse *s = &t->next.sparse;
	bool file;
	int64_t stored;
	int r;

	*entry = (struct tar_entry){ .xattrs = t->next.xattrs, .n_xattrs = t->next.n_xattrs };
	r = entry_names(t, entry, e);
	r = r < 0 ? r : entry_numbers(t, entry, &stored, e);
	if (r < 0)
		return r;
	s->used = s->used || t->block[156] == 'S';
	if (s->used && (r = entry_sparse(t, entry, e)) < 0)
		return r;
	file = entry->type == TAR_TYPE_FILE;
	entry->size = !file ? 0 : s->used ? s->real_size : (uint64_t)stored;
	r = t->ops->entry(t->arg, entry, e);
	if (r < 0)
		return r;
	if (!file) {
		next_done(&t->next);
		to_header(t);
		return 0;
	}
	expect(t, STATE_CONTENT, (uint64_t)stored);
	if (t->block[156] == 'S' && t->block[482]) {
		t->filled = 0;
		t->state = STATE_SPARSE_OLD;
		return 0;
	}
	if (s->used && s->in_data) {
		t->state = STATE_SPARSE_MAP;
		t->map_counted = false;
		t->map_numbers = 1;
		t->digits = 0;
		return t->left ? 0 : err_set(e, ERR_INVALID, "a sparse file without its map");
	}
	return start_content(t, e);
}

static bool is_zero(const unsigned char *b)
{
	return !*b && memcmp(b, b + 1, TAR_BLOCK - 1) == 0;
}

static int header_block(struct tar *t, struct err *e)
{
	char type = (char)t->block[156];
	int64_t size;

	t->filled = 0;
	if (is_zero(t->block)) {
		t->state = t->zero_block ? STATE_END : STATE_HEADER;
		t->zero_block = true;
		return 0;
	}
	if (t->zero_block || !tar_checksum_is_valid(t->block))
		return err_set(e, ERR_INVALID, "no tar header here");
	if (!strchr("xXgLK", type) || !type)
		return start_entry(t, e);
	if (header_number(t->block, 124, 12, "the size", 0, TAR_EXTENSION_MAX, &size, e) < 0)
		return -(int)e->code;
	/* Ignore global headers, as other unpackers do. */
	t->extension_type = type == 'X' ? 'x' : type;
	expect(t, type == 'g' ? STATE_SKIP : STATE_EXTENSION, (uint64_t)size);
	if (size == 0)
		to_header(t);
	return 0;
}

static int sparse_old_block(struct tar *t, struct err *e)
{
	int r = sparse_old_segments(&t->next.sparse, t->block, 21, e);

	t->filled = 0;
	if (r < 0 || t->block[504])
		return r;
	return start_content(t, e);
}

static int map_number(struct tar *t, struct err *e)
{
	struct sparse *s = &t->next.sparse;
	uint64_t v;

	t->number[t->digits] = '\0';
	t->digits = 0;
	if (str_to_u64(t->number, (uint64_t)LIMIT_LAYER_BYTES, &v) < 0)
		return err_set(e, ERR_INVALID, "the map of a sparse file is malformed");
	t->map_numbers--;
	if (!t->map_counted) {
		if (v > TAR_SPARSE_MAX)
			return err_set(e, ERR_INVALID, "more than %d segments in a sparse file",
				       TAR_SPARSE_MAX);
		t->map_counted = true;
		t->map_numbers = v * 2;
		return 0;
	}
	if (t->map_numbers % 2) {
		s->offset = v;
		return 0;
	}
	return sparse_add(s, s->offset, v, e);
}

/* The map is read in whole blocks; after its last number comes padding. */
static int map_block(struct tar *t, struct err *e)
{
	t->filled = 0;
	for (size_t i = 0; i < TAR_BLOCK && t->map_numbers; i++) {
		if (t->block[i] == '\n') {
			if (map_number(t, e) < 0)
				return -(int)e->code;
		} else if (t->digits < BASE10_MAX) {
			t->number[t->digits++] = (char)t->block[i];
		} else {
			return err_set(e, ERR_INVALID, "the map of a sparse file is malformed");
		}
	}
	if (t->left < TAR_BLOCK)
		return err_set(e, ERR_INVALID, "the map of a sparse file is cut off");
	t->left -= TAR_BLOCK;
	if (t->map_numbers)
		return 0;
	return start_content(t, e);
}

/* Number of bytes taken of size, or <0. */
static int64_t feed_block(struct tar *t, const char *data, size_t size, struct err *e)
{
	size_t n = MIN(size, TAR_BLOCK - t->filled);
	int r = 0;

	memcpy(t->block + t->filled, data, n);
	t->filled += n;
	if (t->filled < TAR_BLOCK)
		return (int64_t)n;
	if (t->state == STATE_HEADER)
		r = header_block(t, e);
	else if (t->state == STATE_SPARSE_OLD)
		r = sparse_old_block(t, e);
	else
		r = map_block(t, e);
	return r < 0 ? r : (int64_t)n;
}

static int64_t feed_extension(struct tar *t, const char *data, size_t size, struct err *e)
{
	size_t n = (size_t)MIN((uint64_t)size, t->left);

	buf_add(&t->extension, data, n);
	t->left -= n;
	if (t->left)
		return (int64_t)n;
	to_padding(t);
	return extension_end(t, e) < 0 ? -(int64_t)e->code : (int64_t)n;
}

static int64_t feed_content(struct tar *t, const char *data, size_t size, struct err *e)
{
	const struct sparse *s = &t->next.sparse;
	size_t n = (size_t)MIN((uint64_t)size, t->left);
	uint64_t offset = t->done;

	if (s->used) {
		while (t->in_segment == s->map[t->segment].size) {
			t->segment++;
			t->in_segment = 0;
		}
		n = (size_t)MIN((uint64_t)n, s->map[t->segment].size - t->in_segment);
		offset = s->map[t->segment].offset + t->in_segment;
		t->in_segment += n;
	}
	if (t->ops->data(t->arg, offset, data, n, e) < 0)
		return -(int64_t)e->code;
	t->done += n;
	t->left -= n;
	if (t->left == 0 && end_of_file(t, e) < 0)
		return -(int64_t)e->code;
	return (int64_t)n;
}

static int64_t feed_skip(struct tar *t, size_t size)
{
	size_t n = (size_t)MIN((uint64_t)size, t->left);

	t->left -= n;
	if (t->left == 0)
		to_padding(t);
	return (int64_t)n;
}

static int64_t feed_some(struct tar *t, const char *data, size_t size, struct err *e)
{
	switch (t->state) {
	case STATE_HEADER:
	case STATE_SPARSE_OLD:
	case STATE_SPARSE_MAP:
		return feed_block(t, data, size, e);
	case STATE_EXTENSION:
		return feed_extension(t, data, size, e);
	case STATE_CONTENT:
		return feed_content(t, data, size, e);
	case STATE_SKIP:
		return feed_skip(t, size);
	case STATE_END:
		break;
	}
	return (int64_t)size;
}

int tar_feed(struct tar *t, const void *data, size_t size, struct err *e)
{
	const char *p = data;

	while (size) {
		int64_t n = feed_some(t, p, size, e);

		if (n < 0)
			return err_wrap(e, "tar at byte %ju", (uintmax_t)t->at);
		p += n;
		size -= (size_t)n;
		t->at += (uint64_t)n;
	}
	return 0;
}

int tar_finish(struct tar *t, struct err *e)
{
	/* Some writers omit the padding after the last file, whose content is then complete. */
	bool between = (t->state == STATE_HEADER && t->filled == 0) ||
		       (t->state == STATE_SKIP && t->padding == 0);

	if (t->state == STATE_END || (between && !t->next.any))
		return 0;
	return err_set(e, ERR_INVALID, "tar ends in the middle of an entry, at byte %ju",
		       (uintmax_t)t->at);
}
