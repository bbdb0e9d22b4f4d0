/*
 * exitrec.h - the exit record: how and when a container ended, on disk before anyone is told.
 *
 * A small text file, replaced as a whole: a version line, one "name value" line a field, and a
 * checksum line.  The shim writes it, the daemon reads it when the shim cannot be asked.  Room for
 * it is taken when the container is created, so that a full disk does not lose an exit code.
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

/* Text of the record into out, NUL-terminated; returns its length. */
int exitrec_format(const struct exitrec *r, char out[EXITREC_MAX]);
/* Strict: every field once, in order, checksum right; ERR_DATA_LOSS otherwise. */
int exitrec_parse(const char *text, size_t size, struct exitrec *ret, struct err *e);

/* Reserve room for the record of path (in path.room).  The directory must exist. */
int exitrec_prepare(const char *path, struct err *e);
/* Write, fsync, rename, fsync the directory.  Uses the room that was prepared. */
int exitrec_write(const char *path, const struct exitrec *r, struct err *e);
/* 1: there is none.  ERR_DATA_LOSS: unreadable, the exit code is not known. */
int exitrec_read(const char *path, struct exitrec *ret, struct err *e);
/* Remove the record and the room; missing ones are fine. */
int exitrec_remove(const char *path, struct err *e);
