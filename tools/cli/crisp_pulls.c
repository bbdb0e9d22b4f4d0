/*
 * crisp_pulls.c - the commands `pulls` and `cancel`.
 */
#include "crisp.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "crisp_json.h"
#include "crisp_table.h"

#define PULLS_TIMEOUT_MS 60000

/* "3/5", and the number that waits for another pull. */
static void format_layers(const Crisp__V1__Pull *p, char out[48])
{
	int n = snprintf(out, 48, "%u/%u", p->layers_done, p->layers_total);

	if (p->layers_waiting)
		snprintf(out + n, 48 - (size_t)n, " (%u shared)", p->layers_waiting);
}

static void add_pull(struct table *t, const Crisp__V1__Pull *p)
{
	char done[32], total[32], rate[32], ago[32], layers[48];
	_cleanup_free_ char *bytes = NULL, *speed = NULL;

	format_bytes(p->bytes_done, done);
	format_bytes(p->bytes_total, total);
	format_bytes(p->rate, rate);
	format_ago(p->started_ns, clock_realtime_ns(), ago);
	format_layers(p, layers);
	bytes = xasprintf("%s/%s", done, total);
	speed = xasprintf("%s/s", rate);
	table_add_id(t, p->id);
	table_add(t, p->reference);
	table_add(t, *p->phase ? p->phase : p->state);
	table_add(t, layers);
	table_add(t, bytes);
	table_add(t, speed);
	table_add(t, p->host);
	table_add(t, ago);
}

int cmd_pulls(struct cli *cli, int argc, char **argv)
{
	static const char *const headings[] = { "PULL",	 "IMAGE", "STATE", "LAYERS",
						"BYTES", "RATE",  "FROM",  "STARTED" };
	_cleanup_answer_ Crisp__V1__ListPullsResponse *resp = NULL;
	Crisp__V1__ListPullsRequest req = CRISP__V1__LIST_PULLS_REQUEST__INIT;
	struct table *t;
	struct err e;
	int c;

	while ((c = cli_option(cli, argc, argv, "q", NULL)) != -1)
		cli->quiet = true;
	if (argc - optind > 1)
		return cli_usage(cli, "\"%s\" is too much", argv[optind + 1]);
	if (optind < argc)
		req.name = argv[optind];
	if (cli_connect(cli, PULLS_TIMEOUT_MS, &e) < 0 ||
	    cri_call_list_pulls(cli->client, &req, &resp, &e) < 0)
		return cli_fail(&e);
	if (cli->json) {
		json_print(&resp->base, stdout);
		return CLI_EXIT_OK;
	}
	t = table_new(headings, ARRAY_LEN(headings));
	for (size_t i = 0; i < resp->n_pulls; i++) {
		if (cli->quiet)
			puts(resp->pulls[i]->id);
		else
			add_pull(t, resp->pulls[i]);
	}
	if (!cli->quiet)
		table_print(t, stdout);
	table_free(t);
	return CLI_EXIT_OK;
}

int cmd_cancel(struct cli *cli, int argc, char **argv)
{
	_cleanup_answer_ Crisp__V1__CancelPullResponse *resp = NULL;
	Crisp__V1__CancelPullRequest req = CRISP__V1__CANCEL_PULL_REQUEST__INIT;
	struct err e;

	while (cli_option(cli, argc, argv, "", NULL) != -1)
		;
	if (argc - optind != 1)
		return cli_usage(cli, "one image or one pull is needed");
	req.name = argv[optind];
	if (cli_connect(cli, PULLS_TIMEOUT_MS, &e) < 0 ||
	    cri_call_cancel_pull(cli->client, &req, &resp, &e) < 0)
		return cli_fail(&e);
	return CLI_EXIT_OK;
}
