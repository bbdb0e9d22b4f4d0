/*
 * trash.h - directories of removed containers and layers, and their removal in the background.
 *
 * A removal renames the directory into ROOT/containers/trash or ROOT/images/trash and is done.
 * Everything in there is garbage by definition: LANE_TRASH removes one entry after the other, also
 * those that a daemon before has left.  On the loop thread, except what says otherwise.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Before the loop runs: begin with what a daemon before has left.  Container directories without
 * a row and without a bundle, which a power cut brings back, are moved to the trash. */
void trash_start(void);
/* Something was put into the trash: empty it. */
void trash_kick(void);
void trash_stop(void);

/* An entry that cannot be removed. */
struct trash_stuck {
	char *path;
	char *why;
	uint32_t tries;
	int64_t since_ns, retry_ns; /* CLOCK_REALTIME */
};

struct trash_status {
	uint64_t entries; /* directories in the trash */
	uint64_t removed; /* files and directories removed since the daemon started */
	const char *entry; /* path under removal; NULL: none */
	int64_t begun_ns; /* since when; CLOCK_REALTIME */
	const struct trash_stuck *stuck;
	size_t n_stuck;
};
/* Valid until the loop goes on. */
struct trash_status trash_status(void);

/* Close fd on LANE_TRASH; from any thread. The last reference to a detached mount costs time: the
 * kernel lets go of every file name that it has cached of it. */
void trash_close(int fd);

/* Move the directory of a container into the trash; on a worker.  1: it stays and is to be removed
 * in place. */
int trash_put_container(const char *id, struct err *e);
