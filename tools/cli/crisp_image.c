/*
 * crisp_image.c - the commands `pull`, `load` and `rmi`.
 */
#include "crisp.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "crisp_image.h"
#include "crisp_json.h"
#include "crisp_progress.h"

#define IMAGE_TIMEOUT_MS 60000

/* handler may be NULL: the default one. spec keeps both pointers. */
static void spec_fill(Runtime__V1__ImageSpec *spec, const char *name, const char *handler)
{
	runtime__v1__image_spec__init(spec);
	spec->image = (char *)(uintptr_t)name;
	if (handler)
		spec->runtime_handler = (char *)(uintptr_t)handler;
}

int image_pull(struct cli *cli, const char *name, const char *handler,
	       Runtime__V1__AuthConfig *auth, bool quiet, char **ret, struct err *e)
{
	_cleanup_answer_ Runtime__V1__PullImageResponse *resp = NULL;
	Runtime__V1__PullImageRequest req = RUNTIME__V1__PULL_IMAGE_REQUEST__INIT;
	Runtime__V1__ImageSpec spec;
	struct progress *progress;
	int r;

	spec_fill(&spec, name, handler);
	req.image = &spec;
	req.auth = auth;
	r = cli_connect(cli, 0, e); /* no timeout; the daemon has its own limits */
	if (r < 0)
		return r;
	progress = quiet ? NULL : progress_start(cli, name);
	r = cri_call_pull_image(cli->client, &req, &resp, e);
	progress_stop(progress);
	if (r < 0)
		return r;
	*ret = xstrdup(resp->image_ref);
	return 0;
}

int image_exists(struct cli *cli, const char *name, struct err *e)
{
	_cleanup_answer_ Runtime__V1__ImageStatusResponse *resp = NULL;
	Runtime__V1__ImageStatusRequest req = RUNTIME__V1__IMAGE_STATUS_REQUEST__INIT;
	Runtime__V1__ImageSpec spec;
	int r;

	spec_fill(&spec, name, NULL);
	req.image = &spec;
	r = cri_call_image_status(cli->client, &req, &resp, e);
	return r < 0 ? r : resp->image != NULL;
}

int cmd_pull(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "creds", required_argument, NULL, 'c' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "runtime", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	Runtime__V1__AuthConfig auth = RUNTIME__V1__AUTH_CONFIG__INIT;
	_cleanup_free_ char *creds = NULL;
	_cleanup_free_ char *ref = NULL;
	const char *handler = NULL;
	struct err e;
	int c;

	while ((c = cli_option(cli, argc, argv, "q", longs)) != -1) {
		if (c == 'q') {
			cli->quiet = true;
			continue;
		}
		if (c == 'r') {
			handler = optarg;
			continue;
		}
		free(creds);
		creds = xstrdup(optarg);
		explicit_bzero(optarg, strlen(optarg)); /* other users can read the command line */
	}
	if (argc - optind != 1)
		return cli_usage(cli, "one image is needed");
	if (creds) {
		char *colon = strchr(creds, ':');

		if (!colon)
			return cli_usage(cli, "--creds takes USER:PASSWORD");
		*colon = '\0';
		auth.username = creds;
		auth.password = colon + 1;
	}
	if (image_pull(cli, argv[optind], handler, creds ? &auth : NULL, cli->quiet, &ref, &e) < 0)
		return cli_fail(&e);
	puts(ref);
	return CLI_EXIT_OK;
}

int cmd_load(struct cli *cli, int argc, char **argv)
{
	_cleanup_answer_ Crisp__V1__LoadImageResponse *resp = NULL;
	Crisp__V1__LoadImageRequest req = CRISP__V1__LOAD_IMAGE_REQUEST__INIT;
	_cleanup_free_ char *path = NULL;
	struct err e;

	while (cli_option(cli, argc, argv, "", NULL) != -1)
		;
	if (argc - optind < 1 || argc - optind > 2)
		return cli_usage(cli, "one directory is needed, and perhaps a name");
	path = realpath(argv[optind], NULL);
	if (!path) {
		perror(argv[optind]);
		return CLI_EXIT_FAILED;
	}
	req.path = path;
	if (argc - optind == 2)
		req.name = argv[optind + 1];
	if (cli_connect(cli, 0, &e) < 0 || cri_call_load_image(cli->client, &req, &resp, &e) < 0)
		return cli_fail(&e);
	if (cli->json) {
		json_print(&resp->base, stdout);
		return CLI_EXIT_OK;
	}
	puts(resp->image_id);
	for (size_t i = 0; i < resp->n_names; i++)
		puts(resp->names[i]);
	return CLI_EXIT_OK;
}

static int remove_image(struct cli *cli, const char *text, const char *handler, struct err *e)
{
	_cleanup_answer_ Runtime__V1__RemoveImageResponse *resp = NULL;
	Runtime__V1__RemoveImageRequest req = RUNTIME__V1__REMOVE_IMAGE_REQUEST__INIT;
	Runtime__V1__ImageSpec spec;
	struct found_object object;
	int r = image_exists(cli, text, e);

	/* Pass the name unchanged: the daemon parses all forms.  A name unknown to the daemon may
	 * be an id's prefix. */
	spec_fill(&spec, text, handler);
	if (r == 0) {
		r = cli_resolve(cli, text, OBJECT_KIND_IMAGE, &object, e);
		spec.image = object.id;
	}
	req.image = &spec;
	return r < 0 ? r : cri_call_remove_image(cli->client, &req, &resp, e);
}

int cmd_rmi(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "runtime", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	const char *handler = NULL;
	int code = CLI_EXIT_OK;
	struct err e;

	while (cli_option(cli, argc, argv, "", longs) != -1)
		handler = optarg;
	if (optind == argc)
		return cli_usage(cli, "at least one image is needed");
	if (cli_connect(cli, IMAGE_TIMEOUT_MS, &e) < 0)
		return cli_fail(&e);
	for (int i = optind; i < argc; i++) {
		if (remove_image(cli, argv[i], handler, &e) < 0)
			code = cli_fail(&e);
		else
			puts(argv[i]);
	}
	return code;
}
