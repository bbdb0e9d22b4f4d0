/*
 * crisp_node.c - the commands `version`, `info` and `status`: the daemon as a whole.
 */
#include "crisp.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/version.h"
#include "crisp_json.h"
#include "crisp_table.h"

#define NODE_TIMEOUT_MS 60000

static void no_arguments(struct cli *cli, int argc, char **argv)
{
	while (cli_option(cli, argc, argv, "", NULL) != -1)
		;
	if (optind < argc)
		exit(cli_usage(cli, "\"%s\" is too much", argv[optind]));
}

static int connect_only(struct cli *cli, int argc, char **argv, struct err *e)
{
	no_arguments(cli, argc, argv);
	return cli_connect(cli, NODE_TIMEOUT_MS, e);
}

static void print_json(json_t *j)
{
	json_dumpf(j, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(j);
}

/* --- version --- */

static int version_get(struct cli *cli, Runtime__V1__VersionResponse **ret, struct err *e)
{
	Runtime__V1__VersionRequest req = RUNTIME__V1__VERSION_REQUEST__INIT;

	req.version = (char *)"v1";
	return cri_call_version(cli->client, &req, ret, e);
}

/* Print the version of the command even if no daemon answers. */
int cmd_version(struct cli *cli, int argc, char **argv)
{
	_cleanup_answer_ Runtime__V1__VersionResponse *v = NULL;
	struct err e;
	int r;

	no_arguments(cli, argc, argv);
	r = cli_connect(cli, NODE_TIMEOUT_MS, &e);
	if (r == 0)
		r = version_get(cli, &v, &e);
	if (cli->json)
		print_json(json_pack("{s:{s:s,s:s}, s:o, s:s?}", "client", "name", "crisp",
				     "version", CRISP_VERSION, "server",
				     v ? json_pack("{s:s,s:s}", "name", v->runtime_name, "version",
						   v->runtime_version)
				       : json_null(),
				     "api", v ? v->runtime_api_version : NULL));
	else
		printf("client: crisp %s\n", CRISP_VERSION);
	if (r < 0)
		return cli_fail(&e);
	if (!cli->json)
		printf("server: %s %s, CRI %s\n", v->runtime_name, v->runtime_version,
		       v->runtime_api_version);
	return CLI_EXIT_OK;
}

/* --- info --- */

/* The daemon's verbose information "config"; NULL: none.  Give the reference back. */
static json_t *config_get(const Runtime__V1__StatusResponse *status)
{
	for (size_t i = 0; i < status->n_info; i++)
		if (strcmp(status->info[i]->key, "config") == 0)
			return json_loads(status->info[i]->value, 0, NULL);
	return NULL;
}

static void conditions_print(const Runtime__V1__RuntimeStatus *status)
{
	static const char *const headings[] = { "CONDITION", "STATUS", "REASON", "MESSAGE" };
	_cleanup_table_ struct table *t = table_new(headings, ARRAY_LEN(headings));

	for (size_t i = 0; i < status->n_conditions; i++) {
		const Runtime__V1__RuntimeCondition *c = status->conditions[i];

		table_add(t, c->type);
		table_add(t, c->status ? "true" : "false");
		table_add(t, c->reason);
		table_add(t, c->message);
	}
	table_print(t, stdout);
}

static void filesystems_print(const Runtime__V1__ImageFsInfoResponse *fs)
{
	static const char *const headings[] = { "IMAGE STORE", "USED", "INODES" };
	_cleanup_table_ struct table *t = table_new(headings, ARRAY_LEN(headings));
	char size[32], inodes[32];

	for (size_t i = 0; i < fs->n_image_filesystems; i++) {
		const Runtime__V1__FilesystemUsage *u = fs->image_filesystems[i];

		format_bytes(u->used_bytes ? u->used_bytes->value : 0, size);
		table_add(t, u->fs_id ? u->fs_id->mountpoint : "");
		table_add(t, size);
		snprintf(inodes, sizeof(inodes), "%" PRIu64,
			 u->inodes_used ? u->inodes_used->value : 0);
		table_add(t, inodes);
	}
	table_print(t, stdout);
}

/* Known vulnerabilities of the runtimes, from the daemon's verbose information. */
static void warnings_print(const Runtime__V1__StatusResponse *status)
{
	json_t *config = config_get(status), *rt;
	size_t k;

	json_array_foreach(json_object_get(config, "runtimes"), k, rt)
	{
		const char *text = json_string_value(json_object_get(rt, "warning"));

		if (text)
			printf("\nruntime %s: %s\n", json_string_value(json_object_get(rt, "name")),
			       text);
	}
	json_decref(config);
}

int cmd_info(struct cli *cli, int argc, char **argv)
{
	_cleanup_answer_ Runtime__V1__StatusResponse *status = NULL;
	_cleanup_answer_ Runtime__V1__VersionResponse *v = NULL;
	_cleanup_answer_ Runtime__V1__ImageFsInfoResponse *fs = NULL;
	Runtime__V1__StatusRequest req = RUNTIME__V1__STATUS_REQUEST__INIT;
	Runtime__V1__ImageFsInfoRequest fs_req = RUNTIME__V1__IMAGE_FS_INFO_REQUEST__INIT;
	struct err e;

	req.verbose = true;
	if (connect_only(cli, argc, argv, &e) < 0 ||
	    cri_call_status(cli->client, &req, &status, &e) < 0)
		return cli_fail(&e);
	if (cli->json) {
		json_print(&status->base, stdout);
		return CLI_EXIT_OK;
	}
	if (version_get(cli, &v, &e) < 0 ||
	    cri_call_image_fs_info(cli->client, &fs_req, &fs, &e) < 0)
		return cli_fail(&e);
	printf("%s %s on %s\n\n", v->runtime_name, v->runtime_version, cli->socket);
	if (status->status)
		conditions_print(status->status);
	putchar('\n');
	filesystems_print(fs);
	warnings_print(status);
	return CLI_EXIT_OK;
}

/* --- status --- */

#define STATES_MAX 4

/* Objects of one kind by state. */
struct tally {
	const char *kind;
	const char *states[STATES_MAX];
	size_t count[STATES_MAX];
};

struct answers {
	Runtime__V1__VersionResponse *version;
	Runtime__V1__StatusResponse *status;
	Runtime__V1__ListPodSandboxResponse *pods;
	Runtime__V1__ListContainersResponse *containers;
	Runtime__V1__ListImagesResponse *images;
	Crisp__V1__ListPullsResponse *pulls;
	Crisp__V1__ExplainResponse *busy;
};

static int ask(struct cli *cli, struct answers *a, struct err *e)
{
	Runtime__V1__StatusRequest status = RUNTIME__V1__STATUS_REQUEST__INIT;
	Runtime__V1__ListPodSandboxRequest pods = RUNTIME__V1__LIST_POD_SANDBOX_REQUEST__INIT;
	Runtime__V1__ListContainersRequest ctrs = RUNTIME__V1__LIST_CONTAINERS_REQUEST__INIT;
	Runtime__V1__ListImagesRequest images = RUNTIME__V1__LIST_IMAGES_REQUEST__INIT;
	Crisp__V1__ListPullsRequest pulls = CRISP__V1__LIST_PULLS_REQUEST__INIT;
	Crisp__V1__ExplainRequest busy = CRISP__V1__EXPLAIN_REQUEST__INIT;
	struct rpc_client *c = cli->client;
	int r;

	status.verbose = true;
	r = version_get(cli, &a->version, e);
	if (r == 0)
		r = cri_call_status(c, &status, &a->status, e);
	if (r == 0)
		r = cri_call_list_pod_sandbox(c, &pods, &a->pods, e);
	if (r == 0)
		r = cri_call_list_containers(c, &ctrs, &a->containers, e);
	if (r == 0)
		r = cri_call_list_images(c, &images, &a->images, e);
	if (r == 0)
		r = cri_call_list_pulls(c, &pulls, &a->pulls, e);
	return r == 0 ? cri_call_explain(c, &busy, &a->busy, e) : r;
}

static void answers_done(struct answers *a)
{
	answer_freep(&a->version);
	answer_freep(&a->status);
	answer_freep(&a->pods);
	answer_freep(&a->containers);
	answer_freep(&a->images);
	answer_freep(&a->pulls);
	answer_freep(&a->busy);
}

/* A state of a newer daemon counts as the last one. */
static void count(struct tally *t, unsigned state, unsigned last)
{
	t->count[MIN(state, last)]++;
}

static void count_all(const struct answers *a, struct tally *pods, struct tally *containers)
{
	*pods = (struct tally){ "pods", { "ready", "not ready" }, { 0 } };
	*containers = (struct tally){ "containers",
				      { "created", "running", "exited", "unknown" },
				      { 0 } };
	for (size_t i = 0; i < a->pods->n_items; i++)
		count(pods, (unsigned)a->pods->items[i]->state,
		      RUNTIME__V1__POD_SANDBOX_STATE__SANDBOX_NOTREADY);
	for (size_t i = 0; i < a->containers->n_containers; i++)
		count(containers, (unsigned)a->containers->containers[i]->state,
		      RUNTIME__V1__CONTAINER_STATE__CONTAINER_UNKNOWN);
}

static void tally_print(const struct tally *t)
{
	printf("%s:", t->kind);
	for (size_t i = 0; i < STATES_MAX && t->states[i]; i++)
		printf("%s %zu %s", i ? "," : "", t->count[i], t->states[i]);
	putchar('\n');
}

static json_t *tally_json(const struct tally *t)
{
	json_t *j = json_object();

	for (size_t i = 0; i < STATES_MAX && t->states[i]; i++)
		json_object_set_new(j, t->states[i], json_integer((json_int_t)t->count[i]));
	return j;
}

static void busy_print(const Crisp__V1__ExplainResponse *busy)
{
	static const char *const headings[] = { "WAITS", "ID", "STATE", "FOR", "LAST ERROR" };
	_cleanup_table_ struct table *t = table_new(headings, ARRAY_LEN(headings));
	char age[32];

	for (size_t i = 0; i < busy->n_objects; i++) {
		const Crisp__V1__ExplainedObject *o = busy->objects[i];

		format_duration(o->age_ns, age);
		table_add(t, o->kind);
		table_add_id(t, o->id);
		table_add(t, o->state);
		table_add(t, age);
		table_add(t, o->last_error);
	}
	if (busy->n_objects)
		table_print(t, stdout);
	else
		printf("everything is at rest\n");
}

static json_t *status_json(const struct cli *cli, const struct answers *a)
{
	json_t *conditions = json_object(), *busy = json_array(), *config = config_get(a->status);
	json_t *all;
	struct tally pods, containers;

	count_all(a, &pods, &containers);
	for (size_t i = 0; a->status->status && i < a->status->status->n_conditions; i++)
		json_object_set_new(conditions, a->status->status->conditions[i]->type,
				    json_boolean(a->status->status->conditions[i]->status));
	for (size_t i = 0; i < a->busy->n_objects; i++)
		json_array_append_new(busy, json_pack("{s:s,s:s,s:s,s:s}", "kind",
						      a->busy->objects[i]->kind, "id",
						      a->busy->objects[i]->id, "state",
						      a->busy->objects[i]->state, "lastError",
						      a->busy->objects[i]->last_error));
	all = json_pack("{s:b,s:s,s:s,s:O?,s:o,s:o,s:o,s:I,s:I,s:o}", "up", 1, "socket",
			cli->socket, "version", a->version->runtime_version, "defaultRuntime",
			json_object_get(config, "defaultRuntime"), "conditions", conditions, "pods",
			tally_json(&pods), "containers", tally_json(&containers), "images",
			(json_int_t)a->images->n_images, "pulls", (json_int_t)a->pulls->n_pulls,
			"waits", busy);
	json_decref(config);
	return all;
}

static void status_print(const struct cli *cli, const struct answers *a)
{
	json_t *config = config_get(a->status);
	const char *runtime = json_string_value(json_object_get(config, "defaultRuntime"));
	struct tally pods, containers;

	count_all(a, &pods, &containers);
	printf("crispd %s is up, on %s\nruntime: %s\n", a->version->runtime_version, cli->socket,
	       runtime ? runtime : "unknown");
	tally_print(&pods);
	tally_print(&containers);
	printf("images: %zu\npulls: %zu\n\n", a->images->n_images, a->pulls->n_pulls);
	if (a->status->status)
		conditions_print(a->status->status);
	putchar('\n');
	busy_print(a->busy);
	json_decref(config);
}

int cmd_status(struct cli *cli, int argc, char **argv)
{
	struct answers a = { .version = NULL };
	struct err e;
	int r = connect_only(cli, argc, argv, &e);

	if (r == 0)
		r = ask(cli, &a, &e);
	if (r == 0 && cli->json)
		print_json(status_json(cli, &a));
	else if (r == 0)
		status_print(cli, &a);
	else if (cli->json)
		print_json(json_pack("{s:b,s:s,s:s}", "up", 0, "socket", cli->socket, "error",
				     e.text));
	answers_done(&a);
	return r < 0 ? cli_fail(&e) : CLI_EXIT_OK;
}
