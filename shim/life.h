/*
 * life.h - the life of a container in its shim, and of an exec session: which requests a state
 * permits, where an event leads, what is written to disk and who is told at that move.
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

/* The daemon is shown an enum shim_state: several of these have the same one. */
enum life_state {
	LIFE_STATE_NONE, /* not known to the shim, or just allocated */
	LIFE_STATE_CREATING,
	LIFE_STATE_UNDOING, /* the create failed, the runtime's delete runs */
	LIFE_STATE_CREATED,
	LIFE_STATE_STARTING,
	LIFE_STATE_START_FAILED, /* init was sent SIGKILL, its end is awaited */
	LIFE_STATE_KILLED, /* exec: EXEC_KILL came while the runtime was at work */
	LIFE_STATE_RUNNING,
	LIFE_STATE_ENDED,
	LIFE_STATES,
};

enum life_event {
	LIFE_EVENT_CREATE,
	LIFE_EVENT_CREATED, /* the runtime has left an init, which is adopted */
	LIFE_EVENT_CREATE_REFUSED, /* before the runtime ran */
	LIFE_EVENT_CREATE_FAILED,
	LIFE_EVENT_UNDONE,
	LIFE_EVENT_START,
	LIFE_EVENT_STARTED,
	LIFE_EVENT_START_FAILED,
	LIFE_EVENT_START_MISSED, /* the start failed: init had ended by itself */
	LIFE_EVENT_KILL, /* exec: EXEC_KILL */
	LIFE_EVENT_EXITED,
	LIFE_EVENT_FORGET,
	/* A container that another shim had. */
	LIFE_EVENT_ADOPT_CREATED,
	LIFE_EVENT_ADOPT_STARTING, /* not known whether it runs: the runtime is asked */
	LIFE_EVENT_ADOPT_RUNNING,
	LIFE_EVENT_ADOPT_ENDED,
	LIFE_EVENT_ADOPT_FAILED,
	LIFE_EVENT_FOUND_CREATED, /* the runtime's answer */
	LIFE_EVENT_FOUND_RUNNING,
	LIFE_EVENTS,
};

/* What is written before the move. */
enum life_record {
	LIFE_RECORD_NOTHING,
	LIFE_RECORD_ROOM, /* reserve the exit record's room */
	LIFE_RECORD_END, /* the exit record, with the exit code of init */
	LIFE_RECORD_UNSTARTED, /* the exit record, with the exit code of a failed start */
	LIFE_RECORD_LEFT, /* exec: the file by which another shim finds the session */
	LIFE_RECORD_DROP, /* remove the record or the file, and the room */
};

/* Who is told after the move. */
enum life_tell {
	LIFE_TELL_NOBODY,
	LIFE_TELL_ANSWER, /* the waiter: success */
	LIFE_TELL_PTY, /* the same with the pty, if there is a terminal */
	LIFE_TELL_FAILURE, /* the waiter: why it failed */
	LIFE_TELL_EXIT, /* the daemon: EXITED or EXEC_EXITED */
	LIFE_TELL_BOTH, /* FAILURE, then EXIT */
};

/* What a state makes of a request. */
enum life_answer {
	LIFE_ANSWER_NONE, /* the request is not about such an object */
	LIFE_ANSWER_GO,
	LIFE_ANSWER_ONCE, /* SAME if the container was ever started, else GO */
	LIFE_ANSWER_JOIN, /* share the answer of the request that is being handled */
	LIFE_ANSWER_SAME, /* already so: answer with the status */
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
	/* <0: failed, and the object has kept why. */
	int (*record)(struct life *l, enum life_record what);
	void (*tell)(struct life *l, enum life_tell whom);
};

/* Part of the object that lives. */
struct life {
	enum life_kind kind;
	enum life_state state;
	struct shim_status *status; /* of the object: its state follows */
	const struct life_ops *ops;
};

/* Make the move of the table: record, state, tell, in this order.
 * false: the record failed, and the state has moved; or the table has no such move, which is
 * logged, and nothing has happened. */
bool life_move(struct life *l, enum life_event ev);

/* LIFE_STATE_NONE for NULL. */
enum life_state life_state_of(const struct life *l);

/* --- pure --- */

/* May the request be handled?  ctr, exec: the states of the objects that it names; begun: the
 * container was started.  0: yes.  >0: LIFE_ANSWER_JOIN, _SAME or _PTY.  <0: e is the answer. */
int life_permit(const struct shim_request *req, enum life_state ctr, bool begun,
		enum life_state exec, struct err *e);
/* Does life_permit ask the object of this kind?  EXEC: both. */
bool life_is_about(const struct shim_request *req, enum life_kind kind);

/* NULL: the table has no such move. */
const struct life_move *life_find(enum life_kind kind, enum life_state in, enum life_event on);
/* The event of an ADOPT with that state.  false: such a container is not adopted. */
bool life_adopt_event(uint32_t state, enum life_event *ret);

/* What the daemon is shown. */
enum shim_state life_shows(enum life_state state);
/* Of the pod's init, and of an attached client that has left: neither has a life here. */
#define LIFE_SHOWS_INIT SHIM_RUNNING
#define LIFE_SHOWS_CLIENT_LEFT SHIM_ENDED

bool life_is_known(enum life_state state);
bool life_is_starting(enum life_state state);
bool life_is_killed(enum life_state state);
bool life_is_running(enum life_state state);
bool life_is_ended(enum life_state state);
