/*
 * crisp_checkpoint.c - the command `checkpoint`: the running containers of a pod to files.
 */
#include "crisp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_S 600
#define OPTIONS_MAX 32

typedef Runtime__V1__CheckpointPodRequest__OptionsEntry Option;

static void take_option(struct cli *cli, char *text, Option *options, Option **list, size_t *n)
{
	if (*n == OPTIONS_MAX)
		exit(cli_usage(cli, "at most %d options", OPTIONS_MAX));
	runtime__v1__checkpoint_pod_request__options_entry__init(&options[*n]);
	cli_pair(cli, "--option", text, &options[*n].key, &options[*n].value);
	list[*n] = &options[*n];
	++*n;
}

/* The named containers, or all of the pod that run.  The caller frees the list and its texts. */
static int choose(struct cli *cli, const char *pod, char **names, int n_names, char ***ret,
		  size_t *ret_n, struct err *e)
{
	_cleanup_answer_ Runtime__V1__ListContainersResponse *all = NULL;
	Runtime__V1__ListContainersRequest req = RUNTIME__V1__LIST_CONTAINERS_REQUEST__INIT;
	Runtime__V1__ContainerFilter filter = RUNTIME__V1__CONTAINER_FILTER__INIT;
	int r;

	filter.pod_sandbox_id = (char *)(uintptr_t)pod;
	req.filter = &filter;
	r = cri_call_list_containers(cli->client, &req, &all, e);
	if (r < 0)
		return r;
	*ret = xcalloc((size_t)n_names + all->n_containers + 1, sizeof(char *));
	for (int i = 0; i < n_names && r == 0; i++) {
		struct found_object c;

		r = cli_resolve(cli, names[i], OBJECT_KIND_CONTAINER, &c, e);
		if (r == 0)
			(*ret)[(*ret_n)++] = xstrdup(c.id);
	}
	for (size_t i = 0; !n_names && i < all->n_containers; i++)
		if (all->containers[i]->state == RUNTIME__V1__CONTAINER_STATE__CONTAINER_RUNNING)
			(*ret)[(*ret_n)++] = xstrdup(all->containers[i]->id);
	return r;
}

static int checkpoint(struct cli *cli, Runtime__V1__CheckpointPodRequest *req, char **names,
		      int n_names, struct err *e)
{
	_cleanup_answer_ Runtime__V1__CheckpointPodResponse *resp = NULL;
	int r = choose(cli, req->pod_sandbox_id, names, n_names, &req->container_ids,
		       &req->n_container_ids, e);

	if (r == 0)
		r = cri_call_checkpoint_pod(cli->client, req, &resp, e);
	for (size_t i = 0; i < req->n_container_ids; i++)
		free(req->container_ids[i]);
	free(req->container_ids);
	return r;
}

int cmd_checkpoint(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "timeout", required_argument, NULL, 't' },
		{ "option", required_argument, NULL, 'O' },
		{ NULL, 0, NULL, 0 },
	};
	Runtime__V1__CheckpointPodRequest req = RUNTIME__V1__CHECKPOINT_POD_REQUEST__INIT;
	Option options[OPTIONS_MAX], *list[OPTIONS_MAX];
	int64_t timeout_s = TIMEOUT_S;
	struct found_object pod;
	struct err e;
	int c;

	req.options = list;
	while ((c = cli_option(cli, argc, argv, "t:O:", longs)) != -1)
		if (c == 't')
			timeout_s = cli_number(cli, "--timeout", optarg, 3600);
		else
			take_option(cli, optarg, options, list, &req.n_options);
	if (argc - optind < 2)
		return cli_usage(cli, "a pod and a directory are needed");
	if (cli_connect(cli, timeout_s * 1000, &e) < 0 ||
	    cli_resolve(cli, argv[optind], OBJECT_KIND_POD, &pod, &e) < 0)
		return cli_fail(&e);
	req.pod_sandbox_id = pod.id;
	req.output_path = argv[optind + 1];
	if (checkpoint(cli, &req, argv + optind + 2, argc - optind - 2, &e) < 0)
		return cli_fail(&e);
	puts(pod.id);
	return CLI_EXIT_OK;
}
