/*
 * stage.c - see stage.h.
 *
 * The state is one of two slots; which of them counts is a single word, changed when the other slot
 * is complete.  What was stored before a SIGKILL is there after it, in order: this is about the
 * death of a process, not of the node.
 */
#include "shim/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/util.h"

#define STATE_NAME "stage"
#define KEEP_MAX (1024 * 1024) /* of what is done with, while there always is something pending */

struct slot {
	uint64_t log_ino, log_end, gap, lost;
	int64_t done[STAGE_STREAMS]; /* bytes of the stage file that are in the log */
};

struct stage_state {
	uint32_t current;
	struct slot slots[2];
};

static const char *const names[STAGE_STREAMS] = { "stage.stdout", "stage.stderr" };

void stage_init(struct stage *st)
{
	*st = (struct stage){ .fd = { -1, -1 } };
}

static struct slot slot_of(const struct stage *st)
{
	return st->state->slots[st->state->current & 1];
}

static void commit(struct stage *st, const struct slot *s)
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

/* flags: O_CREAT | O_TRUNC, or 0 for what is there.  The memory is reserved: a full tmpfs is an
 * error here and not a signal later. */
static bool open_all(struct stage *st, const char *dir, int flags)
{
	_cleanup_close_ int fd = open_file(dir, STATE_NAME, flags);
	void *p = MAP_FAILED;
	struct stat file;

	if (fd >= 0 && (!flags || fallocate(fd, 0, 0, sizeof(struct stage_state)) == 0) &&
	    fstat(fd, &file) == 0 && file.st_size == (off_t)sizeof(struct stage_state))
		p = mmap(NULL, sizeof(struct stage_state), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 0);
	if (p == MAP_FAILED)
		return false;
	st->state = p;
	for (int i = 0; i < STAGE_STREAMS; i++) {
		st->fd[i] = open_file(dir, names[i], flags);
		if (st->fd[i] < 0 || fstat(st->fd[i], &file) < 0)
			return false;
		st->end[i] = file.st_size;
	}
	return true;
}

void stage_open(struct stage *st, const char *dir)
{
	if (open_all(st, dir, O_CREAT | O_TRUNC))
		return;
	log_warn("no stage", "dir=%s", dir);
	stage_close(st);
}

void stage_adopt(struct stage *st, const char *dir, struct logfile *log)
{
	struct slot s;

	if (!open_all(st, dir, 0)) {
		stage_close(st);
		return;
	}
	s = slot_of(st);
	for (int i = 0; i < STAGE_STREAMS; i++)
		if (s.done[i] > st->end[i] || s.done[i] < 0) /* killed when it was emptied */
			s.done[i] = 0;
	commit(st, &s);
	logfile_cut(log, s.log_ino, s.log_end);
	log->gap = s.gap;
	log->lost = s.lost;
}

void stage_close(struct stage *st)
{
	if (st->state)
		munmap(st->state, sizeof(*st->state));
	for (int i = 0; i < STAGE_STREAMS; i++)
		close_fdp(&st->fd[i]);
	stage_init(st);
}

/* No room, most likely.  What is taken from now on is at risk until it is written. */
static void give_up(struct stage *st)
{
	const struct slot none = { .log_ino = 0 };

	log_warn("no stage any more", "errno=%d", errno);
	for (int i = 0; i < STAGE_STREAMS; i++)
		if (ftruncate(st->fd[i], 0) < 0)
			log_warn("a stage is not empty", "errno=%d", errno);
	commit(st, &none);
	stage_close(st);
}

ssize_t stage_take(struct stage *st, int i, int pipe_fd, char *buf, size_t size)
{
	loff_t at = st->end[i];
	ssize_t n = -1;

	if (st->state) {
		n = splice(pipe_fd, NULL, st->fd[i], &at, size, SPLICE_F_NONBLOCK);
		if (n > 0) {
			st->end[i] += n;
			return pread(st->fd[i], buf, (size_t)n, st->end[i] - n);
		}
		if (n == 0 || errno == EAGAIN || errno == EINTR)
			return n;
		give_up(st);
	}
	return read(pipe_fd, buf, size);
}

size_t stage_left(const struct stage *st, int i, off_t *at, char *buf, size_t size)
{
	ssize_t n = st->state ? pread(st->fd[i], buf, size, slot_of(st).done[i] + *at) : 0;

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

void stage_begin(struct stage *st, const struct logfile *log)
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

void stage_done(struct stage *st, int i, size_t pending, const struct logfile *log)
{
	int64_t before;
	struct slot s;

	if (!st->state)
		return;
	s = slot_of(st);
	note_log(&s, log);
	before = s.done[i];
	s.done[i] = st->end[i] - (off_t)pending;
	commit(st, &s);
	if (pending == 0 && ftruncate(st->fd[i], 0) == 0) {
		st->end[i] = s.done[i] = 0;
		commit(st, &s);
	} else if (s.done[i] / KEEP_MAX > before / KEEP_MAX) {
		fallocate(st->fd[i], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, s.done[i]);
	}
}
