/*
 * puller.c - pulls (src/images/puller.h) without a registry: after some time the layers are there,
 * or the pull fails.  A pull goes on while the daemon is away.
 */
#include "images/puller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/fs.h"
#include "image/layermeta.h"
#include "image/layers.h"
#include "images/verifier.h"
#include "sim.h"

#define LAYERS 2

struct image_pull {
	int pull;
	const struct image_pull_ops *ops;
	void *arg;
	bool told;
};

/* In this life. */
static struct image_pull *ours[SIM_PULLS];
static int locks[SIM_PULLS][LAYERS]; /* descriptors plus one */

/* Pulls of one name have one layer of their own and one that all share. */
static void digest_of(const struct puller *p, unsigned which, char out[72])
{
	_cleanup_free_ char *text = xasprintf("%s %u", which ? p->reference : "all", which);
	char id[ID_LEN + 1];

	id_of_text(text, id);
	snprintf(out, 72, "sha256:%s", id);
}

static void unlock(int i)
{
	for (unsigned k = 0; k < LAYERS; k++) {
		int fd = locks[i][k] - 1;

		if (fd >= 0)
			close(fd);
		locks[i][k] = 0;
	}
}

unsigned puller_fds(void)
{
	unsigned n = 0;

	for (int i = 0; i < SIM_PULLS; i++)
		for (unsigned k = 0; k < LAYERS; k++)
			n += locks[i][k] != 0;
	return n;
}

static void lock_layer(int i, unsigned k, bool make)
{
	_cleanup_free_ char *root = xasprintf("%s/root/images", node->dir);
	_cleanup_free_ char *dir = NULL, *fs = NULL;
	struct image_layer_meta meta = { .size = 10, .unpacked = 10, .disk = 4096, .inodes = 1 };
	struct err e = ERR_NULL;
	int fd;

	digest_of(&node->pulls[i], k, meta.diff_id);
	memcpy(meta.blob, meta.diff_id, sizeof(meta.blob));
	memcpy(meta.boot_id, node->boot_id, sizeof(node->boot_id));
	dir = image_layer_dir(root, meta.diff_id);
	fs = xasprintf("%s/fs", dir);
	if (make && (fs_mkdir_all(fs, 0755, &e) < 0 || image_layer_meta_write(dir, &meta, &e) < 0))
		sim_fail("%s", e.text);
	if (!locks[i][k] && image_layer_lock(dir, LOCK_SH | LOCK_NB, &fd, &e) == 0)
		locks[i][k] = fd + 1;
}

/* A new life of the daemon: pullers have held their layers all the time. */
void puller_sweep(void)
{
	for (int i = 0; i < SIM_PULLS; i++)
		for (unsigned k = 0; k < LAYERS; k++)
			if (node->pulls[i].used && node->pulls[i].state == PULL_FETCHED)
				lock_layer(i, k, false);
}

void puller_ended(int i, int status)
{
	struct puller *p = &node->pulls[i];

	if (!p->used || p->state != PULL_RUNS)
		return;
	p->state = status ? PULL_FAILED : PULL_FETCHED;
	for (unsigned k = 0; k < LAYERS && !status; k++)
		lock_layer(i, k, true);
	sim_note("pull %d of %s ends: %d", i, p->reference, status);
}

static int pull_of(const char *id)
{
	for (int i = 0; i < SIM_PULLS; i++)
		if (node->pulls[i].used && strcmp(node->pulls[i].id, id) == 0)
			return i;
	return -1;
}

static struct image_pull *pull_new(int i, const struct image_pull_ops *ops, void *arg)
{
	ours[i] = xcalloc(1, sizeof(*ours[i]));
	*ours[i] = (struct image_pull){ .pull = i, .ops = ops, .arg = arg };
	return ours[i];
}

int image_pull_start(struct loop *l, const char *pull_path, const char *socket_dir,
		     Crisp__Pull__Request *req, const struct image_pull_ops *ops, void *arg,
		     struct image_pull **ret, struct err *e)
{
	int i = 0, errnum = sim_call("start a puller", false);

	(void)l;
	(void)pull_path;
	(void)socket_dir;
	if (errnum)
		return err_errno(e, ERR_INTERNAL, errnum, "start a puller");
	while (i < SIM_PULLS && (node->pulls[i].used || ours[i]))
		i++;
	SIM_CHECK(i < SIM_PULLS, "too many pulls for the simulation");
	node->pulls[i] = (struct puller){ .used = true, .state = PULL_RUNS };
	snprintf(node->pulls[i].id, sizeof(node->pulls[i].id), "%s", req->pull_id);
	snprintf(node->pulls[i].reference, sizeof(node->pulls[i].reference), "%s", req->reference);
	event_add(EV_PULL_ENDS, (int64_t)sim_below(3000) * NSEC_PER_MSEC, i,
		  sim_chance(node->odds.runtime_fails));
	*ret = pull_new(i, ops, arg);
	return 0;
}

int image_pull_adopt(struct loop *l, const char *socket_dir, const char *id,
		     const struct image_pull_ops *ops, void *arg, struct image_pull **ret,
		     struct err *e)
{
	int i = pull_of(id);

	(void)l;
	(void)socket_dir;
	(void)e;
	if (i < 0)
		return 1;
	*ret = pull_new(i, ops, arg);
	return 0;
}

void image_pull_detach(struct image_pull *p)
{
	if (!p)
		return;
	ours[p->pull] = NULL;
	free(p);
}

void image_pull_close(struct image_pull *p)
{
	if (!p)
		return;
	node->pulls[p->pull].used = false;
	unlock(p->pull);
	image_pull_detach(p);
}

void image_pull_end(const char *socket_dir, const char *id)
{
	int i = pull_of(id);

	(void)socket_dir;
	if (i < 0)
		return;
	node->pulls[i].used = false;
	unlock(i);
}

int image_pull_dismiss(const char *socket_dir, const char *const *ids, size_t n, struct err *e)
{
	(void)e;
	for (int i = 0; i < SIM_PULLS; i++) {
		bool known = false;

		for (size_t k = 0; k < n && node->pulls[i].used; k++)
			known = known || strcmp(ids[k], node->pulls[i].id) == 0;
		if (node->pulls[i].used && !known)
			image_pull_end(socket_dir, node->pulls[i].id);
	}
	return 0;
}

static char *replace(char **to, char *text)
{
	return *to = text;
}

static Crisp__State__Image *image_of(const struct puller *p, const char *id)
{
	static const char config[] = "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":"
				     "{\"Cmd\":[\"/bin/true\"]},\"rootfs\":{\"type\":\"layers\","
				     "\"diff_ids\":[]}}";
	Crisp__State__Image *m = xmalloc(sizeof(*m));
	const char *colon = strrchr(p->reference, ':');

	crisp__state__image__init(m);
	m->n_tags = m->n_digests = 1;
	m->tags = xcalloc(1, sizeof(char *));
	m->digests = xcalloc(1, sizeof(char *));
	m->tags[0] = xstrdup(p->reference);
	m->digests[0] = xasprintf("%.*s@sha256:%s", (int)(colon - p->reference), p->reference, id);
	replace(&m->manifest_digest, xasprintf("sha256:%s", id));
	m->config.data = xmemdup(config, sizeof(config) - 1);
	m->config.len = sizeof(config) - 1;
	m->n_layers = LAYERS;
	m->layers = xcalloc(LAYERS, sizeof(*m->layers));
	for (unsigned k = 0; k < LAYERS; k++) {
		Crisp__State__Layer *l = m->layers[k] = xmalloc(sizeof(*l));
		char digest[72];

		crisp__state__layer__init(l);
		digest_of(p, k, digest);
		replace(&l->diff_id, xstrdup(digest));
		replace(&l->blob_digest, xstrdup(digest));
		replace(&l->boot_id, xstrdup(node->boot_id));
	}
	return m;
}

static bool is_ready(int i)
{
	return ours[i] && !ours[i]->told && node->pulls[i].state != PULL_RUNS;
}

bool puller_is_pending(void)
{
	for (int i = 0; i < SIM_PULLS; i++)
		if (is_ready(i))
			return true;
	return false;
}

bool puller_step(void)
{
	struct image_pull_result result = { .kept = 0 };
	struct err e = ERR_NULL;
	int i = 0;

	while (i < SIM_PULLS && !is_ready(i))
		i++;
	if (i == SIM_PULLS)
		return false;
	ours[i]->told = true;
	if (node->pulls[i].state == PULL_FAILED) {
		err_set(&e, ERR_UNAVAILABLE, "sim: the registry fails");
		ours[i]->ops->done(ours[i]->arg, NULL, &e);
		return true;
	}
	id_of_text(node->pulls[i].reference, result.image_id);
	result.image = image_of(&node->pulls[i], result.image_id);
	ours[i]->ops->done(ours[i]->arg, &result, NULL);
	if (result.image)
		crisp__state__image__free_unpacked(result.image, NULL);
	return true;
}

int image_verify(const char *pull_path, const char *policy, const char *reference,
		 Crisp__State__Signature *const *signatures, size_t n, struct err *e)
{
	(void)pull_path;
	(void)policy;
	(void)reference;
	(void)signatures;
	(void)n;
	return sim_try("verify an image", e);
}
