/*
 * dumpfiles.h - the files of a checkpoint that describe the container.  Workers only.
 */
#pragma once

#include <jansson.h>
#include <sys/types.h>

#include "base/err.h"
#include "gen/state.pb-c.h"

#define DUMPFILES_LOG "io.kubernetes.cri-o.LogPath" /* the file's name in the archive */
#define DUMPFILES_STDIO "stdio.dump" /* object: stdin, stdout, stderr; CRIU's keys of each */

/* The container's config.json; freed by the caller.  NULL: e is set. */
json_t *dumpfiles_spec(const char *id, struct err *e);

/* Write config.dump, spec.dump and bind.mounts to dir; spec: dumpfiles_spec. */
int dumpfiles_write(const char *dir, const char *id, const Crisp__State__Container *row,
		    const Crisp__State__Sandbox *pod, json_t *spec, struct err *e);

/* Copy at most size bytes from one file to an empty one; holes stay.  0, or -1 with errno. */
int dumpfiles_copy(int from, int to, off_t size);
/* A log as far as it was written at the mark, while the container stood still. */
struct dump_log {
	int fd; /* -1: there is none, it may have been rotated away */
	off_t size;
};

struct dump_log dumpfiles_log_mark(const char *log_path);
/* Copy what was marked to dir as name, and close it. */
int dumpfiles_log_copy(struct dump_log *log, const char *dir, const char *name, struct err *e);

/* Write value to dir/name. */
int dumpfiles_put(const char *dir, const char *name, const json_t *value, struct err *e);
