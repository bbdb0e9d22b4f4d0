/*
 * shimdrv.c - the shim under test: what the daemon relies on, over the daemon's own link, with a
 * real OCI runtime.  TAP on stdout.
 *
 * usage: shimdrv SHIM RUNTIME WORKDIR, with TEST_CGROUP and TEST_MEMORY (see node/shim.sh)
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"
#include "shimproto/exitrec.h"
#include "tests/integration/shimdrv.h"

static const char *pod_dir;
static struct spawn_child shim = { .pid = -1, .pidfd = -1 };

static bool says(const struct answer *a, enum err_code code, const char *text)
{
	if (a->failed && a->err.code == code && strstr(a->err.text, text))
		return true;
	fprintf(stderr, "# wanted %s \"%s\", got %s \"%s\"\n", err_code_name(code), text,
		err_code_name(a->failed ? a->err.code : ERR_OK), a->failed ? a->err.text : "");
	return false;
}

static bool good(const struct answer *a)
{
	if (a->failed)
		fprintf(stderr, "# %s: %s\n", err_code_name(a->err.code), a->err.text);
	return !a->failed && a->calls == 1;
}

static bool start_shim(void)
{
	struct err e = ERR_NULL;
	int r = shim_start(shim_program, "pod-under-test", pod_dir, NULL, NULL, PATIENCE_MS, &shim,
			   &e);

	if (r < 0)
		fprintf(stderr, "# %s\n", e.text);
	return r == 0 && shim.pid > 0 && shim.pidfd >= 0;
}

static struct answer do_create(const struct shim_request *req)
{
	struct answer a = call(req);

	if (!good(&a))
		check(false, "%s: create", req->id);
	return a;
}

static void do_start(const char *id)
{
	struct shim_request req = simple(SHIM_START, id);
	struct answer a = call(&req);

	if (!good(&a))
		check(false, "%s: start", id);
}

static void run(const struct shim_request *req)
{
	do_create(req);
	do_start(req->id);
}

static struct answer do_kill(const char *id, int sig, uint32_t flags)
{
	struct shim_request req = {
		.type = SHIM_KILL, .id = id, .signal = (uint32_t)sig, .flags = flags
	};

	return call(&req);
}

/* After its end: nothing of it is left anywhere. */
static void finish(const char *id)
{
	struct shim_request req = simple(SHIM_FORGET, id);
	struct answer a;

	runtime_delete(id);
	a = call(&req);
	if (!good(&a))
		check(false, "%s: forget", id);
	req.type = SHIM_STATUS;
	a = call(&req);
	if (!says(&a, ERR_NOT_FOUND, id))
		check(false, "%s: forgotten", id);
}

/* --- scenarios --- */

static void one_shim(void)
{
	struct spawn_child first = shim, found;

	check(start_shim() && shim.pid == first.pid, "a second start finds the first shim");
	close_fdp(&first.pidfd);
	check(shim_is_alive(pod_dir, &found) && found.pid == shim.pid, "its lock says it lives");
	close_fdp(&found.pidfd);
	check(!shim_is_alive(work_dir, NULL), "no shim elsewhere");
}

static void life_and_log(void)
{
	struct shim_request req = bundle("life",
					 "echo out; echo err >&2; "
					 "printf unfinished; exit 7",
					 0);
	struct answer a = do_create(&req), b;
	struct shim_status st;
	struct exitrec rec;
	struct err e = ERR_NULL;

	b = call(&req);
	check(good(&b) && b.status.pid == a.status.pid && a.status.pid > 1 &&
		      b.status.state == SHIM_CREATED && a.status.start_ticks > 0,
	      "life: create again gives the same process");
	do_start("life");
	check(wait_ended("life", &st) && st.exit_code == 7 && st.signal == 0 && !st.oom &&
		      st.exited_ns >= st.started_ns && st.started_ns >= st.created_ns,
	      "life: the exit code is told");
	check(exitrec_read(req.exit_path, &rec, &e) == 0 && rec.code == 7 &&
		      rec.exited_ns == st.exited_ns && rec.pid == (int64_t)st.pid,
	      "life: and it is on disk by then");
	check(strstr(text_of(req.log_path), " stdout F out\n") &&
		      strstr(text_of(req.log_path), " stderr F err\n"),
	      "life: both streams are in the log");
	check(wait_text(req.log_path, " stdout P unfinished\n"),
	      "life: output that ends without a newline is a part of a line in the log");
	req = simple(SHIM_START, "life");
	a = call(&req);
	check(good(&a) && a.status.state == SHIM_ENDED, "life: start again is no new start");
	finish("life");
}

static void kills(void)
{
	struct shim_request req = bundle("killed", "while :; do sleep 100; done", 0);
	struct shim_status st;
	struct answer a;

	run(&req);
	a = do_kill("killed", 99, 0);
	check(says(&a, ERR_INVALID, "signal 99"), "kill: a signal that does not exist");
	a = do_kill("killed", SIGKILL, 0);
	check(good(&a) && wait_ended("killed", &st) && st.exit_code == 137 && st.signal == SIGKILL,
	      "kill: by signal");
	finish("killed");
	req = bundle("unstarted", "true", 0);
	do_create(&req);
	a = do_kill("unstarted", SIGKILL, 0);
	check(good(&a) && wait_ended("unstarted", &st) && st.started_ns == 0,
	      "kill: before the start");
	req = simple(SHIM_START, "unstarted");
	a = call(&req);
	check(says(&a, ERR_PRECONDITION, "before it was started"), "kill: start after that");
	finish("unstarted");
}

static void host_pid(void)
{
	struct shim_request req =
		bundle("many", "sleep 1000 & sleep 1000 & (sleep 1000; :) & wait", BUNDLE_HOST_PID);
	struct shim_status st;
	struct answer a;

	run(&req);
	a = do_kill("many", SIGKILL, SHIM_ALL);
	check(good(&a) && wait_ended("many", &st) && st.exit_code == 137,
	      "kill all: answered when nobody is left");
	check(!*text_of(path_of("many-procs")) &&
		      !*text_of(kept(xasprintf("%s/cgroup.procs", req.cgroup))),
	      "kill all: the cgroup is empty");
	finish("many");

	req = bundle("late", "(while [ ! -e /out/go ]; do sleep 0.05; done; echo late) & exit 3",
		     BUNDLE_HOST_PID);
	run(&req);
	check(wait_ended("late", &st) && st.exit_code == 3,
	      "a child that keeps the pipe does not hide the end");
	close(open(path_of("out/go"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	check(wait_text(req.log_path, " stdout F late\n"), "and what it writes later is logged");
	finish("late");

	req = bundle("rest", "sleep 1000 & exit 4", BUNDLE_HOST_PID);
	req.flags |= SHIM_KILL_REST;
	run(&req);
	check(wait_ended("rest", &st) && st.exit_code == 4, "kill rest: the code is init's");
	a = do_kill("rest", SIGKILL, SHIM_ALL);
	check(good(&a) && !*text_of(kept(xasprintf("%s/cgroup.procs", req.cgroup))),
	      "kill rest: nobody outlives init");
	finish("rest");
}

static void states(void)
{
	struct shim_request create = bundle("states", "sleep 1000", 0), req;
	struct shim_status st;
	struct answer a;

	req = simple(SHIM_START, "nobody");
	a = call(&req);
	check(says(&a, ERR_NOT_FOUND, "nobody"), "states: an unknown container");
	req = simple(SHIM_START, "../../etc");
	a = call(&req);
	check(says(&a, ERR_INVALID, "id"), "states: a name that is none");
	do_create(&create);
	req = (struct shim_request){
		.type = SHIM_EXEC, .id = "states", .session = "x", .process_path = "/x"
	};
	a = call(&req);
	check(says(&a, ERR_PRECONDITION, "is created: EXEC"), "states: exec before the start");
	req = simple(SHIM_FORGET, "states");
	a = call(&req);
	check(says(&a, ERR_PRECONDITION, "FORGET"), "states: forget before the end");
	do_start("states");
	a = call(&create);
	check(says(&a, ERR_PRECONDITION, "is running: CREATE"), "states: create while it runs");
	req = simple(SHIM_RESIZE, "states");
	a = call(&req);
	check(says(&a, ERR_PRECONDITION, "no terminal"), "states: resize without a terminal");
	do_kill("states", SIGKILL, 0);
	wait_ended("states", &st);
	finish("states");
	create.id = "relative";
	create.bundle = "bundles/relative";
	a = call(&create);
	check(says(&a, ERR_INVALID, "bundle: must be a clean absolute path"),
	      "states: a relative path");
}

/* --- exec --- */

/* Run a command; output into out. */
static struct answer exec_in(const char *ctr, const char *session, const char *args,
			     const char *input, int *ret_out)
{
	int in[2], out[2];
	struct shim_request req = {
		.type = SHIM_EXEC, .id = ctr, .session = session, .flags = input ? SHIM_STDIN : 0
	};
	struct answer a;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		abort();
	if (input && write(in[1], input, strlen(input)) < 0)
		abort();
	close(in[1]);
	req.process_path = process(session, args, false);
	a = call_fds(&req, input ? (int[]){ in[0], out[1], out[1] } : (int[]){ out[1], out[1] },
		     input ? 3 : 2);
	close(in[0]);
	close(out[1]);
	*ret_out = out[0];
	return a;
}

static bool reads(int fd, const char *text)
{
	char data[4096];
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, data + len, sizeof(data) - 1 - len)) > 0) {
		len += (size_t)n;
		data[len] = '\0';
		if (strstr(data, text))
			break;
	}
	close(fd);
	data[len] = '\0';
	return strstr(data, text) != NULL;
}

static void exec_tty(void)
{
	struct shim_request req = {
		.type = SHIM_EXEC, .id = "execs", .session = "tty", .flags = SHIM_TTY
	};
	struct shim_status st;
	struct answer a;

	req.process_path =
		process("tty", "\"/bin/sh\",\"-c\",\"test -t 0 && echo is-a-tty; exit 9\"", true);
	a = call(&req);
	check(good(&a) && a.fd >= 0, "exec: the terminal comes with the answer");
	check(reads(fcntl(a.fd, F_DUPFD_CLOEXEC, 0), "is-a-tty"), "exec: and it is one");
	/* Closed any earlier, the terminal would hang up on a shell that has yet to exit. */
	check(wait_ended("tty", &st) && st.exit_code == 9, "exec: with a terminal, exit code");
	close(a.fd);
}

static void execs(void)
{
	struct shim_request create = bundle("execs", "sleep 1000", 0), req;
	struct shim_status st;
	struct answer a;
	int out;

	run(&create);
	a = exec_in("execs", "hello", "\"/bin/sh\",\"-c\",\"echo from-exec; exit 5\"", NULL, &out);
	check(good(&a) && a.status.pid > 1 && reads(out, "from-exec"), "exec: its output");
	check(wait_ended("hello", &st) && st.exit_code == 5 && strcmp(st.id, "execs") == 0,
	      "exec: its exit code");
	a = exec_in("execs", "stdin", "\"/bin/cat\"", "typed", &out);
	check(good(&a) && reads(out, "typed") && wait_ended("stdin", &st) && st.exit_code == 0,
	      "exec: its input");
	a = exec_in("execs", "missing", "\"/bin/nowhere\"", NULL, &out);
	close(out);
	check(says(&a, ERR_UNKNOWN, "/bin/nowhere") && a.status.exit_code == 127,
	      "exec: a program that does not exist");
	a = exec_in("execs", "denied", "\"/etc\"", NULL, &out);
	close(out);
	check(a.failed && a.status.exit_code == 126, "exec: one that cannot be executed");
	a = exec_in("execs", "long", "\"/bin/sh\",\"-c\",\"sleep 1000 & sleep 1000\"", NULL, &out);
	req = (struct shim_request){ .type = SHIM_EXEC_KILL, .session = "long" };
	a = call(&req);
	check(good(&a) && wait_ended("long", &st) && st.exit_code == 137, "exec: killed");
	check(!reads(out, "anything"), "exec: with its children, or the pipe would not end");
	exec_tty();
	drv_disconnect();
	drv_connect(pod_dir);
	check(seen_state("hello") == SHIM_ENDED && seen_state("missing") == 0,
	      "exec: ends are told again to a new daemon");
	req = (struct shim_request){ .type = SHIM_FORGET, .session = "hello" };
	a = call(&req);
	req.type = SHIM_STATUS;
	a = call(&req);
	check(says(&a, ERR_NOT_FOUND, "hello"), "exec: until they are forgotten");
	do_kill("execs", SIGKILL, 0);
	wait_ended("execs", &st);
	finish("execs");
}

/* --- logs --- */

/* Numbered lines, in order, each once, in the files given. */
static bool numbers_are_whole(const char *const *paths, size_t n, long last)
{
	long want = 1;

	for (size_t i = 0; i < n; i++) {
		const char *p = text_of(paths[i]);

		while (*p) {
			long got;

			p = strstr(p, " stdout F ");
			if (!p || sscanf(p, " stdout F %ld\n", &got) != 1 || got != want)
				return false;
			want++;
			p = strchr(p, '\n') + 1;
		}
	}
	return want == last + 1;
}

#define COUNTER "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo $i; done"

static void reopen(void)
{
	struct shim_request create = bundle("reopen", COUNTER "; sleep 1000", 0), req;
	const char *paths[21];
	struct shim_status st;
	struct answer a;
	size_t n = 0;
	bool all = true;

	run(&create);
	req = simple(SHIM_REOPEN, "reopen");
	for (; n < 20; n++) {
		paths[n] = kept(xasprintf("%s.%zu", create.log_path, n));
		rename(create.log_path, paths[n]);
		a = call(&req);
		all = all && good(&a) && fs_exists(create.log_path);
	}
	check(all, "reopen: the new file is there with the answer");
	paths[n] = create.log_path;
	for (int i = 0; i < PATIENCE_MS / 20 && !numbers_are_whole(paths, 21, 20000); i++)
		poll(NULL, 0, 20);
	check(numbers_are_whole(paths, 21, 20000), "reopen: no line lost, doubled or cut");
	rename(path_of("logs"), path_of("logs-gone"));
	a = call(&req);
	check(says(&a, ERR_NOT_FOUND, "reopen.log"), "reopen: without the directory");
	rename(path_of("logs-gone"), path_of("logs"));
	do_kill("reopen", SIGKILL, 0);
	wait_ended("reopen", &st);
	finish("reopen");
}

static void full_disk(void)
{
	struct shim_request create;
	struct shim_status st;
	struct err why;
	const char *log;
	struct answer a;
	unsigned long lost = 0;

	mkdir(path_of("small"), 0755);
	if (mount("tmpfs", path_of("small"), "tmpfs", 0, "size=256k") < 0) {
		check(false, "full: mount: %s", strerror(errno));
		return;
	}
	create = bundle("full",
			COUNTER "; " COUNTER "; echo $i > /out/full; "
				"while [ ! -e /out/freed ]; do sleep 0.05; done; echo after; "
				"sleep 1000",
			0);
	create.log_path = log = path_of("small/full.log");
	run(&create);
	check(wait_log_error("full", &why) && strstr(why.text, "No space left"),
	      "full: the daemon is told");
	check(wait_text(path_of("out/full"), "20000"), "full: the container goes on");
	rename(log, path_of("out/full.log")); /* another file system: fails */
	check(text_of(log)[strlen(text_of(log)) - 1] == '\n', "full: the file ends with a record");
	mount("tmpfs", path_of("small"), "tmpfs", MS_REMOUNT, "size=16m");
	close(open(path_of("out/freed"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	check(wait_text(log, " stdout F after\n"), "full: writes again when there is room");
	check(strstr(text_of(log), " stderr F [crisp: ") &&
		      sscanf(strstr(text_of(log), "[crisp: "),
			     "[crisp: %lu bytes lost: No space left on device]\n", &lost) == 1,
	      "full: the gap is in the log");
	create = simple(SHIM_STATUS, "full");
	a = call(&create);
	check(good(&a) && lost > 0 && a.status.log_lost == lost, "full: and it is counted");
	do_kill("full", SIGKILL, 0);
	wait_ended("full", &st);
	finish("full");
	umount(path_of("small"));
}

static void capped(void)
{
	struct shim_request create = bundle("capped", COUNTER, 0);
	struct shim_status st;
	struct stat s;

	create.log_max = 100000;
	run(&create);
	wait_ended("capped", &st);
	check(stat(create.log_path, &s) == 0 && s.st_size > 0 && s.st_size <= 100000 &&
		      (s.st_mode & 07777) == 0640,
	      "cap: the log stays below its cap");
	check(wait_text(create.log_path, " stdout F 20000\n"), "cap: and has the newest lines");
	finish("capped");
}

/* --- memory --- */

static void oom(void)
{
	struct shim_request create = bundle("oom", "tail /dev/zero", BUNDLE_OOM);
	struct exitrec rec = { .code = -1 };
	struct err e = ERR_NULL;
	struct shim_status st;

	run(&create);
	check(wait_ended("oom", &st) && st.exit_code == 137 && st.oom, "oom: is told");
	check(exitrec_read(create.exit_path, &rec, &e) == 0 && rec.oom, "oom: is on disk");
	finish("oom");
}

/* --- the daemon goes away --- */

static void daemon_gone(void)
{
	struct shim_request create = bundle("gone",
					    "while [ ! -e /out/leave ]; do "
					    "sleep 0.05; done; " COUNTER "; exit 9",
					    0);
	struct shim_request creating = bundle("creating", "sleep 1000", 0);
	struct answer pending, a;
	struct exitrec rec = { .code = -1 };
	struct err e = ERR_NULL;
	struct shim_status st;

	run(&create);
	call_begin(&creating, NULL, 0, &pending);
	drv_disconnect();
	check(pending.calls == 1 && says(&pending, ERR_UNAVAILABLE, "closed"),
	      "gone: a call under way is called back when the link is closed");
	close(open(path_of("out/leave"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	for (int i = 0; i < PATIENCE_MS / 20 && !fs_exists(create.exit_path); i++)
		poll(NULL, 0, 20);
	check(exitrec_read(create.exit_path, &rec, &e) == 0 && rec.code == 9,
	      "gone: the exit record is written without a daemon");
	drv_connect(pod_dir);
	check(wait_ended("gone", &st) && st.exit_code == 9 && st.exited_ns == rec.exited_ns,
	      "gone: a new daemon is told the end");
	check(numbers_are_whole(&create.log_path, 1, 20000), "gone: the log has no gap");
	a = call(&creating);
	check(good(&a) && a.status.state == SHIM_CREATED && a.status.pid > 1,
	      "gone: a create that was under way is joined");
	do_kill("creating", SIGKILL, 0);
	wait_ended("creating", &st);
	finish("creating");
	finish("gone");
}

/* --- runtimes that misbehave --- */

static const char *fake_runtime(const char *name, const char *script)
{
	const char *path = path_of("%s", name);
	_cleanup_free_ char *text = xasprintf("#!/bin/sh\n%s\n", script);
	struct err e = ERR_NULL;

	if (fs_replace_file(path, text, strlen(text), 0755, false, &e) < 0)
		check(false, "%s", e.text);
	return path;
}

static bool left_nothing(const struct shim_request *req)
{
	struct shim_request status = simple(SHIM_STATUS, req->id);
	struct answer a = call(&status);

	return says(&a, ERR_NOT_FOUND, req->id) && !fs_exists(req->exit_path) &&
	       !fs_exists(path_of("exits/%s.room", req->id)) &&
	       !fs_exists(path_of("runc/%s", req->id));
}

static void runtimes(void)
{
	struct shim_request req = bundle("norun", "true", 0);
	struct answer a;

	req.runtime = "/nonexistent/runtime";
	a = call(&req);
	check(says(&a, ERR_NOT_FOUND, "/nonexistent/runtime") && left_nothing(&req),
	      "runtime: missing");
	req.runtime = fake_runtime("hangs", "case \"$*\" in *delete*) exit 0;; esac; "
					    "echo $$ >\"$0.pid\"; exec sleep 1000");
	req.timeout_ms = 200;
	a = call(&req);
	check(says(&a, ERR_DEADLINE, "did not finish in time") && left_nothing(&req),
	      "runtime: hangs");
	req.timeout_ms = 0;
	req.runtime = fake_runtime("mumbles", "printf 'bad \\377\\001 words\\n' >&2; exit 3");
	a = call(&req);
	check(says(&a, ERR_UNKNOWN, "bad ?  words") && left_nothing(&req),
	      "runtime: its stderr reaches the client as clean text");
	req.runtime = fake_runtime("lies", "exit 0");
	a = call(&req);
	check(says(&a, ERR_INTERNAL, "wrote no pid file") && left_nothing(&req),
	      "runtime: says it is done and is not");
	req = bundle("norun", "true", 0);
	req.log_path = path_of("nowhere/x.log");
	a = call(&req);
	check(says(&a, ERR_NOT_FOUND, "nowhere/x.log") && left_nothing(&req),
	      "runtime: no directory for the log");
}

static void runtime_fails(void)
{
	struct shim_request req = bundle("failing", "true", 0);
	const char *path = path_of("bundles/failing/config.json");
	const char *text = text_of(path), *at = strstr(text, "/bin/sh");
	_cleanup_free_ char *changed = xasprintf("%.*s/bin/no%s", (int)(at - text), text, at + 7);
	struct shim_status st;
	struct err e = ERR_NULL;
	struct answer a;

	fs_replace_file(path, changed, strlen(changed), 0644, false, &e);
	a = call(&req);
	check(says(&a, ERR_UNKNOWN, "/bin/no") && left_nothing(&req),
	      "runtime: fails, its reason is told and nothing is left");
	req = bundle("failing", "exit 6", 0);
	run(&req);
	check(wait_ended("failing", &st) && st.exit_code == 6, "runtime: the same name again");
	finish("failing");
}

/* --- terminals, stdin, attach --- */

static void terminal(void)
{
	struct shim_request create = bundle("tty",
					    "test -t 1 && echo terminal; "
					    "while [ ! -e /out/tty ]; do sleep 0.05; done; "
					    "stty size; exit 2",
					    BUNDLE_TTY);
	struct shim_request resize = {
		.type = SHIM_RESIZE, .id = "tty", .width = 101, .height = 33
	};
	struct shim_status st;
	struct answer a;

	run(&create);
	check(wait_text(create.log_path, "stdout F terminal"),
	      "tty: it is a terminal and is logged");
	a = call(&resize);
	close(open(path_of("out/tty"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	check(good(&a) && wait_ended("tty", &st) && st.exit_code == 2 &&
		      wait_text(create.log_path, "33 101"),
	      "tty: has the size it was given");
	finish("tty");
}

static void attach(void)
{
	struct shim_request create = bundle("cat", "cat; exit 8", 0);
	struct shim_request req = { .type = SHIM_ATTACH,
				    .id = "cat",
				    .flags = SHIM_STDIN | SHIM_STDOUT };
	_cleanup_free_ char *big = xmalloc(300001);
	struct shim_status st;
	int in[2], out[2];
	struct answer a;

	create.flags |= SHIM_STDIN | SHIM_STDIN_ONCE;
	run(&create);
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		abort();
	a = call_fds(&req, (int[]){ in[0] }, 1);
	check(says(&a, ERR_INVALID, "1 descriptors came, 2 are needed"), "attach: one is missing");
	a = call_fds(&req, (int[]){ in[0], out[1] }, 2);
	close(in[0]);
	close(out[1]);
	check(good(&a), "attach");
	memset(big, 'x', 300000);
	memcpy(big + 299990, "\nthe-end.\n", 11);
	check(fs_write_all(in[1], big, 300000) == 0, "attach: more than any pipe holds");
	close(in[1]);
	check(wait_ended("cat", &st) && st.exit_code == 8,
	      "attach: the end of the first client's input is the end of stdin");
	check(wait_text(create.log_path, "F the-end."), "attach: all of it arrived");
	check(strstr(text_of(create.log_path), " stdout P xxx"), "attach: a long line is split");
	{
		size_t total = 0;
		ssize_t n;

		while ((n = read(out[0], big, 300000)) > 0)
			total += (size_t)n;
		check(total == 300000, "attach: the client saw it (%zu)", total);
		close(out[0]);
	}
	finish("cat");
}

static void slow_client(void)
{
	struct shim_request create = bundle("flood",
					    "head -c 8000000 /dev/zero | tr '\\0' y; "
					    "exit 1",
					    0);
	struct shim_request req = { .type = SHIM_ATTACH, .id = "flood", .flags = SHIM_STDOUT };
	struct shim_status st;
	int out[2];

	do_create(&create);
	if (pipe2(out, O_CLOEXEC) < 0)
		abort();
	call_fds(&req, &out[1], 1);
	close(out[1]);
	do_start("flood");
	check(wait_ended("flood", &st) && st.exit_code == 1,
	      "attach: a client that does not read stops nobody");
	close(out[0]);
	finish("flood");
}

/* --- the pod's init --- */

static void pod_init(void)
{
	struct shim_request req = { .type = SHIM_INIT };
	struct answer a = call(&req), b = call(&req);
	char root[64], link[256];
	const char *status;
	ssize_t n;

	check(good(&a) && a.status.pid > 1 && b.status.pid == a.status.pid, "init: one a pod");
	status = kept(xasprintf("/proc/%u/status", a.status.pid));
	check(wait_text(status, "Name:\tcrisp-init\n") &&
		      wait_text(status, "CapPrm:\t0000000000000000") && wait_text(status, "\t1\n"),
	      "init: it is pid 1 and has no capabilities");
	snprintf(root, sizeof(root), "/proc/%u/exe", a.status.pid);
	n = readlink(root, link, sizeof(link) - 1);
	link[MAX(n, (ssize_t)0)] = '\0';
	check(str_starts(link, "/memfd:"), "init: its program is no file of the host (%s)", link);
	for (int i = 0; i < PATIENCE_MS / 20 && count_fds((int)a.status.pid) > 2; i++)
		poll(NULL, 0, 20);
	check(count_fds((int)a.status.pid) == 2, "init: holds no descriptors");
	snprintf(root, sizeof(root), "/proc/%u/root/proc", a.status.pid);
	check(!fs_exists(root), "init: has nothing of the host as its root");
}

/* A container beside the pod's init: it sees it, and gets nothing from it. */
static void shared_pid(void)
{
	struct shim_request init = { .type = SHIM_INIT }, req;
	struct shim_status st;

	pod_init_pid = call(&init).status.pid;
	req = bundle("shared",
		     "cat /proc/1/comm; (sleep 0.2 &); ls -A /proc/1/root/ | head -1; "
		     "cat /proc/1/exe | head -c 1; kill -9 1; echo $$; exit 12",
		     BUNDLE_POD_PID);
	run(&req);
	check(wait_ended("shared", &st) && st.exit_code == 12,
	      "shared: a container in its namespace");
	check(strstr(text_of(req.log_path), " stdout F crisp-init\n") &&
		      strstr(text_of(req.log_path), "/proc/1/root/: Permission denied") &&
		      strstr(text_of(req.log_path), "/proc/1/exe': Permission denied") &&
		      !strstr(text_of(req.log_path), " stdout F 1\n"),
	      "shared: sees init as pid 1, and nothing through it");
	do_kill("shared", SIGKILL, SHIM_ALL);
	check(call(&init).status.pid == pod_init_pid, "shared: init survives what it tries");
	finish("shared");
}

/* --- hostile and dying peers --- */

static void bad_frames(void)
{
	static const char *const frames[] = { "", "x", "CSHM",
					      "CSHM\1\0\2\0\0\0\0\0\1\0\0\0\0\0\0\0" };
	static const size_t sizes[] = { 0, 1, 4, 20 };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int dir = open(pod_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char answer[SHIM_FRAME_MAX], huge[SHIM_FRAME_MAX + 100] = "CSHM";
	struct shim_report rep;
	struct err e = ERR_NULL;
	bool all = true;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/shim.sock", dir);
	check(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0, "frames: connect");
	check(drv_wait_lost(), "frames: the older connection is told that it was replaced");
	for (size_t i = 1; i < ARRAY_LEN(frames); i++) {
		ssize_t n;

		all = all && send(fd, frames[i], sizes[i], 0) == (ssize_t)sizes[i];
		n = recv(fd, answer, sizeof(answer), 0);
		all = all && n > 0 && shimproto_parse_report(answer, (size_t)n, &rep, &e) == 0 &&
		      rep.err.code != ERR_OK;
	}
	all = all && send(fd, huge, sizeof(huge), 0) == (ssize_t)sizeof(huge) &&
	      recv(fd, answer, sizeof(answer), 0) > 0;
	check(all, "frames: each bad one is answered with an error");
	close(fd);
	close(dir);
	drv_disconnect();
	drv_connect(pod_dir);
	check(!drv_was_lost(), "frames: and the shim goes on");
}

static void shim_dies(void)
{
	struct shim_request req = bundle("orphan", "true", 0);
	struct shim_request init = { .type = SHIM_INIT };
	struct answer pending, before = call(&init), after;
	struct spawn_child old = shim;
	int hanging;

	req.runtime = path_of("hangs");
	unlink(path_of("hangs.pid"));
	call_begin(&req, NULL, 0, &pending);
	check(wait_text(path_of("hangs.pid"), "\n"), "death: while a runtime is under way");
	kill(shim.pid, SIGKILL);
	check(call_end(&pending) && says(&pending, ERR_UNAVAILABLE, "shim"),
	      "death: calls under way are called back");
	/* The runtime that hangs is nobody's now. */
	if (sscanf(text_of(path_of("hangs.pid")), "%d", &hanging) == 1)
		kill(hanging, SIGKILL);
	check(drv_wait_lost() && pending.calls == 1, "death: once, and the loss is told");
	drv_disconnect();
	for (int i = 0; i < PATIENCE_MS / 20 && shim_is_alive(pod_dir, NULL); i++)
		poll(NULL, 0, 20);
	check(start_shim() && shim.pid != old.pid, "death: another one takes the pod");
	close_fdp(&old.pidfd);
	drv_connect(pod_dir);
	check(seen_state("orphan") == 0, "death: it knows no container");
	after = call(&init);
	check(good(&after) && after.status.pid == before.status.pid &&
		      after.status.start_ticks == before.status.start_ticks,
	      "death: but takes over the pod's init");
}

static void shutdown_shim(void)
{
	struct shim_request req = { .type = SHIM_INIT };
	struct answer a = call(&req);
	char proc[32];

	snprintf(proc, sizeof(proc), "/proc/%u", a.status.pid);
	req.type = SHIM_SHUTDOWN;
	a = call(&req);
	check(good(&a) && drv_wait_lost(), "shutdown: answered, then the line ends");
	drv_disconnect();
	for (int i = 0; i < PATIENCE_MS / 20; i++) {
		if (!shim_is_alive(pod_dir, NULL) && !fs_exists(proc))
			break;
		poll(NULL, 0, 20);
	}
	check(!shim_is_alive(pod_dir, NULL) && !fs_exists(proc),
	      "shutdown: shim and init are gone");
	close_fdp(&shim.pidfd);
}

int main(int argc, char **argv)
{
	static void (*const scenarios[])(void) = {
		one_shim,      life_and_log, kills,  host_pid,	  states,      execs,
		reopen,	       full_disk,    capped, oom,	  daemon_gone, runtimes,
		runtime_fails, terminal,     attach, slow_client, pod_init,    shared_pid,
	};
	int fds;

	if (argc != 4)
		return 2;
	shim_program = argv[1];
	runtime_program = argv[2];
	work_dir = argv[3];
	/* Longer than a socket's address. */
	pod_dir = path_of("pods/%0100d", 1);
	if (fs_mkdir_all(pod_dir, 0700, &(struct err){ .code = ERR_OK }) < 0)
		return 2;
	/* A pipe whose other end is gone is an error of the write. */
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	drv_begin();
	check(start_shim(), "the shim starts");
	drv_connect(pod_dir);
	fds = count_fds(shim.pid);
	for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
		scenarios[i]();
	/* Init's pidfd is one more. */
	check(count_fds(shim.pid) == fds + 1, "no descriptor is left in the shim (%d, %d)", fds,
	      count_fds(shim.pid));
	bad_frames();
	shim_dies();
	shutdown_shim();
	fprintf(stderr, "# %d failed\n", failures);
	return failures != 0;
}
