/*
 * life.h - the state machines of a container and of an exec session in the shim: permitted
 * requests, moves, and the record and the reply of each move.
 *
 * The tables of life.c are the program: no other file of the shim assigns or compares a state.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "shimproto/shimproto.h"

enum life_kind {
	LIFE_CONTAINER,
	LIFE_EXEC,
	LIFE_KINDS,
};

/* The daemon sees an enum shim_state, which may stand for several of these. */
enum life_state {
	LIFE_STATE_NONE, /* not known to the shim, or just allocated */
	LIFE_STATE_CREATING,
	LIFE_STATE_UNDOING, /* the create failed, the runtime's delete runs */
	LIFE_STATE_CREATED,
	LIFE_STATE_STARTING,
	LIFE_STATE_START_FAILED, /* init got SIGKILL and has not exited yet */
	LIFE_STATE_KILLED, /* exec: EXEC_KILL arrived while the runtime ran */
	LIFE_STATE_RUNNING,
	LIFE_STATE_ENDED,
	LIFE_STATES,
};

enum life_event {
	LIFE_EVENT_CREATE,
	LIFE_EVENT_CREATED, /* the runtime exited, and its init is adopted */
	LIFE_EVENT_CREATE_REFUSED, /* before the runtime ran */
	LIFE_EVENT_CREATE_FAILED,
	LIFE_EVENT_UNDONE,
	LIFE_EVENT_START,
	LIFE_EVENT_STARTED,
	LIFE_EVENT_START_FAILED,
	LIFE_EVENT_START_MISSED, /* the start failed since init had exited by itself */
	LIFE_EVENT_KILL, /* exec: EXEC_KILL */
	LIFE_EVENT_EXITED,
	LIFE_EVENT_FORGET,
	/* A container of an earlier shim. */
	LIFE_EVENT_ADOPT_CREATED,
	LIFE_EVENT_ADOPT_STARTING, /* created or running: ask the runtime */
	LIFE_EVENT_ADOPT_RUNNING,
	LIFE_EVENT_ADOPT_ENDED,
	LIFE_EVENT_ADOPT_FAILED,
	LIFE_EVENT_FOUND_CREATED, /* reply of the runtime */
	LIFE_EVENT_FOUND_RUNNING,
	LIFE_EVENTS,
};

/* Write before the move. */
enum life_record {
	LIFE_RECORD_NOTHING,
	LIFE_RECORD_ROOM, /* reserve space for the exit record */
	LIFE_RECORD_END, /* the exit record, with the exit code of init */
	LIFE_RECORD_UNSTARTED, /* the exit record, with the exit code of a failed start */
	LIFE_RECORD_LEFT, /* exec: the file with which the next shim finds the session */
	LIFE_RECORD_DROP, /* remove the record or the file, and the reserved space */
};

/* Report after the move. */
enum life_tell {
	LIFE_TELL_NOBODY,
	LIFE_TELL_ANSWER, /* to the waiter: success */
	LIFE_TELL_PTY, /* the same with the pty, if there is a terminal */
	LIFE_TELL_FAILURE, /* to the waiter: the error */
	LIFE_TELL_EXIT, /* to the daemon: EXITED or EXEC_EXITED */
	LIFE_TELL_BOTH, /* FAILURE, then EXIT */
};

/* The reply of a state to a request. */
enum life_answer {
	LIFE_ANSWER_NONE, /* the request does not concern this kind of object */
	LIFE_ANSWER_GO,
	LIFE_ANSWER_ONCE, /* SAME if the container was ever started, else GO */
	LIFE_ANSWER_JOIN, /* share the reply of the request in progress */
	LIFE_ANSWER_SAME, /* already done: reply with the status */
	LIFE_ANSWER_PTY, /* the same with the pty, if there is a terminal */
	/* Refusals. */
	LIFE_ANSWER_LATE, /* SAME if the container was ever started */
	LIFE_ANSWER_NOT_NOW,
	LIFE_ANSWER_NOT_HERE,
	LIFE_ANSWER_UNKNOWN,
	LIFE_ANSWER_NO_EXEC,
	LIFE_ANSWER_RUNS,
	LIFE_ANSWERS,
};

struct life_move {
	enum life_state in;
	enum life_event on;
	enum life_state to;
	enum life_record record;
	enum life_tell tell;
};

struct life;
struct life_ops {
	/* <0: failed, and the object keeps the error. */
	int (*record)(struct life *l, enum life_record what);
	void (*tell)(struct life *l, enum life_tell whom);
};

/* Part of the object with this life. */
struct life {
	enum life_kind kind;
	enum life_state state;
	struct shim_status *status; /* of the object; life_move sets its state */
	const struct life_ops *ops;
};

/* Make the move of the table: record, state, tell, in this order.  false: the record failed and the
 * state has moved; or the table has no such move, which is logged and changes nothing. */
bool life_move(struct life *l, enum life_event ev);

/* For logs, "RUNNING". */
const char *life_state_name(enum life_state state);
const char *life_event_name(enum life_event ev);

/* LIFE_STATE_NONE for NULL. */
enum life_state life_state_of(const struct life *l);

/* --- pure --- */

/* May the request proceed?  ctr, exec: states of the objects in the request; begun: the container
 * was started.  0: yes.  >0: LIFE_ANSWER_JOIN, _SAME or _PTY.  <0: e is the reply. */
int life_permit(const struct shim_request *req, enum life_state ctr, bool begun,
		enum life_state exec, struct err *e);
/* Does life_permit check the state of this kind of object?  True for both kinds with EXEC. */
bool life_is_about(const struct shim_request *req, enum life_kind kind);

/* NULL: the table has no such move. */
const struct life_move *life_find(enum life_kind kind, enum life_state in, enum life_event on);
/* Map the state in an ADOPT to its event.  false: no adoption of such a container. */
bool life_adopt_event(uint32_t state, enum life_event *ret);

/* Map to the state that the daemon sees. */
enum shim_state life_shows(enum life_state state);
/* For the pod's init, and for an attached client that has left: neither has a struct life. */
#define LIFE_SHOWS_INIT SHIM_RUNNING
#define LIFE_SHOWS_CLIENT_LEFT SHIM_ENDED

bool life_is_known(enum life_state state);
bool life_is_starting(enum life_state state);
bool life_is_killed(enum life_state state);
bool life_is_running(enum life_state state);
bool life_is_ended(enum life_state state);
