/*
 * dumprun.h - the programs of one checkpoint: they hold its lock, end at its limit of time, and die
 * when it is cancelled.  Workers only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "os/spawn.h"

struct dump_run {
	int lock; /* -1: not taken */
	int cancel_fd; /* readable: end early; -1: never */
	int64_t until_ns; /* CLOCK_MONOTONIC */
};

#define DUMP_RUN_NULL ((struct dump_run){ .lock = -1, .cancel_fd = -1 })

/* Take the lock file at path.  Programs of an earlier daemon's checkpoint hold it: wait for them,
 * then kill them.  ERR_UNAVAILABLE: they cannot be killed. */
int dumprun_lock(struct dump_run *d, const char *path, struct err *e);
void dumprun_done(struct dump_run *d);

bool dumprun_is_cancelled(const struct dump_run *d);

/* May a checkpoint be written into this directory of the client's?  field: of the request.
 * ERR_INVALID: no directory, or the daemon's own; ERR_DENIED: others than root may change it. */
int dumprun_check_directory(const char *path, const char *field, struct err *e);

/* Is criu in the daemon's PATH?  ERR_PRECONDITION: no. */
int dumprun_check_criu(struct err *e);

/* Run argv with in (may be NULL) as its input.  0: it exited, ret is set and the caller's.
 * ERR_DEADLINE, ERR_ABORTED: it was killed. */
int dumprun_program(const struct dump_run *d, const char *const *argv, const struct buf *in,
		    struct spawn_result *ret, struct err *e);
/* Likewise tar, which must succeed.  ERR_EXHAUSTED: no space. */
int dumprun_tar(const struct dump_run *d, const char *const *argv, const struct buf *in,
		struct err *e);

/* Unpack archive into dir with `crisp-pull unpack`, which is confined.  deleted NULL: the members
 * of a container's checkpoint; else a tree, and a list of files to hide or "".  Errors are those
 * of the program. */
int dumprun_unpack(const struct dump_run *d, const char *archive, const char *dir,
		   const char *deleted, struct err *e);

/* ERR_EXHAUSTED if text tells of a full disk, else other. */
enum err_code dumprun_code_of(const char *text, enum err_code other);
