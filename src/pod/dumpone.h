/*
 * dumpone.h - writes one frozen container into a directory: processes by the OCI runtime with CRIU,
 * and the changed files.  Workers only.
 */
#pragma once

#include <jansson.h>

#include "gen/state.pb-c.h"
#include "pod/dumprun.h"

#define DUMP_OPTIONS_MAX 8

struct dump_one {
	const struct dump_run *run;
	const char *id;
	const Crisp__State__Container *row;
	const char *dir; /* exists */
	const char *work; /* likewise: of CRIU's dump.log and stats-dump */
	const json_t *spec; /* config.json */
	const char *options[DUMP_OPTIONS_MAX + 1]; /* of the runtime's checkpoint; NULL ends */
};

/* Write checkpoint/ to dir, dump.log and stats-dump to work.  ERR_PRECONDITION: CRIU, runtime or
 * kernel cannot; ERR_EXHAUSTED; ERR_DEADLINE, ERR_ABORTED. */
int dumpone_processes(const struct dump_one *d, struct err *e);

/* Append the last three errors of CRIU's log at path to ret. */
void dumpone_last_errors(const char *path, struct buf *ret);

/* Write rootfs-diff.tar and deleted.files, where there is something to write. */
int dumpone_files(const struct dump_one *d, struct err *e);
