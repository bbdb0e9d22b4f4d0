/*
 * exitrec.h - the exit record: a container's exit status and time, on disk before any report of it.
 *
 * A small text file, replaced as a whole: a version line, one "name value" line per field, and a
 * checksum line.  The shim writes it; the daemon reads it when no shim answers.  The create
 * reserves its space, so that a full disk loses no exit code.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define EXITREC_MAX 512 /* bytes of a whole record */

struct exitrec {
	int code; /* 0..255, 128 + signal when killed */
	int signal; /* 0: it exited by itself */
	bool oom;
	int64_t started_ns; /* CLOCK_REALTIME, 0: was never started */
	int64_t exited_ns; /* CLOCK_REALTIME */
	int64_t pid;
	uint64_t start_ticks;
	char boot_id[37];
};

/* Format the record into out, NUL-terminated.  Returns its length. */
int exitrec_format(const struct exitrec *r, char out[EXITREC_MAX]);
/* Parse strictly: every field once, in order, with a valid checksum; else ERR_DATA_LOSS. */
int exitrec_parse(const char *text, size_t size, struct exitrec *ret, struct err *e);

/* Reserve space for the record of path, in path.room.  The directory must exist. */
int exitrec_prepare(const char *path, struct err *e);
/* Write, fsync, rename, fsync the directory.  Uses the reserved space. */
int exitrec_write(const char *path, const struct exitrec *r, struct err *e);
/* 1: no record.  ERR_DATA_LOSS: unreadable, the exit code is unknown. */
int exitrec_read(const char *path, struct exitrec *ret, struct err *e);
/* Remove the record and the reserved space; missing files are no error. */
int exitrec_remove(const char *path, struct err *e);
