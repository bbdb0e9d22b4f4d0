/*
 * imageuse.h - which containers use an image, by their rows.  On the loop thread.
 */
#pragma once

#include <stdbool.h>

#include "gen/state.pb-c.h"

/* Does it stand on this image (64 hex) or have it mounted? */
bool imageuse_by(const Crisp__State__Container *row, const char *image_id);
/* A container that uses this image: its id, or NULL. */
const char *imageuse_any(const char *image_id);
