/*
 * life.c - the tables of moves and of replies for containers and exec sessions, and their lookup.
 */
#include "shim/life.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/util.h"

/* clang-format off */

static const enum shim_state shows[LIFE_STATES] = {
	[LIFE_STATE_CREATING]     = SHIM_CREATING,
	[LIFE_STATE_UNDOING]      = SHIM_CREATING,
	[LIFE_STATE_CREATED]      = SHIM_CREATED,
	[LIFE_STATE_STARTING]     = SHIM_STARTING,
	[LIFE_STATE_START_FAILED] = SHIM_CREATED,
	[LIFE_STATE_KILLED]       = SHIM_STARTING,
	[LIFE_STATE_RUNNING]      = SHIM_RUNNING,
	[LIFE_STATE_ENDED]        = SHIM_ENDED,
};

#define MOVE(in, on, to, record, tell) { LIFE_STATE_##in, LIFE_EVENT_##on, LIFE_STATE_##to, \
	LIFE_RECORD_##record, LIFE_TELL_##tell }

static const struct life_move container_moves[] = {
	/*   in            on              to            record     tell */
	MOVE(NONE,         CREATE,         CREATING,     ROOM,      NOBODY),
	MOVE(CREATING,     CREATED,        CREATED,      NOTHING,   PTY),
	MOVE(CREATING,     CREATE_REFUSED, NONE,         DROP,      FAILURE),
	MOVE(CREATING,     CREATE_FAILED,  UNDOING,      DROP,      NOBODY),
	MOVE(UNDOING,      UNDONE,         NONE,         NOTHING,   FAILURE),

	MOVE(CREATED,      START,          STARTING,     NOTHING,   NOBODY),
	MOVE(STARTING,     STARTED,        RUNNING,      NOTHING,   ANSWER),
	MOVE(STARTING,     START_FAILED,   START_FAILED, NOTHING,   FAILURE),
	MOVE(STARTING,     START_MISSED,   CREATED,      NOTHING,   FAILURE),

	/* During a start defer the exit: ctr.c sends EXITED again after it. */
	MOVE(STARTING,     EXITED,         STARTING,     NOTHING,   NOBODY),
	MOVE(CREATED,      EXITED,         ENDED,        END,       EXIT),
	MOVE(START_FAILED, EXITED,         ENDED,        UNSTARTED, EXIT),
	MOVE(RUNNING,      EXITED,         ENDED,        END,       EXIT),
	MOVE(ENDED,        FORGET,         NONE,         NOTHING,   NOBODY),

	MOVE(NONE,         ADOPT_CREATED,  CREATED,      NOTHING,   PTY),
	MOVE(NONE,         ADOPT_RUNNING,  RUNNING,      NOTHING,   PTY),
	MOVE(NONE,         ADOPT_ENDED,    ENDED,        NOTHING,   PTY),
	MOVE(NONE,         ADOPT_FAILED,   NONE,         NOTHING,   FAILURE),
	MOVE(NONE,         ADOPT_STARTING, STARTING,     NOTHING,   NOBODY),
	MOVE(STARTING,     FOUND_CREATED,  CREATED,      NOTHING,   PTY),
	MOVE(STARTING,     FOUND_RUNNING,  RUNNING,      NOTHING,   PTY),
};

static const struct life_move exec_moves[] = {
	/*   in            on              to            record     tell */
	MOVE(NONE,         START,          STARTING,     LEFT,      NOBODY),
	MOVE(STARTING,     STARTED,        RUNNING,      LEFT,      PTY),
	MOVE(STARTING,     START_FAILED,   ENDED,        DROP,      FAILURE),
	MOVE(STARTING,     KILL,           KILLED,       NOTHING,   NOBODY),
	MOVE(KILLED,       KILL,           KILLED,       NOTHING,   NOBODY),
	MOVE(KILLED,       STARTED,        RUNNING,      LEFT,      PTY),
	/* The client of EXEC_KILL waits for an exit. */
	MOVE(KILLED,       START_FAILED,   ENDED,        DROP,      BOTH),
	MOVE(RUNNING,      KILL,           RUNNING,      NOTHING,   NOBODY),
	MOVE(RUNNING,      EXITED,         ENDED,        DROP,      EXIT),
	MOVE(ENDED,        KILL,           ENDED,        NOTHING,   NOBODY),
	MOVE(ENDED,        FORGET,         NONE,         NOTHING,   NOBODY),
};

#define A(answer) LIFE_ANSWER_##answer
#define CTR(request, none, creating, undoing, created, starting, failed, running, ended) \
	[LIFE_CONTAINER][SHIM_##request] = { \
		[LIFE_STATE_NONE] = A(none), [LIFE_STATE_CREATING] = A(creating), \
		[LIFE_STATE_UNDOING] = A(undoing), [LIFE_STATE_CREATED] = A(created), \
		[LIFE_STATE_STARTING] = A(starting), [LIFE_STATE_START_FAILED] = A(failed), \
		[LIFE_STATE_RUNNING] = A(running), [LIFE_STATE_ENDED] = A(ended) }
#define EXEC(request, none, starting, killed, running, ended) \
	[LIFE_EXEC][SHIM_##request] = { \
		[LIFE_STATE_NONE] = A(none), [LIFE_STATE_STARTING] = A(starting), \
		[LIFE_STATE_KILLED] = A(killed), [LIFE_STATE_RUNNING] = A(running), \
		[LIFE_STATE_ENDED] = A(ended) }

/* EXEC checks its container first.  STATUS and FORGET with a session concern the session. */
static const uint8_t answers[LIFE_KINDS][SHIM_REQUEST_END][LIFE_STATES] = {
	/*                NONE      CREATING UNDOING  CREATED  STARTING ..FAILED RUNNING  ENDED */
	CTR(CREATE,       GO,       JOIN,    JOIN,    PTY,     NOT_NOW, PTY,     NOT_NOW, NOT_NOW),
	CTR(ADOPT,        GO,       NOT_NOW, NOT_NOW, PTY,     PTY,     PTY,     PTY,     PTY),
	CTR(START,        NOT_HERE, NOT_NOW, NOT_NOW, ONCE,    JOIN,    LATE,    SAME,    LATE),
	CTR(KILL,         NOT_HERE, NOT_NOW, NOT_NOW, GO,      GO,      GO,      GO,      GO),
	CTR(EXEC,         NOT_HERE, NOT_NOW, NOT_NOW, NOT_NOW, NOT_NOW, NOT_NOW, GO,      NOT_NOW),
	CTR(REOPEN,       NOT_HERE, NOT_NOW, NOT_NOW, GO,      GO,      GO,      GO,      GO),
	CTR(RESIZE,       NOT_HERE, NOT_NOW, NOT_NOW, GO,      GO,      GO,      GO,      NOT_NOW),
	CTR(CLOSE_STDIN,  NOT_HERE, NOT_NOW, NOT_NOW, GO,      GO,      GO,      GO,      GO),
	CTR(ATTACH,       NOT_HERE, NOT_NOW, NOT_NOW, GO,      GO,      GO,      GO,      NOT_NOW),
	CTR(STATUS,       UNKNOWN,  GO,      GO,      GO,      GO,      GO,      GO,      GO),
	CTR(FORGET,       SAME,     NOT_NOW, NOT_NOW, NOT_NOW, NOT_NOW, NOT_NOW, NOT_NOW, GO),
	/*                NONE      STARTING KILLED   RUNNING  ENDED */
	EXEC(EXEC,        GO,       JOIN,    JOIN,    SAME,    SAME),
	EXEC(EXEC_KILL,   NO_EXEC,  GO,      GO,      GO,      GO),
	EXEC(STATUS,      NO_EXEC,  GO,      GO,      GO,      GO),
	EXEC(FORGET,      SAME,     RUNS,    RUNS,    RUNS,    GO),
};

/* Arguments of each text: name, visible state, request. */
static const struct {
	enum err_code code;
	const char *text;
} refusals[LIFE_ANSWERS] = {
	[LIFE_ANSWER_LATE]     = { ERR_PRECONDITION, "container %s ended before it was started" },
	[LIFE_ANSWER_NOT_NOW]  = { ERR_PRECONDITION, "container %s is %s: %s is not possible" },
	[LIFE_ANSWER_NOT_HERE] = { ERR_NOT_FOUND, "container %s is not known here" },
	[LIFE_ANSWER_UNKNOWN]  = { ERR_NOT_FOUND, "container \"%s\" is not known" },
	[LIFE_ANSWER_NO_EXEC]  = { ERR_NOT_FOUND, "exec session \"%s\" is not known" },
	[LIFE_ANSWER_RUNS]     = { ERR_PRECONDITION, "exec session %s still runs" },
};
/* clang-format on */

/* --- requests --- */

bool life_is_about(const struct shim_request *req, enum life_kind kind)
{
	bool either = req->type == SHIM_STATUS || req->type == SHIM_FORGET;

	if (either && (kind == LIFE_EXEC) != (*req->session != '\0'))
		return false;
	return answers[kind][req->type][LIFE_STATE_NONE] != LIFE_ANSWER_NONE;
}

static int permit(const struct shim_request *req, enum life_kind kind, enum life_state state,
		  bool begun, struct err *e)
{
	enum life_answer a = (enum life_answer)answers[kind][req->type][state];

	switch (a) {
	case LIFE_ANSWER_GO:
		return 0;
	case LIFE_ANSWER_JOIN:
	case LIFE_ANSWER_SAME:
	case LIFE_ANSWER_PTY:
		return (int)a;
	case LIFE_ANSWER_ONCE:
		return begun ? LIFE_ANSWER_SAME : 0;
	case LIFE_ANSWER_LATE:
		if (begun)
			return LIFE_ANSWER_SAME;
		break;
	case LIFE_ANSWER_NOT_NOW:
	case LIFE_ANSWER_NOT_HERE:
	case LIFE_ANSWER_UNKNOWN:
	case LIFE_ANSWER_NO_EXEC:
	case LIFE_ANSWER_RUNS:
		break;
	case LIFE_ANSWER_NONE:
	case LIFE_ANSWERS:
		assert(false); /* such an object is never in this state */
	}
	return err_set(e, refusals[a].code, refusals[a].text,
		       kind == LIFE_EXEC ? req->session : req->id,
		       shimproto_state_name(shows[state]), shimproto_type_name(req->type));
}

int life_permit(const struct shim_request *req, enum life_state ctr, bool begun,
		enum life_state exec, struct err *e)
{
	int r = 0;

	if (life_is_about(req, LIFE_CONTAINER)) {
		if (!shimproto_id_is_valid(req->id))
			return err_set(e, ERR_INVALID, "id: not a valid container name");
		r = permit(req, LIFE_CONTAINER, ctr, begun, e);
	}
	if (r == 0 && life_is_about(req, LIFE_EXEC))
		r = permit(req, LIFE_EXEC, exec, false, e);
	return r;
}

/* --- moves --- */

static const struct {
	const struct life_move *moves;
	size_t n;
	const char *name;
} machines[LIFE_KINDS] = {
	[LIFE_CONTAINER] = { container_moves, ARRAY_LEN(container_moves), "container" },
	[LIFE_EXEC] = { exec_moves, ARRAY_LEN(exec_moves), "exec" },
};

const struct life_move *life_find(enum life_kind kind, enum life_state in, enum life_event on)
{
	for (size_t i = 0; i < machines[kind].n; i++) {
		const struct life_move *m = &machines[kind].moves[i];

		if (m->in == in && m->on == on)
			return m;
	}
	return NULL;
}

bool life_move(struct life *l, enum life_event ev)
{
	const struct life_move *m = life_find(l->kind, l->state, ev);
	const struct shim_status *st = l->status;
	int r;

	if (!m) {
		log_error("event marked never", "%s=%s state=%s event=%s", machines[l->kind].name,
			  l->kind == LIFE_EXEC ? st->session : st->id, life_state_name(l->state),
			  life_event_name(ev));
		return false;
	}
	r = m->record == LIFE_RECORD_NOTHING ? 0 : l->ops->record(l, m->record);
	l->state = m->to;
	if (st->state != shows[m->to]) {
		l->status->state = shows[m->to];
		if (l->kind == LIFE_CONTAINER && st->state)
			log_info("container", "ctr=%s state=%s pid=%u code=%d", st->id,
				 shimproto_state_name(st->state), st->pid, st->exit_code);
	}
	if (m->tell != LIFE_TELL_NOBODY)
		l->ops->tell(l, m->tell);
	return r == 0;
}

bool life_adopt_event(uint32_t state, enum life_event *ret)
{
	switch (state) {
	case SHIM_CREATED:
		*ret = LIFE_EVENT_ADOPT_CREATED;
		return true;
	case SHIM_STARTING:
		*ret = LIFE_EVENT_ADOPT_STARTING;
		return true;
	case SHIM_RUNNING:
		*ret = LIFE_EVENT_ADOPT_RUNNING;
		return true;
	}
	return false;
}

/* --- names --- */

#define STATE(name) [LIFE_STATE_##name] = #name
#define EVENT(name) [LIFE_EVENT_##name] = #name

const char *life_state_name(enum life_state state)
{
	static const char *const names[LIFE_STATES] = {
		STATE(NONE),	STATE(CREATING), STATE(UNDOING),
		STATE(CREATED), STATE(STARTING), STATE(START_FAILED),
		STATE(KILLED),	STATE(RUNNING),	 STATE(ENDED),
	};

	return names[state];
}

const char *life_event_name(enum life_event ev)
{
	static const char *const names[LIFE_EVENTS] = {
		EVENT(CREATE),	      EVENT(CREATED),	     EVENT(CREATE_REFUSED),
		EVENT(CREATE_FAILED), EVENT(UNDONE),	     EVENT(START),
		EVENT(STARTED),	      EVENT(START_FAILED),   EVENT(START_MISSED),
		EVENT(KILL),	      EVENT(EXITED),	     EVENT(FORGET),
		EVENT(ADOPT_CREATED), EVENT(ADOPT_STARTING), EVENT(ADOPT_RUNNING),
		EVENT(ADOPT_ENDED),   EVENT(ADOPT_FAILED),   EVENT(FOUND_CREATED),
		EVENT(FOUND_RUNNING),
	};

	return names[ev];
}

/* --- states --- */

enum life_state life_state_of(const struct life *l)
{
	return l ? l->state : LIFE_STATE_NONE;
}

enum shim_state life_shows(enum life_state state)
{
	return shows[state];
}

bool life_is_known(enum life_state state)
{
	return state != LIFE_STATE_NONE;
}

bool life_is_starting(enum life_state state)
{
	return shows[state] == SHIM_STARTING;
}

bool life_is_killed(enum life_state state)
{
	return state == LIFE_STATE_KILLED;
}

bool life_is_running(enum life_state state)
{
	return state == LIFE_STATE_RUNNING;
}

bool life_is_ended(enum life_state state)
{
	return state == LIFE_STATE_ENDED;
}
