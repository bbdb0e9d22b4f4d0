/*
 * request.c - handlers of the daemon's requests.  The tables of life.c permit a request, the table
 * below has its handler.
 */
#include "shim/request.h"

#include "base/fs.h"
#include "base/log.h"
#include "base/util.h"
#include "shim/ctr.h"
#include "shim/exe.h"
#include "shim/exectree.h"
#include "shim/life.h"
#include "shim/podinit.h"
#include "shim/poll.h"
#include "shim/reap.h"
#include "shim/takeover.h"

struct call {
	const struct shim_request *req;
	int *fds;
	struct waiter *w;
	struct ctr *ctr; /* NULL: unknown */
	struct exe *exe; /* NULL: unknown */
};

/* --- handlers; each answers its request, now or later --- */

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
	struct shim_status st = c->exe->status;

	exe_kill(c->exe); /* may free it */
	control_answer(c->w, &st, -1, NULL);
}

/* The session may have been one of an earlier shim. */
static void kill_left(const struct shim_request *req)
{
	if (*req->cgroup && fs_path_is_clean(req->cgroup))
		exectree_kill(req->cgroup);
}

/* Answer a request that is done. */
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
		c->fds[n++] = -1; /* owned now, also on failure */
	}
	answer(c, stdio_attach(&c->ctr->io, c->req->session, fds[0], fds[1], fds[2], &e), &e);
}

static void status(struct call *c)
{
	if (!c->exe)
		c->ctr->status.log_lost = c->ctr->io.log.lost;
	control_answer(c->w, c->exe ? &c->exe->status : &c->ctr->status, -1, NULL);
}

static void forget(struct call *c)
{
	if (c->exe)
		exe_forget(c->exe);
	else
		ctr_forget(c->ctr);
	control_answer(c->w, NULL, -1, NULL);
}

static void init(struct call *c)
{
	struct shim_status st = { .state = LIFE_SHOWS_INIT };
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

/* --- the table --- */

static const struct {
	void (*fn)(struct call *c);
	void (*unknown)(const struct shim_request *req); /* before the refusal of an unknown
							  * session */
} requests[SHIM_REQUEST_END] = {
	[SHIM_HELLO] = { .fn = hello },
	[SHIM_CREATE] = { .fn = create },
	[SHIM_START] = { .fn = start },
	[SHIM_KILL] = { .fn = kill_container },
	[SHIM_EXEC] = { .fn = exec },
	[SHIM_EXEC_KILL] = { .fn = exec_kill, .unknown = kill_left },
	[SHIM_REOPEN] = { .fn = reopen },
	[SHIM_RESIZE] = { .fn = resize },
	[SHIM_CLOSE_STDIN] = { .fn = close_stdin },
	[SHIM_ATTACH] = { .fn = attach },
	[SHIM_STATUS] = { .fn = status },
	[SHIM_FORGET] = { .fn = forget },
	[SHIM_INIT] = { .fn = init },
	[SHIM_SHUTDOWN] = { .fn = shutdown_shim },
	[SHIM_ADOPT] = { .fn = adopt },
};

static void refuse(struct call *c, const struct err *e)
{
	bool of_ctr = c->ctr && life_is_about(c->req, LIFE_CONTAINER);

	if (requests[c->req->type].unknown && !c->exe)
		requests[c->req->type].unknown(c->req);
	control_answer(c->w, of_ctr ? &c->ctr->status : NULL, -1, e);
}

/* Answer without work, now or with the request in progress. */
static void answer_same(struct call *c, enum life_answer how)
{
	struct exe *s = life_is_about(c->req, LIFE_EXEC) ? c->exe : NULL;
	const struct shim_status *st = s ? &s->status : c->ctr ? &c->ctr->status : NULL;

	if (how == LIFE_ANSWER_JOIN)
		control_join(s ? &s->waiter : &c->ctr->waiter, c->w);
	else
		control_answer(c->w, st, how == LIFE_ANSWER_PTY ? ctr_pty(c->ctr) : -1, NULL);
}

void request_handle(const struct shim_request *req, int *fds, struct waiter *w)
{
	struct call c = { .req = req, .fds = fds, .w = w };
	struct err e = ERR_NULL;
	int r;

	reap_all(); /* so that the state is the current one */
	c.ctr = *req->id ? ctr_find(req->id) : NULL;
	c.exe = exe_find(req->session);
	log_debug("request", "type=%s ctr=%s session=%s", shimproto_type_name(req->type), req->id,
		  req->session);
	r = life_permit(req, life_state_of(c.ctr ? &c.ctr->life : NULL),
			c.ctr && c.ctr->status.started_ns,
			life_state_of(c.exe ? &c.exe->life : NULL), &e);
	if (r < 0)
		refuse(&c, &e);
	else if (r > 0)
		answer_same(&c, (enum life_answer)r);
	else
		requests[req->type].fn(&c);
}
