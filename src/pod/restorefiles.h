/*
 * restorefiles.h - the files of a container that is made from a checkpoint.  Workers only.
 *
 * The source is an archive, or a directory or an image's layer with the archive's members (files of
 * dumpfiles.h, checkpoint/, rootfs-diff.tar, deleted.files).  The source is only read: members are
 * copied to the directory restore/ of the container, changed files to the writable layer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "gen/state.pb-c.h"

/* Of config.dump. */
struct restore_origin {
	char *image_id; /* hex; "": none */
	char *image_name;
	int64_t checkpointed_ns; /* CLOCK_REALTIME, 0: unknown */
	bool holds_connections; /* their packets are dropped, see restorefiles_let_go */
};

#define RESTORE_ORIGIN_NULL ((struct restore_origin){ .image_id = NULL })
void restore_origin_done(struct restore_origin *o);

/* Copy or unpack row's restore_source.  Files of a pod's checkpoint must have its checksums;
 * packets of their connections are dropped from now on.  Idempotent: removes an earlier try.
 * ERR_INVALID: damaged or hostile; ERR_DENIED: somebody else than root may change the archive;
 * ERR_PRECONDITION: a member is missing; ERR_EXHAUSTED: no space; ERR_DEADLINE. */
int restorefiles_unpack(const char *id, const Crisp__State__Container *row,
			struct restore_origin *ret, struct err *e);

/* After the bundle is made: check the checkpoint against its config.json, put the log of the
 * checkpoint in front of the new one, write CRIU's options.  has_command: the request has command
 * or args.  ERR_PRECONDITION, ERR_DENIED: the text names what differs. */
int restorefiles_prepare(const char *id, const Crisp__State__Container *row, bool has_command,
			 struct err *e);

/* The last errors of CRIU's restore; false: none.  Appended to e's text. */
void restorefiles_explain(const char *id, struct err *e);

/* Drop no packets any more: the sockets are there, or will never be. */
int restorefiles_let_go(const char *id, const Crisp__State__Container *row, struct err *e);

/* Remove restore/: the container runs. */
int restorefiles_remove(const char *id, struct err *e);
