/*
 * image.c - effects of states/image.sm, and image queries. An image owns the layers on disk that
 * its row lists.
 */
#include "images/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"
#include "core/jobs.h"
#include "core/paths.h"
#include "core/payloads.h"
#include "image/layers.h"
#include "image/ref.h"
#include "images/diskuse.h"
#include "images/image_listing.h"
#include "images/imageuse.h"
#include "images/layergc.h"
#include "images/scrub.h"

static const Crisp__State__Image *image_row(const struct object *o)
{
	return o->sm->row;
}

/* --- look-up --- */

static bool has(char *const *list, size_t n, const char *s)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i], s) == 0)
			return true;
	return false;
}

/* A short name matches an image of that path from any registry. */
static bool short_matches(const char *full, const char *path_and_rest)
{
	const char *slash = strchr(full, '/');

	if (!slash)
		return false;
	return strcmp(slash + 1, path_and_rest) == 0 ||
	       (str_starts(slash + 1, "library/") &&
		strcmp(slash + 1 + strlen("library/"), path_and_rest) == 0);
}

/* An id prefix, with or without "sha256:". Without, it needs 6 digits, as it may be a name. */
static bool is_id_of(const char *id, const char *name)
{
	const char *hex = str_starts(name, "sha256:") ? name + strlen("sha256:") : name;

	return id_is_prefix(hex) && (hex != name || strlen(hex) >= 6) && str_starts(id, hex);
}

/* The entry of names that matches the reference; NULL: none. */
static const char *named(char *const *names, size_t n, const struct image_ref *ref,
			 const char *wanted)
{
	for (size_t i = 0; i < n; i++)
		if (*ref->domain ? strcmp(names[i], wanted) == 0 : short_matches(names[i], wanted))
			return names[i];
	return NULL;
}

/* The tag or digest that the reference `name` resolves to; NULL: none. */
static const char *resolve(char *const *tags, size_t n_tags, char *const *digests, size_t n_digests,
			   const char *name)
{
	_cleanup_(image_ref_done) struct image_ref ref = IMAGE_REF_NULL;
	_cleanup_free_ char *wanted = NULL, *repo = NULL;
	struct err ignored = ERR_NULL;

	if (image_ref_parse(name, &ref, &ignored) < 0)
		return NULL;
	repo = image_ref_name(&ref);
	wanted = *ref.digest ? xasprintf("%s@%s", repo, ref.digest) : image_ref_tagged(&ref);
	return *ref.digest ? named(digests, n_digests, &ref, wanted)
			   : named(tags, n_tags, &ref, wanted);
}

bool image_matches(const char *id, char *const *tags, size_t n_tags, char *const *digests,
		   size_t n_digests, const char *name)
{
	return is_id_of(id, name) || resolve(tags, n_tags, digests, n_digests, name);
}

/* The full name that name resolves to; NULL: name is an id, or a name of another image. */
static const char *name_of(const struct object *o, const char *name)
{
	const Crisp__State__Image *i = image_row(o);

	return is_id_of(o->sm->id, name)
		       ? NULL
		       : resolve(i->tags, i->n_tags, i->digests, i->n_digests, name);
}

/* The tag that name resolves to; NULL: name is an id or a digest. */
static const char *tag_of(const struct object *o, const char *name)
{
	const char *full = name_of(o, name);

	return full && !strchr(full, '@') ? full : NULL;
}

const char *image_shown_name(const struct object *o, const Runtime__V1__ImageSpec *asked)
{
	const Crisp__State__Image *i = image_row(o);
	const char *name = tag_of(o, asked->user_specified_image);

	if (!name)
		name = tag_of(o, asked->image);
	if (!name && i->n_tags)
		name = i->tags[0];
	if (!name)
		name = name_of(o, asked->user_specified_image);
	if (!name)
		name = name_of(o, asked->image);
	if (!name && i->n_digests)
		name = i->digests[0];
	return name ? name : asked->image;
}

const char *image_shown_handler(const Crisp__State__Image *row)
{
	return row->n_runtime_handlers ? row->runtime_handlers[0] : "";
}

char *image_shown_ref(const struct object *o)
{
	const Crisp__State__Image *i = image_row(o);

	return i->n_digests ? xstrdup(i->digests[0]) : xasprintf("sha256:%s", o->sm->id);
}

/* An image that is being verified stays usable. */
static bool is_here(const struct object *o)
{
	return img_is_here(o->sm->state);
}

/* Includes damaged images, so that their space can be freed. */
static bool is_removable(const struct object *o)
{
	return img_is_removable(o->sm->state);
}

static bool image_answers_to(const struct object *o, const char *name)
{
	const Crisp__State__Image *i = image_row(o);

	return is_removable(o) &&
	       image_matches(o->sm->id, i->tags, i->n_tags, i->digests, i->n_digests, name);
}

struct object *image_find(const char *name)
{
	struct object *o;
	size_t pos = 0;

	while ((o = world_next_named(KIND_IMAGE, name, &pos)))
		if (is_here(o))
			return o;
	return NULL;
}

struct object *image_find_any(const char *name)
{
	size_t pos = 0;

	return world_next_named(KIND_IMAGE, name, &pos);
}

/* --- adoption of pull results --- */

/* Remove the found names from all other images: a tag belongs to one image. */
static void take_tags(const Crisp__State__Image *found, const char *id)
{
	struct object *o;
	size_t pos = 0;

	while ((o = map_next(world.objects[KIND_IMAGE], &pos))) {
		if (strcmp(o->sm->id, id) == 0 || !is_removable(o))
			continue;
		for (size_t i = 0; i < found->n_tags; i++)
			if (has(image_row(o)->tags, image_row(o)->n_tags, found->tags[i]))
				sm_dispatch(o->sm,
					    img_event_untag(payload_tag_new(found->tags[i])));
	}
}

int image_adopt(const char *id, Crisp__State__Image *found, struct err *e)
{
	struct object *image = world_find(KIND_IMAGE, id);
	Crisp__State__Image *row;

	if (image && img_is_dropping(image->sm->state)) {
		for (size_t i = 0; i < found->n_layers; i++)
			layergc_offer(found->layers[i]->diff_id);
		crisp__state__image__free_unpacked(found, NULL);
		return err_set(e, ERR_ABORTED,
			       "image %.13s is being removed at this moment: pull again", id);
	}
	if (!image) {
		row = xmalloc(sizeof(*row));
		crisp__state__image__init(row);
		image = world_new(KIND_IMAGE, id, row, NULL);
	}
	take_tags(found, id);
	sm_dispatch(image->sm, img_event_adopt(payload_image_new(found)));
	return 0;
}

/* --- layers and removal --- */

/* o may be NULL. */
static void add_layers(const struct object *o, struct layer_set *to)
{
	for (size_t i = 0; o && i < image_row(o)->n_layers; i++)
		layer_set_add(to, image_row(o)->layers[i]->diff_id);
}

bool image_owns_layer(const struct object *but, const char *diff_id)
{
	struct object *o;
	size_t pos = 0;

	while ((o = map_next(world.objects[KIND_IMAGE], &pos))) {
		/* Of two images dropped at a time, each would leave shared layers to the other. */
		if (o == but || img_is_dropping(o->sm->state))
			continue;
		for (size_t i = 0; i < image_row(o)->n_layers; i++)
			if (strcmp(image_row(o)->layers[i]->diff_id, diff_id) == 0)
				return true;
	}
	return false;
}

/* Give layers that a puller locks to layergc: the image no longer owns them. */
void img_effect_drop(struct sm_object *sm)
{
	struct object *o = object_of(sm);

	for (size_t i = 0; i < image_row(o)->n_layers; i++)
		if (!image_owns_layer(o, image_row(o)->layers[i]->diff_id))
			layergc_discard(image_row(o)->layers[i]->diff_id);
	effect_report(o, sm->effect_gen, sm_event_new(IMG_EVENT_DROPPED));
}

int image_check_handler(const Runtime__V1__ImageSpec *spec, struct err *e)
{
	if (!conf_runtime_find(world.conf, spec->runtime_handler))
		return err_set(e, ERR_INVALID,
			       "runtime_handler: \"%s\" is not configured: add "
			       "[crio.runtime.runtimes.%s]",
			       spec->runtime_handler, spec->runtime_handler);
	return 0;
}

/* Was the image pulled for another handler, too, or never for this one? */
static bool stays_for_others(const Crisp__State__Image *i, const char *handler)
{
	return *handler && (i->n_runtime_handlers > 1 || !i->n_runtime_handlers ||
			    strcmp(i->runtime_handlers[0], handler) != 0);
}

int image_payload_remove(const struct object *o, const Runtime__V1__ImageSpec *spec,
			 struct payload_tag **ret, struct err *e)
{
	bool untag = strcmp(world.conf->remove_image, "untag") == 0;
	const char *user, *tag = untag ? tag_of(o, spec->image) : NULL;

	*ret = NULL;
	if (stays_for_others(image_row(o), spec->runtime_handler)) {
		*ret = payload_handler_new(spec->runtime_handler);
		return 0;
	}
	if (tag && image_row(o)->n_tags > 1) {
		*ret = payload_tag_new(tag);
		return 0;
	}
	user = imageuse_any(o->sm->id);
	if (user)
		return err_set(e, ERR_PRECONDITION,
			       "image %s is in use by container %.13s: remove "
			       "that first",
			       spec->image, user);
	return 0;
}

struct layer_set *image_layers_in_use(void)
{
	struct layer_set *in_use = layer_set_new();
	struct object *o;
	size_t pos = 0;

	while ((o = map_next(world.objects[KIND_CONTAINER], &pos))) {
		const Crisp__State__Container *row = o->sm->row;

		for (size_t i = 0; i < row->n_diff_ids; i++)
			layer_set_add(in_use, row->diff_ids[i]);
		for (size_t i = 0; i < row->n_image_mounts; i++)
			add_layers(world_find(KIND_IMAGE, row->image_mounts[i]), in_use);
	}
	return in_use;
}

struct layer_set *image_layers_owned(void)
{
	struct layer_set *owned = layer_set_new();
	struct object *o;
	size_t pos = 0;

	while ((o = map_next(world.objects[KIND_IMAGE], &pos)))
		add_layers(o, owned);
	return owned;
}

uint64_t image_layer_bytes(const Crisp__State__Layer *l)
{
	return *l->boot_id ? l->disk : l->unpacked_size;
}

/* Layers whose row has no disk use (older row version) are left out: their meta files have it. */
struct layer_set *image_layers_counted(uint64_t *ret_bytes, uint64_t *ret_inodes)
{
	struct layer_set *counted = layer_set_new();
	struct object *o;
	size_t pos = 0;

	*ret_bytes = *ret_inodes = 0;
	while ((o = map_next(world.objects[KIND_IMAGE], &pos)))
		for (size_t i = 0; i < image_row(o)->n_layers; i++) {
			const Crisp__State__Layer *l = image_row(o)->layers[i];

			if (!*l->boot_id || !layer_set_add(counted, l->diff_id))
				continue;
			*ret_bytes += l->disk;
			*ret_inodes += l->inodes;
		}
	return counted;
}

int image_start(struct err *e)
{
	_cleanup_free_ char *root = path_images(world.conf);
	_cleanup_layer_set_ struct layer_set *owned = image_layers_owned();
	_cleanup_layer_set_ struct layer_set *in_use = image_layers_in_use();
	int r = image_sweep(root, owned, e);

	if (r == 0 && image_sweep_is_held(root))
		log_warn("layers without an image are kept",
			 "text=\"crispd --repair found rows missing: pull images again, which "
			 "fetches no layer that is here, then run crisp gc\"");
	if (r == 0)
		r = image_quarantine_empty(root, in_use, e);
	if (r == 0)
		scrub_start();
	if (r == 0)
		diskuse_start();
	return r;
}

void image_stop(void)
{
	layergc_stop();
	scrub_stop();
	diskuse_stop();
}

static void image_gone(struct object *o)
{
	diskuse_images_changed();
	o->own = NULL;
}

static void image_moved(struct object *o, const struct sm_row *row)
{
	(void)o;
	(void)row;
	diskuse_images_changed();
}

const struct kind_ops kind_image = {
	.machine = &img_machine,
	.moved = image_moved,
	.gone = image_gone,
	.put_listing = image_put_listing,
	.answers_to = image_answers_to,
};
