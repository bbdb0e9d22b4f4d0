/*
 * crisp_log.h - reading a container's log file, in the CRI's format, across growth and rotation.
 * A record is "TIME STREAM P|F TEXT\n"; P: the stream's next record continues the line.
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
	struct buf pending; /* the beginning of an incomplete record */
};

#define LOG_READER_NULL ((struct log_reader){ .fd = -1, .pending = BUF_NULL })

/* Begin at the last `records` records, -1: at the first one.  A missing file is no error:
 * log_reader_pump opens it later. */
int log_reader_start(struct log_reader *r, const char *path, int64_t records, struct err *e);

/* Print all records up to the current end, across a rotation. */
int log_reader_pump(struct log_reader *r, struct err *e);

void log_reader_done(struct log_reader *r);

/* Print one record, without its newline, to its stream; print malformed records unchanged. */
void log_record_print(const struct log_reader *r, const char *record, size_t size);
