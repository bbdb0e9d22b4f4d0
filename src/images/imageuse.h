/*
 * imageuse.h - which containers use an image, by their rows. Call on the loop thread.
 */
#pragma once

#include <stdbool.h>

#include "gen/state.pb-c.h"

/* true: the container's rootfs is this image (64 hex), or the container mounts it, or its files are
 * being unpacked from this checkpoint image. */
bool imageuse_by(const Crisp__State__Container *row, const char *image_id);
/* Id of one container that uses this image; NULL: no container does. */
const char *imageuse_any(const char *image_id);
