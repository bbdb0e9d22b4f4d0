/*
 * trash.h - directories of removed containers and layers, and their removal in the background.
 *
 * A removal ends with the rename of the directory into ROOT/containers/trash or ROOT/images/trash.
 * All entries there are garbage, those of an earlier daemon included: LANE_TRASH removes one entry
 * after the other.  Loop thread only, unless noted.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Before the loop runs: start to empty the trash.  First move container directories without row
 * and bundle there, which a power cut brings back. */
void trash_start(void);
/* Start to empty the trash after a new entry. */
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
	int64_t begun_ns; /* start of its removal; CLOCK_REALTIME */
	const struct trash_stuck *stuck;
	size_t n_stuck;
};
/* The pointers are valid in this turn of the loop. */
struct trash_status trash_status(void);

/* Close fd on LANE_TRASH; from any thread.  Closing the last reference to a detached mount is slow:
 * the kernel drops all its dentries. */
void trash_close(int fd);

/* On a worker: move a container's directory into the trash.  0: done.  1: the directory stays,
 * remove it in place.  <0: e is set. */
int trash_put_container(const char *id, struct err *e);
