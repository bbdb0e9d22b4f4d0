/*
 * stdio.h - a container's standard streams: read, logged, shown to attached clients.
 *
 * The shim holds the reading ends for as long as anyone in the container holds a writing end;
 * the container never waits for the daemon, a client or the disk.
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
	/* Output starts to get lost. */
	void (*log_error)(struct stdio *io);
	/* Nothing can be typed any more. */
	void (*stdin_closed)(struct stdio *io);
	struct spool stage;
	/* An attached client is let go: slow when it has not read what was there for it. */
	void (*client_left)(struct stdio *io, const char *session, bool slow);
	struct logfile log;
	struct journal journal;
	/* Last, and apart from the rest: pages that are seldom touched. */
	char pending[2][LOGLINE_CHUNK];
};

/* Of zeroed memory: nothing is open. */
void stdio_init(struct stdio *io);

/* The container's ends, for the runtime; closed by stdio_child_done. */
struct stdio_child {
	int in, out, err; /* -1: none */
};
#define STDIO_CHILD_NULL ((struct stdio_child){ .in = -1, .out = -1, .err = -1 })
void stdio_child_done(struct stdio_child *c);

/* Named pipes in dir, the bundle (unless flags has SHIM_TTY), and the log file.  Nothing is read
 * yet.  On error the caller calls stdio_close. */
int stdio_open(struct stdio *io, uint32_t flags, const char *dir, const char *log_path,
	       uint64_t log_max, struct stdio_child *ret, struct err *e);
/* The same streams again, of a container that another shim had: out is the pty with SHIM_TTY; -1
 * for what is closed.  Takes the descriptors over.  A log that cannot be opened is no error here: a
 * reopen is what opens it. */
int stdio_adopt(struct stdio *io, uint32_t flags, const char *dir, const char *log_path,
		uint64_t log_max, int in, int out, int err, struct err *e);
/* The pty master that the runtime made; takes the descriptor over. */
int stdio_set_pty(struct stdio *io, int fd, struct err *e);
/* Start to read. */
int stdio_begin(struct stdio *io, struct err *e);

/* Read what is there now, at most a pipe's content a stream. */
void stdio_drain(struct stdio *io);
/* What is pending becomes records; clients are let go; everything is closed. */
void stdio_close(struct stdio *io);

/* Look after a log file that was removed while there is output to come. */
void stdio_heal(struct stdio *io);

/* Give back what output of all containers has taken; nothing is kept there. */
void stdio_rest(void);

int stdio_resize(struct stdio *io, uint32_t width, uint32_t height, struct err *e);
void stdio_close_stdin(struct stdio *io);

/* Descriptors of a client, -1 for what it does not want; taken over in any case.  A client that
 * does not read fast enough is let go. */
int stdio_attach(struct stdio *io, const char *session, int in, int out, int err, struct err *e);
