/*
 * logfile.h - the CRI log file of a container.
 *
 * Invariants: the file ends at the end of a record.  Each byte of output is written once or counted
 * as lost.  A gap record follows as soon as writing works again.  No error stops the reads of
 * output.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct logfile {
	int fd; /* -1: no log */
	uint64_t max; /* start the file anew after these bytes; 0: never */
	uint64_t size;
	uint64_t ino; /* inode of the open file */
	uint64_t gap; /* lost bytes without a gap record so far */
	uint64_t lost; /* lost bytes, total */
	int error; /* errno of the current failure, 0: none */
	bool torn; /* the last record is incomplete and truncation failed */
	bool no_sync; /* do not fsync a rotated file */
	char path[PATH_MAX]; /* last: seldom used in full */
};

/* path "": drop the output, count no loss.  The directory must exist.  ERR_INVALID: path is not a
 * regular file. */
int logfile_open(struct logfile *f, const char *path, uint64_t max, struct err *e);
void logfile_close(struct logfile *f);

/* Append whole records.  true: this write is the first to fail, report the failure. */
bool logfile_write(struct logfile *f, const char *records, size_t size);

/* Truncate the file to size bytes if its inode is ino: a killed shim may have written more. */
void logfile_cut(struct logfile *f, uint64_t ino, uint64_t size);

/* Open the path again and fsync the old file (unless no_sync).  On error the old file stays. */
int logfile_reopen(struct logfile *f, struct err *e);

/* If the file was removed, alone or with its directory, switch to a new one if it can be made. */
void logfile_heal(struct logfile *f);

/* Try to write the gap record now: after the end of a container no other write follows. */
void logfile_settle(struct logfile *f);
