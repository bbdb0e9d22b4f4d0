/*
 * imagetree.c - Admin.ImageTree: images, their layers and the users of both.
 */
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "base/arena.h"
#include "core/calls.h"
#include "core/paths.h"
#include "gen/cri_rpc.h"
#include "image/layers.h"
#include "images/image.h"
#include "images/imageuse.h"
#include "images/layeruse.h"
#include "images/pinned.h"
#include "pod/container.h"

/* The response's memory.  When the arena is exhausted, further entries are omitted and full is
 * set. */
struct image_tree {
	struct arena *a;
	struct map *use;
	char *images_root;
	bool full;
};

static void *get(struct image_tree *t, size_t size)
{
	void *p = arena_alloc(t->a, size);

	t->full = t->full || !p;
	return p;
}

static char *full_id(struct image_tree *t, const char *id)
{
	char *s = arena_printf(t->a, "sha256:%s", id);

	t->full = t->full || !s;
	return s ? s : (char *)(uintptr_t) "";
}

static void add_sharers(struct image_tree *t, Crisp__V1__TreeLayer *to, const struct object *but)
{
	const struct layer_use *u = map_get(t->use, to->diff_id);

	to->shared_with = get(t, (u->n + 1) * sizeof(*to->shared_with));
	for (size_t i = 0; to->shared_with && i < u->n; i++)
		if (u->images[i] != but)
			to->shared_with[to->n_shared_with++] = full_id(t, u->images[i]->sm->id);
}

static void add_layers(struct image_tree *t, Crisp__V1__TreeImage *to, const struct object *o)
{
	const Crisp__State__Image *row = o->sm->row;

	to->layers = get(t, (row->n_layers + 1) * sizeof(*to->layers));
	for (size_t i = 0; to->layers && i < row->n_layers; i++) {
		const Crisp__State__Layer *l = row->layers[i];
		Crisp__V1__TreeLayer *x = get(t, sizeof(*x));

		if (!x)
			return;
		crisp__v1__tree_layer__init(x);
		x->diff_id = l->diff_id;
		x->bytes = image_layer_bytes(l);
		x->inodes = l->inodes;
		x->missing = !image_layer_exists(t->images_root, l->diff_id);
		add_sharers(t, x, o);
		to->layers[to->n_layers++] = x;
		if (layer_use_repeated(row, i))
			continue;
		if (x->n_shared_with)
			to->shared_bytes += x->bytes;
		else
			to->unique_bytes += x->bytes;
	}
}

static void add_containers(struct image_tree *t, Crisp__V1__TreeImage *to,
			   const struct object *image)
{
	struct object *o;
	size_t pos = 0, n = map_count(world.objects[KIND_CONTAINER]);

	to->containers = get(t, (n + 1) * sizeof(*to->containers));
	while (to->containers && (o = map_next(world.objects[KIND_CONTAINER], &pos)))
		if (imageuse_by(o->sm->row, image->sm->id))
			to->containers[to->n_containers++] = o->sm->id;
}

static void add_names(Crisp__V1__TreeImage *to, const Crisp__State__Image *row)
{
	/* Digests matter only for images without a tag. */
	to->names = row->n_tags ? row->tags : row->digests;
	to->n_names = row->n_tags ? row->n_tags : row->n_digests;
	to->pinned = pinned_image(world.conf, row);
	to->error = row->failure ? row->failure->text : (char *)(uintptr_t) "";
}

static void add_image(struct image_tree *t, Crisp__V1__ImageTreeResponse *to,
		      const struct object *o)
{
	Crisp__V1__TreeImage *x = get(t, sizeof(*x));

	if (!x)
		return;
	crisp__v1__tree_image__init(x);
	x->id = full_id(t, o->sm->id);
	x->state = (char *)(uintptr_t)sm_state(o->sm)->name;
	add_names(x, o->sm->row);
	add_layers(t, x, o);
	add_containers(t, x, o);
	to->images[to->n_images++] = x;
}

static void add_pulls(struct image_tree *t, Crisp__V1__ImageTreeResponse *to)
{
	struct object *o;
	size_t pos = 0;

	to->pulls = get(t, (map_count(world.objects[KIND_PULL]) + 1) * sizeof(*to->pulls));
	while (to->pulls && (o = map_next(world.objects[KIND_PULL], &pos))) {
		const Crisp__State__Pull *row = o->sm->row;
		Crisp__V1__TreePull *x = get(t, sizeof(*x));

		if (!x)
			return;
		crisp__v1__tree_pull__init(x);
		x->id = o->sm->id;
		x->reference = row->reference;
		x->started_ns = row->started_ns;
		to->pulls[to->n_pulls++] = x;
	}
}

static int fill(struct image_tree *t, const char *name, Crisp__V1__ImageTreeResponse *to,
		struct err *e)
{
	struct object *o, *only = *name ? image_find_any(name) : NULL;
	size_t pos = 0;

	if (*name && !only)
		return err_set(e, ERR_NOT_FOUND, "image \"%.100s\" is not here", name);
	to->images = get(t, (map_count(world.objects[KIND_IMAGE]) + 1) * sizeof(*to->images));
	while (to->images && (o = map_next(world.objects[KIND_IMAGE], &pos)))
		if (!only || o == only)
			add_image(t, to, o);
	if (!only)
		add_pulls(t, to);
	if (t->full)
		return err_set(e, ERR_EXHAUSTED, "too much for one answer: ask for one image");
	return 0;
}

int rpc_take_image_tree(struct caller *c, const Crisp__V1__ImageTreeRequest *req, struct err *e)
{
	Crisp__V1__ImageTreeResponse resp = CRISP__V1__IMAGE_TREE_RESPONSE__INIT;
	struct image_tree t = { .a = rpc_call_arena(c->rpc) };
	int r;

	t.use = layer_use_new();
	t.images_root = path_images(world.conf);
	r = fill(&t, req->name, &resp, e);
	if (r == 0) {
		rpc_reply(c->rpc, &resp.base);
		free(c);
	}
	layer_use_free(t.use);
	free(t.images_root);
	return r;
}
