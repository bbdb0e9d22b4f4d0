/*
 * logline.h - a container's output cut into CRI log records, as the kubelet reads them:
 *
 *	2006-01-02T15:04:05.999999999Z stdout F a whole line
 *
 * A line longer than LOGLINE_CHUNK is several records tagged P, the last one F.  What came
 * without a newline waits in `pending` for the rest of its line, and becomes a record F at the
 * end of the stream.  Pure: no system call, no allocation; records are handed out whole.
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
	size_t len; /* of it in use */
};

/* Where records are collected, shared by all streams.  flush gets whole records only. */
struct logline_batch {
	char *data;
	size_t cap; /* at least LOGLINE_RECORD_MAX */
	size_t len;
	char stamp[LOGLINE_STAMP + 6]; /* of the records to come; see logline_stamp */
	void (*flush)(struct logline_batch *b);
};

/* Set the time for the records that follow. */
void logline_stamp(struct logline_batch *b, int64_t realtime_ns);

/* Bytes of the stream, in any portions. */
void logline_feed(struct logline *l, struct logline_batch *b, const char *data, size_t size);

/* The stream has ended: what is pending becomes a record. */
void logline_end(struct logline *l, struct logline_batch *b);

/* A record of our own, to be told from output by its text.  text has no newline. */
void logline_note(struct logline_batch *b, const char *text);

/* Flush what is collected. */
void logline_flush(struct logline_batch *b);
