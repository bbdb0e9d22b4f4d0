/*
 * shim.c - the pods' shims and the link to them (src/shimproto/shimlink.h): what they do to
 * requests, how containers run and end, and what a shim that dies leaves behind.
 */
#include "shimproto/shimlink.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shimproto/exitrec.h"
#include "base/fs.h"
#include "base/list.h"
#include "base/proc.h"
#include "base/str.h"
#include "sim.h"

#define MS NSEC_PER_MSEC

/* A request whose answer is to come, or a message on its way to the daemon. */
struct message {
	struct list node;
	enum shim_type type; /* of the report */
	struct shim_status status;
	struct err err;
	enum shim_type asked; /* of an ANSWER */
	char id[ID_LEN + 1];
	shim_call_fn *fn;
	void *arg;
};

struct shim_link {
	struct list node;
	int shim;
	const struct shim_link_ops *ops;
	void *arg;
	struct list out; /* messages to the daemon */
	struct list asked; /* requests whose answers are to come */
	bool lost, closing;
};

static struct list links = { &links, &links };
static struct list late = { &late, &late }; /* answers of links that are closed */
/* What a session writes to, in this life. */
static struct {
	int out, err;
} pipes[SIM_SESSIONS];
static bool pipes_ready;

/* --- finding --- */

static struct ctr *ctr_of(const char *id)
{
	for (int i = 0; i < SIM_CTRS; i++)
		if (node->ctrs[i].used && strcmp(node->ctrs[i].id, id) == 0)
			return &node->ctrs[i];
	return NULL;
}

static struct session *session_of(const char *name)
{
	for (int i = 0; i < SIM_SESSIONS; i++)
		if (node->sessions[i].used && strcmp(node->sessions[i].name, name) == 0)
			return &node->sessions[i];
	return NULL;
}

int shim_at(const char *dir)
{
	for (int i = 0; i < SIM_SHIMS; i++)
		if (node->shims[i].used && node->shims[i].alive &&
		    strcmp(node->shims[i].dir, dir) == 0)
			return i;
	return -1;
}

static struct shim_link *link_to(int shim)
{
	list_for_each(pos, &links) {
		struct shim_link *l = list_entry(pos, struct shim_link, node);

		if (l->shim == shim && !l->lost)
			return l;
	}
	return NULL;
}

static bool answers(int shim)
{
	return shim >= 0 && node->shims[shim].alive && !node->shims[shim].hung;
}

/* --- the shim's own table --- */

static void move(enum life_kind kind, enum life_state *state, enum life_event ev)
{
	const struct life_move *m = life_find(kind, *state, ev);

	SIM_CHECK(m, "sim: a shim has event %s in state %s", life_event_name(ev),
		  life_state_name(*state));
	*state = m->to;
}

static void move_ctr(struct ctr *c, enum life_event ev)
{
	move(LIFE_CONTAINER, &c->state, ev);
}

/* --- statuses and messages --- */

static struct shim_status status_of(const struct ctr *c)
{
	struct shim_status st = { .state = life_shows(c->state),
				  .exit_code = c->exit_code,
				  .signal = (uint32_t)c->exit_signal,
				  .exit_unknown = c->exit_unknown,
				  .created_ns = c->created_ns,
				  .started_ns = c->started_ns,
				  .exited_ns = c->exited_ns };

	snprintf(st.id, sizeof(st.id), "%s", c->id);
	if (c->proc >= 0) {
		st.pid = (uint32_t)node->procs[c->proc].pid;
		st.start_ticks = node->procs[c->proc].ticks;
	}
	return st;
}

static struct shim_status status_of_session(const struct session *s)
{
	struct shim_status st = { .state = life_shows(s->state),
				  .exit_code = s->exit_code,
				  .exited_ns = s->exited_ns };

	snprintf(st.id, sizeof(st.id), "%s", s->ctr);
	snprintf(st.session, sizeof(st.session), "%s", s->name);
	if (s->proc >= 0) {
		st.pid = (uint32_t)node->procs[s->proc].pid;
		st.start_ticks = node->procs[s->proc].ticks;
	}
	return st;
}

static void report(int shim, enum shim_type type, const struct shim_status *st)
{
	struct shim_link *l = shim < 0 ? NULL : link_to(shim);
	struct message *m;

	if (!l)
		return;
	m = xcalloc(1, sizeof(*m));
	m->type = type;
	m->status = *st;
	list_append(&l->out, &m->node);
}

static void answer(struct shim_link *l, struct message *m, const struct shim_status *st,
		   const struct err *e)
{
	m->type = SHIM_ANSWER;
	if (st)
		m->status = *st;
	if (e)
		m->err = *e;
	list_remove(&m->node);
	list_append(&l->out, &m->node);
}

/* All that wait for this of a container. */
static void answer_all(struct ctr *c, enum shim_type asked, const struct err *e)
{
	struct shim_link *l = c->shim < 0 ? NULL : link_to(c->shim);
	struct shim_status st = status_of(c);

	if (!l)
		return;
	list_for_each_safe(pos, &l->asked) {
		struct message *m = list_entry(pos, struct message, node);

		if ((m->asked == asked || (asked == SHIM_ADOPT && m->asked == SHIM_START)) &&
		    strcmp(m->id, c->id) == 0)
			answer(l, m, life_is_known(c->state) ? &st : NULL, e);
	}
}

/* --- ends --- */

static void write_record(const struct ctr *c)
{
	struct exitrec rec = { .code = c->exit_code,
			       .signal = c->exit_signal,
			       .started_ns = c->started_ns,
			       .exited_ns = c->exited_ns,
			       .pid = node->procs[c->proc].pid,
			       .start_ticks = node->procs[c->proc].ticks };
	struct err ignored = ERR_NULL;

	memcpy(rec.boot_id, node->boot_id, sizeof(rec.boot_id));
	if (*c->exit_path && exitrec_write(c->exit_path, &rec, &ignored) < 0)
		sim_note("exit record of %.13s: %s", c->id, ignored.text);
}

static void note_status(struct ctr *c)
{
	const struct proc *p = &node->procs[c->proc];

	c->exit_signal = p->wait_status & 0x7f;
	c->exit_code = c->exit_signal ? 128 + c->exit_signal : p->wait_status >> 8;
	c->exited_ns = node->real;
	write_record(c);
	move_ctr(c, LIFE_EVENT_EXITED);
}

static void ctr_ended(struct ctr *c)
{
	struct shim_status st;

	note_status(c);
	st = status_of(c);
	report(c->shim, SHIM_EXITED, &st);
}

static void session_close(int i)
{
	for (int k = 0; !pipes_ready && k < SIM_SESSIONS; k++)
		pipes[k].out = pipes[k].err = -1;
	pipes_ready = true;
	close_fdp(&pipes[i].out);
	close_fdp(&pipes[i].err);
}

static void session_ended(struct session *s)
{
	struct shim_status st;
	int wait_status = node->procs[s->proc].wait_status, i = (int)(s - node->sessions);

	session_close(i);
	s->exit_code = wait_status & 0x7f ? 128 + (wait_status & 0x7f) : wait_status >> 8;
	move(LIFE_EXEC, &s->state, LIFE_EVENT_EXITED);
	s->exited_ns = node->real;
	if (*s->cgroup)
		thing_del(THING_CGROUP, s->cgroup);
	if (!answers(s->shim)) {
		s->used = false;
		return;
	}
	st = status_of_session(s);
	report(s->shim, SHIM_EXEC_EXITED, &st);
}

static void note_end(const struct ctr *c)
{
	struct seen *seen = seen_of(c->id, true);
	int status = node->procs[c->proc].wait_status;

	seen->died = true;
	seen->real_code = status & 0x7f ? 128 + (status & 0x7f) : status >> 8;
	for (int i = 0; i < SIM_SESSIONS; i++)
		if (node->sessions[i].used && strcmp(node->sessions[i].ctr, c->id) == 0)
			proc_end(node->sessions[i].proc, SIGKILL);
}

static void shim_gone(int i);

void shim_proc_ended(int proc)
{
	struct proc *p = &node->procs[proc];
	struct ctr *c;

	switch (p->kind) {
	case PROC_SHIM:
		shim_gone(p->owner);
		break;
	case PROC_CONTAINER:
		c = &node->ctrs[p->owner];
		if (!c->used || c->proc != proc)
			break;
		note_end(c);
		if (answers(c->shim) && c->runtime < 0 && life_is_known(c->state))
			ctr_ended(c);
		break;
	case PROC_EXEC:
		if (node->sessions[p->owner].used && node->sessions[p->owner].proc == proc)
			session_ended(&node->sessions[p->owner]);
		break;
	case PROC_INIT:
	case PROC_RUNTIME:
		break;
	}
}

static void shim_gone(int i)
{
	struct shim *s = &node->shims[i];
	struct shim_link *l = link_to(i);

	s->alive = s->hung = false;
	for (int k = 0; k < SIM_CTRS; k++) {
		struct ctr *c = &node->ctrs[k];

		if (!c->used || c->shim != i)
			continue;
		c->shim = -1;
		if (!life_is_ended(c->state))
			seen_of(c->id, true)->orphaned = true;
		c->state = 0;
		/* Some end while they have no shim. */
		if (c->proc >= 0 && sim_chance(200))
			proc_end(c->proc, (int)sim_below(4) << 8);
		/* What ended meanwhile was not recorded. */
		if (c->runtime >= 0 && sim_below(2))
			proc_end(c->runtime, SIGKILL);
	}
	for (int k = 0; k < SIM_SESSIONS; k++)
		if (node->sessions[k].used && node->sessions[k].shim == i) {
			session_close(k);
			proc_end(node->sessions[k].proc, SIGKILL);
			node->sessions[k].used = false;
		}
	if (l)
		l->lost = true;
	check_moved();
}

void shim_kill(int i)
{
	sim_note("shim %d dies", i);
	proc_end(node->shims[i].proc, SIGKILL);
}

void shim_chaos(void)
{
	int i = (int)sim_below(6);

	if (!node->shims[i].alive)
		return;
	if (sim_chance(node->odds.shim_dies)) {
		shim_kill(i);
	} else if (sim_chance(node->odds.shim_hangs)) {
		node->shims[i].hung = true;
		sim_note("shim %d hangs", i);
	}
}

/* --- the OCI runtime --- */

static void run_runtime(struct ctr *c, enum shim_type doing)
{
	int shim = c->shim;

	move_ctr(c, doing == SHIM_CREATE ? LIFE_EVENT_CREATE : LIFE_EVENT_START);
	c->doing = doing;
	c->runtime = proc_add(PROC_RUNTIME, (int)(c - node->ctrs),
			      node->procs[node->shims[shim].proc].cgroup);
	event_add(EV_RUNTIME_ENDS, (int64_t)sim_below(200) * MS, c->runtime,
		  sim_chance(node->odds.runtime_fails));
}

static void created(struct ctr *c)
{
	struct err ignored = ERR_NULL;

	thing_add(THING_CGROUP, c->cgroup);
	if (fs_mkdir_all(c->state_dir, 0700, &ignored) < 0)
		sim_note("%s", ignored.text);
	c->proc = proc_add(PROC_CONTAINER, (int)(c - node->ctrs), c->cgroup);
	node->procs[c->proc].stubborn = sim_chance(node->odds.stubborn);
	c->created_ns = node->real;
}

static void started(struct ctr *c)
{
	c->begun = true;
	if (!c->started_ns)
		c->started_ns = node->real;
	if (sim_chance(node->odds.start_exits))
		event_add(EV_PROC_ENDS, (int64_t)sim_below(2000) * MS, c->proc,
			  (int)sim_below(4) << 8);
}

/* The runtime has done it, or has failed: the shim's moves. */
static void move_done(struct ctr *c, bool failed)
{
	if (c->doing == SHIM_CREATE && !failed) {
		move_ctr(c, LIFE_EVENT_CREATED);
	} else if (c->doing == SHIM_CREATE) {
		move_ctr(c, LIFE_EVENT_CREATE_FAILED);
		move_ctr(c, LIFE_EVENT_UNDONE);
	} else if (c->doing == SHIM_ADOPT) {
		move_ctr(c, c->begun ? LIFE_EVENT_FOUND_RUNNING : LIFE_EVENT_FOUND_CREATED);
	} else if (!failed) {
		move_ctr(c, LIFE_EVENT_STARTED);
	} else {
		move_ctr(c, node->procs[c->proc].alive ? LIFE_EVENT_START_FAILED
						       : LIFE_EVENT_START_MISSED);
	}
}

/* status <0: it was killed. */
void shim_runtime_ended(int proc, int status)
{
	struct ctr *c = &node->ctrs[node->procs[proc].owner];
	struct err e = ERR_NULL;
	bool waits;

	if (!c->used || c->runtime != proc)
		return;
	/* Not that of a shim before this one, unless the container was adopted in its start. */
	waits = answers(c->shim) &&
		life_find(LIFE_CONTAINER, c->state,
			  c->doing == SHIM_CREATE ? LIFE_EVENT_CREATED : LIFE_EVENT_STARTED);
	c->runtime = -1;
	/* One that is killed has done it, or has not. */
	if (status == 0 || (status < 0 && sim_below(2)))
		c->doing == SHIM_CREATE ? created(c) : started(c);
	else
		err_set(&e, ERR_INTERNAL, "sim: the runtime fails");
	sim_note("runtime %s of %.13s: %d", shimproto_type_name(c->doing), c->id, status);
	check_moved();
	if (e.code && c->doing != SHIM_CREATE && status > 0)
		proc_signal(c->proc, SIGKILL);
	if (waits) {
		move_done(c, e.code);
		answer_all(c, c->doing, e.code && c->doing != SHIM_ADOPT ? &e : NULL);
	}
	if (answers(c->shim) && life_is_known(c->state) && !life_is_ended(c->state) &&
	    c->proc >= 0 && !node->procs[c->proc].alive)
		ctr_ended(c);
	if (e.code && c->doing == SHIM_CREATE)
		c->used = false;
}

void ctr_killed_by_delete(const char *id)
{
	struct ctr *c = ctr_of(id);
	struct err ignored = ERR_NULL;

	if (!c)
		return;
	if (c->runtime >= 0)
		proc_end(c->runtime, SIGKILL);
	if (c->proc >= 0)
		proc_end(c->proc, SIGKILL);
	fs_remove_tree(c->state_dir, &ignored);
	thing_del(THING_CGROUP, c->cgroup);
	if (c->shim < 0 || !life_is_known(c->state))
		c->used = false;
}

/* --- requests --- */

static struct ctr *ctr_new(const char *id, int shim)
{
	for (int i = 0; i < SIM_CTRS; i++) {
		struct ctr *c = &node->ctrs[i];

		if (c->used)
			continue;
		*c = (struct ctr){ .used = true, .shim = shim, .proc = -1, .runtime = -1 };
		snprintf(c->id, sizeof(c->id), "%s", id);
		return c;
	}
	sim_fail("too many containers for the simulation");
}

static void set_paths(struct ctr *c, const struct shim_request *req)
{
	const char *cgroup = str_starts(req->cgroup, "/sim-cgroup")
				     ? req->cgroup + strlen("/sim-cgroup")
				     : req->cgroup;

	snprintf(c->exit_path, sizeof(c->exit_path), "%s", req->exit_path);
	snprintf(c->cgroup, sizeof(c->cgroup), "%s", cgroup);
	snprintf(c->bundle, sizeof(c->bundle), "%s", req->bundle);
	snprintf(c->state_dir, sizeof(c->state_dir), "%s/%s", req->runtime_root, c->id);
	c->flags = req->flags;
}

static void make_pipes(const struct ctr *c)
{
	static const char *const names[] = { SHIM_STDOUT_NAME, SHIM_STDERR_NAME };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", c->bundle, names[i]);

		if (mkfifo(path, 0600) < 0 && errno != EEXIST)
			sim_note("%s: %s", path, strerror(errno));
	}
}

static void req_create(struct shim_link *l, struct message *m, const struct shim_request *req,
		       struct ctr *c)
{
	struct err e = ERR_NULL;

	if (c && access(c->state_dir, F_OK) == 0) {
		/* The runtime refuses, and the shim undoes what there is. */
		c->shim = -1;
		ctr_killed_by_delete(m->id);
		err_set(&e, ERR_INTERNAL, "sim: the container exists");
		answer(l, m, NULL, &e);
		return;
	}
	if (c)
		c->used = false;
	c = ctr_new(m->id, l->shim);
	set_paths(c, req);
	make_pipes(c);
	run_runtime(c, SHIM_CREATE);
}

static void req_kill(struct shim_link *l, struct message *m, const struct shim_request *req,
		     struct ctr *c)
{
	if (c->proc >= 0)
		proc_signal(c->proc, (int)req->signal);
	answer(l, m, NULL, NULL);
}

static void ctr_forget(struct ctr *c)
{
	/* The runtime still has it. */
	move_ctr(c, LIFE_EVENT_FORGET);
	if (access(c->state_dir, F_OK) < 0)
		c->used = false;
}

static void req_forget(struct shim_link *l, struct message *m, struct ctr *c, struct session *s)
{
	if (s)
		s->used = false;
	else
		ctr_forget(c);
	answer(l, m, NULL, NULL);
}

/* The end that is found, in the answer. */
static void adopt_ended(struct ctr *c, const struct shim_request *req)
{
	struct exitrec rec;
	struct err ignored = ERR_NULL;

	c->exited_ns = node->real;
	if (c->proc >= 0 && exitrec_read(c->exit_path, &rec, &ignored) == 0) {
		c->exit_code = rec.code;
		c->exited_ns = rec.exited_ns;
	} else if (c->proc >= 0 && (req->flags & SHIM_PIDFD)) {
		move_ctr(c, c->begun ? LIFE_EVENT_ADOPT_RUNNING : LIFE_EVENT_ADOPT_CREATED);
		note_status(c);
		return;
	} else {
		c->exit_unknown = true;
	}
	move_ctr(c, LIFE_EVENT_ADOPT_ENDED);
}

static void req_adopt(struct shim_link *l, struct message *m, const struct shim_request *req,
		      struct ctr *c)
{
	int proc = proc_find((pid_t)req->pid, req->start_ticks);
	struct shim_status st;
	enum life_event ev;

	SIM_CHECK(life_adopt_event(req->state, &ev), "a container in state %u is adopted",
		  req->state);
	if (!c)
		c = ctr_new(m->id, l->shim);
	c->shim = l->shim;
	c->state = 0;
	set_paths(c, req);
	c->proc = proc;
	c->started_ns = MAX(c->started_ns, req->started_ns);
	if (c->begun && !c->started_ns)
		c->started_ns = node->real;
	check_moved();
	if (proc < 0 || !node->procs[proc].alive) {
		adopt_ended(c, req);
	} else {
		move_ctr(c, ev);
		if (life_is_starting(c->state) && c->runtime >= 0) {
			c->doing = SHIM_ADOPT;
			return; /* answered when that has ended */
		}
		if (life_is_starting(c->state))
			move_ctr(c, c->begun ? LIFE_EVENT_FOUND_RUNNING : LIFE_EVENT_FOUND_CREATED);
	}
	st = status_of(c);
	answer(l, m, &st, NULL);
}

static void req_init(struct shim_link *l, struct message *m)
{
	struct shim *s = &node->shims[l->shim];
	struct shim_status st = { .state = LIFE_SHOWS_INIT };
	struct err ignored = ERR_NULL;
	_cleanup_free_ char *path = xasprintf("%s/" SHIM_INIT_NAME, s->dir);
	_cleanup_free_ char *text = NULL;

	if (s->init < 0 || !node->procs[s->init].alive)
		s->init = proc_add(PROC_INIT, l->shim, node->procs[s->proc].cgroup);
	st.pid = (uint32_t)node->procs[s->init].pid;
	st.start_ticks = node->procs[s->init].ticks;
	text = xasprintf("%u %llu\n", st.pid, (unsigned long long)st.start_ticks);
	if (fs_replace_file(path, text, strlen(text), 0600, false, &ignored) < 0)
		sim_note("%s", ignored.text);
	answer(l, m, &st, NULL);
}

static void req_exec(struct shim_link *l, struct message *m, const struct shim_request *req,
		     struct ctr *c, const int *fds, size_t n_fds)
{
	struct session *s = NULL;
	struct shim_status st;
	struct err e = ERR_NULL;
	int i;

	for (i = 0; i < SIM_SESSIONS && !s; i++)
		if (!node->sessions[i].used)
			s = &node->sessions[i];
	SIM_CHECK(s, "too many sessions for the simulation");
	i = (int)(s - node->sessions);
	session_close(i);
	if (sim_chance(node->odds.runtime_fails + 100)) {
		err_set(&e, ERR_PRECONDITION, "sim: exec fails");
		answer(l, m, NULL, &e);
		return;
	}
	*s = (struct session){ .used = true, .shim = l->shim };
	move(LIFE_EXEC, &s->state, LIFE_EVENT_START);
	move(LIFE_EXEC, &s->state, LIFE_EVENT_STARTED);
	snprintf(s->name, sizeof(s->name), "%s", req->session);
	snprintf(s->ctr, sizeof(s->ctr), "%s", c->id);
	if (req->cgroup && *req->cgroup) {
		snprintf(s->cgroup, sizeof(s->cgroup), "%s", req->cgroup + strlen("/sim-cgroup"));
		thing_add(THING_CGROUP, s->cgroup);
	}
	s->proc = proc_add(PROC_EXEC, i, *s->cgroup ? s->cgroup : c->cgroup);
	if (n_fds == 2) {
		pipes[i].out = fcntl(fds[0], F_DUPFD_CLOEXEC, 500);
		pipes[i].err = fcntl(fds[1], F_DUPFD_CLOEXEC, 500);
		if (write(pipes[i].out, "out", 3) < 0)
			sim_note("nobody reads");
	}
	event_add(EV_PROC_ENDS, (int64_t)sim_below(sim_below(4) ? 500 : 20000) * MS, s->proc,
		  (int)sim_below(3) << 8);
	st = status_of_session(s);
	answer(l, m, &st, NULL);
}

static void req_exec_kill(struct shim_link *l, struct message *m, struct session *s)
{
	move(LIFE_EXEC, &s->state, LIFE_EVENT_KILL);
	if (!life_is_ended(s->state))
		proc_signal(s->proc, SIGKILL);
	answer(l, m, NULL, NULL);
}

static void req_shutdown(struct shim_link *l)
{
	struct shim *s = &node->shims[l->shim];

	if (s->init >= 0)
		proc_signal(s->init, SIGKILL);
	proc_signal(s->proc, SIGKILL);
}

/* As the shim's table says.  known: NULL: this shim does not have it. */
static bool permit(struct shim_link *l, struct message *m, const struct shim_request *asked,
		   const struct ctr *known, const struct session *s)
{
	struct shim_request req = *asked;
	struct shim_status st = { .state = 0 };
	struct err e = ERR_NULL;
	int r;

	req.id = req.id ? req.id : "";
	req.session = req.session ? req.session : "";
	r = life_permit(&req, known ? known->state : 0, known && known->started_ns,
			s ? s->state : 0, &e);
	if (r == 0 || r == LIFE_ANSWER_JOIN)
		return r == 0;
	if (s || known)
		st = s ? status_of_session(s) : status_of(known);
	answer(l, m, &st, r < 0 ? &e : NULL);
	return false;
}

static void handle(struct shim_link *l, struct message *m, const struct shim_request *req,
		   const int *fds, size_t n_fds)
{
	struct ctr *c = req->id && *req->id ? ctr_of(req->id) : NULL;
	struct ctr *known = c && c->shim == l->shim && life_is_known(c->state) ? c : NULL;
	struct session *s =
		req->session && life_is_about(req, LIFE_EXEC) ? session_of(req->session) : NULL;

	if (!permit(l, m, req, known, s))
		return;
	if (req->type == SHIM_CREATE)
		req_create(l, m, req, c);
	else if (req->type == SHIM_START)
		run_runtime(c, SHIM_START);
	else if (req->type == SHIM_KILL)
		req_kill(l, m, req, c);
	else if (req->type == SHIM_FORGET)
		req_forget(l, m, c, s);
	else if (req->type == SHIM_ADOPT)
		req_adopt(l, m, req, c);
	else if (req->type == SHIM_INIT)
		req_init(l, m);
	else if (req->type == SHIM_EXEC)
		req_exec(l, m, req, c, fds, n_fds);
	else if (req->type == SHIM_EXEC_KILL)
		req_exec_kill(l, m, s);
	else if (req->type == SHIM_SHUTDOWN)
		req_shutdown(l);
	else
		answer(l, m, NULL, NULL);
	check_moved();
}

/* --- src/shimproto/shimlink.h --- */

int shim_link_open(struct loop *loop, const char *dir, const struct shim_link_ops *ops, void *arg,
		   struct shim_link **ret, struct err *e)
{
	int errnum = sim_call("connect to a shim", false), i = shim_at(dir);
	struct shim_status st = { .state = 0 };
	struct shim_link *l;

	(void)loop;
	if (errnum || sim_chance(node->odds.shim_dies))
		return err_errno(e, ERR_INTERNAL, errnum ? errnum : EMFILE, "connect to %s", dir);
	if (i < 0 || node->shims[i].leaving)
		return err_set(e, ERR_UNAVAILABLE, "nobody listens in %s", dir);
	l = link_to(i);
	if (l)
		l->lost = true; /* replaced */
	l = xcalloc(1, sizeof(*l));
	*l = (struct shim_link){ .shim = i, .ops = ops, .arg = arg };
	list_init(&l->out);
	list_init(&l->asked);
	list_append(&links, &l->node);
	for (int k = 0; k < SIM_CTRS; k++)
		if (node->ctrs[k].used && node->ctrs[k].shim == i && node->ctrs[k].state) {
			struct shim_status one = status_of(&node->ctrs[k]);

			report(i, SHIM_CONTAINER, &one);
		}
	for (int k = 0; k < SIM_SESSIONS; k++)
		if (node->sessions[k].used && node->sessions[k].shim == i) {
			struct shim_status one = status_of_session(&node->sessions[k]);

			report(i, SHIM_EXEC_STATUS, &one);
		}
	st.shim_pid = (uint32_t)node->procs[node->shims[i].proc].pid;
	report(i, SHIM_HELLO, &st);
	*ret = l;
	return 0;
}

int shim_link_call(struct shim_link *l, const struct shim_request *req, const int *fds,
		   size_t n_fds, shim_call_fn *fn, void *arg, struct err *e)
{
	struct message *m;
	int errnum = sim_call(shimproto_type_name(req->type), false);

	/* As the product's link: what cannot be sent now is sent later, all else breaks it. */
	if (errnum && errnum != EAGAIN && errnum != EINTR)
		l->lost = true;
	if (l->lost)
		return err_set(e, ERR_UNAVAILABLE, "the shim is gone");
	m = xcalloc(1, sizeof(*m));
	*m = (struct message){ .asked = req->type, .fn = fn, .arg = arg };
	snprintf(m->id, sizeof(m->id), "%s", req->id ? req->id : "");
	list_append(&l->asked, &m->node);
	sim_note("ask shim %d: %s %.13s %.13s", l->shim, shimproto_type_name(req->type), m->id,
		 req->session ? req->session : "");
	if (!node->shims[l->shim].hung)
		handle(l, m, req, fds, n_fds);
	return 0;
}

static void call_back(struct message *m, const struct err *err)
{
	struct shim_answer ans = { .status = m->status, .fd = -1 };

	list_remove(&m->node);
	if (m->fn)
		m->fn(m->arg, &ans, err);
	free(m);
}

static void fail_calls(struct list *from)
{
	struct err e = ERR_NULL;

	err_set(&e, ERR_UNAVAILABLE, "the link to the shim is lost");
	while (!list_empty(from)) {
		struct message *m = list_entry(from->next, struct message, node);

		m->status = (struct shim_status){ .state = 0 };
		call_back(m, &e);
	}
}

/* Answers that were on their way are lost with the link, reports silently. */
static void drop_messages(struct shim_link *l)
{
	list_for_each_safe(pos, &l->out) {
		struct message *m = list_entry(pos, struct message, node);

		list_remove(&m->node);
		if (m->type == SHIM_ANSWER)
			list_append(&l->asked, &m->node);
		else
			free(m);
	}
}

void shim_link_close(struct shim_link *l)
{
	if (!l)
		return;
	drop_messages(l);
	list_splice(&late, &l->asked);
	list_remove(&l->node);
	free(l);
	fail_calls(&late);
}

static void deliver(struct shim_link *l, struct message *m)
{
	struct shim_status st = m->status;
	enum shim_type type = m->type;
	int none = -1;

	if (type == SHIM_ANSWER) {
		call_back(m,
			  m->err.code ? &(struct err){ m->err.code, 0, m->err.file, 0, "" } : NULL);
		return;
	}
	list_remove(&m->node);
	free(m);
	if (type == SHIM_HELLO)
		l->ops->on_ready(l->arg, &st);
	else if (type == SHIM_EXEC_STATUS || type == SHIM_EXEC_EXITED)
		l->ops->on_exec(l->arg, &st);
	else
		l->ops->on_container(l->arg, &st, &none);
}

static bool has_message(const struct shim_link *l)
{
	return l->lost || (!list_empty(&l->out) && !node->shims[l->shim].hung);
}

bool shim_is_pending(void)
{
	list_for_each(pos, &links)
		if (has_message(list_entry(pos, struct shim_link, node)))
			return true;
	return false;
}

bool shim_step(void)
{
	struct err why = ERR_NULL;

	list_for_each(pos, &links) {
		struct shim_link *l = list_entry(pos, struct shim_link, node);

		if (!has_message(l))
			continue;
		/* To the end, so that all have their turn. */
		list_remove(&l->node);
		list_append(&links, &l->node);
		if (!list_empty(&l->out)) {
			deliver(l, list_entry(l->out.next, struct message, node));
			return true;
		}
		if (!list_empty(&l->asked)) {
			err_set(&why, ERR_UNAVAILABLE, "the link to the shim is lost");
			call_back(list_entry(l->asked.next, struct message, node), &why);
			return true;
		}
		if (l->closing)
			continue;
		l->closing = true;
		err_set(&why, ERR_UNAVAILABLE, "the shim died");
		l->ops->on_lost(l->arg, &why);
		return true;
	}
	return false;
}
