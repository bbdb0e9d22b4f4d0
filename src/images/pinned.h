/*
 * pinned.h - pinned images, which the kubelet's garbage collection keeps: crio.image.pinned_images
 * and the pause image. Nothing is stored: the current configuration decides, also for images pulled
 * earlier. RemoveImage by name still removes a pinned image. Pure, for any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"
#include "gen/state.pb-c.h"

/* true: a name of the image matches a pattern. "NAME": exact; "BEGINNING*": prefix; "*PART*":
 * substring. */
bool pinned_image(const struct conf *c, const Crisp__State__Image *image);
