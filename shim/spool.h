/*
 * spool.h - what was taken from a container's output and is not in its log yet, where the death of
 * the shim does not reach it: files on tmpfs in the bundle.
 *
 * A byte goes from the pipe into the stage within one system call, so it is in one of them whenever
 * we are killed; how far the stage is in the log, and how long the log was then, is one store into
 * shared memory.  A shim that comes after this one cuts the log back to that length and does the
 * rest again: each byte is in the log once.
 *
 * Little is spliced into a file, whose size tells how much came.  Much is read into shared memory,
 * of which no page is made and dropped for each piece: its size is told before, and whether it
 * came, by a mark that it overwrites.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "shim/logfile.h"

#define STAGE_STREAMS 2 /* stdout, stderr */
#define SPOOL_BULK (128 * 1024)

struct spool_state;

struct spool {
	struct spool_state *state; /* shared memory, NULL: there is no stage */
	int fd[STAGE_STREAMS]; /* -1: none */
	off_t end[STAGE_STREAMS]; /* bytes the file holds, those that are done with included */
	int bulk_fd; /* -1: none */
	char *bulk; /* its SPOOL_BULK bytes, NULL: not needed at present */
	struct list node; /* of those with memory */
};

/* Of zeroed memory: nothing is staged. */
void spool_init(struct spool *st);
/* Make the files in dir.  Without them output is read all the same, only less safely: no error. */
void spool_open(struct spool *st, const char *dir);
/* Find those of the shim before this one, and cut log back to where it was sure of it. */
void spool_adopt(struct spool *st, const char *dir, struct logfile *log);
void spool_close(struct spool *st);

/* Take bytes of stream i from its pipe, as read(2).  *ret: where they are, which may be buf, until
 * the next call. */
ssize_t spool_take(struct spool *st, int i, int pipe_fd, char *buf, size_t size, char **ret);
/* Bytes of stream i that the shim before this one had taken, from *at on, which starts at 0 and is
 * moved.  0: no more. */
size_t spool_left(const struct spool *st, int i, off_t *at, char *buf, size_t size);

/* What comes next is written to log. */
void spool_begin(struct spool *st, const struct logfile *log);
/* All that was taken of stream i is in log, but for its last `pending` bytes. */
void spool_done(struct spool *st, int i, size_t pending, const struct logfile *log);

/* Between two reads: give the memory back that all stages have. */
void spool_rest(void);
