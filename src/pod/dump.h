/*
 * dump.h - the blocking part of CheckpointContainer: processes by the OCI runtime with CRIU,
 * changed files, and the archive of both.  Workers only.
 *
 * The archive has the names of CRI-O's: checkpoint/ (CRIU's images), config.dump, spec.dump,
 * bind.mounts, dump.log, stats-dump, rootfs-diff.tar, deleted.files, io.kubernetes.cri-o.LogPath.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "gen/state.pb-c.h"

struct dump_request {
	const char *id;
	const Crisp__State__Container *row; /* with checkpoint_location and checkpoint_until_ns */
	const Crisp__State__Sandbox *pod;
	int cancel_fd; /* readable: end early */
};

/* Write the archive to row's location, replacing a file there.  The processes stand still from the
 * dump to the end of rootfs-diff.tar, and run on afterwards.  <0: e is set, nothing is left at the
 * location (ERR_INVALID, ERR_DENIED: bad location; ERR_PRECONDITION: CRIU, runtime or kernel cannot
 * do it; ERR_DEADLINE; ERR_ABORTED: cancelled).  *ret_stuck: a failure after which they may still
 * stand still, until dump_end. */
int dump_make(const struct dump_request *in, bool *ret_stuck, struct err *e);

/* End what a killed daemon has left of a dump: wait for its programs or kill them, let the
 * container run, remove all unfinished files.  Idempotent.  *ret_stuck: as above; else a failure
 * left files alone. */
int dump_end(const char *id, const Crisp__State__Container *row, bool *ret_stuck, struct err *e);
