/*
 * job.h - one run of the OCI runtime: started, limited in time, its last words kept.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/list.h"
#include "shim/poll.h"

struct reaped;

#define JOB_TAIL 1024
#define JOB_TIMEOUT_MS 60000 /* when the daemon names none */

struct shim_job {
	struct list node;
	bool running;
	pid_t pid;
	bool timed_out;
	struct timer deadline;
	struct watch err; /* what it says on stderr, -1: that is someone else's */
	bool own_err; /* close err.fd at the end */
	size_t tail_len;
	char tail[JOB_TAIL];
	/* status: of the runtime, 128 + signal when killed.  May free the job. */
	void (*done)(struct shim_job *j, int status);
};

/* Descriptors of the runtime, and through it of what it starts; -1: /dev/null. */
struct job_stdio {
	int in, out, err;
	int err_read; /* other end of err, read for the error text; -1: err must be -1 too for a
		       * pipe of the job's own, or nothing is read */
};

/* argv[0] is looked up in PATH.  On success done is called later, exactly once. */
int job_start(struct shim_job *j, const char *const *argv, const struct job_stdio *io,
	      int64_t timeout_ms, void (*done)(struct shim_job *, int), struct err *e);

/* Is any under way? */
bool job_any(void);
bool job_exited(const struct reaped *r);

/* Fill e with why the runtime failed: from the log at log_path, else its stderr, else its
 * status.  what: "create", the runtime's command. */
int job_error(const struct shim_job *j, int status, const char *what, const char *log_path,
	      struct err *e);
