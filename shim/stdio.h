/*
 * stdio.h - the standard streams of a container: read, log, copy to attached clients.
 *
 * The shim holds the read ends as long as a process of the container holds a write end.  The
 * container never waits for the daemon, a client or the disk.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "shim/journal.h"
#include "shim/logfile.h"
#include "shim/logline.h"
#include "shim/poll.h"
#include "shim/spool.h"

struct stdio;

struct stdio_stream {
	struct watch in; /* fd -1: closed */
	struct stdio *io;
	struct logline line;
};

struct stdio {
	bool tty, stdin_once;
	struct stdio_stream out, err; /* tty: out is the pty, err is unused */
	struct watch stdin; /* fd -1: none or closed */
	struct list clients;
	/* Output is being lost, from now on. */
	void (*log_error)(struct stdio *io);
	/* The container's stdin is closed. */
	void (*stdin_closed)(struct stdio *io);
	struct spool spool;
	/* An attached client was disconnected.  slow: it did not read in time. */
	void (*client_left)(struct stdio *io, const char *session, bool slow);
	struct logfile log;
	struct journal journal;
	/* Last, and separate: pages that are seldom used. */
	char pending[2][LOGLINE_CHUNK];
};

/* All streams closed. */
void stdio_init(struct stdio *io);

/* The container's ends of the streams, for the runtime; closed by stdio_child_done. */
struct stdio_child {
	int in, out, err; /* -1: none */
};
#define STDIO_CHILD_NULL ((struct stdio_child){ .in = -1, .out = -1, .err = -1 })
void stdio_child_done(struct stdio_child *c);

/* Make named pipes in dir, the bundle (unless flags has SHIM_TTY), and open the log file.  Reading
 * begins with stdio_begin.  On error the caller calls stdio_close. */
int stdio_open(struct stdio *io, uint32_t flags, const char *dir, const char *log_path,
	       uint64_t log_max, struct stdio_child *ret, struct err *e);
/* Adopt the streams of a container of an earlier shim.  out: the pty with SHIM_TTY; -1: closed.
 * Owns the descriptors from now on.  A log that cannot be opened is no error: REOPEN opens it. */
int stdio_adopt(struct stdio *io, uint32_t flags, const char *dir, const char *log_path,
		uint64_t log_max, int in, int out, int err, struct err *e);
/* Use fd, the pty master that the runtime made, and own it. */
int stdio_set_pty(struct stdio *io, int fd, struct err *e);
/* Start reading. */
int stdio_begin(struct stdio *io, struct err *e);

/* Read the available bytes, at most the capacity of a pipe per stream. */
void stdio_drain(struct stdio *io);
/* Write pending bytes as records, disconnect the clients, close all descriptors. */
void stdio_close(struct stdio *io);

/* Replace a removed log file while output can still come. */
void stdio_heal(struct stdio *io);

/* Release the pages of the shared buffers, which hold no data between events. */
void stdio_rest(void);

int stdio_resize(struct stdio *io, uint32_t width, uint32_t height, struct err *e);
void stdio_close_stdin(struct stdio *io);

/* Copy output to a client.  in, out, err: its descriptors, -1: none; owned in any case.  A client
 * that does not read fast enough is disconnected. */
int stdio_attach(struct stdio *io, const char *session, int in, int out, int err, struct err *e);
