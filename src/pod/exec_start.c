/*
 * exec_start.c - the way of a process into a container: process.json on a worker, the line to the
 * shim, pipes, the shim's EXEC.
 */
#include "pod/exec_start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/limits.h"
#include "base/words.h"
#include "core/jobs.h"
#include "core/paths.h"
#include "gen/sm_container.h"
#include "oci/exec_process.h"
#include "oci/features.h"
#include "os/cgroup.h"
#include "pod/runtimes.h"
#include "pod/shim.h"

#define RUNTIME_EXEC_MS 60000

/* --- pipes --- */

/* Both ends; -1: none.  The daemon's ends do not block. */
struct exec_pipes {
	struct stream_fds ours;
	int theirs[3]; /* in the order of a request to the shim */
	size_t n;
};
#define EXEC_PIPES_NULL ((struct exec_pipes){ .ours = STREAM_FDS_NULL })

static void pipes_done(struct exec_pipes *p)
{
	stream_fds_close(&p->ours);
	for (size_t i = 0; i < p->n; i++)
		close_fdp(&p->theirs[i]);
}

/* side: index of the daemon's end, 0 to read. */
static int add_pipe(struct exec_pipes *p, int *ours, int side, struct err *e)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "make a pipe for a stream");
	*ours = fds[side];
	p->theirs[p->n++] = fds[!side];
	if (fcntl(fds[side], F_SETFL, O_NONBLOCK) < 0)
		return err_errno(e, ERR_INTERNAL, errno, "set up a pipe for a stream");
	return 0;
}

/* want: stdin, stdout, stderr.  <0: e is set; the caller still calls pipes_done. */
static int pipes_open(struct exec_pipes *p, const bool want[3], struct err *e)
{
	int *const ours[3] = { &p->ours.in, &p->ours.out, &p->ours.err };
	int r = 0;

	for (int i = 0; i < 3 && r == 0; i++)
		if (want[i])
			r = add_pipe(p, ours[i], i == 0, e);
	return r;
}

/* --- the cgroup --- */

static enum oci_exec_cgroup exec_cgroup_of(const char *runtime_path)
{
	const struct conf *c = world.conf;

	for (size_t i = 0; i < c->n_runtimes; i++)
		if (strcmp(c->runtimes[i].path, runtime_path) == 0)
			return runtimes_features(&c->runtimes[i])->exec_cgroup;
	return OCI_EXEC_CGROUP_NONE;
}

/* On v1 use one hierarchy only, enough to find the processes: in the others they stay in and count
 * to the container's cgroup.  On v2 a cgroup without controllers does the same.
 * *ret_option: the value of the runtime's --cgroup, malloc'ed; ret_option may be NULL. */
static char *find_cgroup(const struct exec_start *x, char **ret_option)
{
	struct object *o = world_find(KIND_CONTAINER, x->container_id);
	const Crisp__State__Container *row = o ? o->sm->row : NULL;
	enum oci_exec_cgroup can = row ? exec_cgroup_of(row->runtime_path) : OCI_EXEC_CGROUP_NONE;
	bool v2 = cgroups_layout(world.cgroups) == CGROUP_LAYOUT_V2;
	_cleanup_free_ char *cgroup = row ? cgroup_dir(row->cgroups_path) : NULL;
	_cleanup_free_ char *dir = NULL;
	struct err ignored = ERR_NULL;

	if (can == OCI_EXEC_CGROUP_NONE || (can == OCI_EXEC_CGROUP_PATH && !v2) ||
	    cgroup_controller_dir(world.cgroups, "pids", cgroup, &dir, &ignored) != 0)
		return NULL;
	if (ret_option)
		*ret_option = xasprintf("%scrisp-exec-%s", v2 ? "" : "pids:", x->session);
	return xasprintf("%s/crisp-exec-%s", dir, x->session);
}

char *exec_start_cgroup(const struct exec_start *x)
{
	return find_cgroup(x, NULL);
}

/* --- the command --- */

int exec_start_find(const char *container_id, char *const *cmd, size_t n, struct object **ret,
		    struct err *e)
{
	size_t words = 0;
	int r = words_check("cmd", cmd, n, &words, e);

	if (r == 0)
		r = world_lookup(KIND_CONTAINER, container_id, ret, e);
	if (r == 0 && !ctr_is_running((*ret)->sm->state))
		r = err_set(e, ERR_PRECONDITION, "container %s is %s", container_id,
			    ctr_is_paused((*ret)->sm->state) ? "paused" : "not running");
	return r;
}

static char **words_copy(char *const *words, size_t n)
{
	char **copy = xcalloc(n + 1, sizeof(char *));

	for (size_t i = 0; i < n; i++)
		copy[i] = xstrdup(words[i]);
	return copy;
}

static void words_free(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}

void exec_start_set_cmd(struct exec_start *x, char *const *cmd, size_t n)
{
	x->cmd = words_copy(cmd, n);
	x->n_cmd = n;
}

/* --- start --- */

struct start_job {
	struct job base;
	char *config_path, *process_path;
	char **cmd;
	bool tty;
};

static struct start_job *start_job(struct job *j)
{
	return container_of(j, struct start_job, base);
}

static void start_job_free(struct job *j)
{
	struct start_job *s = start_job(j);

	words_free(s->cmd);
	free(s->config_path);
	free(s->process_path);
	free(s);
}

static int work_process(struct job *j, struct err *e)
{
	const struct start_job *s = start_job(j);
	_cleanup_buf_ struct buf config = BUF_NULL;
	_cleanup_free_ char *json = NULL;
	int r = fs_read_file(s->config_path, 16 * LIMIT_CONFIG_BYTES, &config, e);

	if (r == 1)
		return err_set(e, ERR_DATA_LOSS, "%s is missing", s->config_path);
	if (r == 0)
		r = oci_exec_process(config.data, (const char *const *)s->cmd, s->tty, &json, e);
	if (r == 0)
		r = fs_replace_file(s->process_path, json, strlen(json), 0600, false, e);
	return r;
}

void exec_start_fail(struct object *o, uint64_t gen, const struct err *e)
{
	const struct exec_start *x = o->own;
	struct shim_answer none = { .fd = -1 };

	x->ops->started(o, gen, &none, e);
}

/* A runtime that fails in a container that ends is no error of the runtime. */
static void started(struct object *o, uint64_t gen, struct shim_answer *ans, const struct err *err)
{
	const struct exec_start *x = o->own;
	const struct object *container = world_find(KIND_CONTAINER, x->container_id);
	struct err e = ERR_NULL;

	if (err && err->code == ERR_UNKNOWN &&
	    (!container || !ctr_is_joinable(container->sm->state))) {
		e = *err;
		e.code = ERR_PRECONDITION;
		err_wrap(&e, "the container ends");
		err = &e;
	}
	x->ops->started(o, gen, ans, err);
}

void exec_start_send(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link,
		     const struct shim_request *req, const bool want[3])
{
	const struct exec_start *x = o->own;
	struct exec_pipes pipes = EXEC_PIPES_NULL;
	struct err e = ERR_NULL;
	int r = link ? 0 : err_set(&e, ERR_UNAVAILABLE, "the pod's shim has ended");

	if (r == 0)
		r = pipes_open(&pipes, want, &e);
	if (r == 0)
		r = x->ops->opened(o, &pipes.ours, &e);
	if (r == 0)
		pod_request(p, o, req, pipes.theirs, pipes.n, started);
	pipes_done(&pipes);
	if (r < 0)
		exec_start_fail(o, gen, &e);
}

static void start_with(struct object *o, uint64_t gen, struct pod *p, struct shim_link *link)
{
	const struct exec_start *x = o->own;
	/* Without a terminal always open both outputs: the process has them, read or not. */
	const bool want[3] = { !x->tty && x->in, !x->tty, !x->tty };
	_cleanup_free_ char *option = NULL;
	_cleanup_free_ char *cgroup = find_cgroup(x, &option);
	struct shim_request req = {
		.type = SHIM_EXEC,
		.session = x->session,
		.id = x->container_id,
		.process_path = x->process_path,
		.cgroup = cgroup,
		.flags = x->tty	 ? SHIM_TTY
			 : x->in ? SHIM_STDIN
				 : 0,
		.timeout_ms = RUNTIME_EXEC_MS,
	};

	if (cgroup) {
		req.args[0] = "--cgroup";
		req.args[1] = option;
	}
	exec_start_send(o, gen, p, link, &req, want);
}

static void done_process(struct job *j, struct object *o)
{
	struct exec_start *x = o && o->sm->effect_gen == j->gen ? o->own : NULL;
	struct pod *p = x ? pod_of_container(x->container_id) : NULL;
	struct err e = ERR_NULL;

	if (!x) {
		unlink(start_job(j)->process_path);
	} else if (j->result < 0) {
		exec_start_fail(o, j->gen, &j->err);
	} else if (!p) {
		err_set(&e, ERR_NOT_FOUND, "the container was removed");
		exec_start_fail(o, j->gen, &e);
	} else {
		pod_when_settled(p, o, start_with);
	}
}

void exec_start_init(struct exec_start *x, const struct exec_start_ops *ops,
		     const char *container_id, const char *session)
{
	_cleanup_free_ char *run = path_container_run(world.conf, container_id);

	x->ops = ops;
	memcpy(x->container_id, container_id, MIN(strlen(container_id), (size_t)ID_LEN));
	x->session = xstrdup(session);
	x->process_path = xasprintf("%s/exec-%s.json", run, session);
}

void exec_start_run(struct object *o)
{
	const struct exec_start *x = o->own;
	_cleanup_free_ char *run = path_container_run(world.conf, x->container_id);
	struct start_job *s = xcalloc(1, sizeof(*s));

	job_init(&s->base, o, LANE_SESSION, work_process, done_process, start_job_free);
	s->config_path = xasprintf("%s/config.json", run);
	s->process_path = xstrdup(x->process_path);
	s->tty = x->tty;
	s->cmd = words_copy(x->cmd, x->n_cmd);
	job_start(&s->base);
}

void exec_start_done(struct exec_start *x)
{
	/* If unlink fails: the file is on tmpfs and removed with the container. */
	if (x->process_path)
		unlink(x->process_path);
	free(x->process_path);
	free(x->session);
	words_free(x->cmd);
}
