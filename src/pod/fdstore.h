/*
 * fdstore.h - container descriptors that the daemon holds, so that a shim's death loses nothing.
 * A pidfd gives the exit status of an orphan.  The pty master or the write end of stdin keeps the
 * container from EOF or a hangup.  While there is no shim, the read ends of stdout and stderr keep
 * the data in the pipes.
 *
 * Each pod has one table of struct fdstore.  Loop thread only.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/id.h"
#include "base/map.h"
#include "shimproto/shimproto.h"

struct fdstore {
	char id[ID_LEN + 1]; /* of the container */
	/* -1: not held */
	int pidfd, pty, in, out, err;
};

/* After a status message: hold the descriptors of a live container, drop those of an ended one.
 * bundle: directory of the fifos.  pty: descriptor received with the message; -1 after: kept. */
void fdstore_update(struct map *holds, const struct shim_status *st, const char *bundle, int *pty);

/* Without a shim: hold pidfd and output of the container whose first process is pid.  want_stdin:
 * also open stdin unless held.  Never NULL; valid while in the table. */
struct fdstore *fdstore_rescue(struct map *holds, const char *id, pid_t pid, uint64_t start_ticks,
			       const char *bundle, bool want_stdin);
/* A new shim reads the output: close the read ends of stdout and stderr. */
void fdstore_release_output(struct map *holds, const char *id);

void fdstore_drop(struct map *holds, const char *id);
/* Free the table and close all its descriptors. */
void fdstore_free_all(struct map *holds);

/* Duplicate the pidfd; the caller closes it.  -1: none held, or out of descriptors. */
int fdstore_dup_pidfd(const struct map *holds, const char *id);
