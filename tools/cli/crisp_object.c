/*
 * crisp_object.c - the commands `inspect`, `explain`, `stop` and `rm`, and the search for an
 * object by id, prefix or name.
 */
#include "crisp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "crisp_json.h"
#include "crisp_table.h"

#define OBJECT_TIMEOUT_MS 60000
#define CANDIDATES_SHOWN 8

/* A search: the best match so far, and all matches for the message. */
struct object_search {
	const char *text;
	struct found_object *found;
	unsigned n;
	bool exact; /* found has exactly this id: ignore other matches */
	char owner[65]; /* pod of the container found */
	struct buf candidates;
};

static void search_offer(struct object_search *s, enum object_kind kind, const char *id,
			 const char *name, bool running)
{
	const char *digits = str_starts(id, "sha256:") ? id + strlen("sha256:") : id;
	bool exact = strcmp(id, s->text) == 0 || strcmp(digits, s->text) == 0;

	if (s->exact)
		return;
	if (!exact && strcmp(name, s->text) != 0 &&
	    (!s->text[0] || (!str_starts(id, s->text) && !str_starts(digits, s->text))))
		return;
	s->exact = exact;
	s->n = exact ? 1 : s->n + 1;
	if (s->n <= CANDIDATES_SHOWN)
		buf_printf(&s->candidates, "%s%.13s (%s %s)", s->n > 1 ? ", " : "", digits,
			   kind == OBJECT_KIND_POD	   ? "pod"
			   : kind == OBJECT_KIND_CONTAINER ? "container"
							   : "image",
			   name);
	s->found->kind = kind;
	s->found->running = running;
	snprintf(s->found->id, sizeof(s->found->id), "%s", id);
	snprintf(s->found->name, sizeof(s->found->name), "%s", name);
}

static int search_pods(struct cli *cli, struct object_search *s, bool prefer_pod, struct err *e)
{
	_cleanup_answer_ Runtime__V1__ListPodSandboxResponse *pods = NULL;
	Runtime__V1__ListPodSandboxRequest req = RUNTIME__V1__LIST_POD_SANDBOX_REQUEST__INIT;
	int r = cri_call_list_pod_sandbox(cli->client, &req, &pods, e);

	for (size_t i = 0; r == 0 && i < pods->n_items; i++) {
		const Runtime__V1__PodSandbox *p = pods->items[i];

		/* `crisp run` gives a pod and its container the same name: treat both as one
		 * match. */
		if (p->metadata && s->n == 1 && strcmp(s->owner, p->id) == 0 &&
		    strcmp(p->metadata->name, s->text) == 0) {
			if (!prefer_pod)
				continue;
			s->n = 0;
		}
		search_offer(s, OBJECT_KIND_POD, p->id, p->metadata ? p->metadata->name : "",
			     p->state == RUNTIME__V1__POD_SANDBOX_STATE__SANDBOX_READY);
	}
	return r;
}

static int search_containers(struct cli *cli, struct object_search *s, struct err *e)
{
	_cleanup_answer_ Runtime__V1__ListContainersResponse *list = NULL;
	Runtime__V1__ListContainersRequest req = RUNTIME__V1__LIST_CONTAINERS_REQUEST__INIT;
	int r = cri_call_list_containers(cli->client, &req, &list, e);

	for (size_t i = 0; r == 0 && i < list->n_containers; i++) {
		const Runtime__V1__Container *c = list->containers[i];

		search_offer(s, OBJECT_KIND_CONTAINER, c->id, c->metadata ? c->metadata->name : "",
			     c->state == RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING);
		if (strcmp(s->found->id, c->id) == 0)
			snprintf(s->owner, sizeof(s->owner), "%s", c->pod_sandbox_id);
	}
	return r;
}

/* Offer each image once, under its matching name if there is one. */
static int search_images(struct cli *cli, struct object_search *s, struct err *e)
{
	_cleanup_answer_ Runtime__V1__ListImagesResponse *list = NULL;
	Runtime__V1__ListImagesRequest req = RUNTIME__V1__LIST_IMAGES_REQUEST__INIT;
	int r = cri_call_list_images(cli->client, &req, &list, e);

	for (size_t i = 0; r == 0 && i < list->n_images; i++) {
		const Runtime__V1__Image *image = list->images[i];
		const char *name = image->n_repo_tags ? image->repo_tags[0] : "<none>";

		for (size_t j = 0; j < image->n_repo_tags; j++)
			if (strcmp(image->repo_tags[j], s->text) == 0)
				name = image->repo_tags[j];
		for (size_t j = 0; j < image->n_repo_digests; j++)
			if (strcmp(image->repo_digests[j], s->text) == 0)
				name = image->repo_digests[j];
		search_offer(s, OBJECT_KIND_IMAGE, image->id, name, false);
	}
	return r;
}

int cli_resolve(struct cli *cli, const char *text, unsigned kinds, struct found_object *ret,
		struct err *e)
{
	struct object_search s = { .text = text, .found = ret, .candidates = BUF_NULL };
	int r = 0;

	*ret = (struct found_object){ .kind = OBJECT_KIND_POD };
	if (kinds & OBJECT_KIND_CONTAINER)
		r = search_containers(cli, &s, e);
	if (r == 0 && kinds & OBJECT_KIND_POD)
		r = search_pods(cli, &s, kinds & OBJECT_PREFER_POD, e);
	if (r == 0 && kinds & OBJECT_KIND_IMAGE)
		r = search_images(cli, &s, e);
	if (r == 0 && s.n == 0)
		r = err_set(e, ERR_NOT_FOUND,
			    "nothing here is called \"%s\" or has an id that begins so", text);
	else if (r == 0 && s.n > 1)
		r = err_set(e, ERR_INVALID, "\"%s\" could be any of %u: %s%s", text, s.n,
			    s.candidates.data, s.n > CANDIDATES_SHOWN ? ", ..." : "");
	buf_done(&s.candidates);
	return r;
}

int container_status(struct cli *cli, const char *id, bool verbose,
		     Runtime__V1__ContainerStatusResponse **ret, struct err *e)
{
	Runtime__V1__ContainerStatusRequest req = RUNTIME__V1__CONTAINER_STATUS_REQUEST__INIT;
	int r;

	req.container_id = (char *)(uintptr_t)id;
	req.verbose = verbose;
	r = cri_call_container_status(cli->client, &req, ret, e);
	if (r == 0 && !(*ret)->status) {
		answer_freep(ret);
		*ret = NULL;
		r = err_set(e, ERR_INTERNAL, "the daemon's answer about %s has no status", id);
	}
	return r;
}

static int inspect_pod(struct cli *cli, struct found_object *o, struct err *e)
{
	_cleanup_answer_ Runtime__V1__PodSandboxStatusResponse *pod = NULL;
	Runtime__V1__PodSandboxStatusRequest req = RUNTIME__V1__POD_SANDBOX_STATUS_REQUEST__INIT;
	int r;

	req.pod_sandbox_id = o->id;
	req.verbose = true;
	r = cri_call_pod_sandbox_status(cli->client, &req, &pod, e);
	if (r == 0)
		json_print(&pod->base, stdout);
	return r;
}

static int inspect_image(struct cli *cli, struct found_object *o, struct err *e)
{
	_cleanup_answer_ Runtime__V1__ImageStatusResponse *image = NULL;
	Runtime__V1__ImageStatusRequest req = RUNTIME__V1__IMAGE_STATUS_REQUEST__INIT;
	Runtime__V1__ImageSpec spec = RUNTIME__V1__IMAGE_SPEC__INIT;
	int r;

	spec.image = o->id;
	req.image = &spec;
	req.verbose = true;
	r = cri_call_image_status(cli->client, &req, &image, e);
	if (r == 0)
		json_print(&image->base, stdout);
	return r;
}

static int inspect_object(struct cli *cli, struct found_object *o, struct err *e)
{
	_cleanup_answer_ Runtime__V1__ContainerStatusResponse *status = NULL;
	int r;

	switch (o->kind) {
	case OBJECT_KIND_POD:
		return inspect_pod(cli, o, e);
	case OBJECT_KIND_IMAGE:
		return inspect_image(cli, o, e);
	case OBJECT_KIND_CONTAINER:
		break;
	}
	r = container_status(cli, o->id, true, &status, e);
	if (r == 0)
		json_print(&status->base, stdout);
	return r;
}

int cmd_inspect(struct cli *cli, int argc, char **argv)
{
	struct found_object object;
	struct err e;

	while (cli_option(cli, argc, argv, "", NULL) != -1)
		;
	if (argc - optind != 1)
		return cli_usage(cli, "one id or name is needed");
	if (cli_connect(cli, OBJECT_TIMEOUT_MS, &e) < 0 ||
	    cli_resolve(cli, argv[optind],
			OBJECT_KIND_POD | OBJECT_KIND_CONTAINER | OBJECT_KIND_IMAGE, &object,
			&e) < 0 ||
	    inspect_object(cli, &object, &e) < 0)
		return cli_fail(&e);
	return CLI_EXIT_OK;
}

static void explain_print(const Crisp__V1__ExplainedObject *o)
{
	char duration[32], at[36];

	format_duration(o->age_ns, duration);
	printf("%s %.13s %s\n  %s (%s) for %s\n", o->kind, o->id, o->name, o->state,
	       o->kind_of_state, duration);
	if (o->waits_for[0])
		printf("  waits for %s\n", o->waits_for);
	if (o->deadline_ns > 0) {
		clock_format(o->deadline_ns, at);
		printf("  gives up at %s\n", at);
	}
	if (o->last_error[0])
		printf("  last error: %s\n", o->last_error);
	for (size_t i = 0; i < o->n_transitions; i++) {
		const Crisp__V1__Transition *t = o->transitions[i];

		clock_format(t->at_ns, at);
		printf("  %s  %s -%s-> %s\n", at, t->from, t->event, t->to);
	}
}

int cmd_explain(struct cli *cli, int argc, char **argv)
{
	_cleanup_answer_ Crisp__V1__ExplainResponse *resp = NULL;
	Crisp__V1__ExplainRequest req = CRISP__V1__EXPLAIN_REQUEST__INIT;
	struct found_object object;
	struct err e;

	while (cli_option(cli, argc, argv, "", NULL) != -1)
		;
	if (argc - optind > 1)
		return cli_usage(cli, "\"%s\" is too much", argv[optind + 1]);
	if (cli_connect(cli, OBJECT_TIMEOUT_MS, &e) < 0)
		return cli_fail(&e);
	if (optind < argc) {
		req.id_prefix = argv[optind];
		/* The daemon finds unlisted objects by id prefix; a name needs the lists. */
		if (!id_is_prefix(argv[optind])) {
			if (cli_resolve(cli, argv[optind], OBJECT_KIND_POD | OBJECT_KIND_CONTAINER,
					&object, &e) < 0)
				return cli_fail(&e);
			req.id_prefix = object.id;
		}
	}
	if (cri_call_explain(cli->client, &req, &resp, &e) < 0)
		return cli_fail(&e);
	if (cli->json) {
		json_print(&resp->base, stdout);
		return CLI_EXIT_OK;
	}
	for (size_t i = 0; i < resp->n_objects; i++)
		explain_print(resp->objects[i]);
	if (!resp->n_objects && !req.id_prefix[0])
		printf("everything is at rest\n");
	else if (!resp->n_objects)
		return cli_fail(&(struct err){ .code = ERR_NOT_FOUND,
					       .text = "nothing here has an id that begins so" });
	return CLI_EXIT_OK;
}

int container_stop(struct cli *cli, const char *id, int64_t grace_s, struct err *e)
{
	_cleanup_answer_ Runtime__V1__StopContainerResponse *resp = NULL;
	Runtime__V1__StopContainerRequest req = RUNTIME__V1__STOP_CONTAINER_REQUEST__INIT;
	int r;

	req.container_id = (char *)(uintptr_t)id;
	req.timeout = grace_s;
	r = cli_connect(cli, OBJECT_TIMEOUT_MS + grace_s * 1000, e);
	return r < 0 ? r : cri_call_stop_container(cli->client, &req, &resp, e);
}

int container_remove(struct cli *cli, const char *id, struct err *e)
{
	_cleanup_answer_ Runtime__V1__RemoveContainerResponse *resp = NULL;
	Runtime__V1__RemoveContainerRequest req = RUNTIME__V1__REMOVE_CONTAINER_REQUEST__INIT;

	req.container_id = (char *)(uintptr_t)id;
	return cri_call_remove_container(cli->client, &req, &resp, e);
}

static int pod_stop(struct cli *cli, const char *id, struct err *e)
{
	_cleanup_answer_ Runtime__V1__StopPodSandboxResponse *resp = NULL;
	Runtime__V1__StopPodSandboxRequest req = RUNTIME__V1__STOP_POD_SANDBOX_REQUEST__INIT;

	req.pod_sandbox_id = (char *)(uintptr_t)id;
	return cri_call_stop_pod_sandbox(cli->client, &req, &resp, e);
}

int pod_remove(struct cli *cli, const char *id, struct err *e)
{
	_cleanup_answer_ Runtime__V1__RemovePodSandboxResponse *resp = NULL;
	Runtime__V1__RemovePodSandboxRequest req = RUNTIME__V1__REMOVE_POD_SANDBOX_REQUEST__INIT;
	int r = pod_stop(cli, id, e);

	req.pod_sandbox_id = (char *)(uintptr_t)id;
	return r < 0 ? r : cri_call_remove_pod_sandbox(cli->client, &req, &resp, e);
}

/* Call fn for each argument; continue after a failure. */
static int for_each_object(struct cli *cli, char **argv, int n,
			   int (*fn)(struct cli *cli, struct found_object *o, int64_t arg,
				     struct err *e),
			   int64_t arg)
{
	int code = CLI_EXIT_OK;

	for (int i = 0; i < n; i++) {
		struct found_object object;
		struct err e;

		if (cli_connect(cli, OBJECT_TIMEOUT_MS, &e) < 0)
			return cli_fail(&e);
		if (cli_resolve(cli, argv[i],
				OBJECT_KIND_POD | OBJECT_KIND_CONTAINER | OBJECT_PREFER_POD,
				&object, &e) < 0 ||
		    fn(cli, &object, arg, &e) < 0)
			code = cli_fail(&e);
		else
			puts(object.id);
	}
	return code;
}

static int stop_one(struct cli *cli, struct found_object *o, int64_t grace_s, struct err *e)
{
	if (o->kind == OBJECT_KIND_POD)
		return pod_stop(cli, o->id, e);
	return container_stop(cli, o->id, grace_s, e);
}

int cmd_stop(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "timeout", required_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	int64_t grace_s = 10;

	while (cli_option(cli, argc, argv, "t:", longs) != -1)
		grace_s = cli_number(cli, "--timeout", optarg, 86400);
	if (optind == argc)
		return cli_usage(cli, "at least one id or name is needed");
	return for_each_object(cli, argv + optind, argc - optind, stop_one, grace_s);
}

static int remove_one(struct cli *cli, struct found_object *o, int64_t force, struct err *e)
{
	if (o->running && !force)
		return err_set(e, ERR_PRECONDITION, "%s %.13s %s: stop it first, or use -f",
			       o->kind == OBJECT_KIND_POD ? "pod" : "container", o->id,
			       o->kind == OBJECT_KIND_POD ? "is ready" : "runs");
	if (o->kind == OBJECT_KIND_POD)
		return pod_remove(cli, o->id, e);
	return container_remove(cli, o->id, e);
}

int cmd_rm(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "force", no_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	int64_t force = 0;

	while (cli_option(cli, argc, argv, "f", longs) != -1)
		force = 1;
	if (optind == argc)
		return cli_usage(cli, "at least one id or name is needed");
	return for_each_object(cli, argv + optind, argc - optind, remove_one, force);
}
