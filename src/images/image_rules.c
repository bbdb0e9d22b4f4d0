/*
 * image_rules.c - steps of states/image.sm.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "core/payloads.h"
#include "core/records.h"
#include "gen/sm_image.h"
#include "image/annotations.h"

static void copy_layers(Crisp__State__Image *to, const Crisp__State__Image *from)
{
	to->layers = xcalloc(from->n_layers, sizeof(*to->layers));
	for (size_t i = 0; i < from->n_layers; i++) {
		const Crisp__State__Layer *l = from->layers[i];
		Crisp__State__Layer *copy = xmalloc(sizeof(*copy));

		crisp__state__layer__init(copy);
		row_set_str(&copy->diff_id, l->diff_id);
		row_set_str(&copy->blob_digest, l->blob_digest);
		row_set_str(&copy->media_type, l->media_type);
		copy->compressed_size = l->compressed_size;
		copy->unpacked_size = l->unpacked_size;
		copy->inodes = l->inodes;
		copy->disk = l->disk;
		row_set_str(&copy->boot_id, l->boot_id);
		to->layers[i] = copy;
	}
	to->n_layers = from->n_layers;
}

/* Keep existing layers; layers that were fetched again belong to this boot. */
static void renew_layers(Crisp__State__Image *draft, const Crisp__State__Image *found)
{
	for (size_t i = 0; i < draft->n_layers && i < found->n_layers; i++) {
		Crisp__State__Layer *l = draft->layers[i];
		const Crisp__State__Layer *now = found->layers[i];

		if (strcmp(l->diff_id, now->diff_id) != 0 || strcmp(l->boot_id, now->boot_id) == 0)
			continue;
		row_set_str(&l->boot_id, now->boot_id);
		l->verified = false;
		l->unpacked_size = now->unpacked_size;
		l->inodes = now->inodes;
		l->disk = now->disk;
	}
}

#define SIGNATURES_BYTES ((size_t)(256 * 1024)) /* enough for two pulls */

static bool has_signature(const Crisp__State__Image *i, const Crisp__State__Signature *s)
{
	for (size_t k = 0; k < i->n_signatures; k++) {
		const Crisp__State__Signature *o = i->signatures[k];

		if (strcmp(o->manifest_digest, s->manifest_digest) == 0 &&
		    o->content.len == s->content.len &&
		    memcmp(o->content.data, s->content.data, s->content.len) == 0 &&
		    strcmp(o->signature, s->signature) == 0)
			return true;
	}
	return false;
}

static void add_signature(Crisp__State__Image *to, const Crisp__State__Signature *s)
{
	Crisp__State__Signature *copy = xmalloc(sizeof(*copy));

	crisp__state__signature__init(copy);
	row_set_str(&copy->manifest_digest, s->manifest_digest);
	copy->sigstore = s->sigstore;
	copy->content.len = s->content.len;
	copy->content.data = xmemdup(s->content.data, s->content.len);
	row_set_str(&copy->signature, s->signature);
	to->signatures = xrealloc(to->signatures, (to->n_signatures + 1) *
							  sizeof(struct Crisp__State__Signature *));
	to->signatures[to->n_signatures++] = copy;
}

/* Add new signatures: pulls under other names find other signatures of the same image. Drop the
 * oldest beyond the limit. */
static void add_signatures(Crisp__State__Image *to, const Crisp__State__Image *from)
{
	size_t bytes = 0, drop;

	for (size_t i = 0; i < from->n_signatures; i++)
		if (!has_signature(to, from->signatures[i]))
			add_signature(to, from->signatures[i]);
	for (drop = to->n_signatures; drop > 0; drop--) {
		bytes += crisp__state__signature__get_packed_size(to->signatures[drop - 1]);
		if (bytes > SIGNATURES_BYTES)
			break;
	}
	if (!drop)
		return;
	for (size_t i = 0; i < drop; i++)
		crisp__state__signature__free_unpacked(to->signatures[i], NULL);
	to->n_signatures -= drop;
	memmove(to->signatures, to->signatures + drop,
		to->n_signatures * sizeof(struct Crisp__State__Signature *));
}

/* Show those of the last pull. */
static void renew_annotations(Crisp__State__Image *draft, const Crisp__State__Image *found)
{
	struct annotations a = { draft->annotations, draft->n_annotations };

	annotations_done(&a);
	for (size_t i = 0; i < found->n_annotations; i++)
		annotations_put(&a, found->annotations[i]->key, found->annotations[i]->value);
	draft->annotations = a.list;
	draft->n_annotations = a.n;
}

/* A row without handlers is of an older build, which pulled for the default one. */
static void add_handlers(Crisp__State__Image *draft, const Crisp__State__Image *found, bool is_new)
{
	if (!is_new && !draft->n_runtime_handlers)
		row_add_str(&draft->runtime_handlers, &draft->n_runtime_handlers, "");
	for (size_t i = 0; i < found->n_runtime_handlers; i++)
		row_add_str(&draft->runtime_handlers, &draft->n_runtime_handlers,
			    found->runtime_handlers[i]);
}

/* An image of an index has two names with a digest: the index's, and its own manifest's. */
static void add_digests(Crisp__State__Image *draft, const Crisp__State__Image *found)
{
	for (size_t i = 0; i < found->n_digests; i++) {
		const char *name = found->digests[i];
		_cleanup_free_ char *own =
			xasprintf("%.*s@%s", (int)strcspn(name, "@"), name, found->manifest_digest);

		row_add_str(&draft->digests, &draft->n_digests, name);
		if (*found->manifest_digest)
			row_add_str(&draft->digests, &draft->n_digests, own);
	}
}

/* Store content once, add names. */
void img_step_note_image(Crisp__State__Image *draft, const struct sm_event *ev,
			 const struct payload_image *image)
{
	const Crisp__State__Image *found = image->found;
	bool is_new = !draft->config.len && !*draft->artifact_type;

	if (is_new) {
		draft->config.data = xmemdup(found->config.data, found->config.len);
		draft->config.len = found->config.len;
		copy_layers(draft, found);
		draft->size = found->size;
		row_set_str(&draft->manifest_digest, found->manifest_digest);
		row_set_str(&draft->user, found->user);
		row_set_str(&draft->artifact_type, found->artifact_type);
		row_set_str(&draft->boot_id, clock_boot_id());
		draft->checkpoint = found->checkpoint;
	} else {
		renew_layers(draft, found);
		draft->checkpoint = draft->checkpoint && found->checkpoint;
	}
	row_clear_failure(&draft->failure);
	draft->pulled_ns = ev->at_ns;
	add_signatures(draft, found);
	renew_annotations(draft, found);
	add_handlers(draft, found, is_new);
	for (size_t i = 0; i < found->n_tags; i++)
		row_add_str(&draft->tags, &draft->n_tags, found->tags[i]);
	add_digests(draft, found);
}

void img_step_note_untag(Crisp__State__Image *draft, const struct sm_event *ev,
			 const struct payload_tag *tag)
{
	(void)ev;
	if (tag->tag)
		row_del_str(&draft->tags, &draft->n_tags, tag->tag);
	if (tag->handler)
		row_del_str(&draft->runtime_handlers, &draft->n_runtime_handlers, tag->handler);
}

/* Layers of this boot are verified after the next boot. */
void img_step_note_whole(Crisp__State__Image *draft, const struct sm_event *ev)
{
	(void)ev;
	for (size_t i = 0; i < draft->n_layers; i++)
		if (strcmp(draft->layers[i]->boot_id, clock_boot_id()) != 0)
			draft->layers[i]->verified = true;
}

void img_step_note_damage(Crisp__State__Image *draft, const struct sm_event *ev)
{
	row_fail(&draft->failure, ev);
}
