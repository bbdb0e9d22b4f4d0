/*
 * pulldrv.c - the image layer without the daemon: pulls through puller.h, mounts and removes
 * through layers.h, and prints what comes of it as "key value" lines.
 *
 *   pulldrv pull PULLER ROOT ID REFERENCE [key=value ...]
 *       keys: layout registries auth-file insecure certs namespaced namespace short-names
 *             timeout-ms username password auth identity-token registry-token server
 *             policy policy-dir registries-d;
 *             hold=FILE keeps the layers until FILE is there, cancel=BYTES closes the pull when
 *             that much has arrived
 *   pulldrv mount ROOT TARGET rw|ro DIFFID...     (rw: upper and work beside TARGET)
 *   pulldrv remove ROOT DIFFID...
 *   pulldrv clean ROOT ID
 *   pulldrv end ROOT ID            (a puller that has outlived its pulldrv)
 *   pulldrv sweep ROOT DIFFID...
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/str.h"
#include "base/util.h"
#include "image/layers.h"
#include "image/staging.h"
#include "images/puller.h"
#include "loop/loop.h"

struct drive {
	struct loop *loop;
	struct image_pull *pull;
	struct loop_timer timer;
	char *hold;
	char *insecure[1], *certs[1];
	uint64_t cancel_at;
	int status;
};

static int fail(const struct err *e)
{
	fprintf(stderr, "%s: %s\n", err_code_name(e->code), e->text);
	return 1;
}

static void finish(struct drive *d)
{
	image_pull_close(d->pull);
	d->pull = NULL;
	loop_stop(d->loop);
}

static void on_hold(struct loop_timer *t)
{
	struct drive *d = container_of(t, struct drive, timer);

	if (fs_exists(d->hold))
		finish(d);
	else
		loop_timer_set(d->loop, t, clock_monotonic_ns() + 20 * NSEC_PER_MSEC, on_hold);
}

static void print_image(const struct image_pull_result *r)
{
	const Crisp__State__Image *i = r->image;

	printf("image_id %s\nmanifest %s\nsize %ju\n", r->image_id, i->manifest_digest,
	       (uintmax_t)i->size);
	for (size_t k = 0; k < i->n_tags; k++)
		printf("tag %s\n", i->tags[k]);
	for (size_t k = 0; k < i->n_digests; k++)
		printf("digest %s\n", i->digests[k]);
	for (size_t k = 0; k < i->n_layers; k++)
		printf("layer %s %s %ju %ju %ju %s\n", i->layers[k]->diff_id,
		       i->layers[k]->blob_digest, (uintmax_t)i->layers[k]->compressed_size,
		       (uintmax_t)i->layers[k]->unpacked_size, (uintmax_t)i->layers[k]->inodes,
		       i->layers[k]->media_type);
	for (size_t k = 0; k < i->n_signatures; k++)
		printf("signature %s %s\n", i->signatures[k]->sigstore ? "sigstore" : "openpgp",
		       i->signatures[k]->manifest_digest);
	fflush(stdout);
}

static void on_done(void *arg, struct image_pull_result *result, const struct err *err)
{
	struct drive *d = arg;

	if (err) {
		d->status = fail(err);
		finish(d);
		return;
	}
	print_image(result);
	if (d->hold)
		on_hold(&d->timer);
	else
		finish(d);
}

static void on_progress(void *arg, const struct image_pull_progress *p)
{
	struct drive *d = arg;

	printf("progress %ju/%ju %u/%u\n", (uintmax_t)p->bytes_done, (uintmax_t)p->bytes_total,
	       p->layers_done, p->layers_total);
	fflush(stdout);
	if (d->cancel_at && p->bytes_done >= d->cancel_at) {
		d->status = 3;
		finish(d);
	}
}

static int set_option(struct drive *d, Crisp__Pull__Request *req, char *word)
{
	const struct {
		const char *key;
		char **at;
	} texts[] = {
		{ "layout=", &req->layout_dir },
		{ "registries=", &req->registries_conf },
		{ "auth-file=", &req->auth_file },
		{ "server=", &req->credentials->server_address },
		{ "username=", &req->credentials->username },
		{ "password=", &req->credentials->password },
		{ "auth=", &req->credentials->auth },
		{ "identity-token=", &req->credentials->identity_token },
		{ "registry-token=", &req->credentials->registry_token },
		{ "hold=", &d->hold },
		{ "insecure=", &d->insecure[0] },
		{ "certs=", &d->certs[0] },
		{ "namespaced=", &req->namespaced_auth_dir },
		{ "namespace=", &req->pod_namespace },
		{ "short-names=", &req->short_name_mode },
		{ "policy=", &req->signature_policy },
		{ "policy-dir=", &req->signature_policy_dir },
		{ "registries-d=", &req->registries_d },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (str_starts(word, texts[i].key)) {
			*texts[i].at = word + strlen(texts[i].key);
			return 0;
		}
	if (str_starts(word, "timeout-ms="))
		return str_to_i64(word + strlen("timeout-ms="), 0, INT64_MAX,
				  &req->pull_progress_timeout_ms);
	if (str_starts(word, "cancel="))
		return str_to_u64(word + strlen("cancel="), UINT64_MAX, &d->cancel_at);
	return -1;
}

/* Beside the images. */
static const char *socket_dir(const char *images_root)
{
	static char dir[PATH_MAX];
	const char *slash = strrchr(images_root, '/');

	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - images_root) : 1,
		 slash ? images_root : ".");
	return dir;
}

static int do_pull(int argc, char **argv)
{
	static const struct image_pull_ops ops = { .progress = on_progress, .done = on_done };
	struct drive d = { .status = 0 };
	struct err e = ERR_NULL;
	Crisp__Pull__Request req = CRISP__PULL__REQUEST__INIT;
	Crisp__Pull__Credentials credentials = CRISP__PULL__CREDENTIALS__INIT;

	req.images_root = argv[3];
	req.pull_id = argv[4];
	req.reference = argv[5];
	req.insecure_registries = d.insecure;
	req.certs_dirs = d.certs;
	req.credentials = &credentials;
	for (int i = 6; i < argc; i++)
		if (set_option(&d, &req, argv[i]) < 0) {
			fprintf(stderr, "unknown option %s\n", argv[i]);
			return 2;
		}
	req.n_insecure_registries = d.insecure[0] != NULL;
	req.n_certs_dirs = d.certs[0] != NULL;
	d.loop = loop_new(&e);
	if (!d.loop)
		return fail(&e);
	if (image_pull_start(d.loop, argv[2], socket_dir(argv[3]), &req, &ops, &d, &d.pull, &e) < 0)
		d.status = fail(&e);
	else
		loop_run(d.loop);
	loop_free(d.loop);
	return d.status;
}

static int do_mount(int argc, char **argv)
{
	_cleanup_free_ char *upper = xasprintf("%s.upper", argv[3]);
	_cleanup_free_ char *work = xasprintf("%s.work", argv[3]);
	bool rw = strcmp(argv[4], "rw") == 0;
	struct err e = ERR_NULL;

	if (image_mount(argv[2], (const char *const *)argv + 5, (size_t)(argc - 5),
			rw ? upper : NULL, rw ? work : NULL, argv[3], NULL, &e) < 0)
		return fail(&e);
	return 0;
}

static int trash_empty(const char *root, struct err *e)
{
	_cleanup_free_ char *trash = xasprintf("%s/trash", root);

	return fs_remove_tree(trash, e) < 0 ? -(int)e->code : fs_mkdir_all(trash, 0700, e);
}

/* As the daemon does it: what nobody holds goes to the trash, the trash goes. */
static int layers_remove(const char *root, const char *const *diff_ids, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (image_layer_discard(root, diff_ids[i], e) < 0)
			return -(int)e->code;
	return trash_empty(root, e);
}

static int do_sweep(const char *root, const char *const *known, size_t n, struct err *e)
{
	_cleanup_layer_set_ struct layer_set *set = layer_set_new();
	int r;

	for (size_t i = 0; i < n; i++)
		layer_set_add(set, known[i]);
	r = image_sweep(root, set, e);
	return r < 0 ? r : image_staging_sweep(root, NULL, 0, e);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	const char *const *rest = (const char *const *)argv + 3;
	struct err e = ERR_NULL;

	if (strcmp(what, "pull") == 0 && argc >= 6)
		return do_pull(argc, argv);
	if (strcmp(what, "mount") == 0 && argc >= 5)
		return do_mount(argc, argv);
	if (strcmp(what, "remove") == 0)
		return layers_remove(argv[2], rest, (size_t)(argc - 3), &e) < 0 ? fail(&e) : 0;
	if (strcmp(what, "sweep") == 0)
		return do_sweep(argv[2], rest, (size_t)(argc - 3), &e) < 0 ? fail(&e) : 0;
	if (strcmp(what, "end") == 0 && argc == 4) {
		image_pull_end(socket_dir(argv[2]), argv[3]);
		return 0;
	}
	if (strcmp(what, "clean") == 0 && argc == 4)
		return image_staging_remove(argv[2], argv[3], &e) < 0 ? fail(&e) : 0;
	fprintf(stderr, "usage: see pulldrv.c\n");
	return 2;
}
