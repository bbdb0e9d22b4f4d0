/*
 * job.h - one run of the OCI runtime with a timeout; keeps the end of its stderr.
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
#define JOB_TIMEOUT_MS 60000 /* when the request has no timeout */

struct shim_job {
	struct list node;
	bool running;
	pid_t pid;
	bool timed_out;
	struct timer deadline;
	struct watch err; /* the read end of its stderr; -1: not read by the job */
	bool own_err; /* the job made the pipe and closes err.fd */
	size_t tail_len;
	char tail[JOB_TAIL];
	/* Called once.  status: exit code, 128 + signal when killed.  May free the job. */
	void (*done)(struct shim_job *j, int status);
};

/* stdin, stdout, stderr of the runtime, which its children inherit; -1: /dev/null. */
struct job_stdio {
	int in, out, err;
	int err_read; /* the read end of err, for the error text; -1: not read.  With err -1 the job
		       * makes a pipe. */
};

/* Start argv; argv[0] is looked up in PATH.  timeout_ms <= 0: JOB_TIMEOUT_MS.  On success done is
 * called later, exactly once. */
int job_start(struct shim_job *j, const char *const *argv, const struct job_stdio *io,
	      int64_t timeout_ms, void (*done)(struct shim_job *, int), struct err *e);

/* Is any job running? */
bool job_any(void);
bool job_exited(const struct reaped *r);

/* Fill e with the cause of a failed run: from the log at log_path, else from its stderr, else from
 * its status.  what: the runtime's command, "create". */
int job_error(const struct shim_job *j, int status, const char *what, const char *log_path,
	      struct err *e);
