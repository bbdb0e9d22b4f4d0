/*
 * logfile.c - append whole records to a CRI log file; count losses, rotate, reopen.
 */
#include "shim/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/util.h"
#include "shim/logline.h"

/* O_NONBLOCK: a FIFO at path must not block the shim. */
static int open_at(const char *path, int flags, int *ret, uint64_t *ret_size, struct err *e)
{
	_cleanup_close_ int fd = open(path,
				      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY |
					      O_NOFOLLOW | O_NONBLOCK | flags,
				      0640);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_INTERNAL, errno,
				 "open log file %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "log path %s is not a regular file", path);
	if (st.st_size == 0 && fchmod(fd, 0640) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set the mode of log file %s", path);
	*ret = take_fd(fd);
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

/* Store the inode, with which a later shim recognizes the file. */
static void identify(struct logfile *f)
{
	struct stat st;

	f->ino = fstat(f->fd, &st) == 0 ? st.st_ino : 0;
}

int logfile_open(struct logfile *f, const char *path, uint64_t max, struct err *e)
{
	int r;

	f->fd = -1;
	f->max = max;
	f->size = f->gap = f->lost = f->ino = 0;
	f->error = 0;
	f->torn = f->no_sync = false;
	f->path[0] = '\0';
	if (!*path)
		return 0;
	if (snprintf(f->path, sizeof(f->path), "%s", path) >= (int)sizeof(f->path))
		return err_set(e, ERR_INVALID, "log path is too long");
	r = open_at(f->path, 0, &f->fd, &f->size, e);
	if (r == 0)
		identify(f);
	return r;
}

void logfile_close(struct logfile *f)
{
	close_fdp(&f->fd);
}

/* Bytes of output in these records. */
static uint64_t content_size(const char *p, size_t size)
{
	uint64_t total = 0;

	while (size) {
		const char *nl = memchr(p, '\n', size);
		size_t n = nl ? (size_t)(nl - p) + 1 : size;
		/* The newline of an F record is output, that of a P record is not. */
		bool whole = n > LOGLINE_PREFIX && p[LOGLINE_PREFIX - 2] == 'F';

		total += n > LOGLINE_PREFIX ? n - LOGLINE_PREFIX - (whole ? 0 : 1) : 0;
		p += n;
		size -= n;
	}
	return total;
}

/* Truncate the last `torn` bytes, so that the file ends with a whole record. */
static void cut_torn(struct logfile *f, size_t torn)
{
	off_t end = lseek(f->fd, 0, SEEK_CUR);

	if (end >= (off_t)torn && ftruncate(f->fd, end - (off_t)torn) == 0)
		f->size -= MIN((uint64_t)torn, f->size);
	else
		f->torn = true;
}

/* Write as much as possible; returns the bytes of whole records now in the file. */
static size_t write_records(struct logfile *f, const char *p, size_t size, int *ret_errno)
{
	size_t done = 0, whole;
	const char *nl;

	*ret_errno = 0;
	while (done < size) {
		ssize_t n = write(f->fd, p + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			*ret_errno = n < 0 ? errno : EIO;
			break;
		}
		done += (size_t)n;
		f->size += (uint64_t)n;
	}
	nl = done == size ? NULL : memrchr(p, '\n', done);
	whole = done == size ? size : nl ? (size_t)(nl - p) + 1 : 0;
	if (done > whole)
		cut_torn(f, done - whole);
	return whole;
}

static void write_to_buffer(struct logline_batch *b)
{
	(void)b; /* one record never fills it */
}

/* Write the gap record.  Returns 0, or the errno of the continuing failure. */
static int tell_gap(struct logfile *f)
{
	char record[LOGLINE_PREFIX + 256], text[200], reason[64];
	struct logline_batch b = { .data = record,
				   .cap = sizeof(record),
				   .flush = write_to_buffer };
	int err = 0;

	if (f->torn && write(f->fd, "\n", 1) != 1)
		return errno;
	f->torn = false;
	if (!f->gap)
		return 0;
	snprintf(text, sizeof(text), "[crisp: %llu bytes lost: %s]", (unsigned long long)f->gap,
		 strerror_r(f->error, reason, sizeof(reason)));
	logline_stamp(&b, clock_realtime_ns());
	logline_note(&b, text);
	if (write_records(f, record, b.len, &err) == b.len)
		f->gap = 0;
	return err;
}

static void use_file(struct logfile *f, int fd, uint64_t size)
{
	close_fdp(&f->fd);
	f->fd = fd;
	f->size = size;
	f->torn = false;
	identify(f);
}

/* max bounds the disk use and drops older records.  On failure the old file grows on. */
static void start_anew(struct logfile *f)
{
	char tmp[PATH_MAX];
	struct err e = ERR_NULL;
	uint64_t size;
	int fd;

	if (snprintf(tmp, sizeof(tmp), "%s.new", f->path) >= (int)sizeof(tmp) ||
	    open_at(tmp, O_TRUNC, &fd, &size, &e) < 0)
		return;
	if (rename(tmp, f->path) < 0) {
		unlink(tmp);
		close(fd);
		return;
	}
	use_file(f, fd, size);
}

/* Bytes of the whole records that the file has room for; at least one record. */
static size_t fitting(const struct logfile *f, const char *records, size_t size)
{
	uint64_t room = f->size < f->max ? f->max - f->size : 0;
	const char *nl;

	if (!f->max || size <= room)
		return size;
	nl = memrchr(records, '\n', (size_t)room);
	if (!nl && f->size)
		return 0;
	if (!nl)
		nl = memchr(records, '\n', size);
	return nl ? (size_t)(nl - records) + 1 : size;
}

/* Write records, in as many files as max asks for; returns the bytes that were written. */
static size_t write_within(struct logfile *f, const char *records, size_t size, int *ret_errno)
{
	size_t done = 0;

	*ret_errno = 0;
	while (done < size && !*ret_errno) {
		size_t n = fitting(f, records + done, size - done);

		if (!n)
			start_anew(f);
		/* The old file grows on if no new one can be made. */
		if (!n && f->size)
			n = size - done;
		done += write_records(f, records + done, n, ret_errno);
	}
	return done;
}

bool logfile_write(struct logfile *f, const char *records, size_t size)
{
	bool was_well = !f->error;
	size_t done = 0;
	uint64_t lost;
	int err;

	if (f->fd < 0)
		return false;
	err = tell_gap(f);
	if (!err)
		done = write_within(f, records, size, &err);
	f->error = err;
	if (!err)
		return false;
	lost = content_size(records + done, size - done);
	f->gap += lost;
	f->lost += lost;
	return was_well;
}

void logfile_cut(struct logfile *f, uint64_t ino, uint64_t size)
{
	if (f->fd < 0 || !ino || f->ino != ino || f->size <= size)
		return;
	if (ftruncate(f->fd, (off_t)size) == 0)
		f->size = size;
}

int logfile_reopen(struct logfile *f, struct err *e)
{
	uint64_t size;
	int fd, r;

	if (!*f->path)
		return 0;
	r = open_at(f->path, 0, &fd, &size, e);
	if (r < 0)
		return r;
	/* The old file is finished: its content stays, even if fsync fails. */
	if (f->fd >= 0 && !f->no_sync)
		fsync(f->fd);
	use_file(f, fd, size);
	return 0;
}

void logfile_heal(struct logfile *f)
{
	struct err not_yet = ERR_NULL;
	struct stat st;
	uint64_t size;
	int fd;

	if (f->fd < 0 || fstat(f->fd, &st) < 0 || st.st_nlink > 0)
		return;
	if (open_at(f->path, 0, &fd, &size, &not_yet) == 0)
		use_file(f, fd, size);
}

void logfile_settle(struct logfile *f)
{
	int err;

	if (f->fd < 0 || (!f->gap && !f->torn))
		return;
	err = tell_gap(f);
	if (!err)
		f->error = 0;
	else
		f->error = err;
}
