/*
 * request.c - see request.h.  The two tables are the program: which request a container's state
 * permits, and who handles it.
 */
#include "shim/request.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/util.h"
#include "shim/ctr.h"
#include "shim/exe.h"
#include "shim/exectree.h"
#include "shim/podinit.h"
#include "shim/poll.h"
#include "shim/reap.h"
#include "shim/takeover.h"

struct call {
	const struct shim_request *req;
	int *fds;
	struct waiter *w;
	struct ctr *ctr; /* NULL: none of that name */
};

#define ST(state) (1U << (state))
#define ST_NONE ST(0)
#define ST_LIVING (ST(SHIM_CREATED) | ST(SHIM_STARTING) | ST(SHIM_RUNNING))
#define ST_ANY (ST(SHIM_CREATING) | ST_LIVING | ST(SHIM_ENDED))

/* --- handlers; each sees to the answer --- */

static void hello(struct call *c)
{
	const struct shim_status st = { .flags = SHIM_FLAGS_MASK };

	for (struct ctr *x = ctr_next(NULL); x; x = ctr_next(x))
		control_report_container(&x->status, ctr_pty(x));
	for (struct exe *s = exe_next(NULL); s; s = exe_next(s))
		control_report(SHIM_EXEC_STATUS, &s->status, NULL);
	control_answer(c->w, &st, -1, NULL);
}

static void create(struct call *c)
{
	ctr_create(c->req, c->w);
}

static void adopt(struct call *c)
{
	takeover_container(c->req, c->fds, c->w);
}

static void start(struct call *c)
{
	ctr_start(c->ctr, c->req, c->w);
}

static void kill_container(struct call *c)
{
	ctr_kill(c->ctr, c->req, c->w);
}

static void exec(struct call *c)
{
	exe_exec(c->ctr, c->req, c->fds, c->w);
}

static void exec_kill(struct call *c)
{
	struct exe *s = exe_find(c->req->session);
	struct err e = ERR_NULL;
	struct shim_status st;

	if (!s) {
		/* It may have been that of a shim before this one. */
		if (*c->req->cgroup && fs_path_is_clean(c->req->cgroup))
			exectree_kill(c->req->cgroup);
		err_set(&e, ERR_NOT_FOUND, "exec session \"%s\" is not known", c->req->session);
		control_answer(c->w, NULL, -1, &e);
		return;
	}
	st = s->status;
	exe_kill(s); /* may forget it */
	control_answer(c->w, &st, -1, NULL);
}

/* The answer of something that is done at once. */
static void answer(struct call *c, int r, const struct err *e)
{
	control_answer(c->w, &c->ctr->status, -1, r < 0 ? e : NULL);
}

static void reopen(struct call *c)
{
	struct err e = ERR_NULL;

	answer(c, logfile_reopen(&c->ctr->io.log, &e), &e);
}

static void resize(struct call *c)
{
	struct err e = ERR_NULL;

	answer(c, stdio_resize(&c->ctr->io, c->req->width, c->req->height, &e), &e);
}

static void close_stdin(struct call *c)
{
	struct err e = ERR_NULL;
	int r = 0;

	if (c->ctr->io.tty)
		r = err_set(&e, ERR_PRECONDITION, "the stdin of a terminal cannot be closed");
	else
		stdio_close_stdin(&c->ctr->io);
	answer(c, r, &e);
}

static void attach(struct call *c)
{
	static const uint32_t flags[] = { SHIM_STDIN, SHIM_STDOUT, SHIM_STDERR };
	int fds[] = { -1, -1, -1 }, n = 0;
	struct err e = ERR_NULL;
	int want = 0, have = 0;

	while (have < SHIM_FDS_MAX && c->fds[have] >= 0)
		have++;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		want += (c->req->flags & flags[i]) != 0;
	if (want == 0 || have != want) {
		answer(c,
		       err_set(&e, ERR_INVALID, "attach: %d descriptors came, %d are needed", have,
			       MAX(want, 1)),
		       &e);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (!(c->req->flags & flags[i]))
			continue;
		fds[i] = c->fds[n];
		c->fds[n++] = -1; /* taken over, whatever comes */
	}
	answer(c, stdio_attach(&c->ctr->io, c->req->session, fds[0], fds[1], fds[2], &e), &e);
}

static void status(struct call *c)
{
	struct exe *s = exe_find(c->req->session);
	struct err e = ERR_NULL;

	if (s || c->ctr) {
		if (!s)
			c->ctr->status.log_lost = c->ctr->io.log.lost;
		control_answer(c->w, s ? &s->status : &c->ctr->status, -1, NULL);
		return;
	}
	err_set(&e, ERR_NOT_FOUND, "%s \"%s\" is not known",
		*c->req->session ? "exec session" : "container",
		*c->req->session ? c->req->session : c->req->id);
	control_answer(c->w, NULL, -1, &e);
}

static void forget(struct call *c)
{
	struct exe *s = exe_find(c->req->session);
	struct err e = ERR_NULL;
	int r = 0;

	if (s && s->status.state != SHIM_ENDED)
		r = err_set(&e, ERR_PRECONDITION, "exec session %s still runs", c->req->session);
	else if (s)
		exe_forget(s);
	else if (c->ctr && !*c->req->session)
		ctr_forget(c->ctr);
	control_answer(c->w, NULL, -1, r < 0 ? &e : NULL);
}

static void init(struct call *c)
{
	struct shim_status st = { .state = SHIM_RUNNING };
	struct err e = ERR_NULL;

	if (podinit_start(c->fds, &st.pid, &st.start_ticks, &e) < 0)
		control_answer(c->w, NULL, -1, &e);
	else
		control_answer(c->w, &st, -1, NULL);
}

static void shutdown_shim(struct call *c)
{
	log_info("ends", "reason=asked");
	control_answer(c->w, NULL, -1, NULL);
	podinit_stop();
	poll_stop();
}

/* --- tables --- */

static const struct {
	void (*fn)(struct call *c);
	unsigned states; /* of the container that id names; 0: id is not looked at */
} requests[SHIM_REQUEST_END] = {
	[SHIM_HELLO] = { hello, 0 },
	[SHIM_CREATE] = { create, ST_NONE | ST(SHIM_CREATING) | ST(SHIM_CREATED) },
	[SHIM_START] = { start, ST_LIVING | ST(SHIM_ENDED) },
	[SHIM_KILL] = { kill_container, ST_LIVING | ST(SHIM_ENDED) },
	[SHIM_EXEC] = { exec, ST(SHIM_RUNNING) },
	[SHIM_EXEC_KILL] = { exec_kill, 0 },
	[SHIM_REOPEN] = { reopen, ST_LIVING | ST(SHIM_ENDED) },
	[SHIM_RESIZE] = { resize, ST_LIVING },
	[SHIM_CLOSE_STDIN] = { close_stdin, ST_LIVING | ST(SHIM_ENDED) },
	[SHIM_ATTACH] = { attach, ST_LIVING },
	[SHIM_STATUS] = { status, ST_NONE | ST_ANY },
	[SHIM_FORGET] = { forget, ST_NONE | ST(SHIM_ENDED) },
	[SHIM_INIT] = { init, 0 },
	[SHIM_SHUTDOWN] = { shutdown_shim, 0 },
	[SHIM_ADOPT] = { adopt, ST_NONE | ST_LIVING | ST(SHIM_ENDED) },
};

/* Is this request allowed now? */
static int permit(const struct shim_request *req, const struct ctr *c, struct err *e)
{
	unsigned states = requests[req->type].states;
	unsigned state = c ? c->status.state : 0;

	if (!states)
		return 0;
	if (*req->session && (req->type == SHIM_STATUS || req->type == SHIM_FORGET))
		return 0;
	if (!shimproto_id_is_valid(req->id))
		return err_set(e, ERR_INVALID, "id: not a valid container name");
	if (!c && !(states & ST_NONE))
		return err_set(e, ERR_NOT_FOUND, "container %s is not known here", req->id);
	if (!(states & ST(state)))
		return err_set(e, ERR_PRECONDITION, "container %s is %s: %s is not possible",
			       req->id, shimproto_state_name((enum shim_state)state),
			       shimproto_type_name(req->type));
	return 0;
}

void request_handle(const struct shim_request *req, int *fds, struct waiter *w)
{
	struct call c = { .req = req, .fds = fds, .w = w };
	struct err e = ERR_NULL;

	reap_all(); /* the state that is asked about is the one of now */
	c.ctr = *req->id ? ctr_find(req->id) : NULL;
	log_debug("request", "type=%s ctr=%s session=%s", shimproto_type_name(req->type), req->id,
		  req->session);
	if (permit(req, c.ctr, &e) < 0) {
		control_answer(w, c.ctr ? &c.ctr->status : NULL, -1, &e);
		return;
	}
	requests[req->type].fn(&c);
}
