/*
 * reserve.h - blocks for the growth of a database's file, allocated in advance.
 *
 * LMDB never changes a page in place: a commit that only deletes needs free pages too.  The reserve
 * is beyond the end of the file, on disk and on tmpfs alike.  New objects are accepted while it is
 * complete; existing objects may use it up, so a full file system never stops a removal.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reserve {
	int fd; /* of the data file, not owned */
	size_t size; /* bytes to keep after the last page in use */
	uint64_t limit; /* maximum size of the file, bytes */
	uint64_t allocated; /* bytes from the start of the file */
	bool complete;
};

/* used: bytes of the file up to its last page in use. */
void reserve_open(struct reserve *r, int fd, size_t size, uint64_t limit, uint64_t used);
/* Call after each commit.  Allocates the reserve again after growth of the file. */
void reserve_keep(struct reserve *r, uint64_t used);

/* Allocate the blocks of LMDB's lock file below dir.  LMDB writes it through a mapping: a hole
 * would raise SIGBUS on a full file system.  0 or an errno. */
int reserve_lock_file(const char *dir);
