/*
 * crisp_restore.c - the command `restore`: a pod from the files of `checkpoint`.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "crisp.h"
#include "crisp_message.h"

#define TIMEOUT_S 600
#define CONTAINERS_MAX 256
#define OPTIONS_MAX 32

typedef Runtime__V1__RestorePodRequest__OptionsEntry Option;

struct restore {
	Runtime__V1__RestorePodRequest req;
	Option options[OPTIONS_MAX], *list[OPTIONS_MAX];
	const char *name, *pod_file;
	const char *files[CONTAINERS_MAX]; /* of containers */
	size_t n_files;
	char *handler; /* of the checkpoint */
	bool start;
};

static void take_option(struct cli *cli, char *text, struct restore *r)
{
	Option *o = &r->options[r->req.n_options];

	if (r->req.n_options == OPTIONS_MAX)
		exit(cli_usage(cli, "at most %d options", OPTIONS_MAX));
	runtime__v1__restore_pod_request__options_entry__init(o);
	cli_pair(cli, "--option", text, &o->key, &o->value);
	r->list[r->req.n_options++] = o;
}

static void restore_done(struct restore *r)
{
	for (size_t i = 0; i < r->req.n_container_configs; i++)
		runtime__v1__container_config__free_unpacked(r->req.container_configs[i], NULL);
	free(r->req.container_configs);
	runtime__v1__pod_sandbox_config__free_unpacked(r->req.config, NULL);
	free(r->handler);
}

/* --- the configurations in the checkpoint --- */

static int unpack(const json_t *from, const ProtobufCMessageDescriptor *of, ProtobufCMessage **ret,
		  struct err *e)
{
	const char *text = json_string_value(json_object_get(from, "config"));
	struct base64_reader reader = { .bits = 0 };
	_cleanup_buf_ struct buf packed = BUF_NULL;

	if (!text || base64_read(&reader, text, strlen(text), &packed) < 0)
		return err_set(e, ERR_INVALID, "a config is missing or damaged");
	*ret = protobuf_c_message_unpack(of, NULL, packed.len,
					 (const uint8_t *)(packed.data ? packed.data : ""));
	return *ret ? 0 : err_set(e, ERR_INVALID, "a config does not unpack");
}

static int read_containers(struct restore *r, const json_t *list, struct err *e)
{
	const json_t *c;
	size_t i;

	r->req.container_configs = xcalloc(json_array_size(list) + 1, sizeof(void *));
	json_array_foreach(list, i, c)
	{
		ProtobufCMessage *m;

		if (unpack(c, &runtime__v1__container_config__descriptor, &m, e) < 0)
			return -(int)e->code;
		r->req.container_configs[r->req.n_container_configs++] =
			(Runtime__V1__ContainerConfig *)m;
	}
	return 0;
}

/* The daemon checks the file; here it is only a source of defaults. */
static int read_checkpoint(struct restore *r, const char *directory, struct err *e)
{
	_cleanup_free_ char *path = xasprintf("%s/pod/pod.json", directory);
	json_error_t why;
	json_t *doc = json_load_file(path, 0, &why);
	const json_t *pod = json_object_get(doc, "pod");
	ProtobufCMessage *m = NULL;
	int res = 0;

	if (!doc)
		return err_set(e, ERR_INVALID, "%s: %s", path, why.text);
	if (!r->pod_file)
		res = unpack(pod, &runtime__v1__pod_sandbox_config__descriptor, &m, e);
	if (m)
		r->req.config = (Runtime__V1__PodSandboxConfig *)m;
	if (res == 0 && !r->n_files)
		res = read_containers(r, json_object_get(doc, "containers"), e);
	if (res == 0 && !*r->req.runtime_handler) {
		const char *handler = json_string_value(json_object_get(pod, "runtimeHandler"));

		r->req.runtime_handler = r->handler = xstrdup(handler ? handler : "");
	}
	json_decref(doc);
	return res < 0 ? err_wrap(e, "%s", path) : 0;
}

static void set_text(char **field, const char *value)
{
	if (*field != (const char *)protobuf_c_empty_string)
		free(*field);
	*field = xstrdup(value);
}

/* Another pod than that of the checkpoint, which may still be there. */
static void set_identity(struct restore *r)
{
	Runtime__V1__PodSandboxMetadata *m = r->req.config->metadata;
	char uid[ID_LEN + 1];

	if (!m || r->pod_file)
		return;
	id_new(uid);
	set_text(&m->uid, uid);
	if (r->name)
		set_text(&m->name, r->name);
}

/* --- files of the caller --- */

static int read_files(struct restore *r, struct err *e)
{
	ProtobufCMessage *m;

	if (r->pod_file) {
		if (message_read(r->pod_file, &runtime__v1__pod_sandbox_config__descriptor, &m, e) <
		    0)
			return -(int)e->code;
		r->req.config = (Runtime__V1__PodSandboxConfig *)m;
	}
	if (r->n_files)
		r->req.container_configs = xcalloc(r->n_files, sizeof(void *));
	for (size_t i = 0; i < r->n_files; i++) {
		if (message_read(r->files[i], &runtime__v1__container_config__descriptor, &m, e) <
		    0)
			return -(int)e->code;
		r->req.container_configs[r->req.n_container_configs++] =
			(Runtime__V1__ContainerConfig *)m;
	}
	return 0;
}

static int start_all(struct cli *cli, const Runtime__V1__RestorePodResponse *made, struct err *e)
{
	for (size_t i = 0; i < made->n_restored_containers; i++) {
		_cleanup_answer_ Runtime__V1__StartContainerResponse *resp = NULL;
		Runtime__V1__StartContainerRequest req = RUNTIME__V1__START_CONTAINER_REQUEST__INIT;

		req.container_id = made->restored_containers[i]->container_id;
		if (cri_call_start_container(cli->client, &req, &resp, e) < 0)
			return err_wrap(e, "start %s", made->restored_containers[i]->name);
	}
	return 0;
}

static int restore(struct cli *cli, struct restore *r, struct err *e)
{
	_cleanup_answer_ Runtime__V1__RestorePodResponse *resp = NULL;
	int res = read_files(r, e);

	if (res == 0 && (!r->pod_file || !r->n_files))
		res = read_checkpoint(r, r->req.checkpoint_path, e);
	if (res < 0)
		return res;
	set_identity(r);
	res = cri_call_restore_pod(cli->client, &r->req, &resp, e);
	if (res < 0)
		return res;
	puts(resp->pod_sandbox_id);
	for (size_t i = 0; i < resp->n_restored_containers; i++)
		printf("%s %s\n", resp->restored_containers[i]->container_id,
		       resp->restored_containers[i]->name);
	return r->start ? start_all(cli, resp, e) : 0;
}

int cmd_restore(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "timeout", required_argument, NULL, 't' },
		{ "option", required_argument, NULL, 'O' },
		{ "name", required_argument, NULL, 'n' },
		{ "pod", required_argument, NULL, 'p' },
		{ "container", required_argument, NULL, 'c' },
		{ "runtime", required_argument, NULL, 'r' },
		{ "start", no_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	struct restore r = { .req = RUNTIME__V1__RESTORE_POD_REQUEST__INIT };
	int64_t timeout_s = TIMEOUT_S;
	int res = CLI_EXIT_OK, c;
	struct err e;

	while ((c = cli_option(cli, argc, argv, "t:O:n:p:c:r:s", longs)) != -1) {
		switch (c) {
		case 't':
			timeout_s = cli_number(cli, "--timeout", optarg, 3600);
			break;
		case 'O':
			take_option(cli, optarg, &r);
			break;
		case 'n':
			r.name = optarg;
			break;
		case 'p':
			r.pod_file = optarg;
			break;
		case 'c':
			if (r.n_files == CONTAINERS_MAX)
				return cli_usage(cli, "at most %d containers", CONTAINERS_MAX);
			r.files[r.n_files++] = optarg;
			break;
		case 'r':
			r.req.runtime_handler = optarg;
			break;
		default:
			r.start = true;
		}
	}
	if (argc - optind != 1)
		return cli_usage(cli, "the directory of a checkpoint is needed");
	r.req.checkpoint_path = argv[optind];
	r.req.options = r.list;
	if (cli_connect(cli, timeout_s * 1000, &e) < 0 || restore(cli, &r, &e) < 0)
		res = cli_fail(&e);
	restore_done(&r);
	return res;
}
