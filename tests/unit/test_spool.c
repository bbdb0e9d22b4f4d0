/*
 * test_spool.c - a shim is killed before and after each system call that moves output from pipe to
 * log, and another continues: each byte is in the log once.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"
#include "scratch.h"
#include "shim/spawner.h"
#include "shim/stdio.h"
#include "shimproto/shimproto.h"

#define PIPE_SIZE (1024 * 1024)
#define POINTS_MAX 2000

/* The linker leads these calls of the program here. */
ssize_t __real_read(int fd, void *buf, size_t n);
ssize_t __real_write(int fd, const void *buf, size_t n);
ssize_t __real_pwrite(int fd, const void *buf, size_t n, off_t at);
ssize_t __real_splice(int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags);
int __real_ftruncate(int fd, off_t size);
ssize_t __wrap_read(int fd, void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t at);
ssize_t __wrap_splice(int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags);
int __wrap_ftruncate(int fd, off_t size);

/* Even points are before a call, odd ones behind it. */
static int points_left = -1; /* -1: nobody is killed */

static void point(void)
{
	if (points_left >= 0 && points_left-- == 0)
		kill(getpid(), SIGKILL);
}

#define WITH_POINTS(type, call) \
	do { \
		type r_; \
		point(); \
		r_ = (call); \
		point(); \
		return r_; \
	} while (0)

ssize_t __wrap_read(int fd, void *buf, size_t n)
{
	WITH_POINTS(ssize_t, __real_read(fd, buf, n));
}

ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
	WITH_POINTS(ssize_t, __real_write(fd, buf, n));
}

ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t at)
{
	WITH_POINTS(ssize_t, __real_pwrite(fd, buf, n, at));
}

ssize_t __wrap_splice(int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags)
{
	WITH_POINTS(ssize_t, __real_splice(in, in_at, out, out_at, n, flags));
}

int __wrap_ftruncate(int fd, off_t size)
{
	WITH_POINTS(int, __real_ftruncate(fd, size));
}

/* --- what is written --- */

static struct scratch scratch;
static struct buf source[2];

/* Short lines, empty ones, one that is longer than all that is read at once. */
static void make_source(struct buf *b, const char *name, size_t size)
{
	for (int i = 0; b->len < size; i++) {
		buf_printf(b, "%s %d", name, i);
		for (int k = 0; k < i % 97; k++)
			buf_add(b, "x", 1);
		if (i == 1000)
			for (int k = 0; k < SPOOL_BULK + 5000; k++)
				buf_add(b, k % 1000 ? "y" : "z", 1);
		buf_puts(b, i % 13 ? "\n" : "\n\n");
	}
}

static void fill_pipe(int fd, const struct buf *b, size_t from, size_t to)
{
	assert_int_equal(__real_write(fd, b->data + from, to - from), (ssize_t)(to - from));
}

/* --- the shims --- */

/* One shim after the other; point -1: it comes to the end.  true: it was killed. */
static bool shim(const char *log, int out, int err, int at)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct stdio *io = xcalloc(1, sizeof(*io));
		struct err e = ERR_NULL;

		stdio_init(io);
		points_left = at;
		if (stdio_adopt(io, 0, scratch.path, log, 0, -1, out, err, &e) < 0)
			_exit(1);
		stdio_drain(io);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status);
}

/* --- what is in the log --- */

static void join(const struct buf *log, const char *stream, struct buf *ret)
{
	char *copy = xstrndup(log->data, log->len), *line, *next = copy;

	while ((line = strsep(&next, "\n")) && *line) {
		char *name = strchr(line, ' ') + 1;

		if (strncmp(name, stream, strlen(stream)) != 0)
			continue;
		name += strlen(stream) + 1;
		assert_true((name[0] == 'F' || name[0] == 'P') && name[1] == ' ');
		buf_puts(ret, name + 2);
		if (name[0] == 'F')
			buf_puts(ret, "\n");
	}
	free(copy);
}

static void check_log(const char *path, int at)
{
	static const char *const streams[] = { "stdout", "stderr" };
	_cleanup_buf_ struct buf log = BUF_NULL;
	struct err e = ERR_NULL;

	assert_int_equal(fs_read_file(path, 16 * 1024 * 1024, &log, &e), 0);
	for (int i = 0; i < 2; i++) {
		_cleanup_buf_ struct buf got = BUF_NULL;

		join(&log, streams[i], &got);
		if (got.len != source[i].len || memcmp(got.data, source[i].data, got.len) != 0)
			fail_msg("killed at point %d: %s is not what was written: %zu bytes, "
				 "%zu were written",
				 at, streams[i], got.len, source[i].len);
	}
}

/* Much, then a little that ends within a line, then the rest: each is for another shim, of which
 * the one called victim is killed; one more finds what is left.  false: there is no such point. */
static bool killed_at(int victim, int at)
{
	const size_t rest[] = { 3000, 1001, 0 };
	_cleanup_free_ char *log = NULL;
	struct stdio *io = xcalloc(1, sizeof(*io));
	struct stdio_child theirs;
	struct err e = ERR_NULL;
	bool killed = false;

	scratch_make(&scratch);
	log = scratch_file(&scratch, "log");
	stdio_init(io);
	assert_int_equal(stdio_open(io, 0, scratch.path, log, 0, &theirs, &e), 0);
	assert_true(fcntl(theirs.out, F_SETPIPE_SZ, PIPE_SIZE) >= PIPE_SIZE);
	assert_true(fcntl(theirs.err, F_SETPIPE_SZ, PIPE_SIZE) >= PIPE_SIZE);
	for (int n = 0; n < 3; n++) {
		for (int i = 0; i < 2; i++)
			fill_pipe(i ? theirs.err : theirs.out, &source[i],
				  n ? source[i].len - rest[n - 1] : 0, source[i].len - rest[n]);
		killed |= shim(log, io->out.in.fd, io->err.in.fd, n == victim ? at : -1);
	}
	assert_false(shim(log, io->out.in.fd, io->err.in.fd, -1));
	check_log(log, at);
	stdio_child_done(&theirs);
	stdio_close(io);
	free(io);
	scratch_drop(&scratch);
	return killed;
}

static void test_killed_at_every_call(void **state)
{
	struct err e = ERR_NULL;

	(void)state;
	assert_int_equal(spawner_start(NULL, (struct spawner_owner){ .uid = 0 }, &e), 0);
	make_source(&source[0], "to stdout", 400000);
	make_source(&source[1], "to stderr", 150000);
	for (int victim = 0; victim < 3; victim++) {
		int at = 0;

		while (killed_at(victim, at))
			assert_true(++at < POINTS_MAX);
		/* Before and behind two calls at least for each piece of each stream. */
		assert_true(at >= (victim == 0 ? 24 : 8));
	}
	buf_done(&source[0]);
	buf_done(&source[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_at_every_call),
	};

	return cmocka_run_group_tests_name("shimstage", tests, NULL, NULL);
}
