/*
 * layeruse.c - build the map from diffID to images by one pass over the images' rows.
 */
#include "images/layeruse.h"

#include <stdlib.h>
#include <string.h>

bool layer_use_repeated(const Crisp__State__Image *row, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(row->layers[k]->diff_id, row->layers[i]->diff_id) == 0)
			return true;
	return false;
}

static void add(struct map *m, const char *diff_id, struct object *image)
{
	struct layer_use *u = map_get(m, diff_id);

	if (!u) {
		u = xcalloc(1, sizeof(*u));
		u->diff_id = diff_id;
		map_put(m, u->diff_id, u);
	}
	if ((u->n & (u->n - 1)) == 0)
		u->images = xrealloc(u->images, (u->n ? u->n * 2 : 1) * sizeof(*u->images));
	u->images[u->n++] = image;
}

struct map *layer_use_new(void)
{
	struct map *m = map_new();
	struct object *o;
	size_t pos = 0;

	while ((o = map_next(world.objects[KIND_IMAGE], &pos))) {
		const Crisp__State__Image *row = o->sm->row;

		for (size_t i = 0; i < row->n_layers; i++)
			if (!layer_use_repeated(row, i))
				add(m, row->layers[i]->diff_id, o);
	}
	return m;
}

void layer_use_free(struct map *m)
{
	struct layer_use *u;

	for (size_t pos = 0; (u = map_next(m, &pos));) {
		free(u->images);
		free(u);
	}
	map_free(m);
}
