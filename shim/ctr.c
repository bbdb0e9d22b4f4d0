/*
 * ctr.c - containers: run the OCI runtime's create, start and delete, signal, record the exit.
 */
#include "shim/ctr.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/util.h"
#include "shim/exe.h"
#include "shim/held.h"
#include "shim/kill.h"
#include "shim/pages.h"

#define START_FAILED_CODE 128
#define DELETE_TIMEOUT_MS 15000
#define KILL_EVERY_MS 10
#define KILL_ROUNDS 500
#define RECORD_RETRY_MS 5000

static struct list ctrs = { &ctrs, &ctrs };
static unsigned n_ctrs;

struct ctr *ctr_next(struct ctr *c)
{
	struct list *next = c ? c->node.next : ctrs.next;

	return next == &ctrs ? NULL : list_entry(next, struct ctr, node);
}

struct ctr *ctr_find(const char *id)
{
	for (struct ctr *c = ctr_next(NULL); c; c = ctr_next(c))
		if (strcmp(c->status.id, id) == 0)
			return c;
	return NULL;
}

/* Path of a file in the bundle: the runtime's log or pid file. */
static void bundle_path(const struct ctr *c, const char *name, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/%s", c->bundle, name);
}

void ctr_free(struct ctr *c)
{
	if (c->held)
		held_end(c->freezer);
	guard_close(&c->guard);
	timer_stop(&c->record_retry);
	timer_stop(&c->kill_again);
	child_drop(&c->init);
	console_close(&c->console);
	c->io.stdin_closed = NULL;
	stdio_close(&c->io);
	stdio_child_done(&c->ends);
	runtime_done(&c->runtime);
	free(c->bundle);
	free(c->exit_path);
	free(c->cgroup);
	free(c->freezer);
	list_remove(&c->node);
	n_ctrs--;
	pages_free(c, sizeof(*c));
}

/* --- kill --- */

static void kill_all_again(struct timer *t)
{
	struct ctr *c = container_of(t, struct ctr, kill_again);
	int n = kill_cgroup(c->cgroup, SIGKILL);
	struct err e = ERR_NULL;
	char who[PROC_TEXT_MAX];

	if (n == 0) {
		control_answer(&c->kill_waiter, &c->status, -1, NULL);
		return;
	}
	if (++c->kill_rounds < KILL_ROUNDS) {
		timer_set(t, KILL_EVERY_MS, kill_all_again);
		return;
	}
	err_set(&e, ERR_DEADLINE, "container %s: %d processes survive SIGKILL: %s", c->status.id, n,
		kill_describe(c->cgroup, who));
	log_err(LOG_LEVEL_WARN, "kill a container", &e);
	control_answer(&c->kill_waiter, &c->status, -1, &e);
}

void ctr_kill_all(struct ctr *c)
{
	c->kill_rounds = 0;
	kill_all_again(&c->kill_again);
}

void ctr_kill(struct ctr *c, const struct shim_request *req, struct waiter *w)
{
	struct err e = ERR_NULL;
	int r = 0, err;

	if (req->signal < 1 || req->signal > (unsigned)SIGRTMAX)
		r = err_set(&e, ERR_INVALID, "signal %u does not exist", req->signal);
	else if ((req->flags & SHIM_ALL) && !*c->cgroup)
		r = err_set(&e, ERR_PRECONDITION, "the cgroup of container %s is not known",
			    c->status.id);
	if (r < 0) {
		control_answer(w, &c->status, -1, &e);
		return;
	}
	if ((req->flags & SHIM_ALL) && req->signal == SIGKILL) {
		control_join(&c->kill_waiter, w);
		ctr_kill_all(c);
		return;
	}
	if (req->flags & SHIM_ALL) {
		kill_cgroup(c->cgroup, (int)req->signal);
		control_answer(w, &c->status, -1, NULL);
		return;
	}
	err = child_kill(&c->init, (int)req->signal);
	if (err && err != ESRCH) /* ESRCH: init has exited, and its report follows */
		r = err_errno(&e, ERR_INTERNAL, err, "signal container %s", c->status.id);
	control_answer(w, &c->status, -1, r < 0 ? &e : NULL);
}

/* --- end --- */

static void write_record(struct timer *t)
{
	struct ctr *c = container_of(t, struct ctr, record_retry);
	struct exitrec rec = {
		.code = c->status.exit_code,
		.signal = (int)c->status.signal,
		.oom = c->status.oom,
		.started_ns = c->status.started_ns,
		.exited_ns = c->status.exited_ns,
		.pid = c->status.pid,
		.start_ticks = c->status.start_ticks,
	};
	struct err e = ERR_NULL;

	/* The record holds known exit codes only. */
	if (!*c->exit_path || c->status.exit_unknown)
		return;
	memcpy(rec.boot_id, clock_boot_id(), sizeof(rec.boot_id));
	if (exitrec_write(c->exit_path, &rec, &e) < 0) {
		/* Still reported; the status stays in memory until FORGET. */
		if (!c->record_due)
			log_err(LOG_LEVEL_ERROR, "write an exit record", &e);
		c->record_due = true;
		timer_set(t, RECORD_RETRY_MS, write_record);
	}
}

static void note_end(struct ctr *c, bool unstarted)
{
	const struct reaped *r = &c->end;

	c->status.exit_code = unstarted ? START_FAILED_CODE : r->code;
	c->status.signal = unstarted ? 0 : (uint32_t)r->signal;
	c->status.exited_ns = r->at_ns;
	c->status.exit_unknown = r->unknown && !unstarted;
	if (c->flags & SHIM_KILL_REST)
		ctr_kill_all(c);
	stdio_drain(&c->io);
	c->status.oom = r->code != 0 && cgroup_saw_oom(c->cgroup);
	c->status.log_lost = c->io.log.lost;
}

void ctr_init_ended(struct child *init, const struct reaped *r)
{
	struct ctr *c = container_of(init, struct ctr, init);

	c->end_seen = true;
	c->end = *r;
	life_move(&c->life, LIFE_EVENT_EXITED);
}

/* --- moves --- */

static int record(struct life *l, enum life_record what)
{
	struct ctr *c = container_of(l, struct ctr, life);
	struct err e = ERR_NULL;

	switch (what) {
	case LIFE_RECORD_ROOM:
		return *c->exit_path ? exitrec_prepare(c->exit_path, &c->failure) : 0;
	case LIFE_RECORD_END:
	case LIFE_RECORD_UNSTARTED:
		note_end(c, what == LIFE_RECORD_UNSTARTED);
		write_record(&c->record_retry);
		return 0;
	case LIFE_RECORD_DROP:
		if (*c->exit_path && exitrec_remove(c->exit_path, &e) < 0)
			log_err(LOG_LEVEL_WARN, "remove an exit record", &e);
		return 0;
	case LIFE_RECORD_LEFT:
	case LIFE_RECORD_NOTHING:
		break;
	}
	return 0;
}

static void tell(struct life *l, enum life_tell whom)
{
	struct ctr *c = container_of(l, struct ctr, life);
	const struct shim_status *st = life_is_known(l->state) ? &c->status : NULL;

	if (whom == LIFE_TELL_ANSWER || whom == LIFE_TELL_PTY)
		control_answer(&c->waiter, st, whom == LIFE_TELL_PTY ? ctr_pty(c) : -1, NULL);
	if (whom == LIFE_TELL_FAILURE || whom == LIFE_TELL_BOTH)
		control_answer(&c->waiter, st, -1, &c->failure);
	if (whom == LIFE_TELL_EXIT || whom == LIFE_TELL_BOTH)
		control_report(SHIM_EXITED, st, NULL);
}

/* --- start --- */

static void start_done(struct shim_job *j, int status)
{
	struct ctr *c = container_of(j, struct ctr, job);
	char log[PATH_MAX];

	bundle_path(c, "runtime.log", log);
	if (status == 0) {
		c->status.started_ns = clock_realtime_ns();
		if (c->end_seen)
			c->status.started_ns = MIN(c->status.started_ns, c->end.at_ns);
		life_move(&c->life, LIFE_EVENT_STARTED);
	} else {
		reap_all(); /* init may have exited already */
		job_error(j, status, "start", log, &c->failure);
		log_err(LOG_LEVEL_WARN, "start a container", &c->failure);
		child_kill(&c->init, SIGKILL);
		life_move(&c->life,
			  c->end_seen ? LIFE_EVENT_START_MISSED : LIFE_EVENT_START_FAILED);
	}
	unlink(log);
	if (c->end_seen)
		life_move(&c->life, LIFE_EVENT_EXITED);
}

void ctr_start(struct ctr *c, const struct shim_request *req, struct waiter *w)
{
	const char *const rest[] = { "start", c->status.id, NULL };
	const struct job_stdio io = { -1, -1, -1, -1 };
	const char *argv[RUNTIME_ARGV_MAX];
	struct err e = ERR_NULL;
	char log[PATH_MAX];

	if (c->flags & SHIM_RESTORE) {
		control_join(&c->waiter, w);
		life_move(&c->life, LIFE_EVENT_START);
		c->status.started_ns = clock_realtime_ns();
		life_move(&c->life, LIFE_EVENT_STARTED);
		return;
	}
	bundle_path(c, "runtime.log", log);
	unlink(log);
	runtime_argv(&c->runtime, log, rest, argv);
	if (guard_starting(c, &e) < 0 ||
	    job_start(&c->job, argv, &io, req->timeout_ms, start_done, &e) < 0) {
		control_answer(w, &c->status, -1, &e);
		return;
	}
	control_join(&c->waiter, w);
	life_move(&c->life, LIFE_EVENT_START);
}

/* --- create --- */

/* The command of the runtime that makes the container's first process. */
static const char *create_command(const struct ctr *c)
{
	return c->flags & SHIM_RESTORE ? "restore" : "create";
}

static void delete_done(struct shim_job *j, int status)
{
	struct ctr *c = container_of(j, struct ctr, job);

	/* The container may not exist: the first failure is the one to report. */
	if (status != 0)
		log_info("delete after a failed create", "ctr=%s status=%d", c->status.id, status);
	life_move(&c->life, LIFE_EVENT_UNDONE);
	ctr_free(c);
}

/* The create failed: delete the container, then report the failure. */
static void undo_create(struct ctr *c)
{
	const char *const rest[] = { "delete", "--force", c->status.id, NULL };
	const struct job_stdio io = { -1, -1, -1, -1 };
	const char *argv[RUNTIME_ARGV_MAX];
	struct err e = ERR_NULL;

	e = c->failure;
	err_wrap(&e, "container %s", c->status.id);
	log_err(LOG_LEVEL_WARN, "create a container", &e);
	child_drop(&c->init);
	life_move(&c->life, LIFE_EVENT_CREATE_FAILED);
	runtime_argv(&c->runtime, NULL, rest, argv);
	if (job_start(&c->job, argv, &io, DELETE_TIMEOUT_MS, delete_done, &e) == 0)
		return;
	life_move(&c->life, LIFE_EVENT_UNDONE);
	ctr_free(c);
}

/* Adopt the pty and the init that the runtime left. */
static int take_over(struct ctr *c, struct err *e)
{
	char path[PATH_MAX];
	int fd, r = 0;

	if (c->flags & SHIM_TTY) {
		r = console_take(&c->console, &fd, e);
		if (r == 0)
			r = stdio_set_pty(&c->io, fd, e);
	}
	if (r == 0) {
		bundle_path(c, "init.pid", path);
		r = child_adopt(&c->init, path, ctr_init_ended, e);
	}
	return r < 0 ? r : stdio_begin(&c->io, e);
}

static void create_done(struct shim_job *j, int status)
{
	struct ctr *c = container_of(j, struct ctr, job);
	char log[PATH_MAX];
	int r = 0;

	bundle_path(c, "runtime.log", log);
	if (status != 0 || j->timed_out)
		r = job_error(j, status, create_command(c), log, &c->failure);
	else
		r = take_over(c, &c->failure);
	unlink(log);
	console_close(&c->console);
	if (r < 0) {
		undo_create(c);
		return;
	}
	c->status.pid = (uint32_t)c->init.pid;
	c->status.start_ticks = c->init.start_ticks;
	c->status.created_ns = clock_realtime_ns();
	guard_close(&c->guard);
	ctr_watch_streams(c);
	life_move(&c->life, LIFE_EVENT_CREATED);
	child_deliver(&c->init);
}

static int open_streams(struct ctr *c, const struct shim_request *req, struct err *e)
{
	int r = stdio_open(&c->io, req->flags, c->bundle, req->log_path, (uint64_t)req->log_max,
			   &c->ends, e);

	return r == 0 && (c->flags & SHIM_TTY) ? console_open(&c->console, e) : r;
}

static int spawn_create(struct ctr *c, struct err *e)
{
	const char *rest[18], *argv[RUNTIME_ARGV_MAX];
	char log[PATH_MAX], pid[PATH_MAX], images[PATH_MAX], work[PATH_MAX];
	size_t n = 0;
	int r;

	bundle_path(c, "runtime.log", log);
	bundle_path(c, "init.pid", pid);
	unlink(log);
	unlink(pid);
	rest[n++] = create_command(c);
	if (c->flags & SHIM_RESTORE) {
		bundle_path(c, SHIM_RESTORE_NAME "/checkpoint", images);
		bundle_path(c, SHIM_RESTORE_NAME, work);
		rest[n++] = "--detach";
		rest[n++] = "--file-locks";
		rest[n++] = "--image-path";
		rest[n++] = images;
		rest[n++] = "--work-path";
		rest[n++] = work;
	}
	rest[n++] = "--bundle";
	rest[n++] = c->bundle;
	rest[n++] = "--pid-file";
	rest[n++] = pid;
	if (c->flags & SHIM_TTY) {
		rest[n++] = "--console-socket";
		rest[n++] = c->console.runtime_path;
	}
	if ((c->flags & SHIM_NO_NEW_KEYRING) && !(c->flags & SHIM_RESTORE))
		rest[n++] = "--no-new-keyring";
	if (c->flags & SHIM_NO_PIVOT)
		rest[n++] = "--no-pivot";
	rest[n++] = c->status.id;
	rest[n] = NULL;
	runtime_argv(&c->runtime, log, rest, argv);
	r = job_start(&c->job, argv,
		      &(struct job_stdio){ c->ends.in, c->ends.out, c->ends.err, c->io.err.in.fd },
		      c->create_ms, create_done, e);
	stdio_child_done(&c->ends);
	return r;
}

/* The runtime never ran; c->failure is set. */
static void create_refused(struct ctr *c)
{
	life_move(&c->life, LIFE_EVENT_CREATE_REFUSED);
	ctr_free(c);
}

static void create_now(struct guard *g, const struct err *err)
{
	struct ctr *c = container_of(g, struct ctr, guard);

	if (err)
		c->failure = *err;
	if (err || spawn_create(c, &c->failure) < 0)
		create_refused(c);
}

static void client_left(struct stdio *io, const char *session, bool slow)
{
	struct ctr *c = container_of(io, struct ctr, io);
	struct shim_status st = { .state = LIFE_SHOWS_CLIENT_LEFT, .exit_code = slow ? -1 : 0 };

	memcpy(st.id, c->status.id, sizeof(st.id));
	snprintf(st.session, sizeof(st.session), "%s", session);
	control_report(SHIM_EXEC_EXITED, &st, NULL);
}

static void log_trouble(struct stdio *io)
{
	struct ctr *c = container_of(io, struct ctr, io);
	struct err e = ERR_NULL;

	c->status.log_lost = io->log.lost;
	err_errno(&e, ERR_EXHAUSTED, io->log.error, "log of container %s: output is being lost",
		  c->status.id);
	log_err(LOG_LEVEL_WARN, "write a container's log", &e);
	control_report(SHIM_LOG_ERROR, &c->status, &e);
}

static void stdin_closed(struct stdio *io)
{
	struct ctr *c = container_of(io, struct ctr, io);

	c->status.flags &= ~(uint32_t)SHIM_STDIN;
	control_report_container(&c->status, -1);
}

void ctr_watch_streams(struct ctr *c)
{
	c->io.log_error = log_trouble;
	c->io.client_left = client_left;
	if (c->io.tty) {
		c->status.flags |= SHIM_TTY;
	} else if (c->io.stdin.fd >= 0) {
		c->status.flags |= SHIM_STDIN;
		c->io.stdin_closed = stdin_closed;
	}
}

int ctr_pty(const struct ctr *c)
{
	return c->io.tty ? c->io.out.in.fd : -1;
}

int ctr_check(const struct shim_request *req, struct err *e)
{
	const struct {
		const char *name, *path;
		bool needed;
	} paths[] = {
		{ "runtime_root", req->runtime_root, true },
		{ "bundle", req->bundle, true },
		{ "log_path", req->log_path, false },
		{ "exit_path", req->exit_path, false },
		{ "cgroup", req->cgroup, false },
	};

	if (!*req->runtime)
		return err_set(e, ERR_INVALID, "runtime: required");
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		if (!*paths[i].path && !paths[i].needed)
			continue;
		if (!fs_path_is_clean(paths[i].path) ||
		    strlen(paths[i].path) > SHIM_PATH_MAX - SHIM_ID_MAX - 32)
			return err_set(e, ERR_INVALID, "%s: must be a clean absolute path",
				       paths[i].name);
	}
	if (n_ctrs >= SHIM_CONTAINERS_MAX)
		return err_set(e, ERR_EXHAUSTED, "the pod has %u containers already", n_ctrs);
	return 0;
}

struct ctr *ctr_new(const struct shim_request *req)
{
	static const struct life_ops ops = { record, tell };
	struct ctr *c = pages_alloc(sizeof(*c));

	c->life = (struct life){ .kind = LIFE_CONTAINER, .status = &c->status, .ops = &ops };
	runtime_init(&c->runtime, req);
	c->bundle = xstrdup(req->bundle);
	c->exit_path = xstrdup(req->exit_path);
	c->cgroup = xstrdup(req->cgroup);
	c->flags = req->flags;
	stdio_init(&c->io);
	if (c->flags & SHIM_JOURNAL)
		journal_open(&c->io.journal, req->id, req->name);
	c->console = CONSOLE_NULL;
	c->ends = STDIO_CHILD_NULL;
	c->create_ms = req->timeout_ms;
	snprintf(c->status.id, sizeof(c->status.id), "%s", req->id);
	list_append(&ctrs, &c->node);
	n_ctrs++;
	return c;
}

void ctr_create(const struct shim_request *req, struct waiter *w)
{
	struct err e = ERR_NULL;
	struct ctr *c;

	if (ctr_check(req, &e) < 0) {
		control_answer(w, NULL, -1, &e);
		return;
	}
	c = ctr_new(req);
	control_join(&c->waiter, w);
	if (life_move(&c->life, LIFE_EVENT_CREATE) && open_streams(c, req, &c->failure) == 0)
		guard_open(&c->guard, c, true, create_now);
	else
		create_refused(c);
}

void ctr_forget(struct ctr *c)
{
	exe_forget_all(c->status.id);
	life_move(&c->life, LIFE_EVENT_FORGET);
	ctr_free(c);
}
