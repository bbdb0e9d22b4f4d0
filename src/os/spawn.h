/*
 * spawn.h - run other programs: only with posix_spawn, always with a deadline, and only named
 * descriptors are inherited.
 *
 * All functions block and belong on a worker, except spawn_start.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* The program to start.  argv[0] without a slash is looked up in PATH of envp. */
struct spawn {
	const char *const *argv; /* NULL-terminated */
	const char *const *envp; /* NULL: PATH only */
	int stdin_fd, stdout_fd, stderr_fd; /* -1: /dev/null */
	int pass_fd; /* becomes descriptor 3 of the child; -1: none */
	int cancel_fd; /* spawn_run_as: once it is readable, kill the child; -1: none */
	bool new_session; /* setsid */
};

#define SPAWN_NULL \
	((struct spawn){ .stdin_fd = -1, \
			 .stdout_fd = -1, \
			 .stderr_fd = -1, \
			 .pass_fd = -1, \
			 .cancel_fd = -1 })

/* A child; close the pidfd after the wait. */
struct spawn_child {
	pid_t pid;
	int pidfd;
};

#define SPAWN_CHILD_NULL ((struct spawn_child){ .pid = -1, .pidfd = -1 })

/* Path of a program, which the caller frees: name itself if it has a slash, else found in the
 * absolute entries of path (NULL: our PATH).  NULL: no such executable file. */
char *spawn_find_program(const char *name, const char *path);

/* Start without waiting.  <0 also if the program cannot be executed. */
int spawn_start(const struct spawn *s, struct spawn_child *ret, struct err *e);

/* Wait for the exit until timeout_ms (<0: for ever).  0: *ret_status is 0..255, or 128+signal.  1:
 * it runs. */
int spawn_wait(struct spawn_child *c, int64_t timeout_ms, int *ret_status, struct err *e);

/* Start, feed stdin, collect stdout (more than out_max bytes is an error) and the last
 * LIMIT_STDERR_TAIL bytes of stderr, wait.  After timeout_ms the child is killed: ERR_DEADLINE.  It
 * runs in its own session, and its process group is killed with it.  Output ends with the child: a
 * grandchild that holds the pipe open is not waited for.  A non-zero status is no error: its
 * meaning is the caller's. */
struct spawn_result {
	int status;
	struct buf out;
	struct buf err; /* tail, cleaned for an error text */
};
#define SPAWN_RESULT_NULL ((struct spawn_result){ .status = -1 })
void spawn_result_done(struct spawn_result *r);
int spawn_run(const char *const *argv, const char *const *envp, const void *in, size_t in_size,
	      size_t out_max, int64_t timeout_ms, struct spawn_result *ret, struct err *e);
/* spawn_run with the options of s, except its streams and its session.  ERR_ABORTED: cancelled. */
int spawn_run_as(const struct spawn *s, const void *in, size_t in_size, size_t out_max,
		 int64_t timeout_ms, struct spawn_result *ret, struct err *e);
