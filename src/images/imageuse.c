/*
 * imageuse.c - find image ids in the rows of containers: rootfs image and image mounts.
 */
#include "images/imageuse.h"

#include <string.h>

#include "core/objects.h"

bool imageuse_by(const Crisp__State__Container *row, const char *image_id)
{
	/* Until its files are unpacked, the image of a container's checkpoint is not known. */
	if (strcmp(*row->image_id ? row->image_id + strlen("sha256:") : row->restore_image,
		   image_id) == 0)
		return true;
	for (size_t i = 0; i < row->n_image_mounts; i++)
		if (strcmp(row->image_mounts[i], image_id) == 0)
			return true;
	return false;
}

const char *imageuse_any(const char *image_id)
{
	struct object *o;
	size_t pos = 0;

	while ((o = map_next(world.objects[KIND_CONTAINER], &pos)))
		if (imageuse_by(o->sm->row, image_id))
			return o->sm->id;
	return NULL;
}
