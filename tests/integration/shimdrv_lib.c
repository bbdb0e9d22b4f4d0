/*
 * shimdrv_lib.c - see shimdrv.h.
 */
#include "tests/integration/shimdrv.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/util.h"

#define SEEN_MAX 512

const char *shim_program, *runtime_program, *work_dir;
int failures;
unsigned pod_init_pid;
static int checks;

static struct loop *loop;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* Under the mutex. */
static struct shim_link *link_now;
static bool ready, lost;
static struct shim_status seen[SEEN_MAX];
static int n_seen;
static char log_error_id[SHIM_ID_MAX + 1];
static struct err log_error_why;

void check(bool good, const char *fmt, ...)
{
	va_list ap;

	failures += !good;
	printf("%s %d - ", good ? "ok" : "not ok", ++checks);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

const char *kept(char *s)
{
	static char *all[4096];
	static size_t n;

	if (n == ARRAY_LEN(all))
		abort();
	return all[n++] = s;
}

const char *path_of(const char *fmt, ...)
{
	_cleanup_buf_ struct buf b = BUF_NULL;
	va_list ap;

	buf_printf(&b, "%s/", work_dir);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	return kept(buf_take(&b));
}

/* Under the mutex: wait until cond, or give up. */
static bool wait_until(bool (*cond)(const void *), const void *arg)
{
	int64_t until = clock_realtime_ns() + PATIENCE_MS * NSEC_PER_MSEC;
	struct timespec ts = { .tv_sec = until / NSEC_PER_SEC, .tv_nsec = until % NSEC_PER_SEC };

	while (!cond(arg))
		if (pthread_cond_timedwait(&changed, &mutex, &ts) != 0)
			return cond(arg);
	return true;
}

/* --- the loop's side --- */

static void note(void *arg, const struct shim_status *st)
{
	(void)arg;
	pthread_mutex_lock(&mutex);
	if (n_seen < SEEN_MAX)
		seen[n_seen++] = *st;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static void note_container(void *arg, const struct shim_status *st, int *fd)
{
	(void)fd;
	note(arg, st);
}

static void note_log_error(void *arg, const struct shim_status *st, const struct err *why)
{
	(void)arg;
	pthread_mutex_lock(&mutex);
	memcpy(log_error_id, st->id, sizeof(log_error_id));
	log_error_why = *why;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static void note_ready(void *arg, const struct shim_status *st)
{
	(void)arg;
	(void)st;
	pthread_mutex_lock(&mutex);
	ready = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static void note_lost(void *arg, const struct err *why)
{
	(void)arg;
	(void)why;
	pthread_mutex_lock(&mutex);
	lost = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static const struct shim_link_ops ops = { note_container, note, note_log_error, note_ready,
					  note_lost };

/* Something to do on the loop thread, waited for. */
struct errand {
	struct loop_post post;
	void (*fn)(struct errand *x);
	bool done;
	const char *dir;
	const struct shim_request *req;
	const int *fds;
	size_t n_fds;
	struct answer *into;
	struct err err;
	int r;
};

static void run_errand(struct loop_post *p)
{
	struct errand *x = container_of(p, struct errand, post);

	x->fn(x);
	pthread_mutex_lock(&mutex);
	x->done = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static bool errand_is_done(const void *arg)
{
	return ((const struct errand *)arg)->done;
}

static void do_errand(struct errand *x)
{
	x->post.fn = run_errand;
	loop_post(loop, &x->post);
	pthread_mutex_lock(&mutex);
	if (!wait_until(errand_is_done, x)) {
		fprintf(stderr, "the loop is stuck\n");
		abort();
	}
	pthread_mutex_unlock(&mutex);
}

/* --- connection --- */

static void *loop_main(void *arg)
{
	loop_run(arg);
	return NULL;
}

void drv_begin(void)
{
	struct err e = ERR_NULL;
	pthread_t t;

	loop = loop_new(&e);
	if (!loop || pthread_create(&t, NULL, loop_main, loop) != 0) {
		fprintf(stderr, "no loop: %s\n", e.text);
		exit(1);
	}
}

static void do_open(struct errand *x)
{
	x->r = shim_link_open(loop, x->dir, &ops, NULL, &link_now, &x->err);
}

static bool is_ready(const void *arg)
{
	(void)arg;
	return ready || lost;
}

void drv_connect(const char *dir)
{
	struct errand x = { .fn = do_open, .dir = dir };

	pthread_mutex_lock(&mutex);
	ready = lost = false;
	n_seen = 0;
	pthread_mutex_unlock(&mutex);
	do_errand(&x);
	if (x.r < 0) {
		check(false, "connect: %s", x.err.text);
		exit(1);
	}
	pthread_mutex_lock(&mutex);
	wait_until(is_ready, NULL);
	pthread_mutex_unlock(&mutex);
}

static void do_close(struct errand *x)
{
	(void)x;
	shim_link_close(link_now);
	link_now = NULL;
}

void drv_disconnect(void)
{
	struct errand x = { .fn = do_close };

	do_errand(&x);
}

static bool is_lost(const void *arg)
{
	(void)arg;
	return lost;
}

bool drv_was_lost(void)
{
	bool r;

	pthread_mutex_lock(&mutex);
	r = lost;
	pthread_mutex_unlock(&mutex);
	return r;
}

bool drv_wait_lost(void)
{
	bool r;

	pthread_mutex_lock(&mutex);
	r = wait_until(is_lost, NULL);
	pthread_mutex_unlock(&mutex);
	return r;
}

/* --- calls --- */

static void answered(void *arg, struct shim_answer *ans, const struct err *err)
{
	struct answer *a = arg;

	pthread_mutex_lock(&mutex);
	a->calls++;
	a->status = ans->status;
	a->fd = take_fd(ans->fd);
	a->failed = err != NULL;
	if (err)
		a->err = *err;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static void do_call(struct errand *x)
{
	x->r = shim_link_call(link_now, x->req, x->fds, x->n_fds, answered, x->into, &x->err);
}

void call_begin(const struct shim_request *req, const int *fds, size_t n, struct answer *into)
{
	struct errand x = { .fn = do_call, .req = req, .fds = fds, .n_fds = n, .into = into };

	*into = (struct answer){ .fd = -1 };
	do_errand(&x);
	if (x.r < 0) {
		into->calls = 1;
		into->failed = true;
		into->err = x.err;
	}
}

static bool is_answered(const void *arg)
{
	return ((const struct answer *)arg)->calls > 0;
}

bool call_end(struct answer *a)
{
	bool r;

	pthread_mutex_lock(&mutex);
	r = wait_until(is_answered, a);
	pthread_mutex_unlock(&mutex);
	return r;
}

struct answer call_fds(const struct shim_request *req, const int *fds, size_t n)
{
	static struct answer kept[64]; /* a late answer finds its place */
	static unsigned next;
	struct answer *a = &kept[next++ % 64];

	call_begin(req, fds, n, a);
	if (!call_end(a)) {
		check(false, "%s is answered", shimproto_type_name(req->type));
		a->failed = true;
	}
	return *a;
}

struct answer call(const struct shim_request *req)
{
	return call_fds(req, NULL, 0);
}

struct shim_request simple(enum shim_type type, const char *id)
{
	return (struct shim_request){ .type = type, .id = id };
}

/* --- reports --- */

static const struct shim_status *find_seen(const char *name)
{
	for (int i = n_seen - 1; i >= 0; i--)
		if (strcmp(*seen[i].session ? seen[i].session : seen[i].id, name) == 0)
			return &seen[i];
	return NULL;
}

enum shim_state seen_state(const char *name)
{
	const struct shim_status *st;
	enum shim_state state;

	pthread_mutex_lock(&mutex);
	st = find_seen(name);
	state = st ? st->state : (enum shim_state)0;
	pthread_mutex_unlock(&mutex);
	return state;
}

static bool is_ended(const void *arg)
{
	const struct shim_status *st = find_seen(arg);

	return st && st->state == SHIM_ENDED;
}

bool wait_ended(const char *name, struct shim_status *ret)
{
	bool r;

	*ret = (struct shim_status){ .exit_code = -2 };
	pthread_mutex_lock(&mutex);
	r = wait_until(is_ended, name);
	if (r)
		*ret = *find_seen(name);
	pthread_mutex_unlock(&mutex);
	return r;
}

static bool has_log_error(const void *arg)
{
	return strcmp(log_error_id, arg) == 0;
}

bool wait_log_error(const char *id, struct err *ret)
{
	bool r;

	pthread_mutex_lock(&mutex);
	r = wait_until(has_log_error, id);
	*ret = log_error_why;
	pthread_mutex_unlock(&mutex);
	return r;
}

/* --- files --- */

static void write_file(const char *path, const char *text)
{
	struct err e = ERR_NULL;

	if (fs_replace_file(path, text, strlen(text), 0644, false, &e) < 0) {
		check(false, "%s", e.text);
		exit(1);
	}
}

static void add_json_string(struct buf *b, const char *s)
{
	buf_puts(b, "\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_puts(b, "\\");
		buf_add(b, s, 1);
	}
	buf_puts(b, "\"");
}

#define CAPS "[\"CAP_KILL\",\"CAP_CHOWN\"]"

static void add_process(struct buf *b, const char *args, bool tty)
{
	buf_printf(b,
		   "{\"terminal\":%s,\"user\":{\"uid\":0,\"gid\":0},\"args\":[%s],\"env\":"
		   "[\"PATH=/bin\"],\"cwd\":\"/\",\"capabilities\":{\"bounding\":" CAPS
		   ",\"effective\":" CAPS ",\"permitted\":" CAPS "}}",
		   tty ? "true" : "false", args);
}

const char *process(const char *name, const char *args, bool tty)
{
	const char *path = path_of("%s.json", name);
	_cleanup_buf_ struct buf b = BUF_NULL;

	add_process(&b, args, tty);
	write_file(path, b.data);
	return path;
}

static void add_config(struct buf *b, const char *id, const char *script, unsigned flags)
{
	_cleanup_buf_ struct buf args = BUF_NULL;

	buf_puts(&args, "\"/bin/sh\",\"-c\",");
	add_json_string(&args, script);
	buf_puts(b, "{\"ociVersion\":\"1.0.2\",\"process\":");
	add_process(b, args.data, flags & BUNDLE_TTY);
	buf_printf(b,
		   ",\"root\":{\"path\":\"%s/rootfs\",\"readonly\":true},\"mounts\":["
		   "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
		   "{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
		   "{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\"},"
		   "{\"destination\":\"/out\",\"type\":\"bind\",\"source\":\"%s/out\","
		   "\"options\":[\"bind\"]}],",
		   work_dir, work_dir);
	buf_printf(b, "\"linux\":{\"cgroupsPath\":\"%s/%s\",", getenv("TEST_CGROUP"), id);
	if (flags & BUNDLE_OOM)
		buf_puts(b, "\"resources\":{\"memory\":{\"limit\":33554432,\"swap\":33554432}},");
	buf_puts(b, "\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"ipc\"}");
	if (flags & BUNDLE_POD_PID)
		buf_printf(b, ",{\"type\":\"pid\",\"path\":\"/proc/%u/ns/pid\"}", pod_init_pid);
	else if (!(flags & BUNDLE_HOST_PID))
		buf_puts(b, ",{\"type\":\"pid\"}");
	buf_puts(b, "]}}");
}

struct shim_request bundle(const char *id, const char *script, unsigned flags)
{
	_cleanup_buf_ struct buf b = BUF_NULL;
	const char *dir = path_of("bundles/%s", id);
	struct err e = ERR_NULL;

	if (fs_mkdir_all(dir, 0755, &e) < 0)
		check(false, "%s", e.text);
	add_config(&b, id, script, flags);
	write_file(path_of("bundles/%s/config.json", id), b.data);
	return (struct shim_request){
		.type = SHIM_CREATE,
		.id = id,
		.runtime = runtime_program,
		.runtime_root = path_of("runc"),
		.bundle = dir,
		.log_path = path_of("logs/%s.log", id),
		.exit_path = path_of("exits/%s", id),
		.cgroup = kept(
			xasprintf("%s%s/%s", getenv("TEST_MEMORY"), getenv("TEST_CGROUP"), id)),
		.flags = flags & BUNDLE_TTY ? SHIM_TTY : 0,
	};
}

void runtime_delete(const char *id)
{
	const char *argv[] = {
		runtime_program, "--root", path_of("runc"), "delete", "--force", id, NULL
	};
	struct spawn_result r = SPAWN_RESULT_NULL;
	struct err e = ERR_NULL;

	if (spawn_run(argv, NULL, NULL, 0, 65536, PATIENCE_MS, &r, &e) < 0 || r.status != 0)
		check(false, "runtime delete %s: %s %s", id, e.text, r.err.data ? r.err.data : "");
	spawn_result_done(&r);
}

const char *text_of(const char *path)
{
	static struct buf ring[4];
	static unsigned next;
	struct buf *b = &ring[next++ % 4];
	struct err e = ERR_NULL;

	buf_consume(b, b->len);
	if (fs_read_file(path, 64 * 1024 * 1024, b, &e) != 0 || !b->data)
		return "";
	return b->data;
}

bool wait_text(const char *path, const char *needle)
{
	for (int i = 0; i < PATIENCE_MS / 20; i++) {
		if (strstr(text_of(path), needle))
			return true;
		poll(NULL, 0, 20);
	}
	return false;
}

int count_fds(int pid)
{
	_cleanup_free_ char *path = xasprintf("/proc/%d/fd", pid);
	_cleanup_closedir_ DIR *d = opendir(path);
	int n = 0;

	while (d && readdir(d))
		n++;
	return n;
}
