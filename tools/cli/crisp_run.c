/*
 * crisp_run.c - the command `run`: a container in a pod of its own.
 * Unless options keep them, `run` removes pod, container and log directory when the container has
 * exited, after a failure, and on Ctrl-C.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "crisp.h"
#include "crisp_image.h"
#include "crisp_log.h"

#define RUN_TIMEOUT_MS 300000 /* for one call: a CNI plugin may be slow */
#define WAIT_MS 50
#define STOP_GRACE_S 10
#define LOG_DIR "/var/log/crisp/run"
#define OPTION_ITEMS_MAX 256

enum {
	OPT_NET = 256,
	OPT_KEEP,
	OPT_LOG_DIR,
	OPT_RUNTIME,
	OPT_ENTRYPOINT,
	OPT_PRIVILEGED,
};

/* Options of the command line. */
struct run_options {
	const char *name, *image, *runtime, *entrypoint, *log_base;
	bool host_network, keep, detach, privileged;
	size_t n_envs, n_mounts;
	Runtime__V1__KeyValue envs[OPTION_ITEMS_MAX];
	Runtime__V1__Mount mounts[OPTION_ITEMS_MAX];
	char **args;
	size_t n_args;
};

/* Resources to remove. */
struct run {
	char uid[ID_LEN + 1];
	char *log_dir, *pod, *container;
};

/* "NAME=value", split in place. */
static int parse_env(struct run_options *o, char *text)
{
	Runtime__V1__KeyValue *kv = &o->envs[o->n_envs];
	char *eq = strchr(text, '=');

	if (!eq || eq == text || o->n_envs == OPTION_ITEMS_MAX)
		return -1;
	*eq = '\0';
	runtime__v1__key_value__init(kv);
	kv->key = text;
	kv->value = (ProtobufCBinaryData){ .len = strlen(eq + 1), .data = (uint8_t *)eq + 1 };
	o->n_envs++;
	return 0;
}

/* "HOST:CONTAINER[:ro]", split in place. */
static int parse_mount(struct run_options *o, char *text)
{
	Runtime__V1__Mount *m = &o->mounts[o->n_mounts];
	char *colon = strchr(text, ':'), *mode;

	if (!colon || o->n_mounts == OPTION_ITEMS_MAX)
		return -1;
	*colon = '\0';
	runtime__v1__mount__init(m);
	m->host_path = text;
	m->container_path = colon + 1;
	mode = strchr(m->container_path, ':');
	if (mode) {
		*mode = '\0';
		m->readonly = strcmp(mode + 1, "ro") == 0;
		if (!m->readonly && strcmp(mode + 1, "rw") != 0)
			return -1;
	}
	o->n_mounts++;
	return 0;
}

static int set_option(struct cli *cli, struct run_options *o, int c)
{
	switch (c) {
	case 'n':
		o->name = optarg;
		return 0;
	case 'd':
		o->detach = true;
		return 0;
	case 'e':
		return parse_env(o, optarg) == 0 ? 0 : cli_usage(cli, "-e takes NAME=VALUE");
	case 'v':
		return parse_mount(o, optarg) == 0 ? 0
						   : cli_usage(cli, "-v takes HOST:CONTAINER[:ro]");
	case OPT_NET:
		o->host_network = strcmp(optarg, "host") == 0;
		if (!o->host_network && strcmp(optarg, "cni") != 0)
			return cli_usage(cli, "--net takes host or cni, not \"%s\"", optarg);
		return 0;
	case OPT_KEEP:
		o->keep = true;
		return 0;
	case OPT_LOG_DIR:
		o->log_base = optarg;
		return 0;
	case OPT_RUNTIME:
		o->runtime = optarg;
		return 0;
	case OPT_ENTRYPOINT:
		o->entrypoint = optarg;
		return 0;
	case OPT_PRIVILEGED:
		o->privileged = true;
		return 0;
	default: /* getopt's own values were handled */
		return cli_usage(cli, "unknown option");
	}
}

static int parse_options(struct cli *cli, struct run_options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "detach", no_argument, NULL, 'd' },
		{ "env", required_argument, NULL, 'e' },
		{ "volume", required_argument, NULL, 'v' },
		{ "net", required_argument, NULL, OPT_NET },
		{ "keep", no_argument, NULL, OPT_KEEP },
		{ "log-dir", required_argument, NULL, OPT_LOG_DIR },
		{ "runtime", required_argument, NULL, OPT_RUNTIME },
		{ "entrypoint", required_argument, NULL, OPT_ENTRYPOINT },
		{ "privileged", no_argument, NULL, OPT_PRIVILEGED },
		{ NULL, 0, NULL, 0 },
	};
	int c, r;

	while ((c = cli_option(cli, argc, argv, "+n:de:v:", longs)) != -1) {
		r = set_option(cli, o, c);
		if (r != 0)
			return r;
	}
	if (optind == argc)
		return cli_usage(cli, "an image is needed");
	o->image = argv[optind];
	o->args = argv + optind + 1;
	o->n_args = (size_t)(argc - optind - 1);
	return 0;
}

/* A pod's configuration; all strings are borrowed. */
struct pod_config {
	Runtime__V1__PodSandboxConfig config;
	Runtime__V1__PodSandboxMetadata metadata;
	Runtime__V1__LinuxPodSandboxConfig linux;
	Runtime__V1__LinuxSandboxSecurityContext security;
	Runtime__V1__NamespaceOption namespaces;
};

static void pod_config_fill(struct pod_config *p, const struct run_options *o, struct run *run)
{
	runtime__v1__pod_sandbox_config__init(&p->config);
	runtime__v1__pod_sandbox_metadata__init(&p->metadata);
	runtime__v1__linux_pod_sandbox_config__init(&p->linux);
	runtime__v1__linux_sandbox_security_context__init(&p->security);
	runtime__v1__namespace_option__init(&p->namespaces);
	p->metadata.name = (char *)(uintptr_t)o->name;
	p->metadata.namespace_ = (char *)"crisp";
	p->metadata.uid = run->uid;
	p->namespaces.network = o->host_network ? RUNTIME__V1__NAMESPACE_MODE__NODE
						: RUNTIME__V1__NAMESPACE_MODE__POD;
	p->namespaces.pid = RUNTIME__V1__NAMESPACE_MODE__CONTAINER;
	p->security.namespace_options = &p->namespaces;
	p->security.privileged = o->privileged;
	p->linux.security_context = &p->security;
	p->config.metadata = &p->metadata;
	p->config.log_directory = run->log_dir;
	p->config.linux = &p->linux;
	if (!o->host_network)
		p->config.hostname = (char *)(uintptr_t)o->name;
}

static int pod_run(struct cli *cli, const struct run_options *o, struct pod_config *p,
		   struct run *run, struct err *e)
{
	_cleanup_answer_ Runtime__V1__RunPodSandboxResponse *resp = NULL;
	Runtime__V1__RunPodSandboxRequest req = RUNTIME__V1__RUN_POD_SANDBOX_REQUEST__INIT;
	int r;

	req.config = &p->config;
	if (o->runtime)
		req.runtime_handler = (char *)(uintptr_t)o->runtime;
	r = cri_call_run_pod_sandbox(cli->client, &req, &resp, e);
	if (r == 0)
		run->pod = xstrdup(resp->pod_sandbox_id);
	return r;
}

static void container_config_fill(Runtime__V1__ContainerConfig *c, const struct run_options *o,
				  Runtime__V1__KeyValue **envs, Runtime__V1__Mount **mounts)
{
	for (size_t i = 0; i < o->n_envs; i++)
		envs[i] = (Runtime__V1__KeyValue *)(uintptr_t)&o->envs[i];
	for (size_t i = 0; i < o->n_mounts; i++)
		mounts[i] = (Runtime__V1__Mount *)(uintptr_t)&o->mounts[i];
	c->n_envs = o->n_envs;
	c->envs = envs;
	c->n_mounts = o->n_mounts;
	c->mounts = mounts;
	c->log_path = (char *)"0.log";
	c->n_args = o->n_args;
	c->args = o->args;
	if (o->entrypoint) {
		c->n_command = 1;
		c->command = (char **)(uintptr_t)&o->entrypoint;
	}
}

static int container_create(struct cli *cli, const struct run_options *o, struct pod_config *p,
			    struct run *run, struct err *e)
{
	_cleanup_answer_ Runtime__V1__CreateContainerResponse *resp = NULL;
	Runtime__V1__CreateContainerRequest req = RUNTIME__V1__CREATE_CONTAINER_REQUEST__INIT;
	Runtime__V1__ContainerConfig config = RUNTIME__V1__CONTAINER_CONFIG__INIT;
	Runtime__V1__ContainerMetadata metadata = RUNTIME__V1__CONTAINER_METADATA__INIT;
	Runtime__V1__ImageSpec image = RUNTIME__V1__IMAGE_SPEC__INIT;
	Runtime__V1__LinuxContainerConfig linux_config = RUNTIME__V1__LINUX_CONTAINER_CONFIG__INIT;
	Runtime__V1__LinuxContainerSecurityContext security;
	Runtime__V1__KeyValue *envs[OPTION_ITEMS_MAX];
	Runtime__V1__Mount *mounts[OPTION_ITEMS_MAX];
	int r;

	runtime__v1__linux_container_security_context__init(&security);
	metadata.name = (char *)(uintptr_t)o->name;
	image.image = (char *)(uintptr_t)o->image;
	security.namespace_options = &p->namespaces;
	security.privileged = o->privileged;
	linux_config.security_context = &security;
	config.metadata = &metadata;
	config.image = &image;
	config.linux = &linux_config;
	container_config_fill(&config, o, envs, mounts);
	req.pod_sandbox_id = run->pod;
	req.config = &config;
	req.sandbox_config = &p->config;
	r = cri_call_create_container(cli->client, &req, &resp, e);
	if (r == 0)
		run->container = xstrdup(resp->container_id);
	return r;
}

static int container_start(struct cli *cli, const char *id, struct err *e)
{
	_cleanup_answer_ Runtime__V1__StartContainerResponse *resp = NULL;
	Runtime__V1__StartContainerRequest req = RUNTIME__V1__START_CONTAINER_REQUEST__INIT;

	req.container_id = (char *)(uintptr_t)id;
	return cri_call_start_container(cli->client, &req, &resp, e);
}

/* Wait WAIT_MS.  true: SIGINT or SIGTERM, which main has blocked. */
static bool pause_or_signal(void)
{
	struct timespec t = { .tv_nsec = WAIT_MS * NSEC_PER_MSEC };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	return sigtimedwait(&set, NULL, &t) > 0;
}

/* Print the log until the container has exited.  The first signal stops the container, like Ctrl-C
 * in a terminal. */
static int container_wait(struct cli *cli, const char *id, int *ret_code, struct err *e)
{
	_cleanup_(log_reader_done) struct log_reader log = LOG_READER_NULL;
	_cleanup_free_ char *log_path = NULL;
	bool stopping = false;

	for (;;) {
		_cleanup_answer_ Runtime__V1__ContainerStatusResponse *s = NULL;
		bool ended;
		int r = container_status(cli, id, false, &s, e);

		if (r < 0)
			return r;
		ended = s->status->state == RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED;
		*ret_code = s->status->exit_code;
		if (!log_path && s->status->log_path[0]) {
			log_path = xstrdup(s->status->log_path);
			r = log_reader_start(&log, log_path, -1, e);
		}
		if (r == 0 && log_path)
			r = log_reader_pump(&log, e);
		if (r < 0 || ended)
			return r;
		if (pause_or_signal() && !stopping) {
			stopping = true;
			r = container_stop(cli, id, STOP_GRACE_S, e);
			if (r < 0)
				return r;
		}
	}
}

/* Create pod and container and start them.  run lists the created resources, also after a
 * failure. */
static int run_start(struct cli *cli, const struct run_options *o, struct run *run, struct err *e)
{
	_cleanup_free_ char *ref = NULL;
	struct pod_config pod;
	int r;

	r = cli_connect(cli, RUN_TIMEOUT_MS, e);
	if (r == 0)
		r = image_exists(cli, o->image, e);
	if (r == 0)
		r = image_pull(cli, o->image, o->runtime, NULL, !isatty(STDERR_FILENO), &ref, e);
	if (r < 0)
		return r;
	r = cli_connect(cli, RUN_TIMEOUT_MS, e);
	if (r == 0)
		r = fs_mkdir_all(run->log_dir, 0700, e);
	if (r < 0)
		return r;
	pod_config_fill(&pod, o, run);
	r = pod_run(cli, o, &pod, run, e);
	if (r == 0)
		r = container_create(cli, o, &pod, run, e);
	if (r == 0)
		r = container_start(cli, run->container, e);
	return r;
}

/* Try every removal; report the first failure. */
static int run_clean(struct cli *cli, struct run *run, struct err *e)
{
	struct err more;
	int r = cli_connect(cli, RUN_TIMEOUT_MS, e);

	if (r == 0 && run->container)
		r = container_remove(cli, run->container, e);
	if (run->pod && pod_remove(cli, run->pod, r < 0 ? &more : e) < 0)
		r = -1;
	if (fs_remove_tree(run->log_dir, r < 0 ? &more : e) < 0)
		r = -1;
	return r;
}

static int run_all(struct cli *cli, const struct run_options *o, struct run *run)
{
	int code = 0;
	struct err e;

	if (run_start(cli, o, run, &e) < 0) {
		code = cli_fail(&e);
		if (run_clean(cli, run, &e) < 0)
			cli_fail(&e);
		return code;
	}
	if (o->detach) {
		puts(run->container);
		return CLI_EXIT_OK;
	}
	if (container_wait(cli, run->container, &code, &e) < 0)
		code = cli_fail(&e);
	if (o->keep)
		fprintf(stderr, "kept: container %s in pod %s\n", run->container, run->pod);
	else if (run_clean(cli, run, &e) < 0)
		code = cli_fail(&e);
	return code;
}

int cmd_run(struct cli *cli, int argc, char **argv)
{
	struct run_options *o = xcalloc(1, sizeof(*o));
	_cleanup_free_ char *name = NULL;
	struct run run = { .pod = NULL };
	int code;

	o->log_base = LOG_DIR;
	code = parse_options(cli, o, argc, argv);
	if (code == 0) {
		id_new(run.uid);
		run.uid[32] = '\0';
		name = xasprintf("run-%.8s", run.uid);
		if (!o->name)
			o->name = name;
		run.log_dir = xasprintf("%s/%s", o->log_base, run.uid);
		code = run_all(cli, o, &run);
	}
	free(run.log_dir);
	free(run.pod);
	free(run.container);
	free(o);
	return code;
}
