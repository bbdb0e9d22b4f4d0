/*
 * layeruse.h - which images have which layer, as it is in this turn of the loop: not to be kept for
 * the next one.  On the loop thread.
 */
#pragma once

#include "base/map.h"
#include "core/objects.h"

struct layer_use {
	const char *diff_id;
	struct object **images; /* each once */
	size_t n;
};

/* By diffID; free with layer_use_free. */
struct map *layer_use_new(void);
void layer_use_free(struct map *m);

/* Does the image have layer number i further down as well?  Then it is the same one. */
bool layer_use_repeated(const Crisp__State__Image *row, size_t i);
