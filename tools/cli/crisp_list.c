/*
 * crisp_list.c - the commands `ps`, `pods` and `images`: one request, one table each.
 */
#include "crisp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "crisp_image.h"
#include "crisp_json.h"
#include "crisp_table.h"

#define LIST_TIMEOUT_MS 60000

static const char *container_state(Runtime__V1__ContainerState state)
{
	switch (state) {
	case RUNTIME__V1__CONTAINER_STATE__CONTAINER_CREATED:
		return "Created";
	case RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING:
		return "Running";
	case RUNTIME__V1__CONTAINER_STATE__CONTAINER_EXITED:
		return "Exited";
	default: /* _UNKNOWN, and values of a newer daemon */
		return "Unknown";
	}
}

static void add_number(struct table *t, uint64_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	table_add(t, text);
}

static void add_ago(struct table *t, int64_t at_ns)
{
	char text[32];

	format_ago(at_ns, clock_realtime_ns(), text);
	table_add(t, text);
}

/* Name of a container's pod, "" if the pod was removed meanwhile. */
static const char *pod_name(const Runtime__V1__ListPodSandboxResponse *pods, const char *id)
{
	for (size_t i = 0; i < pods->n_items; i++)
		if (strcmp(pods->items[i]->id, id) == 0 && pods->items[i]->metadata)
			return pods->items[i]->metadata->name;
	return "";
}

static void ps_print(const Runtime__V1__ListContainersResponse *list,
		     const Runtime__V1__ListPodSandboxResponse *pods)
{
	static const char *const headings[] = { "CONTAINER", "IMAGE",	"CREATED", "STATE",
						"NAME",	     "ATTEMPT", "POD ID",  "POD" };
	_cleanup_table_ struct table *t = table_new(headings, ARRAY_LEN(headings));

	for (size_t i = 0; i < list->n_containers; i++) {
		const Runtime__V1__Container *c = list->containers[i];

		table_add_id(t, c->id);
		if (c->image && strncmp(c->image->image, "sha256:", 7) == 0)
			table_add_id(t, c->image->image);
		else
			table_add(t, c->image ? c->image->image : "");
		add_ago(t, c->created_at);
		table_add(t, container_state(c->state));
		table_add(t, c->metadata ? c->metadata->name : "");
		add_number(t, c->metadata ? c->metadata->attempt : 0);
		table_add_id(t, c->pod_sandbox_id);
		table_add(t, pod_name(pods, c->pod_sandbox_id));
	}
	table_print(t, stdout);
}

static int ps_list(struct cli *cli, Runtime__V1__ContainerFilter *filter, struct err *e)
{
	_cleanup_answer_ Runtime__V1__ListContainersResponse *list = NULL;
	_cleanup_answer_ Runtime__V1__ListPodSandboxResponse *pods = NULL;
	Runtime__V1__ListContainersRequest req = RUNTIME__V1__LIST_CONTAINERS_REQUEST__INIT;
	Runtime__V1__ListPodSandboxRequest pods_req = RUNTIME__V1__LIST_POD_SANDBOX_REQUEST__INIT;
	int r;

	req.filter = filter;
	r = cri_call_list_containers(cli->client, &req, &list, e);
	if (r < 0)
		return r;
	if (cli->json) {
		json_print(&list->base, stdout);
	} else if (cli->quiet) {
		for (size_t i = 0; i < list->n_containers; i++)
			puts(list->containers[i]->id);
	} else {
		r = cri_call_list_pod_sandbox(cli->client, &pods_req, &pods, e);
		if (r == 0)
			ps_print(list, pods);
	}
	return r;
}

int cmd_ps(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "pod", required_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 },
	};
	Runtime__V1__ContainerStateValue running = RUNTIME__V1__CONTAINER_STATE_VALUE__INIT;
	Runtime__V1__ContainerFilter filter = RUNTIME__V1__CONTAINER_FILTER__INIT;
	const char *pod = NULL;
	struct found_object object;
	struct err e;
	int c;

	running.state = RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING;
	filter.state = &running;
	while ((c = cli_option(cli, argc, argv, "aqp:", longs)) != -1) {
		if (c == 'a')
			filter.state = NULL;
		else if (c == 'p')
			pod = optarg;
		else
			cli->quiet = true;
	}
	if (optind < argc)
		return cli_usage(cli, "\"%s\" is too much", argv[optind]);
	if (cli_connect(cli, LIST_TIMEOUT_MS, &e) < 0)
		return cli_fail(&e);
	if (pod) {
		if (cli_resolve(cli, pod, OBJECT_KIND_POD, &object, &e) < 0)
			return cli_fail(&e);
		filter.pod_sandbox_id = object.id;
	}
	return ps_list(cli, &filter, &e) < 0 ? cli_fail(&e) : CLI_EXIT_OK;
}

static void pods_print(const Runtime__V1__ListPodSandboxResponse *pods)
{
	static const char *const headings[] = { "POD ID",    "CREATED", "STATE",  "NAME",
						"NAMESPACE", "ATTEMPT", "RUNTIME" };
	_cleanup_table_ struct table *t = table_new(headings, ARRAY_LEN(headings));

	for (size_t i = 0; i < pods->n_items; i++) {
		const Runtime__V1__PodSandbox *p = pods->items[i];

		table_add_id(t, p->id);
		add_ago(t, p->created_at);
		table_add(t, p->state == RUNTIME__V1__POD_SANDBOX_STATE__SANDBOX_READY
				     ? "Ready"
				     : "NotReady");
		table_add(t, p->metadata ? p->metadata->name : "");
		table_add(t, p->metadata ? p->metadata->namespace_ : "");
		add_number(t, p->metadata ? p->metadata->attempt : 0);
		table_add(t, p->runtime_handler[0] ? p->runtime_handler : "(default)");
	}
	table_print(t, stdout);
}

/* Options of the lists that accept only -q. */
static int list_options(struct cli *cli, int argc, char **argv, struct err *e)
{
	static const struct option longs[] = {
		{ "quiet", no_argument, NULL, 'q' },
		{ NULL, 0, NULL, 0 },
	};

	while (cli_option(cli, argc, argv, "q", longs) != -1)
		cli->quiet = true;
	if (optind < argc)
		exit(cli_usage(cli, "\"%s\" is too much", argv[optind]));
	return cli_connect(cli, LIST_TIMEOUT_MS, e);
}

int cmd_pods(struct cli *cli, int argc, char **argv)
{
	_cleanup_answer_ Runtime__V1__ListPodSandboxResponse *pods = NULL;
	Runtime__V1__ListPodSandboxRequest req = RUNTIME__V1__LIST_POD_SANDBOX_REQUEST__INIT;
	struct err e;

	if (list_options(cli, argc, argv, &e) < 0 ||
	    cri_call_list_pod_sandbox(cli->client, &req, &pods, &e) < 0)
		return cli_fail(&e);
	if (cli->json) {
		json_print(&pods->base, stdout);
	} else if (cli->quiet) {
		for (size_t i = 0; i < pods->n_items; i++)
			puts(pods->items[i]->id);
	} else {
		pods_print(pods);
	}
	return CLI_EXIT_OK;
}

/* The tag of "host/name:tag" follows the last colon, unless a slash comes after the colon. */
static void add_tagged(struct table *t, const char *name)
{
	const char *colon = strrchr(name, ':'), *slash = strrchr(name, '/');

	if (colon && (!slash || colon > slash)) {
		_cleanup_free_ char *repository = xstrndup(name, (size_t)(colon - name));

		table_add(t, repository);
		table_add(t, colon + 1);
	} else {
		table_add(t, name);
		table_add(t, "");
	}
}

static void add_image(struct table *t, const Runtime__V1__Image *image, const char *name)
{
	char size[32];

	if (name) {
		add_tagged(t, name);
	} else {
		_cleanup_free_ char *repository = NULL;

		if (image->n_repo_digests)
			repository = xstrndup(image->repo_digests[0],
					      strcspn(image->repo_digests[0], "@"));
		table_add(t, repository ? repository : "<none>");
		table_add(t, "<none>");
	}
	table_add_id(t, image->id);
	format_bytes(image->size, size);
	table_add(t, size);
}

static void images_print(const Runtime__V1__ListImagesResponse *images)
{
	static const char *const headings[] = { "IMAGE", "TAG", "IMAGE ID", "SIZE" };
	_cleanup_table_ struct table *t = table_new(headings, ARRAY_LEN(headings));

	for (size_t i = 0; i < images->n_images; i++) {
		const Runtime__V1__Image *image = images->images[i];

		for (size_t j = 0; j < image->n_repo_tags; j++)
			add_image(t, image, image->repo_tags[j]);
		if (!image->n_repo_tags)
			add_image(t, image, NULL);
	}
	table_print(t, stdout);
}

int cmd_images(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "quiet", no_argument, NULL, 'q' },
		{ "tree", no_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	_cleanup_answer_ Runtime__V1__ListImagesResponse *images = NULL;
	Runtime__V1__ListImagesRequest req = RUNTIME__V1__LIST_IMAGES_REQUEST__INIT;
	bool tree = false;
	struct err e;
	int o;

	while ((o = cli_option(cli, argc, argv, "qt", longs)) != -1) {
		cli->quiet = cli->quiet || o == 'q';
		tree = tree || o == 't';
	}
	if (tree && argc - optind <= 1)
		return images_tree(cli, argv[optind]);
	if (optind < argc)
		return cli_usage(cli, "\"%s\" is too much", argv[argc - 1]);
	if (cli_connect(cli, LIST_TIMEOUT_MS, &e) < 0 ||
	    cri_call_list_images(cli->client, &req, &images, &e) < 0)
		return cli_fail(&e);
	if (cli->json) {
		json_print(&images->base, stdout);
	} else if (cli->quiet) {
		for (size_t i = 0; i < images->n_images; i++)
			puts(images->images[i]->id);
	} else {
		images_print(images);
	}
	return CLI_EXIT_OK;
}
