/*
 * logline.h - cut a container's output into CRI log records, as the kubelet reads them:
 *
 *	2006-01-02T15:04:05.999999999Z stdout F a whole line
 *
 * A line longer than LOGLINE_CHUNK becomes several records tagged P, the last one F.  Bytes without
 * a newline stay in `pending` until the line is complete; at the end of the stream they become a
 * record P, since readers add a newline to F.  Pure: no system call, no allocation.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define LOGLINE_CHUNK (16 * 1024)
#define LOGLINE_STAMP 30 /* the time, without NUL */
#define LOGLINE_PREFIX (LOGLINE_STAMP + 1 + 6 + 1 + 1 + 1) /* up to the content */
#define LOGLINE_RECORD_MAX (LOGLINE_PREFIX + LOGLINE_CHUNK + 1)

/* One stream of one container. */
struct logline {
	const char *stream; /* "stdout" or "stderr" */
	char *pending; /* LOGLINE_CHUNK bytes */
	size_t len; /* used bytes of pending */
};

/* The buffer for records of all streams.  flush gets whole records only. */
struct logline_batch {
	char *data;
	size_t cap; /* at least LOGLINE_RECORD_MAX */
	size_t len;
	char stamp[LOGLINE_STAMP + 6]; /* timestamp of the next records, see logline_stamp */
	void (*flush)(struct logline_batch *b);
};

/* Set the timestamp of the next records. */
void logline_stamp(struct logline_batch *b, int64_t realtime_ns);

/* Add bytes of the stream, in portions of any size. */
void logline_feed(struct logline *l, struct logline_batch *b, const char *data, size_t size);

/* End the stream: pending bytes become a record P. */
void logline_end(struct logline *l, struct logline_batch *b);

/* Add a record of the shim itself.  text has no newline and identifies its origin. */
void logline_note(struct logline_batch *b, const char *text);

void logline_flush(struct logline_batch *b);
