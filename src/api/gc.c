/*
 * gc.c - Admin.CollectGarbage: remove unused content of the image store.
 * First remove images, each by its machine, as RemoveImage does.  After the last removal, a worker
 * finds content that no image references.  One collection at a time.
 */
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "base/arena.h"
#include "base/fs.h"
#include "base/treewalk.h"
#include "core/calls.h"
#include "core/paths.h"
#include "core/trash.h"
#include "gen/cri_rpc.h"
#include "image/layers.h"
#include "images/image.h"
#include "images/imageuse.h"
#include "images/layergc.h"
#include "images/layeruse.h"
#include "images/pinned.h"
#include "pod/container.h"

struct item {
	const char *kind;
	char *id, *name, *diff_id; /* diff_id: of a layer without an image */
	bool removed;
	char *why;
	uint64_t bytes;
};

struct gc {
	struct loop_job base;
	struct rpc_call *rpc;
	bool dry_run;
	size_t waiting; /* removals under way, plus one for their starter */
	struct item *items;
	size_t n;
	char *images_root, *trash;
	struct layer_set *owned, *in_use;
	int result;
	struct err err;
};

static struct gc *running;

/* Takes ownership of why. */
static struct item *add_item(struct gc *g, const char *kind, const char *id, const char *name,
			     bool removed, char *why)
{
	struct item *x;

	g->items = xrealloc(g->items, (g->n + 1) * sizeof(*g->items));
	x = &g->items[g->n++];
	*x = (struct item){
		.kind = kind,
		.id = xstrdup(id),
		.name = xstrdup(name),
		.removed = removed,
		.why = why,
	};
	return x;
}

static void gc_free(struct gc *g)
{
	for (size_t i = 0; i < g->n; i++) {
		free(g->items[i].id);
		free(g->items[i].name);
		free(g->items[i].diff_id);
		free(g->items[i].why);
	}
	free(g->items);
	free(g->images_root);
	free(g->trash);
	layer_set_free(g->owned);
	layer_set_free(g->in_use);
	free(g);
	running = NULL;
}

/* --- images --- */

static void plan_image(struct gc *g, const struct object *o)
{
	const Crisp__State__Image *row = o->sm->row;
	const char *name = row->n_tags ? row->tags[0] : row->n_digests ? row->digests[0] : "";
	const char *user = imageuse_any(o->sm->id);

	if (user)
		add_item(g, "image", o->sm->id, name, false,
			 xasprintf("container %.13s uses it", user));
	else if (img_is_dropping(o->sm->state))
		add_item(g, "image", o->sm->id, name, false, xstrdup("it is being removed"));
	else if (img_is_faulty(o->sm->state))
		add_item(g, "image", o->sm->id, name, true,
			 xasprintf("damaged: %s", row->failure ? row->failure->text : "?"));
	else if (pinned_image(world.conf, row))
		add_item(g, "image", o->sm->id, name, false, xstrdup("it is pinned"));
	else
		add_item(g, "image", o->sm->id, name, true, xstrdup("no container uses it"));
}

static struct item *item_of(const struct gc *g, const struct object *image)
{
	for (size_t i = 0; i < g->n; i++)
		if (strcmp(g->items[i].id, image->sm->id) == 0)
			return &g->items[i];
	return NULL;
}

static bool all_go(const struct gc *g, const struct layer_use *u)
{
	for (size_t i = 0; i < u->n; i++)
		if (!item_of(g, u->images[i])->removed)
			return false;
	return true;
}

/* A layer is freed with the last image that uses it. */
static void count_bytes(struct gc *g)
{
	struct map *use = layer_use_new();
	struct object *o;
	size_t pos = 0;

	while ((o = map_next(world.objects[KIND_IMAGE], &pos))) {
		const Crisp__State__Image *row = o->sm->row;

		for (size_t i = 0; i < row->n_layers; i++) {
			const struct layer_use *u = map_get(use, row->layers[i]->diff_id);

			if (u->images[u->n - 1] == o && !layer_use_repeated(row, i) && all_go(g, u))
				item_of(g, o)->bytes += image_layer_bytes(row->layers[i]);
		}
	}
	layer_use_free(use);
}

static void plan_images(struct gc *g)
{
	struct object *o;
	size_t pos = 0;

	while ((o = map_next(world.objects[KIND_IMAGE], &pos)))
		plan_image(g, o);
	count_bytes(g);
}

/* --- unreferenced content: on a worker --- */

static int add_leftover(void *arg, const struct image_leftover *l)
{
	struct gc *g = arg;
	struct item *x = NULL;

	switch (l->kind) {
	case IMAGE_LEFTOVER_LAYER:
		x = add_item(g, "layer", l->name, "", !l->held && *l->diff_id,
			     xstrdup(l->held	   ? "a pull counts on it"
				     : *l->diff_id ? "no image has it"
						   : "it goes when crispd starts: its meta is not "
						     "readable"));
		x->diff_id = xstrdup(l->diff_id);
		break;
	case IMAGE_LEFTOVER_QUARANTINE:
		if (layer_set_has(g->in_use, l->name))
			x = add_item(g, "quarantine", l->name, "", false,
				     xstrdup("a container uses it"));
		else
			x = add_item(g, "quarantine", l->name, "", true,
				     xstrdup("a damaged layer"));
		break;
	case IMAGE_LEFTOVER_TRASH:
		x = add_item(g, "trash", l->name, "", true, xstrdup("it was being removed"));
		break;
	case IMAGE_LEFTOVER_STAGING:
		x = add_item(g, "staging", l->name, "", false,
			     xstrdup("pulls work in it and clean up behind them"));
		break;
	}
	x->bytes = l->bytes;
	return 0;
}

static int add_container_trash(const char *path, const char *name, void *arg, struct err *e)
{
	struct gc *g = arg;
	struct item *x = add_item(g, "trash", name, "", true, xstrdup("it was being removed"));
	struct treewalk_sum sum;
	int r = treewalk_all(path, g->trash, &sum, e);

	x->bytes = sum.bytes;
	return r;
}

static void leftovers_work(struct loop_job *base)
{
	struct gc *g = container_of(base, struct gc, base);

	g->result = image_leftovers(g->images_root, g->owned, add_leftover, g, &g->err);
	if (g->result == 0)
		g->result = fs_each(g->trash, add_container_trash, g, &g->err);
	if (g->result == 0 && !g->dry_run)
		g->result = image_quarantine_empty(g->images_root, g->in_use, &g->err);
}

/* --- the answer --- */

static void answer(struct gc *g)
{
	Crisp__V1__CollectGarbageResponse resp = CRISP__V1__COLLECT_GARBAGE_RESPONSE__INIT;
	struct arena *a = rpc_call_arena(g->rpc);

	resp.items = arena_alloc(a, (g->n + 1) * sizeof(*resp.items));
	for (size_t i = 0; resp.items && i < g->n; i++) {
		const struct item *x = &g->items[i];
		Crisp__V1__GarbageItem *to = arena_alloc(a, sizeof(*to));

		if (!to)
			break;
		crisp__v1__garbage_item__init(to);
		to->kind = (char *)(uintptr_t)x->kind;
		to->id = x->id;
		to->name = x->name;
		to->removed = x->removed;
		to->why = x->why;
		to->bytes = x->bytes;
		resp.items[resp.n_items++] = to;
		resp.bytes += x->removed ? x->bytes : 0;
	}
	rpc_reply(g->rpc, &resp.base);
}

static void explain_stuck(struct gc *g)
{
	struct trash_status s = trash_status();

	for (size_t i = 0; i < s.n_stuck; i++)
		for (size_t k = 0; k < g->n; k++) {
			struct item *x = &g->items[k];

			if (strcmp(x->kind, "trash") != 0 ||
			    strcmp(x->id, strrchr(s.stuck[i].path, '/') + 1) != 0)
				continue;
			x->removed = false;
			free(x->why);
			x->why = xasprintf("it could not be removed: %s", s.stuck[i].why);
		}
}

/* Offer layers to layergc, like those of an ended pull: an image may own one by now. */
static void leftovers_done(struct loop_job *base)
{
	struct gc *g = container_of(base, struct gc, base);

	if (g->result == 0 && !g->dry_run)
		g->result = image_sweep_release(g->images_root, &g->err);
	for (size_t i = 0; i < g->n && !g->dry_run; i++)
		if (g->items[i].removed && g->items[i].diff_id)
			layergc_offer(g->items[i].diff_id);
	explain_stuck(g);
	if (!g->dry_run)
		trash_kick();
	if (g->result < 0)
		rpc_fail(g->rpc, &g->err);
	else
		answer(g);
	gc_free(g);
}

/* --- one after the other --- */

static void images_done(struct gc *g)
{
	for (size_t i = 0; i < g->n && !g->dry_run; i++) {
		struct item *x = &g->items[i];
		struct object *o = x->removed ? world_find(KIND_IMAGE, x->id) : NULL;

		if (!o || sm_is_gone(o->sm))
			continue;
		x->removed = false;
		free(x->why);
		x->why = xstrdup("it could not be removed");
	}
	g->owned = image_layers_owned();
	g->in_use = image_layers_in_use();
	g->images_root = path_images(world.conf);
	g->trash = path_container_trash(world.conf);
	g->base.work = leftovers_work;
	g->base.done = leftovers_done;
	if (loop_work(world.loop, LANE_IMAGE, &g->base, &g->err) < 0) {
		rpc_fail(g->rpc, &g->err);
		gc_free(g);
	}
}

static void one_done(void)
{
	if (--running->waiting == 0)
		images_done(running);
}

static void removal_done(struct rpc_call *rpc, const struct sm_object *obj, const struct err *e)
{
	(void)rpc;
	(void)obj;
	(void)e; /* images_done reports failures */
	one_done();
}

int rpc_take_collect_garbage(struct caller *c, const Crisp__V1__CollectGarbageRequest *req,
			     struct err *e)
{
	struct gc *g;

	if (running)
		return err_set(e, ERR_UNAVAILABLE, "another collection is under way: try again");
	running = g = xcalloc(1, sizeof(*g));
	g->rpc = c->rpc;
	g->dry_run = req->dry_run;
	g->waiting = 1;
	free(c);
	plan_images(g);
	for (size_t i = 0, n = g->n; i < n && !g->dry_run; i++) {
		if (!g->items[i].removed)
			continue;
		g->waiting++;
		caller_dispatch(caller_new(g->rpc, NULL, removal_done),
				world_find(KIND_IMAGE, g->items[i].id),
				sm_event_new(IMG_EVENT_REMOVE));
	}
	one_done();
	return 0;
}
