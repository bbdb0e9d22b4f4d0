/*
 * takeover.c - adopt a container that an earlier shim left: streams, process, execs, exit record.
 */
#include "shim/takeover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/util.h"
#include "shim/ctr.h"
#include "shim/exe.h"
#include "shim/exectree.h"
#include "shim/kill.h"

#define EXIT_UNKNOWN 255
#define STATE_MAX (64 * 1024)
#define STATE_TIMEOUT_MS 10000

static bool is_left_exec(const char *name)
{
	return str_starts(name, "exec-") && str_ends(name, "." SESSION_LEFT);
}

/* Pids are recycled: kill only a process in the container's cgroup. */
static void kill_left_exec(const struct ctr *c, const char *path)
{
	_cleanup_buf_ struct buf text = BUF_NULL;
	struct err e = ERR_NULL;
	char *cgroup;
	int64_t pid;

	if (fs_read_file(path, SHIM_PATH_MAX + 32, &text, &e) == 0 && text.len &&
	    (cgroup = strchr(text.data, ' '))) {
		*cgroup++ = '\0';
		cgroup[strcspn(cgroup, "\n")] = '\0';
		log_info("kill an exec session of an earlier shim", "ctr=%s pid=%s", c->status.id,
			 text.data);
		if (str_to_i64(text.data, 2, INT32_MAX, &pid) == 0 &&
		    kill_is_member(c->cgroup, (pid_t)pid))
			kill_tree((pid_t)pid);
		exectree_kill(cgroup);
	}
	unlink(path);
}

static void kill_left_execs(const struct ctr *c)
{
	_cleanup_closedir_ DIR *d = opendir(c->bundle);
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		_cleanup_free_ char *path = NULL;

		if (!is_left_exec(entry->d_name))
			continue;
		path = xasprintf("%s/%s", c->bundle, entry->d_name);
		kill_left_exec(c, path);
	}
}

/* --- an exit that the earlier shim recorded, or that is unknown --- */

static bool has_record(const struct ctr *c, struct exitrec *ret)
{
	struct err e = ERR_NULL;
	int r = *c->exit_path ? exitrec_read(c->exit_path, ret, &e) : 1;

	if (r < 0)
		log_err(LOG_LEVEL_WARN, "read an exit record", &e);
	return r == 0 && ret->pid == c->status.pid && ret->start_ticks == c->status.start_ticks &&
	       strcmp(ret->boot_id, clock_boot_id()) == 0;
}

static void note_end(struct ctr *c, const struct exitrec *rec)
{
	if (c->flags & SHIM_KILL_REST)
		ctr_kill_all(c);
	stdio_drain(&c->io);
	c->status.exit_unknown = !rec;
	c->status.exit_code = rec ? rec->code : EXIT_UNKNOWN;
	c->status.signal = rec ? (uint32_t)rec->signal : 0;
	c->status.oom = rec ? rec->oom : cgroup_saw_oom(c->cgroup);
	c->status.exited_ns = rec ? rec->exited_ns : clock_realtime_ns();
	if (rec && !c->status.started_ns)
		c->status.started_ns = rec->started_ns;
}

/* --- created or started: ask the runtime --- */

/* Does the runtime's reply contain "status": "WORD"? */
static bool says_status(const char *json, const char *word)
{
	const char *p = strstr(json, "\"status\"");

	if (!p)
		return false;
	p += strlen("\"status\"");
	p += strspn(p, " \t\r\n:");
	return *p == '"' && str_starts(p + 1, word) && p[1 + strlen(word)] == '"';
}

static void state_path(const struct ctr *c, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/runtime.state", c->bundle);
}

static void state_done(struct shim_job *j, int status)
{
	struct ctr *c = container_of(j, struct ctr, job);
	_cleanup_buf_ struct buf text = BUF_NULL;
	struct err e = ERR_NULL;
	char path[PATH_MAX];
	bool created = true; /* if the runtime does not answer, a later START finds out */

	state_path(c, path);
	if (status == 0 && fs_read_file(path, STATE_MAX, &text, &e) == 0 && text.len)
		created = says_status(text.data, "created");
	unlink(path);
	if (!created && !c->status.started_ns)
		c->status.started_ns = clock_realtime_ns();
	life_move(&c->life, created ? LIFE_EVENT_FOUND_CREATED : LIFE_EVENT_FOUND_RUNNING);
	if (c->end_seen)
		life_move(&c->life, LIFE_EVENT_EXITED);
}

static int ask_state(struct ctr *c, struct err *e)
{
	const char *const rest[] = { "state", c->status.id, NULL };
	const char *argv[RUNTIME_ARGV_MAX];
	_cleanup_close_ int out = -1;
	char path[PATH_MAX];

	state_path(c, path);
	out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (out < 0)
		return err_errno(e, ERR_INTERNAL, errno, "create %s", path);
	runtime_argv(&c->runtime, NULL, rest, argv);
	return job_start(&c->job, argv, &(struct job_stdio){ -1, out, -1, -1 }, STATE_TIMEOUT_MS,
			 state_done, e);
}

/* --- adopt --- */

static int check(const struct shim_request *req, const int *fds, enum life_event *ret,
		 struct err *e)
{
	int streams = req->flags & SHIM_TTY ? 1 : req->flags & SHIM_STDIN ? 3 : 2;
	int want = (req->flags & SHIM_PIDFD ? 1 : 0) + (req->flags & SHIM_STREAMS ? streams : 0);
	int have = 0;

	while (have < SHIM_FDS_MAX && fds[have] >= 0)
		have++;
	if (have != want)
		return err_set(e, ERR_INVALID, "adopt: %d descriptors came, %d are needed", have,
			       want);
	if (!life_adopt_event(req->state, ret))
		return err_set(e, ERR_INVALID, "state: a container to adopt is not %s",
			       shimproto_state_name((enum shim_state)req->state));
	if (req->pid < 2 || req->pid > INT32_MAX)
		return err_set(e, ERR_INVALID, "pid: %u is not the pid of a container", req->pid);
	return ctr_check(req, e);
}

static int take_streams(struct ctr *c, const struct shim_request *req, int *fds, struct err *e)
{
	int out = -1, err = -1, in = -1;

	if (req->flags & SHIM_STREAMS) {
		out = take_fd(fds[0]);
		if (!(req->flags & SHIM_TTY))
			err = take_fd(fds[1]);
		if ((req->flags & (SHIM_TTY | SHIM_STDIN)) == SHIM_STDIN)
			in = take_fd(fds[2]);
	}
	return stdio_adopt(&c->io, req->flags, c->bundle, req->log_path, (uint64_t)req->log_max, in,
			   out, err, e);
}

/* ev: the event for the state in the request; changed to ADOPT_ENDED if the process has exited. */
static int take_over(struct ctr *c, const struct shim_request *req, int *fds, enum life_event *ev,
		     struct err *e)
{
	int pidfd = req->flags & SHIM_PIDFD ? fds[0] : -1, r;
	struct exitrec rec;

	r = take_streams(c, req, fds + (pidfd >= 0), e);
	if (r < 0)
		return r;
	ctr_watch_streams(c);
	kill_left_execs(c);
	if (has_record(c, &rec) || pidfd < 0) {
		note_end(c, has_record(c, &rec) ? &rec : NULL);
		*ev = LIFE_EVENT_ADOPT_ENDED;
		return 0;
	}
	r = child_adopt_pidfd(&c->init, (pid_t)req->pid, req->start_ticks, pidfd, ctr_init_ended,
			      e);
	if (r < 0)
		return r;
	fds[0] = -1;
	r = stdio_begin(&c->io, e);
	return r == 0 && *ev == LIFE_EVENT_ADOPT_STARTING ? ask_state(c, e) : r;
}

void takeover_container(const struct shim_request *req, int *fds, struct waiter *w)
{
	struct err e = ERR_NULL;
	enum life_event ev;
	struct ctr *c;

	if (check(req, fds, &ev, &e) < 0) {
		control_answer(w, NULL, -1, &e);
		return;
	}
	c = ctr_new(req);
	c->status.pid = req->pid;
	c->status.start_ticks = req->start_ticks;
	c->status.started_ns = req->started_ns;
	control_join(&c->waiter, w);
	if (take_over(c, req, fds, &ev, &c->failure) < 0) {
		err_wrap(&c->failure, "adopt container %s", req->id);
		log_err(LOG_LEVEL_ERROR, "adopt a container", &c->failure);
		life_move(&c->life, LIFE_EVENT_ADOPT_FAILED);
		ctr_free(c);
		return;
	}
	life_move(&c->life, ev);
	guard_adopted(c);
}
