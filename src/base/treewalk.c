/*
 * treewalk.c - depth-first walk: one getdents buffer per level near the top, one for all levels
 * below.
 *
 * The upper TREEWALK_HELD levels keep their descriptors.  Below them only the current directory is
 * open.  The walk returns through "..", checks the inode number of the parent, and reads the parent
 * on from the position of the entry it left.  If the directory was moved meanwhile, the check
 * fails, and the walk continues at the lowest level with a descriptor.
 */
#include "base/treewalk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/util.h"

#define BUFFER_BYTES 8192
#define CLOCK_EVERY 64 /* names between two reads of the clock */
#define FRACTION_BITS 32

/* A directory during its read. */
struct dir_reader {
	int fd;
	uint32_t at, len;
	_Alignas(struct dirent64) char data[BUFFER_BYTES];
};

/* A directory below the held levels, to be continued later. */
struct interrupted_dir {
	uint64_t inode;
	int64_t position; /* after the entry that was entered */
};

struct treewalk {
	char *path, *spill_dir;
	bool started, partial;
	uint32_t uid_max, gid_max;
	uint64_t entries;
	unsigned __int128 bytes, inodes; /* fixed point */
	struct dir_reader *held[TREEWALK_HELD];
	struct dir_reader *deep; /* the current directory below the held levels */
	uint64_t depth; /* of the current directory; 0: the top */
	uint64_t inode; /* of the current directory, below the held levels */
	struct interrupted_dir *levels; /* a window of the stack: levels[0] is number first_level */
	uint64_t n_levels, first_level;
	int spill_fd;
};

struct treewalk *treewalk_new(const char *path, const char *spill_dir)
{
	struct treewalk *w = xcalloc(1, sizeof(*w));

	w->path = xstrdup(path);
	w->spill_dir = xstrdup(spill_dir);
	w->spill_fd = -1;
	return w;
}

static void reader_free(struct dir_reader *r)
{
	if (r)
		close_fdp(&r->fd);
	free(r);
}

void treewalk_free(struct treewalk *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < TREEWALK_HELD; i++)
		reader_free(w->held[i]);
	reader_free(w->deep);
	close_fdp(&w->spill_fd);
	free(w->levels);
	free(w->path);
	free(w->spill_dir);
	free(w);
}

static uint64_t rounded(unsigned __int128 v)
{
	return (uint64_t)((v + ((unsigned __int128)1 << (FRACTION_BITS - 1))) >> FRACTION_BITS);
}

struct treewalk_sum treewalk_sum(const struct treewalk *w)
{
	return (struct treewalk_sum){ .bytes = rounded(w->bytes),
				      .inodes = rounded(w->inodes),
				      .entries = w->entries,
				      .uid_max = w->uid_max,
				      .gid_max = w->gid_max,
				      .partial = w->partial };
}

static void count(struct treewalk *w, const struct statx *st, uint32_t links)
{
	unsigned __int128 one = (unsigned __int128)1 << FRACTION_BITS;

	links = MAX(links, 1U);
	w->bytes += one * st->stx_blocks * 512 / links;
	w->inodes += one / links;
	w->uid_max = MAX(w->uid_max, st->stx_uid);
	w->gid_max = MAX(w->gid_max, st->stx_gid);
}

/* --- the stack below the held levels --- */

static int spill_open(struct treewalk *w, struct err *e)
{
	if (w->spill_fd >= 0)
		return 0;
	w->spill_fd = open(w->spill_dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (w->spill_fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "walk %s: unnamed file in %s", w->path,
				 w->spill_dir);
	return 0;
}

static int level_push(struct treewalk *w, struct interrupted_dir l, struct err *e)
{
	const size_t half = TREEWALK_LEVELS / 2, size = half * sizeof(l);

	if (!w->levels)
		w->levels = xcalloc(TREEWALK_LEVELS, sizeof(l));
	if (w->n_levels == TREEWALK_LEVELS) {
		if (spill_open(w, e) < 0)
			return -(int)e->code;
		if (pwrite(w->spill_fd, w->levels, size, (off_t)(w->first_level * sizeof(l))) !=
		    (ssize_t)size)
			return err_errno(e, ERR_EXHAUSTED, errno, "walk %s: %ju levels", w->path,
					 (uintmax_t)w->depth);
		memmove(w->levels, w->levels + half, size);
		w->first_level += half;
		w->n_levels -= half;
	}
	w->levels[w->n_levels++] = l;
	return 0;
}

static int level_pop(struct treewalk *w, struct interrupted_dir *ret, struct err *e)
{
	const size_t half = TREEWALK_LEVELS / 2, size = half * sizeof(*ret);

	if (!w->n_levels) {
		w->first_level -= half;
		w->n_levels = half;
		if (pread(w->spill_fd, w->levels, size, (off_t)(w->first_level * sizeof(*ret))) !=
		    (ssize_t)size)
			return err_errno(e, ERR_INTERNAL, errno, "walk %s: read levels back",
					 w->path);
	}
	*ret = w->levels[--w->n_levels];
	return 0;
}

/* --- directories --- */

/* Open a directory on the same mount.  -1 with errno. */
static int open_dir(int parent, const char *name)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NOATIME | O_NONBLOCK,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, parent, name, &how, sizeof(how));

	if (fd >= 0 || errno != EPERM)
		return fd;
	how.flags &= ~(uint64_t)O_NOATIME; /* only the owner and CAP_FOWNER may use it */
	return (int)syscall(SYS_openat2, parent, name, &how, sizeof(how));
}

static int look(int fd, const char *name, struct statx *ret)
{
	return statx(fd, name,
		     AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC |
			     (*name ? 0 : AT_EMPTY_PATH),
		     STATX_TYPE | STATX_NLINK | STATX_INO | STATX_BLOCKS | STATX_UID | STATX_GID,
		     ret);
}

static struct dir_reader *current(const struct treewalk *w)
{
	return w->depth < TREEWALK_HELD ? w->held[w->depth] : w->deep;
}

static void reader_begin(struct dir_reader **r, int fd)
{
	if (!*r) {
		*r = malloc(sizeof(**r));
		if (!*r)
			abort();
		(*r)->fd = -1;
	}
	close_fdp(&(*r)->fd);
	(*r)->fd = fd;
	(*r)->at = (*r)->len = 0;
}

/* Make fd, a subdirectory, the current directory; owns fd. */
static int enter(struct treewalk *w, int fd, const struct statx *st, int64_t position,
		 struct err *e)
{
	uint64_t depth = w->depth + 1;

	if (depth < TREEWALK_HELD) {
		reader_begin(&w->held[depth], fd);
	} else {
		const struct interrupted_dir parent = { .inode = w->inode, .position = position };

		if (depth > TREEWALK_HELD && level_push(w, parent, e) < 0) {
			close_fdp(&fd);
			return -(int)e->code;
		}
		reader_begin(&w->deep, fd);
		w->inode = st->stx_ino;
	}
	w->depth = depth;
	return 0;
}

/* The path up is lost: go on at the lowest level with a descriptor. */
static void fall_back(struct treewalk *w)
{
	w->partial = true;
	w->n_levels = w->first_level = 0;
	close_fdp(&w->deep->fd);
	w->depth = TREEWALK_HELD - 1;
}

/* The current directory is complete.  0: the walk is complete. */
static int leave(struct treewalk *w, struct err *e)
{
	struct statx st;
	struct interrupted_dir l = { .inode = 0 };
	int fd;

	if (w->depth == 0)
		return 0;
	if (w->depth <= TREEWALK_HELD) {
		close_fdp(&current(w)->fd);
		w->depth--;
		return 1;
	}
	if (level_pop(w, &l, e) < 0)
		return -(int)e->code;
	fd = open_dir(w->deep->fd, "..");
	if (fd < 0 || look(fd, "", &st) < 0 || st.stx_ino != l.inode ||
	    lseek(fd, l.position, SEEK_SET) < 0) {
		close_fdp(&fd);
		fall_back(w);
		return 1;
	}
	reader_begin(&w->deep, fd);
	w->inode = l.inode;
	w->depth--;
	return 1;
}

/* Count an entry of the current directory, and enter it if it is a directory. */
static int visit(struct treewalk *w, const struct dirent64 *d, struct err *e)
{
	struct dir_reader *r = current(w);
	struct statx st;
	int fd = -1;

	w->entries++;
	if (d->d_type == DT_DIR || d->d_type == DT_UNKNOWN)
		fd = open_dir(r->fd, d->d_name);
	if (fd >= 0 && look(fd, "", &st) == 0) {
		count(w, &st, 1);
		return enter(w, fd, &st, d->d_off, e);
	}
	close_fdp(&fd);
	/* The content of a mount point belongs to another tree, or is counted at another path. */
	if (look(r->fd, d->d_name, &st) < 0 || (st.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return 0;
	count(w, &st, S_ISDIR(st.stx_mode) ? 1 : st.stx_nlink);
	return 0;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* Advance by one entry, or one step up.  Returns as treewalk_step. */
static int advance(struct treewalk *w, struct err *e)
{
	struct dir_reader *r = current(w);
	const struct dirent64 *d;

	if (r->at == r->len) {
		long n = syscall(SYS_getdents64, r->fd, r->data, sizeof(r->data));

		if (n <= 0) /* an error: unreadable entries are not counted */
			return leave(w, e);
		r->at = 0;
		r->len = (uint32_t)n;
	}
	d = (const struct dirent64 *)(const void *)(r->data + r->at);
	r->at += d->d_reclen;
	if (!is_dots(d->d_name) && visit(w, d, e) < 0)
		return -(int)e->code;
	return 1;
}

static int start(struct treewalk *w, struct err *e)
{
	struct statx st;
	int fd;

	w->started = true;
	if (look(AT_FDCWD, w->path, &st) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return 0;
		return err_errno(e, ERR_INTERNAL, errno, "walk %s", w->path);
	}
	w->entries++;
	count(w, &st, S_ISDIR(st.stx_mode) ? 1 : st.stx_nlink);
	if (!S_ISDIR(st.stx_mode))
		return 0;
	fd = open(w->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
			       ? 0
			       : err_errno(e, ERR_INTERNAL, errno, "walk %s", w->path);
	reader_begin(&w->held[0], fd);
	return 1;
}

int treewalk_step(struct treewalk *w, uint64_t max_entries, int64_t until_ns, struct err *e)
{
	uint64_t begin = w->entries;
	int r = 1;

	if (!w->started)
		r = start(w, e);
	for (unsigned n = 1; r > 0 && w->entries - begin < max_entries; n++) {
		if (n % CLOCK_EVERY == 0 && clock_monotonic_ns() >= until_ns)
			return 1;
		r = advance(w, e);
	}
	return r;
}

int treewalk_all(const char *path, const char *spill_dir, struct treewalk_sum *ret, struct err *e)
{
	_cleanup_(treewalk_freep) struct treewalk *w = treewalk_new(path, spill_dir);
	int r;

	do
		r = treewalk_step(w, UINT64_MAX, INT64_MAX, e);
	while (r > 0);
	*ret = treewalk_sum(w);
	return r;
}
