/*
 * logfile.h - the file a container's log records go to.
 *
 * What must hold: the file always ends at a record's end; a byte of output is written once or
 * counted as lost; a gap is told in the log itself as soon as writing works again; no error
 * stops the container, which goes on being read.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct logfile {
	int fd; /* -1: no log is wanted */
	uint64_t max; /* bytes after which it starts anew, 0: never */
	uint64_t size;
	uint64_t ino; /* of the open file */
	uint64_t gap; /* bytes of output lost and not yet told in the log */
	uint64_t lost; /* all of them */
	int error; /* errno of the current trouble, 0: none */
	bool torn; /* the file's last record is cut and could not be cut off */
	bool no_sync; /* a file that is put away need not be on disk */
	char path[PATH_MAX]; /* last: little of it is used */
};

/* path "": output is dropped, which is no loss.  The directory must exist.  ERR_INVALID when the
 * path is something else than a file. */
int logfile_open(struct logfile *f, const char *path, uint64_t max, struct err *e);
void logfile_close(struct logfile *f);

/* Whole records.  true: trouble starts with this write, someone should be told. */
bool logfile_write(struct logfile *f, const char *records, size_t size);

/* Cut what a writer before this one was not sure of: the file to size bytes, if it is file ino. */
void logfile_cut(struct logfile *f, uint64_t ino, uint64_t size);

/* Open the path anew, sync the old file (unless no_sync).  On error the old file stays in use. */
int logfile_reopen(struct logfile *f, struct err *e);

/* The file was removed, with its directory or alone: when the path can be made again, use that. */
void logfile_heal(struct logfile *f);

/* Try to tell about a gap now: at the end of a container nothing else would. */
void logfile_settle(struct logfile *f);
