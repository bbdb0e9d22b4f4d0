/*
 * image_rules.c - steps of states/image.sm and states/pull.sm.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "gen/sm_image.h"
#include "gen/sm_pull.h"
#include "obj/facts.h"

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

/* The event carries the image as the pull found it: content once, names added. */
void img_step_note_image(Crisp__State__Image *draft, const struct sm_event *ev)
{
	const Crisp__State__Image *found = ev->data;

	if (!draft->config.len) {
		draft->config.data = xmemdup(found->config.data, found->config.len);
		draft->config.len = found->config.len;
		copy_layers(draft, found);
		draft->size = found->size;
		row_set_str(&draft->manifest_digest, found->manifest_digest);
		row_set_str(&draft->user, found->user);
		draft->pinned = found->pinned;
		row_set_str(&draft->boot_id, clock_boot_id());
	}
	draft->pulled_ns = ev->at_ns;
	for (size_t i = 0; i < found->n_tags; i++)
		row_add_str(&draft->tags, &draft->n_tags, found->tags[i]);
	for (size_t i = 0; i < found->n_digests; i++)
		row_add_str(&draft->digests, &draft->n_digests, found->digests[i]);
}

/* The event carries the tag, as text. */
void img_step_note_untag(Crisp__State__Image *draft, const struct sm_event *ev)
{
	row_del_str(&draft->tags, &draft->n_tags, ev->data);
}

void pul_step_note_image(Crisp__State__Pull *draft, const struct sm_event *ev)
{
	row_set_str(&draft->image_id, ev->data);
}

void pul_step_note_error(Crisp__State__Pull *draft, const struct sm_event *ev)
{
	row_fail(&draft->failure, ev);
}
