/*
 * poddump.h - the blocking part of CheckpointPod: freezes the containers, writes them one after
 * the other, lets them run.  Workers only.
 *
 * The checkpoint is the directory `pod` in the client's, see podfile.h.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "gen/state.pb-c.h"

struct poddump_member {
	char *id;
	Crisp__State__Container *row;
};

struct poddump_request {
	const char *id;
	const Crisp__State__Sandbox *row; /* with checkpoint_path and what belongs to it */
	const struct poddump_member *members;
	size_t n_members;
	int cancel_fd; /* readable: end early */
};

/* Write the checkpoint.  No process of a member runs from before the first is written until the
 * last is.  <0: e is set, the client's directory is empty again (codes as dump_make; ERR_INVALID:
 * bad path).  *ret_stuck: a failure after which some may still stand still, until poddump_end. */
int poddump_make(const struct poddump_request *in, bool *ret_stuck, struct err *e);

/* End what a killed daemon has left: its programs, frozen members, unfinished files.  Idempotent.
 * *ret_stuck: as above; else a failure left files alone. */
int poddump_end(const struct poddump_request *in, bool *ret_stuck, struct err *e);
