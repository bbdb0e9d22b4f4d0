/*
 * crisp_log.c - parse CRI log records, find the last N of them, follow growth and rotation.
 */
#include "crisp_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/util.h"

#define BLOCK 65536
#define RECORD_MAX (1024 * 1024) /* limit of an unterminated record */

/* The end of a record's next word, or NULL. */
static const char *word_end(const char *p, const char *end)
{
	return p < end ? memchr(p, ' ', (size_t)(end - p)) : NULL;
}

void log_record_print(const struct log_reader *r, const char *record, size_t size)
{
	const char *end = record + size;
	const char *time_end = word_end(record, end);
	const char *stream_end = time_end ? word_end(time_end + 1, end) : NULL;
	const char *tag_end = stream_end ? word_end(stream_end + 1, end) : NULL;
	size_t stream_size = stream_end ? (size_t)(stream_end - time_end - 1) : 0;
	FILE *out = r->out;

	if (!tag_end) {
		fwrite(record, 1, size, out);
		fputc('\n', out);
		return;
	}
	if (stream_size == 6 && memcmp(time_end + 1, "stderr", 6) == 0)
		out = r->err;
	if (r->times)
		fwrite(record, 1, (size_t)(time_end + 1 - record), out);
	fwrite(tag_end + 1, 1, (size_t)(end - tag_end - 1), out);
	if (stream_end[1] == 'F')
		fputc('\n', out);
}

static void pending_print(struct log_reader *r)
{
	size_t done = 0;

	for (;;) {
		const char *p = r->pending.data + done;
		const char *nl =
			r->pending.len > done ? memchr(p, '\n', r->pending.len - done) : NULL;

		if (!nl)
			break;
		log_record_print(r, p, (size_t)(nl - p));
		done += (size_t)(nl - p) + 1;
	}
	buf_consume(&r->pending, done);
	if (r->pending.len > RECORD_MAX) {
		log_record_print(r, r->pending.data, r->pending.len);
		buf_consume(&r->pending, r->pending.len);
	}
}

/* Open the file at path.  1: no such file. */
static int reader_open(struct log_reader *r, struct err *e)
{
	_cleanup_close_ int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return 1;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "open log %s", r->path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_PRECONDITION, "log %s is not a file", r->path);
	close_fdp(&r->fd);
	r->fd = take_fd(fd);
	r->ino = st.st_ino;
	return 0;
}

/* Seek back from the end over that many newlines. */
static int seek_tail(struct log_reader *r, int64_t records, struct err *e)
{
	_cleanup_free_ char *block = xmalloc(BLOCK);
	off_t at = lseek(r->fd, 0, SEEK_END);
	int64_t left = records;

	while (at > 0) {
		size_t want = (size_t)MIN(at, (off_t)BLOCK);
		ssize_t n = pread(r->fd, block, want, at - (off_t)want);

		if (n != (ssize_t)want)
			return err_errno(e, ERR_INTERNAL, errno, "read log %s", r->path);
		for (size_t i = want; i > 0; i--) {
			if (block[i - 1] == '\n' && left-- == 0) {
				lseek(r->fd, at - (off_t)want + (off_t)i, SEEK_SET);
				return 0;
			}
		}
		at -= (off_t)want;
	}
	lseek(r->fd, 0, SEEK_SET);
	return 0;
}

int log_reader_start(struct log_reader *r, const char *path, int64_t records, struct err *e)
{
	int n;

	*r = LOG_READER_NULL;
	r->path = path;
	r->out = stdout;
	r->err = stderr;
	n = reader_open(r, e);
	if (n == 0 && records >= 0)
		n = seek_tail(r, records, e);
	return n < 0 ? n : 0;
}

static int drain(struct log_reader *r, struct err *e)
{
	for (;;) {
		ssize_t n = read(r->fd, buf_reserve(&r->pending, BLOCK), BLOCK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, ERR_INTERNAL, errno, "read log %s", r->path);
		if (n == 0)
			return 0;
		buf_commit(&r->pending, (size_t)n);
		pending_print(r);
	}
}

int log_reader_pump(struct log_reader *r, struct err *e)
{
	struct stat st;
	int n = 0;

	if (r->fd < 0)
		n = reader_open(r, e);
	if (n == 0)
		n = drain(r, e);
	/* Rotated: the writer may have written to the old file until ReopenContainerLog.  Read the
	 * old file to its end once more before the new one. */
	if (n == 0 && stat(r->path, &st) == 0 && st.st_ino != r->ino) {
		n = drain(r, e);
		if (n == 0)
			n = reader_open(r, e);
		if (n == 0)
			n = drain(r, e);
	}
	fflush(r->out);
	fflush(r->err);
	return n < 0 ? n : 0;
}

void log_reader_done(struct log_reader *r)
{
	close_fdp(&r->fd);
	buf_done(&r->pending);
}
