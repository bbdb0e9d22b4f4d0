/*
 * spool.c - the spool files, and their state in two slots.
 *
 * One word selects the valid slot; it changes after the other slot is complete.  Stores before a
 * SIGKILL are visible after it, in order: the spool covers the death of a process, not that of the
 * node.
 */
#include "shim/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/util.h"

#define STATE_NAME "stage"
#define BULK_NAME "stage.bulk"
#define BULK_MIN 8192 /* splice less than that */
#define MARK 16
/* Bytes of a spool file that are logged and still stored, while some bytes are always pending.
 * Few: the spool shares the tmpfs with the daemon's state. */
#define KEEP_MAX (64 * 1024)

struct slot {
	uint64_t log_ino, log_end, gap, lost;
	int64_t done[SPOOL_STREAMS]; /* bytes of the spool file that are in the log */
	/* The memory holds, or is about to get, the bytes after `end` bytes of the file. */
	int64_t end;
	uint32_t bulk, stream; /* bytes, 0: none */
	uint32_t came; /* 1: read completed.  0: it did iff the trailing mark was overwritten. */
	unsigned char mark[MARK];
};

struct spool_state {
	uint32_t current;
	struct slot slots[2];
};

static const char *const names[SPOOL_STREAMS] = { "stage.stdout", "stage.stderr" };

/* Spools with mapped memory. */
static struct list with_memory = { &with_memory, &with_memory };

void spool_init(struct spool *st)
{
	*st = (struct spool){ .fd = { -1, -1 }, .bulk_fd = -1 };
	list_init(&st->node);
}

static struct slot slot_of(const struct spool *st)
{
	return st->state->slots[st->state->current & 1];
}

static void commit(struct spool *st, const struct slot *s)
{
	uint32_t next = (st->state->current + 1) & 1;

	st->state->slots[next] = *s;
	__atomic_store_n(&st->state->current, next, __ATOMIC_SEQ_CST);
}

static int open_file(const char *dir, const char *name, int flags)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", dir, name);

	return open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
}

/* --- memory for large reads --- */

static bool memory_map(struct spool *st)
{
	void *p = mmap(NULL, SPOOL_BULK, PROT_READ | PROT_WRITE, MAP_SHARED, st->bulk_fd, 0);

	if (p == MAP_FAILED)
		return false;
	st->bulk = p;
	list_append(&with_memory, &st->node);
	return true;
}

/* Reserve the blocks: a full tmpfs is an error here, not a SIGBUS later. */
static bool memory_take(struct spool *st)
{
	if (st->bulk)
		return true;
	return st->bulk_fd >= 0 && fallocate(st->bulk_fd, 0, 0, SPOOL_BULK) == 0 && memory_map(st);
}

static void memory_release(struct spool *st)
{
	if (!st->bulk)
		return;
	munmap(st->bulk, SPOOL_BULK);
	st->bulk = NULL;
	list_remove(&st->node);
	fallocate(st->bulk_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SPOOL_BULK);
}

void spool_rest(void)
{
	list_for_each_safe(pos, &with_memory)
		memory_release(list_entry(pos, struct spool, node));
}

/* A random mark, which no container can know and write. */
static void fill_mark(unsigned char mark[MARK])
{
	static unsigned char secret[MARK];
	static bool have;

	if (!have)
		have = getrandom(secret, sizeof(secret), 0) == sizeof(secret);
	memcpy(mark, secret, MARK);
}

/* Did the announced read complete before the shim was killed?  read(2) takes all bytes in the pipe
 * or none. */
static bool memory_came(const struct spool *st, const struct slot *s)
{
	return s->came || memcmp(st->bulk + s->bulk - MARK, s->mark, MARK) != 0;
}

static ssize_t take_much(struct spool *st, int i, int pipe_fd, size_t size)
{
	struct slot s = slot_of(st);
	ssize_t n;

	fill_mark(s.mark);
	memcpy(st->bulk + size - MARK, s.mark, MARK);
	s.end = st->end[i];
	s.bulk = (uint32_t)size;
	s.stream = (uint32_t)i;
	s.came = 0;
	commit(st, &s);
	n = read(pipe_fd, st->bulk, size);
	s.bulk = n > 0 ? (uint32_t)n : 0;
	s.came = n > 0;
	commit(st, &s);
	return n;
}

/* --- files --- */

/* flags: O_CREAT | O_TRUNC, or 0 for existing files.  Reserves the blocks of the state: a full
 * tmpfs is an error here, not a SIGBUS later. */
static bool open_all(struct spool *st, const char *dir, int flags)
{
	_cleanup_close_ int fd = open_file(dir, STATE_NAME, flags);
	void *p = MAP_FAILED;
	struct stat file;

	if (fd >= 0 && (!flags || fallocate(fd, 0, 0, sizeof(struct spool_state)) == 0) &&
	    fstat(fd, &file) == 0 && file.st_size == (off_t)sizeof(struct spool_state))
		p = mmap(NULL, sizeof(struct spool_state), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 0);
	if (p == MAP_FAILED)
		return false;
	st->state = p;
	for (int i = 0; i < SPOOL_STREAMS; i++) {
		st->fd[i] = open_file(dir, names[i], flags);
		if (st->fd[i] < 0 || fstat(st->fd[i], &file) < 0)
			return false;
		st->end[i] = file.st_size;
	}
	/* Without it all output is spliced. */
	st->bulk_fd = open_file(dir, BULK_NAME, flags);
	if (st->bulk_fd >= 0 && ftruncate(st->bulk_fd, SPOOL_BULK) < 0)
		close_fdp(&st->bulk_fd);
	return true;
}

void spool_open(struct spool *st, const char *dir)
{
	if (open_all(st, dir, O_CREAT | O_TRUNC))
		return;
	log_warn("no spool", "dir=%s", dir);
	spool_close(st);
}

/* Recover the bytes in memory if their read completed. */
static void find_memory(struct spool *st, struct slot *s)
{
	if (!s->bulk)
		return;
	if ((s->bulk < MARK && !s->came) || s->bulk > SPOOL_BULK || s->stream >= SPOOL_STREAMS ||
	    st->bulk_fd < 0 || !memory_map(st) || !memory_came(st, s)) {
		s->bulk = 0;
		return;
	}
	s->came = 1;
	/* Bytes after `end` are copies from the memory: drop them. */
	if (s->end <= st->end[s->stream] && ftruncate(st->fd[s->stream], s->end) == 0)
		st->end[s->stream] = s->end;
}

void spool_adopt(struct spool *st, const char *dir, struct logfile *log)
{
	struct slot s;

	if (!open_all(st, dir, 0)) {
		spool_close(st);
		return;
	}
	s = slot_of(st);
	for (int i = 0; i < SPOOL_STREAMS; i++)
		if (s.done[i] > st->end[i] || s.done[i] < 0) /* killed during the truncation */
			s.done[i] = 0;
	find_memory(st, &s);
	commit(st, &s);
	logfile_cut(log, s.log_ino, s.log_end);
	log->gap = s.gap;
	log->lost = s.lost;
}

void spool_close(struct spool *st)
{
	memory_release(st);
	close_fdp(&st->bulk_fd);
	if (st->state)
		munmap(st->state, sizeof(*st->state));
	for (int i = 0; i < SPOOL_STREAMS; i++)
		close_fdp(&st->fd[i]);
	spool_init(st);
}

/* Remove the spool, most likely since tmpfs is full.  From now on a byte that is read and not yet
 * logged can be lost. */
static void give_up(struct spool *st)
{
	const struct slot none = { .log_ino = 0 };

	log_warn("the spool cannot be written and is not used any more", "error=\"%s\"",
		 strerror(errno));
	for (int i = 0; i < SPOOL_STREAMS; i++)
		if (ftruncate(st->fd[i], 0) < 0)
			log_warn("a spool file was not emptied", "error=\"%s\"", strerror(errno));
	commit(st, &none);
	spool_close(st);
}

static ssize_t take_little(struct spool *st, int i, int pipe_fd, char *buf, size_t size)
{
	loff_t at = st->end[i];
	ssize_t n = splice(pipe_fd, NULL, st->fd[i], &at, size, SPLICE_F_NONBLOCK);

	if (n > 0) {
		st->end[i] += n;
		return pread(st->fd[i], buf, (size_t)n, st->end[i] - n);
	}
	if (n == 0 || errno == EAGAIN || errno == EINTR)
		return n;
	give_up(st);
	return read(pipe_fd, buf, size);
}

ssize_t spool_take(struct spool *st, int i, int pipe_fd, char *buf, size_t size, char **ret)
{
	int waiting = 0;

	*ret = buf;
	if (!st->state)
		return read(pipe_fd, buf, size);
	if (ioctl(pipe_fd, FIONREAD, &waiting) < 0 || waiting < BULK_MIN || !memory_take(st))
		return take_little(st, i, pipe_fd, buf, size);
	*ret = st->bulk;
	return take_much(st, i, pipe_fd, (size_t)MIN(waiting, SPOOL_BULK));
}

size_t spool_left(const struct spool *st, int i, off_t *at, char *buf, size_t size)
{
	struct slot s = st->state ? slot_of(st) : (struct slot){ .bulk = 0 };
	off_t in_file = st->state ? st->end[i] - s.done[i] : 0;
	off_t in_memory = s.bulk && s.stream == (uint32_t)i ? (off_t)s.bulk : 0;
	ssize_t n = 0;

	if (*at < in_file)
		n = pread(st->fd[i], buf, MIN(size, (size_t)(in_file - *at)), s.done[i] + *at);
	else if (*at < in_file + in_memory)
		n = pread(st->bulk_fd, buf, MIN(size, (size_t)(in_file + in_memory - *at)),
			  *at - in_file);
	*at += MAX(n, (ssize_t)0);
	return (size_t)MAX(n, (ssize_t)0);
}

static void note_log(struct slot *s, const struct logfile *log)
{
	s->log_ino = log->ino;
	s->log_end = log->size;
	s->gap = log->gap;
	s->lost = log->lost;
}

void spool_begin(struct spool *st, const struct logfile *log)
{
	struct slot s;

	if (!st->state)
		return;
	s = slot_of(st);
	if (s.log_ino == log->ino && s.log_end == log->size)
		return;
	note_log(&s, log);
	commit(st, &s);
}

/* Append the last `pending` bytes in memory to the file.  false: the write failed. */
static bool keep_pending(struct spool *st, struct slot *s, int i, size_t pending)
{
	size_t keep = MIN(pending, (size_t)s->bulk);

	if (keep && pwrite(st->fd[i], st->bulk + s->bulk - keep, keep, st->end[i]) != (ssize_t)keep)
		return false;
	st->end[i] += (off_t)keep;
	s->bulk = 0;
	return true;
}

void spool_done(struct spool *st, int i, size_t pending, const struct logfile *log)
{
	int64_t before;
	struct slot s;

	if (!st->state)
		return;
	s = slot_of(st);
	if (s.bulk && s.stream == (uint32_t)i && !keep_pending(st, &s, i, pending)) {
		give_up(st);
		return;
	}
	note_log(&s, log);
	before = s.done[i];
	s.done[i] = st->end[i] - (off_t)pending;
	commit(st, &s);
	if (pending == 0 && st->end[i] == 0)
		return;
	if (pending == 0 && ftruncate(st->fd[i], 0) == 0) {
		st->end[i] = s.done[i] = 0;
		commit(st, &s);
	} else if (s.done[i] / KEEP_MAX > before / KEEP_MAX) {
		fallocate(st->fd[i], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, s.done[i]);
	}
}
