/*
 * crisp_wipe.c - `wipe`: remove all pods and containers, and on demand all images.
 *
 * Without a daemon `crispd --wipe` does it; a daemon that runs is asked object by object.  Either
 * way each step is complete in itself: after an interruption, run the command again.
 */
#include "crisp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/str.h"

#define WIPE_TIMEOUT_MS 120000

/* crispd beside this program in a build, in ../sbin when installed, else in PATH. */
static char *daemon_path(void)
{
	static const char *const places[] = { "crispd", "../sbin/crispd" };
	_cleanup_free_ char *self = NULL;
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (n > 0) {
		exe[n] = '\0';
		*strrchr(exe, '/') = '\0';
		self = xstrdup(exe);
	}
	for (size_t i = 0; self && i < ARRAY_LEN(places); i++) {
		char *path = xasprintf("%s/%s", self, places[i]);

		if (fs_exists(path))
			return path;
		free(path);
	}
	return xstrdup("crispd");
}

/* Become `crispd --wipe` with the daemon's options. */
static int wipe_offline(bool images, char **options)
{
	_cleanup_free_ char *program = daemon_path();
	char **argv;
	size_t n = 0;

	while (options[n])
		n++;
	argv = xcalloc(n + 3, sizeof(*argv));
	argv[0] = program;
	memcpy(argv + 1, options, n * sizeof(*argv));
	argv[n + 1] = (char *)(uintptr_t)(images ? "--wipe-images" : "--wipe");
	fflush(stdout);
	execvp(program, argv);
	fprintf(stderr, "crisp: %s: %s\n", program, strerror(errno));
	free(argv);
	return CLI_EXIT_FAILED;
}

static int remove_pods(struct cli *cli, struct err *e)
{
	_cleanup_answer_ Runtime__V1__ListPodSandboxResponse *pods = NULL;
	Runtime__V1__ListPodSandboxRequest req = RUNTIME__V1__LIST_POD_SANDBOX_REQUEST__INIT;
	int r = cri_call_list_pod_sandbox(cli->client, &req, &pods, e);

	for (size_t i = 0; r == 0 && i < pods->n_items; i++) {
		r = pod_remove(cli, pods->items[i]->id, e);
		if (r == 0)
			puts(pods->items[i]->id);
	}
	return r;
}

static int remove_images(struct cli *cli, struct err *e)
{
	_cleanup_answer_ Runtime__V1__ListImagesResponse *images = NULL;
	Runtime__V1__ListImagesRequest req = RUNTIME__V1__LIST_IMAGES_REQUEST__INIT;
	int r = cri_call_list_images(cli->client, &req, &images, e);

	for (size_t i = 0; r == 0 && i < images->n_images; i++) {
		_cleanup_answer_ Runtime__V1__RemoveImageResponse *resp = NULL;
		Runtime__V1__RemoveImageRequest rm = RUNTIME__V1__REMOVE_IMAGE_REQUEST__INIT;
		Runtime__V1__ImageSpec spec = RUNTIME__V1__IMAGE_SPEC__INIT;

		spec.image = images->images[i]->id;
		rm.image = &spec;
		r = cri_call_remove_image(cli->client, &rm, &resp, e);
		if (r == 0)
			puts(images->images[i]->id);
	}
	return r;
}

static int wipe_online(struct cli *cli, bool images)
{
	struct err e;
	int r = remove_pods(cli, &e);

	if (r == 0 && images)
		r = remove_images(cli, &e);
	return r < 0 ? cli_fail(&e) : CLI_EXIT_OK;
}

/* Does a daemon answer? */
static bool daemon_answers(struct cli *cli)
{
	_cleanup_answer_ Runtime__V1__VersionResponse *v = NULL;
	Runtime__V1__VersionRequest req = RUNTIME__V1__VERSION_REQUEST__INIT;
	struct err ignored = ERR_NULL;

	return cli_connect(cli, WIPE_TIMEOUT_MS, &ignored) == 0 &&
	       cri_call_version(cli->client, &req, &v, &ignored) == 0;
}

int cmd_wipe(struct cli *cli, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "force", no_argument, NULL, 'f' },
		{ "images", no_argument, NULL, 'i' },
		{ NULL, 0, NULL, 0 },
	};
	bool force = false, images = false;
	int o;

	while ((o = cli_option(cli, argc, argv, "+fi", longs)) != -1) {
		if (o == 'f')
			force = true;
		else
			images = true;
	}
	if (!daemon_answers(cli))
		return wipe_offline(images, argv + optind);
	if (optind < argc)
		return cli_usage(cli, "options of crispd count while it does not run");
	if (!force)
		return cli_fail(&(struct err){
			.code = ERR_PRECONDITION,
			.text = "crispd runs: stop it first, or use -f to remove what it has" });
	return wipe_online(cli, images);
}
