/*
 * main.c - crispd: options, configuration, and the table of services in their order of start and
 * stop.
 * At shutdown, calls in flight get a grace period, then the services stop in reverse order.  Pods
 * run on without the daemon.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "api/grpc_env.h"
#include "api/inspect.h"
#include "api/listen.h"
#include "api/metrics.h"
#include "api/operations.h"
#include "api/node.h"
#include "api/podevents.h"
#include "api/server.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/logsink.h"
#include "base/nofile.h"
#include "base/version.h"
#include "conf/args.h"
#include "conf/conf.h"
#include "conf/print.h"
#include "core/dirs.h"
#include "core/loading.h"
#include "core/objects.h"
#include "core/trash.h"
#include "gen/cri_rpc.h"
#include "images/image.h"
#include "images/pull.h"
#include "images/pulltally.h"
#include "os/apparmor.h"
#include "os/cgroup.h"
#include "pod/dumpcancel.h"
#include "pod/container.h"
#include "pod/devspecs.h"
#include "pod/exec.h"
#include "pod/netgc.h"
#include "pod/podtally.h"
#include "pod/reload.h"
#include "pod/rescue.h"
#include "pod/runtimes.h"
#include "pod/sandbox.h"
#include "pod/shim.h"
#include "pod/stream.h"
#include "pod/podids.h"
#include "pod/podports.h"

#define DRAIN_MS 10000
#define HEAP_NS (10 * NSEC_PER_SEC)

/* In the order of loading and recovery. */
static const struct kind_ops *const kinds[KIND_COUNT] = {
	[KIND_IMAGE] = &kind_image, [KIND_SANDBOX] = &kind_sandbox,
	[KIND_SHIM] = &kind_shim,   [KIND_CONTAINER] = &kind_container,
	[KIND_EXEC] = &kind_exec,   [KIND_STREAM] = &kind_stream,
	[KIND_PULL] = &kind_pull,
};

struct daemon {
	struct conf conf;
	struct server *server;
	struct listener local_streams;
	struct loop_io signals;
	sigset_t signal_set; /* read through signals */
	struct loop_job drain;
	struct loop_timer heap;
};

/* --- configuration --- */

/* The log's file in place of standard error, and its form. */
static int open_log(const struct conf_args *a, struct err *e)
{
	const char *path = conf_args_value(a, CONF_OPTION_LOG);
	const char *format = conf_args_value(a, CONF_OPTION_LOG_FORMAT);
	_cleanup_close_ int fd = -1;

	if (format && strcmp(format, "json") == 0)
		logsink_set_form(LOG_FORM_JSON);
	else if (format && strcmp(format, "text") != 0)
		return err_set(e, ERR_INVALID, "--log-format: \"%s\" is neither text nor json",
			       format);
	else if (!format && !path && logsink_is_journal())
		logsink_set_form(LOG_FORM_JOURNAL);
	if (!path)
		return 0;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		return err_errno(e, ERR_INVALID, errno, "--log: %s", path);
	return 0;
}

/* crispd config */
static int print_conf(const struct conf *c)
{
	_cleanup_buf_ struct buf out = BUF_NULL;

	conf_print(c, true, &out);
	return fwrite(out.data, 1, out.len, stdout) == out.len && fflush(stdout) == 0
		       ? EXIT_SUCCESS
		       : EXIT_FAILURE;
}

/* Options that answer by themselves.  -1: go on. */
static int answer(const struct conf_args *a)
{
	if (conf_args_has(a, CONF_OPTION_HELP))
		conf_args_help(stdout);
	else if (conf_args_has(a, CONF_OPTION_VERSION))
		puts("crispd " CRISP_VERSION);
	else
		return -1;
	return EXIT_SUCCESS;
}

static int configure(struct conf *c, const struct conf_args *a, struct err *e)
{
	bool defaults = a->command && conf_args_has(a, CONF_OPTION_DEFAULT);
	int r = open_log(a, e);

	return r < 0 || defaults ? r : conf_args_apply(a, c, e);
}

/* --- start --- */

/* In crispd's own directory in a build, in libexec when installed (tools/install.mk). */
static char *sibling(const char *name)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *path;

	if (n <= 0)
		return xstrdup(name);
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	path = xasprintf("%s/%s", self, name);
	if (!fs_exists(path)) {
		free(path);
		path = xasprintf("%s/../libexec/crisp/%s", self, name);
	}
	return path;
}

static int probe_runtimes(struct daemon *d, struct err *e)
{
	(void)e;
	runtimes_probe(&d->conf);
	pod_userns_probe(&d->conf);
	return 0;
}

static void forget_runtimes(struct daemon *d)
{
	(void)d;
	runtimes_free();
}

/* Load the default profile.  Without it, RuntimeDefault is unconfined by AppArmor, and the log
 * reports that. */
static void load_apparmor(void)
{
	struct err e = ERR_NULL;

	if (apparmor_load_default(&e) == 0)
		world.apparmor_default = APPARMOR_DEFAULT_NAME;
	else
		log_err(LOG_LEVEL_WARN, "no default AppArmor profile", &e);
}

static int look_at_host(struct daemon *d, struct err *e)
{
	int r;

	world.conf = &d->conf;
	r = os_security_probe(&world.security, e);
	if (r == 0)
		r = cgroups_open(&world.cgroups, e);
	return r == 0 ? MIN(cgroups_own(world.cgroups, &world.own_cgroup, e), 0) : r;
}

static void forget_host(struct daemon *d)
{
	(void)d;
	cgroups_free(take_ptr(world.cgroups));
	free(take_ptr(world.own_cgroup));
}

static void on_call(const struct server_call_info *info, void *arg)
{
	long long ms = (long long)(info->age_ns / 1000000);

	(void)arg;
	operations_count(info);
	if (info->code == ERR_OK)
		log_debug("call", "rpc=%s ms=%lld", info->name, ms);
	else if (info->code == ERR_NOT_FOUND || info->code == ERR_UNIMPLEMENTED ||
		 info->code == ERR_CANCELLED)
		log_debug("call", "rpc=%s code=%s error=\"%s\"", info->name,
			  err_code_name(info->code), info->text);
	else
		log_warn("call", "rpc=%s ms=%lld code=%s error=\"%s\"", info->name, ms,
			 err_code_name(info->code), info->text);
}

/* --- a damaged store --- */

static char *repair_command; /* the daemon's command line, with --repair */

static void name_repair(int argc, char **argv)
{
	_cleanup_buf_ struct buf b = BUF_NULL;

	for (int i = 0; i < argc; i++)
		buf_printf(&b, "%s%s", argv[i], i == 0 ? " --repair " : i + 1 < argc ? " " : "");
	repair_command = buf_take(&b);
}

static void signal_default(int signo)
{
	const struct sigaction act = { .sa_handler = SIG_DFL };

	sigaction(signo, &act, NULL);
}

static void say(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return; /* no other place for the message */
}

/* Print a message on SIGBUS, then let the signal take effect.  The next start checks the file
 * before mapping it. */
static void on_sigbus(int signo, siginfo_t *info, void *context)
{
	const char *file = store_mapped_at(info->si_addr);

	(void)context;
	say("level=error msg=\"crispd ends\" error=\"SIGBUS: ");
	say(file ? file : "a mapped file");
	say(" was cut short, or its disk fails\" command=\"");
	say(file ? repair_command : "");
	say("\"\n");
	signal_default(signo);
}

/* --- end --- */

static void drain_work(struct loop_job *j)
{
	struct daemon *d = container_of(j, struct daemon, drain);

	if (server_drain(d->server, DRAIN_MS) == 1)
		log_warn("calls were cut off", "grace_ms=%d", DRAIN_MS);
}

static void drain_done(struct loop_job *j)
{
	(void)j;
	loop_stop(world.loop);
}

static void on_signal(struct loop_io *io, uint32_t events)
{
	struct daemon *d = container_of(io, struct daemon, signals);
	struct signalfd_siginfo info;
	struct err e = ERR_NULL;

	(void)events;
	if (read(io->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		reload_request();
		return;
	}
	if (info.ssi_signo == SIGUSR1 || info.ssi_signo == SIGUSR2) {
		explain_log();
		return;
	}
	if (world.draining) {
		loop_stop(world.loop); /* a second signal */
		return;
	}
	log_info("shutting down", "signal=%u", info.ssi_signo);
	world.draining = true;
	pull_drain();
	d->drain.work = drain_work;
	d->drain.done = drain_done;
	if (loop_work(world.loop, LANE_CALL, &d->drain, &e) < 0)
		loop_stop(world.loop);
}

static void on_heap(struct loop_timer *t)
{
	heap_give_back();
	loop_timer_set(world.loop, t, clock_monotonic_ns() + HEAP_NS, on_heap);
}

static int watch_signals(struct daemon *d, struct err *e)
{
	int fd = signalfd(-1, &d->signal_set, SFD_CLOEXEC | SFD_NONBLOCK);

	if (fd < 0)
		return err_errno(e, ERR_INTERNAL, errno, "signalfd");
	return loop_io_add(world.loop, &d->signals, fd, EPOLLIN, on_signal, e);
}

/* --- the table --- */

static int start_host(struct daemon *d, struct err *e)
{
	int r = look_at_host(d, e);

	if (r == 0 && world.security.apparmor)
		load_apparmor();
	world.shim_path = sibling("crisp-shim");
	world.pull_path = sibling("crisp-pull");
	return r;
}

static void stop_host(struct daemon *d)
{
	forget_host(d);
	free(take_ptr(world.shim_path));
	free(take_ptr(world.pull_path));
}

static void stop_signals(struct daemon *d)
{
	loop_io_del(&d->signals);
	close_fdp(&d->signals.fd);
}

static int open_store(struct daemon *d, struct err *e)
{
	(void)d;
	return rescue_open(e);
}

static void close_store(struct daemon *d)
{
	if (world.store)
		dirs_keep_spare(&d->conf);
	store_close(take_ptr(world.store));
}

static int start_devices(struct daemon *d, struct err *e)
{
	(void)d;
	(void)e;
	devspecs_begin();
	return 0;
}

static void stop_devices(struct daemon *d)
{
	(void)d;
	devspecs_end();
}

static void free_calls(struct daemon *d)
{
	server_stop(take_ptr(d->server));
}

static void free_sessions(struct daemon *d)
{
	(void)d;
	stream_session_free();
}

static int start_objects(struct daemon *d, struct err *e)
{
	int r = world_load(e);

	(void)d;
	if (r == 0) {
		podevents_start();
		podtally_start();
	}
	if (r == 0 && rescue_list_remains(e) < 0)
		return err_wrap(e, "look for objects without a row");
	if (r == 0)
		r = world_recover(e);
	if (r == 0)
		r = exec_end_stored(e);
	if (r == 0) {
		netgc_start();
		podports_start();
	}
	return r;
}

static void stop_objects(struct daemon *d)
{
	(void)d;
	podevents_stop();
	podtally_stop();
	pulltally_reset();
	world_stop();
}

static int start_images(struct daemon *d, struct err *e)
{
	(void)d;
	return image_start(e);
}

static void stop_images(struct daemon *d)
{
	(void)d;
	image_stop();
}

static int start_pulls(struct daemon *d, struct err *e)
{
	(void)d;
	return pull_start(e);
}

static int start_trash(struct daemon *d, struct err *e)
{
	(void)d;
	(void)e;
	trash_start();
	return 0;
}

static void stop_trash(struct daemon *d)
{
	(void)d;
	trash_stop();
}

static void join_workers(struct daemon *d)
{
	(void)d;
	dumpcancel_all(NULL);
	loop_join(world.loop);
}

static int start_streaming(struct daemon *d, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s" LISTEN_STREAM_SUFFIX, d->conf.listen);
	int r = listener_open(&d->local_streams, path, 0660, e);

	return r < 0 ? r : stream_session_start(d->local_streams.fd, e);
}

static void stop_streaming(struct daemon *d)
{
	stream_session_stop();
	listener_done(&d->local_streams);
}

static int start_metrics(struct daemon *d, struct err *e)
{
	return metrics_start(world.loop, &d->conf, e);
}

static void stop_metrics(struct daemon *d)
{
	(void)d;
	metrics_stop();
}

static int start_server(struct daemon *d, struct err *e)
{
	const struct server_options o = {
		.path = d->conf.listen,
		.mode = 0660,
		.max_recv = (size_t)d->conf.grpc_max_recv_msg_size,
		.max_send = (size_t)d->conf.grpc_max_send_msg_size,
		.methods = cri_methods,
		.n_methods = CRI_RPC_COUNT,
		.on_call = on_call,
		.http = inspect_answer,
	};

	return server_start(&o, &d->server, e);
}

static void stop_server(struct daemon *d)
{
	if (d->server)
		server_drain(d->server, 0);
}

static int keep_spare(struct daemon *d, struct err *e)
{
	(void)e;
	dirs_keep_spare(&d->conf);
	return 0;
}

/* Started in order, stopped in reverse.  start NULL: started by another line.  stop NULL: nothing
 * to stop.  stop is called even if start failed or was not reached. */
static const struct service {
	const char *name;
	int (*start)(struct daemon *d, struct err *e);
	void (*stop)(struct daemon *d);
} services[] = {
	{ "signals", watch_signals, stop_signals },
	{ "host", start_host, stop_host },
	{ "store", open_store, close_store },
	{ "runtimes", probe_runtimes, forget_runtimes },
	{ "devices", start_devices, stop_devices },
	{ "calls", NULL, free_calls }, /* after objects, which answer their pending calls */
	{ "sessions", NULL, free_sessions },
	{ "objects", start_objects, stop_objects },
	{ "images", start_images, stop_images },
	{ "pulls", start_pulls, NULL },
	{ "trash", start_trash, stop_trash },
	{ "workers", NULL, join_workers }, /* before the objects of their jobs are freed */
	{ "streaming", start_streaming, stop_streaming },
	{ "metrics", start_metrics, stop_metrics },
	{ "server", start_server, stop_server },
	{ "spare files", keep_spare, NULL },
};

static int start_all(struct daemon *d, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(services) && r == 0; i++) {
		log_debug("start", "part=\"%s\"", services[i].name);
		if (services[i].start)
			r = MIN(services[i].start(d, e), 0);
	}
	return r;
}

static void stop_all(struct daemon *d)
{
	for (size_t i = ARRAY_LEN(services); i-- > 0;) {
		log_debug("stop", "part=\"%s\"", services[i].name);
		if (services[i].stop)
			services[i].stop(d);
	}
}

static int run(struct daemon *d, struct err *e)
{
	sigset_t *set = &d->signal_set;
	int r;

	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGUSR1);
	sigaddset(set, SIGUSR2);
	/* Report these as errors of the failing write. */
	sigaddset(set, SIGPIPE);
	sigaddset(set, SIGXFSZ);
	sigaction(SIGBUS,
		  &(const struct sigaction){ .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO },
		  NULL);
	/* Before any thread: threads inherit the mask. */
	pthread_sigmask(SIG_BLOCK, set, NULL);
	sigdelset(set, SIGPIPE);
	sigdelset(set, SIGXFSZ);
	world.loop = loop_new(e);
	if (!world.loop)
		return -(int)e->code;
	r = start_all(d, e);
	if (r == 0) {
		log_info("ready", "version=" CRISP_VERSION " socket=%s", d->conf.listen);
		on_heap(&d->heap);
		loop_run(world.loop);
	}
	stop_all(d);
	loop_free(world.loop);
	return r;
}

/* What runs in place of the daemon, and the log's text if it fails. */
static const struct task {
	enum conf_option_id option;
	int (*run)(struct err *e);
	const char *failed;
} tasks[] = {
	{ CONF_OPTION_REPAIR, rescue_repair, "crispd does not repair" },
	{ CONF_OPTION_WIPE_IMAGES, rescue_wipe_all, "crispd does not wipe" },
	{ CONF_OPTION_WIPE, rescue_wipe, "crispd does not wipe" },
};

static const struct task *find_task(const struct conf_args *a)
{
	for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
		if (conf_args_has(a, tasks[i].option))
			return &tasks[i];
	return NULL;
}

static int run_task(struct daemon *d, const struct task *t, struct err *e)
{
	int r = look_at_host(d, e);

	if (r == 0)
		r = t->run(e);
	forget_host(d);
	return r;
}

static int serve(struct daemon *d, const struct conf_args *a, struct err *e)
{
	const struct task *t = find_task(a);
	int r;

	reload_start(a);
	r = t ? run_task(d, t, e) : run(d, e);
	reload_stop();
	if (r < 0)
		log_err(LOG_LEVEL_ERROR, t ? t->failed : "crispd does not run", e);
	if (r < 0 && e->code == ERR_DATA_LOSS)
		log_error("mend the state", "command=\"%s\"", repair_command);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Everything behind the command line. */
static int start(struct daemon *d, const struct conf_args *a)
{
	enum log_level level = LOG_LEVEL_INFO;
	struct err e = ERR_NULL;
	int r = configure(&d->conf, a, &e);

	if (r == 0)
		log_parse_level(d->conf.log_level, &level);
	log_set_level(level);
	if (r == 0)
		r = logsink_set_filter(d->conf.log_filter, &e);
	if (!a->command || r < 0)
		reload_log_findings(&d->conf);
	if (r < 0) {
		log_err(LOG_LEVEL_ERROR, "crispd does not run", &e);
		return EXIT_FAILURE;
	}
	return a->command ? print_conf(&d->conf) : serve(d, a, &e);
}

int main(int argc, char **argv)
{
	struct daemon d = { .local_streams = LISTENER_NULL, .signals.fd = -1 };
	struct conf_args args;
	struct err e = ERR_NULL;
	int status;

	world.kinds = kinds;
	umask(022);
	nofile_raise();
	grpc_env_init();
	conf_init(&d.conf);
	name_repair(argc, argv);
	if (conf_args_parse(&args, argc, argv, &e) < 0) {
		log_err(LOG_LEVEL_ERROR, "crispd does not run", &e);
		fputs("crispd --help lists the options\n", stderr);
		status = EXIT_FAILURE;
	} else {
		status = answer(&args);
	}
	if (status == -1)
		status = start(&d, &args);
	conf_args_done(&args);
	conf_done(&d.conf);
	free(repair_command);
	return status;
}
