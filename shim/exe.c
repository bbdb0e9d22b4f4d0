/*
 * exe.c - exec sessions: run the OCI runtime's exec, adopt its process, signal it, report its exit.
 */
#include "shim/exe.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/util.h"
#include "shim/exectree.h"
#include "shim/kill.h"
#include "shim/runtime_log.h"

static struct list sessions = { &sessions, &sessions };
static unsigned n_sessions;

struct exe *exe_next(struct exe *s)
{
	struct list *next = s ? s->node.next : sessions.next;

	return next == &sessions ? NULL : list_entry(next, struct exe, node);
}

struct exe *exe_find(const char *name)
{
	for (struct exe *s = exe_next(NULL); s; s = exe_next(s))
		if (strcmp(s->status.session, name) == 0)
			return s;
	return NULL;
}

/* Path of a session's file in the bundle: kind: "log", "pid" of the runtime, SESSION_LEFT. */
static void file_path(const struct exe *s, const char *kind, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/exec-%s.%s", s->bundle, s->status.session, kind);
}

static void remove_files(const struct exe *s)
{
	char path[PATH_MAX];

	file_path(s, "log", path);
	unlink(path);
	file_path(s, "pid", path);
	unlink(path);
}

/* Store the session for the next shim, which would get no exit of it. */
static void remember(const struct exe *s)
{
	_cleanup_free_ char *text = xasprintf("%d %s\n", (int)s->process.pid, s->cgroup);
	struct err e = ERR_NULL;
	char path[PATH_MAX];

	file_path(s, SESSION_LEFT, path);
	if (fs_replace_file(path, text, strlen(text), 0600, false, &e) < 0)
		log_err(LOG_LEVEL_WARN, "store an exec session", &e);
}

static void forget_left(const struct exe *s)
{
	char path[PATH_MAX];

	file_path(s, SESSION_LEFT, path);
	unlink(path);
}

/* Free the arguments of the runtime's exec. */
static void drop_exec(struct exe *s)
{
	for (size_t i = 0; i < ARRAY_LEN(s->exec.fds); i++)
		close_fdp(&s->exec.fds[i]);
	for (size_t i = 0; s->exec.args[i]; i++)
		free(take_ptr(s->exec.args[i]));
	free(take_ptr(s->exec.process_path));
}

void exe_forget(struct exe *s)
{
	life_move(&s->life, LIFE_EVENT_FORGET);
	guard_close(&s->guard);
	drop_exec(s);
	child_drop(&s->process);
	console_close(&s->console);
	close_fdp(&s->pty);
	free(s->bundle);
	free(s->cgroup);
	list_remove(&s->node);
	n_sessions--;
	free(s);
}

void exe_forget_all(const char *ctr_id)
{
	list_for_each_safe(pos, &sessions) {
		struct exe *s = list_entry(pos, struct exe, node);

		if (life_is_ended(s->life.state) && strcmp(s->status.id, ctr_id) == 0)
			exe_forget(s);
	}
}

/* --- moves --- */

static int record(struct life *l, enum life_record what)
{
	const struct exe *s = container_of(l, struct exe, life);

	if (what == LIFE_RECORD_LEFT)
		remember(s);
	if (what == LIFE_RECORD_DROP)
		forget_left(s);
	return 0;
}

static void tell(struct life *l, enum life_tell whom)
{
	struct exe *s = container_of(l, struct exe, life);

	if (whom == LIFE_TELL_ANSWER || whom == LIFE_TELL_PTY)
		control_answer(&s->waiter, &s->status, whom == LIFE_TELL_PTY ? s->pty : -1, NULL);
	if (whom == LIFE_TELL_FAILURE || whom == LIFE_TELL_BOTH)
		control_answer(&s->waiter, &s->status, -1, s->failure);
	if (whom == LIFE_TELL_EXIT || whom == LIFE_TELL_BOTH)
		control_report(SHIM_EXEC_EXITED, &s->status, NULL);
}

static void process_ended(struct child *p, const struct reaped *r)
{
	struct exe *s = container_of(p, struct exe, process);

	s->status.exit_code = r->code;
	s->status.signal = (uint32_t)r->signal;
	s->status.exit_unknown = r->unknown;
	s->status.exited_ns = r->at_ns;
	exectree_end(s->cgroup);
	life_move(&s->life, LIFE_EVENT_EXITED);
}

/* The runtime has exited: adopt the pty and the process. */
static int take_over(struct exe *s, struct err *e)
{
	char path[PATH_MAX];
	int r = s->tty ? console_take(&s->console, &s->pty, e) : 0;

	if (r < 0)
		return r;
	file_path(s, "pid", path);
	return child_adopt(&s->process, path, process_ended, e);
}

/* The runtime has failed or was not started; e is set.  Kill all processes in its cgroup. */
static void exec_failed(struct exe *s, struct err *e)
{
	s->status.exit_code = runtime_log_exit_code(e->text);
	exectree_kill(s->cgroup);
	err_wrap(e, "exec in container %s", s->status.id);
	s->failure = e;
	life_move(&s->life, LIFE_EVENT_START_FAILED);
	exe_forget(s);
}

static void exec_done(struct shim_job *j, int status)
{
	struct exe *s = container_of(j, struct exe, job);
	bool killed = life_is_killed(s->life.state);
	struct err e = ERR_NULL;
	char log[PATH_MAX];
	int r;

	file_path(s, "log", log);
	if (status != 0 || j->timed_out)
		r = job_error(j, status, "exec", log, &e);
	else
		r = take_over(s, &e);
	remove_files(s);
	console_close(&s->console);
	if (r < 0) {
		exec_failed(s, &e);
		return;
	}
	guard_close(&s->guard);
	s->status.pid = (uint32_t)s->process.pid;
	s->status.start_ticks = s->process.start_ticks;
	s->status.started_ns = clock_realtime_ns();
	life_move(&s->life, LIFE_EVENT_STARTED);
	close_fdp(&s->pty);
	/* The kill may have missed a process that was already reparented. */
	if (killed)
		exe_kill(s);
	child_deliver(&s->process);
}

static void make_cgroup(struct exe *s, const char *dir)
{
	int err = *dir ? exectree_make(dir) : 0;

	if (err)
		log_warn("an exec shares its container's cgroup", "cgroup=%s error=\"%s\"", dir,
			 strerror(err));
	if (!*dir || err)
		return;
	free(s->cgroup);
	s->cgroup = xstrdup(dir);
}

static int spawn_exec(struct exe *s, struct err *e)
{
	const int *fds = s->exec.fds;
	struct job_stdio io = { fds[0], fds[1], fds[2], -1 };
	const struct ctr *c = ctr_find(s->status.id);
	const char *rest[12 + SESSION_ARGS_MAX], *argv[RUNTIME_ARGV_MAX];
	char log[PATH_MAX], pid[PATH_MAX];
	size_t n = 0;
	int r = 0;

	if (!c || !life_is_running(c->life.state))
		return err_set(e, ERR_PRECONDITION, "the container has ended");
	if (s->tty)
		r = console_open(&s->console, e);
	if (r < 0)
		return r;
	file_path(s, "log", log);
	file_path(s, "pid", pid);
	remove_files(s);
	rest[n++] = "exec";
	rest[n++] = "--detach";
	rest[n++] = "--process";
	rest[n++] = s->exec.process_path;
	rest[n++] = "--pid-file";
	rest[n++] = pid;
	for (int i = 0; *s->cgroup && s->exec.args[i]; i++)
		rest[n++] = s->exec.args[i];
	if (s->tty) {
		rest[n++] = "--console-socket";
		rest[n++] = s->console.runtime_path;
	}
	rest[n++] = c->status.id;
	rest[n] = NULL;
	runtime_argv(&c->runtime, log, rest, argv);
	r = job_start(&s->job, argv, &io, s->exec.timeout_ms, exec_done, e);
	drop_exec(s);
	return r;
}

static void exec_now(struct guard *g, const struct err *err)
{
	struct exe *s = container_of(g, struct exe, guard);
	struct err e = err ? *err : ERR_NULL;

	if (err || spawn_exec(s, &e) < 0)
		exec_failed(s, &e);
}

/* Copy what outlives the request, and own its descriptors. */
static void keep_exec(struct exe *s, const struct shim_request *req, int *fds)
{
	bool with_stdin = req->flags & SHIM_STDIN;

	for (size_t i = 0; !s->tty && i < ARRAY_LEN(s->exec.fds); i++)
		if (i || with_stdin)
			s->exec.fds[i] = take_fd(fds[with_stdin ? i : i - 1]);
	s->exec.process_path = xstrdup(req->process_path);
	for (size_t i = 0; req->args[i]; i++)
		s->exec.args[i] = xstrdup(req->args[i]);
	s->exec.timeout_ms = req->timeout_ms;
}

static int check_exec(const struct shim_request *req, const int *fds, struct err *e)
{
	unsigned want = req->flags & SHIM_TTY ? 0 : req->flags & SHIM_STDIN ? 3 : 2;
	unsigned have = 0, n_args = 0;

	while (have < SHIM_FDS_MAX && fds[have] >= 0)
		have++;
	if (!shimproto_id_is_valid(req->session))
		return err_set(e, ERR_INVALID, "session: not a valid name");
	if (!fs_path_is_clean(req->process_path))
		return err_set(e, ERR_INVALID, "process_path: must be a clean absolute path");
	if (have != want)
		return err_set(e, ERR_INVALID, "exec: %u descriptors came, %u are needed", have,
			       want);
	if (*req->cgroup && !fs_path_is_clean(req->cgroup))
		return err_set(e, ERR_INVALID, "cgroup: must be a clean absolute path");
	while (req->args[n_args])
		n_args++;
	if (n_args > SESSION_ARGS_MAX)
		return err_set(e, ERR_INVALID, "args: %u came, an exec has at most %d", n_args,
			       SESSION_ARGS_MAX);
	if (n_sessions >= SHIM_SESSIONS_MAX)
		return err_set(e, ERR_EXHAUSTED, "the pod has %u exec sessions already",
			       n_sessions);
	return 0;
}

void exe_exec(struct ctr *c, const struct shim_request *req, int *fds, struct waiter *w)
{
	static const struct life_ops ops = { record, tell };
	struct err e = ERR_NULL;
	struct exe *s;

	if (check_exec(req, fds, &e) < 0) {
		control_answer(w, NULL, -1, &e);
		return;
	}
	s = xcalloc(1, sizeof(*s));
	s->life = (struct life){ .kind = LIFE_EXEC, .status = &s->status, .ops = &ops };
	s->bundle = xstrdup(c->bundle);
	s->cgroup = xstrdup("");
	s->tty = req->flags & SHIM_TTY;
	s->console = CONSOLE_NULL;
	s->pty = -1;
	memset(s->exec.fds, -1, sizeof(s->exec.fds));
	s->status.exit_code = -1;
	s->status.created_ns = clock_realtime_ns();
	snprintf(s->status.id, sizeof(s->status.id), "%s", c->status.id);
	snprintf(s->status.session, sizeof(s->status.session), "%s", req->session);
	list_append(&sessions, &s->node);
	n_sessions++;
	make_cgroup(s, req->cgroup);
	life_move(&s->life, LIFE_EVENT_START);
	keep_exec(s, req, fds);
	control_join(&s->waiter, w);
	guard_open(&s->guard, c, false, exec_now);
}

void exe_kill(struct exe *s)
{
	struct err e = ERR_NULL;

	life_move(&s->life, LIFE_EVENT_KILL);
	if (life_is_starting(s->life.state) && !s->job.running) {
		err_set(&e, ERR_ABORTED, "the session was killed before its runtime started");
		exec_failed(s, &e);
		return;
	}
	/* Both are unreaped children of the shim: their pids are not recycled. */
	if (life_is_starting(s->life.state))
		kill_tree(s->job.pid);
	else if (s->process.alive && s->process.exit.fd >= 0)
		kill_tree(s->process.pid);
	exectree_kill(s->cgroup);
}
