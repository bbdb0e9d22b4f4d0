/*
 * shimproto.h - what the daemon and a pod's crisp-shim say to each other.
 *
 * AF_UNIX SOCK_SEQPACKET: one packet is one frame, a header and a payload of fields in a fixed
 * order, in the machine's own byte order (both ends run on one node).  Descriptors travel beside
 * a frame (SCM_RIGHTS).  Every length is checked by whoever reads; a frame that is not exactly
 * as described here is refused as a whole.
 *
 * The daemon sends requests; the shim answers each with one SHIM_ANSWER of the same seq, when
 * it is done and not necessarily in order, and reports changes with seq 0.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SHIM_MAGIC 0x4d485343U /* "CSHM" */
#define SHIM_VERSION 1
#define SHIM_FRAME_MAX (64 * 1024) /* header and payload, bytes */
#define SHIM_ID_MAX 128 /* a container's or a session's name, bytes */
#define SHIM_PATH_MAX 4096 /* with its NUL */
#define SHIM_NAME_MAX 1024 /* how a container is called, with its NUL */
#define SHIM_ARGS_MAX 32 /* extra arguments of a runtime */
#define SHIM_ARG_MAX 1024 /* one of them, bytes */
#define SHIM_FDS_MAX 4 /* descriptors beside one frame */
#define SHIM_CONTAINERS_MAX 256 /* known to one shim at a time */
#define SHIM_SESSIONS_MAX 512 /* execs not forgotten yet */

/* Names inside DIR, a pod's directory. */
#define SHIM_SOCKET_NAME "shim.sock"
#define SHIM_LOCK_NAME "shim.lock" /* flocked for as long as the shim lives */
#define SHIM_PID_NAME "shim.pid" /* "pid start_ticks\n" */
#define SHIM_LOG_NAME "shim.log"
#define SHIM_INIT_NAME "init.pid" /* the same of the pod's init, when there is one */

/* A cgroup below a container's in the hierarchy that freezes: processes that stand still while the
 * runtime makes a process which they could trace. */
#define SHIM_HELD_NAME "crisp-held"

/* Named pipes inside a container's bundle, unless it has a terminal. */
#define SHIM_STDIN_NAME "stdin"
#define SHIM_STDOUT_NAME "stdout"
#define SHIM_STDERR_NAME "stderr"

enum shim_type {
	/* Requests.  In brackets: the fields of struct shim_request they use. */
	SHIM_HELLO = 1, /* []: SHIM_CONTAINER and SHIM_EXEC_STATUS for all, then answer, with
			   * the flags that the shim accepts in status.flags.  A pty master travels
			   * beside its container's status, here and with CREATE */
	SHIM_CREATE, /* [id runtime runtime_root bundle log_path log_max exit_path cgroup args
			   * flags timeout_ms name] status.pid and start_ticks of the created
			   * init */
	SHIM_START, /* [id timeout_ms] */
	SHIM_KILL, /* [id signal flags: SHIM_ALL] */
	SHIM_EXEC, /* [session id process_path flags timeout_ms cgroup args] fds: stdin
			   * with SHIM_STDIN, stdout, stderr; none with SHIM_TTY, where the answer
			   * carries the pty.  cgroup: to be made for it alone, "": none; args:
			   * the options of the runtime's exec that put it there */
	SHIM_EXEC_KILL, /* [session cgroup] SIGKILL to it, its descendants and all in its cgroup;
			   * to the latter even if the session is not known */
	SHIM_REOPEN, /* [id] answered when the new log file is in use */
	SHIM_RESIZE, /* [id width height] of a container with SHIM_TTY (an exec's pty is the
			   * daemon's own: TIOCSWINSZ there) */
	SHIM_CLOSE_STDIN, /* [id] */
	SHIM_ATTACH, /* [id session flags] fds: stdin with SHIM_STDIN, stdout with SHIM_STDOUT,
			   * stderr with SHIM_STDERR; they are closed when the streams end */
	SHIM_STATUS, /* [id or session] */
	SHIM_FORGET, /* [id or session] of something that has ended (or was never started and
			   * is deleted by the daemon): nothing is kept */
	SHIM_INIT, /* []: status.pid and start_ticks of the init of the pod's shared PID
			   * namespace, started unless it runs.  fds: the pod's network, IPC and
			   * UTS namespaces, those that it has of its own */
	SHIM_SHUTDOWN, /* []: answers and ends; containers that run lose their parent */
	SHIM_ADOPT, /* [id runtime runtime_root bundle log_path log_max exit_path cgroup args
			   * flags state pid start_ticks started_ns] a container that a shim before
			   * this one had.  state: CREATED, RUNNING or, not known which, STARTING.
			   * fds: its pidfd with SHIM_PIDFD (without: its process is gone), then
			   * with SHIM_STREAMS the pty master with SHIM_TTY, else stdout, stderr,
			   * and stdin with SHIM_STDIN */
	SHIM_REQUEST_END, /* one past the last request */

	/* Reports, each with a status. */
	SHIM_ANSWER = 64,
	SHIM_CONTAINER, /* part of HELLO, and when its stdin was closed */
	SHIM_EXEC_STATUS, /* part of HELLO */
	SHIM_EXITED, /* a container ended; its exit record is on disk when it could be */
	SHIM_EXEC_EXITED, /* also of an ATTACH that was answered well: exit_code is 0, or -1 when
			   * the client did not read and was let go */
	SHIM_LOG_ERROR, /* output of a container is being lost, text says why; once per episode */
	SHIM_REPORT_END,
};

enum shim_flags {
	SHIM_TTY = 1 << 0,
	SHIM_STDIN = 1 << 1,
	SHIM_STDIN_ONCE = 1 << 2, /* stdin ends with the first attached client */
	SHIM_NO_NEW_KEYRING = 1 << 3,
	SHIM_NO_PIVOT = 1 << 4,
	SHIM_SYSTEMD_CGROUP = 1 << 5,
	SHIM_KILL_REST = 1 << 6, /* no own PID namespace: init's end is everyone's end */
	SHIM_ALL = 1 << 7, /* KILL: every process of the container's cgroup */
	SHIM_STDOUT = 1 << 8,
	SHIM_STDERR = 1 << 9,
	SHIM_PIDFD = 1 << 10,
	SHIM_STREAMS = 1 << 11,
	SHIM_NO_SYNC = 1 << 12, /* rotation of the log does not wait for the disk */
	SHIM_JOURNAL = 1 << 13, /* a copy of the output for journald */
	SHIM_TRACER = 1 << 14, /* not privileged, and may trace what is in its PID
					* namespace: it stands still while the runtime makes a
					* process there */
	SHIM_FLAGS_MASK = (1 << 15) - 1,
	/* The daemon leaves these out of requests to a shim that does not accept them: shims live
	 * as long as their pods, through upgrades of the daemon. */
	SHIM_FLAGS_OPTIONAL = SHIM_TRACER,
};

/* Strings are never NULL on the reading side ("" when absent) and may be NULL on the writing. */
struct shim_request {
	enum shim_type type;
	const char *id; /* container */
	const char *session; /* exec or attach */
	const char *runtime; /* program of the OCI runtime */
	const char *runtime_root; /* its --root */
	const char *bundle;
	const char *log_path; /* CRI log file, "": no log */
	const char *exit_path; /* exit record, see shimproto/exitrec.h; "": none */
	const char *cgroup; /* directory with memory.oom_control or memory.events and
				   * cgroup.procs, "": unknown */
	const char *process_path; /* process.json of an exec */
	const char *name; /* how the container is called in journald */
	const char *args[SHIM_ARGS_MAX + 1]; /* for the runtime, before its command; NULL ends */
	uint32_t flags; /* enum shim_flags */
	uint32_t signal;
	uint32_t width, height;
	int64_t log_max; /* bytes after which the log starts anew, 0: no cap */
	int64_t timeout_ms; /* for the runtime, 0: 60 s */
	uint32_t state; /* enum shim_state */
	uint32_t pid; /* with its start time, as in struct shim_status */
	uint64_t start_ticks;
	int64_t started_ns; /* CLOCK_REALTIME, 0: not known */
};

enum shim_state {
	SHIM_CREATING = 1, /* the runtime's create is under way: CREATE again joins it */
	SHIM_CREATED,
	SHIM_STARTING, /* START again joins it (sessions: the runtime's exec, EXEC joins) */
	SHIM_RUNNING,
	SHIM_ENDED,
};

struct shim_status {
	char id[SHIM_ID_MAX + 1];
	char session[SHIM_ID_MAX + 1]; /* "" unless about an exec */
	enum shim_state state; /* 0 when the answer is about no object */
	uint32_t pid; /* of init, or of the exec'ed process; 0: none yet */
	uint64_t start_ticks; /* with the pid: its identity (/proc/PID/stat field 22) */
	int32_t exit_code; /* ENDED: 0..255, 128 + signal when killed.  An EXEC that failed:
				  * 126 or 127 where the runtime said so, else -1 */
	uint32_t signal; /* that killed it, 0: none */
	uint32_t oom; /* 1: the kernel killed for memory in its cgroup */
	int64_t created_ns, started_ns, exited_ns; /* CLOCK_REALTIME, 0: not yet */
	uint64_t log_lost; /* bytes of output that could not be written */
	uint32_t shim_pid;
	uint32_t exit_unknown; /* 1: it ended, exit_code is no fact */
	uint32_t flags; /* SHIM_TTY; SHIM_STDIN while its stdin is open */
};

/* What a report frame says.  err.code is ERR_OK for success. */
struct shim_report {
	enum shim_type type;
	uint32_t seq;
	struct shim_status status;
	struct err err;
};

/* Write a frame of at most SHIM_FRAME_MAX bytes to out.  ERR_INVALID names the field that is
 * too long. */
int shimproto_pack_request(const struct shim_request *req, uint32_t seq, void *out,
			   size_t *ret_size, struct err *e);
/* Strings of ret point into frame.  ERR_INVALID for anything that is not exactly a request;
 * *ret_seq is set whenever the header could be read, else 0. */
int shimproto_parse_request(const void *frame, size_t size, struct shim_request *ret,
			    uint32_t *ret_seq, struct err *e);

int shimproto_pack_report(const struct shim_report *rep, void *out, size_t *ret_size,
			  struct err *e);
int shimproto_parse_report(const void *frame, size_t size, struct shim_report *ret, struct err *e);

/* "CREATE", for logs; "?" for a number that is none. */
const char *shimproto_type_name(enum shim_type type);
const char *shimproto_state_name(enum shim_state state);

/* 1 to SHIM_ID_MAX of [A-Za-z0-9_.-], not starting with a dot or dash. */
bool shimproto_id_is_valid(const char *id);
