/*
 * crisp_log.h - reading a container's log file, in the CRI's format, while it grows and rotates.
 *
 * A record is "TIME STREAM P|F TEXT\n"; P says that the line goes on in the stream's next record.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct log_reader {
	const char *path;
	int fd;
	ino_t ino;
	bool times; /* print each record's time too */
	FILE *out, *err;
	struct buf pending; /* the beginning of a record that is not complete yet */
};

#define LOG_READER_NULL ((struct log_reader){ .fd = -1, .pending = BUF_NULL })

/* Begin at the last `records` records, -1: at the first one.  A file that is not there yet is
 * fine: log_reader_pump will find it. */
int log_reader_start(struct log_reader *r, const char *path, int64_t records, struct err *e);

/* Print what is there, across a rotation, and return at the end. */
int log_reader_pump(struct log_reader *r, struct err *e);

void log_reader_done(struct log_reader *r);

/* One record without its newline to the stream it belongs to; what is none goes out as it is. */
void log_record_print(const struct log_reader *r, const char *record, size_t size);
