/*
 * shimproto.h - the protocol between the daemon and a pod's crisp-shim.
 *
 * AF_UNIX SOCK_SEQPACKET: one packet is one frame, a header and a payload of fields in a fixed
 * order, in host byte order (both ends run on one node).  SCM_RIGHTS passes descriptors with a
 * frame.  The receiver checks every length, and refuses any frame that differs from this
 * description as a whole.
 *
 * The daemon sends requests.  The shim answers each with one SHIM_ANSWER of the same seq, on
 * completion and in any order, and reports changes with seq 0.
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
#define SHIM_NAME_MAX 1024 /* a container's name for journald, with its NUL */
#define SHIM_ARGS_MAX 32 /* extra arguments for a runtime */
#define SHIM_ARG_MAX 1024 /* one of them, bytes */
#define SHIM_FDS_MAX 4 /* descriptors with one frame */
#define SHIM_CONTAINERS_MAX 256 /* known to one shim at a time */
#define SHIM_SESSIONS_MAX 512 /* exec sessions without FORGET so far */

/* Names inside DIR, a pod's directory. */
#define SHIM_SOCKET_NAME "shim.sock"
#define SHIM_LOCK_NAME "shim.lock" /* flocked for the lifetime of the shim */
#define SHIM_PID_NAME "shim.pid" /* "pid start_ticks\n" */
#define SHIM_LOG_NAME "shim.log"
#define SHIM_INIT_NAME "init.pid" /* likewise for the pod's init, if it has one */

/* A cgroup below a container's in the freezer hierarchy.  Processes in it are frozen while the
 * runtime makes a process that they could trace. */
#define SHIM_HELD_NAME "crisp-held"

/* In the bundle of a container that is restored: its checkpoint, with CRIU's images in checkpoint/.
 * CRIU's log is written there. */
#define SHIM_RESTORE_NAME "restore"

/* Named pipes in the bundle of a container without terminal. */
#define SHIM_STDIN_NAME "stdin"
#define SHIM_STDOUT_NAME "stdout"
#define SHIM_STDERR_NAME "stderr"

enum shim_type {
	/* Requests, with the fields of struct shim_request that each uses. */
	SHIM_HELLO = 1, /* []: SHIM_CONTAINER and SHIM_EXEC_STATUS for all, then the answer, with
			 * the flags that the shim accepts in status.flags.  The pty master is sent
			 * with its container's status, here and with CREATE */
	SHIM_CREATE, /* [id runtime runtime_root bundle log_path log_max exit_path cgroup args
			   * flags timeout_ms name] status.pid and start_ticks of the created
			   * init */
	SHIM_START, /* [id timeout_ms] */
	SHIM_KILL, /* [id signal flags: SHIM_ALL] */
	SHIM_EXEC, /* [session id process_path flags timeout_ms cgroup args] fds: stdin with
		    * SHIM_STDIN, stdout, stderr; none with SHIM_TTY, where the answer carries the
		    * pty.  cgroup: to make for this exec, "": none; args: options of the runtime's
		    * exec that select the cgroup */
	SHIM_EXEC_KILL, /* [session cgroup] SIGKILL to it, its descendants and all in its cgroup; an
			 * unknown session: all in its cgroup */
	SHIM_REOPEN, /* [id] answered after the switch to the new log file */
	SHIM_RESIZE, /* [id width height] of a container with SHIM_TTY (the daemon holds an exec's
		      * pty: TIOCSWINSZ there) */
	SHIM_CLOSE_STDIN, /* [id] */
	SHIM_ATTACH, /* [id session flags] fds: stdin with SHIM_STDIN, stdout with SHIM_STDOUT,
		      * stderr with SHIM_STDERR; closed at the end of the streams */
	SHIM_STATUS, /* [id or session] */
	SHIM_FORGET, /* [id or session] drop the state and the exit record of an object that has
		      * ended; success too for an unknown one */
	SHIM_INIT, /* []: start the init of the pod's shared PID namespace unless it runs;
		    * status.pid and start_ticks are its.  fds: the pod's own user, network, IPC and
		    * UTS namespaces */
	SHIM_SHUTDOWN, /* []: answer and exit; running containers are orphaned */
	SHIM_ADOPT, /* [id runtime runtime_root bundle log_path log_max exit_path cgroup args flags
		     * state pid start_ticks started_ns] a container of an earlier shim.  state:
		     * CREATED, RUNNING, or STARTING: one of the two.  fds: its pidfd with
		     * SHIM_PIDFD (without: its process has exited), then with SHIM_STREAMS the pty
		     * master with SHIM_TTY, else stdout, stderr, and stdin with SHIM_STDIN */
	SHIM_REQUEST_END, /* one past the last request */

	/* Reports, each with a status. */
	SHIM_ANSWER = 64,
	SHIM_CONTAINER, /* part of HELLO, and after the close of its stdin */
	SHIM_EXEC_STATUS, /* part of HELLO */
	SHIM_EXITED, /* a container ended; its exit record is on disk, if that was possible */
	SHIM_EXEC_EXITED, /* also for the end of a successful ATTACH: exit_code 0, or -1: client
			   * disconnected since it did not read */
	SHIM_LOG_ERROR, /* a container's output is being lost; text: why; once per episode */
	SHIM_REPORT_END,
};

enum shim_flags {
	SHIM_TTY = 1 << 0,
	SHIM_STDIN = 1 << 1,
	SHIM_STDIN_ONCE = 1 << 2, /* close stdin when the first client with stdin leaves */
	SHIM_NO_NEW_KEYRING = 1 << 3,
	SHIM_NO_PIVOT = 1 << 4,
	SHIM_SYSTEMD_CGROUP = 1 << 5,
	SHIM_KILL_REST = 1 << 6, /* no own PID namespace: kill all processes at init's exit */
	SHIM_ALL = 1 << 7, /* KILL: all processes of the container's cgroup */
	SHIM_STDOUT = 1 << 8,
	SHIM_STDERR = 1 << 9,
	SHIM_PIDFD = 1 << 10,
	SHIM_STREAMS = 1 << 11,
	SHIM_NO_SYNC = 1 << 12, /* log rotation does not wait for fsync */
	SHIM_JOURNAL = 1 << 13, /* copy the output to journald */
	SHIM_TRACER = 1 << 14, /* not privileged, and may trace processes in its PID namespace:
			        * frozen while the runtime makes a process there */
	SHIM_RESTORE = 1 << 15, /* CREATE: run the runtime's restore with the images in the bundle's
			         * SHIM_RESTORE_NAME.  START then starts nothing */
	SHIM_FLAGS_MASK = (1 << 16) - 1,
	/* The daemon omits these in requests to a shim that does not accept them.  A shim lives as
	 * long as its pod, also through upgrades of the daemon. */
	SHIM_FLAGS_OPTIONAL = SHIM_TRACER,
};

/* The parser never sets a string to NULL ("": absent); the packer accepts NULL. */
struct shim_request {
	enum shim_type type;
	const char *id; /* container */
	const char *session; /* exec or attach */
	const char *runtime; /* program of the OCI runtime */
	const char *runtime_root; /* its --root */
	const char *bundle;
	const char *log_path; /* CRI log file, "": no log */
	const char *exit_path; /* exit record, see shimproto/exitrec.h; "": none */
	const char *cgroup; /* directory of cgroup.procs and memory.events or memory.oom_control;
			     * "": unknown */
	const char *process_path; /* process.json of an exec (OCI runtime spec, process) */
	const char *name; /* the container's name in journald */
	const char *args[SHIM_ARGS_MAX + 1]; /* for the runtime, before its command; NULL ends */
	uint32_t flags; /* enum shim_flags */
	uint32_t signal;
	uint32_t width, height;
	int64_t log_max; /* bytes after which the log starts anew, 0: no cap */
	int64_t timeout_ms; /* for the runtime, 0: 60 s */
	uint32_t state; /* enum shim_state */
	uint32_t pid; /* pid and start_ticks: as in struct shim_status */
	uint64_t start_ticks;
	int64_t started_ns; /* CLOCK_REALTIME, 0: not known */
};

enum shim_state {
	SHIM_CREATING = 1, /* the runtime's create runs: another CREATE joins it */
	SHIM_CREATED,
	SHIM_STARTING, /* another START joins it (sessions: the runtime's exec runs, EXEC joins) */
	SHIM_RUNNING,
	SHIM_ENDED,
};

struct shim_status {
	char id[SHIM_ID_MAX + 1];
	char session[SHIM_ID_MAX + 1]; /* "" if not about an exec */
	enum shim_state state; /* 0: the answer is about no object */
	uint32_t pid; /* of init, or of the exec'ed process; 0: none yet */
	uint64_t start_ticks; /* with the pid: its identity (/proc/PID/stat field 22) */
	int32_t exit_code; /* ENDED: 0..255, 128 + signal when killed.  A failed EXEC: 126 or 127 if
			    * the runtime reported it, else -1 */
	uint32_t signal; /* that killed the process, 0: none */
	uint32_t oom; /* 1: the kernel OOM-killed in its cgroup */
	int64_t created_ns, started_ns, exited_ns; /* CLOCK_REALTIME, 0: not yet */
	uint64_t log_lost; /* bytes of output lost */
	uint32_t shim_pid;
	uint32_t exit_unknown; /* 1: it ended, and exit_code is a placeholder */
	uint32_t flags; /* SHIM_TTY; SHIM_STDIN while its stdin is open */
};

/* A report frame.  err.code ERR_OK: success. */
struct shim_report {
	enum shim_type type;
	uint32_t seq;
	struct shim_status status;
	struct err err;
};

/* Write a frame of at most SHIM_FRAME_MAX bytes to out.  ERR_INVALID: the field too long. */
int shimproto_pack_request(const struct shim_request *req, uint32_t seq, void *out,
			   size_t *ret_size, struct err *e);
/* Parse a frame.  Strings of ret point into frame.  ERR_INVALID: not exactly a request.  *ret_seq
 * is set if the header was readable, else 0. */
int shimproto_parse_request(const void *frame, size_t size, struct shim_request *ret,
			    uint32_t *ret_seq, struct err *e);

int shimproto_pack_report(const struct shim_report *rep, void *out, size_t *ret_size,
			  struct err *e);
int shimproto_parse_report(const void *frame, size_t size, struct shim_report *ret, struct err *e);

/* Name for logs, "CREATE"; "?": unknown number. */
const char *shimproto_type_name(enum shim_type type);
const char *shimproto_state_name(enum shim_state state);

/* Is id 1 to SHIM_ID_MAX of [A-Za-z0-9_.-], with no dot or dash in front? */
bool shimproto_id_is_valid(const char *id);
