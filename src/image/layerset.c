/*
 * layerset.c - a map keyed by directory name (image_layer_name).
 */
#include "image/layerset.h"

#include <string.h>

#include "base/map.h"
#include "image/layermeta.h"

struct layer_set {
	struct map *names; /* each value is its own key */
};

struct layer_set *layer_set_new(void)
{
	struct layer_set *s = xcalloc(1, sizeof(*s));

	s->names = map_new();
	return s;
}

void layer_set_free(struct layer_set *s)
{
	char *name;

	if (!s)
		return;
	for (size_t pos = 0; (name = map_next(s->names, &pos));)
		free(name);
	map_free(s->names);
	free(s);
}

bool layer_set_add(struct layer_set *s, const char *diff_id)
{
	char name[IMAGE_LAYER_NAME + 1], *key;

	if (image_layer_name(diff_id, name) < 0 || map_get(s->names, name))
		return false;
	key = xstrdup(name);
	map_put(s->names, key, key);
	return true;
}

bool layer_set_has(const struct layer_set *s, const char *name)
{
	char key[IMAGE_LAYER_NAME + 1];

	if (!s || strlen(name) < IMAGE_LAYER_NAME)
		return false;
	memcpy(key, name, IMAGE_LAYER_NAME);
	key[IMAGE_LAYER_NAME] = '\0';
	return map_get(s->names, key);
}
