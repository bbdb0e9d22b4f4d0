/*
 * reserve.h - blocks that a database's file grows into, allocated before they are needed.
 *
 * LMDB never changes a page in place: a commit that only deletes needs free pages too.  Those are
 * behind the file's end, on disk and on tmpfs alike.  While they are complete, new objects are
 * accepted; objects that exist may use them up, so a full file system never stops a removal.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reserve {
	int fd; /* of the data file, not owned */
	size_t size; /* bytes to keep behind the last page in use */
	uint64_t limit; /* bytes that the file may have */
	uint64_t allocated; /* bytes from the start of the file */
	bool complete;
};

/* used: bytes of the file up to its last page in use. */
void reserve_open(struct reserve *r, int fd, size_t size, uint64_t limit, uint64_t used);
/* After each commit.  Allocates what the file has grown into since. */
void reserve_keep(struct reserve *r, uint64_t used);

/* Allocate the blocks of LMDB's lock file below dir, which is written through a mapping: a hole in
 * it would be a SIGBUS on a full file system.  0 or an errno. */
int reserve_lock_file(const char *dir);
