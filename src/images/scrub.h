/*
 * scrub.h - verify layers of earlier boots, one at a time, at idle I/O priority and a bounded rate.
 * Damaged layers go to quarantine. Call on the loop thread.
 */
#pragma once

#include "core/objects.h"

/* Start, after the sweep and before the loop runs. Check every image with a missing layer, or a
 * layer of an earlier boot not verified since. */
void scrub_start(void);

/* Call when a container cannot be made from its images. Marks those with a missing layer
 * damaged. */
void scrub_images_of(const Crisp__State__Container *row);

void scrub_stop(void);
