/*
 * fdstore.h - what the daemon itself holds of containers' processes and streams, so that the death
 * of a shim is no loss: a pidfd, which tells how the process ended when its parent is gone; a
 * terminal's master or the writing end of stdin, whose last close the container would see; and,
 * while there is no shim, the reading ends of its output, so that what is in the pipes stays
 * there.
 *
 * A table of holds belongs to a pod.  All on the loop thread.
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

/* What the shim says of a container: a living one is held, one that ended no more.  bundle: its
 * directory.  pty: the descriptor beside the message, set to -1 when it is kept. */
void fdstore_update(struct map *holds, const struct shim_status *st, const char *bundle, int *pty);

/* There is no shim: hold whatever there is to be held of the container whose first process is pid.
 * want_stdin: open it anew if it is not held.  Never NULL; lives as long as it is in the table. */
struct fdstore *fdstore_rescue(struct map *holds, const char *id, pid_t pid, uint64_t start_ticks,
			       const char *bundle, bool want_stdin);
/* Another shim reads the output. */
void fdstore_release_output(struct map *holds, const char *id);

void fdstore_drop(struct map *holds, const char *id);
/* Free the table and close everything. */
void fdstore_free_all(struct map *holds);

/* A duplicate of the pidfd, -1: none is held. */
int fdstore_dup_pidfd(const struct map *holds, const char *id);
