/*
 * pinned.h - images that the kubelet's garbage collection leaves alone: those that
 * crio.image.pinned_images names, and the pause image.  Nothing is stored: what the configuration
 * says now counts, for images that were pulled before as well.  A request to remove one by name is
 * carried out all the same.  Pure, for any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "conf/conf.h"
#include "gen/state.pb-c.h"

/* Does a name of the image fit a pattern: "NAME" is that name, "BEGINNING*" all that begin so,
 * "*PART*" all that have it in them. */
bool pinned_image(const struct conf *c, const Crisp__State__Image *image);
