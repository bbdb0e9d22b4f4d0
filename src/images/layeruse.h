/*
 * layeruse.h - index from a layer to its images. Valid for the current loop turn only; do not keep
 * it. Call on the loop thread.
 */
#pragma once

#include "base/map.h"
#include "core/objects.h"

struct layer_use {
	const char *diff_id;
	struct object **images; /* each image once */
	size_t n;
};

/* Map from diffID to struct layer_use; free with layer_use_free. */
struct map *layer_use_new(void);
void layer_use_free(struct map *m);

/* true: a lower layer of the image has the same diffID as layer i. */
bool layer_use_repeated(const Crisp__State__Image *row, size_t i);
