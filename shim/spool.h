/*
 * spool.h - output of a container that was read and is not in its log yet: files on tmpfs in the
 * bundle, which survive the death of the shim.
 *
 * One system call moves bytes from the pipe into the spool: a killed shim leaves each byte in one
 * of the two.  One store into shared memory commits the logged part of the spool and the size
 * of the log.  The next shim truncates the log to that size and logs the rest: each byte once.
 *
 * Small amounts are spliced into a file, whose size is the amount.  Large ones are read into shared
 * memory, which saves making and dropping a page for each piece.  Before the read the shim stores
 * its size and a mark at its end; the read overwrites the mark.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "shim/logfile.h"

#define SPOOL_STREAMS 2 /* stdout, stderr */
#define SPOOL_BULK (128 * 1024)

struct spool_state;

struct spool {
	struct spool_state *state; /* shared memory; NULL: no spool */
	int fd[SPOOL_STREAMS]; /* -1: none */
	off_t end[SPOOL_STREAMS]; /* size of the file, the logged part included */
	int bulk_fd; /* -1: none */
	char *bulk; /* SPOOL_BULK mapped bytes of it; NULL: not mapped */
	struct list node; /* in the list of spools with mapped memory */
};

/* An empty spool without files. */
void spool_init(struct spool *st);
/* Make the files in dir.  On failure output is read without a spool: no error. */
void spool_open(struct spool *st, const char *dir);
/* Open the files of the earlier shim, and truncate log to its committed size. */
void spool_adopt(struct spool *st, const char *dir, struct logfile *log);
void spool_close(struct spool *st);

/* Read bytes of stream i from its pipe, as read(2).  *ret: their address, in the spool or in buf,
 * valid until the next call. */
ssize_t spool_take(struct spool *st, int i, int pipe_fd, char *buf, size_t size, char **ret);
/* Copy bytes of stream i that an earlier shim had read and not logged.  *at: offset, 0 at first,
 * moved on.  Returns the number of bytes; 0: no more. */
size_t spool_left(const struct spool *st, int i, off_t *at, char *buf, size_t size);

/* Call before the next bytes are written to log. */
void spool_begin(struct spool *st, const struct logfile *log);
/* All bytes read from stream i are in log, except the last `pending` ones. */
void spool_done(struct spool *st, int i, size_t pending, const struct logfile *log);

/* Release the mapped memory of all spools.  Call between two reads. */
void spool_rest(void);
